//! Where an instance would go, and why each other server is passed over.

use super::super::capacity::{self, PassedOver};
use super::super::server::Server;
use super::{Finding, Link, Severity, count};

/// Where the next instance would go among these servers, or that none has room: each that is passed
/// over with its reason.
pub fn placement(servers: &[Server], min_free_percent: u32) -> Finding {
    let place = |finding: Finding, over: &[(super::ServerId, PassedOver)]| {
        over.iter().fold(finding, |finding, (id, why)| {
            let Some(server) = servers.iter().find(|server| server.id == *id) else {
                return finding;
            };
            finding.seen(
                None,
                format!("{} is passed over: {why}", server.spec.code),
                Some(Link::Server { id: *id }),
            )
        })
    };
    match capacity::place(servers, min_free_percent) {
        Ok(found) => {
            let server = servers.iter().find(|server| server.id == found.server);
            let code = server.map_or_else(|| found.server.to_string(), |server| server.spec.code.to_string());
            let free = server.map_or(0.0, Server::available_capacity);
            let finding = Finding::new(
                "placement",
                Severity::Good,
                format!("the next instance goes to {code}: {free:.0} % of its places are free"),
            );
            place(finding, &found.passed_over)
        }
        Err(none) => {
            let mut finding = Finding::new(
                "no_server",
                Severity::Bad,
                format!(
                    "No available server found: {} passed over, {min_free_percent} % free places asked",
                    count(none.passed_over.len(), "server")
                ),
            );
            if servers.is_empty() {
                return finding.advise("add a server (1, n), test it (t) and activate it (a a)");
            }
            finding = place(finding, &none.passed_over);
            let some = |matches: fn(&PassedOver) -> bool| none.passed_over.iter().any(|(_, why)| matches(why));
            let state = |word: &str| {
                none.passed_over
                    .iter()
                    .any(|(_, why)| matches!(why, PassedOver::NotActive { state } if state.word() == word))
            };
            if state("offline") {
                finding = finding.advise("bring the offline ones back first: X on each says how");
            }
            if state("draft") {
                finding = finding.advise("put those in draft in service: test (t), then activate (a a)");
            }
            if state("maintenance") || state("disabled") {
                finding = finding.advise("activate (a a) those in maintenance or disabled, if their work is over");
            }
            if some(|why| matches!(why, PassedOver::Full { .. } | PassedOver::TooFull { .. })) {
                finding = finding.advise(
                    "raise max_instances of one whose machine bears more (e), or delete instances nobody needs",
                );
            }
            finding.advise("add a server: none is sent to one without room, whatever the hurry")
        }
    }
}
