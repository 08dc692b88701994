//! The loop: what comes in becomes messages, the model changes, and what changed is drawn.
//!
//! One biased wait for signals, input, messages and the next deadline. Input is drawn at once;
//! what comes from elsewhere is drawn at most every [`Pace::frame`]. Neither can starve the other:
//! a turn takes a bounded number of each. With nothing due there is no wake-up.

use super::model::{Answer, Effect, Lend, Message, Model, Notice, NoticeLevel, Now, Osc};
use super::task::Mailbox;
use super::theme::ThemeSet;
use super::{update, view};
use crate::domain::{Problem, SafeText};
use crossterm::event::Event;
use futures_util::{FutureExt, Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::Backend;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

/// How much a turn of the loop takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest time between two frames that no input asked for. Longer for slow links.
    pub frame: Duration,
    /// Most inputs a turn.
    pub inputs: usize,
    /// Most messages a turn.
    pub messages: usize,
    /// Longest time that messages take in a turn.
    pub slice: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            frame: Duration::from_millis(16),
            inputs: 32,
            messages: 64,
            slice: Duration::from_millis(4),
        }
    }
}

/// Reads the clock for the model.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    tz: jiff::tz::TimeZone,
}

impl Clock {
    /// A clock that starts now and shows times in `tz`.
    pub fn new(tz: jiff::tz::TimeZone) -> Self {
        Self {
            start: Instant::now(),
            tz,
        }
    }

    /// The time.
    pub fn now(&self) -> Now {
        Now {
            wall: jiff::Timestamp::now(),
            mono: self.start.elapsed(),
            tz: self.tz.clone(),
        }
    }
}

/// What the system tells the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End, because of this signal.
    End(i32),
    /// Stop, as Ctrl-Z does.
    Stop,
    /// Going on after having been stopped by something that could not be seen coming.
    Continue,
}

/// What the loop runs on: the terminal, or a script in tests.
pub trait Host {
    /// Where frames go.
    type Backend: Backend;
    /// Events of the terminal; its end means that the terminal has gone.
    type Input: Stream<Item = Event> + Unpin;
    /// Signals.
    type Signals: Stream<Item = Signal> + Unpin;
    /// Starts reading the terminal.
    ///
    /// # Errors
    /// When it can't be read.
    fn input(&mut self) -> io::Result<Self::Input>;
    /// The signals.
    fn signals(&mut self) -> &mut Self::Signals;
    /// Gives the terminal back, stops the process, and takes the terminal again when it goes on.
    ///
    /// # Errors
    /// When the terminal has gone meanwhile.
    fn suspend(&mut self) -> io::Result<()>;
    /// Lends the terminal to a program, and takes it again when that ends; its exit code, `None` where a
    /// signal ended it.
    ///
    /// # Errors
    /// When it can't be started.
    fn lend(&mut self, _command: &mut Command) -> io::Result<Option<i32>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Takes the mouse, or leaves it to the terminal.
    fn mouse(&mut self, _on: bool) {}
    /// Puts a text into the clipboard of the terminal, where it takes that.
    fn copy(&mut self, _text: &str) {}
    /// Calls the operator: by the bell, and by a notice to the desktop.
    fn call(&mut self, _bell: bool, _notice: Option<(Osc, &SafeText)>) {}
    /// Takes the terminal again after something else had it.
    ///
    /// # Errors
    /// When the terminal has gone meanwhile.
    fn resume(&mut self) -> io::Result<()>;
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The operator quit.
    Quit,
    /// Another profile is wanted, and can be had.
    Profile,
    /// A signal asked for it.
    Signal(i32),
    /// The terminal has gone.
    Gone,
}

/// What a run of the loop did, for tests and diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times it woke up.
    pub turns: u64,
    /// Frames it drew.
    pub frames: u64,
    /// Inputs it took.
    pub inputs: u64,
    /// Messages it took.
    pub messages: u64,
}

/// Everything that the loop holds.
pub struct Loop<'a, H: Host> {
    /// What it runs on.
    pub host: &'a mut H,
    /// What it draws on.
    pub terminal: &'a mut Terminal<H::Backend>,
    /// What it changes.
    pub model: &'a mut Model,
    /// What it draws with.
    pub themes: &'a ThemeSet,
    /// Makes another profile ready, without waiting for anything.
    pub switch: &'a mut dyn FnMut(&str) -> Result<(), Problem>,
    /// What it is told.
    pub mailbox: &'a mut Mailbox,
    /// Who does what it wants done. Must not wait.
    pub submit: &'a mut dyn FnMut(Effect),
    /// The time.
    pub clock: &'a Clock,
    /// How much a turn takes on.
    pub pace: Pace,
    /// Whether the mouse is taken.
    pub mouse: bool,
    /// What it has done so far.
    pub counts: Counts,
}

