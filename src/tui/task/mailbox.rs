//! What tasks tell the loop, in three lanes: what happened (never dropped), how far something has
//! come (one slot each, the latest wins), and log lines (so many batches at a time: who sends them
//! waits, since they stand in the registry anyway).

use crate::tui::model::{Answer, Message, Ticket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Batches of log lines on their way. Two: one being shown, one ready.
const LOG_BATCHES: usize = 2;
/// So many events in a row before the other lanes get a turn.
const EVENTS_IN_A_ROW: usize = 16;

#[derive(Debug, Default)]
struct Lanes {
    events: VecDeque<Message>,
    progress: BTreeMap<Ticket, Answer>,
    log: VecDeque<Answer>,
    in_a_row: usize,
}

#[derive(Debug, Default)]
struct Shared {
    lanes: Mutex<Lanes>,
    filled: Notify,
    log_room: Notify,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tasks' end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Post(Arc<Shared>);

/// The loop's end.
#[derive(Debug)]
pub struct Mailbox(Arc<Shared>);

/// A new pair.
pub fn mailbox() -> (Post, Mailbox) {
    let shared = Arc::new(Shared::default());
    (Post(Arc::clone(&shared)), Mailbox(shared))
}

impl Post {
    /// Sends what must arrive; progress takes the place of older progress of the same action.
    pub fn send(&self, message: Message) {
        let mut lanes = self.0.lanes();
        match message {
            Message::Answer(answer @ Answer::Progress { ticket, .. }) => {
                lanes.progress.insert(ticket, answer);
            }
            message => {
                if let Message::Answer(Answer::Ended { ticket, .. }) = &message {
                    // How far it had come is no news any more.
                    lanes.progress.remove(ticket);
                }
                lanes.events.push_back(message);
            }
        }
        drop(lanes);
        self.0.filled.notify_one();
    }

    /// Sends an answer; see [`Post::send`].
    pub fn answer(&self, answer: Answer) {
        self.send(Message::Answer(answer));
    }

    /// Sends log lines once there is room for them.
    pub async fn log_lines(&self, lines: Answer) {
        loop {
            let room = self.0.log_room.notified();
            {
                let mut lanes = self.0.lanes();
                if lanes.log.len() < LOG_BATCHES {
                    lanes.log.push_back(lines);
                    break;
                }
            }
            room.await;
        }
        self.0.filled.notify_one();
    }

    /// Takes back log lines that nobody follows any more.
    pub fn drop_log_lines(&self) {
        self.0.lanes().log.clear();
        self.0.log_room.notify_one();
    }
}

impl Mailbox {
    /// The next message, if there is one.
    pub fn try_next(&mut self) -> Option<Message> {
        let mut lanes = self.0.lanes();
        let others_wait = !lanes.progress.is_empty() || !lanes.log.is_empty();
        if (!others_wait || lanes.in_a_row < EVENTS_IN_A_ROW)
            && let Some(message) = lanes.events.pop_front()
        {
            lanes.in_a_row += 1;
            return Some(message);
        }
        lanes.in_a_row = 0;
        if let Some((_, answer)) = lanes.progress.pop_first() {
            return Some(Message::Answer(answer));
        }
        let answer = lanes.log.pop_front()?;
        drop(lanes);
        self.0.log_room.notify_one();
        Some(Message::Answer(answer))
    }

    /// The next message. Dropping the future loses none.
    pub async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.try_next() {
                return message;
            }
            // One sender's permit is kept when it comes between the look and the wait.
            self.0.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{JobId, Problem};
    use crate::tui::model::Notice;
    use std::time::Duration;

    fn progress(ticket: u64, done: u64) -> Answer {
        Answer::Progress {
            ticket: Ticket(ticket),
            done,
            total: 100,
        }
    }

    fn log(end: i64) -> Answer {
        Answer::LogLines {
            job: JobId(1),
            lines: Vec::new(),
            end,
        }
    }

    #[tokio::test]
    async fn progress_keeps_one_slot_and_ends_with_its_action() {
        let (post, mut mailbox) = mailbox();
        for done in 0..1000 {
            post.answer(progress(1, done));
            post.answer(progress(2, done));
        }
        post.answer(Answer::Ended {
            ticket: Ticket(2),
            result: Err(Problem::new("x", "y")),
        });
        let mut seen = Vec::new();
        while let Some(Message::Answer(answer)) = mailbox.try_next() {
            seen.push(answer);
        }
        assert!(
            matches!(
                &seen[..],
                [
                    Answer::Ended { .. },
                    Answer::Progress {
                        ticket: Ticket(1),
                        done: 999,
                        ..
                    }
                ]
            ),
            "{seen:?}"
        );
    }

    #[tokio::test]
    async fn who_sends_log_lines_waits_and_who_sends_events_does_not() {
        let (post, mut mailbox) = mailbox();
        for end in 0..LOG_BATCHES {
            post.log_lines(log(end as i64)).await;
        }
        let blocked = tokio::time::timeout(Duration::from_millis(20), post.log_lines(log(9))).await;
        assert!(blocked.is_err(), "a third batch must wait");
        for _ in 0..10_000 {
            post.send(Message::Notice(Notice::RegistryBack));
        }
        let sender = tokio::spawn({
            let post = post.clone();
            async move { post.log_lines(log(7)).await }
        });
        let (mut events, mut lines) = (0, Vec::new());
        while events < 10_000 || lines.len() < LOG_BATCHES + 1 {
            match tokio::time::timeout(Duration::from_secs(5), mailbox.next())
                .await
                .unwrap()
            {
                Message::Notice(_) => events += 1,
                Message::Answer(Answer::LogLines { end, .. }) => {
                    assert!(events < 10_000 || lines.len() >= LOG_BATCHES, "the log lane starved");
                    lines.push(end);
                }
                other => panic!("{other:?}"),
            }
        }
        sender.await.unwrap();
        assert_eq!(lines, [0, 1, 7]);
    }
}
