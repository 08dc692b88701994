//! The configuration on the screen, profiles, and the operator's own commands, through the real update.

use super::{Dash, fleet};
use std::sync::Arc;
use vigie::domain::command::{Output, OwnCommand};
use vigie::domain::{Problem, SafeText};
use vigie::tui::model::{
    Act, Answer, Cleared, ConfigFacts, Effect, Ended, Message, Mistake, Target, UiSettings, Written,
};

fn mistake(place: &str, message: &str) -> Mistake {
    Mistake {
        place: SafeText::new(place),
        message: SafeText::new(message),
        hint: Some(SafeText::new("did you mean \"interval\"?")),
    }
}

fn with(config: ConfigFacts, commands: &[&str]) -> Dash {
    let commands = commands
        .iter()
        .map(|text| Arc::new(toml::from_str::<OwnCommand>(text).expect(text)))
        .collect();
    let settings = UiSettings {
        config,
        commands,
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, (120, 35));
    dash.load(fleet::picture());
    dash
}

fn profiles() -> ConfigFacts {
    ConfigFacts {
        profile: Some("prod".to_owned()),
        profiles: vec!["prod".to_owned(), "test".to_owned()],
        places: vec![
            ("version".to_owned(), SafeText::new("9.9.9")),
            ("config".to_owned(), SafeText::new("/etc/vigie/config.toml")),
        ],
        ..ConfigFacts::default()
    }
}

#[test]
fn mistakes_are_in_the_header_and_on_their_page_with_their_place() {
    let facts = ConfigFacts {
        mistakes: vec![mistake("/c.toml:5:1", "found the unknown setting \"intervall\"")],
        ..profiles()
    };
    let mut dash = with(facts, &[]);
    dash.must_see("1 mistake in the configuration (:config)");
    dash.press(":").enter("config").press("enter");
    for text in [
        "/c.toml:5:1",
        "intervall",
        "did you mean",
        "/etc/vigie/config.toml",
        "prod, test",
    ] {
        dash.must_see(text);
    }
    dash.press("esc");
    assert!(!dash.sees("did you mean"));
    // Without mistakes the header says nothing of it.
    let dash = with(profiles(), &[]);
    assert!(!dash.sees("in the configuration"));
    dash.must_see("vigie  prod");
}

#[test]
fn the_help_says_the_version_and_where_files_lie() {
    let mut dash = with(profiles(), &[]);
    dash.press("? end");
    dash.must_see("9.9.9");
    dash.must_see("/etc/vigie/config.toml");
}

#[test]
fn a_changed_file_holds_at_once_and_a_bad_edit_says_what_it_keeps() {
    let mut dash = with(profiles(), &[]);
    let changed = UiSettings {
        profile: SafeText::new("renamed"),
        config: profiles(),
        ..UiSettings::default()
    };
    dash.tell(Message::Settings(
        Box::new(changed.clone()),
        vec!["fleet.name".to_owned()],
    ));
    dash.must_see("the configuration was read again: fleet.name changed");
    dash.must_see("prod · renamed");
    let mut wrong = changed.clone();
    wrong.config.mistakes = vec![mistake("/c.toml:2:3", "found \"soon\"")];
    wrong.config.restart = vec!["paths.registry".to_owned()];
    dash.tell(Message::Settings(Box::new(wrong), Vec::new()));
    dash.must_see("/c.toml:2:3: found \"soon\"");
    dash.must_see("what was right before holds in its place");
    dash.tell(Message::Kept(mistake("/c.toml:7:1", "this is no TOML")));
    dash.must_see("the configuration stays as it was: /c.toml:7:1: this is no TOML");
    dash.must_see("prod · renamed");
    dash.press(":").enter("config").press("enter");
    dash.must_see("the last change was not taken");
    dash.must_see("paths.registry");
    // It is mended.
    dash.press("esc").tell(Message::Settings(Box::new(changed), Vec::new()));
    assert!(!dash.sees("in the configuration (:config)"));
}

#[test]
fn a_profile_is_changed_to_from_the_palette_even_while_the_registry_is_lost() {
    let mut dash = with(profiles(), &[]);
    let problem = Problem::new("timeout", "no answer");
    dash.tell(Message::Notice(vigie::tui::model::Notice::RegistryLost(problem)));
    dash.press(":").enter("profile test");
    dash.must_see("profile test");
    dash.effects();
    dash.press("enter");
    assert_eq!(dash.effect(), Effect::SwitchProfile);
    assert_eq!(dash.model.switch_to.as_deref(), Some("test"));
    // The action alone asks which.
    dash.press(":").enter("profile").press("enter");
}

