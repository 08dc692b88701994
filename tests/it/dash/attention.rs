//! What calls for the operator: alerts, their calls, and the marks of what changed.

use super::{Dash, fleet};
use vigie::domain::alert::{AlertState, Mute, Rules};
use vigie::domain::explain::Subject;
use vigie::domain::health::HealthStatus;
use vigie::domain::job::JobState;
use vigie::domain::server::{Intent, Server};
use vigie::domain::{Problem, SafeText, ServerId};
use vigie::tui::model::{
    AlertSettings, Answer, Delta, Effect, Fleet, Message, Notice, Osc, Remembrance, Tab, Target, UiSettings,
};

/// Five servers that are well, and one worker.
fn calm() -> Fleet {
    Fleet {
        servers: (1..=5)
            .map(|id| fleet::server(id, &format!("prod-{id}"), 50, 10))
            .collect(),
        workers: 1,
        read_at: Some(fleet::noon()),
        ..Fleet::default()
    }
}

fn settings(change: impl FnOnce(&mut AlertSettings)) -> UiSettings {
    let mut alerts = AlertSettings {
        notify: Some(Osc::Nine),
        command: true,
        operator: SafeText::new("anna@desk"),
        ..AlertSettings::default()
    };
    change(&mut alerts);
    UiSettings {
        alerts,
        ..UiSettings::default()
    }
}

fn dash_with(settings: UiSettings, fleet: Fleet) -> Dash {
    let mut dash = Dash::with(settings, (120, 35));
    dash.load(fleet);
    dash.effects();
    dash
}

fn dash() -> Dash {
    dash_with(settings(|_| {}), calm())
}

fn well(id: i64) -> Server {
    fleet::server(id, &format!("prod-{id}"), 50, 10)
}

fn change(dash: &mut Dash, servers: Vec<Server>) {
    dash.answer(Answer::Delta(Box::new(Delta {
        servers,
        ..Delta::default()
    })));
}

/// How often the bell, the desktop and the command were asked for, in all effects so far.
fn calls(dash: &mut Dash) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for effect in dash.effects() {
        match effect {
            Effect::Call { bell, notice } => {
                counts.0 += usize::from(bell);
                counts.1 += usize::from(notice.is_some());
            }
            Effect::AlertCommand(_) => counts.2 += 1,
            _ => {}
        }
    }
    counts
}

/// Lets time pass, waking only when the model asks for it. Answers how often it woke.
fn pass(dash: &mut Dash, ms: u64) -> usize {
    let end = dash.mono_ms + ms;
    let mut woken = 0;
    loop {
        let now = dash.now();
        let next = dash.model.next_deadline(&now).unwrap();
        let next = u64::try_from(next.as_millis()).unwrap() + u64::from(!next.subsec_nanos().is_multiple_of(1_000_000));
        let next = next.max(dash.mono_ms + 1);
        if next > end {
            dash.mono_ms = end;
            return woken;
        }
        dash.mono_ms = next;
        dash.tell(Message::Deadline);
        woken += 1;
        assert!(woken < 10_000, "it never rests");
    }
}

#[test]
fn a_server_that_goes_down_calls_once_by_bell_desktop_and_command() {
    let mut dash = dash();
    pass(&mut dash, 60_000);
    assert_eq!(calls(&mut dash), (0, 0, 0), "what is well calls nobody");
    change(&mut dash, vec![fleet::down(well(2))]);
    assert_eq!(calls(&mut dash), (0, 0, 0), "not before it stayed so");
    pass(&mut dash, 10_000);
    let effects = dash.effects();
    let notice = effects.iter().find_map(|effect| match effect {
        Effect::Call {
            notice: Some((Osc::Nine, text)),
            bell: true,
        } => Some(text.to_string()),
        _ => None,
    });
    assert_eq!(
        notice.unwrap(),
        "server offline: prod-2: connection refused by 10.0.0.4:443"
    );
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::AlertCommand(_)))
            .count(),
        1
    );
    dash.must_see("✖ 1 alert");
    // For hours, with every check that fails the same way.
    for _ in 0..200 {
        change(&mut dash, vec![fleet::down(well(2))]);
        pass(&mut dash, 60_000);
    }
    assert_eq!(calls(&mut dash), (0, 0, 0));
}

