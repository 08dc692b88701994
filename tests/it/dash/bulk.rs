//! Marks, the plan of doing something to many, and what became of each.

use super::{Dash, fleet};
use vigie::domain::bulk::State;
use vigie::domain::instance::InstanceState;
use vigie::domain::job::JobState;
use vigie::domain::server::{Intent, Server};
use vigie::domain::{InstanceId, Problem, SafeText, ServerId};
use vigie::tui::model::{Act, Answer, BulkField, Delta, Effect, Ended, Fleet, Layer, ListId, Ticket, UiSettings};

const SIZE: (u16, u16) = (120, 35);

/// Six servers; the third hosts instances, the fifth is disabled.
fn servers() -> Vec<Server> {
    (1..=6)
        .map(|id| {
            let mut server = fleet::server(id, &format!("srv-{id}"), 50, if id == 3 { 4 } else { 0 });
            if id == 5 {
                server.intent = Intent::Disabled;
            }
            server
        })
        .collect()
}

pub(super) fn dash_with(settings: UiSettings, size: (u16, u16)) -> Dash {
    let mut dash = Dash::with(settings, size);
    dash.load(Fleet {
        servers: servers(),
        read_at: Some(fleet::noon()),
        ..Fleet::default()
    });
    dash.effects();
    dash
}

fn dash() -> Dash {
    dash_with(UiSettings::default(), SIZE)
}

/// What was asked to be done, with the tickets.
fn acts(dash: &mut Dash) -> Vec<(Ticket, Act)> {
    dash.effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::ActWith { ticket, act, consent } => {
                assert!(consent.bulk >= 1);
                Some((ticket, act))
            }
            Effect::Act { ticket, act } => Some((ticket, act)),
            _ => None,
        })
        .collect()
}

fn well(dash: &mut Dash, ticket: Ticket, text: &str) {
    let result = Ok(Box::new(Ended {
        text: SafeText::new(text),
        ..Ended::default()
    }));
    dash.answer(Answer::Ended { ticket, result });
}

fn badly(dash: &mut Dash, ticket: Ticket, message: &str) {
    let result = Err(Problem::new("refused", message));
    dash.answer(Answer::Ended { ticket, result });
}

fn state(dash: &Dash, at: usize) -> State {
    dash.model.runs.last().unwrap().run.receipts[at].state.clone()
}

#[test]
fn marks_stay_on_their_objects_whatever_is_sorted_filtered_and_read_anew() {
    let mut dash = dash();
    dash.press("space j space");
    assert_eq!(dash.model.marks.count(ListId::Servers), 2);
    let marked = |dash: &Dash| -> Vec<i64> {
        (1..=9)
            .filter(|id| dash.model.marks.has(ListId::Servers, *id))
            .collect()
    };
    assert_eq!(marked(&dash), [1, 3], "the mark moves on to the next row");
    dash.must_see("◆2 marked");
    dash.must_see("◆srv-1");
    // Sorted the other way round, filtered to something else, a row before them, read anew.
    dash.press("N N / s r v - 6 enter");
    assert_eq!(marked(&dash), [1, 3]);
    dash.must_see("◆2 marked");
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![fleet::server(9, "aaa", 50, 0)],
        ..Delta::default()
    })));
    assert_eq!(marked(&dash), [1, 3]);
    // What is gone takes its mark with it, and that is said.
    dash.answer(Answer::Delta(Box::new(Delta {
        gone_servers: vec![ServerId(3)],
        ..Delta::default()
    })));
    assert_eq!(marked(&dash), [1]);
    dash.must_see("what a mark stood on is gone");
}

#[test]
fn ranges_all_that_is_shown_inversion_and_escape() {
    let mut dash = dash();
    dash.press("j v j j");
    dash.must_see("◆3 marked (range)");
    dash.press("k");
    assert_eq!(
        dash.model.marks.count(ListId::Servers),
        2,
        "it shrinks as one goes back"
    );
    dash.press("v j j");
    assert_eq!(dash.model.marks.count(ListId::Servers), 2, "it has ended");
    // Esc takes the marks away before it does anything else.
    dash.press("/").enter("srv-2 OR srv-6").press("enter");
    dash.press("esc");
    assert_eq!(dash.model.marks.count(ListId::Servers), 0);
    assert_eq!(
        dash.model.lists.len(ListId::Servers, &dash.model.store),
        2,
        "the filter is still there"
    );
    dash.press(":").enter("mark all").press("enter");
    assert_eq!(dash.model.marks.count(ListId::Servers), 2, "only what the filter shows");
    dash.press("esc").wait(30_000).press("esc esc m i");
    assert!(dash.model.marks.count(ListId::Servers) >= 5);
}

