//! The chain: what it computes, and that it shows every tampering.

use super::chain::BEGINNING;
use super::*;
use proptest::prelude::*;

/// A row that owns its texts.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    id: i64,
    at: i64,
    texts: [String; 7],
    maybes: [Option<String>; 4],
    hash: String,
}

impl Stored {
    fn row(&self) -> Row<'_> {
        let [op_id, os_user, host, via, action, object, label] = &self.texts;
        let [db_role, from, to, refused] = &self.maybes;
        Row {
            id: self.id,
            at: self.at,
            op_id,
            db_role: db_role.as_deref(),
            os_user,
            host,
            via,
            action,
            object,
            label,
            from: from.as_deref(),
            to: to.as_deref(),
            refused: refused.as_deref(),
        }
    }
}

fn chained(count: usize) -> Vec<Stored> {
    let mut rows: Vec<Stored> = Vec::new();
    for n in 0..count {
        let text = |what: &str| format!("{what}{}", n % 3);
        let mut row = Stored {
            id: rows.len() as i64 + 1,
            at: 1_700_000_000_000_000 + n as i64,
            texts: ["op", "marie", "desk", "cli", "server.edit", "server:", "prod-é"].map(text),
            maybes: [None, Some("{\"a\":1}".to_owned()), None, Some(String::new())],
            hash: String::new(),
        };
        row.hash = row.row().hash(rows.last().map_or(BEGINNING, |r| &r.hash));
        rows.push(row);
    }
    rows
}

fn verdict(rows: &[Stored], head: Option<(i64, &str)>, anchors: &[Anchor]) -> Verdict {
    let mut chain = Chain::new(anchors);
    for row in rows {
        chain.take(&row.row(), &row.hash);
    }
    chain.finish(head)
}

fn head(rows: &[Stored]) -> (i64, &str) {
    rows.last().map_or((0, BEGINNING), |r| (r.id, &r.hash))
}

fn anchor(row: &Stored) -> Anchor {
    Anchor {
        id: row.id,
        hash: row.hash.clone(),
        at: "2026-11-21T18:00:00Z".parse().unwrap(),
    }
}

#[test]
fn the_canonical_form_is_what_sql_computes_too() {
    let row = Row {
        id: 1,
        at: 1_767_323_045_123_456,
        op_id: "o1",
        db_role: Some("postgres"),
        os_user: "marie",
        host: "desk",
        via: "cli",
        action: "server.add",
        object: "server:1",
        label: "prod-é",
        from: Some("{\"a\": 1,  \"b\":\"\\u00e9\"}"),
        to: None,
        refused: None,
    };
    let text = String::from_utf8(row.canonical(BEGINNING)).unwrap();
    assert_eq!(
        text,
        "vigie audit 1\n0:1:116:17673230451234562:o18:postgres5:marie4:desk3:cli10:server.add8:server:17:prod-é\
         23:{\"a\": 1,  \"b\":\"\\u00e9\"}--"
    );
    // As PostgreSQL's own trigger computed it of the same row.
    assert_eq!(
        row.hash(BEGINNING),
        "47eafe376e3cc4ca457133a701737649a778549f954a9d711bdaf0e69a107950"
    );
}

#[test]
fn nothing_and_an_empty_text_are_told_apart() {
    let none = Row::default();
    let empty = Row {
        refused: Some(""),
        ..none
    };
    assert_ne!(none.hash(BEGINNING), empty.hash(BEGINNING));
    let shifted = (
        Row {
            os_user: "ab",
            host: "c",
            ..none
        },
        Row {
            os_user: "a",
            host: "bc",
            ..none
        },
    );
    assert_ne!(shifted.0.hash(BEGINNING), shifted.1.hash(BEGINNING));
}

#[test]
fn a_chain_in_order_is_found_so() {
    for count in [0, 1, 5] {
        let rows = chained(count);
        let anchors: Vec<Anchor> = rows.iter().map(anchor).collect();
        let found = verdict(&rows, Some(head(&rows)), &anchors);
        assert_eq!((found.broken, found.rows), (None, count as u64));
    }
}

