//! Why a server is not healthy.

use super::super::check::Failure;
use super::super::health::HealthStatus;
use super::super::server::{Intent, Observed, Server, ServerState};
use super::network::{self, Fault};
use super::{Facts, Finding, Link, RECENT, Seen, Severity, ago, count, places, within};

/// From so many servers down alike on, this machine's own network is looked at first.
const ALIKE: usize = 3;

type Told = (String, String, Vec<Finding>);

pub(super) fn explain(server: &Server, facts: &Facts) -> Told {
    let mut findings = Vec::from_iter(state(server));
    findings.extend(reach(server, facts));
    findings.extend(places::capacity(server, facts));
    findings.extend(places::jobs(server, facts));
    findings.extend(places::inhabited(server, facts));
    let verdict = match (server.state(), server.track.status) {
        (_, HealthStatus::Unknown) => "never checked: nothing is known of it".to_owned(),
        (ServerState::Active, _) => format!("it is well: {}", server.track.reason),
        (state, _) => format!("it is in {}, and answers: {}", state.word(), server.track.reason),
    };
    (server.spec.code.to_string(), verdict, findings)
}

fn state(server: &Server) -> Option<Finding> {
    let link = Some(Link::Server { id: server.id });
    let finding = match server.intent {
        Intent::Active => return None,
        Intent::Draft => Finding::new("draft", Severity::Note, "it is in draft: nothing is placed on it")
            .advise("test the connection (t), then activate it (a a)"),
        Intent::Maintenance => Finding::new(
            "maintenance",
            Severity::Note,
            "it is in maintenance: its instances stay, new ones go elsewhere; it raises no alerts",
        )
        .advise("activate it (a a) when the work is over"),
        Intent::Disabled => Finding::new("disabled", Severity::Note, "it is disabled: out of service on purpose")
            .advise("activate it (a a) to put it back in service"),
    };
    let finding = finding.seen(None, format!("intent: {}", server.state().word()), link);
    Some(finding.advise("what happened to it, and by whom: T"))
}

/// Whether it answers, and if not, which part of the way is at fault.
fn reach(server: &Server, facts: &Facts) -> Vec<Finding> {
    let Some(last) = facts.checks.first() else {
        return vec![unchecked(server)];
    };
    let mut findings = Vec::new();
    if !within(last.report.at, facts.now, facts.stale_after) && server.intent != Intent::Disabled {
        findings.push(stale(last, facts));
    }
    match &last.report.failure {
        Some(failure) => findings.push(silent(server, last, failure, facts)),
        None => {
            findings.extend(contradicted(server, last));
            findings.extend(answering(server, last, facts));
        }
    }
    findings
}

/// What is on record comes before a kept check that says otherwise: nothing that is down is called well.
fn contradicted(server: &Server, last: &Seen) -> Option<Finding> {
    if server.track.observed != Observed::Offline {
        return None;
    }
    let severity = match server.intent {
        Intent::Active => Severity::Bad,
        Intent::Disabled => Severity::Note,
        _ => Severity::Warning,
    };
    let finding = Finding::new("offline", severity, format!("offline: {}", server.track.reason))
        .seen(server.track.last_check, server.track.reason.as_str(), None)
        .seen(Some(last.report.at), "the last check that is kept was answered", None);
    Some(finding.advise("check it now (r): one good check brings it back by itself"))
}

fn unchecked(server: &Server) -> Finding {
    let meant = matches!(server.intent, Intent::Active | Intent::Maintenance);
    let severity = if meant { Severity::Warning } else { Severity::Note };
    let finding = match server.track.observed {
        Observed::NeverSeen => Finding::new("unchecked", severity, "never checked: nothing is known of it"),
        // Kept checks have an end; what became of them is kept longer.
        _ => Finding::new(
            "unchecked",
            severity,
            format!(
                "its checks are not kept any more; the last word: {}",
                server.track.reason
            ),
        )
        .seen(server.track.last_check, server.track.reason.as_str(), None),
    };
    finding.advise("check it now (r)")
}

