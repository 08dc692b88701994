//! A filter made ready for one list at one moment: names are columns, ages are moments, and what is
//! asked of a plan or customer is asked once, not for every instance.

use super::super::Now;
use super::super::fleet::Store;
use super::super::ids::IdSet;
use super::super::orders::ListId;
use super::expr::{Compare, Expr, FilterError, Literal, Op};
use super::field::{Field, Kind, Row, Value, field, fields};
use super::fold::{Needle, fold, like};
use super::literal::{self, When};
use crate::domain::{CustomerId, PlanId, ServerId};

/// How a row passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    /// As it stands.
    Exact,
    /// A word is only an abbreviation of something in it.
    Fuzzy,
}

/// What a text is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    /// There is none.
    Missing,
    /// Exactly this, folded.
    Exact(String),
    /// Like this, folded.
    Like(String),
    /// Contains this.
    Has(Box<Needle>),
}

impl Pattern {
    fn passes(&self, folded: &str) -> bool {
        match self {
            Self::Missing => folded.is_empty(),
            Self::Exact(text) => folded == text,
            Self::Like(pattern) => like(folded, pattern),
            Self::Has(needle) => needle.is_in(folded),
        }
    }
}

/// Which record of an instance a column is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Server,
    Plan,
    Customer,
    Template,
}

/// A filter made ready.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Word(Box<Word>),
    Text(&'static Field, Vec<Pattern>),
    /// Of an instance's folded names, which one.
    Name(usize, Vec<Pattern>),
    /// An instance's record is one of these; whether having none passes.
    Of(Of, IdSet, bool),
    /// From this number to that one, both included.
    Numbers(&'static Field, f64, f64),
    /// From this second to before that one.
    Times(&'static Field, i64, i64),
}

/// A free word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    needle: Needle,
    list: ListId,
    servers: IdSet,
    plans: IdSet,
    customers: IdSet,
}

/// What a filter is made ready for.
pub(super) struct Scope<'a> {
    pub(super) list: ListId,
    pub(super) store: &'a Store,
    pub(super) now: &'a Now,
}

