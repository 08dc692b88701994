use super::*;
use crate::domain::audit::Actor;

fn row(id: i64, label: &str) -> AuditEntry {
    AuditEntry {
        id,
        at: jiff::Timestamp::UNIX_EPOCH,
        op_id: "o".to_owned(),
        db_role: None,
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "cli".to_owned(),
        },
        action: "server.edit".to_owned(),
        object: "server:7".to_owned(),
        label: label.to_owned(),
        from: None,
        to: None,
        refused: None,
        hash: String::new(),
    }
}

/// The one effect that was asked for.
fn asked(effects: &[Effect]) -> (u64, AuditFilter) {
    match effects {
        [Effect::LoadAudit { seq, filter }] => (*seq, (**filter).clone()),
        other => panic!("{other:?}"),
    }
}

fn page_of(from: i64, count: i64) -> Vec<AuditEntry> {
    (0..count).map(|n| row(from - n, "prod-1")).collect()
}

#[test]
fn older_rows_are_read_as_one_comes_to_the_end_and_newer_ones_put_before() {
    let mut list = AuditList::default();
    let (seq, filter) = asked(&list.refresh());
    assert_eq!((filter.before, filter.after, filter.limit), (None, None, PAGE));
    assert_eq!(list.take(seq, page_of(1_000, 200), 10), []);
    assert_eq!(
        (list.len(), list.has_more(), list.state.selected),
        (200, true, Some(1_000))
    );
    list.go(Move::Rows(5), 10);
    assert_eq!(list.at_the_end(10), [], "far from it");
    list.go(Move::Bottom, 10);
    let (seq, filter) = asked(&list.at_the_end(10));
    assert_eq!(filter.before, Some(801));
    assert_eq!(list.at_the_end(10), [], "asked for once");
    list.take(seq, page_of(800, 30), 10);
    assert_eq!(
        (list.len(), list.has_more(), list.state.selected),
        (230, false, Some(801))
    );
    let (seq, filter) = asked(&list.refresh());
    assert_eq!(filter.after, Some(1_000));
    list.take(seq, page_of(1_003, 3), 10);
    assert_eq!(list.len(), 233);
    assert_eq!(list.state.selected, Some(801), "the selection stays on its row");
    let ids: Vec<i64> = list.shown().map(|row| row.id).collect();
    assert!(
        ids.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "no gap, no row twice"
    );
    assert_eq!(list.row(900).map(|row| row.id), Some(900));
}

#[test]
fn more_news_than_a_page_leaves_no_hole() {
    let mut list = AuditList::default();
    let (seq, _) = asked(&list.refresh());
    list.take(seq, page_of(10, 10), 10);
    let (seq, _) = asked(&list.refresh());
    list.take(seq, page_of(900, 200), 10);
    assert_eq!(
        (list.len(), list.has_more()),
        (200, true),
        "the older ones are read again"
    );
}

#[test]
fn late_answers_are_dropped_and_another_objects_rows_never_mixed() {
    let mut list = AuditList::default();
    let (late, _) = asked(&list.refresh());
    let (seq, filter) = asked(&list.about(Some(("server:7".to_owned(), "prod-1".to_owned()))));
    assert_eq!(filter.object.as_deref(), Some("server:7"));
    list.take(late, page_of(5, 5), 10);
    assert!(list.is_empty() && !list.is_read());
    list.take(seq, page_of(3, 1), 10);
    assert_eq!(list.len(), 1);
    let (_, filter) = asked(&list.about(None));
    assert_eq!((filter.object, list.len()), (None, 0));
}

#[test]
fn a_filter_asks_the_registry_for_what_is_not_here() {
    let mut list = AuditList::default();
    let (seq, _) = asked(&list.refresh());
    let mut rows = page_of(100, 2);
    rows.push(row(98, "prod-2"));
    list.take(seq, rows, 10);
    list.state.filter = crate::tui::model::Filter::new("prod-2 !cli.x");
    list.settle(10);
    assert_eq!(
        list.shown().map(|row| row.id).collect::<Vec<_>>(),
        [98],
        "at once, of what is here"
    );
    let (seq, filter) = asked(&list.filter_changed());
    assert_eq!(filter.text.as_deref(), Some("prod-2"));
    assert_eq!(list.filter_changed(), []);
    list.take(seq, vec![row(98, "prod-2"), row(4, "prod-2")], 10);
    assert_eq!(list.shown().len(), 2);
}
