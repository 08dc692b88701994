//! What the dashboard knows and shows: plain data, changed only by `update`, read by `view`.

mod audit;
mod dialog;
mod draft;
mod effect;
mod filter;
mod fleet;
mod form;
mod layout;
mod list;
mod log;
mod message;
mod orders;
mod page;
mod pages;
mod settings;
mod words;

pub use audit::AuditList;
pub use dialog::{Answered, Button, Confirm, Layer, Subject};
pub use draft::{Expected, InstanceDraft, SecretField, ServerDraft, TemplateDraft, TypedSecret};
pub use effect::{Act, Effect, Policy, Target, TaskKey, TemplateWork, Ticket};
pub use filter::Filter;
pub use fleet::{Glance, Store};
pub use form::{Choice, FIELD_MAX, Field, FieldId, FieldKind, Form, FormKind, PlanState, insert, may_type};
pub use layout::{Layout, Pane, layout};
pub use list::{ListState, Move};
pub use log::{
    Asking, At, LINES_A_PAGE, LogFilters, LogPrompt, LogRow, LogView, Need, PATH_MAX, RowKind, Shown as LogShown,
    TextLog, TimeMode, wrap,
};
pub use message::{Answer, Delta, Ended, Fleet, HistoryPoint, InstanceRow, Message, Notice, NoticeLevel, PlanPreview};
pub use orders::{Lists, Tab};
pub use page::{Page, PageLine, Tone};
pub use pages::{last_scroll, page, page_height};
pub use settings::UiSettings;
pub use words::{age, size, took, when};

use super::action::{JobFacts, Key, Keymap, Place, Situation};
use crate::domain::health::HealthStatus;
use crate::domain::job::JobState;
use crate::domain::server::{Server, ServerState};
use crate::domain::{JobId, Problem, SafeText, ServerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a spinner's picture stands.
pub const SPINNER: Duration = Duration::from_millis(120);
/// A form's plan is asked for when nothing was typed for so long.
pub const PLAN_DELAY: Duration = Duration::from_millis(150);
/// A server's history is asked for when the selection stood still for so long.
pub const HISTORY_DELAY: Duration = Duration::from_millis(80);

/// The time, read at the edge and handed in.
#[derive(Debug, Clone)]
pub struct Now {
    /// The time of day, for what is shown.
    pub wall: jiff::Timestamp,
    /// Since the program began, for deadlines: never jumps.
    pub mono: Duration,
    /// The operator's time zone.
    pub tz: jiff::tz::TimeZone,
}

impl Now {
    /// Minutes since the epoch: what the clock shows changes with it.
    pub fn minute(&self) -> i64 {
        self.wall.as_second().div_euclid(60)
    }
}

/// How something ended, on the last line.
#[derive(Debug, Clone, PartialEq)]
pub struct Flash {
    /// How much it matters.
    pub level: NoticeLevel,
    /// What.
    pub text: SafeText,
    /// What to do.
    pub hint: Option<String>,
    /// When it goes.
    pub until: Duration,
}

/// An action that was asked for and has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What.
    pub act: Act,
    /// As it is said: `checking prod-1`.
    pub verb: String,
    /// How far it is.
    pub progress: Option<(u64, u64)>,
}

/// A server's checks of the last 24 hours.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Whose.
    pub server: Option<ServerId>,
    /// Them, the oldest first.
    pub points: Vec<HistoryPoint>,
    /// The last check when they were asked for: a newer one asks again.
    pub as_of: Option<jiff::Timestamp>,
    /// When they are to be asked for.
    pub due: Option<Duration>,
}

/// What of the time is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// The clock's minute.
    pub minute: i64,
    /// The spinner's picture.
    pub spinner: u128,
    /// Whether the menu of a pending key stands.
    pub menu: bool,
}

/// Whether a server that is meant to serve is not as it should be.
pub fn is_problem(server: &Server) -> bool {
    let watched = matches!(
        server.state(),
        ServerState::Active | ServerState::Offline | ServerState::Maintenance
    );
    watched && matches!(server.track.status, HealthStatus::Warning | HealthStatus::Critical)
}

