//! What happened: the list of the audit's rows, and each one's page.

use super::{Dash, fleet};
use jiff::SignedDuration;
use serde_json::{Value, json};
use vigie::domain::audit::{Actor, AuditEntry, AuditFilter};
use vigie::tui::model::{Answer, Delta, Effect, Layer, Pane, Tab};
use vigie::tui::theme::Theme;

fn row(id: i64, who: &str, what: (&str, &str, &str), from: Value, to: Value) -> AuditEntry {
    let (action, object, label) = what;
    let (user, host) = who.split_once('@').unwrap();
    let side = |value: Value| (!value.is_null()).then_some(value);
    AuditEntry {
        id,
        at: fleet::noon() - SignedDuration::from_mins(7 * (20 - id)),
        op_id: format!("01890a5d-ac96-774b-bcce-b302099a80{id:02}"),
        db_role: None,
        actor: Actor {
            os_user: user.to_owned(),
            host: host.to_owned(),
            via: "dashboard".to_owned(),
        },
        action: action.to_owned(),
        object: object.to_owned(),
        label: label.to_owned(),
        from: side(from),
        to: side(to),
        refused: None,
        hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
    }
}

pub(super) fn rows() -> Vec<AuditEntry> {
    let server = ("server.edit", "server:1", "prod-1");
    let mut rows = vec![
        row(
            20,
            "marie@desk",
            server,
            json!({"max_instances": 50}),
            json!({"max_instances": 40}),
        ),
        row(
            19,
            "paul@tower",
            ("server.deactivate", "server:1", "prod-1"),
            json!(null),
            json!(null),
        ),
        row(
            18,
            "postgres@10.0.0.9",
            ("sql.update", "server:2", "prod-2"),
            json!({"intent": "maintenance"}),
            json!({"intent": "active"}),
        ),
        row(
            17,
            "marie@worker-1",
            ("job.done", "job:42", "create instance client-abc on prod-1"),
            json!({"state": "running"}),
            json!({"state": "done", "problem": null}),
        ),
        row(
            16,
            "marie@desk",
            ("job.queue", "job:42", "create instance client-abc on prod-1"),
            json!(null),
            json!({"instance": {"name": "client-abc", "subdomain": "abc"}}),
        ),
        row(
            3,
            "ada@desk",
            ("server.add", "server:1", "prod-1"),
            json!(null),
            json!({"code": "prod-1", "server_url": "https://odoo1.example.org", "max_instances": 50}),
        ),
    ];
    rows[1].refused = Some("Cannot deactivate server while it has instances (48)".to_owned());
    rows[2].actor.via = "sql".to_owned();
    rows[2].db_role = Some("ops".to_owned());
    rows[5].at -= SignedDuration::from_hours(30);
    rows
}

/// The one read that was asked for.
fn asked(dash: &mut Dash) -> (u64, AuditFilter) {
    let mut found = dash.effects().into_iter().filter_map(|effect| match effect {
        Effect::LoadAudit { seq, filter } => Some((seq, *filter)),
        _ => None,
    });
    let one = found.next().expect("nothing was asked for");
    assert_eq!(found.next(), None, "asked for once");
    one
}

fn opened(size: (u16, u16)) -> Dash {
    let mut dash = Dash::picture(size);
    dash.press("6");
    let (seq, _) = asked(&mut dash);
    dash.answer(Answer::Audit { seq, rows: rows() });
    dash
}

#[test]
fn what_happened_is_a_list_with_the_newest_first() {
    let mut dash = opened((120, 35));
    assert_eq!((dash.model.focus, dash.model.lists.tab), (Pane::List, Tab::Audit));
    let screen = dash.screen();
    let at = |text: &str| {
        screen
            .find(text)
            .unwrap_or_else(|| panic!("{text} is missing:\n{screen}"))
    };
    assert!(at("server.edit") < at("server.deactivate") && at("server.deactivate") < at("job.queue"));
    for text in ["6 what happened", "✖ server.deactivate", "▲ sql.update", "paul@tower"] {
        dash.must_see(text);
    }
    let mut wide = opened((200, 50));
    wide.press("f");
    for text in [
        "max_instances 50 → 40",
        "refused: Cannot deactivate server while it has instances (48)",
        "intent maintenance → active",
        "paul@tower",
        "postgres@10.0.0.9 as ops",
    ] {
        wide.must_see(text);
    }
    dash.press("enter");
    for text in ["what happened · 20", "marie on desk", "50 → 40", "9f86d081"] {
        dash.must_see(text);
    }
    dash.press("esc j enter");
    dash.must_see("Cannot deactivate server while it has instances (48)");
    dash.press("esc");
    assert!(dash.model.layers.is_empty());
}