#[test]
fn breaks_are_named_in_words() {
    let rows = chained(9);
    let said = |rows: &[Stored], head: Option<(i64, &str)>, anchors: &[Anchor]| {
        verdict(rows, head, anchors)
            .broken
            .map(|b| b.to_string())
            .unwrap_or_default()
    };
    let end = Some(head(&rows));
    let mut edited = rows.clone();
    edited[3].texts[1] = "paul".to_owned();
    assert_eq!(
        said(&edited, end, &[]),
        "row 4 is not as it was written: it was changed, or put there in place of another"
    );
    let mut deleted = rows.clone();
    deleted.drain(2..5);
    assert_eq!(
        said(&deleted, end, &[]),
        "rows 3 to 5 are missing: deleted after they were written"
    );
    let mut one = rows.clone();
    one.remove(0);
    assert_eq!(said(&one, end, &[]), "row 1 is missing: deleted after it was written");
    assert_eq!(
        said(&rows[..7], end, &[]),
        "rows 8 to 9 are missing: deleted after they were written",
        "the registry's own note knows of the tail"
    );
    assert_eq!(
        said(
            &rows[..7],
            Some(head(&rows[..7])),
            &[anchor(&rows[4]), anchor(&rows[8])]
        ),
        "the newest rows are missing: on 2026-11-21T18:00:00Z the audit went to row 9, now it ends with row 7"
    );
    assert_eq!(
        said(&rows, Some(head(&rows[..8])), &[]),
        "row 9 was added by another hand: the newest that was written in order is row 8"
    );
    assert!(said(&rows, None, &[]).contains("note of its newest row is gone"));
    let mut anew = rows.clone();
    anew[2].texts[1] = "paul".to_owned();
    for n in 2..anew.len() {
        anew[n].hash = anew[n].row().hash(&anew[n - 1].hash.clone());
    }
    assert_eq!(
        said(&anew, Some(head(&anew)), &[]),
        "",
        "whoever writes all of it anew is only found by an anchor"
    );
    assert_eq!(
        said(&anew, Some(head(&anew)), &[anchor(&rows[1]), anchor(&rows[5])]),
        "the audit was written anew up to row 6 at least: on 2026-11-21T18:00:00Z that row had another hash"
    );
}

#[test]
fn a_row_is_said_in_a_line() {
    let mut entry = AuditEntry {
        id: 1,
        at: Timestamp::UNIX_EPOCH,
        op_id: String::new(),
        db_role: Some("marie".to_owned()),
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "cli".to_owned(),
        },
        action: "server.edit".to_owned(),
        object: "server:1".to_owned(),
        label: "prod-1".to_owned(),
        from: Some(serde_json::json!({"max_instances": 50, "ssh": null, "port": 8069})),
        to: Some(serde_json::json!({"max_instances": 40, "ssh": "x", "port": null, "description": ""})),
        refused: None,
        hash: String::new(),
    };
    assert_eq!(entry.change(), "max_instances 50 → 40, port 8069 → –, ssh x");
    assert_eq!(entry.who(), "marie@desk");
    entry.db_role = Some("ops".to_owned());
    assert_eq!(entry.who(), "marie@desk as ops");
    entry.refused = Some("it has 3 instances".to_owned());
    assert_eq!(entry.change(), "refused: it has 3 instances");
}

#[test]
fn an_anchor_is_a_line_and_back() {
    let one = anchor(&chained(1)[0]);
    assert_eq!(one.to_string().parse::<Anchor>(), Ok(one.clone()));
    for wrong in [
        "",
        "2026-11-21T18:00:00Z 1",
        "x 1 2",
        &format!("{one} more"),
        &one.to_string().to_uppercase(),
    ] {
        wrong.parse::<Anchor>().unwrap_err();
    }
}

