//! A length of time as an operator types it: `500ms`, `90s`, `10m`, `2h`, `30d`.

use std::time::Duration;

/// The units, the shortest first, in milliseconds.
pub const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The time that `text` says: digits, then a unit of [`UNITS`] (or `min`); nothing where it says none,
/// or nil. What a place allows at most is for that place to say.
pub fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit.trim() {
        "min" => "m",
        unit => unit,
    };
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
    let ms = number.parse::<u64>().ok()?.checked_mul(*factor)?;
    (ms > 0).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::time::Duration;

    #[test]
    fn a_number_and_a_unit_are_a_time_and_nothing_else_is() {
        let known = [
            ("500ms", 500),
            ("90s", 90_000),
            (" 10 min ", 600_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
        ];
        for (text, ms) in known {
            assert_eq!(read(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for wrong in [
            "",
            "10",
            "m",
            "0s",
            "-1m",
            "1.5h",
            "2w",
            "1h30m",
            "99999999999999999999h",
            "18446744073709551615d",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
