//! What keys act on: where one stands, and what is selected there.

use super::super::action::{JobFacts, Place, Situation};
use super::{Act, Asked, ListId, Model, Tab, Target, is_problem};
use crate::domain::explain;
use crate::domain::{JobId, ServerId};

impl Model {
    /// The server that keys act on: the selected one; among instances, theirs.
    pub fn current_server(&self) -> Option<ServerId> {
        match self.place() {
            Place::Instances if self.lists.tab == Tab::All => self
                .lists
                .all
                .selected
                .and_then(|id| self.store.instance(id))
                .map(|row| row.server),
            _ => self.lists.servers.selected,
        }
    }

    /// The newest job of what is selected.
    pub fn current_job(&self) -> Option<JobId> {
        match self.place() {
            Place::Log | Place::WholeLog => self.log.job.filter(|_| self.log.text.is_none()),
            Place::Jobs => self.lists.jobs.selected,
            Place::Instances => self
                .lists
                .instance()
                .and_then(|id| self.store.job_of_instance(id))
                .map(|job| job.id),
            Place::Templates => self
                .lists
                .templates
                .selected
                .and_then(|id| self.store.job_of_template(id))
                .map(|job| job.id),
            Place::Plans | Place::Customers => None,
            Place::Alerts => match self
                .lists
                .alerts
                .selected
                .and_then(|id| self.attention.board.alert(id))?
                .subject
            {
                Some(explain::Subject::Job(id)) => Some(id),
                _ => None,
            },
            Place::Audit => {
                let row = self
                    .lists
                    .audit
                    .state
                    .selected
                    .and_then(|id| self.store.audit_row(id))?;
                row.object.strip_prefix("job:")?.parse().ok().map(JobId)
            }
            Place::Servers => {
                let server = self.lists.servers.selected?;
                let theirs = |job: &&crate::domain::job::Job| job.spec.server_id() == server;
                self.store.jobs.iter().find(theirs).map(|job| job.id)
            }
        }
    }

    /// What is selected where one stands.
    pub fn current_target(&self) -> Option<Target> {
        match self.lists.list(self.place()) {
            Some(list) => self.selected_in(list),
            None => self.current_job().map(Target::Job),
        }
    }

    /// What is selected in a list.
    pub fn selected_in(&self, list: ListId) -> Option<Target> {
        let lists = &self.lists;
        match list {
            ListId::Servers => lists.servers.selected.map(Target::Server),
            ListId::Here => lists.here.selected.map(Target::Instance),
            ListId::All => lists.all.selected.map(Target::Instance),
            ListId::Templates => lists.templates.selected.map(Target::Template),
            ListId::Jobs => lists.jobs.selected.map(Target::Job),
            ListId::Plans => lists.plans.selected.map(Target::Plan),
            ListId::Customers => lists.customers.selected.map(Target::Customer),
            ListId::Audit => lists.audit.state.selected.map(Target::Audit),
            ListId::Alerts => lists.alerts.selected.map(Target::Alert),
        }
    }

    /// Where the selected alert is, on their page.
    fn current_alert(&self) -> Option<crate::domain::alert::AlertState> {
        let id = self.lists.alerts.selected.filter(|_| self.place() == Place::Alerts)?;
        self.store.alerts().iter().find(|row| row.id == id).map(|row| row.state)
    }

    /// The code of the server that the selected thing is or is on.
    fn current_code(&self) -> Option<&str> {
        let store = &self.store;
        let id = match self.current_target()? {
            Target::Server(id) => id,
            Target::Instance(id) => store.instance(id)?.server,
            Target::Template(id) => store.template(id)?.spec.server_id,
            Target::Job(id) => store.job(id)?.spec.server_id(),
            _ => return None,
        };
        store.server(id).map(|server| server.spec.code.as_str())
    }

    /// What this dashboard is doing to something.
    pub fn busy(&self, target: Target) -> Option<&Asked> {
        self.asked.values().find(|asked| {
            asked.act.target() == target || (asked.act == Act::CheckAll && matches!(target, Target::Fleet))
        })
    }

    /// Where one stands, and on what, for [`crate::tui::action::allowed`].
    pub fn situation(&self) -> Situation<'_> {
        let place = self.key_place();
        let job = self
            .current_job()
            .and_then(|id| self.store.job(id))
            .map(|job| JobFacts {
                state: job.state,
                cancel_requested: job.cancel_requested,
            });
        Situation {
            place,
            keys: &self.settings.keymap,
            rights: &self.store.rights,
            guard: &self.settings.guard,
            unlocked: self.is_unlocked(),
            on_server: self.current_code(),
            marked: self.marked(),
            receipts: !self.runs.is_empty(),
            server: self.current_server().and_then(|id| self.store.server(id)),
            instance: self
                .lists
                .instance()
                .and_then(|id| self.store.instance(id))
                .map(|row| row.state),
            template: self.lists.templates.selected.and_then(|id| self.store.template(id)),
            job,
            busy: self
                .current_target()
                .and_then(|target| self.busy(target))
                .map(|asked| asked.verb.as_str()),
            servers: self.store.read_at.map(|_| self.store.servers.len()),
            problems: self.store.servers.iter().filter(|server| is_problem(server)).count(),
            ready_templates: self.store.ready_templates().count(),
            can_try_again: self.failed.is_some(),
            selected: self.current_target().is_some(),
            told: super::story_subject(self).is_some(),
            alert: self.current_alert(),
            trail: (self.trail.has_back(), self.trail.has_forward()),
            sorted: self
                .lists
                .list(place)
                .is_some_and(|list| self.lists.shown(list).sort.is_some()),
            log: self.log.is_open(),
            searched: self.log.search.is_some(),
            file: self.log.text.is_some(),
            marks: self.log.marks.len(),
            filtered: !self.log.sieve.is_open(),
            only_log: self.only_log,
        }
    }
}
