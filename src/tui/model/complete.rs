//! What a filter's text can go on with: names of columns, and words that are their values.

use super::find::{Field, Kind, Op, fields};
use super::tabs::ListId;

/// The word that ends at the cursor: where it begins, and what may stand there.
fn candidates(list: ListId, text: &str, cursor: usize) -> (usize, Vec<String>) {
    let before = text.get(..cursor).unwrap_or(text);
    let start = before
        .rfind(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|'))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let negated = word.len() - word.trim_start_matches(['-', '!']).len();
    let (start, word) = (start + negated, &word[negated..]);
    let compared = Op::ALL
        .into_iter()
        .filter_map(|op| word.find(op.sign()).map(|at| (at, op.sign().len())))
        .min_by_key(|(at, len)| (*at, std::cmp::Reverse(*len)));
    if let Some((at, len)) = compared {
        let name = &word[..at];
        let values = &word[at + len..];
        let value_at = values.rfind(',').map_or(0, |at| at + 1);
        let begun = &values[value_at..];
        let words: &[&str] = match fields(list).iter().find(|field| field.is_called(name)) {
            Some(Field {
                kind: Kind::Word(words),
                ..
            }) => words,
            _ => &[],
        };
        let found = words.iter().filter(|word| word.starts_with(begun));
        return (
            start + at + len + value_at,
            found.map(|word| (*word).to_owned()).collect(),
        );
    }
    let found = fields(list).iter().filter(|field| field.name.starts_with(word));
    (start, found.map(|field| field.name.to_owned()).collect())
}

/// What may stand at the cursor, for the line below it.
pub fn suggestions(list: ListId, text: &str, cursor: usize) -> Vec<String> {
    candidates(list, text, cursor).1
}

/// The text with the word at the cursor completed as far as it is certain, and where the cursor (in
/// characters) is then. `None` where nothing is to be added. `cursor` is in bytes.
pub fn complete(list: ListId, text: &str, cursor: usize) -> Option<(String, usize)> {
    let (start, found) = candidates(list, text, cursor);
    let first = found.first()?;
    let common = found.iter().skip(1).fold(first.len(), |len, other| {
        let same = first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        len.min(same)
    });
    let mut added = first.get(..common)?.to_owned();
    let is_name = fields(list).iter().any(|field| field.name == added);
    let value = text.get(..start)?.ends_with(['=', '~', '<', '>', ',']);
    if found.len() == 1 && is_name && !value {
        // A name alone is only a word: what compares comes next.
        let field = fields(list).iter().find(|field| field.name == added)?;
        added.push_str(if field.kind.has_order() { ">" } else { "=" });
    } else if found.len() == 1 && value {
        added.push(' ');
    }
    let (head, tail) = (text.get(..start)?, text.get(cursor..)?);
    if text.get(start..cursor)? == added {
        return None;
    }
    let cursor = head.chars().count() + added.chars().count();
    Some((format!("{head}{added}{tail}"), cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words_are_completed_as_far_as_they_are_certain() {
        let done = |text: &str| complete(ListId::Servers, text, text.len()).map(|(text, _)| text);
        assert_eq!(done("sta").as_deref(), Some("state="));
        assert_eq!(done("state=off").as_deref(), Some("state=offline "));
        assert_eq!(
            done("-state=offline,ma").as_deref(),
            Some("-state=offline,maintenance ")
        );
        assert_eq!(done("c"), None, "code, capacity or checked");
        assert_eq!(done("cap").as_deref(), Some("capacity>"));
        assert_eq!(done("acme (hea").as_deref(), Some("acme (health="));
        assert_eq!(done("zzz"), None);
        assert_eq!(done("url=x"), None);
        assert_eq!(
            complete(ListId::Servers, "sta acme", 3),
            Some(("state= acme".to_owned(), 6))
        );
        assert_eq!(suggestions(ListId::Servers, "health=", 7).len(), 4);
        assert!(suggestions(ListId::Jobs, "", 0).contains(&"state".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(\\PC|state=|-|\\(|,| ){0,12}", at in 0usize..40) {
            let cursor = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(at).unwrap_or(text.len());
            if let Some((done, _)) = complete(ListId::Servers, &text, cursor) {
                proptest::prop_assert!(done.len() >= text.len());
            }
        }
    }
}
