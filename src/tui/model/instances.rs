//! All instances of the fleet: rows by id, and the orders in which lists show them. Whoever reads a fleet makes
//! this ready beside the loop, so that no key waits for a hundred thousand rows to be put in order.

use super::ids::IdMap;
use super::row::InstanceRow;
use crate::domain::{CustomerId, InstanceId, PlanId, ServerId};

/// Instances, and the orders in which lists show them.
#[derive(Debug, Clone, Default)]
pub struct Instances {
    rows: Vec<Option<InstanceRow>>,
    free: Vec<u32>,
    slots: IdMap<InstanceId, u32>,
    by_server: IdMap<ServerId, Vec<u32>>,
    all: Vec<u32>,
    sold_plans: IdMap<PlanId, u32>,
    sold_to: IdMap<CustomerId, u32>,
}

impl FromIterator<InstanceRow> for Instances {
    fn from_iter<T: IntoIterator<Item = InstanceRow>>(rows: T) -> Self {
        let rows = rows.into_iter();
        let mut this = Self::default();
        this.rows.reserve(rows.size_hint().0);
        this.slots.reserve(rows.size_hint().0);
        for row in rows {
            this.put(row);
        }
        this.reorder();
        this
    }
}

impl Instances {
    /// Takes in what changed and leaves out what is gone; `many`: orders are made anew, not mended.
    pub(super) fn apply(&mut self, rows: Vec<InstanceRow>, gone: Vec<InstanceId>, many: bool) {
        for id in gone {
            if let Some(slot) = self.slots.remove(&id) {
                if !many {
                    self.leave(slot);
                }
                if let Some(place) = self.rows.get_mut(slot as usize)
                    && let Some(old) = place.take()
                {
                    self.sold(&old, false);
                }
                self.free.push(slot);
            }
        }
        for row in rows {
            let known = self.slots.get(&row.id).copied();
            if let (Some(slot), false) = (known, many) {
                self.leave(slot);
            }
            let slot = self.put(row);
            if !many {
                self.enter(slot);
            }
        }
        if many {
            self.reorder();
        }
    }

    /// Counts an instance, or takes it out of the count.
    fn sold(&mut self, row: &InstanceRow, more: bool) {
        let count = |n: &mut u32| *n = if more { *n + 1 } else { n.saturating_sub(1) };
        if let Some(plan) = row.plan() {
            count(self.sold_plans.entry(plan).or_default());
        }
        if let Some(customer) = row.customer() {
            count(self.sold_to.entry(customer).or_default());
        }
    }

    /// Instances sold as a plan.
    pub(super) fn of_plan(&self, id: PlanId) -> u32 {
        self.sold_plans.get(&id).copied().unwrap_or(0)
    }

    /// Instances of a customer.
    pub(super) fn of_customer(&self, id: CustomerId) -> u32 {
        self.sold_to.get(&id).copied().unwrap_or(0)
    }

    fn put(&mut self, row: InstanceRow) -> u32 {
        let id = row.id;
        let slot = match self.slots.get(&id) {
            Some(slot) => *slot,
            None => self.free.pop().unwrap_or_else(|| {
                self.rows.push(None);
                u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
            }),
        };
        self.slots.insert(id, slot);
        self.sold(&row, true);
        if let Some(place) = self.rows.get_mut(slot as usize)
            && let Some(old) = place.replace(row)
        {
            self.sold(&old, false);
        }
        slot
    }

    fn key(&self, slot: u32) -> (&str, InstanceId) {
        self.row(slot).map_or(("", InstanceId(0)), |row| (row.lower(), row.id))
    }

    fn enter(&mut self, slot: u32) {
        let at = |order: &[u32]| order.partition_point(|other| self.key(*other) < self.key(slot));
        let place = at(&self.all);
        let server = self.row(slot).map(|row| row.server);
        let theirs = server.map(|server| (server, at(self.of_server(server))));
        self.all.insert(place, slot);
        if let Some((server, place)) = theirs {
            self.by_server.entry(server).or_default().insert(place, slot);
        }
    }

    fn leave(&mut self, slot: u32) {
        self.all.retain(|other| *other != slot);
        if let Some(server) = self.row(slot).map(|row| row.server)
            && let Some(order) = self.by_server.get_mut(&server)
        {
            order.retain(|other| *other != slot);
        }
    }

    /// By name. Told apart by their first bytes where those differ: a row somewhere in memory is rarely looked at.
    fn reorder(&mut self) {
        let mut keyed: Vec<(u128, u32)> = self
            .slots
            .values()
            .map(|slot| (first(self.key(*slot).0), *slot))
            .collect();
        keyed.sort_unstable_by(|(a, slot), (b, other)| a.cmp(b).then_with(|| self.key(*slot).cmp(&self.key(*other))));
        self.all = keyed.iter().map(|(_, slot)| *slot).collect();
        self.by_server.clear();
        for (_, slot) in keyed {
            if let Some(server) = self.row(slot).map(|row| row.server) {
                self.by_server.entry(server).or_default().push(slot);
            }
        }
        self.by_server.values_mut().for_each(Vec::shrink_to_fit);
    }

    /// The instance in a slot of an order.
    pub(super) fn row(&self, slot: u32) -> Option<&InstanceRow> {
        self.rows.get(slot as usize).and_then(Option::as_ref)
    }

    /// How many slots there are, empty ones included.
    pub(super) fn slots(&self) -> usize {
        self.rows.len()
    }

    /// An instance by its id.
    pub(super) fn get(&self, id: InstanceId) -> Option<&InstanceRow> {
        self.slots.get(&id).and_then(|slot| self.row(*slot))
    }

    /// All instances' slots, by name.
    pub(super) fn all(&self) -> &[u32] {
        &self.all
    }

    /// A server's instances' slots, by name.
    pub(super) fn of_server(&self, server: ServerId) -> &[u32] {
        self.by_server.get(&server).map_or(&[], Vec::as_slice)
    }
}

/// The first bytes of a text, in its order.
fn first(text: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SafeText, TemplateId};

    #[test]
    fn the_order_is_that_of_the_whole_names_however_alike_they_begin() {
        let name = |id: i64, name: &str| {
            let name = SafeText::new(name);
            InstanceRow::new(InstanceId(id), ServerId(id % 3), TemplateId(1), &name, "s", "d")
        };
        let words = [
            "",
            "a",
            "Bistro Nord du Port 2",
            "bistro nord du port 10",
            "Bistro",
            "É",
            "zz",
            "Bistro",
            "東京",
        ];
        let rows: Vec<InstanceRow> = (1..).zip(words).map(|(id, word)| name(id, word)).collect();
        let all: Instances = rows.iter().cloned().collect();
        let mut by_hand = Instances::default();
        by_hand.apply(rows, Vec::new(), false);
        let names = |all: &Instances| -> Vec<(String, InstanceId)> {
            let rows = all.all().iter().filter_map(|slot| all.row(*slot));
            rows.map(|row| (row.lower().to_owned(), row.id)).collect()
        };
        let found = names(&all);
        assert!(found.is_sorted() && found.len() == words.len(), "{found:?}");
        assert_eq!(found, names(&by_hand));
    }
}
