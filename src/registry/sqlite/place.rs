//! Where the registry's file may be, and who may read it: a folder of one's own on a local disk.

use crate::registry::{RegistryError, Result};
use rustix::fs::{CWD, FileType, Mode};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// The oldest SQLite that keeps every row with several processes on one file (older ones can lose
/// rows when two connections write and checkpoint at the same time).
pub(super) const OLDEST_SQLITE: i32 = 3_051_003;

/// # Errors
/// When the SQLite library is too old to be trusted with several processes.
pub(super) fn check_library(version: i32, place: &Path) -> Result<()> {
    if version >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(unusable(
        place,
        format!(
            "this vigie was built with SQLite {}.{}.{}, which can lose rows when several processes write: 3.51.3 or newer is needed; build it with the bundled one",
            version / 1_000_000,
            version / 1_000 % 1_000,
            version % 1_000
        ),
    ))
}

pub(super) fn unusable(place: &Path, why: impl Into<String>) -> RegistryError {
    RegistryError::Unusable {
        place: place.display().to_string(),
        why: why.into(),
    }
}

/// Makes the folder (0700) and the empty file (0600) where they are missing, whatever the umask, and
/// refuses what others could write, or read.
///
/// The file is made without opening it: closing any descriptor of a database file drops the locks
/// that SQLite holds on it in this process.
///
/// # Errors
/// When the place can't be used; the reason says what to do.
pub(super) fn prepare(path: &Path, create: bool) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if create && !folder.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| unusable(path, format!("its folder can't be made: {e}")))?;
        // The umask only takes away: a folder of its own is for its owner whatever it was.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .map_err(|e| unusable(path, format!("its folder's mode can't be set: {e}")))?;
    }
    let about = std::fs::metadata(folder)
        .map_err(|e| unusable(path, format!("the folder {} can't be read: {e}", folder.display())))?;
    if about.mode() & 0o022 != 0 && about.mode() & 0o1000 == 0 {
        return Err(unusable(
            path,
            format!("others may write in its folder: run `chmod 700 {}`", folder.display()),
        ));
    }
    check_file_system(folder, path)?;
    if create {
        match rustix::fs::mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(unusable(path, format!("the file can't be made: {e}"))),
        }
    }
    let file = std::fs::metadata(path).map_err(|e| {
        unusable(
            path,
            if e.kind() == std::io::ErrorKind::NotFound {
                "there is no such file: start vigie once to make it, or mend the path in the settings".to_owned()
            } else {
                format!("it can't be read: {e}")
            },
        )
    })?;
    if !file.is_file() {
        return Err(unusable(path, "it is not a file"));
    }
    if file.mode() & 0o077 != 0 {
        return Err(unusable(
            path,
            format!(
                "others may read it (mode {:o}): run `chmod 600 {}`",
                file.mode() & 0o777,
                path.display()
            ),
        ));
    }
    Ok(())
}

fn check_file_system(folder: &Path, path: &Path) -> Result<()> {
    let about =
        rustix::fs::statfs(folder).map_err(|e| unusable(path, format!("its file system can't be asked: {e}")))?;
    // Magic numbers are 32 bits wide; some systems hand them out sign-extended.
    let magic = (about.f_type as u64) & 0xffff_ffff;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    match network_file_system(magic, &mounts, &folder) {
        None => Ok(()),
        Some(name) => Err(unusable(
            path,
            format!(
                "it lies on a network file system ({name}), where SQLite's locks and shared memory can't be trusted: put it on a local disk"
            ),
        )),
    }
}

/// The name of the network file system, where it is one. FUSE is one number for all of its kinds,
/// local and remote: the mount table tells them apart, and an unknown kind is taken for a remote one.
fn network_file_system(magic: u64, mounts: &str, folder: &Path) -> Option<String> {
    let name = match magic {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x0102_1997 => "9p",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x1983_0326 => "BeeGFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x564c => "NCP",
        0x6573_5546 => {
            let kind = mount_kind(mounts, folder).unwrap_or_else(|| "fuse".to_owned());
            let local = [
                "fuseblk",
                "fuse.fuse-overlayfs",
                "fuse.mergerfs",
                "fuse.ntfs-3g",
                "fuse.lxcfs",
            ];
            return (!local.contains(&kind.as_str())).then_some(kind);
        }
        _ => return None,
    };
    Some(name.to_owned())
}

/// The kind of file system that the longest mount point above `folder` has, from `/proc/self/mountinfo`.
fn mount_kind(mounts: &str, folder: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let point = left.split(' ').nth(4)?.replace("\\040", " ");
            let kind = right.split(' ').next()?;
            folder.starts_with(&point).then(|| (point.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_library_is_refused() {
        assert!(
            check_library(3_051_002, Path::new("/x"))
                .unwrap_err()
                .to_string()
                .contains("3.51.2")
        );
        assert!(check_library(3_040_001, Path::new("/x")).is_err());
        check_library(3_051_003, Path::new("/x")).unwrap();
        check_library(rusqlite::version_number(), Path::new("/x")).unwrap();
    }

    #[test]
    fn network_file_systems_are_refused_and_local_ones_are_not() {
        let mounts = "36 35 98:0 / / rw - ext4 /dev/vda rw\n40 36 0:30 / /mnt/remote rw - fuse.sshfs host: rw\n\
                      41 36 0:31 / /mnt/disk rw - fuseblk /dev/sdb rw";
        let at = |magic, folder: &str| network_file_system(magic, mounts, Path::new(folder));
        for magic in [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400] {
            assert!(at(magic, "/x").is_some(), "{magic:x}");
        }
        assert_eq!(at(0x6573_5546, "/mnt/remote/a").as_deref(), Some("fuse.sshfs"));
        assert_eq!(at(0x6573_5546, "/mnt/disk/a"), None);
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(at(magic, "/x"), None, "{magic:x}");
        }
    }

    #[test]
    fn a_loose_file_or_folder_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registry.db");
        std::fs::write(&path, b"").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let why = prepare(&path, true).unwrap_err().to_string();
        assert!(why.contains(&format!("chmod 600 {}", path.display())), "{why}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        prepare(&path, true).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let why = prepare(&path, true).unwrap_err().to_string();
        assert!(why.contains("chmod 700"), "{why}");
    }

    #[test]
    fn a_missing_file_is_an_error_where_it_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.db");
        let why = prepare(&path, false).unwrap_err().to_string();
        assert!(why.contains("no such file"), "{why}");
        assert!(!path.exists());
    }
}
