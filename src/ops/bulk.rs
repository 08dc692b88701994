//! One of many, done as it was seen when it was planned.

use super::{Answer, Ops, Removal};
use crate::domain::bulk::{Item, Thing, Verb};
use crate::domain::check::CheckReport;
use crate::domain::{Problem, SafeText, TemplateId};

impl Ops {
    /// Does `verb` to one of many, in a line what came of it.
    ///
    /// # Errors
    /// Why it was refused or failed; a server that does not answer fails its test.
    pub async fn one_of_many(&self, verb: Verb, item: &Item) -> Answer<SafeText> {
        let version = item.version;
        let text = match (verb, item.thing) {
            (Verb::Test, Thing::Server(id)) => answers(&self.server_test(id).await?)?,
            (Verb::Check, Thing::Server(id)) => answers(&self.server_check(id).await?.report)?,
            (Verb::Activate, Thing::Server(id)) => {
                let (server, _) = self.server_activate(id, version).await?;
                format!("is {}", server.state().word())
            }
            (Verb::Deactivate, Thing::Server(id)) => {
                format!("is {}", self.server_deactivate(id, version).await?.state().word())
            }
            (Verb::Maintain, Thing::Server(id)) => {
                format!("is in {}", self.server_maintenance(id, version).await?.state().word())
            }
            (Verb::DeleteServer, Thing::Server(id)) => {
                self.server_remove(id, version).await?;
                "is removed".to_owned()
            }
            (Verb::DeleteInstance, Thing::Instance(id)) => match self.instance_remove(id, Some(version)).await? {
                Removal::Queued(job) => format!("job {} removes it", job.id),
                Removal::Forgotten => "its record is gone".to_owned(),
            },
            (Verb::CancelJob, Thing::Job(id)) => {
                self.job_cancel(id).await?;
                "is asked to stop".to_owned()
            }
            (Verb::RetryJob, Thing::Job(id)) => format!("is {} again", self.job_retry(id).await?.state.word()),
            (Verb::DeleteTemplate, Thing::Template(id)) => {
                self.template_remove(id, version).await?;
                "is removed; its database stays".to_owned()
            }
            (Verb::CreateDatabase | Verb::Adopt | Verb::Thaw, Thing::Template(id)) => {
                let job = self.template_work(verb, id, version).await?;
                format!("job {}: {}", job.id, job.title)
            }
            _ => return Err(Problem::new("refused", "this can't be done to it")),
        };
        Ok(SafeText::new(&text))
    }

    async fn template_work(&self, verb: Verb, id: TemplateId, seen: i64) -> Answer<crate::domain::job::Job> {
        let mut plan = match verb {
            Verb::Adopt => self.plan_template_adopt(id).await?,
            Verb::Thaw => self.plan_template_thaw(id).await?,
            _ => self.plan_template_create(id).await?,
        };
        // Queueing compares it with what is there then.
        plan.new_job.expected.template = Some((id, seen));
        self.queue(plan).await
    }
}

fn answers(report: &CheckReport) -> Answer<String> {
    match &report.failure {
        Some(failure) => Err(Problem::new("check_failed", failure.to_string()).hint(failure.hint())),
        None => Ok(format!("answers in {} ms", report.latency_ms)),
    }
}
