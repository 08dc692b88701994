//! The list of what happened: rows of the audit, the newest first, read page by page as one scrolls
//! down; all of it, or one object's own.

use super::effect::Effect;
use super::list::{ListState, Move};
use super::page::{Page, Tone};
use super::pages::Lines;
use super::words::{age, when};
use super::{Model, Now};
use crate::domain::JobId;
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

/// The list.
#[derive(Debug, Default)]
pub struct AuditList {
    /// What is selected, and the filter.
    pub state: ListState<i64>,
    /// Whose rows: `server:7` and its name; all where `None`.
    pub object: Option<(String, String)>,
    rows: Vec<AuditEntry>,
    lower: Vec<String>,
    shown: Vec<u32>,
    more: bool,
    read: bool,
    seq: u64,
    asked: Option<Ask>,
    /// The word that the rows were asked with.
    word: Option<String>,
}

impl AuditList {
    /// The rows that pass the filter, the newest first.
    pub fn shown(&self) -> impl ExactSizeIterator<Item = &AuditEntry> {
        // Made from `rows` whenever they change: every number is one of theirs.
        self.shown.iter().map(|at| &self.rows[*at as usize])
    }

    /// How many rows are here before the filter.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is here.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether older rows may be there that were not read.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Whether rows were read at all.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// The selected row.
    pub fn selected(&self) -> Option<&AuditEntry> {
        self.state.selected.and_then(|id| self.row(id))
    }

    /// The row of this number, if it is here.
    pub fn row(&self, id: i64) -> Option<&AuditEntry> {
        // The newest first.
        let at = self.rows.binary_search_by(|row| id.cmp(&row.id)).ok()?;
        self.rows.get(at)
    }

    /// The job that the selected row is about.
    pub fn job(&self) -> Option<JobId> {
        let number = self.selected()?.object.strip_prefix("job:")?;
        number.parse().ok().map(JobId)
    }

    /// What has to be read when the list is looked at, or something changed: the newest rows.
    pub fn refresh(&mut self) -> Vec<Effect> {
        match (self.read, self.rows.first()) {
            (true, Some(_)) if self.asked.is_none() => self.ask(Ask::Newer),
            (true, Some(_)) => Vec::new(),
            _ => self.ask(Ask::First),
        }
    }

    /// Shows one object's rows, or all.
    pub fn about(&mut self, object: Option<(String, String)>) -> Vec<Effect> {
        if self.object == object {
            return self.refresh();
        }
        self.object = object;
        self.state.forget();
        self.forget_rows();
        self.ask(Ask::First)
    }

    fn forget_rows(&mut self) {
        (self.read, self.more) = (false, false);
        self.rows.clear();
        self.lower.clear();
        self.shown.clear();
    }

    /// What has to be read after the filter changed: older rows that pass may not be here yet.
    pub fn filter_changed(&mut self) -> Vec<Effect> {
        if self.word == self.search_word() {
            return Vec::new();
        }
        self.ask(Ask::First)
    }

    /// What has to be read because one looks at the end of what is here.
    pub fn at_the_end(&mut self, height: usize) -> Vec<Effect> {
        let close = self.state.offset + height * 2 >= self.shown.len();
        if close && self.more && self.asked.is_none() && self.rows.len() < MOST {
            return self.ask(Ask::Older);
        }
        Vec::new()
    }

    /// The longest plain word of the filter: the registry looks for it among all rows.
    fn search_word(&self) -> Option<String> {
        let plain = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || "-_.@:".contains(c));
        let words = self.state.filter.text().split_whitespace().filter(plain);
        words.max_by_key(|word| word.len()).map(str::to_lowercase)
    }

    fn ask(&mut self, what: Ask) -> Vec<Effect> {
        self.seq += 1;
        self.asked = Some(what);
        if what == Ask::First {
            self.word = self.search_word();
        }
        let filter = AuditFilter {
            object: self.object.as_ref().map(|(object, _)| object.clone()),
            text: self.word.clone(),
            before: (what == Ask::Older)
                .then(|| self.rows.last().map(|row| row.id))
                .flatten(),
            after: (what == Ask::Newer)
                .then(|| self.rows.first().map(|row| row.id))
                .flatten(),
            limit: PAGE,
            ..AuditFilter::default()
        };
        vec![Effect::LoadAudit {
            seq: self.seq,
            filter: Box::new(filter),
        }]
    }

    /// Takes rows in that were asked for; late ones are dropped. `height`: the list's visible rows.
    pub fn take(&mut self, seq: u64, rows: Vec<AuditEntry>, height: usize) -> Vec<Effect> {
        if seq != self.seq {
            return Vec::new();
        }
        let Some(asked) = self.asked.take() else {
            return Vec::new();
        };
        let full = rows.len() >= PAGE;
        match asked {
            Ask::Older => {
                self.more = full;
                self.rows.extend(rows);
            }
            // More came than a page: between them and what is here rows are missing.
            Ask::Newer if full => {
                self.more = true;
                self.rows = rows;
            }
            Ask::Newer => {
                self.rows.splice(0..0, rows);
            }
            Ask::First => {
                self.more = full;
                self.rows = rows;
            }
        }
        self.read = true;
        self.lower = self.rows.iter().map(lower).collect();
        self.settle(height);
        self.at_the_end(height)
    }

    /// Reading failed: it may be asked again.
    pub fn give_up(&mut self) {
        self.asked = None;
    }

    /// Makes what is shown anew.
    pub(super) fn settle(&mut self, height: usize) {
        let filter = &self.state.filter;
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.shown = (0..self.rows.len())
            .filter(|at| {
                filter.is_empty()
                    || self.lower.get(*at).is_some_and(|text| {
                        let refused = self.rows.get(*at).is_some_and(|row| row.refused.is_some());
                        filter.passes(text, if refused { "refused" } else { "" })
                    })
            })
            .map(number)
            .collect();
        let (shown, rows) = (&self.shown, &self.rows);
        self.state.settle(shown.len(), height, |row| {
            shown.get(row).and_then(|at| rows.get(*at as usize)).map(|row| row.id)
        });
    }

    /// Moves the selection. Answers whether it changed.
    pub(super) fn go(&mut self, to: Move, height: usize) -> bool {
        let (shown, rows) = (&self.shown, &self.rows);
        self.state.go(to, shown.len(), height, |row| {
            shown.get(row).and_then(|at| rows.get(*at as usize)).map(|row| row.id)
        })
    }
}

/// What a filter looks at.
fn lower(row: &AuditEntry) -> String {
    let values = |side: &Option<serde_json::Value>| side.as_ref().map(ToString::to_string).unwrap_or_default();
    let parts = [
        row.who(),
        row.actor.via.clone(),
        row.action.clone(),
        row.object.clone(),
        row.label.clone(),
        values(&row.from),
        values(&row.to),
        row.refused.clone().unwrap_or_default(),
    ];
    parts.join("\0").to_lowercase()
}

/// The page of one row.
pub(super) fn page(model: &Model, id: i64, now: &Now) -> Option<Page> {
    let row = model.lists.audit.row(id)?;
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
