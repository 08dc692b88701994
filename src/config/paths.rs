//! Where this machine keeps what: from the settings, or from the platform's own folders. Folders are
//! made 0700 and files that bear secrets 0600, whatever the umask says.

use super::settings::Paths;
use crate::domain::{KeySource, SecretRef};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a folder or file could not be made, or is no safe place.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct PathError {
    /// Which.
    pub path: PathBuf,
    /// What was tried, and what came back.
    pub what: String,
}

/// The places in use, all absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The configuration file that was read, or would be.
    pub config: PathBuf,
    /// Folder of everything that is kept.
    pub data_dir: PathBuf,
    /// The registry's file; of a registry that is a database, its address.
    pub registry: PathBuf,
    /// The registry's address, when it is a database.
    pub shared: Option<String>,
    /// The keys that seal secrets.
    pub key_file: KeySource,
    /// The program's own log.
    pub log_dir: PathBuf,
    /// The operator's own themes.
    pub themes_dir: PathBuf,
    /// The file of the audit's anchors; none: one a registry, in `audit-anchors` in `data_dir`.
    pub audit_anchors: Option<PathBuf>,
    /// Certificates trusted besides the system's.
    pub extra_ca: Option<PathBuf>,
}

impl Places {
    /// Where it is remembered how the dashboard's lists are shown.
    pub fn screen_file(&self) -> PathBuf {
        self.data_dir.join("screen.json")
    }

    /// Where alerts, what was done with them, and what changed since one looked are remembered, for the
    /// registry at this place.
    pub fn alerts_file(&self, place: &str) -> PathBuf {
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
        let name = name.get(from..).unwrap_or("registry");
        self.data_dir.join("alerts").join(format!("{name}.json"))
    }

    /// The places that `paths` name, the platform's where they name none. `home` is the user's.
    pub fn of(paths: &Paths, config: PathBuf, platform: &Platform) -> Self {
        let place = |text: &str, default: PathBuf| {
            if text.is_empty() {
                return default;
            }
            match text.strip_prefix("~/") {
                Some(rest) => platform.home.join(rest),
                None => std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text)),
            }
        };
        let data_dir = place(&paths.data_dir.0, platform.data_dir.clone());
        Self {
            registry: if super::is_address(&paths.registry.0) {
                PathBuf::from(&paths.registry.0)
            } else {
                place(&paths.registry.0, data_dir.join("registry.db"))
            },
            shared: super::is_address(&paths.registry.0).then(|| paths.registry.0.clone()),
            key_file: match SecretRef::parse(&paths.key_file.0) {
                Ok(SecretRef::Command(argv)) => KeySource::Command(argv),
                _ => KeySource::File(place(&paths.key_file.0, data_dir.join("keys"))),
            },
            log_dir: place(&paths.log_dir.0, data_dir.join("log")),
            themes_dir: place(
                &paths.themes_dir.0,
                config
                    .parent()
                    .map_or_else(|| data_dir.join("themes"), |dir| dir.join("themes")),
            ),
            audit_anchors: (!paths.audit_anchors.0.is_empty()).then(|| place(&paths.audit_anchors.0, PathBuf::new())),
            extra_ca: (!paths.extra_ca.is_empty()).then(|| place(&paths.extra_ca.0, PathBuf::new())),
            data_dir,
            config,
        }
    }
}

/// The platform's own folders for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The user's home.
    pub home: PathBuf,
    /// Where configuration lies.
    pub config_dir: PathBuf,
    /// Where data lies.
    pub data_dir: PathBuf,
}

impl Platform {
    /// # Errors
    /// When the user has no home.
    pub fn here() -> Result<Self, PathError> {
        let dirs = directories::ProjectDirs::from("", "", "vigie");
        let base = directories::BaseDirs::new();
        match (dirs, base) {
            (Some(dirs), Some(base)) => Ok(Self {
                home: base.home_dir().to_owned(),
                config_dir: dirs.config_dir().to_owned(),
                data_dir: dirs.data_dir().to_owned(),
            }),
            _ => Err(PathError {
                path: PathBuf::from("~"),
                what: "this user has no home folder: set HOME, or give --config and [paths] data_dir".to_owned(),
            }),
        }
    }
}

/// Makes a folder 0700, with what is missing above it. One that exists is left as it is.
///
/// # Errors
/// When it can't be made.
pub fn private_dir(path: &Path) -> Result<(), PathError> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| PathError {
            path: path.to_owned(),
            what: format!("the folder can't be made: {error}"),
        })
}

/// Writes a new file 0600; refuses one that exists, so that nothing is overwritten and no link followed.
///
/// # Errors
/// When it exists or can't be written.
pub fn write_private(path: &Path, content: &str) -> Result<(), PathError> {
    let wrong = |error: std::io::Error| PathError {
        path: path.to_owned(),
        what: match error.kind() {
            std::io::ErrorKind::AlreadyExists => "exists already: name a file that does not".to_owned(),
            _ => format!("can't be written: {error}"),
        },
    };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(wrong)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .map_err(wrong)?;
    file.write_all(content.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(wrong)
}
