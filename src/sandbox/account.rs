//! The account that PostgreSQL runs as, and what that account can reach. PostgreSQL refuses to run as
//! root; as root its processes run as `postgres` where there is one, else as `nobody`.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who PostgreSQL's processes run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// This process's own account, which is not root.
    Own,
    /// Another account, since this process is root.
    Other {
        /// The account's number.
        uid: u32,
        /// Its group's number.
        gid: u32,
    },
}

impl Account {
    /// The account for this process. `None` where it is root and the machine has neither `postgres`
    /// nor `nobody`.
    pub fn choose() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return Some(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        named(&passwd, "postgres").or_else(|| named(&passwd, "nobody"))
    }

    /// Makes `command` run as this account.
    pub fn apply(self, command: &mut Command) -> &mut Command {
        if let Self::Other { uid, gid } = self {
            // The standard library also drops root's other groups when it changes the user.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes the file or folder this account's own.
    ///
    /// # Errors
    /// The file system's.
    pub fn own(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
    }

    /// The first folder above `path` that this account can't pass through.
    pub fn blocked_by(self, path: &Path) -> Option<PathBuf> {
        let Self::Other { uid, gid } = self else { return None };
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        above
            .into_iter()
            .find(|folder| {
                fs::metadata(folder).is_ok_and(|meta| {
                    let bit = if meta.uid() == uid {
                        0o100
                    } else if meta.gid() == gid {
                        0o010
                    } else {
                        0o001
                    };
                    meta.mode() & bit == 0
                })
            })
            .map(Path::to_path_buf)
    }
}

fn named(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { uid, gid })
    })
}

/// Makes `path` and what is missing above it: folders that others may pass through but not list.
///
/// # Errors
/// The file system's.
pub fn make_passable(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent()
        && !above.as_os_str().is_empty()
        && !above.exists()
    {
        make_passable(above)?;
    }
    match fs::DirBuilder::new().mode(0o711).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o711)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:/x\npostgres:x:101:104:PostgreSQL:/v:/bin/sh\n";
        assert_eq!(named(passwd, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(named(passwd, "nobody"), None);
        assert_eq!(named("postgres:x:many", "postgres"), None);
    }

    #[test]
    fn a_folder_closed_to_others_blocks_what_is_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        let inner = closed.join("inner");
        let stranger = Account::Other { uid: 54321, gid: 54321 };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(stranger.blocked_by(&inner), Some(closed.clone()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.blocked_by(&inner), None);
        assert_eq!(Account::Own.blocked_by(&inner), None);
    }

    #[test]
    fn made_folders_let_others_pass_and_not_list() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        make_passable(&deep).unwrap();
        make_passable(&deep).unwrap();
        assert_eq!(fs::metadata(dir.path().join("a")).unwrap().mode() & 0o777, 0o711);
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o711);
    }
}
