//! Finding: the language of filters, what lists can be filtered and sorted by, and which rows that
//! leaves.

mod alerts;
mod audit;
mod catalog;
mod expr;
mod field;
mod filter;
mod fold;
mod instances;
mod literal;
mod parse;
mod run;
mod tables;
mod test;
#[cfg(test)]
mod tests;

pub use expr::{Compare, Expr, FilterError, Literal, Op, Span};
pub use field::{Field, Kind, Row, Value, field, fields};
pub use filter::Filter;
pub use fold::fold;
pub use parse::parse;
pub(super) use run::{Base, Passed};
pub use run::{Found, Request, Sort, passing};