fn stale(last: &Seen, facts: &Facts) -> Finding {
    let alive = facts.workers_alive();
    let mut finding = Finding::new(
        "stale",
        Severity::Warning,
        format!(
            "the last check is {} old: what is shown may be long past",
            ago(last.report.at, facts.now)
        ),
    )
    .seen(Some(last.report.at), format!("the last check: {}", last.reason), None);
    if alive == 0 {
        finding = finding.seen(None, "no worker is alive: nobody checks", None);
        finding = finding.advise("start a worker: vigie worker run, or its service");
    }
    finding.advise("check it now (r)")
}

/// The layers of a check, as evidence: how far it came.
fn layers(mut finding: Finding, seen: &Seen) -> Finding {
    for layer in &seen.report.layers {
        let (sign, took) = match layer.passed {
            Some(true) => ("✔", format!("{} ms", layer.took_ms)),
            Some(false) => ("✖", format!("{} ms", layer.took_ms)),
            None => ("·", "not tried".to_owned()),
        };
        finding = finding.seen(
            Some(seen.report.at),
            format!("{sign} {} ({took}) {}", layer.name, layer.note),
            None,
        );
    }
    finding
}

fn silent(server: &Server, last: &Seen, failure: &Failure, facts: &Facts) -> Finding {
    let fault = network::fault(failure);
    let down = server.track.observed == Observed::Offline;
    let severity = match (down, server.intent) {
        (true, Intent::Active) => Severity::Bad,
        (_, Intent::Disabled) => Severity::Note,
        _ => Severity::Warning,
    };
    let word = if down { "offline" } else { "failing" };
    let mut finding = Finding::new(
        if down { "offline" } else { "failing" },
        severity,
        format!("{word}: {failure}. {}", fault.says()),
    );
    finding = finding.seen(
        Some(last.report.at),
        format!(
            "the last check failed at {}: {failure} (at fault: {})",
            phase(last),
            fault.code()
        ),
        None,
    );
    finding = layers(finding, last);
    finding = run(finding, facts);
    if !down {
        finding = finding.seen(
            None,
            format!(
                "{} of {} failed checks in a row that make it offline",
                server.track.failures, facts.rules.failures_before_offline
            ),
            None,
        );
    }
    let alike = alike(server, fault, facts);
    if alike.len() + 1 >= ALIKE {
        for (id, code, reason) in &alike {
            finding = finding.seen(
                None,
                format!("{code} is down too: {reason}"),
                Some(Link::Server { id: *id }),
            );
        }
        finding = finding.advise(format!(
            "{} servers are down at once: look at this machine's own network and DNS first, then at what they share",
            alike.len() + 1
        ));
    }
    if server.intent == Intent::Draft {
        finding = finding.advise("\"Cannot activate server. Connection test failed\" is what an activation says now");
    }
    finding
        .advise_all(network::advice(server, &last.report, failure))
        .advise("then check it again (r): one good check brings it back by itself")
}

/// The layer that a check did not pass.
fn phase(seen: &Seen) -> &str {
    let failed = seen
        .report
        .layers
        .iter()
        .rev()
        .find(|layer| layer.passed == Some(false));
    failed.map_or("the name", |layer| layer.name.as_str())
}

/// Since when it fails, how often the reason changed, and when it last answered.
fn run(mut finding: Finding, facts: &Facts) -> Finding {
    let failing: Vec<&Seen> = facts
        .checks
        .iter()
        .take_while(|seen| seen.report.failure.is_some())
        .collect();
    let Some(first) = failing.last() else {
        return finding;
    };
    finding = finding.seen(
        Some(first.report.at),
        format!(
            "failing since then, for {}: {} in a row",
            ago(first.report.at, facts.now),
            count(failing.len(), "check")
        ),
        None,
    );
    // Newest first: where a check's reason differs from the older one's, it changed.
    for pair in failing.windows(2) {
        if let [newer, older] = pair
            && let (Some(new), Some(old)) = (&newer.report.failure, &older.report.failure)
            && new.word() != old.word()
        {
            finding = finding.seen(
                Some(newer.report.at),
                format!("{} became {}", old.word(), new.word()),
                None,
            );
        }
    }
    match facts.checks.get(failing.len()) {
        Some(good) => finding.seen(
            Some(good.report.at),
            format!("the last answer, in {} ms", good.report.latency_ms),
            None,
        ),
        None => finding.seen(None, "none of the kept checks was answered", None),
    }
}

