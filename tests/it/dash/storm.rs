//! Anything may be pressed, pasted, answered and resized in any order: nothing panics, and nothing is
//! destroyed without its name typed. `VIGIE_SOAK=1` runs a million events.

use super::{Dash, fleet};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use vigie::domain::job::{JobState, LogLevel, Stream};
use vigie::domain::{InstanceId, JobId, Problem, SafeText, ServerId};
use vigie::tui::model::{
    Act, Answer, Delta, Effect, Ended, Expected, Layer, Message, Notice, NoticeLevel, PlanPreview, Target,
};

const KEYS: &[KeyCode] = &[
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::BackTab,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Delete,
    KeyCode::Backspace,
    KeyCode::F(5),
    KeyCode::Null,
];
const LETTERS: &[char] = &[
    'a', 'a', 'a', 'x', 'd', 'm', 'r', 'k', 'c', 'o', 't', 'n', 'e', 'y', 'y', 'l', 'f', 'v', 'q', 'j', 'g', 'G', '1',
    '2', '3', '4', '5', '6', '7', '8', '9', 'h', '/', '?', '.', ' ', 'N', 'é', '東', '\u{301}', '\u{202e}', '-', '!',
    ':', 'S', 'w', 'b', 's', 'I', 'C', 'Z', '[', ']', '(', ')', '=', '>', '<', '"', '0', 'E', 'L', '&', 'u', 'U', 'Y',
];

/// Whether the name was typed by hand, whole, before the destructive effect came.
struct Storm {
    dash: Dash,
    dice: fleet::Dice,
    typed_whole: bool,
}

/// What may be told of a file that is open: that it is, that it grows, and parts of it, wanted or not.
pub(super) fn of_a_file(dice: &mut fleet::Dice, id: u64, seq: Option<u64>) -> Answer {
    use vigie::domain::log::{LogStatus, Page, Span, TextRow};
    let end = 40 * u64::try_from(dice.below(500)).unwrap();
    let status = LogStatus {
        end,
        lines: end / 40,
        counted: end,
        new_lines: end / 80,
        ..LogStatus::default()
    };
    match (dice.below(4), seq) {
        (0, _) => Answer::LogOpened { id, result: Ok(status) },
        (1, _) => Answer::LogTold { id, status },
        (2, _) => Answer::LogLooked {
            id,
            seq: seq.unwrap_or(1),
            bytes: end,
        },
        (_, seq) => {
            let from = u64::try_from(dice.below(300)).unwrap();
            let texts = [
                "plain",
                "2026-11-21 14:02:09,123 1 ERROR db x: bad",
                "{\"msg\":\"\\u001b東\"}",
            ];
            let rows: Vec<TextRow> = (from..from + u64::try_from(dice.below(60)).unwrap())
                .map(|n| {
                    let text = texts[dice.below(3)].repeat(1 + dice.below(4));
                    TextRow::new(Span::new(n * 40, (n + 1) * 40, false), text.as_bytes(), None)
                })
                .collect();
            let page = Page {
                from: from * 40,
                to: rows.last().map_or(from * 40, |row| row.end),
                seen: end,
                hit: rows.get(3).map(|row| row.pos).filter(|_| dice.below(2) == 0),
                wrapped: dice.below(2) == 0,
                line: Some(from),
                rows,
                floor: None,
            };
            let result = match dice.below(8) {
                0 => Err(Problem::new("log", "gone")),
                _ => Ok(Box::new(page)),
            };
            Answer::LogPage {
                id,
                seq: seq.unwrap_or(1),
                result,
            }
        }
    }
}