#[test]
fn what_happened_to_one_thing_is_a_key_away_from_its_row() {
    let mut dash = Dash::picture((120, 35));
    dash.effects();
    dash.press("h");
    let (seq, filter) = asked(&mut dash);
    assert_eq!(filter.object.as_deref(), Some("server:1"));
    let own: Vec<AuditEntry> = rows().into_iter().filter(|row| row.object == "server:1").collect();
    dash.answer(Answer::Audit { seq, rows: own });
    dash.must_see("what happened to prod-1");
    assert!(!dash.sees("sql.update"));
    dash.press("esc");
    let (_, filter) = asked(&mut dash);
    assert_eq!(
        (filter.object, dash.model.lists.tab),
        (None, Tab::Audit),
        "back to everything"
    );
    for (keys, object) in [
        ("2 h", "instance:"),
        ("4 h", "template:"),
        ("5 h", "job:"),
        ("3 h", "job:"),
    ] {
        dash.effects();
        dash.press(keys);
        let (_, filter) = asked(&mut dash);
        let found = filter.object.unwrap_or_default();
        assert!(found.starts_with(object), "{keys}: {found}");
    }
    let mut dash = opened((120, 35));
    dash.press("j j h");
    let (_, filter) = asked(&mut dash);
    assert_eq!(
        filter.object.as_deref(),
        Some("server:2"),
        "from a row: that of which it tells"
    );
}

#[test]
fn the_log_of_a_job_is_a_key_away_from_what_it_did() {
    let mut dash = opened((120, 35));
    dash.press("j j j l");
    assert_eq!(dash.model.focus, Pane::Log);
    assert_eq!(dash.model.log.job.map(|job| job.0), Some(42));
}

#[test]
fn news_come_in_as_they_happen_and_the_selection_stays() {
    let mut dash = opened((120, 35));
    dash.press("j");
    dash.effects();
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![fleet::server(1, "prod-1", 50, 48)],
        ..Delta::default()
    })));
    let (seq, filter) = asked(&mut dash);
    assert_eq!(filter.after, Some(20));
    let mut new = rows()[0].clone();
    (new.id, new.label) = (21, "prod-9".to_owned());
    dash.answer(Answer::Audit { seq, rows: vec![new] });
    dash.must_see("prod-9");
    assert_eq!(dash.model.lists.audit.state.selected, Some(19));
    // Elsewhere nobody asks.
    dash.press("1");
    dash.press("5");
    dash.effects();
    dash.answer(Answer::Delta(Box::default()));
    assert!(!dash.effects().iter().any(|e| matches!(e, Effect::LoadAudit { .. })));
}

#[test]
fn a_filter_leaves_what_passes_and_asks_for_older_ones() {
    let mut dash = opened((120, 35));
    dash.press("/").enter("refused");
    dash.must_see("server.deactivate");
    assert!(!dash.sees("sql.update"));
    let last = dash.effects().into_iter().rev().find_map(|effect| match effect {
        Effect::LoadAudit { filter, .. } => filter.text,
        _ => None,
    });
    assert_eq!(last.as_deref(), Some("refused"));
    dash.press("enter");
    assert!(dash.model.layers.is_empty());
    dash.press("esc");
    let (seq, filter) = asked(&mut dash);
    assert_eq!(filter.text, None);
    dash.answer(Answer::Audit { seq, rows: rows() });
    dash.must_see("sql.update");
}

/// Text that a hand-written client put there.
#[test]
fn hostile_rows_draw_nothing_but_text() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{202e}gnp\u{200b}\0\r\nnext";
    let mut dash = Dash::picture((120, 35));
    dash.press("6");
    let (seq, _) = asked(&mut dash);
    let mut evil = rows()[0].clone();
    for text in [
        &mut evil.actor.os_user,
        &mut evil.actor.host,
        &mut evil.action,
        &mut evil.label,
        &mut evil.object,
        &mut evil.op_id,
    ] {
        *text = EVIL.to_owned();
    }
    evil.to = Some(json!({ EVIL: EVIL }));
    evil.refused = Some(EVIL.to_owned());
    dash.answer(Answer::Audit { seq, rows: vec![evil] });
    for keys in ["f", "enter", "esc", "h"] {
        dash.press(keys);
        let screen = dash.screen();
        assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
        assert!(!screen.contains(['\u{202e}', '\u{200b}']), "{screen:?}");
    }
}

#[test]
fn nothing_is_said_where_nothing_is() {
    let mut dash = Dash::picture((120, 35));
    dash.press("6");
    dash.must_see("Reading…");
    let (seq, _) = asked(&mut dash);
    dash.answer(Answer::Audit { seq, rows: Vec::new() });
    dash.must_see("Nothing happened yet.");
    dash.press("enter d h l");
    assert!(
        !dash
            .model
            .layers
            .iter()
            .any(|layer| matches!(layer, Layer::Describe { .. }))
    );
}

#[test]
fn frames() {
    for size in [(200, 50), (120, 35), (80, 24), (40, 15)] {
        let mut dash = opened(size);
        dash.press("j");
        let snap = |name: &str, dash: &Dash| {
            let (text, styles) = dash.frame(&Theme::default());
            insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
                insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), format!("{text}\n---- styles\n{styles}"));
            });
        };
        snap("happened", &dash);
        dash.press("enter");
        snap("happened_row", &dash);
    }
}
