//! A plan at work, as a state machine: what begins next, what became of each.

use super::{Item, Plan, Thing, Verb};
use crate::domain::{Problem, SafeText};

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its turn comes.
    Waiting,
    /// It was begun.
    Running,
    /// It is done; what came of it.
    Done(SafeText),
    /// It failed, and why.
    Failed(Problem),
    /// It was not begun, and why.
    NotBegun(String),
}

/// One of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What.
    pub item: Item,
    /// What became of it.
    pub state: State,
}

/// How many became what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Waiting.
    pub waiting: usize,
    /// Running.
    pub running: usize,
    /// Done.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Not begun.
    pub not_begun: usize,
    /// Passed over by the plan.
    pub passed: usize,
}

/// A plan at work. Whoever drives it begins what [`Run::begin`] answers, and tells by [`Run::ended`]
/// what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is done.
    pub verb: Verb,
    /// One for each that was planned, in its order.
    pub receipts: Vec<Receipt>,
    /// Those that the plan passed over, and why.
    pub passed: Vec<(Item, String)>,
    at_once: usize,
    stop_after: Option<usize>,
    next: usize,
    running: usize,
    failed: usize,
    stopped: Option<String>,
}

impl Run {
    /// Of a plan that may begin.
    pub fn new(plan: &Plan) -> Self {
        let waiting = |item: &Item| Receipt {
            item: item.clone(),
            state: State::Waiting,
        };
        Self {
            verb: plan.verb,
            receipts: plan.going().map(|line| waiting(&line.item)).collect(),
            passed: plan
                .passed()
                .map(|(item, why)| (item.clone(), why.to_owned()))
                .collect(),
            at_once: plan.limits.at_once.max(1),
            stop_after: plan.limits.stop_after,
            next: 0,
            running: 0,
            failed: 0,
            stopped: None,
        }
    }

    /// What begins now: so many that no more than planned run at once. Each is answered once.
    pub fn begin(&mut self) -> Vec<usize> {
        let mut begun = Vec::new();
        while self.stopped.is_none() && self.running < self.at_once {
            let Some(receipt) = self.receipts.get_mut(self.next) else {
                break;
            };
            receipt.state = State::Running;
            begun.push(self.next);
            self.next += 1;
            self.running += 1;
        }
        begun
    }

    /// What became of one that was begun; anything else means nothing.
    pub fn ended(&mut self, at: usize, result: Result<SafeText, Problem>) {
        let Some(receipt) = self.receipts.get_mut(at) else {
            return;
        };
        if receipt.state != State::Running {
            return;
        }
        self.running -= 1;
        receipt.state = match result {
            Ok(text) => State::Done(text),
            Err(problem) => {
                self.failed += 1;
                State::Failed(problem)
            }
        };
        if let Some(most) = self.stop_after
            && self.failed >= most
        {
            let why = match self.failed {
                1 => "stopped after a failure".to_owned(),
                many => format!("stopped after {many} failures"),
            };
            self.stop(&why);
        }
    }

    /// No more are begun. What runs comes to its end.
    pub fn stop(&mut self, why: &str) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(why.to_owned());
        for receipt in &mut self.receipts {
            if receipt.state == State::Waiting {
                receipt.state = State::NotBegun(why.to_owned());
            }
        }
    }

    /// Why no more are begun, where that is so.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Whether nothing runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.running == 0 && (self.stopped.is_some() || self.next >= self.receipts.len())
    }

    /// How many became what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            passed: self.passed.len(),
            ..Counts::default()
        };
        for receipt in &self.receipts {
            match receipt.state {
                State::Waiting => counts.waiting += 1,
                State::Running => counts.running += 1,
                State::Done(_) => counts.done += 1,
                State::Failed(_) => counts.failed += 1,
                State::NotBegun(_) => counts.not_begun += 1,
            }
        }
        counts
    }

    /// In a line: `3 done, 1 failed, 2 not begun`.
    pub fn summary(&self) -> String {
        let counts = self.counts();
        let mut parts = vec![format!("{} done", counts.done)];
        for (count, word) in [
            (counts.failed, "failed"),
            (counts.running, "running"),
            (counts.waiting, "waiting"),
            (counts.not_begun, "not begun"),
            (counts.passed, "passed over"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        parts.join(", ")
    }

    /// What failed: to be run again alone.
    pub fn failed(&self) -> Vec<Thing> {
        self.things(|state| matches!(state, State::Failed(_)))
    }

    /// What was not begun.
    pub fn not_begun(&self) -> Vec<Thing> {
        self.things(|state| matches!(state, State::NotBegun(_)))
    }

    fn things(&self, which: impl Fn(&State) -> bool) -> Vec<Thing> {
        self.receipts
            .iter()
            .filter(|receipt| which(&receipt.state))
            .map(|receipt| receipt.item.thing)
            .collect()
    }
}