/// Other servers that are meant to serve and are down.
fn alike(server: &Server, fault: Fault, facts: &Facts) -> Vec<(super::ServerId, String, String)> {
    // A proxy without its Odoo or an expired certificate is that server's own.
    if !matches!(fault, Fault::Name | Fault::Network | Fault::Port) {
        return Vec::new();
    }
    facts
        .servers
        .iter()
        .filter(|other| other.id != server.id && other.state() == ServerState::Offline)
        .map(|other| (other.id, other.spec.code.to_string(), other.track.reason.to_string()))
        .take(20)
        .collect()
}

fn answering(server: &Server, last: &Seen, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for warning in &last.report.warnings {
        let severity = if warning.is_outage() {
            Severity::Bad
        } else {
            Severity::Warning
        };
        let code = if warning.is_outage() { "database_down" } else { "risk" };
        let mut finding = Finding::new(code, severity, warning.to_string());
        finding = finding.seen(Some(last.report.at), "seen by the last check", None);
        if warning.is_outage() {
            finding = layers(finding, last);
            let since = facts
                .checks
                .iter()
                .take_while(|seen| seen.report.warnings.iter().any(super::super::check::Warning::is_outage))
                .last();
            if let Some(since) = since {
                finding = finding.seen(
                    Some(since.report.at),
                    format!("so since then, for {}", ago(since.report.at, facts.now)),
                    None,
                );
            }
        }
        findings.push(finding.advise_all(network::warned(server, warning)));
    }
    let answer = format!("answers in {} ms", last.report.latency_ms);
    let version = last
        .report
        .version
        .as_ref()
        .map(|v| format!(", Odoo {v}"))
        .unwrap_or_default();
    if last.report.latency_ms > facts.rules.slow_ms {
        findings.push(slow(last, facts));
    } else {
        let mut finding = Finding::new("answers", Severity::Good, format!("{answer}{version}"));
        finding = layers(finding, last);
        findings.push(day(finding, facts));
    }
    findings
}

fn slow(last: &Seen, facts: &Facts) -> Finding {
    let limit = facts.rules.slow_ms;
    let mut finding = Finding::new(
        "slow",
        Severity::Warning,
        format!("slow: answers in {} ms, over {limit} ms", last.report.latency_ms),
    );
    finding = layers(finding, last);
    let since = facts
        .checks
        .iter()
        .take_while(|seen| seen.report.failure.is_none() && seen.report.latency_ms > limit)
        .last();
    if let Some(since) = since {
        finding = finding.seen(
            Some(since.report.at),
            format!("slow since then, for {}", ago(since.report.at, facts.now)),
            None,
        );
    }
    let took = |name: &str| {
        last.report
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .map_or(0, |layer| layer.took_ms)
    };
    let way = took("tcp") + took("tls");
    if way > limit / 2 {
        finding = finding.advise("the time goes into the connection itself: the network is slow, not Odoo");
    } else {
        finding = finding
            .advise("the connection is quick and the answer slow: Odoo's workers are busy, or PostgreSQL is")
            .advise("look at its load (top), and at long queries: SELECT pid, now() - query_start, query FROM pg_stat_activity WHERE state = 'active' ORDER BY 2 DESC")
            .advise("more workers in odoo.conf help only where processors are idle");
    }
    day(finding, facts)
}

/// What the checks of the last day came to.
fn day(finding: Finding, facts: &Facts) -> Finding {
    let today: Vec<&Seen> = facts
        .checks
        .iter()
        .filter(|seen| within(seen.report.at, facts.now, RECENT))
        .collect();
    if today.is_empty() {
        return finding;
    }
    let failed = today.iter().filter(|seen| seen.report.failure.is_some()).count();
    let mut times: Vec<u64> = today
        .iter()
        .filter(|seen| seen.report.failure.is_none())
        .map(|seen| seen.report.latency_ms)
        .collect();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get((times.len().saturating_sub(1)) * share / 100)
            .copied()
            .unwrap_or(0)
    };
    let mut text = format!(
        "24 h: {} of {} answered",
        today.len() - failed,
        count(today.len(), "check")
    );
    if !times.is_empty() {
        text.push_str(&format!(", half within {} ms, 95 % within {} ms", at(50), at(95)));
    }
    finding.seen(None, text, None)
}