/// The dashboard's state.
#[derive(Debug)]
pub struct Model {
    /// What the settings say.
    pub settings: UiSettings,
    /// The terminal's size, columns and rows.
    pub size: (u16, u16),
    /// The fleet.
    pub store: Store,
    /// What the lists show of it.
    pub lists: Lists,
    /// Which pane has the focus.
    pub focus: Pane,
    /// Whether it has the whole screen.
    pub zoom: bool,
    /// Whether there is nothing but a log.
    pub only_log: bool,
    /// The log pane.
    pub log: LogView,
    /// The selected server's checks.
    pub history: History,
    /// What lies over the panes, the topmost last.
    pub layers: Vec<Layer>,
    /// The keys of a sequence that isn't complete.
    pub pending: Vec<Key>,
    /// When the last of them was pressed.
    pub pending_since: Duration,
    /// How the last action ended.
    pub flash: Option<Flash>,
    /// What was asked for and has not ended.
    pub asked: BTreeMap<Ticket, Asked>,
    /// The last action that failed.
    pub failed: Option<Act>,
    /// Why the registry can't be read: everything shown is from before.
    pub lost: Option<Problem>,
    /// Since when the connection to it is lost, where that is known.
    pub lost_since: Option<jiff::Timestamp>,
    /// Why no worker is there: jobs wait.
    pub no_worker: Option<Problem>,
    /// Until when a second Ctrl-C quits.
    pub quit_until: Option<Duration>,
    /// What of the time is on the screen.
    pub shown: Shown,
    /// What is to be selected as soon as it is there.
    pub wanted: Option<Target>,
    /// The job whose instance is to be selected as soon as it is there.
    pub wanted_job: Option<JobId>,
    next_ticket: u64,
    next_seq: u64,
    dirty: bool,
}

impl Model {
    /// An empty dashboard that waits for its first [`Answer::Fleet`].
    pub fn new(settings: UiSettings, size: (u16, u16)) -> Self {
        let only_log = !settings.files.is_empty();
        Self {
            focus: if only_log { Pane::Log } else { settings.start },
            settings,
            only_log,
            size,
            store: Store::default(),
            lists: Lists::default(),
            zoom: only_log,
            log: LogView::default(),
            history: History::default(),
            layers: Vec::new(),
            pending: Vec::new(),
            pending_since: Duration::ZERO,
            flash: None,
            asked: BTreeMap::new(),
            failed: None,
            lost: None,
            lost_since: None,
            no_worker: None,
            quit_until: None,
            shown: Shown::default(),
            wanted: None,
            wanted_job: None,
            next_ticket: 0,
            next_seq: 0,
            dirty: true,
        }
    }

    /// Whether a frame is due since the last call; asking makes it clean.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// A frame is due.
    pub fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// A ticket nobody had.
    pub fn new_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// A number for a plan, greater than all before.
    pub fn new_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Where everything stands on the screen.
    pub fn layout(&self) -> Layout {
        layout(
            self.size,
            self.focus,
            self.zoom,
            self.store.servers.len(),
            self.footer_rows(),
        )
    }

    /// The rows of the servers' and the second pane, each as it is when it can be seen.
    pub fn rows(&self) -> (usize, usize) {
        let rows = |pane| {
            let focus = if self.layout().pane(pane).is_empty() {
                pane
            } else {
                self.focus
            };
            let there = layout(
                self.size,
                focus,
                self.zoom,
                self.store.servers.len(),
                self.footer_rows(),
            );
            there.rows(pane)
        };
        (rows(Pane::Servers), rows(Pane::List))
    }

    /// The columns and rows of the log, inside its frame.
    pub fn log_size(&self) -> (usize, usize) {
        let layout = self.layout();
        let columns = layout.pane(Pane::Log).width.saturating_sub(2);
        (usize::from(columns).max(1), layout.rows(Pane::Log).max(1))
    }

    /// How many rows the bottom asks for: an error with its hint needs two.
    pub fn footer_rows(&self) -> u16 {
        let two = self
            .flash
            .as_ref()
            .is_some_and(|flash| flash.level == NoticeLevel::Error && flash.hint.is_some());
        1 + u16::from(two && self.size.1 >= 12)
    }

    /// Where one stands.
    pub fn place(&self) -> Place {
        match self.focus {
            Pane::Servers => Place::Servers,
            Pane::Log => Place::Log,
            Pane::List => self.lists.tab.place(),
        }
    }

