//! The alerts there are, and the calls that are due.

mod deeds;

use super::super::explain::Subject;
use super::super::text::SafeText;
use super::{Alert, AlertId, AlertKind, AlertState, Condition, Deed, Mute, Record, Rules};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of what happened that are kept.
const RECORDS: usize = 500;
/// Alerts that are kept at most: beyond, those that were over first go.
const MOST: usize = 2_000;
/// Alerts that one call names.
const NAMED: usize = 20;

/// What the board is about: one alert for each at a time.
type Key = (AlertKind, Option<Subject>);

/// What is remembered from one start to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// Silent patterns, beyond those of the settings.
    pub mutes: Vec<Mute>,
    /// What happened, the newest last.
    pub records: Vec<Record>,
    /// When the operator was last called.
    pub rung_at: Option<Timestamp>,
}

/// A call to the operator: all that happened since the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// When.
    pub at: Timestamp,
    /// What it is about, the worst first; the first twenty.
    pub alerts: Vec<Alert>,
    /// How many it is about in all.
    pub count: usize,
}

impl Ring {
    /// All of it in a line.
    pub fn text(&self) -> SafeText {
        let Some(worst) = self.alerts.first() else {
            return SafeText::default();
        };
        let more = match self.count {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        SafeText::capped(
            &format!("{}: {}{more}: {}", worst.kind.title(), worst.label, worst.text),
            200,
        )
    }
}

/// The alerts there are, and the calls that are due.
#[derive(Debug, Clone, Default)]
pub struct Board {
    alerts: Vec<Alert>,
    /// Bad, and not for long enough yet.
    pending: BTreeMap<Key, Timestamp>,
    to_ring: Vec<AlertId>,
    mutes: Vec<Mute>,
    records: Vec<Record>,
    rung_at: Option<Timestamp>,
    next: u64,
    /// Whether anything was taken in, now or by who came before: what is bad at the very first look has
    /// not changed.
    begun: bool,
    had_worker: bool,
    /// The one kind of which anything is known now; `None`: all.
    only: Option<AlertKind>,
    changed: bool,
}

impl Board {
    /// A board that goes on where the last one ended.
    pub fn remembered(memory: Memory) -> Self {
        let next = memory.alerts.iter().map(|alert| alert.id.0 + 1).max().unwrap_or(1);
        Self {
            alerts: memory.alerts,
            mutes: memory.mutes,
            records: memory.records,
            rung_at: memory.rung_at,
            next,
            begun: true,
            ..Self::default()
        }
    }

    /// What is to be remembered.
    pub fn memory(&self) -> Memory {
        Memory {
            alerts: self.alerts.clone(),
            mutes: self.mutes.clone(),
            records: self.records.clone(),
            rung_at: self.rung_at,
        }
    }

