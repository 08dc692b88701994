//! What a worker tells the service manager that started it (systemd's notification protocol): that it
//! is ready, what it does, that it is alive, that it stops. Says nothing where nobody asked.

use sd_notify::NotifyState;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// The variables by which a service manager asks; they are not for a worker that someone else starts.
pub(super) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

enum Word {
    Ready,
    Status(String),
    Alive,
    Stopping(Duration),
}

/// The way to the service manager, if there is one.
pub(super) struct Service {
    words: Option<SyncSender<Word>>,
    /// How often it wants to hear that the worker is alive: half of what it asked for.
    pub(super) watchdog: Option<Duration>,
}

impl Service {
    /// The one that started this process, where `wanted` and there is one.
    pub(super) fn of_this_process(wanted: bool) -> Self {
        let nobody = Self {
            words: None,
            watchdog: None,
        };
        if !wanted || std::env::var_os(VARIABLES[0]).is_none() {
            return nobody;
        }
        // A thread of its own: a manager that does not read must not hold up the jobs.
        let (words, read) = sync_channel(64);
        let started = std::thread::Builder::new()
            .name("service".to_owned())
            .spawn(move || tell(&read));
        match started {
            Ok(_) => Self {
                words: Some(words),
                watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            },
            Err(error) => {
                tracing::warn!(%error, "the service manager can't be told anything");
                nobody
            }
        }
    }

    pub(super) fn ready(&self) {
        self.say(Word::Ready);
    }

    /// How many jobs run, in words.
    pub(super) fn status(&self, text: String) {
        self.say(Word::Status(text));
    }

    pub(super) fn alive(&self) {
        self.say(Word::Alive);
    }

    /// It stops, and takes this long at most.
    pub(super) fn stopping(&self, most: Duration) {
        self.say(Word::Stopping(most));
    }

    fn say(&self, word: Word) {
        if let Some(words) = &self.words {
            // Full: it has not read for a long time, and has heard enough.
            let _ = words.try_send(word);
        }
    }
}

fn tell(words: &Receiver<Word>) {
    while let Ok(word) = words.recv() {
        let told = match &word {
            Word::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Word::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
            Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            Word::Stopping(most) => {
                let most = u32::try_from(most.as_micros()).unwrap_or(u32::MAX);
                sd_notify::notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(most)])
            }
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}
