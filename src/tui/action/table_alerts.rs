//! The table's lines about what is not healthy, and whom it calls.

use super::line::{line, look};
use super::{Action, ActionId as Id, Place};

/// What can be explained, and has a history.
const TOLD: &[Place] = &[
    Place::Servers,
    Place::Instances,
    Place::Templates,
    Place::Jobs,
    Place::Audit,
    Place::Alerts,
    Place::Log,
    Place::WholeLog,
];
const ALERTS: &[Place] = &[Place::Alerts];

/// Explaining, histories, alerts.
pub(super) const ACTIONS: &[Action] = &[
    look(
        line(
            Id::Explain,
            "explain",
            &["X"],
            TOLD,
            "explain",
            "why what is selected is not healthy, from evidence (checks, places, jobs, log lines), and what to do; enter goes to the evidence",
        ),
        3,
    ),
    look(
        line(
            Id::Timeline,
            "timeline",
            &["T"],
            TOLD,
            "timeline",
            "the history of what is selected: what was done, what checks saw change, jobs and alerts, by time",
        ),
        0,
    ),
    line(
        Id::AlertsList,
        "alerts-list",
        &["0"],
        &Place::PANES,
        "alerts",
        "to the alerts: what turned bad, and who knows of it",
    ),
    look(
        line(
            Id::Acknowledge,
            "acknowledge",
            &["a y"],
            ALERTS,
            "acknowledge",
            "says that you know of the alert: it calls no more until it is over; again: takes that back",
        ),
        0,
    ),
    look(
        line(
            Id::Snooze,
            "snooze",
            &["a s"],
            ALERTS,
            "snooze",
            "keeps the alert silent for a while (the settings say how long), then calls again if it is still bad; again: ends that",
        ),
        0,
    ),
    look(
        line(
            Id::Mute,
            "mute",
            &["a u"],
            ALERTS,
            "mute",
            "keeps alerts of this kind about this silent for good; again: hears them again",
        ),
        0,
    ),
];
