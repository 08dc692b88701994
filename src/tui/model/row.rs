//! An instance as lists show it. A hundred thousand of them are held for as long as the dashboard runs, so what
//! one takes is what the dashboard takes: it is packed, shared by whoever holds it, and never copied.

use crate::domain::instance::{Instance, InstanceState};
use crate::domain::{CustomerId, InstanceId, PlanId, SafeText, ServerId, TemplateId};
use jiff::Timestamp;
use std::sync::Arc;

/// What stands for a number that is not there: ids count from 1, and sizes end far below.
const NONE: i64 = i64::MIN;

/// An instance as lists show it. A clone is the same row, not a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow(Arc<Kept>);

/// What is kept of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: InstanceId,
    /// As it was seen.
    pub version: i64,
    /// Where it lives.
    pub server: ServerId,
    /// Where it is in its life.
    pub state: InstanceState,
    template: i64,
    plan: i64,
    customer: i64,
    size: i64,
    /// Microseconds since 1970: finer than anything that is shown.
    created: i64,
    /// The name, the other two where they are not as in what follows, and all three without case and accents, for
    /// filters and orders.
    text: Box<str>,
    subdomain: (u16, u16),
    database: (u16, u16),
    /// Where what is without case and accents begins.
    lower: u16,
    /// Where the name ends.
    name: u16,
}

impl std::ops::Deref for InstanceRow {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.0
    }
}

impl std::ops::DerefMut for InstanceRow {
    /// Who else holds the row keeps it as it was.
    fn deref_mut(&mut self) -> &mut Kept {
        Arc::make_mut(&mut self.0)
    }
}

impl From<&Instance> for InstanceRow {
    fn from(instance: &Instance) -> Self {
        let spec = &instance.spec;
        Self::new(
            instance.id,
            spec.server_id,
            spec.template_id,
            &spec.name,
            spec.subdomain.as_str(),
            spec.database_name.as_str(),
        )
        .with(
            instance.version,
            spec.plan_id,
            spec.customer_id,
            instance.state,
            instance.size_bytes,
            instance.created_at,
        )
    }
}

impl InstanceRow {
    /// Longest display name kept in a row, bytes.
    const MAX_NAME: usize = 1024;

    /// A row with its three names in one allocation, in draft, of version 1.
    pub fn new(
        id: InstanceId,
        server: ServerId,
        template: impl Into<Option<TemplateId>>,
        name: &SafeText,
        subdomain: &str,
        database: &str,
    ) -> Self {
        let name = name.as_str();
        let mut cut = name.len().min(Self::MAX_NAME);
        while !name.is_char_boundary(cut) {
            cut -= 1;
        }
        let name = &name[..cut];
        let lower = super::find::fold(&[name, subdomain, database].join("\0"));
        // Labels are written without capitals and accents, and databases nearly always: once is enough.
        let tail = [subdomain, database].join("\0");
        let (text, names_at, lower_at) = if lower.ends_with(&tail) {
            let names_at = name.len() + lower.len() - tail.len();
            ([name, &lower].concat(), names_at, name.len())
        } else {
            ([name, &tail, &lower].concat(), name.len(), name.len() + tail.len())
        };
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        let range = |at: usize, len: usize| (place(at), place(at + len));
        Self(Arc::new(Kept {
            id,
            version: 1,
            server,
            template: template.into().map_or(NONE, |template| template.0),
            state: InstanceState::Draft,
            plan: NONE,
            customer: NONE,
            size: NONE,
            created: 0,
            subdomain: range(names_at, subdomain.len()),
            database: range(names_at + subdomain.len() + 1, database.len()),
            lower: place(lower_at),
            name: place(name.len()),
            text: text.into_boxed_str(),
        }))
    }

