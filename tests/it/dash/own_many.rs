//! The operator's own commands on marked rows, and what guards ask before them.

use super::Dash;
use super::bulk::dash_with;
use std::sync::Arc;
use vigie::domain::bulk::State;
use vigie::domain::command::{Output, OwnCommand};
use vigie::domain::guard::{Guard, Rule};
use vigie::domain::{SafeText, ServerId};
use vigie::tui::model::{
    Act, Answer, BulkField, CommandRun, Delta, Effect, Ended, Layer, ListId, Target, Ticket, UiSettings, Written,
};

const PING: &str = "name = 'ping'\nargv = ['ping', '--', '{code}']\non = ['server']";
const MEND: &str = "name = 'mend'\nargv = ['mend', '{code}']\non = ['server']\nchanges = true";
const ALL: &str =
    "name = 'census'\nargv = ['report', '--', '{codes}', 'end']\non = ['server']\nmany = 'once'\noutput = 'log'";

fn dash(commands: &[&str], read_only: bool, rules: &str) -> Dash {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        guard: Vec<Rule>,
    }
    let file: File = toml::from_str(rules).unwrap();
    let settings = UiSettings {
        commands: commands
            .iter()
            .map(|text| Arc::new(toml::from_str::<OwnCommand>(text).expect(text)))
            .collect(),
        guard: Guard {
            profile: "prod".to_owned(),
            read_only,
            rules: file.guard,
        },
        ..UiSettings::default()
    };
    dash_with(settings, (120, 35))
}

/// The commands that were asked to be run, with the tickets, and how many in one go they were said to be.
fn runs(dash: &mut Dash) -> Vec<(Ticket, CommandRun, u32)> {
    dash.effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::ActWith {
                ticket,
                act: Act::Command(run),
                consent,
            } => Some((ticket, *run, consent.bulk)),
            Effect::Act {
                ticket,
                act: Act::Command(run),
            } => Some((ticket, *run, 0)),
            _ => None,
        })
        .collect()
}

fn wrote(dash: &mut Dash, ticket: Ticket, code: i32, lines: &[&str]) {
    let written = Written {
        command: SafeText::new("ping -- x"),
        code: Some(code),
        lines: lines.iter().map(|line| SafeText::new(line)).collect(),
        dropped: 0,
    };
    let result = Ok(Box::new(Ended {
        text: SafeText::new("ping: done"),
        output: Some(Box::new(written)),
        ..Ended::default()
    }));
    dash.answer(Answer::Ended { ticket, result });
}

fn start(dash: &mut Dash, name: &str) {
    dash.press(":").enter(name).press("enter").wait(400);
}

#[test]
fn on_marked_rows_a_command_runs_once_for_each_after_its_plan_with_a_receipt_for_each() {
    let mut dash = dash(&[PING], false, "");
    dash.press("space space space");
    start(&mut dash, "ping");
    assert!(runs(&mut dash).is_empty(), "the plan comes first");
    dash.must_see("Run ping on 3 servers?");
    dash.must_see("ping -- srv-1");
    dash.must_see("ping -- srv-3");
    dash.press("y");
    let begun = runs(&mut dash);
    let argv: Vec<&str> = begun.iter().map(|(_, run, _)| run.argv[2].as_str()).collect();
    assert_eq!(argv, ["srv-1", "srv-2", "srv-3"]);
    assert!(
        begun
            .iter()
            .all(|(_, run, _)| run.output == Output::Popup && run.also.is_empty())
    );
    assert_eq!(begun[1].1.target, Target::Server(ServerId(2)));
    wrote(&mut dash, begun[0].0, 0, &["64 bytes", "0% packet loss", ""]);
    wrote(&mut dash, begun[1].0, 2, &["unknown host"]);
    wrote(&mut dash, begun[2].0, 0, &[]);
    let receipts = &dash.model.runs.last().unwrap().run.receipts;
    assert_eq!(receipts[0].state, State::Done(SafeText::new("0% packet loss")));
    assert!(matches!(&receipts[1].state, State::Failed(why) if why.message == "exit status 2: unknown host"));
    dash.must_see("2 done, 1 failed");
    dash.must_see("exit status 2: unknown host");
    // What all of them wrote is there, one after the other.
    dash.press("o");
    dash.must_see("== srv-2: exit status 2");
    dash.must_see("64 bytes");
    // And only what failed is run again, planned anew.
    dash.press("esc f").wait(400);
    dash.must_see("Run ping on 1 server?");
    dash.press("y");
    let again = runs(&mut dash);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1.argv, ["ping", "--", "srv-2"]);
}

