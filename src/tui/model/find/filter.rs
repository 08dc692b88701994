//! A filter as typed and as meant.

use super::super::Now;
use super::super::fleet::Store;
use super::super::orders::ListId;
use super::expr::{Expr, FilterError, Op};
use super::fold::{Needle, merged};
use super::literal;
use super::parse::parse;
use super::test::{Scope, Test};
use std::ops::Range;

/// A filter that is right: what its text means in its list.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    text: String,
    list: ListId,
    expr: Expr,
    words: Vec<Needle>,
}

impl Filter {
    /// The one that lets everything through.
    pub fn none(list: ListId) -> Self {
        Self {
            text: String::new(),
            list,
            expr: Expr::default(),
            words: Vec::new(),
        }
    }

    /// From its text, for a list.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn new(list: ListId, text: &str) -> Result<Self, FilterError> {
        let expr = parse(text)?;
        let now = Now {
            wall: jiff::Timestamp::UNIX_EPOCH,
            mono: std::time::Duration::ZERO,
            tz: jiff::tz::TimeZone::UTC,
        };
        let store = Store::default();
        Scope {
            list,
            store: &store,
            now: &now,
        }
        .ready(&expr)?;
        let mut words = Vec::new();
        collect(&expr, &mut words);
        Ok(Self {
            text: text.trim().to_owned(),
            list,
            expr,
            words,
        })
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.expr.is_empty()
    }

    /// Made ready for what is there now.
    pub(super) fn ready(&self, store: &Store, now: &Now) -> Test {
        let scope = Scope {
            list: self.list,
            store,
            now,
        };
        // It was right when it was made; what a day is can still fail at the end of time.
        scope.ready(&self.expr).unwrap_or(Test::Or(Vec::new()))
    }

    /// Whether everything that passes this passes `before` too, so that only its matches need to be
    /// looked at again.
    pub fn narrows(&self, before: &Self) -> bool {
        let parts = |expr: &Expr| match expr {
            Expr::And(all) => all.clone(),
            one => vec![one.clone()],
        };
        let (new, old) = (parts(&self.expr), parts(&before.expr));
        self.list == before.list && old.iter().all(|old| new.iter().any(|new| implies(new, old)))
    }

    /// Words that every row that passes has as they stand.
    pub fn needed(&self) -> Vec<&str> {
        let all: &[Expr] = match &self.expr {
            Expr::And(all) => all,
            one => std::slice::from_ref(one),
        };
        all.iter()
            .filter_map(|expr| match expr {
                Expr::Word(text, _) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Whether what it lets through changes with the time alone.
    pub fn is_timed(&self) -> bool {
        fn timed(expr: &Expr) -> bool {
            match expr {
                Expr::And(all) | Expr::Or(all) => all.iter().any(timed),
                Expr::Not(not) => timed(not),
                Expr::Word(..) => false,
                Expr::Compare(compare) => compare
                    .values
                    .iter()
                    .any(|value| !matches!(literal::when(&value.text), None | Some(literal::When::Day(_)))),
            }
        }
        timed(&self.expr)
    }

    /// Where its words are in `text`, as ranges of bytes, in order and apart.
    pub fn hits(&self, text: &str) -> Vec<Range<usize>> {
        merged(self.words.iter().flat_map(|word| word.hits(text)).collect())
    }
}

fn implies(new: &Expr, old: &Expr) -> bool {
    match (new, old) {
        (Expr::Word(new, exact), Expr::Word(old, was_exact)) => {
            Needle::new(new, *exact).covers(&Needle::new(old, *was_exact))
        }
        (new, old) => new == old,
    }
}

/// What is marked in the rows: words that have to be there.
fn collect(expr: &Expr, words: &mut Vec<Needle>) {
    match expr {
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(|each| collect(each, words)),
        Expr::Word(text, exact) => words.push(Needle::new(text, *exact)),
        Expr::Compare(compare) if compare.op == Op::Has => {
            words.extend(compare.values.iter().map(|value| Needle::new(&value.text, true)));
        }
        Expr::Compare(_) | Expr::Not(_) => {}
    }
}