const ECHO: &str = "name = \"say\"\nargv = [\"echo\", \"{code}\", \"{what}\"]\non = [\"server\"]\nkey = \"ctrl-g\"\nask = [{ name = \"what\", label = \"What\" }]\n";
const PLAIN: &str = "name = \"uptime\"\nargv = [\"uptime\"]\noutput = \"log\"\n";
const CHANGES: &str = "name = \"restart\"\nargv = [\"restart\", \"{code}\"]\non = [\"server\"]\nchanges = true\n";

fn ran(effect: Effect) -> (vigie::tui::model::Ticket, vigie::tui::model::CommandRun) {
    match effect {
        Effect::Act {
            ticket,
            act: Act::Command(run),
        } => (ticket, *run),
        other => panic!("no command: {other:?}"),
    }
}

#[test]
fn a_command_asks_shows_exactly_what_runs_and_runs_that() {
    let mut dash = with(profiles(), &[ECHO]);
    dash.effects();
    dash.press("ctrl-g").enter("it's; rm -rf /");
    dash.must_see("What");
    dash.must_see("echo prod-1 'it'\\''s; rm -rf /'");
    dash.press("enter");
    dash.wait(400).effects();
    dash.press("enter");
    let (ticket, run) = ran(dash.effect());
    assert_eq!(run.argv, ["echo", "prod-1", "it's; rm -rf /"]);
    assert!(matches!(run.target, Target::Server(_)));
    assert_eq!(run.facts.get("code").map(String::as_str), Some("prod-1"));
    assert_eq!(run.facts.get("profile").map(String::as_str), Some("prod"));
    let output = Written {
        command: SafeText::new("echo"),
        code: Some(3),
        lines: vec![SafeText::new("hello\u{1b}[2J there")],
        dropped: 0,
    };
    let ended = Ended {
        output: Some(Box::new(output)),
        ..Ended::default()
    };
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(ended)),
    });
    dash.must_see("exit status 3");
    dash.must_see("there");
    assert!(!dash.screen().contains('\u{1b}'));
}

#[test]
fn a_hostile_value_runs_nothing() {
    let mut dash = with(profiles(), &[ECHO]);
    dash.press("ctrl-g").enter("-rf").press("enter");
    dash.must_see("would be taken for an option");
    dash.wait(400).effects();
    dash.press("enter");
    assert!(dash.effects().is_empty());
    dash.press("esc");
    // A paste is one line, without control characters.
    dash.press("ctrl-g").paste("a\nb; reboot\n");
    dash.must_see("echo prod-1 a");
    assert!(!dash.sees("reboot"));
}

#[test]
fn what_changes_something_never_runs_unasked_and_begins_with_cancel() {
    let mut dash = with(profiles(), &[CHANGES]);
    dash.press(":").enter("restart").effects();
    dash.press("enter");
    assert!(dash.effects().is_empty(), "asked first");
    dash.must_see("restart prod-1");
    dash.must_see("It changes something.");
    dash.wait(400).effects();
    dash.press("enter");
    assert!(dash.effects().is_empty(), "Cancel was in front");
    assert!(!dash.sees("It changes something."));
    dash.press(":").enter("restart").press("enter").wait(400).effects();
    dash.press("tab enter");
    let (_, run) = ran(dash.effect());
    assert!(run.changes);
    // Keys that come with the one that opened it start nothing.
    dash.press(":").enter("restart").press("enter").effects();
    dash.press("tab enter");
    assert!(dash.effects().is_empty());
}

#[test]
fn a_command_runs_where_it_applies_and_says_why_elsewhere() {
    let mut dash = with(profiles(), &[CHANGES, PLAIN]);
    dash.press("5").press(":").enter("restart");
    dash.must_see("it runs on a server");
    dash.press("enter").effects();
    assert!(!dash.sees("It changes something."));
    dash.press("esc");
    dash.effects();
    dash.press(":").enter("uptime").press("enter");
    let (ticket, run) = ran(dash.effect());
    assert_eq!((run.target, run.output), (Target::Fleet, Output::Log));
    // Judged, it streams into the log panel.
    let command = vigie::domain::log::Command::of(run.argv).expect("words");
    let target = vigie::domain::log::LogTarget::Output {
        place: vigie::domain::log::LogPlace::Here,
        command,
    };
    let ended = Ended {
        ready: Some(Box::new(Cleared::Log(target.clone()))),
        ..Ended::default()
    };
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(ended)),
    });
    assert!(matches!(dash.effect(), Effect::OpenLog { target: opened, .. } if opened == target));
    // In help, too.
    dash.press("1 ?");
    dash.press("end");
    dash.must_see("your own commands");
}
