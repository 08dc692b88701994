//! Waiting for a step: with its limit, its cancel, the worker's end, and the lease's.

use super::{Guarded, Halt, Run};
use crate::domain::Problem;
use crate::domain::job::LogLevel;
use crate::jobs::step::{Cx, StepError};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::{Duration, Instant};

impl Run<'_> {
    /// Waits for a step's verb with its limit. A cancel asked by an operator (where the verb may be
    /// cancelled), the worker's end and the limit are told to the step, which has a moment to end what
    /// it has running; the lease's end is not waited for. A panic is an error. A key that is lacking here
    /// is none of the step's: nothing has failed, another worker goes on where this one stands.
    pub(super) async fn guard<T>(
        &self,
        cx: &Cx,
        limit: Duration,
        cancellable: bool,
        verb: impl Future<Output = Result<T, StepError>>,
    ) -> Guarded<T> {
        match self.waited(cx, limit, cancellable, verb).await? {
            Err(StepError {
                problem: Problem {
                    missing_key: Some(key), ..
                },
                ..
            }) => Err(Halt::Key(key)),
            done => Ok(done),
        }
    }

    async fn waited<T>(
        &self,
        cx: &Cx,
        limit: Duration,
        cancellable: bool,
        verb: impl Future<Output = Result<T, StepError>>,
    ) -> Guarded<T> {
        let verb = AssertUnwindSafe(verb).catch_unwind();
        tokio::pin!(verb);
        // Asked each time before the verb goes on: not even one more statement is sent after the lease's end.
        let verb = std::future::poll_fn(|task| match self.lease.is_over() {
            true => Poll::Ready(None),
            false => verb.as_mut().poll(task).map(Some),
        });
        tokio::pin!(verb);
        let cancel = async {
            if cancellable && !self.past_pivot() {
                self.lease.cancel.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let (halt, why) = tokio::select! {
            biased;
            () = self.lease.lost.cancelled() => {
                cx.cancel.cancel();
                return Err(Halt::Lost);
            }
            done = &mut verb => return done.map(unwound).ok_or(Halt::Lost),
            () = cancel => (false, StepError::cancelled()),
            () = self.stop.now.cancelled() => (true, StepError::cancelled()),
            () = tokio::time::sleep(limit) => (
                false,
                StepError::new("deadline", format!("not done within {} s", limit.as_secs_f32())),
            ),
        };
        cx.cancel.cancel();
        let ended = tokio::select! {
            () = self.lease.lost.cancelled() => return Err(Halt::Lost),
            ended = tokio::time::timeout(self.engine.options.grace, &mut verb) => ended,
        };
        match ended {
            Ok(None) => Err(Halt::Lost),
            Ok(Some(done)) => match unwound(done) {
                Ok(value) => Ok(Ok(value)),
                Err(_) if halt => Err(Halt::Stop),
                Err(error) if error.problem.code == "cancelled" => Ok(Err(why)),
                Err(error) => Ok(Err(error)),
            },
            Err(_) if halt => Err(Halt::Stop),
            Err(_) => Ok(Err(why)),
        }
    }

    /// Repeats what settles, observes or undoes while it fails by something that may pass.
    pub(super) async fn patiently<T, F>(&self, index: usize, attempt: impl Fn() -> F) -> Guarded<T>
    where
        F: Future<Output = Guarded<T>>,
    {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            match attempt().await? {
                Err(error) if error.transient && began.elapsed() < self.engine.options.patience => {
                    tries += 1;
                    let pause = self.backoff(tries);
                    self.say(
                        Some(index),
                        LogLevel::Warning,
                        &format!("{}; trying again in {} ms", error.problem.message, pause.as_millis()),
                    );
                    self.pause(pause).await?;
                }
                done => return Ok(done),
            }
        }
    }

    pub(super) async fn pause(&self, pause: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = self.lease.lost.cancelled() => Err(Halt::Lost),
            () = self.stop.now.cancelled() => Err(Halt::Stop),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Exponential, with a jitter of half: many jobs that met the same fault don't return together.
    pub(super) fn backoff(&self, attempt: u32) -> Duration {
        let full = self.engine.options.backoff * 2_u32.pow(attempt.saturating_sub(1).min(5));
        full / 2 + full.mul_f64(0.5 * crate::jobs::random_share())
    }
}

fn unwound<T>(done: Result<Result<T, StepError>, Box<dyn std::any::Any + Send>>) -> Result<T, StepError> {
    done.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(StepError::new("panic", format!("a fault in vigie itself: {what}")).hint("report it, with the job's log"))
    })
}
