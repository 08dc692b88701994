//! Servers: adding, changing, and their life cycle.

use super::guard::On;
use super::{Answer, CheckOutcome, Ops, shown};
use crate::domain::rights::Deed;
use crate::domain::server::{Server, ServerEvent, ServerSpec};
use crate::domain::{Problem, ServerId};

impl Ops {
    /// Writes a server down, in draft.
    ///
    /// # Errors
    /// When a rule is broken, or its code or URL is taken.
    pub async fn server_add(&self, spec: ServerSpec) -> Answer<Server> {
        self.allowed(Deed::AddServer, "server.add", "server", spec.code.as_str())
            .await?;
        let code = spec.code.as_str();
        self.judged(Deed::AddServer, On::NewServer(code), ("server.add", "server", code))
            .await?;
        if let Err(error) = spec.validate() {
            let problem = Problem::new("invalid_server", error.to_string());
            return self.refuse("server.add", "server", spec.code.as_str(), problem).await;
        }
        self.registry.add_server(&self.op(), &spec).await.map_err(shown)
    }

    /// Replaces what is written down about a server, if it is still as it was read.
    ///
    /// # Errors
    /// When a rule is broken, a value is taken, it hosts more than the new limit, or it was changed meanwhile.
    pub async fn server_edit(&self, id: ServerId, version: i64, spec: ServerSpec) -> Answer<Server> {
        let object = format!("server:{id}");
        self.allowed(Deed::EditServer, "server.edit", &object, spec.code.as_str())
            .await?;
        let words = ("server.edit", object.as_str(), spec.code.as_str());
        self.judged(Deed::EditServer, On::Server(id), words).await?;
        if let Err(error) = spec.validate() {
            let problem = Problem::new("invalid_server", error.to_string());
            return self.refuse("server.edit", &object, spec.code.as_str(), problem).await;
        }
        self.registry
            .edit_server(&self.op(), id, version, &spec)
            .await
            .map_err(shown)
    }

    /// Puts a server in service, after a test of its connection. The test is kept like any check where
    /// one's role may keep checks.
    ///
    /// # Errors
    /// "Cannot activate server. Connection test failed" with the reason, when the test fails.
    pub async fn server_activate(&self, id: ServerId, version: i64) -> Answer<(Server, CheckOutcome)> {
        self.may(Deed::ActivateServer, "server.activate", id).await?;
        let outcome = if self.rights().await?.may(Deed::KeepCheck) {
            self.check_and_keep(id, true).await?
        } else {
            let server = self.registry.server(id).await.map_err(shown)?;
            let report = self.look(&server, true).await;
            CheckOutcome { server, report }
        };
        let connection = match &outcome.report.failure {
            Some(failure) => Err(failure.to_string()),
            None => Ok(()),
        };
        let server = self
            .transition(id, version, &ServerEvent::Activate { connection })
            .await
            .map_err(|mut problem| {
                if let Some(failure) = &outcome.report.failure
                    && problem.code == "connection_test_failed"
                {
                    problem.hint = Some(failure.hint().to_owned());
                }
                problem
            })?;
        Ok((server, outcome))
    }

    /// Takes a server out of service.
    ///
    /// # Errors
    /// "Cannot deactivate server while it has instances", and how many.
    pub async fn server_deactivate(&self, id: ServerId, version: i64) -> Answer<Server> {
        self.may(Deed::DeactivateServer, "server.deactivate", id).await?;
        self.transition(id, version, &ServerEvent::Deactivate).await
    }

    /// Puts a server in maintenance: its instances stay, new ones go elsewhere.
    ///
    /// # Errors
    /// When it was changed meanwhile.
    pub async fn server_maintenance(&self, id: ServerId, version: i64) -> Answer<Server> {
        self.may(Deed::MaintainServer, "server.maintenance", id).await?;
        self.transition(id, version, &ServerEvent::Maintain).await
    }

    /// Removes a server from the registry.
    ///
    /// # Errors
    /// When it hosts instances or templates.
    pub async fn server_remove(&self, id: ServerId, version: i64) -> Answer<()> {
        self.may(Deed::DeleteServer, "server.delete", id).await?;
        self.registry
            .transition_server(&self.op(), id, version, &ServerEvent::Delete)
            .await
            .map(|_| ())
            .map_err(shown)
    }

    async fn may(&self, deed: Deed, action: &str, id: ServerId) -> Answer<()> {
        let (object, label) = (format!("server:{id}"), id.to_string());
        self.allowed(deed, action, &object, &label).await?;
        self.judged(deed, On::Server(id), (action, &object, &label)).await
    }

    async fn transition(&self, id: ServerId, version: i64, event: &ServerEvent) -> Answer<Server> {
        self.registry
            .transition_server(&self.op(), id, version, event)
            .await
            .map_err(shown)?
            .ok_or_else(|| Problem::new("not_found", format!("the server {id} is gone")))
    }
}
