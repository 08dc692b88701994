//! Where PostgreSQL's server programs are. Distributions keep `initdb` and `postgres` out of the PATH.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folders that distributions and Homebrew keep the programs in; `*` stands for one part with the
/// version in it, and the newest is taken.
const PLACES: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/usr/local/pgsql/bin",
];

/// A folder with `initdb`, `postgres` and `pg_ctl` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
}

/// PostgreSQL's server programs are not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL's server programs (initdb, postgres) were not found{}", match .wanted {
    Some(major) => format!(" in version {major}"),
    None => String::new(),
})]
pub struct NotFound {
    /// The version that was asked for, where it matters.
    pub wanted: Option<u32>,
}

impl NotFound {
    /// What to install, for the system this runs on.
    pub fn hint(&self) -> String {
        let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        install_hint(&os_release, self.wanted)
    }
}

impl Binaries {
    /// The programs on the PATH, else those that `pg_config` names, else the newest in the usual
    /// places. With `major`, only those of that version: a cluster's files belong to one.
    ///
    /// # Errors
    /// [`NotFound`], whose hint names the package.
    pub fn find(major: Option<u32>) -> Result<Self, NotFound> {
        let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
            std::env::split_paths(&path)
                .filter_map(|dir| dir.join("initdb").canonicalize().ok())
                .filter_map(|program| program.parent().map(Path::to_path_buf))
                .collect::<Vec<_>>()
        });
        on_path
            .chain(pg_config())
            .chain(PLACES.iter().flat_map(|place| expand(Path::new(place))))
            .filter_map(|dir| Self::in_dir(&dir))
            .find(|found| major.is_none_or(|wanted| wanted == found.major))
            .ok_or(NotFound { wanted: major })
    }

    fn in_dir(dir: &Path) -> Option<Self> {
        if !["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|name| dir.join(name).is_file())
        {
            return None;
        }
        let text = said(&dir.join("postgres"), "--version")?;
        Some(Self {
            dir: dir.to_path_buf(),
            major: major_of(&text)?,
        })
    }

    /// The program of this name, as a command to add arguments to.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The version's first number, which the cluster's files are bound to.
    pub fn major(&self) -> u32 {
        self.major
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15; also `17beta1` and `9.6.24`.
fn major_of(version: &str) -> Option<u32> {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn said(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn pg_config() -> Option<PathBuf> {
    said(Path::new("pg_config"), "--bindir").map(PathBuf::from)
}

/// The folders that `pattern` stands for, newest version first.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![(0_u32, PathBuf::new())];
    for part in pattern.components() {
        let name = part.as_os_str();
        found = match name.to_str().and_then(|name| name.split_once('*')) {
            None => found
                .into_iter()
                .map(|(version, base)| (version, base.join(name)))
                .collect(),
            Some((before, after)) => found
                .into_iter()
                .flat_map(|(_, base)| std::fs::read_dir(base).into_iter().flatten().flatten())
                .filter_map(|entry| {
                    let version = middle(&entry.file_name(), before, after)?;
                    Some((version, entry.path()))
                })
                .collect(),
        };
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The version between `before` and `after` in a folder's name; 0 where there is none.
fn middle(name: &OsStr, before: &str, after: &str) -> Option<u32> {
    let rest = name.to_str()?.strip_prefix(before)?.strip_suffix(after)?;
    let digits: String = rest
        .trim_start_matches(['@', '-'])
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    Some(digits.parse().unwrap_or(0))
}

fn install_hint(os_release: &str, wanted: Option<u32>) -> String {
    let ids: String = os_release
        .lines()
        .filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="))
        .collect::<Vec<_>>()
        .join(" ");
    let command = if ids.contains("debian") || ids.contains("ubuntu") {
        match wanted {
            Some(major) => format!("apt-get install postgresql-{major}"),
            None => "apt-get install postgresql".to_owned(),
        }
    } else if ids.contains("fedora") || ids.contains("rhel") || ids.contains("centos") {
        "dnf install postgresql-server".to_owned()
    } else if ids.contains("suse") {
        "zypper install postgresql-server".to_owned()
    } else if ids.contains("arch") {
        "pacman -S postgresql".to_owned()
    } else if ids.contains("alpine") {
        "apk add postgresql".to_owned()
    } else if cfg!(target_os = "macos") {
        "brew install postgresql".to_owned()
    } else {
        return "install PostgreSQL's server package, or put the folder of initdb on the PATH".to_owned();
    };
    format!("install PostgreSQL's server: {command}; or put the folder of initdb on the PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of("no number"), None);
    }

    #[test]
    fn the_newest_is_first_by_number_not_by_letter() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "9", "17"] {
            std::fs::create_dir_all(dir.path().join(version).join("bin")).unwrap();
        }
        let found = expand(&dir.path().join("*/bin"));
        assert_eq!(found[0], dir.path().join("17/bin"));
        assert_eq!(found[1], dir.path().join("15/bin"));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn the_hint_names_the_package_of_the_system() {
        assert!(install_hint("ID=debian\n", None).contains("apt-get install postgresql;"));
        assert!(install_hint("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Some(14)).contains("postgresql-14"));
        assert!(install_hint("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", None).contains("dnf install"));
        let unknown = Binaries::find(Some(999)).unwrap_err();
        assert_eq!(unknown.wanted, Some(999));
        assert!(unknown.to_string().contains("initdb"));
        assert!(!unknown.hint().is_empty());
    }
}
