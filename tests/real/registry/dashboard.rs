//! The real dashboard in a pseudo-terminal: how long until it shows something.

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts the dashboard on a registry, and then types and waits for what is to be on the screen at once, each in turn;
/// answers when that was, from the start of the process. Then it is quit.
pub(crate) fn shows(address: &str, wanted: &[(&str, &[&str])]) -> Vec<Duration> {
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
    let mut to = pair.master.take_writer().expect("a writer");
    let began = Instant::now();
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
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
    let mut vt = vt100::Parser::new(size.rows, size.cols, 0);
    let mut took = Vec::new();
    let (mut at, mut typed) = (began, 0);
    while let Some((keys, texts)) = wanted.get(took.len()) {
        if typed == took.len() {
            to.write_all(keys.as_bytes()).expect("typing");
            typed += 1;
        }
        let screen = vt.screen().contents();
        if texts.iter().all(|text| screen.contains(text)) {
            took.push(at.duration_since(began));
            continue;
        }
        let left = LIMIT.saturating_sub(began.elapsed());
        match bytes.recv_timeout(left) {
            Ok((when, bytes)) => {
                at = when;
                vt.process(&bytes);
            }
            Err(_) => panic!("waited in vain for {texts:?}:\n{screen}"),
        }
    }
    to.write_all(b"q").expect("typing");
    let end = Instant::now() + LIMIT;
    while child.try_wait().expect("asking for its end").is_none() {
        assert!(Instant::now() < end, "it does not quit");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(to);
    drop(pair.master);
    drop(bytes);
    reader.join().expect("the reader");
    took
}
