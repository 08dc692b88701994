//! Takes effects, runs them as tasks, and sees to it that each is answered once or not at all.

use super::mailbox::Post;
use crate::domain::{Problem, SafeText};
use crate::tui::model::{Answer, Effect, Message, Policy, TaskKey, Ticket};
use crate::tui::term::catching;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that work at the same time; others wait for one of them to end. Following a log doesn't
/// count: it mostly waits.
const AT_A_TIME: usize = 16;

/// Who does what effects say: operations, or a script in tests.
pub trait Door: Send + Sync + 'static {
    /// Does it, and answers through `reply`.
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()>;
}

impl Door for Box<dyn Door> {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        self.as_ref().carry_out(effect, reply)
    }
}

/// A task's way to answer. What it says after it was replaced or cancelled is dropped.
#[derive(Debug, Clone)]
pub struct Reply {
    post: Post,
    cancelled: CancellationToken,
    /// Whether the action's end was told: it is told once.
    settled: Arc<AtomicBool>,
}

impl Reply {
    /// Answers.
    pub fn answer(&self, answer: Answer) {
        self.send(Message::Answer(answer));
    }

    /// Says something.
    pub fn send(&self, message: Message) {
        let is_end = matches!(message, Message::Answer(Answer::Ended { .. }));
        if self.cancelled.is_cancelled() || is_end && self.settled.swap(true, Ordering::AcqRel) {
            return;
        }
        self.post.send(message);
    }

    /// Sends log lines once there is room for them.
    pub async fn log_lines(&self, lines: Answer) {
        if !self.cancelled.is_cancelled() {
            self.post.log_lines(lines).await;
        }
    }

    /// Whether anybody still wants to know.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

/// The executor. Cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Shared>);

struct Shared {
    door: Box<dyn Door>,
    post: Post,
    runtime: Handle,
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
    all: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    running: BTreeMap<u64, Running>,
    waiting: BTreeMap<TaskKey, VecDeque<Effect>>,
}

struct Running {
    key: TaskKey,
    ticket: Option<Ticket>,
    cancel: CancellationToken,
    settled: Arc<AtomicBool>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("tasks", &self.0.tracker.len())
            .finish_non_exhaustive()
    }
}

fn ticket_of(effect: &Effect) -> Option<Ticket> {
    match effect {
        Effect::Act { ticket, .. } | Effect::ActWith { ticket, .. } => Some(*ticket),
        _ => None,
    }
}

impl Executor {
    /// An executor whose tasks run on `runtime` and go through `door`.
    pub fn new(door: impl Door, post: Post, runtime: Handle) -> Self {
        Self(Arc::new(Shared {
            door: Box::new(door),
            post,
            runtime,
            permits: Arc::new(Semaphore::new(AT_A_TIME)),
            tracker: TaskTracker::new(),
            all: CancellationToken::new(),
            state: Mutex::default(),
        }))
    }

    /// Takes an effect. Never waits.
    pub fn submit(&self, effect: Effect) {
        if let Effect::CancelTask(ticket) = effect {
            return self.cancel(ticket);
        }
        let key = effect.key();
        let mut state = self.state();
        let busy = state.running.values().any(|r| r.key == key);
        match effect.policy() {
            Policy::Join if busy => return,
            Policy::Serial if busy => {
                state.waiting.entry(key).or_default().push_back(effect);
                return;
            }
            Policy::LatestWins => {
                state.running.retain(|_, running| {
                    if running.key == key {
                        running.cancel.cancel();
                    }
                    running.key != key
                });
                if key == TaskKey::Log {
                    self.0.post.drop_log_lines();
                }
            }
            _ => {}
        }
        self.start(&mut state, effect);
    }

    /// Lets go of everything without waiting for anything: what only reads is stopped, what changes
    /// something comes to its end by itself. Nobody hears of either any more.
    pub fn abandon(self) {
        let mut state = self.state();
        state.waiting.clear();
        state
            .running
            .values()
            .filter(|running| running.ticket.is_none())
            .for_each(|running| running.cancel.cancel());
        drop(state);
        self.0.tracker.close();
        // What closing a registry takes must not be waited for either.
        self.0.runtime.clone().spawn_blocking(move || drop(self));
    }

    /// Stops every task and waits for them, but not for long.
    pub async fn shut_down(&self, patience: Duration) {
        self.0.all.cancel();
        self.0.tracker.close();
        let _ = tokio::time::timeout(patience, self.0.tracker.wait()).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self, ticket: Ticket) {
        let mut state = self.state();
        let mut found = false;
        // It keeps its place until it has really ended, so that what waits behind it waits.
        for running in state.running.values().filter(|r| r.ticket == Some(ticket)) {
            found |= !running.settled.swap(true, Ordering::AcqRel);
            running.cancel.cancel();
        }
        for waiting in state.waiting.values_mut() {
            waiting.retain(|effect| {
                let this = ticket_of(effect) == Some(ticket);
                found |= this;
                !this
            });
        }
        drop(state);
        if found {
            self.0.post.answer(Answer::Ended {
                ticket,
                result: Err(Problem::new("cancelled", "cancelled before it ended")),
            });
        }
    }