impl Storm {
    fn event(&mut self) -> Message {
        let expected = self.expected();
        let dice = &mut self.dice;
        match dice.below(100) {
            0..=54 => {
                let code = KeyCode::Char(LETTERS[dice.below(LETTERS.len())]);
                Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
            }
            55..=74 => {
                let code = KEYS[dice.below(KEYS.len())];
                let kind = if dice.below(8) == 0 {
                    KeyEventKind::Repeat
                } else {
                    KeyEventKind::Press
                };
                Message::Input(Event::Key(KeyEvent::new_with_kind(code, KeyModifiers::NONE, kind)))
            }
            75..=79 => {
                let code = KeyCode::Char(
                    dice.pick(&["c", "d", "u", "f", "b", "r", "l", "z", "a", "w"])
                        .chars()
                        .next()
                        .unwrap(),
                );
                Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::CONTROL)))
            }
            80..=84 => {
                let name = expected.unwrap_or_else(|| "prod-1".to_owned());
                let text = dice.pick(&[
                    "{}\n",
                    "{}\r\n\n",
                    "y",
                    "y\n",
                    "\u{1b}[200~{}",
                    "\n",
                    "a x",
                    "東京\u{202e}\0\u{7}",
                ]);
                Message::Input(Event::Paste(text.replace("{}", &name)))
            }
            85..=86 => {
                let (width, height) = (dice.below(220), dice.below(70));
                Message::Input(Event::Resize(
                    u16::try_from(width).unwrap(),
                    u16::try_from(height).unwrap(),
                ))
            }
            87..=92 => Message::Deadline,
            _ => self.outside(),
        }
    }

    /// The name that the topmost question wants typed.
    fn expected(&self) -> Option<String> {
        match self.dash.model.layers.last() {
            Some(Layer::Confirm(confirm)) => confirm.typed.as_ref().map(|(name, _)| name.clone()),
            _ => None,
        }
    }

    fn outside(&mut self) -> Message {
        let tickets: Vec<_> = self.dash.model.asked.keys().copied().collect();
        let dice = &mut self.dice;
        let answer = match dice.below(11) {
            0 => {
                let mut fleet = fleet::picture();
                let keep = dice.below(60);
                fleet.instances.truncate(keep);
                Answer::Fleet(Box::new(fleet))
            }
            1 => {
                let id = i64::try_from(dice.below(6)).unwrap();
                let mut server = fleet::server(id, &format!("prod-{id}"), 50, 3);
                server.version = i64::try_from(dice.below(5)).unwrap();
                Answer::Delta(Box::new(Delta {
                    servers: vec![server],
                    gone_servers: vec![ServerId(i64::try_from(dice.below(6)).unwrap())],
                    gone_instances: vec![InstanceId(i64::try_from(dice.below(70)).unwrap())],
                    ..Delta::default()
                }))
            }
            2 => {
                let states = [
                    JobState::Queued,
                    JobState::Running,
                    JobState::Undoing,
                    JobState::Failed,
                    JobState::Stuck,
                ];
                let state = states[dice.below(states.len())];
                Answer::Delta(Box::new(Delta {
                    jobs: vec![fleet::job(i64::try_from(dice.below(50)).unwrap(), state, dice.below(8))],
                    ..Delta::default()
                }))
            }
            3 => {
                let from = i64::try_from(dice.below(400)).unwrap() + 1;
                let text = "x\u{1b}[2J 東京 \u{202e}".repeat(dice.below(9));
                let levels = [LogLevel::Begin, LogLevel::Success, LogLevel::Error, LogLevel::Info];
                let lines = (from..from + i64::try_from(dice.below(60)).unwrap())
                    .map(|seq| {
                        let streams = [Stream::Engine, Stream::Stdout, Stream::Progress];
                        let step = Some(dice.below(9)).filter(|step| *step < 8);
                        fleet::line(seq, step, streams[dice.below(3)], levels[dice.below(4)], &text)
                    })
                    .collect();
                let job = self.dash.model.log.job.unwrap_or(JobId(1));
                Answer::LogLines { job, lines, end: 460 }
            }
            4 | 5 => match tickets.first() {
                Some(ticket) if dice.below(2) == 0 => Answer::Ended {
                    ticket: *ticket,
                    result: Ok(Box::new(Ended {
                        created: Some(Target::Instance(InstanceId(i64::try_from(dice.below(80)).unwrap()))),
                        job: Some(JobId(i64::try_from(dice.below(50)).unwrap())),
                        ..Ended::default()
                    })),
                },
                Some(ticket) => Answer::Ended {
                    ticket: *ticket,
                    result: Err(Problem::new("refused", "refused\u{1b}]0;x\u{7}").hint("later")),
                },
                None => Answer::History {
                    server: ServerId(1),
                    points: fleet::history(),
                },
            },
            6 => match self.dash.model.layers.iter().rev().find_map(|layer| match layer {
                Layer::Form(form) => Some(form.plan_seq),
                _ => None,
            }) {
                Some(seq) => Answer::Plan {
                    seq,
                    result: Ok(Box::new(PlanPreview {
                        draft: vigie::tui::model::InstanceDraft {
                            name: SafeText::new("x"),
                            subdomain: None,
                            database: None,
                            template: None,
                            server: Some(ServerId(2)),
                            plan: None,
                            customer: SafeText::default(),
                            admin_login: String::new(),
                            admin_password: Default::default(),
                        },
                        steps: Vec::new(),
                        url: SafeText::default(),
                        passed_over: Vec::new(),
                        notes: Vec::new(),
                        warnings: Vec::new(),
                        expected: Expected::default(),
                    })),
                },
                None => Answer::Failed {
                    what: SafeText::new("x"),
                    problem: Problem::new("x", "y"),
                },
            },
            8 | 9 => match &self.dash.model.log.text {
                Some(text) => of_a_file(dice, text.id, text.asking.as_ref().map(|asking| asking.seq)),
                None => Answer::Failed {
                    what: SafeText::new("x"),
                    problem: Problem::new("x", "y"),
                },
            },
            7 => return Message::Notice(Notice::RegistryLost(Problem::new("x", "gone"))),
            _ => {
                return Message::Notice(Notice::Flash {
                    level: NoticeLevel::Error,
                    text: SafeText::new("x"),
                    hint: Some("y".to_owned()),
                });
            }
        };
        Message::Answer(answer)
    }

    fn step(&mut self) {
        let mut message = self.event();
        // Now and then an operator who means it: the whole name, letter by letter.
        if let (Some(name), 0) = (self.expected(), self.dice.below(6)) {
            self.dash.press("ctrl-u");
            self.dash.enter(&name);
            self.typed_whole = true;
            self.dash.mono_ms += 400;
            message = Message::Input(Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
        }
        let was_paste = matches!(message, Message::Input(Event::Paste(_)));
        let before = self.confirmable();
        // A bulk that was begun goes on by itself as its parts end.
        let runs = self.dash.model.runs.iter().any(|bulk| !bulk.run.is_over());
        let (planned, typed_number) = self.planned();
        let (began, typed_number) = (planned || runs, typed_number || runs);
        self.dash.mono_ms += u64::try_from(self.dice.below(200)).unwrap();
        self.dash.effects.clear();
        self.dash.tell(message.clone());
        for effect in self.dash.effects() {
            if let Effect::ActWith { act, .. } = &effect {
                assert!(!was_paste, "a paste acted: {act:?}");
                assert!(began, "{act:?} of many without its plan");
                if act.is_destructive() {
                    assert!(typed_number, "{act:?} of many without their number typed");
                }
            }
            if let Effect::Act { act, .. } = &effect {
                assert!(!was_paste, "a paste acted: {act:?}");
                if act.is_destructive() {
                    assert!(self.typed_whole && before, "{act:?} without its name typed");
                }
                if matches!(
                    act,
                    Act::CreateInstance { .. } | Act::Deactivate { .. } | Act::Maintain { .. }
                ) {
                    assert!(before, "{act:?} without its question");
                }
            }
            assert!(!(was_paste && effect == Effect::Quit), "a paste quit");
        }
        if self.expected().is_none() {
            self.typed_whole = false;
        }
    }

    /// Whether a plan lies on top that may begin, and whether what it asks for was typed.
    fn planned(&self) -> (bool, bool) {
        match self.dash.model.layers.last() {
            Some(Layer::Bulk(dialog)) => {
                let typed = dialog
                    .plan
                    .to_type()
                    .is_none_or(|expected| dialog.typed.value() == expected);
                (dialog.may_go(), typed)
            }
            _ => (false, false),
        }
    }

    /// Whether a question lies on top that may be answered with yes.
    fn confirmable(&self) -> bool {
        matches!(self.dash.model.layers.last(), Some(Layer::Confirm(confirm)) if confirm.may_go())
    }
}

