//! The dashboard without a terminal: keys in, effects and frames out.

mod attention;
mod bulk;
mod finding;
mod forms;
mod frames;
mod grid;
mod guards;
mod happened;
mod home;
mod keys;
mod log;
mod log_files;
mod monkey;
mod must_haves;
mod own;
mod own_many;
mod roles;
mod room;
mod storm;
mod story;

#[path = "../../fixture/fleet.rs"]
mod fleet;

use crossterm::event::{Event, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use vigie::domain::SafeText;
use vigie::tui::action::Key;
use vigie::tui::model::{Answer, Effect, Fleet, Message, Model, Now, Remember, Remembrance, UiSettings};
use vigie::tui::theme::Theme;
use vigie::tui::update::{start, update};
use vigie::tui::view::view;

/// A dashboard with a clock of its own.
struct Dash {
    model: Model,
    mono_ms: u64,
    effects: Vec<Effect>,
    /// What was to be remembered for the next start.
    remembered: Vec<Remember>,
    /// What of alerts was.
    noted: Vec<Remembrance>,
}

impl Dash {
    fn new(size: (u16, u16)) -> Self {
        Self::with(UiSettings::default(), size)
    }

    fn with(settings: UiSettings, size: (u16, u16)) -> Self {
        let settings = UiSettings {
            profile: SafeText::new("prod"),
            ..settings
        };
        let mut dash = Self {
            model: Model::new(settings, size),
            mono_ms: 1000,
            effects: Vec::new(),
            remembered: Vec::new(),
            noted: Vec::new(),
        };
        let now = dash.now();
        dash.effects = start(&mut dash.model, &now);
        dash
    }

    /// The fleet of the picture, read, with its history and log.
    fn picture(size: (u16, u16)) -> Self {
        let mut dash = Self::new(size);
        dash.load(fleet::picture());
        dash
    }

    fn load(&mut self, fleet: Fleet) {
        self.tell(Message::Answer(Answer::Fleet(Box::new(fleet))));
        self.answer_reads();
    }

    /// Answers what was asked to be read.
    fn answer_reads(&mut self) {
        self.wait(200);
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::LoadHistory(server) => {
                    let points = fleet::history();
                    self.tell(Message::Answer(Answer::History { server, points }));
                }
                Effect::FollowLog(job) => {
                    let lines = fleet::log();
                    self.tell(Message::Answer(Answer::LogLines { job, lines, end: 8 }));
                }
                _ => {}
            }
        }
        self.effects.clear();
    }

    fn now(&self) -> Now {
        fleet::now(self.mono_ms)
    }

    fn tell(&mut self, message: Message) -> &mut Self {
        let now = self.now();
        for effect in update(&mut self.model, message, &now) {
            match effect {
                Effect::Remember(change) => self.remembered.push(*change),
                Effect::RememberAlerts(noted) => self.noted.push(*noted),
                effect => self.effects.push(effect),
            }
        }
        self
    }

    fn answer(&mut self, answer: Answer) -> &mut Self {
        self.tell(Message::Answer(answer))
    }

    /// Lets time pass, and whatever is due happen.
    fn wait(&mut self, ms: u64) -> &mut Self {
        self.mono_ms += ms;
        self.tell(Message::Deadline)
    }

    /// Presses keys, as they are written in the settings, between blanks.
    fn press(&mut self, keys: &str) -> &mut Self {
        for word in keys.split_whitespace() {
            let key = Key::parse(word).unwrap();
            self.tell(Message::Input(Event::Key(KeyEvent::new(key.code, key.mods))));
        }
        self
    }

    /// Types text, letter by letter.
    fn enter(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            let key = KeyEvent::new(crossterm::event::KeyCode::Char(c), crossterm::event::KeyModifiers::NONE);
            self.tell(Message::Input(Event::Key(key)));
        }
        self
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.tell(Message::Input(Event::Paste(text.to_owned())))
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The one effect since the last look.
    fn effect(&mut self) -> Effect {
        let effects = self.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        effects.into_iter().next().unwrap()
    }

    fn screen(&self) -> String {
        let (text, _) = self.frame(&Theme::default());
        text
    }

    fn sees(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    #[track_caller]
    fn must_see(&self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "{text:?} is not on the screen:\n{screen}");
    }

    /// The screen's text, and its styles: for every row, the runs of cells that aren't plain.
    fn frame(&self, theme: &Theme) -> (String, String) {
        let (width, height) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| view(&self.model, theme, &self.now(), frame))
            .unwrap();
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        let mut styles = String::new();
        for y in 0..height {
            let mut runs: Vec<(u16, u16, String)> = Vec::new();
            let mut skip = 0;
            for x in 0..width {
                let cell = &buffer[(x, y)];
                if skip > 0 {
                    skip -= 1;
                } else {
                    text.push_str(cell.symbol());
                    skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
                }
                let style = format!("{:?}/{:?} {:?}", cell.fg, cell.bg, cell.modifier);
                match runs.last_mut() {
                    Some((_, end, last)) if *end == x && *last == style => *end = x + 1,
                    _ => runs.push((x, x + 1, style)),
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            for (from, to, style) in runs {
                if style != "Reset/Reset NONE" {
                    styles.push_str(&format!("{y}:{from}-{to} {style}\n"));
                }
            }
        }
        (text, styles)
    }
}