    /// Whether there is something new to be remembered; asking makes it none.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All alerts, those that are over too, in no order.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// One.
    pub fn alert(&self, id: AlertId) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.id == id)
    }

    /// What happened, the newest last.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Silent patterns, beyond those of the settings.
    pub fn mutes(&self) -> &[Mute] {
        &self.mutes
    }

    /// Whether a worker was alive at some time.
    pub fn had_worker(&self) -> bool {
        self.had_worker
    }

    /// A worker is alive.
    pub fn saw_worker(&mut self) {
        self.had_worker = true;
    }

    /// Where an alert is.
    pub fn state(&self, alert: &Alert, rules: &Rules, now: Timestamp) -> AlertState {
        if alert.cleared_at.is_some() {
            AlertState::Cleared
        } else if self.is_muted(alert, rules) {
            AlertState::Muted
        } else if alert.acknowledged.is_some() {
            AlertState::Acknowledged
        } else if alert.snoozed_until.is_some_and(|until| until > now) {
            AlertState::Snoozed
        } else if alert.good_since.is_some() {
            AlertState::Clearing
        } else {
            AlertState::Open
        }
    }

    /// Alerts nobody said they know of: all, and those of the worst kind.
    pub fn open(&self, rules: &Rules, now: Timestamp) -> (usize, usize) {
        let open = self
            .alerts
            .iter()
            .filter(|alert| self.state(alert, rules, now) == AlertState::Open);
        let mut counts = (0, 0);
        for alert in open {
            counts.0 += 1;
            counts.1 += usize::from(alert.kind.severity() == super::super::explain::Severity::Bad);
        }
        counts
    }

    fn is_muted(&self, alert: &Alert, rules: &Rules) -> bool {
        let mut all = rules.mute.iter().chain(&self.mutes);
        all.any(|mute| mute.matches(alert.kind, alert.label.as_str()))
    }

    /// Takes in what is bad now. `only`: nothing is known of other kinds, their alerts stay as they are.
    pub fn observe(&mut self, now: Timestamp, bad: &[Condition], only: Option<AlertKind>, rules: &Rules) {
        // A clock that was set back must not keep anything waiting.
        self.rung_at = self.rung_at.map(|at| at.min(now));
        for since in self.pending.values_mut() {
            *since = (*since).min(now);
        }
        let first = !self.begun;
        // What is bad when all is seen for the first time has not changed either.
        self.begun |= only.is_none();
        self.only = only;
        let known = |kind: AlertKind| only.is_none_or(|only| only == kind);
        let mut is_bad = BTreeMap::new();
        for condition in bad.iter().filter(|condition| known(condition.kind)) {
            is_bad.insert((condition.kind, condition.subject), condition);
        }
        self.well_again(now, &is_bad, known, rules);
        self.pending.retain(|key, _| is_bad.contains_key(key) || !known(key.0));
        for (key, condition) in is_bad {
            self.bad(now, key, condition, first, rules);
        }
        self.wake(now, rules);
        self.forget(now, rules);
    }

    /// One thing that is bad.
    fn bad(&mut self, now: Timestamp, key: Key, condition: &Condition, first: bool, rules: &Rules) {
        let active = |alert: &&mut Alert| (alert.kind, alert.subject) == key && alert.cleared_at.is_none();
        if let Some(alert) = self.alerts.iter_mut().find(active) {
            alert.raised_at = alert.raised_at.min(now);
            if alert.text != condition.text || alert.label != condition.label {
                alert.text.clone_from(&condition.text);
                alert.label.clone_from(&condition.label);
            }
            if alert.good_since.take().is_some() {
                alert.times = alert.times.saturating_add(1);
                let record = record(now, Deed::Again, alert, alert.text.clone(), None);
                self.write(record);
            }
            return;
        }
        let since = *self.pending.entry(key).or_insert(now);
        if !first && !key.0.is_event() && passed(since, now) < rules.hold {
            return;
        }
        self.pending.remove(&key);
        let rung_at = self
            .alerts
            .iter()
            .filter(|old| (old.kind, old.subject) == key)
            .filter_map(|old| old.rung_at)
            .max();
        let alert = Alert {
            id: AlertId(self.next.max(1)),
            kind: condition.kind,
            subject: condition.subject,
            label: condition.label.clone(),
            text: condition.text.clone(),
            raised_at: since,
            times: 1,
            good_since: None,
            cleared_at: None,
            acknowledged: None,
            snoozed_until: None,
            rung_at,
        };
        self.next = alert.id.0 + 1;
        let record = record(now, Deed::Raised, &alert, alert.text.clone(), None);
        self.write(record);
        let again = rung_at.is_some_and(|at| passed(at, now) < rules.again_after);
        if !first && !again && !self.is_muted(&alert, rules) {
            self.to_ring.push(alert.id);
        }
        self.alerts.push(alert);
    }

    /// What is not bad any more: over once it stayed so.
    fn well_again(
        &mut self,
        now: Timestamp,
        is_bad: &BTreeMap<Key, &Condition>,
        known: impl Fn(AlertKind) -> bool,
        rules: &Rules,
    ) {
        let mut records = Vec::new();
        for alert in &mut self.alerts {
            let key = (alert.kind, alert.subject);
            if alert.cleared_at.is_some() || !known(alert.kind) || is_bad.contains_key(&key) {
                continue;
            }
            if alert.good_since.is_none() {
                self.changed = true;
            }
            let since = (*alert.good_since.get_or_insert(now)).min(now);
            alert.good_since = Some(since);
            if alert.kind.is_event() || passed(since, now) >= rules.clear_after {
                alert.cleared_at = Some(now);
                alert.snoozed_until = None;
                let lasted = format!("after {}", span(passed(alert.raised_at, since)));
                records.push(record(now, Deed::Cleared, alert, SafeText::new(&lasted), None));
            }
        }
        for record in records {
            self.write(record);
        }
        let over: Vec<AlertId> = self
            .alerts
            .iter()
            .filter(|alert| alert.cleared_at.is_some())
            .map(|alert| alert.id)
            .collect();
        self.to_ring.retain(|id| !over.contains(id));
    }

    /// Ends snoozes whose time is over: what is bad still is told again.
    fn wake(&mut self, now: Timestamp, rules: &Rules) {
        let mut records = Vec::new();
        let mut woken = Vec::new();
        for alert in &mut self.alerts {
            if alert.snoozed_until.is_some_and(|until| until <= now) {
                alert.snoozed_until = None;
                records.push(record(now, Deed::Woken, alert, alert.text.clone(), None));
                if alert.cleared_at.is_none() && alert.acknowledged.is_none() && alert.good_since.is_none() {
                    woken.push(alert.id);
                }
            }
        }
        for record in records {
            self.write(record);
        }
        for id in woken {
            let muted = self.alert(id).is_some_and(|alert| self.is_muted(alert, rules));
            if !muted && !self.to_ring.contains(&id) {
                self.to_ring.push(id);
            }
        }
    }

    fn forget(&mut self, now: Timestamp, rules: &Rules) {
        let before = self.alerts.len();
        self.alerts
            .retain(|alert| alert.cleared_at.is_none_or(|at| passed(at, now) < rules.keep));
        if self.alerts.len() > MOST {
            self.alerts.sort_by_key(|alert| {
                (
                    alert.cleared_at.is_some(),
                    alert.cleared_at.map(std::cmp::Reverse),
                    alert.id,
                )
            });
            self.alerts.truncate(MOST);
        }
        self.changed |= before != self.alerts.len();
    }

    /// The call that is due now, if one is. It is given once.
    pub fn ring(&mut self, now: Timestamp, rules: &Rules) -> Option<Ring> {
        if self.to_ring.is_empty() || self.ring_at(rules).is_some_and(|at| at > now) {
            return None;
        }
        let wanted = std::mem::take(&mut self.to_ring);
        let mut alerts: Vec<Alert> = Vec::new();
        for alert in self.alerts.iter().filter(|alert| wanted.contains(&alert.id)) {
            match self.state(alert, rules, now) {
                AlertState::Open => alerts.push(alert.clone()),
                // It may come back before it is over: nobody was called for it yet.
                AlertState::Clearing => self.to_ring.push(alert.id),
                _ => {}
            }
        }
        if alerts.is_empty() {
            return None;
        }
        alerts.sort_by_key(|alert| (alert.kind, alert.raised_at, alert.id));
        let count = alerts.len();
        for alert in &mut self.alerts {
            if alerts.iter().any(|rung| rung.id == alert.id) {
                alert.rung_at = Some(now);
            }
        }
        self.rung_at = Some(now);
        alerts.truncate(NAMED);
        let ring = Ring { at: now, alerts, count };
        if let Some(worst) = ring.alerts.first() {
            let record = record(now, Deed::Rung, worst, ring.text(), None);
            self.write(record);
        }
        Some(ring)
    }

    fn ring_at(&self, rules: &Rules) -> Option<Timestamp> {
        self.rung_at.map(|at| later(at, rules.ring_every))
    }

    /// When to look again though nothing happens. Nothing of which nothing is known now, or that only
    /// waits to be well or bad again: else one would look without end.
    pub fn due(&self, rules: &Rules) -> Option<Timestamp> {
        let known = |kind: AlertKind| self.only.is_none_or(|only| only == kind);
        let pending = self.pending.iter().filter(|(key, _)| known(key.0));
        let held = pending.map(|(_, since)| later(*since, rules.hold));
        let active = || self.alerts.iter().filter(|alert| alert.cleared_at.is_none());
        let clearing = active()
            .filter(|alert| known(alert.kind))
            .filter_map(|alert| alert.good_since)
            .map(|since| later(since, rules.clear_after));
        let snoozed = active().filter_map(|alert| alert.snoozed_until);
        let waits = |id: &AlertId| self.alert(*id).is_some_and(|alert| alert.good_since.is_none());
        let ring = self
            .to_ring
            .iter()
            .any(waits)
            .then(|| self.ring_at(rules).unwrap_or(Timestamp::MIN));
        held.chain(clearing).chain(snoozed).chain(ring).min()
    }

    fn write(&mut self, record: Record) {
        self.changed = true;
        self.records.push(record);
        if self.records.len() > RECORDS {
            let over = self.records.len() - RECORDS;
            self.records.drain(..over);
        }
    }
}

fn record(at: Timestamp, deed: Deed, alert: &Alert, text: SafeText, by: Option<SafeText>) -> Record {
    Record {
        at,
        deed,
        kind: alert.kind,
        subject: alert.subject,
        label: alert.label.clone(),
        text,
        by,
    }
}

/// How much time passed; none where the clock was set back.
fn passed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `45 s`, `12 min`, `3 h`.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
