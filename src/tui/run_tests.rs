//! The real loop with the real model, on a backend in memory and scripted input.

use super::*;
use crate::domain::SafeText;
use crate::tui::model::{Answer, Notice, NoticeLevel, UiSettings};
use crate::tui::task::{Post, mailbox};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures_util::stream::{self, BoxStream};
use ratatui::backend::{ClearType, TestBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// A backend in memory that counts what reaches it.
struct Counting {
    inner: TestBackend,
    frames: Arc<AtomicU64>,
}

fn never<T>(result: Result<T, std::convert::Infallible>) -> io::Result<T> {
    result.map_err(|never| match never {})
}

impl Backend for Counting {
    type Error = io::Error;
    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        never(self.inner.draw(content))
    }
    fn hide_cursor(&mut self) -> io::Result<()> {
        never(self.inner.hide_cursor())
    }
    fn show_cursor(&mut self) -> io::Result<()> {
        never(self.inner.show_cursor())
    }
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        never(self.inner.get_cursor_position())
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        never(self.inner.set_cursor_position(position))
    }
    fn clear(&mut self) -> io::Result<()> {
        never(self.inner.clear())
    }
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        never(self.inner.clear_region(clear_type))
    }
    fn size(&self) -> io::Result<Size> {
        never(self.inner.size())
    }
    fn window_size(&mut self) -> io::Result<WindowSize> {
        never(self.inner.window_size())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.frames.fetch_add(1, Ordering::AcqRel);
        never(self.inner.flush())
    }
}

/// A host whose input and signals are handed in.
struct Script {
    inputs: std::collections::VecDeque<BoxStream<'static, Event>>,
    signals: BoxStream<'static, Signal>,
    suspended: usize,
    resumed: usize,
}

impl Host for Script {
    type Backend = Counting;
    type Input = BoxStream<'static, Event>;
    type Signals = BoxStream<'static, Signal>;
    fn input(&mut self) -> io::Result<Self::Input> {
        Ok(self.inputs.pop_front().unwrap_or_else(|| Box::pin(stream::pending())))
    }
    fn signals(&mut self) -> &mut Self::Signals {
        &mut self.signals
    }
    fn suspend(&mut self) -> io::Result<()> {
        self.suspended += 1;
        Ok(())
    }
    fn resume(&mut self) -> io::Result<()> {
        self.resumed += 1;
        Ok(())
    }
}

/// A loop that runs, and the ends of what goes into it.
struct Running {
    keys: mpsc::UnboundedSender<Event>,
    signals: mpsc::UnboundedSender<Signal>,
    post: Post,
    frames: Arc<AtomicU64>,
    loop_: tokio::task::JoinHandle<(io::Result<End>, Counts, usize, usize)>,
}

fn receiver_stream<T: Send + 'static>(receiver: mpsc::UnboundedReceiver<T>) -> BoxStream<'static, T> {
    Box::pin(stream::unfold(receiver, |mut r| async move {
        r.recv().await.map(|item| (item, r))
    }))
}

fn start_with(pace: Pace, inputs: Vec<BoxStream<'static, Event>>) -> Running {
    let (keys, typed) = mpsc::unbounded_channel();
    let (signals, told) = mpsc::unbounded_channel();
    let (post, mut mailbox) = mailbox();
    let frames = Arc::new(AtomicU64::new(0));
    let mut inputs = std::collections::VecDeque::from(inputs);
    inputs.push_back(receiver_stream(typed));
    // Not a task: it needs no thread but its own.
    let loop_ = tokio::task::spawn_blocking({
        let (frames, post) = (Arc::clone(&frames), post.clone());
        let runtime = tokio::runtime::Handle::current();
        move || {
            runtime.block_on(async move {
                let mut host = Script {
                    inputs,
                    signals: receiver_stream(told),
                    suspended: 0,
                    resumed: 0,
                };
                let backend = Counting {
                    inner: TestBackend::new(80, 24),
                    frames,
                };
                let mut terminal = Terminal::new(backend).unwrap();
                let mut model = Model::new(UiSettings::default(), (80, 24));
                let mut running = Loop {
                    host: &mut host,
                    terminal: &mut terminal,
                    model: &mut model,
                    themes: &crate::tui::theme::ThemeSet::default(),
                    mouse: false,
                    switch: &mut |_| Ok(()),
                    mailbox: &mut mailbox,
                    submit: &mut |effect| {
                        if effect == Effect::LoadFleet {
                            post.answer(Answer::Fleet(Box::default()));
                        }
                    },
                    clock: &Clock::new(jiff::tz::TimeZone::UTC),
                    pace,
                    counts: Counts::default(),
                };
                let end = running.run().await;
                let counts = running.counts;
                (end, counts, host.suspended, host.resumed)
            })
        }
    });
    Running {
        keys,
        signals,
        post,
        frames,
        loop_,
    }
}