#[test]
fn a_command_that_takes_all_of_them_runs_once_with_the_list() {
    let mut dash = dash(&[ALL], false, "");
    dash.press("space j space");
    start(&mut dash, "census");
    dash.must_see("Run census on 2 servers?");
    dash.must_see("report -- srv-1 srv-3 end");
    assert!(!dash.sees("at once"), "there is but one");
    dash.press("y");
    let begun = runs(&mut dash);
    assert_eq!(begun.len(), 1);
    let run = &begun[0].1;
    assert_eq!(run.argv, ["report", "--", "srv-1", "srv-3", "end"]);
    assert_eq!(run.facts["codes"], "srv-1\nsrv-3");
    assert_eq!(
        (run.target, run.also.as_slice()),
        (Target::Server(ServerId(1)), &[Target::Server(ServerId(3))][..])
    );
    assert_eq!(run.output, Output::Log);
    assert_eq!(begun[0].2, 2, "guards are told how many");
    assert_eq!(dash.model.marks.count(ListId::Servers), 0);
    // A limit is kept to: the others are not in the list.
    dash.press("1 m a");
    start(&mut dash, "census");
    dash.press("shift-tab").enter("2");
    dash.must_see("report -- srv-1 srv-2 end");
    dash.press("tab y");
    assert_eq!(runs(&mut dash)[0].1.argv, ["report", "--", "srv-1", "srv-2", "end"]);
}

#[test]
fn without_marks_it_runs_on_what_is_selected() {
    let mut dash = dash(&[PING, ALL], false, "");
    start(&mut dash, "ping");
    assert_eq!(runs(&mut dash)[0].1.argv, ["ping", "--", "srv-1"]);
    start(&mut dash, "census");
    assert_eq!(runs(&mut dash)[0].1.argv, ["report", "--", "srv-1", "end"]);
}

#[test]
fn what_it_asks_is_asked_once_and_then_planned() {
    let ask = "name = 'ping'\nargv = ['ping', '-c', '{count}', '--', '{code}']\non = ['server']\n\
               ask = [{ name = 'count', kind = 'number', min = 1, max = 9 }]";
    let mut dash = dash(&[ask], false, "");
    dash.press("space space");
    start(&mut dash, "ping");
    dash.enter("7").press("enter enter").wait(400);
    dash.must_see("Run ping on 2 servers?");
    dash.must_see("ping -c 7 -- srv-2");
    dash.press("y");
    let argv: Vec<Vec<String>> = runs(&mut dash).into_iter().map(|(_, run, _)| run.argv).collect();
    assert_eq!(argv[1], ["ping", "-c", "7", "--", "srv-2"]);
    assert_eq!(argv.len(), 2);
}

#[test]
fn what_changes_something_is_judged_for_each_and_asked_what_guards_ask() {
    let rules = "[[guard]]\naction = 'command'\nserver = 'srv-2'\ndeny = 'month end'\n\
                 [[guard]]\naction = 'command'\ntype_name = true\nreason = true\nmax_bulk = 2";
    let mut dash = dash(&[MEND], false, rules);
    dash.press("space space space space");
    start(&mut dash, "mend");
    dash.must_see("Run mend on 2 servers? 2 passed over.");
    dash.must_see("month end");
    dash.must_see("beyond the limit of 2");
    dash.press("enter enter");
    assert!(runs(&mut dash).is_empty(), "nothing was given");
    dash.press("shift-tab")
        .enter("disk swap")
        .press("tab")
        .enter("3")
        .press("enter enter");
    assert!(runs(&mut dash).is_empty(), "another number");
    dash.press("backspace").enter("2").press("enter enter");
    let begun = runs(&mut dash);
    let codes: Vec<&str> = begun.iter().map(|(_, run, _)| run.argv[1].as_str()).collect();
    assert_eq!(codes, ["srv-1", "srv-3"]);
    assert!(begun.iter().all(|(_, run, bulk)| run.changes && *bulk == 2));
    // In a read-only profile none is begun; what changes nothing is.
    let mut dash = self::dash(&[MEND, PING], true, "");
    dash.press("space space");
    start(&mut dash, "mend");
    dash.press("y enter");
    assert!(runs(&mut dash).is_empty());
    start(&mut dash, "ping");
    dash.press("y");
    assert_eq!(runs(&mut dash).len(), 2);
}