#[test]
fn a_server_that_flaps_never_makes_a_storm() {
    let mut dash = dash();
    let mut all = (0, 0, 0);
    for n in 0..600 {
        let server = if n % 2 == 0 { fleet::down(well(2)) } else { well(2) };
        change(&mut dash, vec![server]);
        pass(&mut dash, 8_000);
        let (bell, desktop, command) = calls(&mut dash);
        all = (all.0 + bell, all.1 + desktop, all.2 + command);
    }
    assert_eq!(all, (1, 1, 1), "80 minutes of flapping");
    assert_eq!(dash.model.attention.board.alerts().len(), 1);
    assert!(dash.model.attention.board.alerts()[0].times > 100);
}

#[test]
fn a_whole_fleet_that_goes_down_is_one_call() {
    let mut fleet = calm();
    fleet.servers = (1..=200)
        .map(|id| fleet::server(id, &format!("prod-{id}"), 50, 10))
        .collect();
    let mut dash = dash_with(settings(|_| {}), fleet);
    change(&mut dash, (1..=200).map(|id| fleet::down(well(id))).collect());
    pass(&mut dash, 60_000);
    assert_eq!(calls(&mut dash), (1, 1, 1));
    dash.must_see("200 alerts");
}

#[test]
fn what_is_bad_at_the_very_first_look_is_shown_and_calls_nobody() {
    let mut fleet = calm();
    fleet.servers[1] = fleet::down(well(2));
    fleet.jobs = vec![fleet::job(40, JobState::Failed, 3)];
    let mut dash = dash_with(settings(|_| {}), fleet);
    pass(&mut dash, 600_000);
    assert_eq!(calls(&mut dash), (0, 0, 0));
    dash.must_see("2 alerts");
}

#[test]
fn servers_out_of_service_on_purpose_call_nobody() {
    let mut dash = dash();
    for intent in [Intent::Maintenance, Intent::Disabled, Intent::Draft] {
        let mut server = fleet::down(well(2));
        server.intent = intent;
        change(&mut dash, vec![server]);
        pass(&mut dash, 120_000);
    }
    assert_eq!(calls(&mut dash), (0, 0, 0));
    assert!(dash.model.attention.board.alerts().is_empty());
}

#[test]
fn a_nearly_full_server_a_dead_database_and_failed_jobs_are_alerts() {
    let mut dash = dash();
    let mut dead = well(3);
    dead.track.status = HealthStatus::Warning;
    dead.track.reason = SafeText::new("database dead: connection refused");
    change(
        &mut dash,
        vec![
            fleet::server(1, "prod-1", 50, 46),
            dead,
            fleet::server(4, "prod-4", 50, 44),
        ],
    );
    let mut stuck = fleet::job(41, JobState::Stuck, 3);
    stuck.problem = Some(Problem::new("undo", "database client_abc is left"));
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(40, JobState::Failed, 3), stuck],
        ..Delta::default()
    })));
    pass(&mut dash, 40_000);
    let kinds: Vec<&str> = dash
        .model
        .store
        .alerts()
        .iter()
        .map(|row| row.alert.kind.word())
        .collect();
    assert_eq!(kinds, ["server_critical", "job_stuck", "job_failed", "server_full"]);
    let (bells, ..) = calls(&mut dash);
    assert!((1..=2).contains(&bells), "{bells}");
    // Run again: its alert is over.
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(40, JobState::Running, 1)],
        ..Delta::default()
    })));
    let failed = dash
        .model
        .store
        .alerts()
        .iter()
        .find(|row| row.alert.kind.word() == "job_failed")
        .unwrap();
    assert_eq!(failed.state, AlertState::Cleared);
}

