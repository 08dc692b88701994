//! Which rows a list shows, in which order. For a large fleet this is asked of a task, with all that
//! it needs, so that no key waits for it.

use super::super::Now;
use super::super::fleet::Store;
use super::super::orders::ListId;
use super::expr::FilterError;
use super::field::{Field, Kind, Value};
use super::filter::Filter;
use super::fold::fold;
use super::test::Pass;
use crate::domain::ServerId;
use std::sync::Arc;

/// How often a run looks whether it is still wanted, in rows.
const LOOK: usize = 4096;

/// In which order a list is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sort {
    /// By which column.
    pub field: &'static Field,
    /// Whether the most comes first.
    pub descending: bool,
}

/// An order of all rows of a list, and what it is the order of.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Base {
    generation: u64,
    server: Option<ServerId>,
    sort: Option<Sort>,
    /// `None`: the store's own.
    order: Option<Arc<Vec<u32>>>,
}

/// What passed a filter, as places in a base: what a narrower filter begins with.
#[derive(Debug, Clone)]
pub(in super::super) struct Passed {
    filter: Arc<Filter>,
    places: Arc<Vec<u32>>,
}

/// A question: which rows.
#[derive(Debug, Clone)]
pub struct Request {
    /// Of which list.
    pub list: ListId,
    /// Numbers it: answers to older ones mean nothing.
    pub seq: u64,
    pub(in super::super) store: Arc<Store>,
    pub(in super::super) server: Option<ServerId>,
    pub(in super::super) filter: Arc<Filter>,
    pub(in super::super) sort: Option<Sort>,
    pub(in super::super) now: Now,
    pub(in super::super) base: Option<Base>,
    pub(in super::super) passed: Option<Passed>,
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        (self.list, self.seq) == (other.list, other.seq)
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Found {
    /// Of which list.
    pub list: ListId,
    /// Of which question.
    pub seq: u64,
    pub(in super::super) base: Base,
    pub(in super::super) passed: Option<Passed>,
    /// `None`: all, in the store's own order.
    pub(in super::super) rows: Option<Arc<Vec<u32>>>,
}

impl Request {
    /// Whether a base is still the order of what this asks for.
    fn fits(&self, base: &Base) -> bool {
        base.generation == self.store.generation(self.list) && base.server == self.server && base.sort == self.sort
    }

    /// Whether it is answered without looking at more than `few` rows.
    pub fn is_quick(&self, few: usize) -> bool {
        let rows = self.store.count(self.list, self.server);
        let sorted = self.sort.is_none() || self.base.as_ref().is_some_and(|base| self.fits(base));
        rows <= few || self.filter.is_empty() && sorted
    }

    /// Looks. `None` when nobody wants to know any more.
    pub fn run(&self, stop: &dyn Fn() -> bool) -> Option<Found> {
        let own = self.store.order(self.list, self.server);
        let kept = self.base.as_ref().filter(|base| self.fits(base));
        let base = match kept {
            Some(base) => base.clone(),
            None => Base {
                generation: self.store.generation(self.list),
                server: self.server,
                sort: self.sort,
                order: match self.sort {
                    Some(sort) => Some(Arc::new(self.sorted(&own, sort, stop)?)),
                    None => None,
                },
            },
        };
        let order: &[u32] = base.order.as_ref().map_or(&own, |order| order.as_slice());
        if self.filter.is_empty() {
            return Some(Found {
                list: self.list,
                seq: self.seq,
                rows: base.order.clone(),
                base,
                passed: None,
            });
        }
        let narrowed = self
            .passed
            .as_ref()
            .filter(|passed| kept.is_some() && self.filter.narrows(&passed.filter));
        let all = self.store.slots();
        let candidates = narrowed.map_or(order.len(), |passed| passed.places.len());
        let (places, rows) = match narrowed {
            _ if self.list.is_instances() && candidates > all / 4 => self.look_through(order, all, stop)?,
            Some(passed) => self.look(order, passed.places.iter().copied(), stop)?,
            None => self.look(order, 0..u32::try_from(order.len()).unwrap_or(u32::MAX), stop)?,
        };
        Some(Found {
            list: self.list,
            seq: self.seq,
            base,
            passed: Some(Passed {
                filter: Arc::clone(&self.filter),
                places: Arc::new(places),
            }),
            rows: Some(Arc::new(rows)),
        })
    }

