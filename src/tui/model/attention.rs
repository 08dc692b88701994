//! What calls for the operator: the board of alerts, and which rows changed since one looked.

use super::effect::Target;
use super::fleet::Store;
use super::message::{Delta, Fleet};
use super::page::{Page, Tone};
use super::pages::Lines;
use super::words::{age, when};
use super::{Model, Now};
use crate::domain::SafeText;
use crate::domain::alert::{Alert, AlertId, AlertState, Board, Memory, Osc, Rules};
use crate::domain::explain::{Severity, Subject};
use crate::domain::job::{Job, JobKind};
use crate::domain::server::Server;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Rows that are marked as changed at most.
const MARKED: usize = 2_000;

/// What the settings say of alerts.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// When something is an alert, and when one is called.
    pub rules: Rules,
    /// Whether the bell is rung.
    pub bell: bool,
    /// How the desktop is notified; `None`: not at all.
    pub notify: Option<Osc>,
    /// Whether the operator has a command for it.
    pub command: bool,
    /// How long a snooze lasts.
    pub snooze: Duration,
    /// Who acknowledges here.
    pub operator: SafeText,
    /// What was remembered from last time.
    pub remembered: Remembrance,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            bell: true,
            notify: None,
            command: false,
            snooze: Duration::from_secs(3600),
            operator: SafeText::new("operator"),
            remembered: Remembrance::default(),
        }
    }
}

/// What is remembered from one start to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembrance {
    /// The alerts; `None` before the first look at this registry.
    pub alerts: Option<Memory>,
    /// Rows that changed since they were looked at.
    pub changed: Vec<Subject>,
    /// How servers and templates were when this was written.
    pub known: Vec<(Subject, String)>,
    /// When this was written.
    pub at: Option<Timestamp>,
}

/// A row of the list of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Its id.
    pub id: AlertId,
    /// The alert.
    pub alert: Alert,
    /// Where it is.
    pub state: AlertState,
}

/// What calls for the operator.
#[derive(Debug, Default)]
pub struct Attention {
    /// The alerts.
    pub board: Board,
    /// Rows that changed since they were looked at.
    changed: BTreeSet<Subject>,
    /// What was remembered, until the fleet was read.
    before: Option<Remembrance>,
    /// What of the store was taken in.
    pub seen: Option<(u64, bool)>,
    /// When it is to be remembered.
    pub save_due: Option<Duration>,
}

impl Attention {
    /// Goes on where the last dashboard ended.
    pub fn remembered(mut remembrance: Remembrance) -> Self {
        let board = match remembrance.alerts.take() {
            Some(memory) => Board::remembered(memory),
            None => Board::default(),
        };
        Self {
            board,
            changed: std::mem::take(&mut remembrance.changed)
                .into_iter()
                .take(MARKED)
                .collect(),
            before: remembrance.at.is_some().then_some(remembrance),
            ..Self::default()
        }
    }

    /// What is to be remembered.
    pub fn remembrance(&self, store: &Store, now: Timestamp) -> Remembrance {
        let servers = store
            .servers
            .iter()
            .map(|server| (Subject::Server(server.id), server_word(server)));
        let templates = store
            .templates
            .iter()
            .map(|template| (Subject::Template(template.id), template.state.word().to_owned()));
        Remembrance {
            alerts: Some(self.board.memory()),
            changed: self.changed.iter().copied().collect(),
            known: servers.chain(templates).collect(),
            at: Some(now),
        }
    }

    /// Whether a row changed since it was looked at.
    pub fn is_changed(&self, target: Target) -> bool {
        !self.changed.is_empty() && subject(target).is_some_and(|subject| self.changed.contains(&subject))
    }

    /// How many rows did.
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// It is looked at. Answers whether it was marked.
    pub fn look(&mut self, target: Target) -> bool {
        !self.changed.is_empty() && subject(target).is_some_and(|subject| self.changed.remove(&subject))
    }

    fn mark(&mut self, subject: Subject) -> bool {
        // Thousands of marks say nothing any more: the first ones stay.
        self.changed.len() < MARKED && self.changed.insert(subject)
    }

    /// Marks what is otherwise in a fleet that was read anew. Answers whether anything is.
    pub fn fleet(&mut self, store: &Store, fleet: &Fleet) -> bool {
        let count = self.changed.len();
        if store.read_at.is_some() {
            for server in &fleet.servers {
                self.server(store, server);
            }
            for template in &fleet.templates {
                if store
                    .template(template.id)
                    .is_some_and(|old| old.state != template.state)
                {
                    self.mark(Subject::Template(template.id));
                }
            }
            for job in &fleet.jobs {
                self.job(store, job);
            }
            let rows = fleet
                .indexed
                .as_ref()
                .map_or(&fleet.instances, |indexed| &indexed.changed);
            for row in rows {
                if store.instance(row.id).is_some_and(|old| old.state != row.state) {
                    self.mark(Subject::Instance(row.id));
                }
            }
        } else if let Some(before) = self.before.take() {
            self.since(&before, fleet);
        }
        count != self.changed.len()
    }

    /// Marks what is otherwise than the last dashboard left it.
    fn since(&mut self, before: &Remembrance, fleet: &Fleet) {
        let known: std::collections::BTreeMap<Subject, &str> = before
            .known
            .iter()
            .map(|(subject, word)| (*subject, word.as_str()))
            .collect();
        for server in &fleet.servers {
            let subject = Subject::Server(server.id);
            if known.get(&subject).is_some_and(|word| *word != server_word(server)) {
                self.mark(subject);
            }
        }
        for template in &fleet.templates {
            let subject = Subject::Template(template.id);
            if known.get(&subject).is_some_and(|word| *word != template.state.word()) {
                self.mark(subject);
            }
        }
        for job in &fleet.jobs {
            if job.finished_at.is_some() && job.finished_at > before.at {
                self.mark(Subject::Job(job.id));
                if let Some(instance) = job.spec.instance_id()
                    && !matches!(job.spec.kind(), JobKind::InstanceDelete | JobKind::DedicatedDelete)
                {
                    self.mark(Subject::Instance(instance));
                }
            }
        }
    }

