//! The list of what happened: rows of the audit, the newest first, read page by page as one scrolls
//! down; all of it, or one object's own. The rows themselves lie in the store, like those of every list.

use super::effect::Effect;
use super::find::Filter;
use super::fleet::Store;
use super::list::ListState;
use super::page::{Page, Tone};
use super::pages::Lines;
use super::words::{age, when};
use super::{Model, Now};
use crate::domain::audit::{AuditEntry, AuditFilter};

/// Rows of one page.
const PAGE: usize = 200;
/// Rows that are held at most: beyond, a filter finds more.
const MOST: usize = 10_000;

/// Which rows were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// The newest, in place of what is here.
    First,
    /// Those before the oldest here.
    Older,
    /// Those after the newest here.
    Newer,
}

/// What of it was read, and what is asked for.
#[derive(Debug, Default)]
pub struct AuditList {
    /// What is selected.
    pub state: ListState<i64>,
    /// Whose rows: `server:7` and its name; all where `None`.
    pub object: Option<(String, String)>,
    more: bool,
    read: bool,
    seq: u64,
    asked: Option<Ask>,
    /// The word that the rows were asked with.
    word: Option<String>,
}

impl AuditList {
    /// Whether older rows may be there that were not read.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Whether rows were read at all.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// What has to be read when the list is looked at, or something changed: the newest rows.
    pub fn refresh(&mut self, rows: &[AuditEntry], filter: &Filter) -> Vec<Effect> {
        match (self.read, rows.first()) {
            (true, Some(_)) if self.asked.is_none() => self.ask(Ask::Newer, rows, filter),
            (true, Some(_)) => Vec::new(),
            _ => self.ask(Ask::First, rows, filter),
        }
    }

    /// Shows one object's rows, or all: what is here is forgotten where it was another's.
    pub fn about(&mut self, object: Option<(String, String)>, store: &mut Store, filter: &Filter) -> Vec<Effect> {
        if self.object == object {
            return self.refresh(store.audit(), filter);
        }
        self.object = object;
        self.state.forget();
        (self.read, self.more) = (false, false);
        store.set_audit(Vec::new(), |old, none| *old = none);
        self.ask(Ask::First, &[], filter)
    }

    /// What has to be read after the filter changed: older rows that pass may not be here yet.
    pub fn filter_changed(&mut self, rows: &[AuditEntry], filter: &Filter) -> Vec<Effect> {
        if self.word == search_word(filter) {
            return Vec::new();
        }
        self.ask(Ask::First, rows, filter)
    }

    /// What has to be read because one looks at the end of what is shown.
    pub fn at_the_end(&mut self, shown: usize, height: usize, rows: &[AuditEntry], filter: &Filter) -> Vec<Effect> {
        let close = self.state.offset + height * 2 >= shown;
        if close && self.more && self.asked.is_none() && rows.len() < MOST {
            return self.ask(Ask::Older, rows, filter);
        }
        Vec::new()
    }

    fn ask(&mut self, what: Ask, rows: &[AuditEntry], filter: &Filter) -> Vec<Effect> {
        self.seq += 1;
        self.asked = Some(what);
        if what == Ask::First {
            self.word = search_word(filter);
        }
        let filter = AuditFilter {
            object: self.object.as_ref().map(|(object, _)| object.clone()),
            text: self.word.clone(),
            before: (what == Ask::Older).then(|| rows.last().map(|row| row.id)).flatten(),
            after: (what == Ask::Newer).then(|| rows.first().map(|row| row.id)).flatten(),
            limit: PAGE,
            ..AuditFilter::default()
        };
        vec![Effect::LoadAudit {
            seq: self.seq,
            filter: Box::new(filter),
        }]
    }

    /// Takes rows in that were asked for; late ones are dropped. Answers whether they were taken.
    pub fn take(&mut self, seq: u64, rows: Vec<AuditEntry>, store: &mut Store) -> bool {
        if seq != self.seq {
            return false;
        }
        let Some(asked) = self.asked.take() else {
            return false;
        };
        let full = rows.len() >= PAGE;
        match asked {
            Ask::Older => {
                self.more = full;
                store.set_audit(rows, |old, rows| old.extend(rows));
            }
            Ask::Newer if !full => store.set_audit(rows, |old, rows| {
                old.splice(0..0, rows);
            }),
            // Of news more came than a page: between them and what is here rows are missing.
            Ask::Newer | Ask::First => {
                self.more = full;
                store.set_audit(rows, |old, rows| *old = rows);
            }
        }
        self.read = true;
        true
    }

    /// Reading failed: it may be asked again.
    pub fn give_up(&mut self) {
        self.asked = None;
    }
}

/// The longest word that every row must have: the registry looks for it among all rows.
fn search_word(filter: &Filter) -> Option<String> {
    let plain = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || "-_.@:".contains(c));
    let words = filter.needed().into_iter().filter(plain);
    words.max_by_key(|word| word.len()).map(str::to_lowercase)
}

/// The page of one row.
pub(super) fn page(model: &Model, id: i64, now: &Now) -> Option<Page> {
    let row = model.store.audit_row(id)?;
    let mut out = Lines::new();
    out.pair("when", format!("{} ({})", when(row.at, now), age(row.at, now)));
    out.pair("who", format!("{} on {}", row.actor.os_user, row.actor.host));
    if let Some(role) = &row.db_role {
        out.pair("database role", role);
    }
    out.pair("through", &row.actor.via);
    out.pair("what", &row.action);
    out.pair("on", format!("{} ({})", row.label, row.object));
    if let Some(why) = &row.refused {
        out.toned("refused", why, Tone::Bad);
    }
    let fields = row.fields();
    if !fields.is_empty() {
        out.head("from → to");
        for field in fields {
            let value = match (&field.from, &field.to) {
                (Some(from), Some(to)) => format!("{from} → {to}"),
                (Some(from), None) => format!("{from} → –"),
                (None, Some(to)) if row.from.is_some() => format!("– → {to}"),
                (None, to) => to.clone().unwrap_or_default(),
            };
            out.pair(&field.name, value);
        }
    }
    out.head("record");
    out.pair("number", row.id.to_string());
    out.pair("operation", &row.op_id);
    out.pair("hash", &row.hash);
    Some(out.page(format!("what happened · {}", row.id)))
}

#[cfg(test)]
mod tests;
