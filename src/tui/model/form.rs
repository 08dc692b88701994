//! Forms: fields with their text, what is wrong with it, and where the cursor is. What a form sends
//! is made in `update`; here is what it looks like.

use super::effect::Ticket;
use super::message::PlanPreview;
use crate::domain::{Problem, SafeText, ServerId};
use std::time::Duration;
use tui_input::Input;

/// Longest text of a field, in characters.
pub const FIELD_MAX: usize = 500;

/// What a form is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormKind {
    /// A new instance.
    NewInstance,
    /// A new server.
    NewServer,
    /// A server as it was when the form was opened.
    EditServer {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
        /// What it is called.
        code: String,
    },
    /// A new template.
    NewTemplate,
}

/// Which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the fields of the records they fill")]
pub enum FieldId {
    Name,
    Code,
    Description,
    Url,
    Ip,
    Port,
    SshHost,
    SshUser,
    SshPort,
    SshIdentity,
    DbHost,
    DbPort,
    DbUser,
    DbPassword,
    DbTls,
    MasterPassword,
    DataDir,
    MaxInstances,
    Cpu,
    Memory,
    Disk,
    Subdomain,
    Database,
    Server,
    Template,
    Plan,
    Customer,
    AdminLogin,
    AdminPassword,
    Modules,
    Language,
    Then,
}

/// One of a field's choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The id behind it; 0: none.
    pub value: i64,
    /// As it is shown.
    pub label: SafeText,
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A secret: a reference, or the value itself, masked.
    Secret {
        /// Whether there is one already.
        stored: bool,
    },
    /// One of these.
    Choice {
        /// Them.
        options: Vec<Choice>,
        /// Which.
        chosen: usize,
    },
}

/// A field.
#[derive(Clone)]
pub struct Field {
    /// Which.
    pub id: FieldId,
    /// What it is called.
    pub label: &'static str,
    /// What it is for; shown while it has the focus.
    pub help: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// What was typed.
    pub input: Input,
    /// Whether it must be filled.
    pub required: bool,
    /// Whether its text still follows another field's.
    pub derived: bool,
    /// Whether it was in the focus and left, or typed in: only then is its mistake shown.
    pub touched: bool,
    /// What is wrong with it.
    pub error: Option<String>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = match self.kind {
            FieldKind::Secret { .. } => "…",
            _ => self.input.value(),
        };
        write!(f, "{:?}={shown:?}", self.id)
    }
}

impl Field {
    /// An empty text field.
    pub fn text(id: FieldId, label: &'static str, help: &'static str) -> Self {
        Self {
            id,
            label,
            help,
            kind: FieldKind::Text,
            input: Input::default(),
            required: false,
            derived: false,
            touched: false,
            error: None,
        }
    }

    /// A field of choices.
    pub fn choice(id: FieldId, label: &'static str, help: &'static str, options: Vec<Choice>, chosen: usize) -> Self {
        Self {
            kind: FieldKind::Choice { options, chosen },
            ..Self::text(id, label, help)
        }
    }

    /// A secret's field.
    pub fn secret(id: FieldId, label: &'static str, help: &'static str, stored: bool) -> Self {
        Self {
            kind: FieldKind::Secret { stored },
            ..Self::text(id, label, help)
        }
    }

    /// It must be filled.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It follows another field until it is typed in.
    #[must_use]
    pub fn derived(mut self) -> Self {
        self.derived = true;
        self
    }

    /// With this text in it.
    #[must_use]
    pub fn filled(mut self, text: impl Into<String>) -> Self {
        self.input = Input::new(text.into());
        self
    }

    /// Its text.
    pub fn value(&self) -> &str {
        self.input.value()
    }

    /// The id behind its choice; 0 where there is none.
    pub fn chosen(&self) -> i64 {
        match &self.kind {
            FieldKind::Choice { options, chosen } => options.get(*chosen).map_or(0, |choice| choice.value),
            _ => 0,
        }
    }

