//! What the dashboard costs on a large fleet: a frame, a key, a filter's keystroke. Prints medians and
//! 95th percentiles, and ends with status 1 where one is over its budget.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and fails loudly"
)]

#[path = "../tests/fixture/fleet.rs"]
mod fleet;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vigie::tui::model::{Answer, Delta, Effect, Message, Model, UiSettings};
use vigie::tui::theme::Theme;
use vigie::tui::update::{start, update};
use vigie::tui::view::view;

const SIZE: (u16, u16) = (200, 50);

struct Bench {
    model: Model,
    terminal: Terminal<TestBackend>,
    theme: Theme,
    mono_ms: u64,
    failed: bool,
}

/// Median and 95th percentile.
fn figures(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    (at(50), at(95))
}

impl Bench {
    fn new(servers: usize, instances: usize) -> Self {
        let fleet = fleet::large(servers, instances);
        let mut bench = Self {
            model: Model::new(UiSettings::default(), SIZE),
            terminal: Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap(),
            theme: Theme::default(),
            mono_ms: 1000,
            failed: false,
        };
        let now = fleet::now(bench.mono_ms);
        start(&mut bench.model, &now);
        let began = Instant::now();
        bench.tell(Message::Answer(Answer::Fleet(Box::new(fleet))));
        let took = began.elapsed();
        println!("{servers:>5} servers, {instances:>6} instances: taken in, in {took:.1?}");
        bench.tell(Message::Answer(Answer::History {
            server: vigie::domain::ServerId(1),
            points: fleet::history(),
        }));
        let job = bench.model.log.job.unwrap();
        let lines = fleet::log();
        bench.tell(Message::Answer(Answer::LogLines { job, lines, end: 8 }));
        bench
    }

    fn tell(&mut self, message: Message) {
        self.ask(message);
    }

    /// What is to be done outside after a message.
    fn ask(&mut self, message: Message) -> Vec<Effect> {
        let now = fleet::now(self.mono_ms);
        update(&mut self.model, message, &now)
    }