impl Scope<'_> {
    /// # Errors
    /// What in it means nothing in this list, and where.
    pub(super) fn ready(&self, expr: &Expr) -> Result<Test, FilterError> {
        self.make(expr, false)
    }

    fn make(&self, expr: &Expr, negated: bool) -> Result<Test, FilterError> {
        Ok(match expr {
            Expr::And(all) => Test::And(self.each(all, negated)?),
            Expr::Or(any) => Test::Or(self.each(any, negated)?),
            Expr::Not(not) => Test::Not(Box::new(self.make(not, !negated)?)),
            // What is left out is what really is there, not what could be abbreviated so.
            Expr::Word(text, exact) => Test::Word(Box::new(self.word(text, *exact || negated))),
            Expr::Compare(compare) => self.compare(compare)?,
        })
    }

    fn each(&self, exprs: &[Expr], negated: bool) -> Result<Vec<Test>, FilterError> {
        exprs.iter().map(|each| self.make(each, negated)).collect()
    }

    fn word(&self, text: &str, exact: bool) -> Word {
        let needle = Needle::new(text, exact);
        let (mut servers, mut plans, mut customers) = (IdSet::default(), IdSet::default(), IdSet::default());
        if self.list.is_instances() {
            let store = self.store;
            let has = |text: &str| needle.is_in(&fold(text));
            servers.extend(
                store
                    .servers
                    .iter()
                    .filter(|s| has(s.spec.code.as_str()))
                    .map(|s| s.id.0),
            );
            plans.extend(store.plans.iter().filter(|p| has(&p.code)).map(|p| p.id.0));
            customers.extend(store.customers.iter().filter(|c| has(c.name.as_str())).map(|c| c.id.0));
        }
        Word {
            needle,
            list: self.list,
            servers,
            plans,
            customers,
        }
    }

    fn compare(&self, compare: &Compare) -> Result<Test, FilterError> {
        let Some(field) = field(self.list, &compare.name) else {
            return Err(FilterError::new(
                compare.name_span.0.clone(),
                unknown(self.list, &compare.name),
            ));
        };
        let negated = matches!(compare.op, Op::IsNot | Op::HasNot);
        let test = match compare.op {
            Op::Is | Op::IsNot if field.kind.has_order() => self.any_of(field, compare)?,
            Op::Is | Op::IsNot => {
                let patterns: Result<Vec<Vec<Pattern>>, _> =
                    compare.values.iter().map(|value| pattern(field, value)).collect();
                self.text(field, patterns?.into_iter().flatten().collect())
            }
            Op::Has | Op::HasNot if field.kind.has_order() => {
                let what = format!("{} is compared with = < or >, not {}", field.name, compare.op.sign());
                return Err(FilterError::new(compare.name_span.0.clone(), what));
            }
            Op::Has | Op::HasNot => {
                let needles = compare
                    .values
                    .iter()
                    .map(|v| Pattern::Has(Box::new(Needle::new(&v.text, true))));
                self.text(field, needles.collect())
            }
            _ if !field.kind.has_order() => {
                let what = format!("{} is compared with = or ~, not {}", field.name, compare.op.sign());
                return Err(FilterError::new(compare.name_span.0.clone(), what));
            }
            _ => match compare.values.as_slice() {
                [value] => self.ordered(field, compare.op, value)?,
                many => {
                    let at = many.get(1).map(|v| v.span.0.clone()).unwrap_or_default();
                    let what = format!("{} compares with one value", compare.op.sign());
                    return Err(FilterError::new(at, what));
                }
            },
        };
        Ok(if negated { Test::Not(Box::new(test)) } else { test })
    }

    fn any_of(&self, field: &'static Field, compare: &Compare) -> Result<Test, FilterError> {
        let tests: Result<Vec<Test>, _> = compare
            .values
            .iter()
            .map(|value| {
                if !value.quoted && value.text == "none" {
                    return Ok(Test::Text(field, vec![Pattern::Missing]));
                }
                self.ordered(field, Op::Is, value)
            })
            .collect();
        Ok(Test::Or(tests?))
    }

    /// A text column, by the shortest way to its value.
    fn text(&self, field: &'static Field, patterns: Vec<Pattern>) -> Test {
        if !self.list.is_instances() {
            return Test::Text(field, patterns);
        }
        let store = self.store;
        let passes = |text: &str| {
            let folded = fold(text);
            patterns.iter().any(|pattern| pattern.passes(&folded))
        };
        let none = passes("");
        let (of, ids): (Of, IdSet) = match field.name {
            "name" => return Test::Name(0, patterns),
            "subdomain" => return Test::Name(1, patterns),
            "database" => return Test::Name(2, patterns),
            "server" => {
                let all = store.servers.iter().filter(|s| passes(s.spec.code.as_str()));
                (Of::Server, all.map(|s| s.id.0).collect())
            }
            "plan" => {
                let all = store.plans.iter().filter(|p| passes(&p.code));
                (Of::Plan, all.map(|p| p.id.0).collect())
            }
            "customer" => {
                let all = store.customers.iter().filter(|c| passes(c.name.as_str()));
                (Of::Customer, all.map(|c| c.id.0).collect())
            }
            "template" => {
                let all = store.templates.iter().filter(|t| passes(t.spec.code.as_str()));
                (Of::Template, all.map(|t| t.id.0).collect())
            }
            _ => return Test::Text(field, patterns),
        };
        Test::Of(of, ids, none)
    }

    fn ordered(&self, field: &'static Field, op: Op, value: &Literal) -> Result<Test, FilterError> {
        let wrong = || {
            let what = format!(
                "{:?} is not what {} is: {}",
                value.text,
                field.name,
                field.kind.example()
            );
            FilterError::new(value.span.0.clone(), what)
        };
        let text = value.text.as_str();
        let number = match field.kind {
            Kind::Time => return self.time(field, op, value, literal::when(text).ok_or_else(wrong)?),
            Kind::Percent => literal::percent(text),
            Kind::Bytes => literal::bytes(text),
            Kind::Millis => literal::millis(text),
            Kind::Number | Kind::Text | Kind::Word(_) => literal::number(text),
        };
        let number = number.ok_or_else(wrong)?;
        let (from, to) = match op {
            // A share is shown rounded, and meant so.
            Op::Is if field.kind == Kind::Percent => (number - 0.5, (number + 0.5).next_down()),
            Op::More => (number.next_up(), f64::INFINITY),
            Op::AtLeast => (number, f64::INFINITY),
            Op::Less => (f64::NEG_INFINITY, number.next_down()),
            Op::AtMost => (f64::NEG_INFINITY, number),
            _ => (number, number),
        };
        Ok(Test::Numbers(field, from, to))
    }

    fn time(&self, field: &'static Field, op: Op, value: &Literal, when: When) -> Result<Test, FilterError> {
        let wall = self.now.wall.as_second();
        if let When::Ago(seconds) = when {
            let then = wall.saturating_sub(seconds);
            // More is older: an age of more than two hours is a moment before that.
            let (from, to) = match op {
                Op::Less => (then.saturating_add(1), i64::MAX),
                Op::AtMost => (then, i64::MAX),
                Op::More => (i64::MIN, then),
                Op::AtLeast => (i64::MIN, then.saturating_add(1)),
                _ => {
                    let what = format!("an age is compared with < or >, such as {}<{}", field.name, value.text);
                    return Err(FilterError::new(value.span.0.clone(), what));
                }
            };
            return Ok(Test::Times(field, from, to));
        }
        let wrong = || FilterError::new(value.span.0.clone(), format!("{:?} is no day", value.text));
        let day = match when {
            When::Day(day) => day,
            When::DaysBack(days) => {
                let today = self.now.wall.to_zoned(self.now.tz.clone()).date();
                today
                    .checked_sub(jiff::Span::new().days(i64::from(days)))
                    .map_err(|_| wrong())?
            }
            When::Ago(_) => return Err(wrong()),
        };
        let second = |day: jiff::civil::Date| {
            day.to_zoned(self.now.tz.clone())
                .map(|at| at.timestamp().as_second())
                .map_err(|_| wrong())
        };
        let (start, end) = (second(day)?, day.tomorrow().map_err(|_| wrong()).and_then(second)?);
        let (from, to) = match op {
            Op::Less => (i64::MIN, start),
            Op::AtMost => (i64::MIN, end),
            Op::More => (end, i64::MAX),
            Op::AtLeast => (start, i64::MAX),
            _ => (start, end),
        };
        Ok(Test::Times(field, from, to))
    }
}

