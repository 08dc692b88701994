//! From a filter's text to its meaning. Never panics, whatever is typed or pasted; what is not
//! complete yet is an error with its place.

use super::expr::{Compare, Expr, FilterError, Literal, Op, Span};
use std::ops::Range;

/// Deepest nesting of parentheses and negations.
const DEEPEST: usize = 40;
/// Longest text, bytes.
const LONGEST: usize = 2000;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Or,
    And,
    Not,
    Word {
        text: String,
        quoted: bool,
    },
    Compare {
        name: Range<usize>,
        op: Op,
        values: Vec<Literal>,
    },
}

/// A name and an operator at the beginning of a text: how long the name is, and which operator.
pub(super) fn operator(text: &str) -> Option<(usize, Op)> {
    let name = text
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        .count();
    if name == 0 || !text.as_bytes()[0].is_ascii_alphabetic() {
        return None;
    }
    let rest = &text[name..];
    Op::ALL
        .into_iter()
        .find(|op| rest.starts_with(op.sign()))
        .map(|op| (name, op))
}

/// Where a word without quotes ends.
fn word_end(text: &str, from: usize, comma: bool) -> usize {
    text[from..]
        .char_indices()
        .find(|(_, c)| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '"') || comma && *c == ',')
        .map_or(text.len(), |(at, _)| from + at)
}

/// A quoted text that begins at `from`: what it says, and where it ends.
fn quoted(text: &str, from: usize) -> Result<(String, usize), FilterError> {
    let mut out = String::new();
    let mut chars = text[from + 1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, from + 1 + at + 1)),
            '\\' => match chars.next() {
                Some((_, c)) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(FilterError::new(
        from..text.len(),
        "the quote is not closed: \" is missing",
    ))
}

fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, FilterError> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let one = |token| (token, at..at + c.len_utf8());
        match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => out.push(one(Token::Open)),
            ')' => out.push(one(Token::Close)),
            '|' => out.push(one(Token::Or)),
            '-' | '!' => {
                // Alone it is the beginning of something: not a mistake yet.
                if rest[1..]
                    .chars()
                    .next()
                    .is_some_and(|next| !next.is_whitespace() && next != ')')
                {
                    out.push(one(Token::Not));
                }
            }
            '"' => {
                let (word, end) = quoted(text, at)?;
                out.push((
                    Token::Word {
                        text: word,
                        quoted: true,
                    },
                    at..end,
                ));
                at = end;
                continue;
            }
            _ => {
                let (token, end) = match operator(rest) {
                    Some((name, op)) => {
                        let (values, end) = values(text, at + name + op.sign().len())?;
                        (
                            Token::Compare {
                                name: at..at + name,
                                op,
                                values,
                            },
                            end,
                        )
                    }
                    None => {
                        let end = word_end(text, at, false);
                        let token = match &text[at..end] {
                            "AND" => Token::And,
                            "OR" => Token::Or,
                            "NOT" => Token::Not,
                            word => Token::Word {
                                text: word.to_owned(),
                                quoted: false,
                            },
                        };
                        (token, end)
                    }
                };
                out.push((token, at..end));
                at = end;
                continue;
            }
        }
        at += c.len_utf8();
    }
    Ok(out)
}

/// The values behind an operator, and where they end.
fn values(text: &str, from: usize) -> Result<(Vec<Literal>, usize), FilterError> {
    let mut out = Vec::new();
    let mut at = from;
    loop {
        let (literal, end) = if text[at..].starts_with('"') {
            let (value, end) = quoted(text, at)?;
            (
                Literal {
                    text: value,
                    quoted: true,
                    span: Span(at..end),
                },
                end,
            )
        } else {
            let end = word_end(text, at, true);
            if end == at {
                let missing = if at == text.len() {
                    FilterError::unfinished
                } else {
                    FilterError::new
                };
                return Err(missing(at..at, "a value is missing here"));
            }
            let value = text[at..end].to_owned();
            (
                Literal {
                    text: value,
                    quoted: false,
                    span: Span(at..end),
                },
                end,
            )
        };
        out.push(literal);
        at = end;
        if !text[at..].starts_with(',') {
            return Ok((out, at));
        }
        at += 1;
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

/// What a filter's text says.
///
/// # Errors
/// What is wrong with it or missing, and where.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.len() > LONGEST {
        return Err(FilterError::new(
            0..0,
            format!("a filter has at most {LONGEST} letters"),
        ));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some((_, at)) => Err(FilterError::new(at.clone(), "this ) has no ( before it")),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn here(&self) -> Range<usize> {
        let end = self.text.len();
        self.tokens.get(self.at).map_or(end..end, |(_, at)| at.clone())
    }

    fn any(&mut self) -> Result<Expr, FilterError> {
        if self.tokens.is_empty() {
            return Ok(Expr::default());
        }
        let mut any = vec![self.all()?];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            any.push(self.all()?);
        }
        Ok(match (any.len(), any.pop()) {
            (1, Some(one)) => one,
            (_, Some(last)) => {
                any.push(last);
                Expr::Or(any)
            }
            (_, None) => Expr::default(),
        })
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.one()?];
        loop {
            match self.peek() {
                Some(Token::And) => {
                    self.at += 1;
                    all.push(self.one()?);
                }
                None | Some(Token::Or | Token::Close) => break,
                Some(_) => all.push(self.one()?),
            }
        }
        Ok(match (all.len(), all.pop()) {
            (1, Some(one)) => one,
            (_, Some(last)) => {
                all.push(last);
                Expr::And(all)
            }
            (_, None) => Expr::default(),
        })
    }

    fn one(&mut self) -> Result<Expr, FilterError> {
        let here = self.here();
        if self.depth >= DEEPEST {
            return Err(FilterError::new(here, "too many levels"));
        }
        let Some(token) = self.peek().cloned() else {
            return Err(FilterError::unfinished(here, "something is missing here"));
        };
        self.at += 1;
        self.depth += 1;
        let expr = match token {
            Token::Word { text, quoted } => Expr::Word(text, quoted),
            Token::Compare { name, op, values } => Expr::Compare(Compare {
                name: self.text[name.clone()].to_owned(),
                name_span: Span(name),
                op,
                values,
            }),
            Token::Not => Expr::Not(Box::new(self.one()?)),
            Token::Open => {
                let expr = if self.peek() == Some(&Token::Close) {
                    return Err(FilterError::new(here, "nothing stands between these ( )"));
                } else {
                    self.any()?
                };
                if self.peek() != Some(&Token::Close) {
                    return Err(FilterError::new(here, "this ( is not closed: ) is missing"));
                }
                self.at += 1;
                expr
            }
            Token::Close => return Err(FilterError::new(here, "this ) has no ( before it, or nothing in it")),
            Token::And => return Err(FilterError::new(here, "AND stands between two things")),
            Token::Or => return Err(FilterError::new(here, "OR stands between two things")),
        };
        self.depth -= 1;
        Ok(expr)
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