    /// Marks what changes. Answers whether anything does.
    pub fn delta(&mut self, store: &Store, delta: &Delta) -> bool {
        let count = self.changed.len();
        for server in &delta.servers {
            self.server(store, server);
        }
        for template in &delta.templates {
            if store
                .template(template.id)
                .is_none_or(|old| old.state != template.state)
            {
                self.mark(Subject::Template(template.id));
            }
        }
        for job in &delta.jobs {
            self.job(store, job);
        }
        for row in &delta.instances {
            if store.instance(row.id).is_none_or(|old| old.state != row.state) {
                self.mark(Subject::Instance(row.id));
            }
        }
        for id in &delta.gone_servers {
            self.changed.remove(&Subject::Server(*id));
        }
        for id in &delta.gone_instances {
            self.changed.remove(&Subject::Instance(*id));
        }
        for id in &delta.gone_templates {
            self.changed.remove(&Subject::Template(*id));
        }
        count != self.changed.len()
    }

    fn server(&mut self, store: &Store, server: &Server) {
        let other = |old: &Server| old.state() != server.state() || old.track.status != server.track.status;
        if store.server(server.id).is_none_or(other) {
            self.mark(Subject::Server(server.id));
        }
    }

    fn job(&mut self, store: &Store, job: &Job) {
        // Its end is what one waits for; its steps are seen while they run.
        if job.state.is_over() && store.job(job.id).is_none_or(|old| old.state != job.state) {
            self.mark(Subject::Job(job.id));
        }
    }
}

fn server_word(server: &Server) -> String {
    format!("{}/{}", server.state().word(), server.track.status.word())
}

/// What of a selection can be explained, and has a history.
pub(super) fn subject(target: Target) -> Option<Subject> {
    Some(match target {
        Target::Server(id) => Subject::Server(id),
        Target::Template(id) => Subject::Template(id),
        Target::Instance(id) => Subject::Instance(id),
        Target::Job(id) => Subject::Job(id),
        Target::Fleet | Target::Plan(_) | Target::Customer(_) | Target::Audit(_) | Target::Alert(_) => return None,
    })
}

/// What of all that is selected can be explained: of an alert or a row of what happened what it is
/// about, in the log its job.
pub fn story_subject(model: &Model) -> Option<Subject> {
    let target = model.current_target()?;
    match target {
        Target::Alert(id) => model.attention.board.alert(id)?.subject,
        Target::Audit(id) => {
            let (kind, number) = model.store.audit_row(id)?.object.split_once(':')?;
            let number: i64 = number.parse().ok()?;
            match kind {
                "server" => Some(Subject::Server(crate::domain::ServerId(number))),
                "template" => Some(Subject::Template(crate::domain::TemplateId(number))),
                "instance" => Some(Subject::Instance(crate::domain::InstanceId(number))),
                "job" => Some(Subject::Job(crate::domain::JobId(number))),
                _ => None,
            }
        }
        other => subject(other),
    }
}

/// The alerts in the order of their list: what is open first, the worst first, the newest first.
pub fn rows(board: &Board, rules: &Rules, now: Timestamp) -> Vec<AlertRow> {
    let mut rows: Vec<AlertRow> = board
        .alerts()
        .iter()
        .map(|alert| AlertRow {
            id: alert.id,
            state: board.state(alert, rules, now),
            alert: alert.clone(),
        })
        .collect();
    rows.sort_by_key(|row| {
        (
            row.state,
            row.alert.kind,
            std::cmp::Reverse(row.alert.raised_at),
            row.id,
        )
    });
    rows
}

/// The page of an alert.
pub(super) fn page(model: &Model, id: AlertId, now: &Now) -> Option<Page> {
    let board = &model.attention.board;
    let alert = board.alert(id)?;
    let mut out = Lines::new();
    let state = board.state(alert, &model.settings.alerts.rules, now.wall);
    let bad = if alert.kind.severity() == Severity::Bad {
        Tone::Bad
    } else {
        Tone::Warning
    };
    out.toned("what", alert.kind.title(), bad);
    out.pair("on", alert.label.as_str());
    out.pair("why", alert.text.as_str());
    out.pair("state", state.word());
    out.pair(
        "since",
        format!("{} ({})", when(alert.raised_at, now), age(alert.raised_at, now)),
    );
    if alert.times > 1 {
        out.pair("came back", format!("{} times before it was over", alert.times - 1));
    }
    for (label, at) in [
        ("well since", alert.good_since),
        ("over since", alert.cleared_at),
        ("silent until", alert.snoozed_until),
        ("called", alert.rung_at),
    ] {
        if let Some(at) = at {
            out.pair(label, when(at, now));
        }
    }
    if let Some(known) = &alert.acknowledged {
        out.pair("known to", format!("{}, {}", known.by, when(known.at, now)));
    }
    if let Some(mute) = board.muted_by(alert) {
        out.pair("muted by", mute.to_string());
    }
    out.head("what happened to it");
    for record in board.records().iter().rev() {
        if record.kind == alert.kind && record.subject == alert.subject {
            let by = record.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            out.pair(
                &when(record.at, now),
                format!("{}{by} {}", record.deed.word(), record.text),
            );
        }
    }
    Some(out.page(format!("alert · {} · {}", alert.kind.title(), alert.label)))
}
