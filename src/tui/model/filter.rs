//! What a filter's text means: words that all have to be there, `!word` that may not. Letters'
//! case doesn't matter.

/// A filter as typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    text: String,
    with: Vec<String>,
    without: Vec<String>,
}

impl Filter {
    /// From its text.
    pub fn new(text: &str) -> Self {
        let mut filter = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        for word in text.split_whitespace() {
            match word.strip_prefix('!') {
                Some("") => {}
                Some(word) => filter.without.push(word.to_lowercase()),
                None => filter.with.push(word.to_lowercase()),
            }
        }
        filter
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }

    /// Whether everything that passes this passes `before` too, so that only its matches need to be
    /// looked at again.
    pub fn narrows(&self, before: &Self) -> bool {
        let covered = |old: &String| self.with.iter().any(|new| new.contains(old.as_str()));
        before.with.iter().all(covered) && before.without.iter().all(|old| self.without.contains(old))
    }

    /// Whether something passes; `lower` is its text in lowercase, `word` its state's word.
    pub fn passes(&self, lower: &str, word: &str) -> bool {
        self.with.iter().all(|w| find(lower, w) || word.contains(w.as_str()))
            && !self.without.iter().any(|w| find(lower, w) || word.contains(w.as_str()))
    }

    /// Where its words are in `text`, as ranges of bytes, in order and apart.
    pub fn hits(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        // Lowercase may change lengths (İ); then positions would be another text's.
        let lower = text.to_lowercase();
        if self.with.is_empty() || lower.len() != text.len() {
            return Vec::new();
        }
        let mut hits: Vec<std::ops::Range<usize>> = self
            .with
            .iter()
            .flat_map(|word| {
                lower
                    .match_indices(word.as_str())
                    .map(|(at, found)| at..at + found.len())
            })
            .filter(|hit| text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end))
            .collect();
        hits.sort_by_key(|hit| hit.start);
        let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
        for hit in hits {
            match apart.last_mut() {
                Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
                _ => apart.push(hit),
            }
        }
        apart
    }
}

/// Whether `text` has `word`. Made for a hundred thousand short texts a keystroke: setting up
/// std's searcher costs more than looking through a name does.
fn find(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some((first, rest)) = word.split_first() else {
        return true;
    };
    if text.len() < word.len() {
        return false;
    }
    let last = text.len() - rest.len();
    text[..last]
        .iter()
        .enumerate()
        .any(|(at, byte)| byte == first && text[at + 1..].starts_with(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_all_needed_and_bangs_leave_out() {
        let filter = Filter::new("Ac  !nord");
        assert!(filter.passes("acme\0acme\0acme", "active"));
        assert!(!filter.passes("acme-nord", "active"));
        assert!(
            Filter::new("failed").passes("acme", "failed"),
            "the state's word counts"
        );
        assert!(!Filter::new("!failed").passes("acme", "failed"));
        assert!(Filter::new("  ! ").is_empty());
        assert!(Filter::new("é").passes("caf\u{e9}", ""));
    }

    #[test]
    fn narrowing_is_only_claimed_where_it_is_true() {
        let narrows = |new: &str, old: &str| Filter::new(new).narrows(&Filter::new(old));
        assert!(narrows("acm", "ac"));
        assert!(narrows("ac nord", "ac"));
        assert!(narrows("ac", ""));
        assert!(!narrows("a", "ac"));
        assert!(narrows("ac !no", "ac"));
        assert!(!narrows("ac !nor", "ac !no"), "leaving out less lets more through");
    }

    #[test]
    fn hits_are_where_the_words_are() {
        assert_eq!(Filter::new("co an").hits("Client Comptoir Anna"), vec![7..9, 16..18]);
        assert_eq!(Filter::new("lie ien").hits("Client"), vec![1..5]);
        assert!(Filter::new("i").hits("İi").is_empty());
        assert!(Filter::new("").hits("x").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn find_is_contains(text in "[ab]{0,12}", word in "[ab]{0,4}") {
            proptest::prop_assert_eq!(find(&text, &word), text.contains(&word));
        }
    }
}
