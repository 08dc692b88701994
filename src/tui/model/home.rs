//! How the screen is used: colours, room, the mouse; what can be copied; programs that are lent the terminal.

use super::draft::TypedSecret;
use super::page::PageLine;
use super::{Layer, Lead, ListId, Lists, Model, Now, Pane, Subject};
use crate::domain::instance::Instance;
use crate::domain::{InstanceId, SafeText, ServerId};

/// How the screen is used.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// The theme that was chosen.
    pub theme: String,
    /// Whether the mouse is taken.
    pub mouse: bool,
    /// Whether one pane is shown at a time, though there is room for more.
    pub compact: bool,
    /// Whether the pane in focus has more room than the others.
    pub wide: bool,
    /// Whether nobody looks: the terminal said that it lost the focus.
    pub away: bool,
}

/// The fields of something, one of which is copied.
#[derive(Debug)]
pub struct FieldPicker {
    /// Of what.
    pub subject: Subject,
    /// An instance's full record, once it is here.
    pub instance: Option<Box<Instance>>,
    /// Which is selected.
    pub at: usize,
    /// The first visible one.
    pub offset: usize,
}

/// What the terminal is to be lent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// A shell on a server.
    Shell(ServerId),
    /// psql on an instance's database.
    Psql(InstanceId),
    /// The operator's editor, on the configuration.
    Config,
}

/// A program that is lent the terminal: its words as they are, never a shell's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Lend {
    /// What it is called: `the shell on prod-1`.
    pub title: SafeText,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Variables that nobody else may see.
    pub secrets: Vec<(String, TypedSecret)>,
}

/// Rows of the field picker's list on a screen of so many.
pub fn picker_rows(rows: u16) -> usize {
    usize::from(rows.saturating_sub(4)).clamp(1, 24)
}

impl Model {
    /// The theme to draw with: while one is being chosen, that one.
    pub fn theme(&self) -> &str {
        if let Some(Layer::Palette(palette)) = self.layers.last()
            && let Some(Lead::Theme(name)) = palette.lines.get(palette.at).map(|line| &line.lead)
        {
            return name;
        }
        &self.home.theme
    }

    /// Whether mouse reports are wanted now: not while text fills the screen, so that the terminal's own
    /// selecting works there.
    pub fn wants_mouse(&self) -> bool {
        let text = match self.layers.last() {
            Some(Layer::Help { .. } | Layer::Describe { .. } | Layer::Report { .. } | Layer::Story(_)) => true,
            Some(_) => false,
            None => self.only_log || (self.zoom && self.focus == Pane::Log),
        };
        self.home.mouse && !text
    }

    /// The fields of the picker that is open, each whole; no secret is among them.
    pub fn fields_to_copy(&self, picker: &FieldPicker, now: &Now) -> Vec<(String, SafeText)> {
        let page = super::pages::described(self, picker.subject, picker.instance.as_deref(), now);
        let mut fields: Vec<(String, SafeText)> = Vec::new();
        for line in page.lines {
            match line {
                // Not even where a secret lies: it is not what is meant by whoever copies a password.
                PageLine::Pair(label, value, _)
                    if !matches!(value.as_str(), "" | "–") && !label.contains("password") =>
                {
                    fields.push((label, value));
                }
                _ => {}
            }
        }
        fields
    }
}

impl Lists {
    /// A list's first visible row, and its selected one.
    pub fn position(&self, list: ListId) -> (usize, usize) {
        match list {
            ListId::Servers => (self.servers.offset, self.servers.row()),
            ListId::Here => (self.here.offset, self.here.row()),
            ListId::All => (self.all.offset, self.all.row()),
            ListId::Templates => (self.templates.offset, self.templates.row()),
            ListId::Jobs => (self.jobs.offset, self.jobs.row()),
            ListId::Plans => (self.plans.offset, self.plans.row()),
            ListId::Customers => (self.customers.offset, self.customers.row()),
            ListId::Audit => (self.audit.state.offset, self.audit.state.row()),
            ListId::Alerts => (self.alerts.offset, self.alerts.row()),
        }
    }
}
