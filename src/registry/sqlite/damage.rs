//! Looking a registry's file through for damage, page by page.

use super::Result;
use crate::registry::RegistryError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Most faults that are told.
const MOST: u32 = 5;

/// What is damaged in the file; nothing where it is whole. Blocks as long as reading all of it takes.
///
/// # Errors
/// When it can't be read as a database at all.
pub fn faults(path: &Path) -> Result<Vec<String>> {
    let failed = |error: rusqlite::Error| RegistryError::Unusable {
        place: path.display().to_string(),
        why: error.to_string(),
    };
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let mut look = file.prepare(&format!("PRAGMA quick_check({MOST})")).map_err(failed)?;
    let rows = look.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
    let mut found = Vec::new();
    for row in rows {
        let said = row.map_err(failed)?;
        if said != "ok" {
            found.push(said);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn damage_is_found_and_a_whole_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.db");
        drop(Sqlite::open(&path).unwrap());
        assert_eq!(faults(&path).unwrap(), Vec::<String>::new());
        // The store's threads close their connections in their own time; until then what was written may be
        // beside the file.
        let written = || {
            let conn = rusqlite::Connection::open(&path).unwrap();
            let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            busy.is_ok_and(|busy| busy == 0)
        };
        while !written() {
            std::thread::yield_now();
        }
        // Every page but the first, which says what the file is.
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let size = file.metadata().unwrap().len();
        assert!(size > 4096, "{size}");
        for page in 1..size / 4096 {
            file.write_all_at(&[0xab; 4096], page * 4096).unwrap();
        }
        let whole = faults(&path).is_ok_and(|found| found.is_empty());
        assert!(!whole);
    }
}
