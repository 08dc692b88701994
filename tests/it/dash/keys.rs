//! Moving, acting, asking.

use super::{Dash, fleet};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use vigie::domain::instance::InstanceState;
use vigie::domain::job::JobState;
use vigie::domain::server::Intent;
use vigie::domain::{InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use vigie::tui::model::{
    Act, Answer, Delta, Effect, Ended, Fleet, ListId, Message, Notice, Pane, Tab, Target, TemplateWork,
};

const SIZE: (u16, u16) = (120, 35);

fn act(effect: Effect) -> Act {
    match effect {
        Effect::Act { act, .. } => act,
        other => panic!("no act: {other:?}"),
    }
}

#[test]
fn moving_selects_by_id_and_what_comes_or_goes_does_not_move_the_selection() {
    let mut dash = Dash::picture(SIZE);
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(1)));
    dash.press("j");
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(2)));
    dash.press("G");
    assert_eq!(
        dash.model.lists.servers.selected,
        Some(ServerId(3)),
        "test-1 is last by code"
    );
    dash.press("g j");
    let mut delta = Delta {
        servers: vec![fleet::server(9, "aaa-first", 10, 0)],
        ..Delta::default()
    };
    dash.answer(Answer::Delta(Box::new(delta.clone())));
    assert_eq!(
        dash.model.lists.servers.selected,
        Some(ServerId(2)),
        "a row came before it"
    );
    delta.servers.clear();
    delta.gone_servers = vec![ServerId(2)];
    dash.answer(Answer::Delta(Box::new(delta)));
    assert_eq!(
        dash.model.lists.servers.selected,
        Some(ServerId(4)),
        "it is gone: the row in its place"
    );
}

#[test]
fn panes_by_tab_digits_and_arrows() {
    let mut dash = Dash::picture(SIZE);
    for (keys, pane) in [
        ("tab", Pane::List),
        ("tab", Pane::Log),
        ("tab", Pane::Servers),
        ("shift-tab", Pane::Log),
        ("1", Pane::Servers),
        ("2", Pane::List),
        ("left", Pane::Servers),
        ("right", Pane::List),
        ("3", Pane::Log),
    ] {
        dash.press(keys);
        assert_eq!(dash.model.focus, pane, "{keys}");
    }
    dash.press("4");
    assert_eq!((dash.model.focus, dash.model.lists.tab), (Pane::List, Tab::Templates));
    dash.press("}");
    assert_eq!(dash.model.lists.tab, Tab::Jobs);
    dash.press("9");
    assert_eq!(dash.model.lists.tab, Tab::All);
    dash.must_see("all instances");
}

#[test]
fn reads_are_one_key_and_seen_at_once_until_they_end() {
    let mut dash = Dash::picture(SIZE);
    dash.press("j r");
    let effect = dash.effect();
    let Effect::Act { ticket, act } = effect.clone() else {
        panic!("{effect:?}")
    };
    assert_eq!(act, Act::Check(ServerId(2)));
    dash.must_see("checking prod-2…");
    dash.must_see("⠋ checking");
    dash.press("r");
    assert!(dash.effects().is_empty(), "it is on its way already");
    dash.must_see("still checking prod-2");
    let result = Ok(Box::new(Ended {
        text: SafeText::new("prod-2 answers in 21 ms"),
        ..Ended::default()
    }));
    dash.answer(Answer::Ended { ticket, result });
    dash.must_see("✔ prod-2 answers in 21 ms");
    assert!(!dash.sees("checking prod-2"));
    dash.press("ctrl-r");
    let Effect::Act { ticket, act } = dash.effect() else {
        panic!()
    };
    assert_eq!(act, Act::CheckAll);
    let result = Ok(Box::new(Ended {
        text: SafeText::new("4 servers checked, 3 of them without an answer"),
        alarming: true,
        ..Ended::default()
    }));
    dash.answer(Answer::Ended { ticket, result });
    dash.must_see("▲ 4 servers checked");
}

