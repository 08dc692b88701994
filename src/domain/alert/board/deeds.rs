//! What an operator does with alerts: each is written down with who did it.

use super::super::super::text::SafeText;
use super::super::{Alert, AlertId, AlertKind, Deed, Known, Mute, Record};
use super::{Board, later, record, span};
use jiff::Timestamp;
use std::time::Duration;

impl Board {
    /// Someone knows of it, or takes that back where they said so before.
    pub fn acknowledge(&mut self, id: AlertId, by: &SafeText, now: Timestamp) -> Option<bool> {
        let alert = self
            .alerts
            .iter_mut()
            .find(|alert| alert.id == id && alert.cleared_at.is_none())?;
        let known = alert.acknowledged.is_none();
        alert.acknowledged = known.then(|| Known {
            by: by.clone(),
            at: now,
        });
        alert.snoozed_until = None;
        let deed = if known {
            Deed::Acknowledged
        } else {
            Deed::Unacknowledged
        };
        let record = record(now, deed, alert, alert.text.clone(), Some(by.clone()));
        self.write(record);
        self.to_ring.retain(|other| *other != id);
        Some(known)
    }

    /// Keeps it silent for so long; for no time: ends that. Answers until when.
    pub fn snooze(&mut self, id: AlertId, time: Duration, by: &SafeText, now: Timestamp) -> Option<Option<Timestamp>> {
        let alert = self
            .alerts
            .iter_mut()
            .find(|alert| alert.id == id && alert.cleared_at.is_none())?;
        let until = (!time.is_zero()).then(|| later(now, time));
        alert.snoozed_until = until;
        let (deed, text) = match until {
            Some(_) => (Deed::Snoozed, format!("for {}", span(time))),
            None => (Deed::Woken, String::new()),
        };
        let record = record(now, deed, alert, SafeText::new(&text), Some(by.clone()));
        self.write(record);
        self.to_ring.retain(|other| *other != id);
        Some(until)
    }

    /// Keeps a pattern silent, or hears it again where it was. Answers whether it is silent now.
    pub fn mute(&mut self, mute: &Mute, by: &SafeText, now: Timestamp) -> bool {
        let silent = !self.mutes.contains(mute);
        if silent {
            self.mutes.push(mute.clone());
        } else {
            self.mutes.retain(|other| other != mute);
        }
        let about = self
            .alerts
            .iter()
            .find(|alert| mute.matches(alert.kind, alert.label.as_str()));
        let record = Record {
            at: now,
            deed: if silent { Deed::Muted } else { Deed::Unmuted },
            kind: about.map_or(AlertKind::ServerOffline, |alert| alert.kind),
            subject: about.and_then(|alert| alert.subject),
            label: about.map_or_else(SafeText::default, |alert| alert.label.clone()),
            text: SafeText::new(&mute.to_string()),
            by: Some(by.clone()),
        };
        self.write(record);
        let (alerts, muted) = (&self.alerts, mute);
        self.to_ring.retain(|id| {
            let alert = alerts.iter().find(|alert| alert.id == *id);
            !alert.is_some_and(|alert| muted.matches(alert.kind, alert.label.as_str()))
        });
        silent
    }

    /// The patterns of this board that keep an alert silent.
    pub fn muted_by(&self, alert: &Alert) -> Option<&Mute> {
        self.mutes
            .iter()
            .find(|mute| mute.matches(alert.kind, alert.label.as_str()))
    }

    /// The operator's command failed at a call.
    pub fn command_failed(&mut self, why: &str, now: Timestamp) {
        let record = Record {
            at: now,
            deed: Deed::CommandFailed,
            kind: AlertKind::RegistryLost,
            subject: None,
            label: SafeText::new("command"),
            text: SafeText::capped(why, 500),
            by: None,
        };
        self.write(record);
    }
}
