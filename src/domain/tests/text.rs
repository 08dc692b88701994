//! Text from outside, on its way to a terminal.

use super::cases;
use crate::domain::SafeText;
use crate::domain::text::MAX_LINE_BYTES;
use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

/// Told once more and otherwise than in the code that is tested.
fn drives_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
            | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,12}",
        1 => Just("\u{1b}]52;c;ZXZpbA==\u{7}".to_owned()),
        1 => Just("good\rEVIL".to_owned()),
        1 => "[\u{0}-\u{1f}\u{7f}-\u{9f}]{1,4}",
        1 => "[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{ad}\u{e0001}-\u{e007f}]{1,4}",
        1 => "[\u{300}-\u{36f}\u{e31}\u{e34}-\u{e3a}\u{f71}-\u{f7e}]{1,12}",
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(4_000))]
    #[test]
    fn nothing_that_drives_a_terminal_is_left(raw in hostile()) {
        let safe = SafeText::new(&raw);
        prop_assert!(!safe.as_str().chars().any(drives_a_terminal), "{raw:?} became {safe:?}");
        let mut run = 0;
        for c in safe.as_str().chars() {
            run = if c.width() == Some(0) { run + 1 } else { 0 };
            prop_assert!(run <= 4, "{raw:?} stacks marks");
        }
    }

    #[test]
    fn safe_text_made_safe_again_is_the_same(raw in hostile(), cap in 60_usize..200) {
        let safe = SafeText::new(&raw);
        prop_assert_eq!(&SafeText::new(safe.as_str()), &safe);
        let json = serde_json::to_string(&safe).unwrap();
        prop_assert_eq!(&serde_json::from_str::<SafeText>(&json).unwrap(), &safe);
        let short = SafeText::capped(&raw, cap);
        prop_assert!(short.as_str().len() <= cap, "{} bytes", short.as_str().len());
        prop_assert_eq!(&SafeText::capped(short.as_str(), cap), &short);
    }

    #[test]
    fn the_evidence_stays(raw in hostile()) {
        let safe = SafeText::new(&raw);
        // Every character is there as itself, as its picture, or as its number, in its order.
        let mut rest = safe.as_str();
        for c in raw.chars() {
            let picture = match c {
                '\t' => "    ".to_owned(),
                '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap().to_string(),
                '\u{7f}' => '\u{2421}'.to_string(),
                _ => c.to_string(),
            };
            let number = format!("‹U+{:04X}›", c as u32);
            rest = rest.strip_prefix(&picture).or_else(|| rest.strip_prefix(&number))
                .unwrap_or_else(|| panic!("{c:?} of {raw:?} is missing in {safe:?}"));
        }
        prop_assert_eq!(rest, "");
    }
}

#[test]
fn a_line_without_end_is_cut_and_says_so() {
    for unit in [
        "a",
        "é",
        "\u{1b}",
        "\u{202e}",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "日",
    ] {
        let raw = unit.repeat(100_000 / unit.len());
        let safe = SafeText::new(&raw);
        assert!(
            safe.as_str().len() <= MAX_LINE_BYTES,
            "{unit:?}: {}",
            safe.as_str().len()
        );
        let (_, more) = safe.as_str().rsplit_once("… (").expect("it says that it was cut");
        let more: usize = more.strip_suffix(" bytes more)").unwrap().parse().unwrap();
        assert!(more > 0 && more < raw.len(), "{unit:?}: {more}");
        assert_eq!(SafeText::new(safe.as_str()), safe);
    }
    let fits = "a".repeat(MAX_LINE_BYTES);
    assert_eq!(SafeText::new(&fits).as_str(), fits);
    let fits = "é".repeat(MAX_LINE_BYTES / 2);
    assert_eq!(SafeText::new(&fits).as_str(), fits);
    let over = "é".repeat(MAX_LINE_BYTES / 2) + "x";
    let safe = SafeText::new(&over);
    let more: usize = over.len() - safe.as_str().rsplit_once('…').unwrap().0.len();
    assert!(
        safe.as_str().ends_with(&format!("… ({more} bytes more)")),
        "the number is exact"
    );
}

#[test]
fn usual_text_is_left_alone() {
    for text in [
        "",
        "Café de l'Étoile",
        "日本語",
        "naïve — “quoted”",
        "Ελληνικά",
        "हिन्दी",
        "مرحبا",
        "🦀",
        "e\u{301}",
        "100 %",
    ] {
        assert_eq!(SafeText::new(text).as_str(), text);
    }
    assert_eq!(SafeText::new("a\tb\u{1b}[31m").as_str(), "a    b␛[31m");
    assert_eq!(SafeText::new("x\u{202e}y").as_str(), "x‹U+202E›y");
    assert_eq!(SafeText::new("\u{301}x").as_str(), "‹U+0301›x");
}
