//! What is marked: by ids, so that marks stay on their objects whatever is sorted, filtered or read
//! anew around them.

use super::find::Row;
use super::fleet::Store;
use super::ids::IdSet;
use super::orders::Lists;
use super::tabs::ListId;
use crate::domain::{InstanceId, JobId, ServerId, TemplateId};

/// The id in a row.
pub fn row_id(row: &Row<'_>) -> i64 {
    match row {
        Row::Server(server) => server.id.0,
        Row::Instance(instance) => instance.id.0,
        Row::Template(template) => template.id.0,
        Row::Job(job) => job.id.0,
        Row::Plan(plan) => plan.id.0,
        Row::Customer(customer) => customer.id.0,
        Row::Audit(entry) => entry.id,
        Row::Alert(row) => i64::try_from(row.id.0).unwrap_or(i64::MAX),
    }
}

/// Rows from one to another, being marked.
#[derive(Debug, Clone)]
struct Range {
    list: ListId,
    from: i64,
    before: IdSet,
}

/// What is marked. The two lists of instances have their marks in common.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    sets: [IdSet; 4],
    range: Option<Range>,
}

fn kind(list: ListId) -> Option<usize> {
    match list {
        ListId::Servers => Some(0),
        ListId::Here | ListId::All => Some(1),
        ListId::Templates => Some(2),
        ListId::Jobs => Some(3),
        ListId::Plans | ListId::Customers | ListId::Audit | ListId::Alerts => None,
    }
}

impl Marks {
    fn set_of(&self, list: ListId) -> Option<&IdSet> {
        kind(list).and_then(|at| self.sets.get(at))
    }

    fn set_mut(&mut self, list: ListId) -> Option<&mut IdSet> {
        kind(list).and_then(|at| self.sets.get_mut(at))
    }

    /// Whether something of a list is marked.
    pub fn has(&self, list: ListId, id: i64) -> bool {
        self.set_of(list).is_some_and(|set| set.contains(&id))
    }

    /// How many are.
    pub fn count(&self, list: ListId) -> usize {
        self.set_of(list).map_or(0, IdSet::len)
    }

    /// Marks one, or takes its mark away.
    pub fn toggle(&mut self, list: ListId, id: i64) {
        self.range = None;
        if let Some(set) = self.set_mut(list)
            && !set.remove(&id)
        {
            set.insert(id);
        }
    }

    /// Takes all marks of a list away, and ends a range.
    pub fn clear(&mut self, list: ListId) {
        self.range = None;
        if let Some(set) = self.set_mut(list) {
            set.clear();
        }
    }

    /// Marks all these besides.
    pub fn add(&mut self, list: ListId, ids: impl IntoIterator<Item = i64>) {
        self.range = None;
        if let Some(set) = self.set_mut(list) {
            set.extend(ids);
        }
    }

    /// Marks of these what was not, and takes the others' marks away.
    pub fn invert(&mut self, list: ListId, ids: impl IntoIterator<Item = i64>) {
        self.range = None;
        for id in ids {
            self.toggle(list, id);
        }
    }

    /// Begins a range at a row.
    pub fn begin(&mut self, list: ListId, id: i64) {
        let before = self.set_of(list).cloned().unwrap_or_default();
        self.range = Some(Range { list, from: id, before });
        if let Some(set) = self.set_mut(list) {
            set.insert(id);
        }
    }

    /// Ends a range; what it marked stays marked.
    pub fn end(&mut self) {
        self.range = None;
    }

    /// The list in which a range is being marked.
    pub fn range(&self) -> Option<ListId> {
        self.range.as_ref().map(|range| range.list)
    }

    /// Marks the rows from the range's beginning to `to`, of a list's shown `ids`. A range whose
    /// beginning is no longer shown ends.
    pub fn stretch(&mut self, to: i64, ids: &[i64]) {
        let Some(range) = &self.range else { return };
        let place = |id: i64| ids.iter().position(|other| *other == id);
        let (Some(from), Some(to)) = (place(range.from), place(to)) else {
            self.range = None;
            return;
        };
        let mut set = range.before.clone();
        let list = range.list;
        set.extend(ids.iter().take(from.max(to) + 1).skip(from.min(to)).copied());
        if let Some(marked) = self.set_mut(list) {
            *marked = set;
        }
    }

    /// Drops the marks of what is gone. Answers how many those were.
    pub fn settle(&mut self, store: &Store) -> usize {
        let before: usize = self.sets.iter().map(IdSet::len).sum();
        if before == 0 {
            return 0;
        }
        for (at, set) in self.sets.iter_mut().enumerate() {
            set.retain(|id| match at {
                0 => store.server(ServerId(*id)).is_some(),
                1 => store.instance(InstanceId(*id)).is_some(),
                2 => store.template(TemplateId(*id)).is_some(),
                _ => store.job(JobId(*id)).is_some(),
            });
        }
        before - self.sets.iter().map(IdSet::len).sum::<usize>()
    }

    /// The marked ones: those that a list shows in its order, then the others; and how many the others are.
    pub fn in_order(&self, list: ListId, lists: &Lists, store: &Store) -> (Vec<i64>, usize) {
        let Some(set) = self.set_of(list).filter(|set| !set.is_empty()) else {
            return (Vec::new(), 0);
        };
        let mut ids: Vec<i64> = shown_ids(list, lists, store)
            .into_iter()
            .filter(|id| set.contains(id))
            .collect();
        let seen: IdSet = ids.iter().copied().collect();
        let mut others: Vec<i64> = set.iter().copied().filter(|id| !seen.contains(id)).collect();
        others.sort_unstable();
        let hidden = others.len();
        ids.extend(others);
        (ids, hidden)
    }
}

/// The ids that a list shows, in its order.
pub fn shown_ids(list: ListId, lists: &Lists, store: &Store) -> Vec<i64> {
    lists
        .rows(list, store)
        .iter()
        .filter_map(|at| store.row(list, *at))
        .map(|row| row_id(&row))
        .collect()
}
