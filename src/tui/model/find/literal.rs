//! Values as operators write them: lengths of time, sizes, shares, days.

use jiff::civil::Date;

/// What a day is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// So many seconds ago.
    Ago(i64),
    /// That day, in the operator's time zone.
    Day(Date),
    /// So many days before today.
    DaysBack(i32),
}

/// A number and what stands behind it; `None` where it begins with none.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number = text[..end].parse::<f64>().ok()?;
    Some((number, text[end..].trim()))
}

/// A plain number; `90`, `1.5`, `10k`.
pub(super) fn number(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    match unit {
        "" => Some(number),
        "k" | "K" => Some(number * 1e3),
        "M" => Some(number * 1e6),
        _ => None,
    }
}

/// A share: `90` or `90%`.
pub(super) fn percent(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    matches!(unit, "" | "%").then_some(number)
}

/// A size in bytes: `10MB`, `1.5G`, `1GiB`, `500` (bytes).
pub(super) fn bytes(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_ascii_lowercase();
    let (step, letter) = match unit.strip_suffix("ib") {
        Some(letter) => (1024.0_f64, letter),
        None => (1000.0, unit.strip_suffix('b').unwrap_or(&unit)),
    };
    let power = match letter {
        "" if unit.len() < 2 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    Some(number * step.powi(power))
}

/// A length of time in seconds: `90s`, `15m`, `2h`, `1d12h`, `3w`, `2y`; with a blank in no place.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let (number, behind) = split(rest)?;
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let unit = match &behind[..end] {
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" => 7.0 * 86_400.0,
            "mo" => 30.0 * 86_400.0,
            "y" => 365.0 * 86_400.0,
            _ => return None,
        };
        total += number * unit;
        rest = &behind[end..];
    }
    (!text.is_empty()).then_some(total)
}

/// A length of time in milliseconds: as [`seconds`], and `200ms`, `200`.
pub(super) fn millis(text: &str) -> Option<f64> {
    match split(text)? {
        (number, "" | "ms") => Some(number),
        _ => seconds(text).map(|seconds| seconds * 1000.0),
    }
}

/// A moment: an age (`2h`), a day (`2026-11-21`), `today`, `yesterday`.
pub(super) fn when(text: &str) -> Option<When> {
    match text {
        "today" => return Some(When::DaysBack(0)),
        "yesterday" => return Some(When::DaysBack(1)),
        _ => {}
    }
    if let Ok(day) = text.parse::<Date>() {
        return Some(When::Day(day));
    }
    // Further back than any registry reaches, and far from where numbers end.
    let seconds = seconds(text)?.min(1e11);
    Some(When::Ago(seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_operators_write_them() {
        assert_eq!(number("90"), Some(90.0));
        assert_eq!(number("1.5k"), Some(1500.0));
        assert_eq!(number("x"), None);
        assert_eq!(number("9 apples"), None);
        assert_eq!(percent("90%"), Some(90.0));
        assert_eq!(bytes("10MB"), Some(1e7));
        assert_eq!(bytes("1.5g"), Some(1.5e9));
        assert_eq!(bytes("1GiB"), Some(1_073_741_824.0));
        assert_eq!(bytes("500"), Some(500.0));
        assert_eq!(bytes("5B"), Some(5.0));
        assert_eq!(bytes("5ib"), None);
        assert_eq!(bytes("1 parsec"), None);
        assert_eq!(seconds("90s"), Some(90.0));
        assert_eq!(seconds("1d12h"), Some(129_600.0));
        assert_eq!(seconds("2"), None, "a length of time has a unit");
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("2h30"), None);
        assert_eq!(millis("200"), Some(200.0));
        assert_eq!(millis("2s"), Some(2000.0));
        assert_eq!(when("2h"), Some(When::Ago(7200)));
        assert_eq!(when("yesterday"), Some(When::DaysBack(1)));
        assert_eq!(when("2026-11-21"), Some(When::Day(jiff::civil::date(2026, 11, 21))));
        assert_eq!(when("2026-13-21"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_value_panics(text in "\\PC{0,12}") {
            let _ = (number(&text), percent(&text), bytes(&text), millis(&text), when(&text));
        }

        #[test]
        fn nothing_like_a_value_panics(text in "[0-9.]{0,30}[a-z%]{0,3}[0-9]{0,3}[a-z]{0,2}") {
            let _ = (number(&text), percent(&text), bytes(&text), millis(&text), when(&text));
        }
    }
}
