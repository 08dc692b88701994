//! The instance's DNS record.

use super::shell::{At, at, build, mark, removal};
use crate::domain::dedicated::{DnsAccess, DnsMethod, RootDomain};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::dns::{Dns, DnsError, Name};
use async_trait::async_trait;
use std::net::IpAddr;

impl From<DnsError> for StepError {
    fn from(error: DnsError) -> Self {
        crate::remote::RemoteError::from(error).into()
    }
}

pub(super) struct Record;

/// The zone and the name in it; `None` where the operator makes the record.
async fn zone(cx: &Cx, at: &At, access: Option<&DnsAccess>) -> Result<Option<(Dns, Name)>, StepError> {
    if at.spec.dns == DnsMethod::None {
        return Ok(None);
    }
    let access = access.ok_or_else(|| {
        StepError::new("not_configured", "no zone is named for its DNS record").hint("give [dedicated] dns_token")
    })?;
    let names = at.names();
    // What is below the label is the root that it was made below.
    let root = names
        .domain
        .strip_prefix(names.name.as_str())
        .and_then(|rest| rest.strip_prefix('.'));
    let root =
        RootDomain::parse(root.unwrap_or_default()).map_err(|error| StepError::new("internal", error.to_string()))?;
    let name = Name::below(&names.name, &root, &access.zone)?;
    Ok(Some((cx.tools.remote.dns(access).await?, name)))
}

/// The address that the record points to.
fn address(cx: &Cx) -> Result<IpAddr, StepError> {
    let server = &cx.world.server.spec;
    let known = build(cx)?
        .address
        .or_else(|| server.server_ip.as_ref().and_then(|ip| ip.to_string().parse().ok()));
    known.ok_or_else(|| {
        StepError::new(
            "no_address",
            format!("the public address of {} is not on record", server.code),
        )
        .hint("give the server's server_ip, or [dedicated] dns_address")
    })
}

/// Removes the record, if it carries the mark.
pub(super) async fn remove(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    match zone(cx, at, removal(cx)?.zone.as_ref()).await? {
        Some((dns, name)) => Ok(dns.remove(&name, mark).await?),
        None => Ok(false),
    }
}

#[async_trait]
impl Step for Record {
    fn name(&self) -> &'static str {
        "dns"
    }
    fn title(&self) -> &'static str {
        "make its name known"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        let domain = at.names().domain.clone();
        let Some((dns, name)) = zone(cx, &at, build(cx)?.zone.as_ref()).await? else {
            return Ok(Planned::on(format!("{domain}: you make its record"))
                .note(format!("no DNS record is made: point {domain} to the server yourself")));
        };
        if let Some(record) = dns.records(&name).await?.first() {
            return Err(super::shell::taken(&format!(
                "the DNS record {} {} {}",
                record.kind, record.name, record.content
            )));
        }
        Ok(Planned::on(format!(
            "A {domain} → {}, proxied, in the zone {}",
            address(cx)?,
            dns.zone()
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // It is listed before it is made.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let Some((dns, name)) = zone(cx, &at, build(cx)?.zone.as_ref()).await? else {
            return Ok(Outcome::note("left to you"));
        };
        let made = dns.ensure(&name, address(cx)?, &mark).await?;
        let outcome = Outcome::note(format!("record {}", made.id));
        Ok(match cx.spec.instance_id() {
            Some(id) => outcome.then(Consequence::DedicatedFacts(
                id,
                crate::domain::dedicated::DedicatedFacts {
                    dns_record: Some(made.id),
                    ..Default::default()
                },
            )),
            None => outcome,
        })
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let Some((dns, name)) = zone(cx, &at, build(cx)?.zone.as_ref()).await? else {
            return Ok(Outcome::default());
        };
        let removed = dns.remove(&name, &mark).await?;
        Ok(Outcome::note(if removed { "removed" } else { "there was none" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        (at.spec.dns != DnsMethod::None).then(|| Leftover {
            what: format!("the DNS record of {} (where it is there)", at.names().domain),
            remove: "remove it at Cloudflare where its comment is this job's mark".to_owned(),
        })
    }
}