/// The shortest time between two frames while nobody looks.
const AWAY: Duration = Duration::from_secs(1);

/// What woke the loop.
enum Woken {
    Signal(Option<Signal>),
    Input(Option<Event>),
    Message(Message),
    Due,
}

/// What the loop does besides going on.
enum Turn {
    Suspend,
    Lend(Box<Lend>),
    End(End),
}

/// Whether a key press waits for this: it is shown as soon as it is there.
fn is_awaited(message: &Message) -> bool {
    matches!(message, Message::Answer(Answer::Found(_) | Answer::Palette { .. }))
}

impl<H: Host> std::fmt::Debug for Loop<'_, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loop")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Loop<'_, H>
where
    <H::Backend as Backend>::Error: Into<io::Error>,
{
    /// Runs until something ends it. The screen is the caller's to leave.
    ///
    /// # Errors
    /// When the terminal can't be read or drawn on.
    pub async fn run(&mut self) -> io::Result<End> {
        let mut input = self.host.input()?;
        let now = self.clock.now();
        let mut turn = None;
        for effect in update::start(self.model, &now) {
            turn = turn.or(self.carry_out(effect));
        }
        let mut dirty = true;
        let mut drawn_at: Option<Instant> = None;
        loop {
            match turn.take() {
                Some(Turn::End(end)) => return Ok(end),
                Some(away @ (Turn::Suspend | Turn::Lend(_))) => {
                    // Nobody may take the operator's keys away from the shell.
                    drop(input);
                    let lent = match away {
                        Turn::Lend(lend) => Some(self.lend(*lend)),
                        _ => {
                            self.host.suspend()?;
                            None
                        }
                    };
                    input = self.host.input()?;
                    // A stop that came in twice is not meant for after the pause.
                    while let Some(signal) = self.host.signals().next().now_or_never() {
                        match signal {
                            Some(Signal::Stop | Signal::Continue) => {}
                            Some(Signal::End(signal)) => return Ok(End::Signal(signal)),
                            None => return Ok(End::Gone),
                        }
                    }
                    turn = self.draw_anew()?;
                    if let Some(lent) = lent {
                        let now = self.clock.now();
                        turn = turn.or(self.feed(lent, &now));
                    }
                    (dirty, drawn_at) = (false, None);
                    continue;
                }
                None => {}
            }
            dirty |= self.model.take_dirty();
            // While nobody looks, changes wait a little longer to be drawn together.
            let pace = if self.model.home.away {
                self.pace.frame.max(AWAY)
            } else {
                self.pace.frame
            };
            let frame_due = drawn_at.map(|at| at + pace);
            if dirty && frame_due.is_none_or(|due| due <= Instant::now()) {
                self.draw()?;
                (dirty, drawn_at) = (false, Some(Instant::now()));
            }

            let woken = self.wait(&mut input, if dirty { frame_due } else { None }).await;
            self.counts.turns += 1;
            let mut had_input = false;
            match woken {
                Woken::Signal(Some(Signal::End(signal))) => return Ok(End::Signal(signal)),
                Woken::Signal(Some(Signal::Stop)) => turn = Some(Turn::Suspend),
                Woken::Signal(Some(Signal::Continue)) => {
                    self.host.resume()?;
                    turn = self.draw_anew()?;
                    (dirty, drawn_at) = (false, Some(Instant::now()));
                }
                Woken::Signal(None) => return Ok(End::Gone),
                Woken::Input(None) => return Ok(End::Gone),
                Woken::Input(Some(event)) => {
                    had_input = true;
                    turn = self.take_input(event);
                }
                Woken::Message(message) => {
                    had_input |= is_awaited(&message);
                    turn = self.take_message(message);
                }
                Woken::Due => {}
            }
            // Both lanes get their share in every turn, whichever woke it.
            let mut room = self.pace.inputs;
            while turn.is_none() && room > 0 {
                match input.next().now_or_never() {
                    Some(Some(event)) => {
                        had_input = true;
                        turn = self.take_input(event);
                    }
                    Some(None) => return Ok(End::Gone),
                    None => break,
                }
                room -= 1;
            }
            let began = Instant::now();
            let mut room = self.pace.messages;
            while turn.is_none() && room > 0 {
                let Some(message) = self.mailbox.try_next() else { break };
                had_input |= is_awaited(&message);
                turn = self.take_message(message);
                room -= 1;
                if began.elapsed() >= self.pace.slice {
                    break;
                }
            }
            let now = self.clock.now();
            if turn.is_none() && self.model.next_deadline(&now).is_some_and(|at| at <= now.mono) {
                turn = self.feed(Message::Deadline, &now);
            }
            dirty |= self.model.take_dirty();
            if had_input {
                // What was typed (and what was found for it) is shown at once, whatever came before.
                drawn_at = None;
            }
        }
    }

    async fn wait(&mut self, input: &mut H::Input, frame_due: Option<Instant>) -> Woken {
        let now = self.clock.now();
        let deadline = self
            .model
            .next_deadline(&now)
            .map(|at| Instant::now() + at.saturating_sub(now.mono));
        let due = [frame_due, deadline].into_iter().flatten().min();
        let sleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = self.host.signals().next() => Woken::Signal(signal),
            event = input.next() => Woken::Input(event),
            message = self.mailbox.next() => Woken::Message(message),
            () = sleep => Woken::Due,
        }
    }

    fn take_input(&mut self, event: Event) -> Option<Turn> {
        self.counts.inputs += 1;
        let now = self.clock.now();
        self.feed(Message::Input(event), &now)
    }

    fn take_message(&mut self, message: Message) -> Option<Turn> {
        self.counts.messages += 1;
        let now = self.clock.now();
        self.feed(message, &now)
    }

    fn feed(&mut self, message: Message, now: &Now) -> Option<Turn> {
        let mut turn = None;
        for effect in update::update(self.model, message, now) {
            turn = turn.or(self.carry_out(effect));
        }
        turn
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Turn> {
        match effect {
            Effect::Quit => Some(Turn::End(End::Quit)),
            Effect::Suspend => Some(Turn::Suspend),
            Effect::Lend(lend) => Some(Turn::Lend(lend)),
            Effect::SwitchProfile => self.switch_profile(),
            Effect::Copy(text) => {
                self.host.copy(&text);
                None
            }
            Effect::Call { bell, notice } => {
                self.host.call(bell, notice.as_ref().map(|(osc, text)| (*osc, text)));
                None
            }
            effect => {
                (self.submit)(effect);
                None
            }
        }
    }

    fn switch_profile(&mut self) -> Option<Turn> {
        let name = self.model.switch_to.take()?;
        match (self.switch)(&name) {
            Ok(()) => Some(Turn::End(End::Profile)),
            Err(problem) => {
                let notice = Notice::Flash {
                    level: NoticeLevel::Error,
                    text: SafeText::new(&problem.message),
                    hint: problem.hint,
                };
                let now = self.clock.now();
                self.feed(Message::Notice(notice), &now)
            }
        }
    }

    /// Lends the terminal; what came of it.
    fn lend(&mut self, lend: Lend) -> Message {
        let mut words = lend.argv.iter();
        let mut command = Command::new(words.next().map(String::as_str).unwrap_or_default());
        command.args(words).envs(lend.env);
        for (name, value) in &lend.secrets {
            command.env(name, value.secret().expose());
        }
        Message::Lent {
            title: lend.title,
            ended: self.host.lend(&mut command).map_err(|error| error.to_string()),
        }
    }

    /// Draws everything, whatever the terminal shows: something else had it.
    fn draw_anew(&mut self) -> io::Result<Option<Turn>> {
        let size = self.terminal.size().map_err(Into::into)?;
        let now = self.clock.now();
        let resized = self.feed(Message::Input(Event::Resize(size.width, size.height)), &now);
        let turn = resized.or(self.feed(Message::Resumed, &now));
        self.terminal.clear().map_err(Into::into)?;
        self.model.take_dirty();
        self.draw()?;
        Ok(turn)
    }

    fn draw(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.counts.frames += 1;
        let mouse = self.model.wants_mouse();
        if self.mouse != mouse {
            self.mouse = mouse;
            self.host.mouse(mouse);
        }
        let theme = self.themes.get(self.model.theme());
        let model = &*self.model;
        self.terminal
            .draw(|frame| view::view(model, &theme, &now, frame))
            .map_err(Into::into)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