#[test]
fn what_fails_says_why_what_to_do_and_which_key_tries_again() {
    let mut dash = Dash::picture(SIZE);
    dash.press("t");
    let Effect::Act { ticket, .. } = dash.effect() else {
        panic!()
    };
    let problem = Problem::new("refused", "connection refused by 10.0.0.1:443").hint("start Odoo");
    dash.answer(Answer::Ended {
        ticket,
        result: Err(problem),
    });
    dash.must_see("✖ testing prod-1: connection refused by 10.0.0.1:443");
    dash.must_see("start Odoo · . tries again");
    dash.press(".");
    assert_eq!(act(dash.effect()), Act::Test(ServerId(1)));
    // The first one's late second answer means nothing.
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::default()),
    });
    dash.must_see("testing prod-1");
}

#[test]
fn a_tests_report_is_shown_layer_by_layer() {
    use vigie::domain::check::{CheckReport, Failure, Layer};
    let mut dash = Dash::picture(SIZE);
    dash.press("t");
    let Effect::Act { ticket, .. } = dash.effect() else {
        panic!()
    };
    let layer = |name: &str, passed| Layer {
        name: name.to_owned(),
        passed,
        took_ms: 3,
        note: SafeText::new("\u{1b}[31mevil"),
    };
    let report = CheckReport {
        at: fleet::noon(),
        latency_ms: 12,
        failure: Some(Failure::Http { status: 502 }),
        warnings: Vec::new(),
        version: None,
        layers: vec![
            layer("tcp", Some(true)),
            layer("http", Some(false)),
            layer("version", None),
        ],
    };
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(Ended {
            report: Some(Box::new(report)),
            ..Ended::default()
        })),
    });
    for text in [
        "test of prod-1",
        "✖ HTTP 502",
        "✔ tcp",
        "✖ http",
        "· version",
        "␛[31mevil",
    ] {
        dash.must_see(text);
    }
    dash.press("q");
    assert!(dash.model.layers.is_empty(), "q goes back one level");
}

#[test]
fn changes_are_a_then_a_letter() {
    let mut dash = Dash::picture(SIZE);
    dash.press("G a a");
    let expected = Act::Activate {
        server: ServerId(3),
        version: 3,
    };
    assert_eq!(act(dash.effect()), expected);
    dash.must_see("testing and activating test-1");
    dash.press("g a a");
    assert!(dash.effects().is_empty());
    dash.must_see("activate (aa): it is active already");
    dash.press("a d");
    dash.must_see("deactivate (ad): it has 48 instances");
    dash.press("a m");
    dash.must_see("Put server prod-1 in maintenance?");
    dash.must_see("Its 48 instances stay as they are.");
    dash.press("enter").wait(400);
    dash.effects();
    dash.press("enter");
    assert_eq!(dash.effects(), vec![]);
    assert!(dash.model.layers.is_empty(), "Cancel has the focus");
    dash.press("a m").wait(400).press("y");
    let expected = Act::Maintain {
        server: ServerId(1),
        version: 3,
    };
    assert_eq!(act(dash.effect()), expected);
}

#[test]
fn the_menu_comes_after_a_moment_and_says_what_is_not_allowed_and_why() {
    let mut dash = Dash::picture(SIZE);
    dash.press("a");
    assert!(!dash.sees("activate"));
    assert_eq!(
        dash.model.next_deadline(&dash.now()).unwrap() - dash.now().mono,
        std::time::Duration::from_millis(120),
        "the spinner of the job at work comes first"
    );
    dash.wait(310);
    dash.must_see("maintenance");
    dash.must_see("it has 48 instances");
    dash.must_see("it is active already");
    dash.press("esc");
    assert!(!dash.sees("it is active already"));
    dash.press("a z");
    dash.must_see("az does nothing");
}

#[test]
fn what_belongs_elsewhere_says_where() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 a a");
    assert!(dash.effects().is_empty());
    dash.must_see("activate (aa) is only in: servers");
    dash.press("3 d");
    dash.must_see(
        "describe (d) is only in: servers, instances, templates, jobs, plans, customers, what happened, alerts",
    );
}

