//! Templates: their records, and the jobs that make, take, thaw them.

use super::guard::On;
use super::{Answer, Ops, shown};
use crate::domain::job::Job;
use crate::domain::rights::Deed;
use crate::domain::template::{Template, TemplateSpec};
use crate::domain::{Problem, TemplateId};
use crate::jobs::{JobPlan, Request};

impl Ops {
    /// Writes a template down, in draft.
    ///
    /// # Errors
    /// When a rule is broken, or its code or database is taken.
    pub async fn template_add(&self, spec: TemplateSpec) -> Answer<Template> {
        self.allowed(Deed::AddTemplate, "template.add", "template", spec.code.as_str())
            .await?;
        let (code, server) = (spec.code.as_str(), spec.server_id);
        let words = ("template.add", "template", code);
        self.judged(Deed::AddTemplate, On::NewThere(server, code), words)
            .await?;
        if let Some(problem) = wrong_template(&spec) {
            return self
                .refuse("template.add", "template", spec.code.as_str(), problem)
                .await;
        }
        self.registry.add_template(&self.op(), &spec).await.map_err(shown)
    }

    /// Removes a template's record; its database stays.
    ///
    /// # Errors
    /// While instances made from it are there, or a job uses it.
    pub async fn template_remove(&self, id: TemplateId, version: i64) -> Answer<()> {
        let object = format!("template:{id}");
        let label = id.to_string();
        self.allowed(Deed::RemoveTemplate, "template.remove", &object, &label)
            .await?;
        let words = ("template.remove", object.as_str(), label.as_str());
        self.judged(Deed::RemoveTemplate, On::Template(id), words).await?;
        self.registry
            .remove_template(&self.op(), id, version)
            .await
            .map_err(shown)
    }

    /// The plan of making a template's database through Odoo.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn plan_template_create(&self, id: TemplateId) -> Answer<JobPlan> {
        let (request, deed) = (Request::TemplateCreate(id), Deed::CreateTemplateDatabase);
        self.plan_template(request, id, deed, "template.create_database").await
    }

    /// The plan of taking a database that exists as a template.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn plan_template_adopt(&self, id: TemplateId) -> Answer<JobPlan> {
        let (request, deed) = (Request::TemplateAdopt(id), Deed::AdoptTemplate);
        self.plan_template(request, id, deed, "template.adopt").await
    }

    /// The plan of letting a template be edited again.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn plan_template_thaw(&self, id: TemplateId) -> Answer<JobPlan> {
        let (request, deed) = (Request::TemplateThaw(id), Deed::ThawTemplate);
        self.plan_template(request, id, deed, "template.thaw").await
    }

    async fn plan_template(&self, request: Request, id: TemplateId, deed: Deed, action: &str) -> Answer<JobPlan> {
        let template = self.registry.template(id).await.map_err(shown)?;
        let label = template.spec.code.as_str();
        self.allowed(deed, action, &format!("template:{id}"), label).await?;
        self.plan_job(request, action, &format!("template:{id}"), label).await
    }

    /// Plans and queues [`Ops::plan_template_create`].
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn template_create_database(&self, id: TemplateId) -> Answer<Job> {
        let plan = self.plan_template_create(id).await?;
        self.queue(plan).await
    }

    /// Plans and queues [`Ops::plan_template_adopt`].
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn template_adopt(&self, id: TemplateId) -> Answer<Job> {
        let plan = self.plan_template_adopt(id).await?;
        self.queue(plan).await
    }

    /// Plans and queues [`Ops::plan_template_thaw`].
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn template_thaw(&self, id: TemplateId) -> Answer<Job> {
        let plan = self.plan_template_thaw(id).await?;
        self.queue(plan).await
    }
}

/// What the types of a template's record don't say.
fn wrong_template(spec: &TemplateSpec) -> Option<Problem> {
    if spec.name.as_str().trim().is_empty() {
        return Some(Problem::new("invalid_template", "the template's name is empty"));
    }
    let technical = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(module) = spec.base_modules.iter().find(|m| !technical(m)) {
        let message = format!("{module:?} is no module's technical name: letters, digits and '_'");
        return Some(Problem::new("invalid_template", message).hint("for instance: sale, point_of_sale, l10n_fr"));
    }
    let language = spec.language.as_str();
    let good = !language.is_empty()
        && language.len() <= 16
        && language
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@'));
    (!good).then(|| {
        Problem::new("invalid_template", format!("{language:?} is no language code"))
            .hint("as Odoo writes them: en_US, fr_FR, sr@latin")
    })
}
