//! Programs that are lent the operator's terminal: a shell on a server, psql on a database, the editor.
//! Words as they are, never a shell's text; what is secret goes by the environment.

use super::guard::On;
use super::{Answer, Ops, shown};
use crate::domain::rights::Deed;
use crate::domain::{InstanceId, Problem, Secret, ServerId};
use serde_json::json;
use std::path::Path;

/// A program, as it is started. What opens a shell or a database is written into the audit before.
pub struct Program {
    /// What it is called: `the shell on prod-1`.
    pub title: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Variables that nobody else may see.
    pub secrets: Vec<(String, Secret)>,
    /// Why the audit does not know of it, where it could not be written down.
    pub unwritten: Option<Problem>,
}

impl Ops {
    /// A shell on a server: over ssh with its settings, or `local` where the server is this machine. Whoever
    /// has a shell can change anything: it is allowed where changing the server's record is.
    ///
    /// # Errors
    /// When rights or guards refuse it, or the server can't be reached so.
    pub async fn shell(&self, id: ServerId, local: &str) -> Answer<Program> {
        let server = self.registry.server(id).await.map_err(shown)?;
        let (object, label) = (format!("server:{id}"), server.spec.code.to_string());
        self.may_enter(Deed::EditServer, On::Server(id), ("server.shell", &object, &label))
            .await?;
        let argv = self.remote.shell(&server.spec, local).map_err(|e| e.problem())?;
        let unwritten = self
            .noted(("server.shell", &object, &label), json!({ "server": label }))
            .await;
        Ok(Program {
            unwritten,
            title: format!("the shell on {label}"),
            argv,
            env: Vec::new(),
            secrets: Vec::new(),
        })
    }

    /// psql on an instance's database, as the server's role, in a session that only reads until it is told
    /// otherwise.
    ///
    /// # Errors
    /// When rights or guards refuse it, the database is not on record, or its password can't be had.
    pub async fn psql(&self, id: InstanceId) -> Answer<Program> {
        let instance = self.registry.instance(id).await.map_err(shown)?;
        let (object, label) = (format!("instance:{id}"), instance.spec.subdomain.to_string());
        self.may_enter(
            Deed::HandOutPassword,
            On::Instance(id),
            ("instance.psql", &object, &label),
        )
        .await?;
        let server = self.registry.server(instance.spec.server_id).await.map_err(shown)?;
        let extra_ca = self.loaded.places.extra_ca.as_deref();
        let (env, password) = self
            .remote
            .psql(&server.spec, &instance.spec.database_name, extra_ca)
            .await
            .map_err(|e| e.problem())?;
        let (code, database) = (&server.spec.code, &instance.spec.database_name);
        let what = json!({ "server": code, "database": database });
        let unwritten = self.noted(("instance.psql", &object, &label), what).await;
        Ok(Program {
            unwritten,
            title: format!("psql on {}", instance.spec.database_name),
            argv: vec!["psql".to_owned()],
            env,
            secrets: password
                .map(|value| ("PGPASSWORD".to_owned(), value))
                .into_iter()
                .collect(),
        })
    }

    async fn may_enter(&self, deed: Deed, on: On<'_>, about: (&str, &str, &str)) -> Answer<()> {
        let (action, object, label) = about;
        self.allowed(deed, action, object, label).await?;
        // What may be done in there is a change, whatever is done.
        let judged = self.judged(Deed::EditServer, on, about).await;
        judged.map_err(|problem| match problem.code.as_str() {
            "name_needed" | "reason_needed" => Problem {
                hint: Some("nothing asks for it here: use ssh or psql themselves".to_owned()),
                ..problem
            },
            _ => problem,
        })
    }
}

/// The operator's editor on a file: `$VISUAL`, `$EDITOR`, or vi; its words apart, no shell between.
///
/// # Errors
/// When the file's folder can't be made.
pub fn editor(visual: Option<&str>, editor: Option<&str>, file: &Path) -> Answer<Program> {
    let named = [visual, editor]
        .into_iter()
        .flatten()
        .find(|text| !text.trim().is_empty())
        .unwrap_or("vi");
    let mut argv: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
    argv.push(file.display().to_string());
    if let Some(folder) = file.parent() {
        crate::config::private_dir(folder)
            .map_err(|error| Problem::new("no_folder", error.to_string()).hint("give a file with --config"))?;
    }
    Ok(Program {
        unwritten: None,
        title: format!("the editor on {}", file.display()),
        argv,
        env: Vec::new(),
        secrets: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::editor;

    #[test]
    fn the_editor_is_the_operators_its_words_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vigie/config.toml");
        let argv = |visual, named| editor(visual, named, &file).unwrap().argv;
        let path = file.display().to_string();
        assert_eq!(argv(Some("code --wait"), Some("vi")), ["code", "--wait", path.as_str()]);
        assert_eq!(argv(Some(" "), Some("nano")), ["nano", path.as_str()]);
        assert_eq!(argv(None, None), ["vi", path.as_str()]);
        assert!(file.parent().unwrap().is_dir(), "where it can be saved");
        assert!(!file.exists(), "it is the editor's to write");
    }
}
