//! The configuration file, followed as it changes under a running dashboard.

use super::screen;
use crate::config::{self, ConfigError, Loaded, Reread};
use crate::domain::SafeText;
use crate::ops::Live;
use crate::tui::model::{Message, Mistake};
use crate::tui::task::Post;
use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Editors write a file in several steps: it is read when it stood still for so long.
const STILL: Duration = Duration::from_millis(150);

/// Whom a change is told.
pub(super) struct Hearers {
    /// The dashboard.
    pub(super) post: Post,
    /// The operations.
    pub(super) live: Live,
}

/// Follows the file for as long as the answer is held.
pub(super) fn follow(loaded: Arc<Loaded>, hearers: Hearers) -> DropGuard {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = following(loaded, hearers) => {}
        }
    });
    stop.drop_guard()
}

async fn following(mut loaded: Arc<Loaded>, hearers: Hearers) {
    let (told, mut changes) = mpsc::channel(1);
    let names: Vec<_> = watched(&loaded.places.config)
        .iter()
        .filter_map(|path| path.file_name().map(ToOwned::to_owned))
        .collect();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading it is no change.
        let concerns = event.is_ok_and(|event| {
            let is_this = |path: &PathBuf| path.file_name().is_some_and(|name| names.iter().any(|n| n == name));
            !event.kind.is_access() && event.paths.iter().any(is_this)
        });
        if concerns {
            let _ = told.try_send(());
        }
    });
    let Ok(mut watcher) = watcher else {
        tracing::warn!("the configuration can't be followed: changes hold from the next start on");
        return;
    };
    for path in watched(&loaded.places.config) {
        if let Some(folder) = path.parent() {
            // A folder that is not there yet: there is no file either, until the next start.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }
    let mut seen = text(&loaded.places.config);
    while changes.recv().await.is_some() {
        while tokio::time::timeout(STILL, changes.recv()).await.is_ok() {}
        let now = text(&loaded.places.config);
        if now == seen {
            continue;
        }
        seen = now;
        let before = Arc::clone(&loaded);
        let Ok(read) = tokio::task::spawn_blocking(move || config::reread(&before)).await else {
            continue;
        };
        match read {
            Ok(read) => loaded = tell(read, &hearers),
            Err(mistake) => hearers.post.send(Message::Kept(shown(&mistake))),
        }
    }
}

fn tell(read: Reread, hearers: &Hearers) -> Arc<Loaded> {
    let Reread {
        loaded,
        changed,
        restart,
        worker,
    } = read;
    let loaded = Arc::new(loaded);
    let (mut dashboard, _) = screen::dashboard(&loaded);
    dashboard.ui.config.restart = restart;
    dashboard.ui.config.worker = worker;
    hearers.live.set(Arc::clone(&loaded));
    hearers.post.send(Message::Settings(Box::new(dashboard.ui), changed));
    loaded
}

/// The file, and where it leads when it is a link.
fn watched(file: &Path) -> Vec<PathBuf> {
    let mut all = vec![file.to_owned()];
    if let Ok(target) = file.canonicalize()
        && target != file
    {
        all.push(target);
    }
    all
}

/// What the file holds; nothing where there is none.
fn text(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}

/// A mistake as the dashboard shows it.
pub(super) fn shown(mistake: &ConfigError) -> Mistake {
    let place = match mistake.at {
        Some((line, column)) => format!("{}:{line}:{column}", mistake.source_name),
        None => mistake.source_name.clone(),
    };
    Mistake {
        place: SafeText::new(&place),
        message: SafeText::new(&mistake.message),
        hint: mistake.hint.as_deref().map(SafeText::new),
    }
}
