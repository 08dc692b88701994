//! The sandbox's folder: where it is by default, its secrets, its configuration, and the ports it had.

use crate::config::{Arguments, Loaded, Platform};
use crate::domain::{Problem, Secret, SecretRef};
use crate::sandbox::account::{Account, make_passable};
use base64::Engine;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Says that a folder is a sandbox's: nothing is written into another one.
const MARK: &str = ".vigie-sandbox";

/// Root's own folder is closed to PostgreSQL's user; then the sandbox is here.
const FOR_ROOT: &str = "/var/lib/vigie";

/// The folder when none is given: below the user's data.
pub(in crate::sandbox) fn default_dir(name: &str) -> Result<PathBuf, Problem> {
    let platform = Platform::here().map_err(|error| Problem::new("sandbox", error.to_string()))?;
    let own = platform.data_dir.join(name);
    let blocked = Account::choose().is_some_and(|account| account.blocked_by(&own.join("cluster/data")).is_some());
    Ok(if blocked { Path::new(FOR_ROOT).join(name) } else { own })
}

/// Takes the folder for a sandbox, made where it is missing.
///
/// # Errors
/// When it holds other things.
pub(super) fn claim(dir: &Path) -> Result<(), Problem> {
    make_passable(dir).map_err(|error| wrong(dir, &error))?;
    let mark = dir.join(MARK);
    if mark.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(dir).map_err(|error| wrong(dir, &error))?;
    if entries.next().is_some() {
        let message = format!("{} holds other things than a sandbox", dir.display());
        return Err(Problem::new("sandbox_folder", message).hint("give --dir a folder that is empty, or not there yet"));
    }
    write(&mark, "")
}

/// The folder, and what is known of it.
#[derive(Debug)]
pub(in crate::sandbox) struct Folder {
    pub(super) dir: PathBuf,
    /// The configuration file.
    pub(super) config: PathBuf,
    ports: BTreeMap<String, u16>,
}

impl Folder {
    /// Takes the folder, and writes what is missing in it. The configuration is written once: it may be
    /// edited.
    pub(super) fn open(dir: &Path) -> Result<Self, Problem> {
        Self::take(dir, |dir| configuration(dir, None))
    }

    /// The folder of a registry that was generated `as_large`, and of no other. Nothing stands behind its
    /// servers, so nobody may ask them.
    pub(in crate::sandbox) fn open_generated(dir: &Path, as_large: &str) -> Result<Self, Problem> {
        claim(dir)?;
        let mark = dir.join("generated");
        match fs::read_to_string(&mark) {
            Ok(text) if text.trim_end() == as_large => {}
            Ok(text) => {
                let message = format!("{} holds a registry of {}", dir.display(), text.trim_end());
                return Err(Problem::new("sandbox_folder", message).hint("give --dir another folder"));
            }
            Err(_) if dir.join("config.toml").exists() => {
                let message = format!("{} holds a sandbox with a fleet", dir.display());
                return Err(Problem::new("sandbox_folder", message).hint("give --dir another folder"));
            }
            Err(_) => write(&mark, as_large)?,
        }
        Self::take(dir, |dir| {
            let alone = "\n# Nothing stands behind the servers: nobody asks them.\n\
                         [worker]\nautostart = false\nchecks = false\n";
            configuration(dir, None) + alone
        })
    }

    fn take(dir: &Path, configuration: impl FnOnce(&Path) -> String) -> Result<Self, Problem> {
        claim(dir)?;
        let dir = dir.canonicalize().map_err(|error| wrong(dir, &error))?;
        for name in ["secrets", "vigie"] {
            let path = dir.join(name);
            make_passable(&path).map_err(|error| wrong(&path, &error))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(|error| wrong(&path, &error))?;
        }
        let ports = fs::read_to_string(dir.join("ports.json")).unwrap_or_default();
        let config = dir.join("config.toml");
        if !config.exists() {
            write(&config, &configuration(&dir))?;
        }
        Ok(Self {
            ports: serde_json::from_str(&ports).unwrap_or_default(),
            config,
            dir,
        })
    }

    /// The settings that stand there. The user's own, and those of the environment, are not for a sandbox.
    ///
    /// # Errors
    /// When the file was edited and has a mistake.
    pub(in crate::sandbox) fn settings(&self) -> Result<Loaded, Problem> {
        let arguments = Arguments {
            config: Some(self.config.clone()),
            ..Arguments::default()
        };
        crate::config::load(&arguments, &BTreeMap::new()).map_err(|error| Problem::new("config", error.to_string()))
    }

    /// The port this server had last time.
    pub(super) fn port(&self, code: &str) -> Option<u16> {
        self.ports.get(code).copied()
    }

