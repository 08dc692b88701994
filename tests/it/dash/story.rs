//! Why something is as it is, and what happened to it: read, moved in, gone on from.

use super::{Dash, fleet, frames};
use jiff::SignedDuration;
use std::time::Duration;
use vigie::domain::alert::{AlertKind, Deed, Record};
use vigie::domain::audit::{Actor, AuditEntry};
use vigie::domain::check::{CheckReport, Failure, Layer as CheckLayer};
use vigie::domain::explain::{Explanation, Facts, Seen, Subject, WorkerSeen, explain};
use vigie::domain::health::HealthStatus;
use vigie::domain::job::{JobState, LogLevel, Stream};
use vigie::domain::timeline::{Event, Sources, timeline};
use vigie::domain::{JobId, Problem, SafeText, ServerId};
use vigie::tui::model::{Answer, Delta, Effect, Layer, Pane, Tab, Target, Told};

fn check(minutes: i64, failure: Option<Failure>) -> Seen {
    let refused = failure.is_some();
    Seen {
        status: if refused {
            HealthStatus::Critical
        } else {
            HealthStatus::Healthy
        },
        reason: SafeText::new(
            &failure
                .as_ref()
                .map_or("answers in 23 ms".to_owned(), ToString::to_string),
        ),
        report: CheckReport {
            at: fleet::noon() - SignedDuration::from_mins(minutes),
            latency_ms: 23,
            failure,
            warnings: Vec::new(),
            version: None,
            layers: vec![CheckLayer {
                name: "tcp".to_owned(),
                passed: Some(!refused),
                took_ms: 1,
                note: SafeText::new(if refused {
                    "connection refused by 10.0.0.4:443"
                } else {
                    "10.0.0.4:443"
                }),
            }],
        },
    }
}

fn checks() -> Vec<Seen> {
    let refused = || {
        Some(Failure::Refused {
            address: SafeText::new("10.0.0.4:443"),
        })
    };
    let mut checks: Vec<Seen> = (0..5).map(|n| check(3 + n * 15, refused())).collect();
    checks.extend((5..90).map(|n| check(3 + n * 15, None)));
    checks
}

pub(super) fn explained() -> Explanation {
    let picture = fleet::picture();
    let server = picture
        .servers
        .iter()
        .find(|s| s.track.failures > 0)
        .expect("one is down")
        .clone();
    let mut job = fleet::job(40, JobState::Failed, 2);
    if let vigie::domain::job::JobSpec::InstanceCreate { server_id, .. } = &mut job.spec {
        *server_id = server.id;
    }
    let facts = Facts {
        now: fleet::noon(),
        servers: picture.servers.clone(),
        templates: Vec::new(),
        plans: Vec::new(),
        instances: Vec::new(),
        jobs: vec![job],
        checks: checks(),
        log: Vec::new(),
        refused: Vec::new(),
        workers: vec![WorkerSeen {
            id: "ops-1:77".to_owned(),
            seen_at: fleet::noon(),
            alive: true,
        }],
        rules: vigie::domain::health::HealthRules::default(),
        thresholds: vigie::domain::capacity::Thresholds::default(),
        stale_after: Duration::from_secs(30 * 60),
    };
    explain(Subject::Server(server.id), &facts).unwrap()
}

pub(super) fn happened() -> Vec<Event> {
    let at = |minutes: i64| fleet::noon() - SignedDuration::from_mins(minutes);
    let row = |id: i64, minutes: i64, action: &str, refused: Option<&str>| AuditEntry {
        id,
        at: at(minutes),
        op_id: "op".to_owned(),
        db_role: None,
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "dashboard".to_owned(),
        },
        action: action.to_owned(),
        object: "server:4".to_owned(),
        label: "prod-3".to_owned(),
        from: None,
        to: None,
        refused: refused.map(str::to_owned),
        hash: String::new(),
    };
    let record = |deed, by: Option<&str>| Record {
        at: at(50),
        deed,
        kind: AlertKind::ServerOffline,
        subject: Some(Subject::Server(ServerId(4))),
        label: SafeText::new("prod-3"),
        text: SafeText::new("connection refused by 10.0.0.4:443"),
        by: by.map(SafeText::new),
    };
    let sources = Sources {
        audit: vec![
            row(9, 5000, "server.activate", None),
            row(
                17,
                30,
                "server.deactivate",
                Some("Cannot deactivate server while it has instances (12)"),
            ),
        ],
        checks: checks(),
        jobs: vec![fleet::job(40, JobState::Failed, 2), fleet::job(41, JobState::Done, 7)],
        alerts: vec![
            record(Deed::Raised, None),
            record(Deed::Acknowledged, Some("marie@desk")),
        ],
    };
    timeline(Subject::Server(ServerId(4)), &sources, None, 200)
}

fn seq(dash: &mut Dash) -> u64 {
    dash.effects()
        .iter()
        .find_map(|effect| match effect {
            Effect::Explain { seq, .. } | Effect::Timeline { seq, .. } => Some(*seq),
            _ => None,
        })
        .expect("it is asked")
}

/// The one that is down, selected, and explained.
fn why(size: (u16, u16)) -> Dash {
    let mut dash = Dash::picture(size);
    dash.press("1 !");
    dash.effects();
    dash.press("X").must_see("why");
    let seq = seq(&mut dash);
    dash.answer(Answer::Explained {
        seq,
        result: Ok(Box::new(explained())),
    });
    dash
}

