//! From checks to health, with hysteresis: one lost packet is no outage, one answer ends one.

use super::check::CheckReport;
use super::server::Observed;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How well a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Never checked, or too long ago.
    Unknown,
    /// All layers answer in time.
    Healthy,
    /// It answers, and something is wrong; or a first failure that may be a lost packet.
    Warning,
    /// It does not answer.
    Critical,
}

impl HealthStatus {
    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What checks have established about a server so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTrack {
    /// Online, offline or never seen.
    pub observed: Observed,
    /// How well it is.
    pub status: HealthStatus,
    /// Why, in one line; never empty.
    pub reason: SafeText,
    /// What to do about it.
    pub hint: Option<String>,
    /// Failed checks in a row.
    pub failures: u32,
    /// The last check's time.
    pub last_check: Option<Timestamp>,
    /// The last check that was answered.
    pub last_success: Option<Timestamp>,
    /// The last answer's latency, milliseconds.
    pub latency_ms: Option<u64>,
    /// Odoo's version, as last answered.
    pub version: Option<SafeText>,
}

impl Default for HealthTrack {
    fn default() -> Self {
        Self {
            observed: Observed::NeverSeen,
            status: HealthStatus::Unknown,
            reason: SafeText::new("never checked"),
            hint: Some("check it (r)".to_owned()),
            failures: 0,
            last_check: None,
            last_success: None,
            latency_ms: None,
            version: None,
        }
    }
}

impl HealthTrack {
    /// Whether Odoo answers and its database does not: its customers can't be served, though the
    /// server is online. The last check's reason says so, the worst first.
    pub fn database_dead(&self) -> bool {
        self.observed == Observed::Online && self.reason.as_str().starts_with(super::check::DATABASE_DEAD)
    }
}

/// When a check's result counts as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRules {
    /// Failed checks in a row before a server is offline; at least 1.
    pub failures_before_offline: u32,
    /// Attempts that one check makes, a short while apart, before it counts as failed; at least 1. Only
    /// failures that pass by themselves are tried again ([`super::check::Failure::may_pass`]).
    ///
    /// Why: where one attempt in a hundred is lost, two failed checks in a row happen by chance once in
    /// 10⁴ checks; a thousand servers checked every 30 s would show ten thousand outages a month that
    /// never were. With three attempts a check it is once in 10¹².
    #[serde(default = "attempts_per_check")]
    pub attempts_per_check: u32,
    /// Latency over which an answer is slow, milliseconds.
    pub slow_ms: u64,
    /// Share of places taken from which a server is a warning, percent.
    pub alert_used_percent: u32,
}

fn attempts_per_check() -> u32 {
    3
}

impl Default for HealthRules {
    fn default() -> Self {
        Self {
            failures_before_offline: 2,
            attempts_per_check: attempts_per_check(),
            slow_ms: 2_000,
            alert_used_percent: 90,
        }
    }
}

/// What a track becomes by one more check of a server with so many of its places taken. The
/// operator's intent is neither read nor written here.
pub fn observe(track: &HealthTrack, report: &CheckReport, taken: u32, places: u32, rules: &HealthRules) -> HealthTrack {
    let mut next = track.clone();
    next.last_check = Some(report.at);
    if let Some(failure) = &report.failure {
        let needed = rules.failures_before_offline.max(1);
        next.failures = track.failures.saturating_add(1);
        next.hint = Some(failure.hint().to_owned());
        next.latency_ms = None;
        if next.failures >= needed || track.observed == Observed::Offline {
            next.observed = Observed::Offline;
            next.status = HealthStatus::Critical;
            next.reason = SafeText::new(&failure.to_string());
        } else {
            next.status = HealthStatus::Warning;
            next.reason = SafeText::new(&format!("failed {} of {needed} checks: {failure}", next.failures));
        }
        return next;
    }
    next.observed = Observed::Online;
    next.failures = 0;
    next.last_success = Some(report.at);
    next.latency_ms = Some(report.latency_ms);
    if report.version.is_some() {
        next.version.clone_from(&report.version);
    }
    let (status, reason, hint) = judge(report, taken, places, rules);
    next.status = status;
    next.reason = SafeText::new(&reason);
    next.hint = hint;
    next
}

/// The health of a server that answers, worst reason first.
fn judge(report: &CheckReport, taken: u32, places: u32, rules: &HealthRules) -> (HealthStatus, String, Option<String>) {
    let outage = report.warnings.iter().find(|w| w.is_outage());
    let risk = report.warnings.first();
    if let Some(warning) = outage {
        return (
            HealthStatus::Warning,
            warning.to_string(),
            Some(warning.hint().to_owned()),
        );
    }
    if report.latency_ms > rules.slow_ms {
        return (
            HealthStatus::Warning,
            format!("slow: answered in {} ms, over {} ms", report.latency_ms, rules.slow_ms),
            Some("look at its load, its workers and its database (d)".to_owned()),
        );
    }
    if let Some(reason) = fullness(taken, places, rules) {
        return (
            HealthStatus::Warning,
            reason,
            Some("raise the limit (e) or move instances away".to_owned()),
        );
    }
    if let Some(warning) = risk {
        return (
            HealthStatus::Warning,
            warning.to_string(),
            Some(warning.hint().to_owned()),
        );
    }
    (
        HealthStatus::Healthy,
        format!("answers in {} ms", report.latency_ms),
        None,
    )
}

/// Why a server counts as full, from the alert share on; `None` below it.
pub fn fullness(taken: u32, places: u32, rules: &HealthRules) -> Option<String> {
    let used = super::capacity::used_percent(taken, places);
    (used >= f64::from(rules.alert_used_percent))
        .then(|| format!("{used:.0} % of its places are taken ({taken} of {places})"))
}
