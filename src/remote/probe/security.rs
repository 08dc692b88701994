//! What is open to strangers: the master password that every Odoo begins with, and the database
//! manager.

use super::layer;
use crate::domain::Secret;
use crate::domain::check::{Layer, ServerUrl, Warning};
use crate::domain::server::ServerSpec;
use crate::remote::odoo::FaultKind;
use crate::remote::{Remote, RemoteError};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What Odoo's configuration begins with.
const DEFAULT_MASTER: &str = "admin";

pub(super) async fn look(remote: &Remote, server: &ServerSpec, limit: Duration) -> (Vec<Layer>, Vec<Warning>) {
    let begun = Instant::now();
    let left = || limit.saturating_sub(begun.elapsed());
    let odoo = remote.odoo(server);
    let mut warnings = Vec::new();
    // No password is asked for the list: refused means switched off, and then nothing below it works.
    let listed = crate::remote::deadline("list databases", limit, odoo.list()).await;
    match listed.and_then(|listed| listed) {
        Ok(_) => {}
        Err(RemoteError::Odoo(e)) if e.kind() == Some(FaultKind::AccessDenied) => {
            let note = "database management is switched off";
            return (vec![layer("security", Some(true), begun.elapsed(), note)], warnings);
        }
        Err(error) => {
            let note = format!("can't be told: {error}");
            return (vec![layer("security", None, begun.elapsed(), &note)], warnings);
        }
    }
    let mut notes = Vec::new();
    let mut known = true;
    if is_private(&server.server_url) {
        notes.push("database management answers, on a private address".to_owned());
    } else {
        notes.push("database management answers".to_owned());
        warnings.push(Warning::DatabaseManagerOpen);
    }
    match odoo
        .master_accepts(&Secret::new(DEFAULT_MASTER.to_owned()), left())
        .await
    {
        Ok(true) => {
            notes.push("the master password is still \"admin\"".to_owned());
            warnings.push(Warning::MasterPasswordIsAdmin);
        }
        Ok(false) => {}
        Err(error) => {
            known = false;
            notes.push(format!("the master password could not be tried: {error}"));
        }
    }
    if let Some(reference) = &server.master_password {
        match remote.keyring().resolve(reference).await {
            Err(error) => warnings.push(Warning::SecretMissing {
                what: crate::domain::SafeText::capped(&error.to_string(), 300),
            }),
            Ok(master) => match odoo.master_accepts(&master, left()).await {
                Ok(false) => warnings.push(Warning::MasterPasswordRefused),
                Ok(true) => notes.push("the master password on record is accepted".to_owned()),
                Err(error) => {
                    known = false;
                    notes.push(format!("the master password on record could not be tried: {error}"));
                }
            },
        }
    }
    let passed = match (warnings.is_empty(), known) {
        (false, _) => Some(false),
        (true, true) => Some(true),
        (true, false) => None,
    };
    (
        vec![layer("security", passed, begun.elapsed(), &notes.join("; "))],
        warnings,
    )
}

/// Whether an address is one that the world can't reach. A name tells nothing and counts as public,
/// unless it can't be one of the world's.
pub(super) fn is_private(url: &ServerUrl) -> bool {
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => {
            url.is_loopback()
                || !host.contains('.')
                || [".local", ".internal", ".lan"].iter().any(|end| host.ends_with(end))
        }
    }
}
