//! The second line of defence: takes known secrets out of texts on their way to logs and screens.

use crate::domain::Secret;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// Values shorter than this are left alone: replacing every `admin` or `odoo` would make logs
/// unreadable and tell the password at the same time.
const SHORTEST: usize = 6;
/// Most values that are remembered; the oldest go first.
const MOST: usize = 1024;
/// What stands in a secret's place.
const MARK: &str = "‹secret›";

/// Replaces secrets by a mark. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<VecDeque<Secret>>>,
}

impl Redactor {
    /// Remembers a value, and how it looks inside a JSON string.
    pub fn add(&self, secret: &Secret) {
        let value = secret.expose();
        let quoted = serde_json::Value::from(value).to_string();
        let escaped = quoted.trim_matches('"');
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for form in [value, escaped] {
            if form.len() >= SHORTEST && !known.iter().any(|k| k.expose() == form) {
                known.push_back(Secret::new(form.to_owned()));
            }
        }
        while known.len() > MOST {
            known.pop_front();
        }
    }

    /// The text without the secrets in it. Borrowed where there are none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&str> = known
            .iter()
            .map(Secret::expose)
            .filter(|value| text.contains(value))
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // The longest first: one may be a part of another.
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut out = text.to_owned();
        for value in found {
            out = out.replace(value, MARK);
        }
        Cow::Owned(out)
    }
}