#[test]
fn the_last_worker_gone_and_the_registry_lost_are_alerts_and_what_is_old_raises_none() {
    let mut dash = dash();
    dash.answer(Answer::Delta(Box::new(Delta {
        workers: Some(0),
        ..Delta::default()
    })));
    pass(&mut dash, 10_000);
    assert_eq!(calls(&mut dash).0, 1);
    dash.answer(Answer::Delta(Box::new(Delta {
        workers: Some(1),
        ..Delta::default()
    })));
    pass(&mut dash, 120_000);
    dash.tell(Message::Notice(Notice::LinkLost {
        problem: Problem::new("registry_lost", "PostgreSQL does not answer (10 s)"),
        since: fleet::noon(),
    }));
    pass(&mut dash, 900_000);
    assert_eq!(calls(&mut dash).0, 1);
    let open: Vec<&str> = dash
        .model
        .store
        .alerts()
        .iter()
        .filter(|row| row.state == AlertState::Open)
        .map(|row| row.alert.kind.word())
        .collect();
    assert_eq!(open, ["registry_lost"]);
}

#[test]
fn acknowledge_snooze_and_mute_by_keys_are_said_written_down_and_taken_back() {
    let mut dash = dash();
    change(
        &mut dash,
        vec![fleet::down(well(2)), fleet::down(well(3)), fleet::down(well(4))],
    );
    pass(&mut dash, 10_000);
    dash.press("0");
    assert_eq!(dash.model.lists.tab, Tab::Alerts);
    dash.effects();
    dash.press("g a y")
        .must_see("acknowledged; it calls no more until it is over");
    let saved = |dash: &mut Dash| -> Remembrance { dash.noted.pop().expect("written down at once") };
    let memory = saved(&mut dash);
    let records = memory.alerts.as_ref().unwrap().records.clone();
    let last = records.last().unwrap();
    assert_eq!(
        (last.deed.word(), last.by.as_ref().unwrap().as_str()),
        ("acknowledged", "anna@desk")
    );
    dash.must_see("2 alerts");
    dash.press("g a s").must_see("silent for");
    saved(&mut dash);
    dash.must_see("1 alert");
    dash.press("g a u").must_see("muted: server_offline:prod-");
    saved(&mut dash);
    assert!(
        !dash.screen().lines().next().unwrap().contains("alert "),
        "{}",
        dash.screen()
    );
    // An hour later what is snoozed and still bad calls again; what is known or muted does not.
    calls(&mut dash);
    for _ in 0..180 {
        pass(&mut dash, 60_000);
    }
    assert_eq!(calls(&mut dash), (1, 1, 1));
    dash.press("/")
        .enter("state=muted")
        .press("enter a u")
        .must_see("heard again: server_offline:prod-");
}

#[test]
fn what_was_acknowledged_stays_so_over_a_restart_and_only_what_is_new_calls() {
    let mut first = dash();
    change(&mut first, vec![fleet::down(well(2))]);
    pass(&mut first, 10_000);
    first.press("0 g a y");
    let now = first.now().wall;
    let remembered = first.model.attention.remembrance(&first.model.store, now);
    let mut fleet = calm();
    fleet.servers[1] = fleet::down(well(2));
    fleet.servers[2] = fleet::down(well(3));
    let mut second = dash_with(settings(|alerts| alerts.remembered = remembered), fleet);
    pass(&mut second, 60_000);
    assert_eq!(calls(&mut second), (1, 1, 1));
    second.must_see("1 alert");
    // What changed while no dashboard was there is marked.
    assert!(second.model.attention.is_changed(Target::Server(ServerId(3))));
    assert!(!second.model.attention.is_changed(Target::Server(ServerId(4))));
}

#[test]
fn what_changed_is_marked_until_one_looks_and_looking_takes_a_key() {
    let mut dash = dash();
    let down = Target::Server(ServerId(3));
    change(&mut dash, vec![fleet::down(well(3)), fleet::down(well(1))]);
    assert!(dash.model.attention.is_changed(down) && dash.model.attention.is_changed(Target::Server(ServerId(1))));
    dash.must_see("•prod-3");
    pass(&mut dash, 3_600_000);
    dash.must_see("•prod-1");
    dash.press("j");
    assert!(dash.model.attention.is_changed(down), "one looked at another");
    dash.press("j");
    assert!(!dash.model.attention.is_changed(down));
    assert!(!dash.sees("•prod-3"));
    // A check that changes nothing marks nothing.
    change(&mut dash, vec![fleet::down(well(3))]);
    assert!(!dash.model.attention.is_changed(down));
    pass(&mut dash, 3_000);
    assert!(!dash.noted.is_empty());
}

