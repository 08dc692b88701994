//! Texts as they are looked through: without case and accents, so that `lumiere` finds `Lumière`; and
//! where in a text a word is found, whole or, where it is nowhere whole, as an abbreviation.

use std::ops::Range;

/// Shorter words are only looked for as they stand.
const SHORTEST_FUZZY: usize = 3;
/// So many characters may lie between the letters of an abbreviation, in all.
const GAPS: usize = 8;

/// A character without case and accent.
fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    nucleo_matcher::chars::normalize(nucleo_matcher::chars::to_lower_case(c))
}

/// A text without case and accents. It has as many characters as before, not as many bytes.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(fold_char).collect()
}

/// Something to look for, made ready once and looked for a hundred thousand times.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    text: String,
    finder: memchr::memmem::Finder<'static>,
    fuzzy: bool,
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.fuzzy == other.fuzzy
    }
}

impl Needle {
    /// `exact`: only as it stands.
    pub(super) fn new(text: &str, exact: bool) -> Self {
        let text = fold(text);
        Self {
            finder: memchr::memmem::Finder::new(text.as_bytes()).into_owned(),
            // Letters alone: in other scripts a letter is more than a byte, and says more too.
            fuzzy: !exact && text.len() >= SHORTEST_FUZZY && text.bytes().all(|b| b.is_ascii_alphanumeric()),
            text,
        }
    }

    /// What is looked for, folded.
    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is in a folded text as it stands.
    pub(super) fn is_in(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }

    /// Whether it abbreviates a part of a folded text: its letters in order, from the beginning of a
    /// word, close together. A NUL is never crossed.
    pub(super) fn abbreviates(&self, folded: &str) -> bool {
        self.fuzzy && abbreviation(folded.as_bytes(), self.text.as_bytes(), |_| {})
    }

    /// Whether everything that has this has `other` too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self.fuzzy, other.fuzzy) {
            (_, true) => self.text.starts_with(&other.text),
            (false, false) => self.text.contains(&other.text),
            // A short word is looked for as it stands, a longer one may be an abbreviation.
            (true, false) => false,
        }
    }

    /// Where it is in a text, as ranges of its bytes, in order; where it is an abbreviation, a range
    /// for every letter.
    pub(super) fn hits(&self, text: &str) -> Vec<Range<usize>> {
        if self.text.is_empty() {
            return Vec::new();
        }
        let map = Mapped::new(text);
        let whole: Vec<Range<usize>> = self
            .finder
            .find_iter(map.folded.as_bytes())
            .filter_map(|at| map.range(at..at + self.text.len()))
            .collect();
        if !whole.is_empty() || !self.fuzzy {
            return whole;
        }
        let mut letters = Vec::new();
        if !abbreviation(map.folded.as_bytes(), self.text.as_bytes(), |at| letters.push(at)) {
            return Vec::new();
        }
        letters.into_iter().filter_map(|at| map.range(at..at + 1)).collect()
    }
}

/// A folded text, and which byte of it came from which of the original.
struct Mapped {
    folded: String,
    /// Empty where every byte is where it was.
    from: Vec<u32>,
}

impl Mapped {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self {
                folded: text.to_ascii_lowercase(),
                from: Vec::new(),
            };
        }
        let mut folded = String::with_capacity(text.len());
        let mut from = Vec::with_capacity(text.len() + 1);
        for (at, c) in text.char_indices() {
            folded.push(fold_char(c));
            from.resize(folded.len(), u32::try_from(at).unwrap_or(u32::MAX));
        }
        from.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        Self { folded, from }
    }

    fn range(&self, folded: Range<usize>) -> Option<Range<usize>> {
        if self.from.is_empty() {
            return Some(folded);
        }
        if !self.folded.is_char_boundary(folded.start) || !self.folded.is_char_boundary(folded.end) {
            return None;
        }
        let at = |at: usize| self.from.get(at).map(|at| *at as usize);
        Some(at(folded.start)?..at(folded.end)?)
    }
}

/// Looks for the letters of `word` in `text`, in order, from the beginning of a word on, with few
/// others between them. Tells where each is.
fn abbreviation(text: &[u8], word: &[u8], mut found: impl FnMut(usize)) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return false;
    };
    let longest = word.len() + GAPS;
    for start in memchr::memchr_iter(*first, text) {
        let begins = start == 0 || text.get(start - 1).is_none_or(|before| !before.is_ascii_alphanumeric());
        if !begins {
            continue;
        }
        let end = (start + longest).min(text.len());
        let window = text.get(start + 1..end).unwrap_or_default();
        let mut wanted = rest.iter();
        let mut next = wanted.next();
        for byte in window {
            match next {
                None => break,
                Some(_) if *byte == 0 => break,
                Some(letter) if letter == byte => next = wanted.next(),
                Some(_) => {}
            }
        }
        if next.is_some() {
            continue;
        }
        found(start);
        let mut wanted = rest.iter().peekable();
        for (at, byte) in window.iter().enumerate() {
            if wanted.peek() == Some(&byte) {
                found(start + 1 + at);
                wanted.next();
            }
        }
        return true;
    }
    false
}