    /// The places of an order whose rows pass, and those rows: what has the words as they stand
    /// before what only abbreviates to them, unless an order was chosen.
    pub(super) fn look(
        &self,
        order: &[u32],
        places: impl Iterator<Item = u32>,
        stop: &dyn Fn() -> bool,
    ) -> Option<(Vec<u32>, Vec<u32>)> {
        let test = self.filter.ready(&self.store, &self.now);
        let (mut passed, mut rows, mut fuzzy) = (Vec::new(), Vec::new(), Vec::new());
        for (n, place) in places.enumerate() {
            if n % LOOK == LOOK - 1 && stop() {
                return None;
            }
            let Some(at) = order.get(place as usize).copied() else {
                continue;
            };
            let Some(row) = self.store.row(self.list, at) else {
                continue;
            };
            match test.passes(&self.store, row) {
                None => continue,
                Some(Pass::Fuzzy) if self.sort.is_none() => fuzzy.push(at),
                Some(_) => rows.push(at),
            }
            passed.push(place);
        }
        rows.append(&mut fuzzy);
        Some((passed, rows))
    }

    /// The same for most of a large fleet: rows are looked at as they lie in memory, not as they are called, which
    /// is several times as quick; what passed is then put in order.
    pub(super) fn look_through(
        &self,
        order: &[u32],
        slots: usize,
        stop: &dyn Fn() -> bool,
    ) -> Option<(Vec<u32>, Vec<u32>)> {
        let test = self.filter.ready(&self.store, &self.now);
        let mut found: Vec<Option<Pass>> = Vec::with_capacity(slots);
        for slot in 0..slots {
            if slot % LOOK == LOOK - 1 && stop() {
                return None;
            }
            let row = self.store.row(self.list, u32::try_from(slot).unwrap_or(u32::MAX));
            found.push(row.and_then(|row| test.passes(&self.store, row)));
        }
        let (mut passed, mut rows, mut fuzzy) = (Vec::new(), Vec::new(), Vec::new());
        for (place, at) in (0..).zip(order) {
            match found.get(*at as usize).copied().flatten() {
                None => continue,
                Some(Pass::Fuzzy) if self.sort.is_none() => fuzzy.push(*at),
                Some(_) => rows.push(*at),
            }
            passed.push(place);
        }
        rows.append(&mut fuzzy);
        Some((passed, rows))
    }

    fn sorted(&self, own: &[u32], sort: Sort, stop: &dyn Fn() -> bool) -> Option<Vec<u32>> {
        let mut keyed: Vec<(Key, u32)> = Vec::with_capacity(own.len());
        for (n, at) in own.iter().enumerate() {
            if n % LOOK == LOOK - 1 && stop() {
                return None;
            }
            let value = self
                .store
                .row(self.list, *at)
                .map_or(Value::None, |row| (sort.field.get)(&self.store, row));
            keyed.push((key(sort.field.kind, &value), *at));
        }
        // What has no value is last, whichever way round; ties stay in the list's own order.
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Key::Missing, _) | (_, Key::Missing) => a.is_missing().cmp(&b.is_missing()),
            (a, b) if sort.descending => b.order(a),
            (a, b) => a.order(b),
        });
        Some(keyed.into_iter().map(|(_, at)| at).collect())
    }
}

/// The ids of what passes a filter, in the list's own order; of instances those of all servers.
///
/// # Errors
/// What is wrong with the filter, and where.
pub fn passing(list: ListId, text: &str, store: &Arc<Store>, now: &Now) -> Result<Vec<i64>, FilterError> {
    let request = Request {
        list,
        seq: 0,
        store: Arc::clone(store),
        server: None,
        filter: Arc::new(Filter::new(list, text)?),
        sort: None,
        now: now.clone(),
        base: None,
        passed: None,
    };
    let rows = match request.run(&|| false).and_then(|found| found.rows) {
        Some(rows) => rows.to_vec(),
        None => store.order(list, None).into_owned(),
    };
    let ids = rows.iter().filter_map(|at| store.row(list, *at));
    Ok(ids.map(|row| super::super::marks::row_id(&row)).collect())
}

enum Key {
    Missing,
    Number(f64),
    Text(String),
}

fn key(kind: Kind, value: &Value<'_>) -> Key {
    if let Kind::Word(words) = kind {
        let at = words.iter().position(|word| *word == value.text());
        return at.map_or(Key::Missing, |at| Key::Number(at as f64));
    }
    match (value.number(), value.text()) {
        (Some(number), _) => Key::Number(number),
        (None, "") => Key::Missing,
        (None, text) => Key::Text(fold(text)),
    }
}

impl Key {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => std::cmp::Ordering::Equal,
        }
    }
}