fn delete_dialog(dash: &mut Dash) {
    dash.press("2 j a x").wait(400);
    dash.must_see("Delete instance agence-saint-roch");
    dash.must_see("Its database agence_saint_roch and its files are deleted from prod-1.");
    dash.effects();
}

#[test]
fn deleting_needs_the_name_typed() {
    let mut dash = Dash::picture(SIZE);
    delete_dialog(&mut dash);
    dash.press("enter");
    assert!(
        dash.effects().is_empty() && dash.model.layers.is_empty(),
        "Cancel has the focus"
    );
    delete_dialog_again(&mut dash);
    dash.enter("y").press("tab enter");
    assert!(dash.effects().is_empty(), "y is a letter here");
    delete_dialog_again(&mut dash);
    dash.enter("agence-saint-roc").press("tab enter");
    assert!(dash.effects().is_empty(), "not quite the name");
    delete_dialog_again(&mut dash);
    dash.enter("agence-saint-roch");
    dash.must_see("[ Delete ]");
    dash.press("enter");
    let expected = Act::DeleteInstance {
        instance: InstanceId(35),
        version: 4,
    };
    assert_eq!(act(dash.effect()), expected);
}

fn delete_dialog_again(dash: &mut Dash) {
    dash.press("esc");
    while !dash.model.layers.is_empty() {
        dash.press("esc");
    }
    dash.press("2 a x").wait(400);
    assert_eq!(dash.model.layers.len(), 1);
    dash.effects();
}

#[test]
fn a_paste_never_confirms() {
    let mut dash = Dash::picture(SIZE);
    delete_dialog(&mut dash);
    dash.paste("agence-saint-roch\n").paste("\r\n").paste("y");
    dash.must_see("a paste confirms nothing");
    assert!(dash.effects().is_empty());
    dash.press("tab enter");
    assert!(dash.effects().is_empty(), "what was pasted is not in the field");
    dash.press("1 a m").wait(400).paste("y\n\ny");
    assert!(dash.effects().is_empty());
    dash.must_see("Put server prod-1 in maintenance?");
}

#[test]
fn held_keys_and_early_keys_confirm_nothing() {
    let mut dash = Dash::picture(SIZE);
    dash.press("a m y enter");
    assert!(dash.effects().is_empty(), "they came with the keys that opened it");
    assert_eq!(dash.model.layers.len(), 1);
    dash.wait(400);
    for code in [KeyCode::Char('y'), KeyCode::Tab, KeyCode::Enter] {
        let held = KeyEvent::new_with_kind(code, KeyModifiers::NONE, KeyEventKind::Repeat);
        dash.tell(Message::Input(Event::Key(held)));
    }
    assert!(dash.effects().is_empty(), "held keys decide nothing");
    dash.press("y");
    assert_eq!(dash.effects().len(), 1);
}

#[test]
fn a_question_whose_target_changed_meanwhile_is_refused() {
    let mut dash = Dash::picture(SIZE);
    delete_dialog(&mut dash);
    dash.enter("agence-saint-roch");
    let mut changed = fleet::instance(35, 1, "Agence Saint-Roch", InstanceState::Suspended);
    changed.version = 5;
    dash.answer(Answer::Delta(Box::new(Delta {
        instances: vec![changed],
        ..Delta::default()
    })));
    dash.must_see("It was changed meanwhile");
    dash.press("tab enter");
    assert!(dash.effects().is_empty());
    delete_dialog_again(&mut dash);
    dash.enter("agence-saint-roch");
    dash.answer(Answer::Delta(Box::new(Delta {
        gone_instances: vec![InstanceId(35)],
        ..Delta::default()
    })));
    dash.must_see("It is gone meanwhile.");
    dash.press("tab enter");
    assert!(dash.effects().iter().all(|e| !matches!(e, Effect::Act { .. })));
}

#[test]
fn a_failed_instance_is_forgotten_not_deleted() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 a x").wait(400);
    dash.must_see("Remove the record of instance agence-nord?");
    dash.enter("agence-nord").press("enter");
    assert!(matches!(act(dash.effect()), Act::ForgetInstance { .. }));
}