/// What `=` compares with.
fn pattern(field: &Field, value: &Literal) -> Result<Vec<Pattern>, FilterError> {
    let folded = fold(&value.text);
    if value.quoted {
        return Ok(vec![Pattern::Exact(folded)]);
    }
    if folded == "none" {
        return Ok(vec![Pattern::Missing]);
    }
    let starred = folded.contains(['*', '?']);
    let Kind::Word(words) = field.kind else {
        let pattern = if starred {
            Pattern::Like(folded)
        } else {
            Pattern::Exact(folded)
        };
        return Ok(vec![pattern]);
    };
    // Words are known: their beginning is enough, and what none begins with is a mistake.
    let fits = |word: &&&str| {
        if starred {
            like(word, &folded)
        } else {
            word.starts_with(folded.as_str())
        }
    };
    let exact = words.iter().any(|word| *word == folded);
    let found: Vec<Pattern> = words
        .iter()
        .filter(|word| if exact { **word == folded } else { fits(word) })
        .map(|word| Pattern::Exact((*word).to_owned()))
        .collect();
    if found.is_empty() {
        let what = format!("no {} is {:?}: {}", field.name, value.text, words.join(", "));
        return Err(FilterError::new(value.span.0.clone(), what));
    }
    Ok(found)
}

fn unknown(list: ListId, name: &str) -> String {
    let names: Vec<&str> = fields(list).iter().map(|field| field.name).collect();
    let near = names
        .iter()
        .find(|other| other.starts_with(name) || name.starts_with(*other))
        .map(|near| format!("; did you mean {near}?"));
    format!(
        "no column is called {name}{}  ({})",
        near.unwrap_or_default(),
        names.join(", ")
    )
}