/// Ways to tamper with a chain, as whoever may write the file would.
#[derive(Debug, Clone)]
enum Tamper {
    Text(usize, usize, String),
    Maybe(usize, usize, Option<String>),
    At(usize, i64),
    Id(usize, i64),
    Hash(usize, u8),
    Delete(usize),
    Swap(usize, usize, bool),
    Insert(usize, bool),
    Cut(usize),
}

fn tamper(rows: &mut Vec<Stored>, how: &Tamper) {
    let len = rows.len();
    match how {
        Tamper::Text(at, which, text) => rows[at % len].texts[which % 7] = text.clone(),
        Tamper::Maybe(at, which, text) => rows[at % len].maybes[which % 4] = text.clone(),
        Tamper::At(at, by) => rows[at % len].at += by,
        Tamper::Id(at, by) => rows[at % len].id += by,
        Tamper::Hash(at, digit) => {
            let digit = char::from(b"0123456789abcdef"[usize::from(digit % 16)]);
            rows[at % len].hash.replace_range(7..8, &digit.to_string());
        }
        Tamper::Delete(at) => {
            rows.remove(at % len);
        }
        // With their numbers changed too, or only their places.
        Tamper::Swap(a, b, numbers) => {
            rows.swap(a % len, b % len);
            if *numbers {
                for (n, row) in rows.iter_mut().enumerate() {
                    row.id = n as i64 + 1;
                }
            }
        }
        Tamper::Insert(at, hashed) => {
            let at = at % (len + 1);
            let mut row = rows[at.min(len - 1)].clone();
            row.texts[0] = "forged".to_owned();
            row.id = at as i64 + 1;
            if *hashed {
                row.hash = row.row().hash(if at == 0 { BEGINNING } else { &rows[at - 1].hash });
            }
            rows.insert(at, row);
            for (n, row) in rows.iter_mut().enumerate() {
                row.id = n as i64 + 1;
            }
        }
        Tamper::Cut(at) => rows.truncate(at % len),
    }
}

fn a_tamper() -> impl Strategy<Value = Tamper> {
    let at = 0usize..40;
    prop_oneof![
        (at.clone(), 0usize..7, "\\PC{0,8}").prop_map(|(a, w, t)| Tamper::Text(a, w, t)),
        (at.clone(), 0usize..4, proptest::option::of("[a-z{}]{0,4}")).prop_map(|(a, w, t)| Tamper::Maybe(a, w, t)),
        (at.clone(), -3i64..3).prop_map(|(a, by)| Tamper::At(a, by)),
        (at.clone(), -3i64..3).prop_map(|(a, by)| Tamper::Id(a, by)),
        (at.clone(), any::<u8>()).prop_map(|(a, d)| Tamper::Hash(a, d)),
        at.clone().prop_map(Tamper::Delete),
        (at.clone(), at.clone(), any::<bool>()).prop_map(|(a, b, n)| Tamper::Swap(a, b, n)),
        (at.clone(), any::<bool>()).prop_map(|(a, h)| Tamper::Insert(a, h)),
        at.prop_map(Tamper::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    /// The note of the newest row is what it was; an anchor of the last row stands for one of a moment ago.
    #[test]
    fn every_tampering_shows(how in a_tamper(), count in 2usize..12, moved in any::<bool>()) {
        let rows = chained(count);
        let mut changed = rows.clone();
        tamper(&mut changed, &how);
        prop_assume!(changed != rows);
        // As a store hands them out: in the order of their numbers.
        changed.sort_by_key(|row| row.id);
        prop_assume!(changed != rows);
        // A row added in order behind the last, with the note moved along, is what the program itself does.
        let in_order = matches!(how, Tamper::Insert(at, true) if at % (count + 1) == count);
        prop_assume!(!(in_order && moved));
        // Whoever tampers may move the registry's note along; then only the anchor is left.
        let (last, hash) = if moved { head(&changed) } else { head(&rows) };
        let (last, hash) = (last, hash.to_owned());
        let found = verdict(&changed, Some((last, &hash)), &[anchor(&rows[count - 1])]);
        prop_assert!(found.broken.is_some(), "{how:?}");
    }
}