#[test]
fn a_plan_is_shown_first_with_who_what_and_who_is_passed_over_and_why() {
    let mut dash = dash();
    dash.press("m a a d");
    assert!(dash.effects().is_empty(), "nothing is done by the key");
    dash.must_see("Take 4 servers out of service? 2 passed over.");
    dash.must_see("has 4 instances");
    dash.must_see("is disabled already");
    dash.must_see("at once");
    dash.must_see("stop after errors");
    // The keys that opened it decide nothing.
    dash.press("y enter");
    assert!(dash.effects().is_empty());
    dash.press("esc");
    assert!(dash.effects().is_empty() && dash.model.runs.is_empty());
    assert_eq!(dash.model.marks.count(ListId::Servers), 6, "the marks are still there");
}

#[test]
fn so_many_at_once_an_end_after_so_many_errors_and_a_receipt_for_each() {
    let mut dash = dash();
    dash.press("m a a m").wait(400);
    // One at once, an end after the first failure.
    assert_eq!(focus(&dash), BulkField::Cancel);
    dash.press("tab");
    assert_eq!(focus(&dash), BulkField::Go);
    dash.press("tab tab backspace")
        .enter("2")
        .press("tab backspace")
        .enter("1");
    dash.press("tab tab enter");
    let first = acts(&mut dash);
    assert_eq!(first.len(), 2, "two at once: {first:?}");
    dash.must_see("running");
    dash.must_see("waiting");
    well(&mut dash, first[0].0, "srv-1 is in maintenance");
    let third = acts(&mut dash);
    assert_eq!(third.len(), 1, "as one ends the next begins");
    badly(&mut dash, first[1].0, "it was changed meanwhile");
    assert!(acts(&mut dash).is_empty(), "after a failure no more are begun");
    well(&mut dash, third[0].0, "srv-3 is in maintenance");
    assert!(matches!(state(&dash, 1), State::Failed(_)));
    assert_eq!(state(&dash, 3), State::NotBegun("stopped after a failure".to_owned()));
    dash.must_see("2 done, 1 failed, 3 not begun");
    dash.must_see("it was changed meanwhile");
    // Read again later, and only what failed is run again.
    dash.press("esc m r");
    dash.must_see("2 done, 1 failed, 3 not begun");
    dash.press("f");
    dash.must_see("Put 1 server in maintenance?");
    dash.must_see("srv-2");
    dash.wait(400).press("y");
    let again = acts(&mut dash);
    assert!(
        matches!(
            again[..],
            [(
                _,
                Act::Maintain {
                    server: ServerId(2),
                    ..
                }
            )]
        ),
        "{again:?}"
    );
}

fn focus(dash: &Dash) -> BulkField {
    match dash.model.layers.last() {
        Some(Layer::Bulk(dialog)) => dialog.focus,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_whose_things_changed_meanwhile_begins_nothing_and_says_what_changed() {
    let mut dash = dash();
    dash.press("m a a d").wait(400);
    let mut changed = servers().remove(1);
    changed.version += 1;
    changed.intent = Intent::Maintenance;
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![changed],
        ..Delta::default()
    })));
    dash.must_see("srv-2 changed: active → maintenance");
    dash.press("y");
    assert!(acts(&mut dash).is_empty());
    dash.press("tab tab tab tab enter");
    assert!(acts(&mut dash).is_empty() && dash.model.runs.is_empty());
    // Planned anew, it is for what is there now.
    dash.press("m a a d").wait(400).press("p").wait(400).press("y");
    let versions: Vec<i64> = acts(&mut dash)
        .iter()
        .filter_map(|(_, act)| match act {
            Act::Deactivate { server, version } if *server == ServerId(2) => Some(*version),
            _ => None,
        })
        .collect();
    assert_eq!(versions, [4]);
}

#[test]
fn what_cannot_be_taken_back_wants_their_number_typed_and_a_paste_is_none() {
    let mut dash = Dash::picture(SIZE);
    dash.press("9 m a a x").wait(400);
    let count = match dash.model.layers.last() {
        Some(Layer::Bulk(dialog)) => dialog.plan.count(),
        other => panic!("{other:?}"),
    };
    assert!(count > 5);
    dash.effects();
    dash.paste(&count.to_string());
    dash.press("enter enter y");
    assert!(acts(&mut dash).is_empty(), "a paste confirms nothing");
    dash.press("esc a x").wait(400);
    dash.enter(&(count + 1).to_string()).press("enter enter");
    assert!(acts(&mut dash).is_empty(), "another number");
    dash.press("esc a x").wait(400);
    dash.enter(&count.to_string()).press("enter enter");
    let begun = acts(&mut dash);
    assert_eq!(begun.len(), 4, "four at once");
    assert!(begun.iter().all(|(_, act)| act.is_destructive()));
}

