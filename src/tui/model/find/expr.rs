//! What a filter's text says, before it is known which list it is for.
//!
//! ```text
//! filter = all { "OR" all }                 also |
//! all    = one { ["AND"] one }
//! one    = ("-" | "!" | "NOT") one | "(" filter ")" | compare | word
//! compare = NAME ("=" | "!=" | "~" | "!~" | ">" | ">=" | "<" | "<=") value { "," value }
//! word   = TEXT | "\"" TEXT "\""
//! ```

use std::fmt;
use std::ops::Range;

/// Where something stands in the text, in bytes. Two trees are the same wherever they stood.
#[derive(Debug, Clone, Default)]
pub struct Span(pub Range<usize>);

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Is (like) one of these.
    Is,
    /// Is none of these.
    IsNot,
    /// Contains.
    Has,
    /// Does not contain.
    HasNot,
    /// Is more.
    More,
    /// Is not less.
    AtLeast,
    /// Is less.
    Less,
    /// Is not more.
    AtMost,
}

impl Op {
    /// All of them, those that begin like another one first.
    pub const ALL: [Self; 8] = [
        Self::IsNot,
        Self::HasNot,
        Self::AtLeast,
        Self::AtMost,
        Self::Is,
        Self::Has,
        Self::More,
        Self::Less,
    ];

    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Has => "~",
            Self::HasNot => "!~",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
        }
    }
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// Its text, without quotes.
    pub text: String,
    /// Whether it was quoted: then `*` is a star, and `none` a word.
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// A column compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// The column's name as written.
    pub name: String,
    /// Where it stands.
    pub name_span: Span,
    /// How.
    pub op: Op,
    /// With what; at least one.
    pub values: Vec<Literal>,
}

/// A filter's meaning.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of these; of none of them: everything.
    And(Vec<Expr>),
    /// One of these.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// A word anywhere in the row; `true`: quoted, and looked for exactly.
    Word(String, bool),
    /// A column compared.
    Compare(Compare),
}

impl Default for Expr {
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl Expr {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::And(all) if all.is_empty())
    }
}

/// Whether a text can stand as a word without quotes.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !matches!(text, "AND" | "OR" | "NOT")
        && !text.starts_with(['-', '!'])
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')' | '|'))
        && super::parse::operator(text).is_none()
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted {
            return Quoted(&self.text).fmt(f);
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Expr {
    /// Its text in one form: parsed again it is the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn inner(expr: &Expr, f: &mut fmt::Formatter<'_>, apart: bool) -> fmt::Result {
            match expr {
                Expr::And(_) | Expr::Or(_) if apart => write!(f, "({expr})"),
                _ => expr.fmt(f),
            }
        }
        match self {
            Self::And(all) => {
                for (at, each) in all.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" ")?;
                    }
                    inner(each, f, true)?;
                }
                Ok(())
            }
            Self::Or(any) => {
                for (at, each) in any.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" OR ")?;
                    }
                    inner(each, f, matches!(each, Self::Or(_)))?;
                }
                Ok(())
            }
            Self::Not(not) => {
                f.write_str("-")?;
                inner(not, f, true)
            }
            Self::Word(text, false) if is_plain(text) => f.write_str(text),
            Self::Word(text, _) => Quoted(text).fmt(f),
            Self::Compare(compare) => {
                write!(f, "{}{}", compare.name, compare.op.sign())?;
                for (at, value) in compare.values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    value.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct FilterError {
    /// Where in the text, in bytes; may be its end.
    pub at: Range<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
    /// Whether it is only not complete yet.
    pub unfinished: bool,
}

impl FilterError {
    /// At a place of the text.
    pub fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
            unfinished: false,
        }
    }

    /// At the end of the text, where something has to follow.
    pub fn unfinished(at: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            unfinished: true,
            ..Self::new(at, what)
        }
    }
}