    /// Whether what is typed is hidden: a secret's value, but not a reference.
    pub fn is_masked(&self) -> bool {
        matches!(self.kind, FieldKind::Secret { .. })
            && !["env:", "file:", "command:"]
                .iter()
                .any(|scheme| self.value().starts_with(scheme))
            && self.value() != "-"
    }
}

/// Whether a character may be typed or pasted into a field: whatever can be shown as it is.
pub fn may_type(c: char) -> bool {
    let with_base = format!("a{c}");
    SafeText::new(&with_base).as_str() == with_base
}

/// Puts text where the cursor is, without what can't be shown, cut at [`FIELD_MAX`].
pub fn insert(input: &mut Input, text: &str) {
    let cursor = input.cursor();
    let room = FIELD_MAX.saturating_sub(input.value().chars().count());
    let typed: Vec<char> = text.chars().filter(|c| may_type(*c)).take(room).collect();
    let before: String = input.value().chars().take(cursor).collect();
    let after: String = input.value().chars().skip(cursor).collect();
    let value = format!("{before}{}{after}", typed.iter().collect::<String>());
    *input = Input::new(value).with_cursor(cursor + typed.len());
}

/// How far the plan of a new instance is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum PlanState {
    /// Not asked for: the fields aren't right yet.
    #[default]
    None,
    /// Asked for, or about to be.
    Waiting,
    /// Here.
    Ready(Box<PlanPreview>),
    /// There is none.
    Refused(Problem),
}

/// A form.
#[derive(Debug, Clone)]
pub struct Form {
    /// What it is for.
    pub kind: FormKind,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The focused field; behind the last one Cancel, then the button that sends.
    pub focus: usize,
    /// Why it could not be sent, or was refused.
    pub problem: Option<Problem>,
    /// A new instance's plan.
    pub plan: PlanState,
    /// The plan that is waited for.
    pub plan_seq: u64,
    /// When the plan is to be asked for.
    pub plan_due: Option<Duration>,
    /// Under which ticket it was sent.
    pub sent: Option<Ticket>,
    /// Whether everything that is wrong is shown, touched or not.
    pub show_all: bool,
}

impl Form {
    /// A form with the focus on its first field.
    pub fn new(kind: FormKind, fields: Vec<Field>) -> Self {
        Self {
            kind,
            fields,
            focus: 0,
            problem: None,
            plan: PlanState::None,
            plan_seq: 0,
            plan_due: None,
            sent: None,
            show_all: false,
        }
    }

    /// The place of Cancel in the order of Tab.
    pub fn cancel_at(&self) -> usize {
        self.fields.len()
    }

    /// The place of the button that sends.
    pub fn submit_at(&self) -> usize {
        self.fields.len() + 1
    }

    /// A field.
    pub fn field(&self, id: FieldId) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// A field's text without blanks around it.
    pub fn value(&self, id: FieldId) -> &str {
        self.field(id).map_or("", |field| field.value().trim())
    }

    /// The id behind a field's choice.
    pub fn chosen(&self, id: FieldId) -> i64 {
        self.field(id).map_or(0, Field::chosen)
    }

    /// The focused field.
    pub fn focused_mut(&mut self) -> Option<&mut Field> {
        self.fields.get_mut(self.focus)
    }

    /// Its title.
    pub fn title(&self) -> String {
        match &self.kind {
            FormKind::NewInstance => "new instance".to_owned(),
            FormKind::NewServer => "new server".to_owned(),
            FormKind::EditServer { code, .. } => format!("edit server {code}"),
            FormKind::NewTemplate => "new template".to_owned(),
        }
    }

    /// What the button that sends says.
    pub fn submit_label(&self) -> &'static str {
        match self.kind {
            FormKind::NewInstance => "Create…",
            FormKind::EditServer { .. } => "Save",
            FormKind::NewServer | FormKind::NewTemplate => "Add",
        }
    }

    /// Whether nothing is wrong with any field.
    pub fn is_right(&self) -> bool {
        self.fields.iter().all(|field| field.error.is_none())
    }
}
