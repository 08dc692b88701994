//! What libpq reads besides an address: variables, the service file, the password file.

use super::address::{Address, Host};
use crate::domain::Secret;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variables of a process. Handed in, so that what is read does not depend on who reads it.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's variables that are text.
    pub fn here() -> Self {
        Self::of(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// These variables; only what libpq reads is kept.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |name: &str| name.starts_with("PG") || matches!(name, "HOME" | "USER" | "LOGNAME");
        Self(variables.into_iter().filter(|(name, _)| ours(name)).collect())
    }

    /// A variable's value, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// Who runs this, as the system says it.
    pub(super) fn os_user(&self) -> Option<String> {
        self.get("USER").or_else(|| self.get("LOGNAME"))
    }

    /// A path, from the home where it begins with a tilde.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        }
    }
}

/// Where a server on this machine has its socket, or the loopback where none is to be seen.
pub(super) fn default_host() -> String {
    ["/var/run/postgresql", "/run/postgresql", "/tmp"]
        .into_iter()
        .find(|folder| Path::new(folder).join(".s.PGSQL.5432").exists())
        .unwrap_or("localhost")
        .to_owned()
}

/// The section of a service: the file given, else `PGSERVICEFILE`, `~/.pg_service.conf`, then
/// `pg_service.conf` in `PGSYSCONFDIR`.
pub(super) fn service(
    name: &str,
    file: Option<&str>,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, String> {
    let files: Vec<PathBuf> = match file {
        Some(file) => vec![environment.path(file)],
        None => {
            let own = environment.home().map(|home| home.join(".pg_service.conf"));
            let folder = environment
                .get("PGSYSCONFDIR")
                .unwrap_or_else(|| "/etc/postgresql-common".to_owned());
            own.into_iter()
                .chain([Path::new(&folder).join("pg_service.conf")])
                .collect()
        }
    };
    for path in &files {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && file.is_none() => continue,
            Err(e) => return Err(format!("the service file {} can't be read: {e}", path.display())),
        };
        let mut inside = false;
        let mut found = None;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                inside = section == name;
                if inside {
                    found.get_or_insert_with(BTreeMap::new);
                }
            } else if inside && !line.is_empty() && !line.starts_with('#') {
                let (key, value) = line
                    .split_once('=')
                    .ok_or_else(|| format!("{}: a line of [{name}] is no key=value", path.display()))?;
                if let Some(section) = &mut found {
                    section
                        .entry(key.trim().to_owned())
                        .or_insert_with(|| value.trim().to_owned());
                }
            }
        }
        if let Some(section) = found {
            return Ok(section);
        }
    }
    let looked: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    Err(format!("there is no service {name:?} in {}", looked.join(", ")))
}

/// The password that the password file has for this server; the file must be its owner's alone.
///
/// # Errors
/// When the file is open to others: it is not used then, and nothing of it is repeated.
pub(super) fn password(address: &Address, host: &Host) -> Result<Option<Secret>, String> {
    let Some(path) = &address.pass_file else {
        return Ok(None);
    };
    let Ok(meta) = std::fs::metadata(path) else {
        return Ok(None);
    };
    if !meta.is_file() {
        return Ok(None);
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "the password file {} may be read by others (mode {mode:04o}): chmod 600 {0}",
            path.display()
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("the password file {}: {e}", path.display()))?;
    // A socket in the usual folder is "localhost" there.
    let usual = ["/var/run/postgresql", "/run/postgresql", "/tmp"].contains(&host.name.as_str());
    let name = if usual { "localhost" } else { host.name.as_str() };
    let port = host.port.to_string();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields = split(line);
        let [host, at, database, user, password] = fields.as_slice() else {
            continue;
        };
        let wanted = [
            (host, name),
            (at, &port),
            (database, &address.database),
            (user, &address.user),
        ];
        if wanted.iter().all(|(field, value)| *field == "*" || field == value) {
            return Ok(Some(Secret::new(password.clone())));
        }
    }
    Ok(None)
}

/// A line's fields, at most five; `\:` and `\\` are a colon and a backslash.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().unwrap_or('\\'),
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            c => c,
        };
        if let Some(last) = fields.last_mut() {
            last.push(c);
        }
    }
    fields
}