    fn start(&self, state: &mut State, effect: Effect) {
        let id = state.next_id;
        state.next_id += 1;
        let cancel = self.0.all.child_token();
        let ticket = ticket_of(&effect);
        let settled = Arc::new(AtomicBool::new(false));
        state.running.insert(
            id,
            Running {
                key: effect.key(),
                ticket,
                cancel: cancel.clone(),
                settled: Arc::clone(&settled),
            },
        );
        let reply = Reply {
            post: self.0.post.clone(),
            cancelled: cancel.clone(),
            settled,
        };
        let executor = self.clone();
        // What a key press waits for never queues behind long work.
        let follows = matches!(
            effect,
            Effect::FollowLog(_) | Effect::OpenLog { .. } | Effect::Find(_) | Effect::Palette(_)
        );
        let name = what(&effect);
        let work = async move {
            let shared = &executor.0;
            let done = async {
                let _permit = if follows {
                    None
                } else {
                    shared.permits.clone().acquire_owned().await.ok()
                };
                // Made in here, so that a panic while it is made is caught as well.
                catching(async { shared.door.carry_out(effect, reply.clone()).await }).await
            };
            // The work itself is dropped on cancel; deadlines of its own bound what runs elsewhere.
            let ended = tokio::select! {
                biased;
                () = cancel.cancelled() => Ok(()),
                ended = done => ended,
            };
            let why = match (&ended, ticket) {
                (Ok(()), None) => None,
                (Ok(()), Some(_)) => Some("it ended without saying how".to_owned()),
                (Err(panicked), _) => Some(panicked.to_string()),
            };
            if let Some(why) = why {
                let problem = Problem::new("internal_error", format!("{name}: internal error: {why}"))
                    .hint("this is a bug in vigie; the rest of it goes on");
                reply.answer(match ticket {
                    Some(ticket) => Answer::Ended {
                        ticket,
                        result: Err(problem),
                    },
                    None => Answer::Failed {
                        what: SafeText::new(name),
                        problem,
                    },
                });
            }
            if let Err(panicked) = ended {
                tracing::error!(task = name, "panic: {panicked}");
            }
            executor.ended(id);
        };
        self.0.tracker.spawn_on(work, &self.0.runtime);
    }

    /// A task has ended: the next of its key may begin.
    fn ended(&self, id: u64) {
        let mut state = self.state();
        let Some(running) = state.running.remove(&id) else {
            return;
        };
        if self.0.all.is_cancelled() {
            return;
        }
        let next = state.waiting.get_mut(&running.key).and_then(VecDeque::pop_front);
        match next {
            Some(next) => self.start(&mut state, next),
            None => {
                state.waiting.remove(&running.key);
            }
        }
    }
}

/// What an effect is, for messages.
fn what(effect: &Effect) -> &'static str {
    match effect {
        Effect::LoadFleet => "reading the fleet",
        Effect::LoadHistory(_) => "reading the health history",
        Effect::LoadInstance(_) => "reading the instance",
        Effect::FollowLog(_) | Effect::UnfollowLog => "following the log",
        Effect::LogBefore { .. } | Effect::ReadLog { .. } | Effect::StopLogRead => "reading the log",
        Effect::OpenLog { .. } => "opening the log",
        Effect::SaveLog { .. } => "saving the log",
        Effect::RememberLog { .. } => "remembering the log's path",
        Effect::LoadAudit { .. } => "reading what happened",
        Effect::PlanInstance { .. } => "planning the instance",
        Effect::Find(_) => "looking through the list",
        Effect::Palette(_) => "looking through the fleet",
        Effect::Enter(_) => "finding the way there",
        Effect::Away(_) => "slowing down",
        Effect::Remember(_) => "remembering how lists are shown",
        Effect::Explain { .. } => "gathering the evidence",
        Effect::Timeline { .. } => "gathering what happened",
        Effect::AlertCommand(_) => "the command of [alerts]",
        Effect::RememberAlerts(_) => "remembering alerts",
        Effect::Act { .. } | Effect::ActWith { .. } => "the action",
        Effect::Unlock(_) => "unlocking",
        Effect::CancelTask(_)
        | Effect::Copy(_)
        | Effect::Call { .. }
        | Effect::Suspend
        | Effect::Lend(_)
        | Effect::SwitchProfile
        | Effect::Quit => "the loop",
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