#[test]
fn one_alone_is_asked_the_name_and_the_reason_too() {
    let rules = "[[guard]]\naction = 'command'\nserver = 'srv-1'\ntype_name = true\nreason = true\n\
                 [[guard]]\naction = 'command'\nserver = 'srv-2'\ndeny = 'month end'";
    let mut dash = dash(&[MEND], false, rules);
    start(&mut dash, "mend");
    dash.press("tab enter").wait(400);
    assert!(runs(&mut dash).is_empty(), "a yes is not enough");
    dash.must_see("Run mend on srv-1?");
    dash.enter("disk swap").press("enter").enter("srv-1").press("enter");
    let sent = dash.effects().into_iter().find_map(|effect| match effect {
        Effect::ActWith {
            act: Act::Command(run),
            consent,
            ..
        } => Some((run, consent)),
        _ => None,
    });
    let (run, consent) = sent.expect("it runs");
    assert_eq!(run.argv, ["mend", "srv-1"]);
    assert_eq!(consent.typed.as_deref(), Some("srv-1"));
    assert_eq!(consent.reason, Some(SafeText::new("disk swap")));
    dash.press("j");
    start(&mut dash, "mend");
    dash.must_see("month end");
    dash.press("tab enter y");
    assert!(runs(&mut dash).is_empty());
}

#[test]
fn what_changed_since_the_plan_was_opened_stops_it() {
    let mut dash = dash(&[MEND], false, "");
    dash.press("space space");
    start(&mut dash, "mend");
    let mut changed = dash.model.store.server(ServerId(2)).unwrap().clone();
    changed.version += 1;
    changed.spec.max_instances = 60;
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![changed],
        ..Delta::default()
    })));
    dash.must_see("srv-2 was changed");
    dash.press("y tab tab tab tab enter");
    assert!(runs(&mut dash).is_empty());
}

#[test]
fn what_changed_since_the_question_was_opened_is_not_touched() {
    let change = |dash: &mut Dash| {
        let mut changed = dash.model.store.server(ServerId(1)).unwrap().clone();
        changed.version += 1;
        changed.spec.max_instances = 60;
        dash.answer(Answer::Delta(Box::new(Delta {
            servers: vec![changed],
            ..Delta::default()
        })));
    };
    let mut dash = dash(&[MEND], false, "");
    start(&mut dash, "mend");
    dash.must_see("It changes something.");
    change(&mut dash);
    dash.press("tab enter");
    dash.must_see("srv-1 was changed meanwhile: nothing was run");
    assert!(runs(&mut dash).is_empty() && dash.model.layers.is_empty());
    // Opened anew, it is as it is now.
    start(&mut dash, "mend");
    dash.press("tab enter");
    assert_eq!(runs(&mut dash).len(), 1);
    // Where a guard asks more, its question refuses too.
    let rules = "[[guard]]\naction = 'command'\nreason = true";
    let mut dash = self::dash(&[MEND], false, rules);
    start(&mut dash, "mend");
    dash.press("tab enter").wait(400);
    change(&mut dash);
    dash.must_see("It was changed meanwhile");
    dash.enter("disk swap").press("enter enter");
    assert!(runs(&mut dash).is_empty());
}

#[test]
fn what_takes_the_terminal_takes_it_for_one_alone() {
    let top = "name = 'watchtop'\nargv = ['ssh', '-t', '{host}', 'top']\non = ['server']\noutput = 'terminal'";
    let mut dash = dash(&[top], false, "");
    dash.press("space space");
    start(&mut dash, "watchtop");
    dash.must_see("watchtop takes the terminal: it runs on one at a time");
    assert!(dash.model.layers.is_empty() && runs(&mut dash).is_empty());
}

#[test]
fn the_plans_only_button_row_can_be_reached_by_enter_alone() {
    let mut dash = dash(
        &[PING],
        false,
        "[[guard]]\naction = 'server.maintenance'\nreason = true",
    );
    dash.press("space space a m").wait(400);
    dash.press("enter");
    dash.must_see("a guard asks for a reason");
    dash.enter("kernel").press("enter");
    assert!(matches!(dash.model.layers.last(), Some(Layer::Bulk(plan)) if plan.focus == BulkField::Go));
    dash.press("enter");
    assert_eq!(dash.model.runs.len(), 1);
}