#[test]
fn jobs_are_cancelled_and_retried() {
    let mut dash = Dash::picture(SIZE);
    dash.press("5 a k").wait(400);
    dash.must_see("Cancel job 42");
    dash.press("y");
    assert_eq!(act(dash.effect()), Act::CancelJob(JobId(42)));
    dash.press("a r");
    dash.must_see("its job is running");
    dash.press("G");
    assert_eq!(
        dash.effects(),
        vec![Effect::FollowLog(JobId(40))],
        "the log follows the selection"
    );
    dash.press("a r");
    assert_eq!(act(dash.effect()), Act::RetryJob(JobId(40)));
    // From the instance's row too.
    dash.press("2 /").enter("client abc").press("enter a k").wait(400);
    dash.must_see("Cancel job 42");
}

#[test]
fn the_end_of_a_job_is_told_with_its_reason_and_what_to_do() {
    let mut dash = Dash::picture(SIZE);
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(42, JobState::Failed, 2)],
        ..Delta::default()
    })));
    dash.must_see("✖ job 42 failed: clone database: could not connect");
    dash.must_see("start PostgreSQL");
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(43, JobState::Done, 7)],
        ..Delta::default()
    })));
    dash.must_see("✔ job 43 · create instance client-abc on prod-1: done");
}

#[test]
fn leaving_asks_while_jobs_run() {
    let mut dash = Dash::picture(SIZE);
    dash.press("q");
    assert!(dash.effects().is_empty());
    dash.must_see("1 job is at work");
    dash.must_see("they go on in the worker");
    dash.press("n q").wait(400).press("y");
    assert_eq!(dash.effect(), Effect::Quit);
    let mut calm = Dash::new(SIZE);
    calm.load(Fleet::default());
    calm.press("q");
    assert_eq!(calm.effect(), Effect::Quit);
}

#[test]
fn ctrl_c_stops_the_current_thing_and_twice_leaves() {
    let mut dash = Dash::picture(SIZE);
    dash.press("r");
    let Effect::Act { ticket, .. } = dash.effect() else {
        panic!()
    };
    dash.press("ctrl-c");
    assert_eq!(dash.effect(), Effect::CancelTask(ticket));
    dash.must_see("Ctrl-C again within a second quits");
    dash.answer(Answer::Ended {
        ticket,
        result: Err(Problem::new("cancelled", "cancelled")),
    });
    dash.must_see("stopped: checking prod-1");
    dash.wait(1100).press("d ctrl-c");
    assert!(
        dash.effects().is_empty(),
        "too late for the second one: the description was closed"
    );
    assert!(dash.model.layers.is_empty());
    dash.press("ctrl-c");
    assert_eq!(dash.effect(), Effect::Quit);
    dash.tell(Message::Notice(Notice::Terminate));
    assert_eq!(dash.effect(), Effect::Quit);
    dash.press("ctrl-z");
    assert_eq!(dash.effect(), Effect::Suspend);
}

#[test]
fn a_filter_shows_its_rows_as_one_types_and_is_kept_per_list() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 /").enter("bistro");
    dash.must_see("2 of 48  /bistro");
    dash.press("enter 1 /").enter("refused");
    assert_eq!(
        dash.model.lists.servers.selected,
        Some(ServerId(4)),
        "the reason counts"
    );
    dash.press("esc");
    let servers = dash.model.lists.len(ListId::Servers, &dash.model.store);
    assert_eq!(servers, 4, "Esc clears");
    dash.press("g 2");
    dash.must_see("/bistro");
    dash.press("/").enter(" !nord zzz");
    dash.must_see("Nothing here passes");
    dash.must_see("looks through all servers' instances");
    dash.press("esc");
    dash.must_see("2 of 48  /bistro");
    dash.press("esc");
    assert!(!dash.sees("/bistro"));
}