#[test]
fn why_is_readable_at_every_size() {
    for size in [(200, 50), (120, 35), (80, 24), (40, 15)] {
        frames::snap("explain", &why(size));
    }
}

#[test]
fn the_timeline_is_readable_at_every_size() {
    for size in [(200, 50), (120, 35), (80, 24), (40, 15)] {
        let mut dash = why(size);
        dash.press("T");
        let seq = seq(&mut dash);
        dash.answer(Answer::Happened {
            seq,
            result: Ok(happened()),
        });
        frames::snap("timeline", &dash);
    }
}

#[test]
fn an_answer_to_another_question_changes_nothing_and_a_failure_is_said() {
    let mut dash = Dash::picture((120, 35));
    dash.effects();
    dash.press("X");
    let seq = seq(&mut dash);
    dash.must_see("reading the evidence");
    dash.answer(Answer::Explained {
        seq: seq + 1000,
        result: Ok(Box::new(explained())),
    });
    dash.must_see("reading the evidence");
    dash.answer(Answer::Explained {
        seq,
        result: Err(Problem::new("timeout", "the evidence: no answer within 10 s").hint("try again")),
    });
    dash.must_see("the evidence: no answer within 10 s");
    dash.press("esc");
    assert!(dash.model.layers.is_empty());
}

#[test]
fn enter_goes_to_the_evidence_and_back_again() {
    let mut dash = why((120, 35));
    // Tab goes from line to line that leads somewhere, around the end.
    let mut goals = Vec::new();
    for _ in 0..40 {
        dash.press("tab");
        let Some(Layer::Story(story)) = dash.model.layers.last() else {
            panic!("closed")
        };
        goals.extend(story.link());
    }
    assert_eq!(goals.len(), 40);
    let job = vigie::domain::explain::Link::Job { id: JobId(40) };
    assert!(goals.contains(&job), "{goals:?}");
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(40, JobState::Failed, 2)],
        ..Delta::default()
    })));
    for _ in 0..40 {
        dash.press("tab");
        let Some(Layer::Story(story)) = dash.model.layers.last() else {
            panic!("closed")
        };
        if story.link() == Some(job) {
            break;
        }
    }
    dash.press("enter");
    assert!(dash.model.layers.is_empty());
    assert_eq!(dash.model.current_target(), Some(Target::Job(JobId(40))));
    dash.press("[");
    assert_eq!((dash.model.lists.tab, dash.model.focus), (Tab::Here, Pane::Servers));
}

#[test]
fn a_log_line_is_pointed_at_once_it_is_there() {
    let mut dash = Dash::picture((120, 35));
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(40, JobState::Failed, 2)],
        ..Delta::default()
    })));
    dash.effects();
    dash.press("X");
    let seq = seq(&mut dash);
    let mut explanation = explained();
    explanation.findings[0].evidence[0].link = Some(vigie::domain::explain::Link::LogLine {
        job: JobId(40),
        seq: 150,
    });
    dash.answer(Answer::Explained {
        seq,
        result: Ok(Box::new(explanation)),
    });
    dash.press("g tab enter");
    assert_eq!(dash.model.focus, Pane::Log);
    assert!(dash.effects().contains(&Effect::FollowLog(JobId(40))));
    let lines = (1..=300)
        .map(|n| fleet::line(n, None, Stream::Stdout, LogLevel::Info, &format!("line number {n}")))
        .collect();
    dash.answer(Answer::LogLines {
        job: JobId(40),
        lines,
        end: 300,
    });
    assert_eq!(dash.model.log_goal, None);
    dash.must_see("line number 150");
    assert!(!dash.sees("line number 300"));
}

#[test]
fn a_timeline_is_filtered_as_one_types_and_escape_loses_nothing() {
    let mut dash = why((120, 35));
    dash.press("T");
    let seq = seq(&mut dash);
    dash.answer(Answer::Happened {
        seq,
        result: Ok(happened()),
    });
    dash.must_see("healthy → critical");
    dash.press("/").enter("audit refused");
    dash.must_see("Cannot deactivate server while it has instances (12)");
    assert!(!dash.sees("healthy → critical"));
    dash.press("enter esc");
    dash.must_see("healthy → critical");
    assert!(matches!(dash.model.layers.last(), Some(Layer::Story(_))));
    dash.press("/").paste("nothing like that");
    dash.must_see("no line has these words");
    dash.press("esc esc");
    assert!(dash.model.layers.is_empty());
}

#[test]
fn r_reads_it_again_and_what_is_here_stays_meanwhile() {
    let mut dash = why((120, 35));
    dash.press("r");
    let again = seq(&mut dash);
    let Some(Layer::Story(story)) = dash.model.layers.last() else {
        panic!("closed")
    };
    assert!(matches!(story.told, Told::Why(_)) && story.seq == again);
}

#[test]
fn hostile_evidence_is_shown_as_pictures() {
    let mut dash = Dash::picture((120, 35));
    dash.effects();
    dash.press("X");
    let seq = seq(&mut dash);
    let mut explanation = explained();
    explanation.findings[0].advice = vec!["\u{1b}[2J\u{202e}evil".to_owned()];
    dash.answer(Answer::Explained {
        seq,
        result: Ok(Box::new(explanation)),
    });
    let screen = dash.screen();
    assert!(screen.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'));
    dash.must_see("␛[2J");
}
