//! Starts the real binary in a pseudo-terminal, types, waits for what the screen shows, and looks at
//! what state the terminal is in. Everything waits for a condition with a deadline.

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take. Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The binary under test.
pub(crate) const VIGIE: &str = env!("CARGO_BIN_EXE_vigie");

/// What the terminal has received.
struct Seen {
    raw: Vec<u8>,
    /// How many bytes had come when, before anything was done with them.
    came: Vec<(usize, Instant)>,
    vt: vt100::Parser,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Seen>, Condvar)>);

/// A terminal with a program on it.
pub(crate) struct Session {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Shared,
    reader: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
    slave: OwnedFd,
    termios_before: String,
    status: Option<ExitStatus>,
    /// Everything that the program may write to.
    pub(crate) home: Arc<tempfile::TempDir>,
}

/// How to start one.
pub(crate) struct Start {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    size: (u16, u16),
    pub(crate) home: Arc<tempfile::TempDir>,
}

impl Start {
    /// The dashboard, at 80×24, with a home of its own.
    pub(crate) fn vigie() -> Self {
        Self::program(VIGIE)
    }

    /// Another program.
    pub(crate) fn program(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            size: (80, 24),
            home: Arc::new(tempfile::tempdir().expect("a temporary folder")),
        }
    }

    /// With this argument.
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With this variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// At this size, columns and rows.
    pub(crate) fn size(mut self, columns: u16, rows: u16) -> Self {
        self.size = (columns, rows);
        self
    }

    /// Its home.
    pub(crate) fn home_path(&self) -> &Path {
        self.home.path()
    }

    /// In the home of another session.
    pub(crate) fn home(mut self, home: &Arc<tempfile::TempDir>) -> Self {
        self.home = Arc::clone(home);
        self
    }

    /// Starts it.
    pub(crate) fn start(self) -> Session {
        let (columns, rows) = self.size;
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let name = pair.master.tty_name().expect("its name");
        let slave = rustix::fs::open(
            &name,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .expect("the terminal's other side");
        let termios_before = termios(&slave);
        let mut command = CommandBuilder::new(&self.program);
        command.args(&self.args);
        command.cwd(self.home.path());
        command.env_clear();
        for (name, value) in environment(self.home.path()).into_iter().chain(self.env) {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let seen = Shared(Arc::new((
            Mutex::new(Seen {
                raw: Vec::new(),
                came: Vec::new(),
                vt: vt100::Parser::new(rows, columns, 200),
            }),
            Condvar::new(),
        )));
        let stop = Arc::new(AtomicBool::new(false));
        let paused = Arc::new(AtomicBool::new(false));
        let reader = pair.master.try_clone_reader().expect("a reader");
        let reader = std::thread::spawn({
            let (seen, stop, paused) = (seen.clone(), Arc::clone(&stop), Arc::clone(&paused));
            move || read(reader, &seen, &stop, &paused)
        });
        let writer = pair.master.take_writer().expect("a writer");
        Session {
            master: Some(pair.master),
            writer: Some(writer),
            child,
            seen,
            reader: Some(reader),
            stop,
            paused,
            slave,
            termios_before,
            status: None,
            home: self.home,
        }
    }
}

/// What every program here is started with, and nothing else: no test may meet the operator's own.
fn environment(home: &Path) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = ["PATH", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect();
    for (name, value) in [
        ("HOME", home.to_str().expect("a path that is text")),
        ("TERM", "xterm-256color"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("VIGIE_WORKER_AUTOSTART", "false"),
    ] {
        all.push((name.to_owned(), value.to_owned()));
    }
    all
}

/// Runs a verb in this home, and hands out what it printed. It must succeed.
pub(crate) fn verb(home: &Path, args: &[&str]) -> String {
    let output = verb_command(home).args(args).output().expect("the program starts");
    assert!(
        output.status.success(),
        "vigie {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The program in this home, without a terminal.
pub(crate) fn verb_command(home: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(VIGIE);
    command.env_clear().envs(environment(home)).current_dir(home);
    command.stdin(std::process::Stdio::null());
    command
}

fn read(mut from: Box<dyn Read + Send>, seen: &Shared, stop: &AtomicBool, paused: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || stop.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        let mut inner = seen.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.raw.extend_from_slice(&buffer[..n]);
        let all = inner.raw.len();
        inner.came.push((all, now));
        inner.vt.process(&buffer[..n]);
        seen.0.1.notify_all();
        drop(inner);
        while paused.load(Ordering::Acquire) && !stop.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The terminal's settings as text, for comparing.
fn termios(tty: &OwnedFd) -> String {
    format!(
        "{:?}",
        rustix::termios::tcgetattr(tty).expect("the terminal's settings")
    )
}

impl Session {
    /// The guard's process: the one that was started.
    pub(crate) fn guard(&self) -> Pid {
        Pid::from_raw(self.child.process_id().expect("a process") as i32).expect("a process id")
    }

    /// The dashboard's process: the guard's child.
    pub(crate) fn dashboard(&self) -> Pid {
        self.until("the dashboard's process", || children(self.guard()).first().copied())
    }

    /// Types.
    pub(crate) fn type_in(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("a terminal");
        writer.write_all(keys.as_bytes()).expect("typing");
        writer.flush().expect("typing");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, to: Pid, signal: Signal) {
        rustix::process::kill_process(to, signal).expect("a signal");
    }

    /// Changes the size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        {
            // A new emulator in the old one's modes: resizing one can leave its cursor outside. What it
            // showed is drawn anew by whoever handles the new size.
            let mut inner = self.seen.0.0.lock().unwrap();
            let old = inner.vt.screen();
            let modes = [
                (old.alternate_screen(), "\x1b[?1049h"),
                (old.hide_cursor(), "\x1b[?25l"),
                (old.bracketed_paste(), "\x1b[?2004h"),
            ];
            let mut new = vt100::Parser::new(rows.max(2), columns.max(2), 200);
            for (_, mode) in modes.iter().filter(|(on, _)| *on) {
                new.process(mode.as_bytes());
            }
            inner.vt = new;
        }
        self.resize_quietly(columns, rows);
    }

    fn resize_quietly(&self, columns: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master
            .as_ref()
            .expect("a terminal")
            .resize(size)
            .expect("a new size");
    }

    /// Waits until `found` gives something.
    pub(crate) fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(it) = found() {
                return it;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}; the screen:\n{}\nthe last bytes: {:?}",
                self.text(),
                String::from_utf8_lossy(&tail(&self.raw(), 400)),
            );
            // Not for luck: what is asked about has no way to tell.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the screen is so.
    pub(crate) fn until_screen(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut inner = self.seen.0.0.lock().unwrap();
        while !is_so(inner.vt.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}; the screen:\n{}",
                inner.vt.screen().contents()
            );
            inner = self.seen.0.1.wait_timeout(inner, left).unwrap().0;
        }
    }

    /// Waits until the screen shows this.
    pub(crate) fn until_text(&self, text: &str) {
        self.until_screen(&format!("{text:?}"), |screen| screen.contents().contains(text));
    }

    /// Waits until so many bytes in all have come and the last frame is complete.
    pub(crate) fn until_frame(&self) {
        self.until_raw("a frame", |raw| find_last(raw, b"\x1b[?2026l").is_some());
    }

    /// Waits until the bytes so far are so.
    pub(crate) fn until_raw(&self, what: &str, is_so: impl Fn(&[u8]) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut inner = self.seen.0.0.lock().unwrap();
        while !is_so(&inner.raw) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}; the screen:\n{}",
                inner.vt.screen().contents()
            );
            inner = self.seen.0.1.wait_timeout(inner, left).unwrap().0;
        }
    }

    /// All bytes that came.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.0.0.lock().unwrap().raw.clone()
    }

    /// How many bytes came so far.
    pub(crate) fn count(&self) -> usize {
        self.seen.0.0.lock().unwrap().raw.len()
    }

    /// When the last byte came.
    pub(crate) fn last_came(&self) -> Option<Instant> {
        self.seen.0.0.lock().unwrap().came.last().map(|(_, at)| *at)
    }

    /// Waits for `what` among the bytes after the first `from`; when its last byte came, whatever was done with it
    /// here afterwards.
    pub(crate) fn when_came(&self, from: usize, what: &[u8]) -> Instant {
        let deadline = Instant::now() + DEADLINE;
        let mut inner = self.seen.0.0.lock().unwrap();
        loop {
            let new = inner.raw.get(from..).unwrap_or_default();
            if let Some(at) = new.windows(what.len()).position(|bytes| bytes == what) {
                let end = from + at + what.len();
                let came = inner.came.partition_point(|(all, _)| *all < end);
                return inner.came[came].1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what:?}; the screen:\n{}",
                inner.vt.screen().contents()
            );
            inner = self.seen.0.1.wait_timeout(inner, left).unwrap().0;
        }
    }

    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        self.seen.0.0.lock().unwrap().vt.screen().contents()
    }

    /// Waits for the program's end; its status.
    pub(crate) fn until_ended(&mut self) -> u32 {
        if let Some(status) = &self.status {
            return status.exit_code();
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for the program") {
                let code = status.exit_code();
                self.status = Some(status);
                return code;
            }
            assert!(
                Instant::now() < deadline,
                "it doesn't end; the screen:\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the terminal is as it was before, and says what is not.
    pub(crate) fn until_restored(&self, what: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let wrong = self.wrong();
            if wrong.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not restored: {wrong:?}; the last bytes: {:?}",
                String::from_utf8_lossy(&tail(&self.raw(), 300)),
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What is not as it was before.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if termios(&self.slave) != self.termios_before {
            wrong.push("the terminal's settings".to_owned());
        }
        let inner = self.seen.0.0.lock().unwrap();
        let screen = inner.vt.screen();
        for (is_on, what) in [
            (screen.alternate_screen(), "the alternate screen"),
            (screen.hide_cursor(), "the hidden cursor"),
            (screen.bracketed_paste(), "bracketed paste"),
            (
                screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
                "mouse reports",
            ),
            (mode_is_on(&inner.raw, "1004"), "focus reports"),
            (mode_is_on(&inner.raw, "2026"), "a synchronized update"),
            (mode_is_on(&inner.raw, "1006"), "mouse coordinates"),
            (keyboard_pushed(&inner.raw), "keyboard flags"),
            (screen.inverse() || screen.bold(), "attributes"),
        ] {
            if is_on {
                wrong.push(what.to_owned());
            }
        }
        wrong
    }

    /// Takes no more bytes from the program, as a stuck connection does.
    pub(crate) fn pause_reading(&self, pause: bool) {
        self.paused.store(pause, Ordering::Release);
    }

    /// Whether the terminal's settings are what they were before.
    pub(crate) fn has_its_settings_back(&self) -> bool {
        termios(&self.slave) == self.termios_before
    }

    /// Takes the terminal away, as a lost connection does.
    pub(crate) fn hang_up(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Something to read, so that the reader notices and lets go of its end: whoever has the terminal may
        // draw nothing for a new size.
        self.resize_quietly(61, 17);
        rustix::io::write(&self.slave, b"\0").expect("a byte to read");
        self.reader.take().expect("a reader").join().expect("the reader");
        self.writer = None;
        self.master = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.status.is_none() {
            for pid in children(self.guard()) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The processes whose parent this is.
pub(crate) fn children(of: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", of.as_raw_nonzero());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw))
        .collect()
}

/// Whether a process runs (and is not merely unburied).
pub(crate) fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// Whether a process's first thread sleeps in this call of the kernel.
pub(crate) fn is_asleep_in(pid: Pid, call: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/wchan", pid.as_raw_nonzero())).is_ok_and(|at| at.contains(call))
}

/// Numbers that a seed repeats: `VIGIE_SOAK_SEED`, or one of the moment, which is printed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(what: &str) -> Self {
        let given = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64 | 1)
        });
        println!("{what}: VIGIE_SOAK_SEED={seed}");
        Self(seed | 1)
    }

    /// One below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

fn tail(bytes: &[u8], n: usize) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(n)..].to_vec()
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|w| w == what)
}

/// Whether a private mode was switched on after it was last switched off.
fn mode_is_on(raw: &[u8], mode: &str) -> bool {
    let on = find_last(raw, format!("\x1b[?{mode}h").as_bytes());
    let off = find_last(raw, format!("\x1b[?{mode}l").as_bytes());
    on > off
}

fn keyboard_pushed(raw: &[u8]) -> bool {
    let count = |what: &[u8]| raw.windows(what.len()).filter(|w| *w == what).count();
    count(b"\x1b[>1u") > count(b"\x1b[<u")
}

/// Files below `folder` with this extension.
pub(crate) fn find(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(find(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}
