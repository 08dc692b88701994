//! How a person gets to a server or its databases: the words of the program, for whoever starts it.

use super::Remote;
use super::error::{RemoteError, Result};
use crate::domain::server::{DbTls, ServerSpec};
use crate::domain::{DbName, Secret};
use std::path::Path;

impl Remote {
    /// A shell on a server: ssh with the settings on record, by the operator's own configuration and known
    /// hosts; `local` where the server is this machine.
    ///
    /// # Errors
    /// When there is no way to it on record.
    pub fn shell(&self, server: &ServerSpec, local: &str) -> Result<Vec<String>> {
        let Some(to) = &server.ssh else {
            if server.server_url.is_loopback() {
                return Ok(vec![local.to_owned()]);
            }
            return Err(RemoteError::NotConfigured {
                what: format!("there is no ssh access to {} on record", server.code),
                hint: "give ssh_host (and user, port, identity) with the server's form (e) or `vigie server edit`",
            });
        };
        let mut argv = vec!["ssh".to_owned(), "-t".to_owned()];
        let mut give = |flag: &str, value: String| argv.extend([flag.to_owned(), value]);
        if let Some(config) = &self.ssh_config {
            give("-F", config.display().to_string());
        }
        if let Some(user) = &to.user {
            give("-l", user.clone());
        }
        if let Some(port) = to.port {
            give("-p", port.to_string());
        }
        if let Some(identity) = &to.identity {
            give("-i", identity.clone());
        }
        // Whatever the host is called, it is no option.
        argv.extend(["--".to_owned(), to.host.to_string()]);
        Ok(argv)
    }

    /// psql's variables for a database of a server, and its password. The session only reads until it is told
    /// otherwise: a slip in a customer's database can't be taken back.
    ///
    /// # Errors
    /// When the server's PostgreSQL is not on record, or its password can't be had.
    pub async fn psql(
        &self,
        server: &ServerSpec,
        database: &DbName,
        extra_ca: Option<&Path>,
    ) -> Result<(Vec<(String, String)>, Option<Secret>)> {
        let host = server.db_host.as_ref().ok_or_else(|| RemoteError::NotConfigured {
            what: format!("the PostgreSQL of {} is not on record", server.code),
            hint: "give db_host (and db_user, db_password) with the server's form (e) or `vigie server edit`",
        })?;
        let mut env = vec![
            ("PGHOST".to_owned(), host.to_string()),
            ("PGPORT".to_owned(), server.db_port.to_string()),
            // As a variable: on the command line it could be read as a connection string.
            ("PGDATABASE".to_owned(), database.to_string()),
            (
                "PGUSER".to_owned(),
                server.db_user.clone().unwrap_or_else(|| "odoo".to_owned()),
            ),
            ("PGAPPNAME".to_owned(), "vigie psql".to_owned()),
            ("PGOPTIONS".to_owned(), "-c default_transaction_read_only=on".to_owned()),
        ];
        match server.db_tls {
            DbTls::Disable => env.push(("PGSSLMODE".to_owned(), "disable".to_owned())),
            DbTls::VerifyFull => {
                let roots = extra_ca.map_or("system".to_owned(), |path| path.display().to_string());
                env.push(("PGSSLMODE".to_owned(), "verify-full".to_owned()));
                env.push(("PGSSLROOTCERT".to_owned(), roots));
            }
        }
        let password = match &server.db_password {
            Some(reference) => Some(self.keyring.resolve(reference).await?),
            None => None,
        };
        Ok((env, password))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::domain::server::{DbTls, SshAccess};

    #[test]
    fn a_shell_is_ssh_with_what_is_on_record_each_word_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let remote = testing::remote(&folder);
        let mut spec = testing::spec("https://odoo.example.org");
        let why = remote.shell(&spec, "/bin/bash").unwrap_err().problem();
        assert!(why.message.contains("no ssh access"), "{}", why.message);
        spec.ssh = Some(SshAccess {
            host: "odoo.example.org".parse().unwrap(),
            user: Some("deploy; rm -rf /".to_owned()),
            port: Some(2222),
            identity: Some("/home/ana/my key".to_owned()),
        });
        let argv = remote.shell(&spec, "/bin/bash").unwrap();
        let wanted = [
            "ssh",
            "-t",
            "-l",
            "deploy; rm -rf /",
            "-p",
            "2222",
            "-i",
            "/home/ana/my key",
            "--",
            "odoo.example.org",
        ];
        assert_eq!(argv, wanted);
        // This machine needs no ssh.
        let here = testing::spec("http://127.0.0.1:8069");
        assert_eq!(remote.shell(&here, "/bin/bash").unwrap(), ["/bin/bash"]);
    }

    #[tokio::test]
    async fn psql_has_its_password_apart_and_only_reads() {
        let folder = tempfile::tempdir().unwrap();
        let remote = testing::remote(&folder);
        let mut spec = testing::spec("https://odoo.example.org");
        let db = "acme".parse().unwrap();
        assert!(
            remote.psql(&spec, &db, None).await.is_err(),
            "there is no way there on record"
        );
        spec.db_host = Some("10.0.0.2".parse().unwrap());
        spec.db_password = Some(testing::sealed(&remote, "hunter2"));
        spec.db_tls = DbTls::VerifyFull;
        let (env, password) = remote.psql(&spec, &db, None).await.unwrap();
        assert_eq!(password.unwrap().expose(), "hunter2");
        assert!(env.iter().all(|(_, value)| !value.contains("hunter2")));
        let of = |name: &str| {
            env.iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(of("PGHOST"), Some("10.0.0.2"));
        assert_eq!(of("PGDATABASE"), Some("acme"));
        assert_eq!(of("PGSSLMODE"), Some("verify-full"));
        assert_eq!(of("PGOPTIONS"), Some("-c default_transaction_read_only=on"));
    }
}