#[test]
fn nothing_calls_where_the_settings_say_so_and_patterns_of_the_settings_are_silent() {
    let mut silent = dash_with(
        settings(|alerts| {
            (alerts.bell, alerts.notify, alerts.command) = (false, None, false);
        }),
        calm(),
    );
    change(&mut silent, vec![fleet::down(well(2))]);
    pass(&mut silent, 60_000);
    assert_eq!(calls(&mut silent), (0, 0, 0));
    silent.must_see("1 alert");
    let rules = Rules {
        mute: vec![Mute::parse("*:prod-2").unwrap()],
        ..Rules::default()
    };
    let mut muted = dash_with(settings(|alerts| alerts.rules = rules), calm());
    change(&mut muted, vec![fleet::down(well(2))]);
    pass(&mut muted, 60_000);
    assert_eq!(calls(&mut muted), (0, 0, 0));
}

#[test]
fn a_command_that_fails_is_said_and_written_down() {
    let mut dash = dash();
    let problem = Problem::new("command_failed", "page-me: exit status 3: no such room");
    dash.answer(Answer::CommandEnded(Err(problem)));
    dash.must_see("the command of [alerts] failed: page-me: exit status 3: no such room");
    let last = dash.model.attention.board.records().last().unwrap().deed.word();
    assert_eq!(last, "command failed");
}

#[test]
fn hostile_names_reach_a_call_as_pictures_only() {
    let mut dash = dash();
    let mut server = fleet::down(well(2));
    server.track.reason = SafeText::new("\u{1b}]0;owned\u{7}\u{1b}\\ \u{202e}x");
    change(&mut dash, vec![server]);
    pass(&mut dash, 10_000);
    let text = dash.effects().into_iter().find_map(|effect| match effect {
        Effect::Call {
            notice: Some((_, text)),
            ..
        } => Some(text.to_string()),
        _ => None,
    });
    let text = text.unwrap();
    assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
}

#[test]
fn with_known_alerts_nothing_wakes_it_but_the_clock() {
    let mut dash = dash();
    change(&mut dash, vec![fleet::down(well(2))]);
    pass(&mut dash, 60_000);
    let woken = pass(&mut dash, 3_600_000);
    assert!(woken <= 61, "{woken} wake-ups in an hour");
}

fn page(size: (u16, u16)) -> Dash {
    let mut fleet = calm();
    fleet.servers.push(fleet::server(6, "test-1", 20, 19));
    let mut dash = Dash::with(settings(|_| {}), size);
    dash.load(fleet);
    let mut dead = well(3);
    dead.track.status = HealthStatus::Warning;
    dead.track.reason = SafeText::new("database dead: 10.0.0.4:5432: connection refused");
    change(&mut dash, vec![fleet::down(well(2)), dead, fleet::down(well(4))]);
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(40, JobState::Failed, 3)],
        ..Delta::default()
    })));
    pass(&mut dash, 10_000);
    change(&mut dash, vec![well(4)]);
    pass(&mut dash, 90_000);
    dash.press("0 G k a y g");
    pass(&mut dash, 30_000);
    dash
}

#[test]
fn the_page_of_alerts_is_readable_at_every_size() {
    for size in [(200, 50), (120, 35), (80, 24), (40, 15)] {
        let dash = page(size);
        super::frames::snap("alerts", &dash);
    }
    let mut empty = Dash::with(settings(|_| {}), (80, 24));
    empty.load(calm());
    empty.press("0");
    empty.must_see("Nothing calls for you.");
    let mut about = page((120, 35));
    about.press("d").must_see("what happened to it");
}

#[test]
fn an_alert_leads_to_what_it_is_about() {
    let mut dash = page((120, 35));
    let about = dash.model.store.alerts()[0].alert.subject;
    assert_eq!(about, Some(Subject::Server(ServerId(2))));
    dash.press("g enter");
    assert_eq!(dash.model.current_target(), Some(Target::Server(ServerId(2))));
    dash.press("[");
    assert_eq!(dash.model.lists.tab, Tab::Alerts);
    dash.effects();
    dash.press("X");
    assert!(matches!(
        dash.effects().as_slice(),
        [
            Effect::Explain {
                subject: Subject::Server(ServerId(2)),
                ..
            },
            ..
        ]
    ));
}
