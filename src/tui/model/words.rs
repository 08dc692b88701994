//! Times, lengths and sizes in words.

use super::Now;

/// A time of day, with its date where that isn't today.
pub fn when(at: jiff::Timestamp, now: &Now) -> String {
    let (then, today) = (at.to_zoned(now.tz.clone()), now.wall.to_zoned(now.tz.clone()));
    let format = if then.date() == today.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    then.strftime(format).to_string()
}

/// How long ago something was, in the largest unit that says enough.
pub fn age(at: jiff::Timestamp, now: &Now) -> String {
    let seconds = now.wall.as_second().saturating_sub(at.as_second()).max(0);
    match seconds {
        0..=59 => "just now".to_owned(),
        60..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A length of time, short.
pub fn took(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=59_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// A size, short.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while value >= 1000 && unit + 1 < UNITS.len() {
        rest = value % 1000 / 100;
        value /= 1000;
        unit += 1;
    }
    let unit_word = UNITS.get(unit).copied().unwrap_or("B");
    if unit >= 3 && value < 100 {
        format!("{value}.{rest} {unit_word}")
    } else {
        format!("{value} {unit_word}")
    }
}