    /// Remembers the port it has.
    pub(super) fn keep_port(&mut self, code: &str, port: u16) -> Result<(), Problem> {
        if self.ports.insert(code.to_owned(), port) == Some(port) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&self.ports).unwrap_or_default();
        write(&self.dir.join("ports.json"), &text)
    }

    /// A secret of the sandbox, made the first time.
    pub(super) fn secret(&self, name: &str) -> Result<Secret, Problem> {
        let path = self.secret_path(name);
        if let Ok(text) = fs::read_to_string(&path) {
            return Ok(Secret::new(text.trim_end().to_owned()));
        }
        let mut bytes = [0_u8; 18];
        getrandom::fill(&mut bytes).map_err(|error| Problem::new("sandbox", format!("no randomness: {error}")))?;
        // Letters, digits, '-' and '_' only: it stands in SQL and in odoo.conf as it is.
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        write(&path, &text)?;
        Ok(Secret::new(text))
    }

    /// The reference to a secret of the sandbox.
    pub(super) fn secret_ref(&self, name: &str) -> SecretRef {
        SecretRef::File(self.secret_path(name).display().to_string())
    }

    fn secret_path(&self, name: &str) -> PathBuf {
        self.dir.join("secrets").join(name)
    }

    /// Odoo's `data_dir` of a server.
    pub(super) fn data_dir(&self, code: &str) -> PathBuf {
        self.dir.join("odoo").join(code)
    }

    /// Whether its registry is a database.
    pub(super) fn is_shared(&self) -> bool {
        self.dir.join("shared").exists()
    }

    /// Writes a configuration with the registry at this address; anew at every start, since its port may be another.
    pub(super) fn share(&self, config: &Path, address: &str, password: &SecretRef) -> Result<(), Problem> {
        let registry = (address.to_owned(), String::from(password.clone()));
        write(config, &configuration(&self.dir, Some(&registry)))?;
        write(&self.dir.join("shared"), "")
    }

    /// Whether templates and instances were made. What an operator removed since does not come back.
    pub(super) fn is_seeded(&self) -> bool {
        self.dir.join("seeded").exists()
    }

    pub(super) fn seeded(&self) -> Result<(), Problem> {
        write(&self.dir.join("seeded"), "")
    }
}

fn configuration(dir: &Path, registry: Option<&(String, String)>) -> String {
    // Debug quotes as TOML's basic strings do, for paths that are text.
    let data = dir.join("vigie").display().to_string();
    let (about, place, password) = match registry {
        None => ("written once, yours to edit", String::new(), String::new()),
        Some((address, password)) => (
            "written at every start",
            format!("registry = {address:?}\n"),
            format!("[registry]\npassword = {password:?}\n\n"),
        ),
    };
    format!(
        "# The sandbox's own settings: {about}.\n\n\
         [paths]\ndata_dir = {data:?}\n{place}\n{password}\
         [fleet]\nname = \"sandbox\"\n\n\
         [checks]\ninterval = \"1m\"\ntimeout = \"5s\"\n\n\
         # Where `n` makes an instance.\n[screen]\nstart = \"instances\"\n"
    )
}

/// Writes a file that only its owner may read, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new("sandbox", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_had_it_has_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Folder::open(dir.path()).unwrap();
        let secret = first.secret("prod-1.master").unwrap();
        first.keep_port("prod-1", 4711).unwrap();
        fs::write(&first.config, "[fleet]\nname = \"mine\"\n").unwrap();
        first.seeded().unwrap();
        let again = Folder::open(dir.path()).unwrap();
        assert_eq!(again.secret("prod-1.master").unwrap().expose(), secret.expose());
        assert_eq!((again.port("prod-1"), again.port("prod-2")), (Some(4711), None));
        assert!(
            fs::read_to_string(&again.config).unwrap().contains("mine"),
            "an edited file is kept"
        );
        assert!(again.is_seeded());
    }

    #[test]
    fn a_folder_with_other_things_is_refused_and_untouched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), "mine").unwrap();
        let problem = Folder::open(dir.path()).unwrap_err();
        assert_eq!(problem.code, "sandbox_folder");
        assert_eq!(fs::read_to_string(dir.path().join("config.toml")).unwrap(), "mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn secrets_are_the_owners_alone_and_given_by_reference() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let secret = folder.secret("x.db").unwrap();
        let SecretRef::File(path) = folder.secret_ref("x.db") else {
            panic!("a file")
        };
        assert_eq!(fs::read_to_string(&path).unwrap(), secret.expose());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(folder.dir.join("secrets")).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn the_configuration_is_one_that_vigie_reads() {
        let text = configuration(Path::new("/tmp/a \"b\" c"), None);
        let settings = crate::config::parse("config.toml", &text).unwrap();
        assert_eq!(settings.paths.data_dir.0, "/tmp/a \"b\" c/vigie");
        assert_eq!(settings.fleet.name.as_str(), "sandbox");
        let registry = (
            "postgres://ada@127.0.0.1:5/fleet".to_owned(),
            "file:/tmp/ada".to_owned(),
        );
        let text = configuration(Path::new("/tmp/a"), Some(&registry));
        let settings = crate::config::parse("config.toml", &text).unwrap();
        assert_eq!(settings.paths.data_dir.0, "/tmp/a/vigie");
        assert!(
            text.contains("registry = \"postgres://ada@127.0.0.1:5/fleet\""),
            "{text}"
        );
    }
}
