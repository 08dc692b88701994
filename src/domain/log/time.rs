//! The time at the beginning of a line.

use jiff::Timestamp;

/// When a line says it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When; without a zone, as if it were UTC.
    pub at: Timestamp,
    /// Whether its zone is known: it was written, or the program is one that always writes UTC.
    pub sure: bool,
}

/// A stamp, and how many bytes of the text it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) stamp: Option<Stamp>,
    pub(super) len: usize,
    /// Whether a zone was written.
    pub(super) zone: bool,
    /// Whether the fraction was set off by a comma, as Python's logging does.
    pub(super) comma: bool,
}

fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |n, b| {
        b.is_ascii_digit()
            .then(|| n.checked_mul(10)?.checked_add(u32::from(b - b'0')))
            .flatten()
    })
}

fn field(text: &[u8], at: usize, len: usize) -> Option<u32> {
    number(text.get(at..at + len)?)
}

/// Seconds since the epoch of a civil date and time in UTC.
fn seconds(date: (u32, u32, u32), time: (u32, u32, u32)) -> Option<i64> {
    let (year, month, day) = date;
    let (hour, minute, second) = time;
    let valid = (1970..=9998).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !valid {
        return None;
    }
    let (y, m) = if month <= 2 {
        (i64::from(year) - 1, i64::from(month) + 9)
    } else {
        (i64::from(year), i64::from(month) - 3)
    };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * m + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
}

/// `14:02:09`, at this place.
fn clock(text: &[u8], at: usize) -> Option<(u32, u32, u32)> {
    let colons = text.get(at + 2) == Some(&b':') && text.get(at + 5) == Some(&b':');
    if !colons {
        return None;
    }
    Some((field(text, at, 2)?, field(text, at + 3, 2)?, field(text, at + 6, 2)?))
}

/// Digits behind the seconds: nanoseconds, and how many bytes they take.
fn fraction(text: &[u8]) -> (i32, usize) {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return (0, 0);
    }
    let digits = text.iter().skip(1).take(9).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return (0, 0);
    }
    let value = text.get(1..=digits).and_then(number).unwrap_or(0);
    let scale = 10_i64.pow(u32::try_from(9 - digits).unwrap_or(0));
    let nanos = i64::from(value) * scale;
    (i32::try_from(nanos).unwrap_or(0), digits + 1)
}

/// Offsets of zones by the short names that PostgreSQL writes. Those that mean several things are
/// not here.
const ZONES: &[(&[u8], i64)] = &[
    (b"UTC", 0),
    (b"GMT", 0),
    (b"WET", 0),
    (b"WEST", 3600),
    (b"CET", 3600),
    (b"CEST", 7200),
    (b"EET", 7200),
    (b"EEST", 10_800),
    (b"MSK", 10_800),
];

enum Zone {
    /// None was written.
    None,
    /// So many seconds east, in so many bytes.
    East(i64, usize),
    /// A name that is not known, in so many bytes.
    Unknown(usize),
}

fn zone(text: &[u8]) -> Zone {
    if text.first() == Some(&b'Z') {
        return Zone::East(0, 1);
    }
    let blank = usize::from(text.first() == Some(&b' '));
    let rest = text.get(blank..).unwrap_or_default();
    if let Some(sign @ (b'+' | b'-')) = rest.first() {
        let colon = usize::from(rest.get(3) == Some(&b':'));
        let Some(hours) = field(rest, 1, 2).filter(|hours| *hours <= 18) else {
            return Zone::None;
        };
        let minutes = field(rest, 3 + colon, 2).filter(|minutes| *minutes <= 59);
        let east = i64::from(hours) * 3600 + i64::from(minutes.unwrap_or(0)) * 60;
        let len = blank + 3 + if minutes.is_some() { colon + 2 } else { 0 };
        return Zone::East(if *sign == b'-' { -east } else { east }, len);
    }
    let letters = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
    // PostgreSQL's zone stands before its process number: `… CET [123] LOG:`; anything else in capitals
    // is a level.
    let before_pid = rest.get(letters..letters + 2) == Some(b" [") || rest.len() == letters;
    if blank == 1 && (2..=5).contains(&letters) && before_pid {
        let name = rest.get(..letters).unwrap_or_default();
        if super::head::is_level(name) {
            return Zone::None;
        }
        return match ZONES.iter().find(|(known, _)| *known == name) {
            Some((_, east)) => Zone::East(*east, blank + letters),
            None => Zone::Unknown(blank + letters),
        };
    }
    Zone::None
}

fn stamp(date: (u32, u32, u32), time: (u32, u32, u32), nanos: i32, zone: &Zone) -> Option<Stamp> {
    let east = match zone {
        Zone::None => 0,
        Zone::East(east, _) => *east,
        Zone::Unknown(_) => return None,
    };
    let second = seconds(date, time)? - east;
    Some(Stamp {
        at: Timestamp::new(second, nanos).ok()?,
        sure: matches!(zone, Zone::East(..)),
    })
}

/// `2026-11-21 14:02:09,123`, with `T`, a fraction, a zone, slashes, or a bracket before it.
pub(super) fn read(text: &[u8]) -> Option<Read> {
    let bracket = usize::from(text.first() == Some(&b'['));
    let line = text.get(bracket..)?;
    let separator = *line.get(4)?;
    if !matches!(separator, b'-' | b'/') || line.get(7) != Some(&separator) {
        return None;
    }
    if !matches!(line.get(10), Some(b' ' | b'T')) {
        return None;
    }
    let date = (field(line, 0, 4)?, field(line, 5, 2)?, field(line, 8, 2)?);
    let time = clock(line, 11)?;
    seconds(date, time)?;
    let (nanos, digits) = fraction(line.get(19..)?);
    let zone = zone(line.get(19 + digits..)?);
    let len = 19
        + digits
        + match zone {
            Zone::None => 0,
            Zone::East(_, len) | Zone::Unknown(len) => len,
        };
    let closing = usize::from(bracket == 1 && line.get(len) == Some(&b']'));
    Some(Read {
        stamp: stamp(date, time, nanos, &zone),
        len: bracket + len + closing,
        zone: !matches!(zone, Zone::None),
        comma: digits > 0 && line.get(19) == Some(&b','),
    })
}

const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// `21/Nov/2026:14:02:09 +0000`, as web servers write it.
pub(super) fn read_web(text: &[u8]) -> Option<Stamp> {
    if text.get(2) != Some(&b'/') || text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let name = text.get(3..6)?;
    let month = MONTHS.chunks(3).position(|month| month == name)?;
    let date = (field(text, 7, 4)?, u32::try_from(month).ok()? + 1, field(text, 0, 2)?);
    let time = clock(text, 12)?;
    stamp(date, time, 0, &zone(text.get(20..)?))
}

/// Seconds, milli-, micro- or nanoseconds since the epoch, told apart by their size.
pub(super) fn of_number(number: f64) -> Option<Stamp> {
    if !number.is_finite() || number < 100_000_000.0 {
        return None;
    }
    let mut seconds = number;
    while seconds > 100_000_000_000.0 {
        seconds /= 1000.0;
    }
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e6).round() * 1e3;
    let at = Timestamp::new(whole as i64, (nanos as i32).min(999_999_999)).ok()?;
    Some(Stamp { at, sure: true })
}