#[test]
fn the_log_of_a_row_and_the_description_of_a_row() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 /").enter("client abc").press("enter d");
    assert_eq!(dash.effect(), Effect::LoadInstance(InstanceId(9042)));
    dash.must_see("instance client-abc");
    dash.must_see("reading the rest…");
    dash.press("esc l");
    assert_eq!(dash.model.focus, Pane::Log);
    dash.press("1 d");
    dash.must_see("env:DB_PASSWORD");
    dash.press("G q 2 esc g l");
    dash.must_see("no job has worked on it lately");
}

#[test]
fn help_lists_every_key_of_where_one_stands() {
    let mut dash = Dash::new((120, 120));
    dash.load(fleet::picture());
    for (keys, there, not_there) in [
        (
            "1",
            vec!["activate", "puts the server in service", "aa", "Ctrl-R"],
            "the next match of the search",
        ),
        (
            "3",
            vec!["the next match of the search", "ak"],
            "puts the server in service",
        ),
    ] {
        dash.press(keys).press("?");
        for text in there.iter().filter(|text| **text != "activate") {
            dash.must_see(text);
        }
        assert!(!dash.sees(not_there));
        dash.press("?");
        assert!(dash.model.layers.is_empty(), "? closes it too");
    }
}

#[test]
fn added_things_are_selected_and_their_job_followed() {
    let mut dash = Dash::picture(SIZE);
    dash.press("r");
    let Effect::Act { ticket, .. } = dash.effect() else {
        panic!()
    };
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(Ended {
            job: Some(JobId(50)),
            created: Some(Target::Instance(InstanceId(777))),
            ..Ended::default()
        })),
    });
    assert_eq!(dash.effect(), Effect::FollowLog(JobId(50)));
    dash.answer(Answer::Delta(Box::new(Delta {
        instances: vec![fleet::instance(777, 2, "Zed", InstanceState::Provisioning)],
        ..Delta::default()
    })));
    assert_eq!(dash.model.lists.instance(), Some(InstanceId(777)));
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(2)));
}

#[test]
fn a_lost_registry_is_said_with_the_age_of_what_is_shown() {
    let mut dash = Dash::picture(SIZE);
    dash.wait(180_000);
    dash.tell(Message::Notice(Notice::RegistryLost(Problem::new(
        "x",
        "the registry failed: disk full",
    ))));
    dash.must_see("✖ shown as of 3 min ago: the registry failed: disk full");
    dash.must_see("prod-1");
    dash.tell(Message::Notice(Notice::RegistryBack));
    assert!(!dash.sees("disk full"));
}

#[test]
fn a_check_that_is_too_old_says_its_age() {
    let mut dash = Dash::picture((200, 50));
    dash.wait(40 * 60_000);
    dash.must_see("? 43 min old");
    dash.must_see("checked 43 min ago");
}

#[test]
fn an_empty_fleet_says_what_to_press_first() {
    let mut dash = Dash::new(SIZE);
    dash.must_see("reading the registry…");
    dash.load(Fleet {
        read_at: Some(fleet::noon()),
        ..Fleet::default()
    });
    dash.must_see("No server yet.");
    dash.must_see("n  adds the first one");
    dash.press("2 n");
    dash.must_see("there is no server yet: 1, then n");
    dash.press("1 enter");
    dash.must_see("new server");
}

#[test]
fn what_of_a_large_fleet_is_not_read_yet_is_not_said_to_be_nothing() {
    let whole = fleet::large(3, 300);
    let mut dash = Dash::new(SIZE);
    let mut first = whole.clone();
    first.partly = Some(first.servers[0].id);
    first.instances.retain(|row| Some(row.server) == first.partly);
    let (own, others) = (first.instances[0].clone(), whole.instances.len());
    dash.load(first);
    dash.must_see(own.name());
    assert!(!dash.screen().contains("Reading…"));
    dash.press("j");
    dash.must_see("Reading…");
    assert!(!dash.screen().contains("No instance yet."));
    dash.press("k 9");
    dash.must_see("reading…");
    dash.load(whole);
    assert!(!dash.screen().contains("reading…"));
    dash.must_see(&others.to_string());
    dash.press("1 j");
    assert!(!dash.screen().contains("Reading…"));
}

