//! The columns of the lists: one table a list. From it come the filter's names, the columns on the
//! screen, the ways to sort, the help, and what is remembered. A new page is its lines here, and
//! where its rows come from.

use super::super::attention::AlertRow;
use super::super::fleet::Store;
use super::super::orders::ListId;
use super::super::row::InstanceRow;
use crate::domain::audit::AuditEntry;
use crate::domain::instance::{Customer, Plan};
use crate::domain::job::Job;
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::tui::action::ActionId;
use jiff::Timestamp;

/// A row of a list.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// A server.
    Server(&'a Server),
    /// An instance.
    Instance(&'a InstanceRow),
    /// A template.
    Template(&'a Template),
    /// A job.
    Job(&'a Job),
    /// A plan.
    Plan(&'a Plan),
    /// A customer.
    Customer(&'a Customer),
    /// Something that happened.
    Audit(&'a AuditEntry),
    /// An alert.
    Alert(&'a AlertRow),
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    None,
    /// Text.
    Text(&'a str),
    /// Text made for this.
    Made(String),
    /// A count.
    Number(f64),
    /// A share, percent.
    Percent(f64),
    /// A size, bytes.
    Bytes(u64),
    /// A length of time, milliseconds.
    Millis(u64),
    /// A moment.
    Time(Timestamp),
}

impl<'a> Value<'a> {
    /// As text; empty where it is none.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Made(text) => text,
            _ => "",
        }
    }

    /// A text, or nothing where there is none.
    pub fn some(text: Option<&'a str>) -> Self {
        match text {
            Some(text) if !text.is_empty() => Self::Text(text),
            _ => Self::None,
        }
    }

    /// A count, or nothing.
    pub fn count(number: Option<u32>) -> Self {
        number.map_or(Self::None, |n| Self::Number(f64::from(n)))
    }

    /// For orders and comparisons with numbers: a moment is its second.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) | Self::Percent(n) => Some(*n),
            Self::Bytes(n) | Self::Millis(n) => Some(*n as f64),
            Self::Time(at) => Some(at.as_second() as f64),
            Self::None | Self::Text(_) | Self::Made(_) => None,
        }
    }
}

/// What a column's values are, and so what they can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A count.
    Number,
    /// A share.
    Percent,
    /// A size.
    Bytes,
    /// A length of time.
    Millis,
    /// A moment; older is less.
    Time,
}

impl Kind {
    /// What a value looks like, for messages.
    pub fn example(self) -> &'static str {
        match self {
            Self::Text => "a text such as prod-*",
            Self::Word(_) => "a word",
            Self::Number => "a number such as 10",
            Self::Percent => "a share such as 90 or 90%",
            Self::Bytes => "a size such as 500MB or 2GB",
            Self::Millis => "a time such as 200ms or 2s",
            Self::Time => "an age such as 2h or 3d, a day such as 2026-01-31, or today",
        }
    }

    /// Whether it can be less or more.
    pub fn has_order(self) -> bool {
        !matches!(self, Self::Text | Self::Word(_))
    }
}

/// A column.
#[derive(Debug)]
pub struct Field {
    /// Its name in filters and in what is remembered.
    pub name: &'static str,
    /// Other names for it in filters.
    pub also: &'static [&'static str],
    /// Its heading.
    pub title: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// A row's value.
    pub get: for<'a> fn(&'a Store, Row<'a>) -> Value<'a>,
    /// Columns of the screen that it needs at least, and takes where there is room.
    pub width: (u16, u16),
    /// The higher, the sooner it is left out for want of room; 0: only shown when chosen.
    pub rank: u8,
    /// Whether free words are looked for in it.
    pub free: bool,
    /// The key that sorts by it.
    pub sort: Option<ActionId>,
    /// Whether the most comes first when sorted by it.
    pub most_first: bool,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Field {
    /// A column of text that is only shown when chosen; the tables change what differs.
    pub(super) const PLAIN: Self = Self {
        name: "",
        also: &[],
        title: "",
        kind: Kind::Text,
        get: |_, _| Value::None,
        width: (6, 12),
        rank: 0,
        free: false,
        sort: None,
        most_first: false,
    };

    /// Whether a filter's name means this column.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }

    /// Whether its values stand at the column's right end.
    pub fn is_right(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Percent | Kind::Bytes | Kind::Millis)
    }
}

/// The columns of a list, in the order in which they are shown.
pub fn fields(list: ListId) -> &'static [Field] {
    match list {
        ListId::Servers => super::tables::SERVERS,
        ListId::Here | ListId::All => super::instances::INSTANCES,
        ListId::Templates => super::tables::TEMPLATES,
        ListId::Jobs => super::tables::JOBS,
        ListId::Plans => super::catalog::PLANS,
        ListId::Customers => super::catalog::CUSTOMERS,
        ListId::Audit => super::audit::AUDIT,
        ListId::Alerts => super::alerts::ALERTS,
    }
}

/// A list's column by one of its names.
pub fn field(list: ListId, name: &str) -> Option<&'static Field> {
    fields(list).iter().find(|field| field.is_called(name))
}
