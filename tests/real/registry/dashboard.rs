//! The real dashboard in a pseudo-terminal: how long until it shows something, and whether it answers keys
//! whatever becomes of its registry.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A dashboard and what it shows.
struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    bytes: mpsc::Receiver<(Instant, Vec<u8>)>,
    vt: vt100::Parser,
    began: Instant,
    /// When the last bytes came.
    at: Instant,
    reader: std::thread::JoinHandle<()>,
    _home: tempfile::TempDir,
}

impl Screen {
    fn open(address: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let size = PtySize {
            rows: 50,
            cols: 200,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_vigie"));
        command.env_clear();
        command.cwd(home.path());
        for (name, value) in [
            ("HOME", home.path().to_str().expect("text")),
            ("PATH", "/usr/bin:/bin"),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("VIGIE_WORKER_AUTOSTART", "false"),
            ("VIGIE_REGISTRY", address),
        ] {
            command.env(name, value);
        }
        let mut from = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let began = Instant::now();
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let (sender, bytes) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            master: pair.master,
            keys,
            bytes,
            vt: vt100::Parser::new(size.rows, size.cols, 0),
            began,
            at: began,
            reader,
            _home: home,
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typing");
    }

    /// Waits until the screen is so; when that was.
    fn until(&mut self, what: &str, met: impl Fn(&str) -> bool) -> Instant {
        let end = Instant::now() + LIMIT;
        loop {
            let screen = self.vt.screen().contents();
            if met(&screen) {
                return self.at;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok((when, bytes)) => {
                    self.at = when;
                    self.vt.process(&bytes);
                }
                Err(_) => panic!("waited in vain for {what}:\n{screen}"),
            }
        }
    }

    /// Back and back again, and out.
    fn quit(mut self) {
        let end = Instant::now() + LIMIT;
        while self.child.try_wait().expect("asking for its end").is_none() {
            assert!(
                Instant::now() < end,
                "it does not quit:\n{}",
                self.vt.screen().contents()
            );
            // What is typed while it ends is nobody's.
            let _ = self.keys.write_all(b"q");
            std::thread::sleep(Duration::from_millis(300));
            while let Ok((_, bytes)) = self.bytes.try_recv() {
                self.vt.process(&bytes);
            }
        }
        drop((self.keys, self.master, self.bytes));
        self.reader.join().expect("the reader");
    }
}

/// Starts the dashboard on a registry, and then types and waits for what is to be on the screen at once, each in turn;
/// answers when that was, from the start of the process. Then it is quit.
pub(crate) fn shows(address: &str, wanted: &[(&str, &[&str])]) -> Vec<Duration> {
    let mut screen = Screen::open(address);
    let mut took = Vec::new();
    for (keys, texts) in wanted {
        screen.type_in(keys);
        let at = screen.until(&format!("{texts:?}"), |screen| {
            texts.iter().all(|text| screen.contains(text))
        });
        took.push(at.duration_since(screen.began));
    }
    screen.quit();
    took
}

/// Opens and closes the help again and again until `over`: how long each key took to be answered on the screen, and
/// how often it was seen that the registry was said to be lost.
pub(crate) fn answers_keys(address: &str, shown: &str, over: &Arc<AtomicBool>) -> (Vec<Duration>, usize) {
    let mut screen = Screen::open(address);
    screen.until(shown, |screen| screen.contains(shown));
    let (mut times, mut losses, mut was_lost) = (Vec::new(), 0, false);
    while !over.load(Ordering::SeqCst) {
        for (key, open) in [("?", true), ("\x1b", false)] {
            let typed = Instant::now();
            screen.type_in(key);
            let at = screen.until("an answer to a key", |screen| screen.contains("keys in") == open);
            times.push(at.saturating_duration_since(typed));
        }
        let lost = screen.vt.screen().contents().contains("registry lost");
        losses += usize::from(lost && !was_lost);
        was_lost = lost;
        std::thread::sleep(Duration::from_millis(30));
    }
    screen.until("the registry to be back", |screen| !screen.contains("registry lost"));
    screen.quit();
    (times, losses)
}