/// Ranges in order and apart.
pub(super) fn merged(mut hits: Vec<Range<usize>>) -> Vec<Range<usize>> {
    hits.sort_by_key(|hit| hit.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        match apart.last_mut() {
            Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
            _ => apart.push(hit),
        }
    }
    apart
}

/// Whether a folded text is like a folded pattern, in which `*` stands for anything and `?` for one
/// character.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    if text.is_ascii() && pattern.is_ascii() {
        return alike(text.as_bytes(), pattern.as_bytes(), b'*', b'?');
    }
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    alike(&text, &pattern, '*', '?')
}

fn alike<T: PartialEq + Copy>(text: &[T], pattern: &[T], anything: T, one: T) -> bool {
    let (mut t, mut p) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(c) if *c == anything => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == one || text.get(t) == Some(c) => {
                t += 1;
                p += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == anything)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_matter() {
        assert_eq!(fold("École LUMIÈRE"), "ecole lumiere");
        assert!(Needle::new("Lumiere", false).is_in(&fold("Boulangerie Lumière")));
        assert!(Needle::new("é", false).is_in(&fold("cafe")));
        assert_eq!(fold("東京"), "東京");
    }

    #[test]
    fn an_abbreviation_begins_a_word_and_stays_close() {
        let finds = |word: &str, text: &str| Needle::new(word, false).abbreviates(&fold(text));
        assert!(finds("bnord", "Bistro Nord"));
        assert!(finds("sroch", "Agence Saint-Roch"));
        assert!(!finds("ist", "Bistro xist"), "not from a word's beginning");
        assert!(!finds("bn", "Bistro Nord"), "two letters are looked for as they stand");
        assert!(!finds("bro", "bxxxxxxxxxxxxxrxo"), "too far apart");
        assert!(!finds("ab1", "a b\u{0}1"), "never from one name into the next");
        assert!(!Needle::new("bnord", true).abbreviates("bistro nord"));
    }

    #[test]
    fn hits_are_where_the_letters_are() {
        let hits = |word: &str, text: &str| merged(Needle::new(word, false).hits(text));
        assert_eq!(hits("co", "Client Comptoir"), vec![7..9]);
        assert_eq!(hits("lumiere", "La Lumière!"), vec![3..11]);
        assert_eq!(hits("bnd", "Bistro Nord"), vec![0..1, 7..8, 10..11]);
        assert_eq!(hits("i", "İi"), vec![2..3]);
        assert!(hits("", "x").is_empty());
    }

    #[test]
    fn globs() {
        for (text, pattern, is) in [
            ("prod-1", "prod-*", true),
            ("prod-1", "*-1", true),
            ("prod-1", "prod-?", true),
            ("prod-12", "prod-?", false),
            ("prod-1", "prod-1", true),
            ("prod-10", "prod-1", false),
            ("", "*", true),
            ("", "?", false),
            ("abcabc", "*abc", true),
            ("aXbXc", "a*b*c", true),
            ("日本", "日?", true),
        ] {
            assert_eq!(like(text, pattern), is, "{text} {pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_is_there_and_in_order(text in "\\PC{0,24}", word in "\\PC{0,6}") {
            let needle = Needle::new(&word, false);
            let hits = needle.hits(&text);
            let folded = fold(&text);
            let found = !needle.text().is_empty() && (needle.is_in(&folded) || needle.abbreviates(&folded));
            proptest::prop_assert_eq!(found, !hits.is_empty());
            let mut before = 0;
            for hit in merged(hits) {
                proptest::prop_assert!(hit.start >= before && text.get(hit.clone()).is_some());
                before = hit.end;
            }
        }

        #[test]
        fn covering_is_only_claimed_where_it_is_true(
            text in "[ab ]{0,14}", word in "[ab]{1,5}", other in "[ab]{1,5}",
        ) {
            let (word, other) = (Needle::new(&word, false), Needle::new(&other, false));
            let found = |needle: &Needle| needle.is_in(&text) || needle.abbreviates(&text);
            if word.covers(&other) && found(&word) {
                proptest::prop_assert!(found(&other));
            }
        }
    }
}
