//! What the dashboard knows and shows: plain data, changed only by `update`, read by `view`.

mod attention;
mod audit;
mod bulk;
mod clock;
mod columns;
mod command;
mod complete;
mod config;
mod current;
mod dialog;
mod draft;
mod effect;
mod find;
mod fleet;
mod form;
mod home;
mod ids;
mod instances;
mod layout;
mod list;
mod log;
mod marks;
mod memory;
mod message;
mod orders;
mod page;
mod pages;
mod palette;
mod report;
mod row;
mod settings;
mod story;
mod tabs;
mod trail;
mod words;

pub use crate::domain::alert::Osc;
pub use attention::{AlertRow, AlertSettings, Attention, Remembrance, rows as alert_rows, story_subject};
pub use audit::AuditList;
pub use bulk::{
    AT_ONCE_MOST, BulkDialog, BulkField, BulkRun, Own, PlanLine, ReceiptLine, WIDE as BULK_WIDE, WORD as RECEIPT_WORD,
    act_on, item_of, name_columns, receipts_room, target_of, told_of_all,
};
pub use clock::{Now, SPINNER, Shown};
pub use columns::{ColumnPicker, columns_of, fit};
pub use command::{CommandDialog, CommandField, command_facts, command_page, kind_of};
pub use complete::{complete, suggestions};
pub use config::{ConfigFacts, Mistake};
pub use dialog::{Answered, Button, Confirm, FindLine, Layer, Seen, Subject, ViewList};
pub use draft::{Expected, InstanceDraft, SecretField, ServerDraft, TemplateDraft, TypedSecret};
pub use effect::{Act, CommandRun, Effect, Policy, Target, TaskKey, TemplateWork, Ticket};
pub use find::{
    Compare, Expr, Field as Column, Filter, FilterError, Found, Kind, Literal, Op, Request, Row, Sort, Span, Value,
    field, fields, fold, parse, passing,
};
pub use fleet::{Glance, Store};
pub use form::{Choice, FIELD_MAX, Field, FieldId, FieldKind, Form, FormKind, PlanState, insert, may_type};
pub use home::{Enter, FieldPicker, Home, Lend, picker_rows};
pub use instances::Instances;
pub use layout::{Arrange, Layout, Pane, Room, layout};
pub use list::{ListState, Move};
pub use log::{
    Asking, At, LINES_A_PAGE, LogFilters, LogPrompt, LogRow, LogView, Need, PATH_MAX, RowKind, Shown as LogShown,
    TextLog, TimeMode, wrap,
};
pub use marks::{Marks, row_id, shown_ids};
pub use memory::{Look, NamedView, Remember, Remembered};
pub use message::{
    Answer, Cleared, Delta, Ended, Fleet, HistoryPoint, Indexed, Message, Notice, NoticeLevel, PlanPreview, Written,
};
pub use orders::{ListId, Lists, PAGES, PageDef, Shown as ListShown, Tab};
pub use page::{Page, PageLine, Tone};
pub use pages::{last_scroll, page, page_height, palette_rows, subject_page};
pub use palette::{Lead, Line as PaletteLine, Palette, PaletteRequest, merged, own_lines, theme_lines};
pub use row::{InstanceRow, Kept};
pub use settings::UiSettings;
pub use story::{Sign, Story, StoryKind, StoryLine, StoryRow, Told};
pub use trail::{Spot, Trail};
pub use words::{age, size, took, when};

