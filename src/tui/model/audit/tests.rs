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

fn filter(text: &str) -> Filter {
    Filter::new(crate::tui::model::ListId::Audit, text).unwrap()
}

#[test]
fn older_rows_are_read_as_one_comes_to_the_end_and_newer_ones_put_before() {
    let (mut list, mut store, all) = (AuditList::default(), Store::default(), filter(""));
    let (seq, ask) = asked(&list.refresh(store.audit(), &all));
    assert_eq!((ask.before, ask.after, ask.limit), (None, None, PAGE));
    assert!(list.take(seq, page_of(1_000, 200), &mut store));
    assert_eq!((store.audit().len(), list.has_more()), (200, true));
    assert_eq!(list.at_the_end(200, 10, store.audit(), &all), [], "far from it");
    list.state.offset = 185;
    let (seq, ask) = asked(&list.at_the_end(200, 10, store.audit(), &all));
    assert_eq!(ask.before, Some(801));
    assert_eq!(list.at_the_end(200, 10, store.audit(), &all), [], "asked for once");
    list.take(seq, page_of(800, 30), &mut store);
    assert_eq!((store.audit().len(), list.has_more()), (230, false));
    let (seq, ask) = asked(&list.refresh(store.audit(), &all));
    assert_eq!(ask.after, Some(1_000));
    list.take(seq, page_of(1_003, 3), &mut store);
    let ids: Vec<i64> = store.audit().iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), 233);
    assert!(
        ids.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "no gap, no row twice"
    );
    assert_eq!(store.audit_row(900).map(|row| row.id), Some(900));
}

#[test]
fn more_news_than_a_page_leaves_no_hole() {
    let (mut list, mut store, all) = (AuditList::default(), Store::default(), filter(""));
    let (seq, _) = asked(&list.refresh(store.audit(), &all));
    list.take(seq, page_of(10, 10), &mut store);
    let (seq, _) = asked(&list.refresh(store.audit(), &all));
    list.take(seq, page_of(900, 200), &mut store);
    assert_eq!(
        (store.audit().len(), list.has_more()),
        (200, true),
        "the older ones are read again"
    );
}

#[test]
fn late_answers_are_dropped_and_another_objects_rows_never_mixed() {
    let (mut list, mut store, all) = (AuditList::default(), Store::default(), filter(""));
    let (late, _) = asked(&list.refresh(store.audit(), &all));
    let object = Some(("server:7".to_owned(), "prod-1".to_owned()));
    let (seq, ask) = asked(&list.about(object, &mut store, &all));
    assert_eq!(ask.object.as_deref(), Some("server:7"));
    assert!(!list.take(late, page_of(5, 5), &mut store));
    assert!(store.audit().is_empty() && !list.is_read());
    list.take(seq, page_of(3, 1), &mut store);
    assert_eq!(store.audit().len(), 1);
    let (_, ask) = asked(&list.about(None, &mut store, &all));
    assert_eq!((ask.object, store.audit().len()), (None, 0));
}

#[test]
fn a_filter_asks_the_registry_for_what_is_not_here() {
    let (mut list, mut store) = (AuditList::default(), Store::default());
    let (seq, _) = asked(&list.refresh(store.audit(), &filter("")));
    list.take(seq, page_of(100, 2), &mut store);
    let some = filter("prod-2 !cli.xxxxxxx (a OR longer-one) via=cli");
    let (seq, ask) = asked(&list.filter_changed(store.audit(), &some));
    assert_eq!(ask.text.as_deref(), Some("prod-2"), "only what every row must have");
    assert_eq!(list.filter_changed(store.audit(), &some), []);
    list.take(seq, vec![row(98, "prod-2"), row(4, "prod-2")], &mut store);
    assert_eq!(store.audit().len(), 2);
}