/// Nothing running, nothing pressed: the only wake-up is the clock's next minute, and it draws only
/// because the minute changed.
#[test]
fn idle_is_idle() {
    let mut dash = Dash::new(SIZE);
    let mut quiet = fleet::picture();
    quiet.jobs.retain(|job| job.state.is_over());
    dash.load(quiet);
    // What of it is bad is written down once.
    dash.wait(2_000);
    dash.model.take_dirty();
    let now = dash.now();
    let due = dash.model.next_deadline(&now).unwrap() - now.mono;
    assert!(due > std::time::Duration::from_secs(30), "{due:?}");
    dash.wait(1000);
    assert!(!dash.model.take_dirty(), "a wake-up for nothing draws nothing");
    dash.wait(60_000);
    assert!(dash.model.take_dirty(), "the clock");
    assert!(!dash.model.take_dirty());
}

#[test]
fn a_spinner_turns_by_deadline_only() {
    let mut dash = Dash::picture(SIZE);
    dash.model.take_dirty();
    let now = dash.now();
    let due = dash.model.next_deadline(&now).unwrap() - now.mono;
    assert!(due <= std::time::Duration::from_millis(120), "{due:?}");
    dash.tell(Message::Deadline);
    assert!(!dash.model.take_dirty(), "not yet");
    dash.wait(121);
    assert!(dash.model.take_dirty());
}

#[test]
fn drafts_and_readies_of_templates() {
    let mut dash = Dash::picture(SIZE);
    dash.press("4 a t").wait(400);
    assert!(dash.sees("Thaw template") || dash.sees("not frozen"));
    dash.press("esc g").wait(10);
    let first = dash.model.lists.templates.selected;
    assert_eq!(first, Some(TemplateId(3)), "clinic, by code");
    dash.press("a c");
    let expected = Act::TemplateJob {
        template: TemplateId(3),
        version: 2,
        work: TemplateWork::CreateDatabase,
    };
    assert_eq!(act(dash.effect()), expected);
    dash.press("j a t").wait(400);
    dash.must_see("Thaw template restaurant?");
    dash.press("y");
    assert!(matches!(
        act(dash.effect()),
        Act::TemplateJob {
            work: TemplateWork::Thaw,
            ..
        }
    ));
}

#[test]
fn an_offline_server_can_be_activated_again() {
    let mut dash = Dash::picture(SIZE);
    let server = dash.model.store.server(ServerId(4)).unwrap();
    assert_eq!(server.intent, Intent::Active);
    dash.press("j j a a");
    assert!(matches!(
        act(dash.effect()),
        Act::Activate {
            server: ServerId(4),
            ..
        }
    ));
}

#[test]
fn one_key_goes_to_the_next_problem_outages_first() {
    let mut dash = Dash::picture(SIZE);
    dash.press("j 3 !");
    assert_eq!(dash.model.focus, Pane::Servers);
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(4)), "it is down");
    dash.press("!");
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(1)), "it is full");
    let mut well = Dash::new(SIZE);
    well.load(Fleet {
        servers: vec![fleet::server(1, "prod-1", 10, 1)],
        ..Fleet::default()
    });
    well.press("!");
    well.must_see("every server is as it should be");
}

#[test]
fn a_first_read_that_fails_is_said_in_the_panes_for_as_long_as_it_fails() {
    let mut dash = Dash::new(SIZE);
    dash.must_see("Reading…");
    dash.answer(Answer::Failed {
        what: SafeText::new("the fleet"),
        problem: Problem::new("damaged", "server 1 has a data_dir that is no path").hint("mend its row"),
    });
    dash.wait(60_000);
    dash.must_see("Nothing could be read: server 1 has a data_dir");
    dash.must_see("mend its row");
    assert!(!dash.sees("Reading…"));
    dash.load(fleet::picture());
    dash.must_see("prod-1");
    assert!(!dash.sees("Nothing could be read"));
}