fn start(pace: Pace) -> Running {
    start_with(pace, Vec::new())
}

fn key(c: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

fn notice(n: usize) -> Message {
    Message::Notice(Notice::Flash {
        level: NoticeLevel::Error,
        text: SafeText::new(&format!("notice {n}")),
        hint: None,
    })
}

impl Running {
    fn frames(&self) -> u64 {
        self.frames.load(Ordering::Acquire)
    }

    async fn until_frames(&self, more_than: u64) {
        let wait = async {
            while self.frames() <= more_than {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .expect("no frame came");
    }

    /// Until nothing is drawn any more: the first answer is in.
    async fn until_quiet(&self) -> u64 {
        self.until_frames(0).await;
        loop {
            let before = self.frames();
            tokio::time::sleep(Duration::from_millis(150)).await;
            if self.frames() == before {
                return before;
            }
        }
    }

    async fn end(self, signal: i32) -> (Counts, usize, usize) {
        self.signals.send(Signal::End(signal)).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.loop_).await;
        let (end, counts, suspended, resumed) = ended.expect("it doesn't end").unwrap();
        assert_eq!(end.unwrap(), End::Signal(signal));
        (counts, suspended, resumed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_is_no_frame_and_no_wake_up() {
    // Begun where the clock's minute does not end in the middle of it.
    let second = jiff::Timestamp::now().as_second() % 60;
    if second > 54 {
        tokio::time::sleep(Duration::from_secs(60 - second.unsigned_abs())).await;
    }
    let running = start(Pace::default());
    let frames = running.until_quiet().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(running.frames(), frames, "a frame while nothing happened");
    let (counts, ..) = running.end(15).await;
    // The answer, perhaps a frame that waited for its time, and the end: nothing of these two seconds.
    assert!(counts.turns <= 4, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_is_drawn_at_once_and_background_together() {
    let running = start(Pace {
        frame: Duration::from_secs(3),
        ..Pace::default()
    });
    let before = running.until_quiet().await;
    for n in 0..1_000 {
        running.post.send(notice(n));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(running.frames(), before, "background was drawn before its time");
    let typed = Instant::now();
    running.keys.send(key('?')).unwrap();
    running.until_frames(before).await;
    assert!(typed.elapsed() < Duration::from_millis(500), "{:?}", typed.elapsed());
    let after = running.frames();
    running.until_frames(after - 1).await;
    let (counts, ..) = running.end(15).await;
    assert!(counts.messages >= 1_000 && counts.frames <= after + 1, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_input_does_not_keep_messages_waiting() {
    let storm = stream::repeat_with(|| key('j'));
    let running = start_with(Pace::default(), vec![Box::pin(storm)]);
    running.until_frames(3).await;
    for n in 0..100 {
        running.post.send(notice(n));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (counts, ..) = running.end(15).await;
    assert!(counts.messages >= 100, "{counts:?}");
    assert!(counts.inputs / counts.turns <= 32 + 1, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_messages_do_not_keep_keys_and_signals_waiting() {
    let running = start(Pace::default());
    running.until_quiet().await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (post, stop) = (running.post.clone(), Arc::clone(&stop));
        move || {
            let mut n = 0;
            while !stop.load(Ordering::Acquire) && n < 3_000_000 {
                post.send(notice(n));
                n += 1;
            }
        }
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let before = running.frames();
        let typed = Instant::now();
        running.keys.send(key('?')).unwrap();
        running.until_frames(before).await;
        slowest = slowest.max(typed.elapsed());
    }
    stop.store(true, Ordering::Release);
    flood.join().unwrap();
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let (counts, ..) = running.end(1).await;
    assert!(counts.inputs >= 20, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_the_terminal_back_once_and_draws_everything_after() {
    let (second, later) = mpsc::unbounded_channel();
    let (first, before) = mpsc::unbounded_channel::<Event>();
    let running = start_with(Pace::default(), vec![receiver_stream(before), receiver_stream(later)]);
    let frames = running.until_quiet().await;
    running.signals.send(Signal::Stop).unwrap();
    running.until_frames(frames).await;
    running.until_quiet().await;
    assert!(
        first.is_closed(),
        "the first reader is gone while the terminal is another's"
    );
    let frames = running.frames();
    second.send(key('?')).unwrap();
    running.until_frames(frames).await;
    let frames = running.frames();
    running.signals.send(Signal::Continue).unwrap();
    running.until_frames(frames).await;
    let (_, suspended, resumed) = running.end(15).await;
    assert_eq!((suspended, resumed), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_ends_it() {
    let running = start_with(Pace::default(), vec![Box::pin(stream::empty())]);
    let ended = tokio::time::timeout(Duration::from_secs(10), running.loop_)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.0.unwrap(), End::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_quits() {
    let running = start(Pace::default());
    running.until_quiet().await;
    running.keys.send(key('q')).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), running.loop_)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.0.unwrap(), End::Quit);
}