impl Test {
    /// Whether a row passes, and how.
    pub(super) fn passes(&self, store: &Store, row: Row<'_>) -> Option<Pass> {
        let exact = |passes: bool| passes.then_some(Pass::Exact);
        match self {
            Self::And(all) => {
                let mut how = Pass::Exact;
                for test in all {
                    how = how.max(test.passes(store, row)?);
                }
                Some(how)
            }
            Self::Or(any) => any.iter().filter_map(|test| test.passes(store, row)).min(),
            Self::Not(test) => exact(test.passes(store, row).is_none()),
            Self::Word(word) => word.passes(store, row),
            Self::Text(field, patterns) => {
                let value = (field.get)(store, row);
                if let (true, Value::None) = (field.kind.has_order(), &value) {
                    return exact(patterns.contains(&Pattern::Missing));
                }
                if field.kind.has_order() {
                    return None;
                }
                let folded = fold(value.text());
                exact(patterns.iter().any(|pattern| pattern.passes(&folded)))
            }
            Self::Name(at, patterns) => {
                let Row::Instance(row) = row else { return None };
                let folded = row.lower().split('\0').nth(*at).unwrap_or_default();
                exact(patterns.iter().any(|pattern| pattern.passes(folded)))
            }
            Self::Of(of, ids, none) => {
                let Row::Instance(row) = row else { return None };
                let id = match of {
                    Of::Server => Some(row.server.0),
                    Of::Template => row.template().map(|id| id.0),
                    Of::Plan => row.plan().map(|id| id.0),
                    Of::Customer => row.customer().map(|id| id.0),
                };
                exact(id.map_or(*none, |id| ids.contains(&id)))
            }
            Self::Numbers(field, from, to) => {
                let number = (field.get)(store, row).number()?;
                exact((*from..=*to).contains(&number))
            }
            Self::Times(field, from, to) => match (field.get)(store, row) {
                Value::Time(at) => exact((*from..*to).contains(&at.as_second())),
                _ => None,
            },
        }
    }
}

impl Word {
    fn passes(&self, store: &Store, row: Row<'_>) -> Option<Pass> {
        if let Row::Instance(instance) = row {
            let of = |id: Option<i64>, ids: &IdSet| !ids.is_empty() && id.is_some_and(|id| ids.contains(&id));
            let (ServerId(server), plan, customer) = (instance.server, instance.plan(), instance.customer());
            let exact = self.needle.is_in(instance.lower())
                || self.needle.is_in(instance.state.word())
                || of(Some(server), &self.servers)
                || of(plan.map(|PlanId(id)| id), &self.plans)
                || of(customer.map(|CustomerId(id)| id), &self.customers);
            return match exact {
                true => Some(Pass::Exact),
                false => self.needle.abbreviates(instance.lower()).then_some(Pass::Fuzzy),
            };
        }
        let mut fuzzy = false;
        for field in fields(self.list).iter().filter(|field| field.free) {
            let value = (field.get)(store, row);
            let folded = fold(value.text());
            if self.needle.is_in(&folded) {
                return Some(Pass::Exact);
            }
            fuzzy |= self.needle.abbreviates(&folded);
        }
        if let Row::Job(job) = row
            && self.needle.is_in(&job.id.to_string())
        {
            return Some(Pass::Exact);
        }
        fuzzy.then_some(Pass::Fuzzy)
    }
}