fn storm(seed: u64, events: usize, draw_every: usize) {
    let mut storm = Storm {
        dash: Dash::picture((120, 35)),
        dice: fleet::Dice::new(seed),
        typed_whole: false,
    };
    for n in 0..events {
        storm.step();
        if n % draw_every == 0 {
            storm.dash.screen();
        }
    }
}

#[test]
fn random_events_few_here_a_million_in_soak() {
    let seeds: Vec<u64> = match std::env::var("VIGIE_SOAK") {
        Ok(_) => (1..=50).collect(),
        Err(_) => vec![1, 2, 3, 4],
    };
    let events = if seeds.len() > 4 { 20_000 } else { 5_000 };
    let began = std::time::Instant::now();
    let count = seeds.len() * events;
    eprintln!("T4: {count} events, seeds {} to {}", seeds[0], seeds[seeds.len() - 1]);
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| storm(seed, events, 7));
        assert!(ran.is_ok(), "seed {seed}");
    }
    eprintln!(
        "T4: {count} events in {:.1?}: no panic, nothing destroyed unasked",
        began.elapsed()
    );
}

/// Every screen at every size: nothing is drawn outside, nothing panics.
#[test]
fn any_size_is_drawn() {
    let states: [&[&str]; 21] = [
        &["4"],
        &["5"],
        &["9", "/", "x", "="],
        &["7"],
        &["6"],
        &["8", "S"],
        &["2", "w"],
        &[":", "a"],
        &["b"],
        &["9", "Z"],
        &[],
        &["2", "/"],
        &["3", "f"],
        &["4", "n"],
        &["2", "n"],
        &["n"],
        &["?"],
        &["d"],
        &["a", "m"],
        &["2", "j", "a", "x"],
        &["q"],
    ];
    for (at, keys) in states.iter().enumerate() {
        let mut dash = Dash::picture((120, 35));
        for key in *keys {
            dash.press(key);
        }
        let mut dice = fleet::Dice::new(u64::try_from(at).unwrap() + 1);
        let mut sizes: Vec<(usize, usize)> = (0..60).map(|_| (dice.below(301), dice.below(101))).collect();
        sizes.extend((0..14).flat_map(|w| [(w, 1), (w, 5), (w, 24), (80, w), (3, w), (40, w)]));
        for (width, height) in sizes {
            let size = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
            dash.tell(Message::Input(Event::Resize(size.0, size.1)));
            dash.screen();
        }
    }
}

/// The terminal may be smaller than the model was told: the resize is on its way.
#[test]
fn a_terminal_that_shrank_before_it_was_told_is_survived() {
    use ratatui::{Terminal, backend::TestBackend};
    let dash = Dash::picture((120, 35));
    for (width, height) in [(1, 1), (40, 10), (119, 35), (300, 100)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let theme = vigie::tui::theme::Theme::default();
        terminal
            .draw(|frame| vigie::tui::view::view(&dash.model, &theme, &dash.now(), frame))
            .unwrap();
    }
}
