//! The operator's own themes: read at the start, and again when a file changes.

use crate::config::Loaded;
use crate::domain::SafeText;
use crate::tui::model::{Message, Notice, NoticeLevel};
use crate::tui::task::Post;
use crate::tui::theme::{Theme, ThemeSet};
use std::path::{Path, PathBuf};

/// Reads every theme of the folder into the set; answers what is wrong with which.
pub(super) fn read_all(set: &ThemeSet, folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| name_of(path).map(|name| (name, path)))
        .filter_map(|(name, path)| read(set, &name, path).err())
        .collect()
}

/// # Errors
/// What is wrong with it; the set keeps what it had.
fn read(set: &ThemeSet, name: &str, path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let theme = Theme::parse(name, &text).map_err(|error| error.to_string())?;
    set.put(&theme);
    Ok(())
}

fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

/// Reads a theme again when its file changes, for as long as what it answers is held. Without a folder there is
/// nothing to watch.
pub(super) fn follow(set: &ThemeSet, loaded: &Loaded, post: &Post) -> Option<notify::RecommendedWatcher> {
    use notify::Watcher;
    let folder = loaded.places.themes_dir.clone();
    let (set, post) = (set.clone(), post.clone());
    let told = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Being read is no change.
        if event.kind.is_access() {
            return;
        }
        for path in event.paths {
            let Some(name) = name_of(&path) else { continue };
            let done = if path.is_file() {
                read(&set, &name, &path)
            } else {
                set.forget(&name);
                Ok(())
            };
            // Editors write in pieces: what a piece says is replaced by what the next one does.
            let (level, text) = match done {
                Ok(()) => (NoticeLevel::Info, format!("theme {name} was read again")),
                Err(why) => (NoticeLevel::Warning, why),
            };
            post.send(Message::Notice(Notice::Themes(set.names())));
            post.send(Message::Notice(Notice::Flash {
                level,
                text: SafeText::new(&text),
                hint: None,
            }));
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok()?;
    watcher.watch(&folder, notify::RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}
