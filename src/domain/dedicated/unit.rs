//! The systemd unit of an instance.

use super::{Names, Unwritable};
use crate::domain::names::RemotePath;

/// What stands in an instance's unit.
#[derive(Debug, Clone)]
pub struct ServiceUnit<'a> {
    /// What it is called.
    pub names: &'a Names,
    /// The instance's folder.
    pub folder: &'a RemotePath,
    /// The interpreter of its virtual environment.
    pub python: &'a RemotePath,
    /// Odoo's program.
    pub odoo_bin: &'a RemotePath,
    /// Its configuration.
    pub conf: &'a RemotePath,
    /// The mark of the job that made it, kept as a comment.
    pub mark: &'a str,
}

/// The unit's text. `KillMode=mixed` and a long stop: Odoo ends its workers itself, which takes some
/// seconds. It restarts when it fails, and is enabled for the next start of the machine.
///
/// # Errors
/// [`Unwritable`] where a path would be read back as another one.
pub fn service_unit(unit: &ServiceUnit<'_>) -> Result<String, Unwritable> {
    let folder = word("the folder", unit.folder)?;
    let python = word("the interpreter", unit.python)?;
    let odoo = word("Odoo's program", unit.odoo_bin)?;
    let conf = word("the configuration", unit.conf)?;
    Ok(format!(
        "# {mark}\n\
         [Unit]\n\
         Description=Odoo of {domain}\n\
         After=network-online.target postgresql.service\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         Type=simple\n\
         User={user}\n\
         Group={user}\n\
         WorkingDirectory={folder}\n\
         ExecStart={python} {odoo} -c {conf}\n\
         KillMode=mixed\n\
         TimeoutStopSec=90\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         LimitNOFILE=65536\n\
         NoNewPrivileges=yes\n\
         PrivateTmp=yes\n\
         ProtectSystem=full\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        mark = unit.mark,
        domain = unit.names.domain,
        user = unit.names.user,
    ))
}

/// systemd expands `%` and `$`, splits at blanks, and takes quotes and backslashes: a path with any of
/// them is refused.
fn word<'a>(what: &str, path: &'a RemotePath) -> Result<&'a str, Unwritable> {
    let text = path.as_str();
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@');
    if text.chars().all(fine) {
        return Ok(text);
    }
    Err(Unwritable {
        what: format!("{what} {text:?}"),
        file: "the systemd unit",
        why: "letters, digits and / . - _ + @ are allowed",
    })
}