use super::action::{Key, Keymap, Place};
use crate::domain::health::HealthStatus;
use crate::domain::server::{Server, ServerState};
use crate::domain::{JobId, Problem, SafeText, ServerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Columns before a sentence at the bottom.
pub const FLASH_INDENT: u16 = 3;
/// A form's plan is asked for when nothing was typed for so long.
pub const PLAN_DELAY: Duration = Duration::from_millis(150);
/// A server's history is asked for when the selection stood still for so long.
pub const HISTORY_DELAY: Duration = Duration::from_millis(80);

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
    pub store: Arc<Store>,
    /// What the lists show of it.
    pub lists: Lists,
    /// Where one was before, for going back.
    pub trail: Trail,
    /// Filters that were used, of each list, the newest last.
    pub recent: BTreeMap<ListId, Vec<String>>,
    /// Forms that were closed with something typed in them, by their kinds.
    pub drafts: Vec<Box<Form>>,
    /// Named views.
    pub views: BTreeMap<String, NamedView>,
    /// Which pane has the focus.
    pub focus: Pane,
    /// Whether it has the whole screen.
    pub zoom: bool,
    /// Colours, room, mouse.
    pub home: Home,
    /// Whether there is nothing but a log.
    pub only_log: bool,
    /// The log pane.
    pub log: LogView,
    /// The selected server's checks.
    pub history: History,
    /// What calls for the operator.
    pub attention: Attention,
    /// The line of a job's log that is to be pointed at as soon as it is there.
    pub log_goal: Option<(JobId, i64)>,
    /// What lies over the panes, the topmost last.
    pub layers: Vec<Layer>,
    /// The keys of a sequence that isn't complete.
    pub pending: Vec<Key>,
    /// When the last of them was pressed.
    pub pending_since: Duration,
    /// How the last action ended.
    pub flash: Option<Flash>,
    /// What is marked.
    pub marks: Marks,
    /// What was done to many, the newest last.
    pub runs: Vec<BulkRun>,
    /// Until when a read-only profile is unlocked, by both clocks: whichever is past first locks it.
    pub unlocked: Option<(Duration, jiff::Timestamp)>,
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
    /// The profile to change to; taken by who changes to it.
    pub switch_to: Option<String>,
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
            home: Home {
                theme: settings.theme.clone(),
                mouse: settings.mouse,
                ..Home::default()
            },
            settings,
            only_log,
            size,
            store: Arc::default(),
            lists: Lists::default(),
            trail: Trail::default(),
            recent: BTreeMap::new(),
            drafts: Vec::new(),
            views: BTreeMap::new(),
            zoom: only_log,
            log: LogView::default(),
            history: History::default(),
            attention: Attention::default(),
            log_goal: None,
            layers: Vec::new(),
            pending: Vec::new(),
            pending_since: Duration::ZERO,
            flash: None,
            marks: Marks::default(),
            runs: Vec::new(),
            unlocked: None,
            asked: BTreeMap::new(),
            failed: None,
            lost: None,
            lost_since: None,
            no_worker: None,
            quit_until: None,
            shown: Shown::default(),
            switch_to: None,
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
        self.layout_of(self.lists.tab, self.focus)
    }

    fn layout_of(&self, tab: Tab, focus: Pane) -> Layout {
        let servers = self.store.servers.len();
        let room = Room {
            zoom: self.zoom,
            wide: self.home.wide,
            compact: self.home.compact,
            arrange: self.lists.shown(tab.list()).arrange,
        };
        layout(self.size, tab.page(), focus, room, servers, self.footer_rows())
    }

    /// The rows of the servers' and the second pane, each as it is when it can be seen.
    pub fn rows(&self) -> (usize, usize) {
        let rows = |pane| {
            // The servers are on the fleet's page only.
            let tab = if pane == Pane::Servers {
                Tab::Here
            } else {
                self.lists.tab
            };
            let seen = tab == self.lists.tab && !self.layout().pane(pane).is_empty();
            self.layout_of(tab, if seen { self.focus } else { pane }).rows(pane)
        };
        (rows(Pane::Servers), rows(Pane::List))
    }

    /// The columns and rows of the log, inside its frame.
    pub fn log_size(&self) -> (usize, usize) {
        let layout = self.layout();
        let columns = layout.pane(Pane::Log).width.saturating_sub(2);
        (usize::from(columns).max(1), layout.rows(Pane::Log).max(1))
    }

    /// How many rows the bottom asks for: an error and its hint are read whole, up to two rows each.
    pub fn footer_rows(&self) -> u16 {
        // A filter's line has room below it for what is wrong with it, and where.
        let typing = matches!(self.layers.last(), Some(Layer::Find(_)));
        match &self.flash {
            _ if self.size.1 < 12 => 1,
            _ if typing => 2,
            Some(flash) => {
                let width = unicode_width::UnicodeWidthStr::width;
                let hint = flash.hint.as_deref();
                let all = width(flash.text.as_str()) + hint.map_or(0, |hint| 2 + width(hint));
                // What went well is told in a row, as long as nothing of it is cut off.
                if flash.level != NoticeLevel::Error && all <= self.flash_columns() {
                    return 1;
                }
                self.flash_rows(flash.text.as_str()) + hint.map_or(0, |hint| self.flash_rows(hint))
            }
            None => 1,
        }
    }

    /// How long a row of a sentence at the bottom may be.
    fn flash_columns(&self) -> usize {
        usize::from(self.size.0.saturating_sub(FLASH_INDENT)).max(10)
    }

    /// Rows that a sentence at the bottom may take.
    pub fn flash_most(&self) -> usize {
        if self.size.0 < 60 { 3 } else { 2 }
    }

    /// Rows that a sentence at the bottom takes, broken between words.
    pub fn flash_rows(&self, text: &str) -> u16 {
        let columns = self.flash_columns();
        let (mut rows, mut used) = (1, 0);
        for word in text.split(' ') {
            let width = unicode_width::UnicodeWidthStr::width(word);
            if used > 0 && used + 1 + width > columns {
                rows += 1;
                used = width;
            } else {
                used += usize::from(used > 0) + width;
            }
            rows += used.saturating_sub(1) / columns;
            used -= used.saturating_sub(1) / columns * columns;
        }
        u16::try_from(rows.min(self.flash_most())).unwrap_or(1)
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
}