    /// The same row with the rest of its fields.
    #[must_use]
    pub fn with(
        mut self,
        version: i64,
        plan: Option<PlanId>,
        customer: Option<CustomerId>,
        state: InstanceState,
        size_bytes: Option<u64>,
        created_at: Timestamp,
    ) -> Self {
        let kept = Arc::make_mut(&mut self.0);
        kept.version = version;
        kept.plan = plan.map_or(NONE, |plan| plan.0);
        kept.customer = customer.map_or(NONE, |customer| customer.0);
        kept.state = state;
        kept.size = size_bytes.map_or(NONE, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        kept.created = created_at.as_microsecond();
        self
    }
}

impl Kept {
    fn part(&self, (from, to): (u16, u16)) -> &str {
        self.text.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    /// Display name.
    pub fn name(&self) -> &str {
        self.part((0, self.name))
    }

    /// Its label.
    pub fn subdomain(&self) -> &str {
        self.part(self.subdomain)
    }

    /// Its database.
    pub fn database(&self) -> &str {
        self.part(self.database)
    }

    /// All three names without case and accents, a NUL between each: what filters look through, and the order of
    /// lists.
    pub fn lower(&self) -> &str {
        self.text.get(usize::from(self.lower)..).unwrap_or_default()
    }

    /// What it was cloned from; none for a dedicated one.
    pub fn template(&self) -> Option<TemplateId> {
        (self.template != NONE).then_some(TemplateId(self.template))
    }

    /// What it was sold as.
    pub fn plan(&self) -> Option<PlanId> {
        (self.plan != NONE).then_some(PlanId(self.plan))
    }

    /// To whom.
    pub fn customer(&self) -> Option<CustomerId> {
        (self.customer != NONE).then_some(CustomerId(self.customer))
    }

    /// Its database's size, bytes.
    pub fn size_bytes(&self) -> Option<u64> {
        u64::try_from(self.size).ok()
    }

    /// When it was asked for.
    pub fn created_at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.created).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, subdomain: &str, database: &str) -> InstanceRow {
        InstanceRow::new(
            InstanceId(1),
            ServerId(2),
            TemplateId(3),
            &SafeText::new(name),
            subdomain,
            database,
        )
    }

    #[test]
    fn what_goes_in_comes_out_whichever_way_it_is_kept() {
        let long = "é".repeat(1000);
        for (name, subdomain, database) in [
            ("Bistro Nord", "bistro-nord", "bistro_nord"),
            ("Boulangerie Lumière", "lumiere", "lumiere_16"),
            ("lower", "lower", "lower"),
            ("İstanbul", "istanbul", "istanbul"),
            ("Upper", "upper", "Upper_Case"),
            ("", "a", "b"),
            ("東京", "tokyo", "tokyo"),
            (&long, "long", "long"),
        ] {
            let row = row(name, subdomain, database);
            assert_eq!((row.subdomain(), row.database()), (subdomain, database), "{name}");
            assert!(name.starts_with(row.name()) && (row.name() == name || row.name().len() == 1024));
            let folded = super::super::find::fold(&[row.name(), subdomain, database].join("\0"));
            assert_eq!(row.lower(), folded);
        }
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_nothing() {
        let (plain, at) = (row("A", "a", "a"), Timestamp::from_second(1_700_000_000).unwrap());
        assert_eq!((plain.plan(), plain.customer(), plain.size_bytes()), (None, None, None));
        let full = plain.clone().with(
            7,
            Some(PlanId(1)),
            Some(CustomerId(0)),
            InstanceState::Active,
            Some(0),
            at,
        );
        assert_eq!(
            (full.plan(), full.customer(), full.size_bytes(), full.created_at()),
            (Some(PlanId(1)), Some(CustomerId(0)), Some(0), at)
        );
        assert_eq!(plain.version, 1, "a row that is shared is not changed");
    }

    #[test]
    fn a_row_is_small() {
        assert!(
            size_of::<InstanceRow>() == 8 && size_of::<Kept>() <= 112,
            "{}",
            size_of::<Kept>()
        );
    }
}