    /// A key, and how long it took on the input path; then what a task does for it, and its answer.
    fn key_and_its_task(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Duration {
        let began = Instant::now();
        let effects = self.ask(Message::Input(Event::Key(KeyEvent::new(code, modifiers))));
        let took = began.elapsed();
        for effect in effects {
            let answer = match effect {
                Effect::Find(request) => request.run(&|| false).map(|found| Answer::Found(Box::new(found))),
                Effect::Palette(request) => {
                    let seq = request.seq;
                    request.run(&|| false).map(|lines| Answer::Palette { seq, lines })
                }
                _ => None,
            };
            if let Some(answer) = answer {
                self.tell(Message::Answer(answer));
            }
        }
        took
    }

    fn key(&mut self, code: KeyCode) {
        self.tell(Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    }

    fn draw(&mut self) {
        let now = fleet::now(self.mono_ms);
        let Self {
            model, terminal, theme, ..
        } = self;
        terminal.draw(|frame| view(model, theme, &now, frame)).unwrap();
    }

    /// Frames of the fleet page; between two of them something moved, so that cells differ.
    fn frames(&mut self) -> (Duration, Duration) {
        let mut times = Vec::new();
        for n in 0..400 {
            self.mono_ms += 120;
            self.key(if n % 40 < 20 { KeyCode::Down } else { KeyCode::Up });
            let began = Instant::now();
            self.draw();
            times.push(began.elapsed());
        }
        figures(times)
    }

    /// Single keys without a frame.
    fn keys(&mut self) -> (Duration, Duration) {
        let mut times = Vec::new();
        for n in 0..2000 {
            let began = Instant::now();
            self.key(if n % 100 < 50 { KeyCode::Down } else { KeyCode::Up });
            times.push(began.elapsed());
        }
        figures(times)
    }

    /// Keystrokes of filters over all instances, each with the frame that shows its rows: typed,
    /// narrowed, and taken back.
    fn filter(&mut self) -> [(Duration, Duration); 2] {
        let mut times = Vec::new();
        let mut on_path = Vec::new();
        for word in [
            "bistro nord 4",
            "garage",
            "e",
            "999",
            "!active",
            "zzzzqq",
            "lumière 12",
            "failed",
            "a b c",
            "state=active size>1GB bistro",
            "server=prod-00* -plan=pro nord",
            "age<30d customer=*sarl (garage OR hotel)",
            "bnord",
            "name~école db!~nord",
        ] {
            self.key(KeyCode::Char('/'));
            let typed = word.chars().count();
            let keys = word
                .chars()
                .map(KeyCode::Char)
                .chain(std::iter::repeat_n(KeyCode::Backspace, typed));
            for code in keys {
                let began = Instant::now();
                on_path.push(self.key_and_its_task(code, KeyModifiers::NONE));
                self.draw();
                times.push(began.elapsed());
            }
            self.key_and_its_task(KeyCode::Esc, KeyModifiers::NONE);
        }
        [figures(times), figures(on_path)]
    }

    /// The same in a list sorted by a column, and the sorting itself.
    fn sorted(&mut self) -> [(Duration, Duration); 2] {
        let mut sorting = Vec::new();
        for letter in "ZAPVDNZ".chars() {
            let began = Instant::now();
            self.key_and_its_task(KeyCode::Char(letter), KeyModifiers::NONE);
            self.draw();
            sorting.push(began.elapsed());
        }
        let [filter, _] = self.filter();
        self.key_and_its_task(KeyCode::Char('S'), KeyModifiers::NONE);
        self.key_and_its_task(KeyCode::Char('0'), KeyModifiers::NONE);
        self.key_and_its_task(KeyCode::Esc, KeyModifiers::NONE);
        [figures(sorting), filter]
    }

    /// Keystrokes in the palette, each with its frame.
    fn palette(&mut self) -> [(Duration, Duration); 2] {
        let (mut times, mut on_path) = (Vec::new(), Vec::new());
        for word in ["bistro nord 4", "prod-0999", "maint", "jobs /state=failed", "zzzzqq"] {
            self.key_and_its_task(KeyCode::Char(':'), KeyModifiers::NONE);
            for letter in word.chars() {
                let began = Instant::now();
                on_path.push(self.key_and_its_task(KeyCode::Char(letter), KeyModifiers::NONE));
                self.draw();
                times.push(began.elapsed());
            }
            self.key_and_its_task(KeyCode::Esc, KeyModifiers::NONE);
        }
        [figures(times), figures(on_path)]
    }

    /// One changed instance, as the registry tells it.
    fn deltas(&mut self, instances: usize) -> (Duration, Duration) {
        let mut times = Vec::new();
        let mut dice = fleet::Dice::new(7);
        for _ in 0..200 {
            let id = i64::try_from(dice.below(instances) + 1).unwrap();
            let state = vigie::domain::instance::InstanceState::Suspended;
            let row = fleet::instance(id, id % 1000 + 1, &format!("Changed {id}"), state);
            let delta = Delta {
                instances: vec![row],
                ..Delta::default()
            };
            let began = Instant::now();
            self.tell(Message::Answer(Answer::Delta(Box::new(delta))));
            times.push(began.elapsed());
        }
        figures(times)
    }

    fn say(&mut self, what: &str, (median, p95): (Duration, Duration), budget: Option<(Duration, Duration)>) {
        let over = budget.is_some_and(|(m, p)| median > m || p95 > p);
        let mark = match (budget, over) {
            (None, _) => String::new(),
            (Some((m, _)), false) if m < Duration::MAX => format!("   (budget: median {m:.0?})"),
            (Some((_, p)), false) => format!("   (budget: p95 {p:.0?})"),
            (Some(_), true) => "   OVER BUDGET".to_owned(),
        };
        println!("  {what:<44} median {median:>9.1?}  p95 {p95:>9.1?}{mark}");
        self.failed |= over;
    }
}

fn main() -> ExitCode {
    let ms = Duration::from_millis;
    let mut failed = false;
    let mut whole = Vec::new();
    for (servers, instances) in [(100, 10_000), (1_000, 100_000)] {
        let mut bench = Bench::new(servers, instances);
        let frame = bench.frames();
        bench.say(
            "a frame of the fleet page at 200x50",
            frame,
            Some((ms(4), Duration::MAX)),
        );
        let keys = bench.keys();
        bench.say(
            "update: a key in the servers",
            keys,
            Some((Duration::from_micros(500), Duration::MAX)),
        );
        // To all instances.
        bench.key(KeyCode::Char('9'));
        let frame_all = bench.frames();
        bench.say("a frame of all instances", frame_all, Some((ms(4), Duration::MAX)));
        let keys = bench.keys();
        bench.say(
            "update: a key in all instances",
            keys,
            Some((Duration::from_micros(500), Duration::MAX)),
        );
        let [filter, on_path] = bench.filter();
        bench.say(
            "a filter's keystroke, with its frame",
            filter,
            Some((Duration::MAX, ms(16))),
        );
        let half = Some((Duration::from_micros(500), Duration::MAX));
        bench.say("update: a filter's keystroke, on the input path", on_path, half);
        let [sorting, sorted] = bench.sorted();
        bench.say("sorting all instances, with its frame", sorting, None);
        bench.say(
            "a filter's keystroke in a sorted list",
            sorted,
            Some((Duration::MAX, ms(16))),
        );
        let [palette, on_path] = bench.palette();
        bench.say("a keystroke in the palette, with its frame", palette, None);
        bench.say("update: a palette's keystroke, on the input path", on_path, None);
        let deltas = bench.deltas(instances);
        bench.say("update: one instance changed", deltas, None);
        failed |= bench.failed;
        whole.push((frame_all.0, filter.1));
    }
    if let [(small_frame, small_filter), (large_frame, large_filter)] = whole.as_slice() {
        let ratio = |a: &Duration, b: &Duration| b.as_secs_f64() / a.as_secs_f64().max(1e-9);
        println!("ten times the fleet:");
        println!("  a frame costs {:.2} times as much", ratio(small_frame, large_frame));
        println!(
            "  a filter's keystroke (p95) costs {:.1} times as much: {:.1} ns a row, {:.1} ns before",
            ratio(small_filter, large_filter),
            large_filter.as_secs_f64() * 1e9 / 100_000.0,
            small_filter.as_secs_f64() * 1e9 / 10_000.0
        );
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