    /// Where one stands, as keys see it.
    pub fn key_place(&self) -> Place {
        match self.place() {
            Place::Log if self.zoom => Place::WholeLog,
            place => place,
        }
    }

    /// The keys.
    pub fn keymap(&self) -> &Keymap {
        &self.settings.keymap
    }

    /// Whether something on the screen turns.
    pub fn is_working(&self) -> bool {
        !self.asked.is_empty()
            || self.log.is_looking()
            || self
                .store
                .jobs
                .iter()
                .any(|job| matches!(job.state, JobState::Running | JobState::Undoing) && job.waits_for_key.is_none())
    }

    /// The spinner's picture now.
    pub fn spinner(now: &Now) -> u128 {
        now.mono.as_millis() / SPINNER.as_millis()
    }

    /// Whether the menu of the pending keys stands.
    pub fn menu_stands(&self, now: &Now) -> bool {
        !self.pending.is_empty() && now.mono >= self.pending_since + self.settings.menu_delay
    }

    /// What of the time should be on the screen now.
    pub fn should_show(&self, now: &Now) -> Shown {
        Shown {
            minute: now.minute(),
            spinner: if self.is_working() { Self::spinner(now) } else { 0 },
            menu: self.menu_stands(now),
        }
    }

    /// When to be woken though nothing happens ([`Now::mono`]'s scale): spinners while something
    /// runs, the menu of a pending key, a flash that ends, the next minute of the clock.
    pub fn next_deadline(&self, now: &Now) -> Option<Duration> {
        let into_minute = now.wall.as_millisecond().rem_euclid(60_000);
        let to_minute = u64::try_from(60_000 - into_minute).unwrap_or(60_000);
        let mut next = now.mono + Duration::from_millis(to_minute);
        let mut at = |when: Option<Duration>| {
            if let Some(when) = when {
                next = next.min(when.max(now.mono));
            }
        };
        if self.is_working() {
            let pictures = u32::try_from(Self::spinner(now) + 1).unwrap_or(u32::MAX);
            at(Some(SPINNER.saturating_mul(pictures)));
        }
        if !self.pending.is_empty() && !self.shown.menu {
            at(Some(self.pending_since + self.settings.menu_delay));
        }
        at(self.flash.as_ref().map(|flash| flash.until));
        at(self.history.due);
        at(self.quit_until);
        if let Some(Layer::Form(form)) = self.layers.last() {
            at(form.plan_due);
        }
        Some(next)
    }

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
            Place::Audit => self.lists.audit.job(),
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
            Place::Servers => {
                let server = self.lists.servers.selected?;
                let theirs = |job: &&crate::domain::job::Job| job.spec.server_id() == server;
                self.store.jobs.iter().find(theirs).map(|job| job.id)
            }
        }
    }

    /// What is selected where one stands.
    pub fn current_target(&self) -> Option<Target> {
        match self.place() {
            Place::Servers => self.lists.servers.selected.map(Target::Server),
            Place::Instances => self.lists.instance().map(Target::Instance),
            Place::Templates => self.lists.templates.selected.map(Target::Template),
            Place::Jobs => self.lists.jobs.selected.map(Target::Job),
            Place::Log | Place::WholeLog => self.current_job().map(Target::Job),
            Place::Audit => None,
        }
    }

    /// What this dashboard is doing to something.
    pub fn busy(&self, target: Target) -> Option<&Asked> {
        self.asked.values().find(|asked| {
            asked.act.target() == target || (asked.act == Act::CheckAll && matches!(target, Target::Fleet))
        })
    }

    /// Where one stands, and on what, for [`super::action::allowed`].
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
            rights: &self.store.rights,
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
            row: self.lists.audit.selected().is_some(),
            servers: self.store.read_at.map(|_| self.store.servers.len()),
            problems: self.store.servers.iter().filter(|server| is_problem(server)).count(),
            ready_templates: self.store.ready_templates().count(),
            can_try_again: self.failed.is_some(),
            log: self.log.is_open(),
            searched: self.log.search.is_some(),
            file: self.log.text.is_some(),
            marks: self.log.marks.len(),
            filtered: !self.log.sieve.is_open(),
            only_log: self.only_log,
        }
    }
}
