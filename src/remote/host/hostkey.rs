//! What is wrong with a machine's key, found out by asking ssh once more and reading what it says.

use super::error::{HostError, KeyFault};
use super::session::Link;
use crate::domain::SafeText;
use crate::remote::Limits;
use crate::remote::error::deadline;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::process::Stdio;

/// Whether ssh's words are about the machine's key, or may hide that they are about the key of one on the way
/// there: what the ssh that leads there says is not among them.
pub(super) fn is_about_it(said: &str) -> bool {
    let words = [
        FAILED,
        "host key is known",
        "Host key for ",
        "HOST KEY",
        "Connection closed by UNKNOWN",
    ];
    words.iter().any(|word| said.contains(word))
}

/// What ssh says in the end of every key that it refuses.
const FAILED: &str = "Host key verification failed";

/// Asks again, talkatively. `None` where ssh says nothing of the key this time.
pub(super) async fn diagnose(link: &Link, what: &str, limits: &Limits) -> Option<HostError> {
    let to = &link.to;
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args(["-v", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
    ssh.args(["-o", "ControlPath=none"]);
    ssh.arg("-o")
        .arg(format!("ConnectTimeout={}", limits.connect.as_secs().max(1)));
    if let Some(config) = &link.config {
        ssh.arg("-F").arg(config);
    }
    if let Some(user) = &to.user {
        ssh.arg("-l").arg(user);
    }
    if let Some(port) = to.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(identity) = &to.identity {
        ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(identity);
    }
    ssh.args(["--", to.host.as_str(), "true"]);
    ssh.env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let limit = limits.connect + limits.connect / 2;
    let output = deadline(what, limit, ssh.output()).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let (host, shown, fault) = read(&said, &line_of)?;
    Some(HostError::HostKey {
        what: what.to_owned(),
        host,
        shown,
        fault,
    })
}

/// A line of a file of this machine, counted from 1.
fn line_of(file: &str, number: usize) -> Option<String> {
    let text = std::fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().nth(number.checked_sub(1)?).map(str::to_owned)
}

/// Reads it out of what `ssh -v` says. `known` looks up a line of a file.
pub(super) fn read(said: &str, known: &dyn Fn(&str, usize) -> Option<String>) -> Option<(SafeText, String, KeyFault)> {
    let (mut shown, mut place, mut revoked, mut found) = (String::new(), None, false, None);
    let mut asked = None;
    for line in said.lines().map(str::trim) {
        if let Some(key) = line.strip_prefix("debug1: Server host key: ") {
            // On the way through other machines each shows its own: the last one is the one refused.
            shown = SafeText::capped(key, 200).to_string();
        } else if let Some(rest) = line.strip_prefix("debug1: Authenticating to ") {
            asked = rest.split_once(" as ").map(|(host, _)| name(host));
        } else if line.contains("REVOKED HOST KEY") {
            revoked = true;
        } else if let Some((_, at)) = line
            .split_once(" key in ")
            .filter(|(kind, _)| kind.starts_with("Offending "))
        {
            place = at
                .rsplit_once(':')
                .map(|(file, number)| (file.to_owned(), number.to_owned()));
        } else if let Some(rest) = line.strip_prefix("No ")
            && let Some((_, host)) = rest.split_once(" host key is known for ")
        {
            found = Some((name(host), false));
        } else if let Some(rest) = line.strip_prefix("Host key for ")
            && let Some((host, _)) = rest.split_once(" has changed")
        {
            found = Some((name(host), true));
        }
    }
    let (host, changed) = match (found, revoked) {
        (Some(found), _) => found,
        // One on the way, whose ssh would have asked a person.
        (None, _) if revoked || said.contains(FAILED) => {
            (asked.unwrap_or_else(|| SafeText::new("that machine")), false)
        }
        (None, _) => return None,
    };
    let fault = match (revoked, changed, place) {
        (true, ..) => KeyFault::Revoked,
        (false, false, _) => KeyFault::Unknown,
        (false, true, place) => {
            let (file, number) = place.unwrap_or_default();
            let line = number.parse().ok().and_then(|number| known(&file, number));
            KeyFault::Changed {
                known: line.as_deref().and_then(fingerprint).unwrap_or_default(),
                place: SafeText::capped(&format!("{file}:{number}"), 300),
            }
        }
    };
    Some((host, shown, fault))
}

/// `[odoo1.example.org]:2222 and you have requested …` → the name alone.
fn name(rest: &str) -> SafeText {
    SafeText::capped(rest.split_whitespace().next().unwrap_or_default(), 300)
}

/// The fingerprint of a line of known_hosts, as ssh-keygen prints it: `ssh-ed25519 SHA256:…`.
fn fingerprint(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with('@'));
    let (_hosts, kind, key) = (words.next()?, words.next()?, words.next()?);
    let key = STANDARD.decode(key).ok()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &key);
    let kind = SafeText::capped(kind, 60);
    Some(format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(digest)))
}
