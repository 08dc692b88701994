//! Anchors of the audit: the newest row's number and hash, written down now and then in a file outside
//! of the registry, one a line, only ever added to. Whoever could write the whole audit anew, or cut
//! its newest rows off, can't make it agree with an anchor that is out of reach.

use super::{RegistryError, Result};
use crate::domain::audit::Anchor;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

fn failed(path: &Path, what: &str, error: &std::io::Error) -> RegistryError {
    RegistryError::Unusable {
        place: path.display().to_string(),
        why: format!("the audit's anchors can't be {what}: {error}"),
    }
}

/// The usual file in this folder for the registry at this place: each registry has its own.
pub fn file_for(folder: &Path, place: &str) -> PathBuf {
    let mut name = String::new();
    for c in place.chars() {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            name.push(c);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    // File names are at most 255 bytes; the end tells registries apart.
    let from = name.len().saturating_sub(160);
    folder.join(format!("{}.anchors", name.get(from..).unwrap_or("registry")))
}

/// All anchors of a file, in their order; none where there is no file yet. Blocks.
///
/// # Errors
/// [`RegistryError::Unusable`] when it can't be read, or a line of it is no anchor.
pub fn read(path: &Path) -> Result<Vec<Anchor>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(path, "read", &error)),
    };
    let mut anchors = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        anchors.push(line.parse().map_err(|why| RegistryError::Unusable {
            place: path.display().to_string(),
            why: format!("line {}: {why}", number + 1),
        })?);
    }
    Ok(anchors)
}

/// Adds an anchor, on disk when this returns; makes the file (0600) and its folder (0700) where they
/// are missing. Blocks.
///
/// # Errors
/// [`RegistryError::Unusable`] when it can't be written.
pub fn append(path: &Path, anchor: &Anchor) -> Result<()> {
    let wrong = |error: std::io::Error| failed(path, "written", &error);
    if let Some(folder) = path.parent()
        && !folder.is_dir()
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(wrong)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(wrong)?;
    // One write: lines of several workers never mix.
    file.write_all(format!("{anchor}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn anchor(id: i64) -> Anchor {
        Anchor {
            id,
            hash: "0123456789abcdef".repeat(4),
            at: "2026-11-21T18:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn anchors_are_added_to_a_file_of_ones_own_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors/x.anchors");
        assert_eq!(read(&path).unwrap(), []);
        append(&path, &anchor(1)).unwrap();
        append(&path, &anchor(7)).unwrap();
        assert_eq!(read(&path).unwrap(), [anchor(1), anchor(7)]);
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        std::fs::write(&path, "2026-11-21T18:00:00Z 3 abc\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn every_registry_has_a_file_of_its_own() {
        let folder = Path::new("/data/audit-anchors");
        let name = |place: &str| file_for(folder, place).display().to_string();
        assert_eq!(
            name("/home/marie/registry.db"),
            "/data/audit-anchors/home-marie-registry.db.anchors"
        );
        assert_ne!(name("postgresql://db1/registry"), name("postgresql://db2/registry"));
        assert!(name(&"x".repeat(400)).len() < 255);
    }
}