#[test]
fn stopping_begins_no_more_and_what_is_left_can_be_begun_later() {
    let mut dash = dash();
    dash.press("m a t").wait(400).press("tab tab tab tab");
    dash.press("esc m a t").wait(400).press("y");
    let begun = acts(&mut dash);
    assert_eq!(begun.len(), 6, "looking is eight at once");
    // Of the changes four are at once; the two others wait.
    for (ticket, _) in begun {
        well(&mut dash, ticket, "answers");
    }
    dash.press("esc m a a m").wait(400).press("y");
    let begun = acts(&mut dash);
    assert_eq!(begun.len(), 4);
    dash.press("x");
    for (ticket, _) in &begun {
        well(&mut dash, *ticket, "done");
    }
    assert!(acts(&mut dash).is_empty());
    dash.must_see("4 done, 2 not begun");
    dash.must_see("stopped by you");
    dash.press("f");
    dash.must_see("nothing failed");
    dash.press("b");
    dash.must_see("Put 2 servers in maintenance?");
}

#[test]
fn ctrl_c_stops_a_bulk_and_leaving_says_what_would_not_be_begun() {
    let mut dash = dash();
    dash.press("m a a m").wait(400).press("y");
    let begun = acts(&mut dash);
    dash.press("esc q");
    dash.must_see("2 are not begun yet, and would not be");
    dash.press("esc ctrl-c");
    dash.must_see("no more are begun");
    for (ticket, _) in begun {
        well(&mut dash, ticket, "done");
    }
    assert!(acts(&mut dash).is_empty());
}

#[test]
fn jobs_are_cancelled_and_retried_through_what_they_work_on() {
    let mut dash = Dash::picture(SIZE);
    dash.press("5 m a a r").wait(400);
    let failed = dash
        .model
        .store
        .jobs
        .iter()
        .filter(|job| matches!(job.state, JobState::Failed | JobState::Cancelled | JobState::Stuck));
    let count = failed.count();
    let Some(Layer::Bulk(dialog)) = dash.model.layers.last() else {
        panic!("no plan");
    };
    assert_eq!(dialog.plan.count(), count);
    assert!(dialog.plan.passed().all(|(_, why)| why.starts_with("is ")));
    dash.press("esc 9 esc m a a k").wait(400);
    dash.must_see("no job has worked on it lately");
}

#[test]
fn instances_are_tested_by_their_servers_each_once() {
    let mut dash = Dash::picture(SIZE);
    dash.press("9 m a t").wait(400);
    let Some(Layer::Bulk(dialog)) = dash.model.layers.last() else {
        panic!("no plan");
    };
    let servers: std::collections::BTreeSet<ServerId> = dash
        .model
        .store
        .all()
        .iter()
        .filter_map(|slot| dash.model.store.instance_in(*slot))
        .map(|row| row.server)
        .collect();
    assert_eq!(dialog.plan.lines.len(), servers.len());
}

#[test]
fn an_instance_that_changed_since_is_not_deleted_with_the_others() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 space space a x").wait(400);
    let items: Vec<InstanceId> = match dash.model.layers.last() {
        Some(Layer::Bulk(dialog)) => dialog
            .items
            .iter()
            .filter_map(|item| match item.thing {
                vigie::domain::bulk::Thing::Instance(id) => Some(id),
                _ => None,
            })
            .collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(items.len(), 2);
    dash.enter("2");
    let mut changed = fleet::instance(items[1].0, 1, "Renamed", InstanceState::Suspended);
    changed.version = 99;
    dash.answer(Answer::Delta(Box::new(Delta {
        instances: vec![changed],
        ..Delta::default()
    })));
    dash.press("tab tab enter").press("enter");
    assert!(acts(&mut dash).iter().all(|(_, act)| !act.is_destructive()));
}

/// The plan, the receipts while they come and at their end, and the badges, at every size.
#[test]
fn frames() {
    use super::frames::at_all_sizes;
    let plan = |size| {
        let mut dash = dash_with(UiSettings::default(), size);
        dash.press("1 m a a d").wait(400);
        dash
    };
    at_all_sizes("bulk_plan", plan);
    at_all_sizes("bulk_plan_stale", |size| {
        let mut dash = plan(size);
        let mut changed = servers().remove(1);
        changed.version += 1;
        changed.intent = Intent::Maintenance;
        dash.answer(Answer::Delta(Box::new(Delta {
            servers: vec![changed],
            gone_servers: vec![ServerId(6)],
            ..Delta::default()
        })));
        dash
    });
    at_all_sizes("bulk_plan_delete", |size| {
        let mut dash = Dash::picture(size);
        dash.press("9 m a a x").wait(400).enter("3");
        dash
    });
    let receipts = |size, all: bool| {
        let mut dash = plan(size);
        dash.press("y");
        let begun = acts(&mut dash);
        well(&mut dash, begun[0].0, "srv-1 is disabled");
        badly(&mut dash, begun[1].0, "the registry failed: disk I/O error");
        if all {
            for (ticket, _) in begun.into_iter().skip(2) {
                well(&mut dash, ticket, "is disabled");
            }
        }
        dash
    };
    at_all_sizes("bulk_receipts_running", |size| receipts(size, false));
    at_all_sizes("bulk_receipts", |size| receipts(size, true));
    at_all_sizes("bulk_marks", |size| {
        let mut dash = Dash::picture(size);
        dash.press("9 space j v j j");
        dash
    });
}
