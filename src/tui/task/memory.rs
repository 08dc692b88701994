//! The file in which it is remembered how lists are shown. Written whole beside itself and then put in
//! its place, readable for its owner alone; one that can't be read is set aside, never overwritten.

use crate::domain::Problem;
use crate::tui::model::{Remember, Remembered, Remembrance};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Longest file that is read, bytes.
const LONGEST: u64 = 1 << 20;
/// Longest file of alerts that is read, bytes.
const LONGEST_ALERTS: u64 = 16 << 20;

/// What was remembered; nothing where there is no file.
///
/// # Errors
/// When the file can't be read or means nothing: say so, and go on without it.
pub fn load(path: &Path) -> Result<Remembered, Problem> {
    read(path, LONGEST)
        .map_err(|problem| problem.hint("how lists were shown is forgotten; the file is set aside at the next change"))
}

/// What was remembered of alerts; nothing where there is no file.
///
/// # Errors
/// As [`load`].
pub fn load_attention(path: &Path) -> Result<Remembrance, Problem> {
    read(path, LONGEST_ALERTS)
        .map_err(|problem| problem.hint("alerts begin anew; the file is set aside at the next change"))
}

/// Writes down what is to be remembered of alerts. One that can't be read is set aside.
///
/// # Errors
/// When it can't be written.
pub fn save_attention(path: &Path, remembrance: &Remembrance) -> Result<(), Problem> {
    let wrong = |error: std::io::Error| {
        Problem::new("memory_unwritten", format!("{}: {error}", path.display()))
            .hint("alerts are as they are here until the dashboard ends")
    };
    if load_attention(path).is_err() {
        std::fs::rename(path, path.with_extension("broken")).map_err(wrong)?;
    }
    put(path, remembrance).map_err(wrong)
}

fn read<T: serde::de::DeserializeOwned + Default>(path: &Path, longest: u64) -> Result<T, Problem> {
    let wrong = |why: String| Problem::new("memory_broken", format!("{}: {why}", path.display()));
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if !found.is_file() || found.len() > longest {
        return Err(wrong("not a file of ours".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    // By way of a map: a list would be taken for the fields in their order.
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text)
        .and_then(|map| serde_json::from_value(map.into()))
        .map_err(|error| wrong(error.to_string()))
}

/// Takes one change into the file: what other dashboards changed in it stays.
///
/// # Errors
/// When it can't be written.
pub fn save(path: &Path, change: Remember) -> Result<(), Problem> {
    let wrong = |error: std::io::Error| {
        Problem::new("memory_unwritten", format!("{}: {error}", path.display()))
            .hint("it is shown as chosen until the dashboard ends")
    };
    let mut remembered = match load(path) {
        Ok(remembered) => remembered,
        Err(_) => {
            std::fs::rename(path, path.with_extension("broken")).map_err(wrong)?;
            Remembered::default()
        }
    };
    let before = remembered.clone();
    remembered.take(change);
    if remembered == before {
        return Ok(());
    }
    put(path, &remembered).map_err(wrong)
}

/// Writes a file whole, beside itself first.
fn put<T: serde::Serialize>(path: &Path, what: &T) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(what)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        let mut make = std::fs::DirBuilder::new();
        make.recursive(true).mode(0o700).create(folder)?;
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = write(&beside, &text).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What could not be put in its place is no one's.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Whatever the umask says.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::model::{Look, NamedView};

    fn change(list: &str, filter: &str) -> Remember {
        Remember::List {
            list: list.to_owned(),
            look: Look {
                filter: filter.to_owned(),
                sort: Some("size".to_owned()),
                descending: true,
                columns: Some(vec!["name".to_owned()]),
                arrange: Some("beside".to_owned()),
            },
            recent: vec![filter.to_owned()],
        }
    }

    #[test]
    fn what_is_saved_is_read_again_and_others_changes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/screen.json");
        assert_eq!(load(&path).unwrap(), Remembered::default());
        save(&path, change("jobs", "state=failed")).unwrap();
        save(&path, change("servers", "offline \"x\"")).unwrap();
        let view = NamedView {
            list: "jobs".to_owned(),
            look: Look::default(),
        };
        save(&path, Remember::View("mine".to_owned(), view)).unwrap();
        let read = load(&path).unwrap();
        assert_eq!(read.lists.len(), 2);
        assert_eq!(read.lists["jobs"].filter, "state=failed");
        assert!(read.views.contains_key("mine"));
        save(&path, Remember::Forget("mine".to_owned())).unwrap();
        assert!(load(&path).unwrap().views.is_empty());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing lies beside it: {left:?}");
    }

    #[test]
    fn a_broken_file_is_reported_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.json");
        for text in [
            "{\"lists\": 7",
            "[]",
            "\u{0}",
            "{\"lists\": {\"jobs\": {\"columns\": 1}}}",
        ] {
            std::fs::write(&path, text).unwrap();
            let problem = load(&path).unwrap_err();
            assert!(problem.message.contains("screen.json"), "{problem:?}");
            save(&path, change("jobs", "x")).unwrap();
            assert_eq!(load(&path).unwrap().lists.len(), 1);
            assert_eq!(std::fs::read_to_string(path.with_extension("broken")).unwrap(), text);
        }
    }

    #[test]
    fn what_a_newer_program_wrote_is_read_as_far_as_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.json");
        std::fs::write(&path, r#"{"lists": {"audit": {"filter": "x"}}, "colours": 3}"#).unwrap();
        assert_eq!(load(&path).unwrap().lists["audit"].filter, "x");
    }

    #[test]
    fn a_folder_that_can_not_be_written_is_a_problem_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(save(&file.join("screen.json"), change("jobs", "x")).is_err());
    }
}
