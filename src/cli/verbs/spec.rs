//! From flags to a server's record.

use super::Desk;
use super::secrets::Given;
use crate::cli::args::{SecretArgs, ServerAdd, ServerEdit, ServerFields};
use crate::domain::check::ServerUrl;
use crate::domain::server::{DbTls, ServerSpec, SshAccess};
use crate::domain::{Code, HostName, Problem, RemotePath, SafeText};

/// A value that its own rule refuses.
fn invalid(flag: &str, error: impl std::fmt::Display) -> Problem {
    Problem::new("invalid_value", format!("{flag}: {error}"))
}

pub(super) fn code(text: &str) -> Result<Code, Problem> {
    Code::parse(text).map_err(|error| Problem::new("invalid_name", error.to_string()))
}

fn url(text: &str) -> Result<ServerUrl, Problem> {
    ServerUrl::parse(text).map_err(|error| invalid("--url", error).hint("for instance https://odoo1.example.org"))
}

/// Fields that `--unset` knows.
const UNSETTABLE: [&str; 12] = [
    "ip",
    "port",
    "ssh",
    "db-host",
    "db-user",
    "db-password",
    "master-password",
    "data-dir",
    "cpu-cores",
    "memory-gb",
    "disk-gb",
    "description",
];

/// The record of a new server, without its secrets.
pub(super) fn plain(args: &ServerAdd) -> Result<ServerSpec, Problem> {
    let code = code(&args.code)?;
    let mut spec = ServerSpec {
        name: SafeText::new(code.as_str()),
        code,
        description: SafeText::new(""),
        server_url: url(&args.url)?,
        server_ip: None,
        port: None,
        ssh: None,
        db_host: None,
        db_port: 5432,
        db_user: None,
        db_password: None,
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances: args.max_instances,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    };
    apply(&mut spec, &args.fields)?;
    Ok(spec)
}

impl Desk<'_> {
    /// The record of a new server.
    pub(super) async fn new_spec(&self, args: &ServerAdd) -> Result<ServerSpec, Problem> {
        let mut spec = plain(args)?;
        self.apply_secrets(&mut spec, &args.secrets).await?;
        Ok(spec)
    }

    /// A record as the flags change it.
    pub(super) async fn edited(&self, mut spec: ServerSpec, args: &ServerEdit) -> Result<ServerSpec, Problem> {
        for field in &args.unset {
            unset(&mut spec, field)?;
        }
        if let Some(new) = &args.new_code {
            spec.code = code(new)?;
        }
        if let Some(text) = &args.url {
            spec.server_url = url(text)?;
        }
        if let Some(limit) = args.max_instances {
            spec.max_instances = limit;
        }
        apply(&mut spec, &args.fields)?;
        self.apply_secrets(&mut spec, &args.secrets).await?;
        Ok(spec)
    }

    async fn apply_secrets(&self, spec: &mut ServerSpec, args: &SecretArgs) -> Result<(), Problem> {
        let db = Given {
            what: "PostgreSQL's password",
            from: args.db_password_from.as_deref(),
            stdin: args.db_password_stdin,
            prompt: args.db_password_prompt,
        };
        if let Some(reference) = self.secret(db).await? {
            spec.db_password = Some(reference);
        }
        let master = Given {
            what: "the master password",
            from: args.master_password_from.as_deref(),
            stdin: args.master_password_stdin,
            prompt: args.master_password_prompt,
        };
        if let Some(reference) = self.secret(master).await? {
            spec.master_password = Some(reference);
        }
        Ok(())
    }
}

fn unset(spec: &mut ServerSpec, field: &str) -> Result<(), Problem> {
    match field {
        "ip" => spec.server_ip = None,
        "port" => spec.port = None,
        "ssh" => spec.ssh = None,
        "db-host" => spec.db_host = None,
        "db-user" => spec.db_user = None,
        "db-password" => spec.db_password = None,
        "master-password" => spec.master_password = None,
        "data-dir" => spec.data_dir = None,
        "cpu-cores" => spec.cpu_cores = None,
        "memory-gb" => spec.memory_gb = None,
        "disk-gb" => spec.disk_gb = None,
        "description" => spec.description = SafeText::new(""),
        other => {
            let problem = Problem::new("usage", format!("--unset {other:?}: no such field"));
            return Err(problem.hint(format!("one of: {}", UNSETTABLE.join(", "))));
        }
    }
    Ok(())
}

fn apply(spec: &mut ServerSpec, fields: &ServerFields) -> Result<(), Problem> {
    let host = |flag: &str, text: &str| HostName::parse(text).map_err(|error| invalid(flag, error));
    if let Some(name) = &fields.name {
        spec.name = SafeText::capped(name.trim(), 200);
    }
    if let Some(text) = &fields.description {
        spec.description = SafeText::capped(text.trim(), 2_000);
    }
    if let Some(text) = &fields.ip {
        spec.server_ip = Some(host("--ip", text)?);
    }
    if let Some(port) = fields.port {
        spec.port = Some(port);
    }
    if let Some(text) = &fields.db_host {
        spec.db_host = Some(host("--db-host", text)?);
    }
    if let Some(port) = fields.db_port {
        spec.db_port = port;
    }
    if let Some(user) = &fields.db_user {
        spec.db_user = Some(user.clone());
    }
    match fields.db_tls.as_deref() {
        Some("verify-full") => spec.db_tls = DbTls::VerifyFull,
        Some(_) => spec.db_tls = DbTls::Disable,
        None => {}
    }
    if let Some(path) = &fields.data_dir {
        spec.data_dir = Some(RemotePath::parse(path).map_err(|error| invalid("--data-dir", error))?);
    }
    spec.cpu_cores = fields.cpu_cores.or(spec.cpu_cores);
    spec.memory_gb = fields.memory_gb.or(spec.memory_gb);
    spec.disk_gb = fields.disk_gb.or(spec.disk_gb);
    apply_ssh(spec, fields)
}

fn apply_ssh(spec: &mut ServerSpec, fields: &ServerFields) -> Result<(), Problem> {
    if let Some(text) = &fields.ssh_host {
        let host = HostName::parse(text).map_err(|error| invalid("--ssh-host", error))?;
        match &mut spec.ssh {
            Some(ssh) => ssh.host = host,
            None => {
                spec.ssh = Some(SshAccess {
                    host,
                    user: None,
                    port: None,
                    identity: None,
                });
            }
        }
    }
    if fields.ssh_user.is_none() && fields.ssh_port.is_none() && fields.ssh_identity.is_none() {
        return Ok(());
    }
    let Some(ssh) = &mut spec.ssh else {
        return Err(Problem::new(
            "usage",
            "--ssh-user, --ssh-port and --ssh-identity need --ssh-host",
        ));
    };
    if let Some(user) = &fields.ssh_user {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '\\');
        if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
            return Err(invalid(
                "--ssh-user",
                "letters, digits, '.', '_' and '-' are allowed, not '-' first",
            ));
        }
        ssh.user = Some(user.clone());
    }
    ssh.port = fields.ssh_port.or(ssh.port);
    if let Some(path) = &fields.ssh_identity {
        let path = std::path::absolute(path).map_err(|error| invalid("--ssh-identity", error))?;
        ssh.identity = Some(path.to_string_lossy().into_owned());
    }
    Ok(())
}
