//! A zone's records at Cloudflare. What can be written is one label below the zone's root domain, and
//! only where nothing stands or what carries our own mark: the root itself can't be named here, and a
//! stranger's record is never overwritten.
//!
//! Facts of the API: its envelope is `{success, errors: [{code, message}], result, result_info}`, errors
//! are 4xx with `success: false`; a POST to a name that has a record adds a second one without a word,
//! so that records are listed first; a proxied record's time to live is always automatic (1).

mod error;

pub use error::DnsError;

use super::error::Result;
use super::http::{Call, Http, Reply};
use super::{Access, Limits, Remote};
use crate::domain::dedicated::{DnsAccess, RootDomain};
use crate::domain::names::Subdomain;
use crate::domain::{SafeText, Secret};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Where the API is.
const API: &str = "https://api.cloudflare.com/client/v4";
/// Most bytes of an answer.
const CAP: usize = 1 << 20;
/// Records a page.
const PAGE: usize = 100;

/// A name whose record may be written: one label below a root domain, as only [`Name::below`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// `label` below `root`, which is the zone or a domain in it.
    ///
    /// # Errors
    /// [`DnsError::NotInZone`] when it is too long, or not below the zone.
    pub fn below(label: &Subdomain, root: &RootDomain, zone: &RootDomain) -> std::result::Result<Self, DnsError> {
        let refused = |name: &str| DnsError::NotInZone {
            name: name.to_owned(),
            zone: zone.to_string(),
        };
        let name = root.below(label).map_err(|_| refused(label.as_str()))?;
        match name
            .strip_suffix(zone.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        {
            true => Ok(Self(name)),
            false => Err(refused(&name)),
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A record, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// `A`, `CNAME`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Its whole name.
    pub name: String,
    /// What it says.
    #[serde(default)]
    pub content: String,
    /// Whether it is proxied.
    #[serde(default)]
    pub proxied: bool,
    /// The owner's mark, where one was left.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What came of asking for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Whether it was made now.
    pub new: bool,
}

/// A zone. Cheap to clone.
#[derive(Clone)]
pub struct Dns {
    http: Http,
    token: Arc<Secret>,
    api: String,
    zone: RootDomain,
    limits: Limits,
    access: Access,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    errors: Vec<Fault>,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    result_info: Value,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Dns {
    pub(super) async fn new(remote: &Remote, access: &DnsAccess) -> Result<Self> {
        Ok(Self {
            http: remote.http().clone(),
            token: Arc::new(remote.keyring().resolve(&access.token).await?),
            api: access.api.clone().unwrap_or_else(|| API.to_owned()),
            zone: access.zone.clone(),
            limits: remote.limits().clone(),
            access: remote.access(),
        })
    }

    /// The zone.
    pub fn zone(&self) -> &RootDomain {
        &self.zone
    }

    async fn call(&self, what: &str, method: &'static str, path: &str, body: Option<Value>) -> Result<Envelope> {
        let url = format!("{}{path}", self.api);
        let call = Call {
            method,
            url: &url,
            bearer: Some(&self.token),
            json: body.map(|body| body.to_string()),
            limit: self.limits.call,
            cap: CAP,
        };
        let reply = self.http.call(call).await.map_err(|failure| DnsError::Unreachable {
            what: what.to_owned(),
            failure,
            written: method != "GET",
        })?;
        Ok(read(what, &reply)?)
    }

    /// The zone's id.
    async fn zone_id(&self) -> Result<String> {
        let what = format!("look for the zone {}", self.zone);
        let found = self
            .call(&what, "GET", &format!("/zones?name={}", self.zone), None)
            .await?;
        let id = found.result[0]["id"].as_str().and_then(plain_id);
        id.ok_or_else(|| {
            DnsError::NoZone {
                zone: self.zone.to_string(),
            }
            .into()
        })
    }

    /// All records of a name, of whatever kind.
    ///
    /// # Errors
    /// When the API can't be asked or refuses.
    pub async fn records(&self, name: &Name) -> Result<Vec<Record>> {
        let zone = self.zone_id().await?;
        self.records_in(&zone, name).await
    }

    async fn records_in(&self, zone: &str, name: &Name) -> Result<Vec<Record>> {
        let what = format!("list the records of {}", name.0);
        let mut found = Vec::new();
        for page in 1.. {
            let path = format!("/zones/{zone}/dns_records?name={}&per_page={PAGE}&page={page}", name.0);
            let answer = self.call(&what, "GET", &path, None).await?;
            let unread = |why: String| DnsError::Unread {
                what: what.clone(),
                why,
            };
            let records: Vec<Record> = serde_json::from_value(answer.result).map_err(|e| unread(e.to_string()))?;
            let last = records.len() < PAGE;
            // Whatever the API takes a filter for: only records of this very name count.
            found.extend(
                records
                    .into_iter()
                    .filter(|record| record.name.eq_ignore_ascii_case(&name.0)),
            );
            let total = answer.result_info["total_count"].as_u64().unwrap_or(0);
            if last || total <= (page * PAGE) as u64 {
                break;
            }
        }
        Ok(found)
    }

    /// Sees to it that `name` has one proxied record that points to `address` and carries `mark`. Done
    /// already, it changes nothing.
    ///
    /// # Errors
    /// [`DnsError::Stranger`] when the name has a record without the mark, of whatever kind.
    pub async fn ensure(&self, name: &Name, address: IpAddr, mark: &str) -> Result<Made> {
        let what = format!("make the record of {}", name.0);
        let zone = self.zone_id().await?;
        let there = self.records_in(&zone, name).await?;
        if let Some(other) = there.iter().find(|record| record.comment.as_deref() != Some(mark)) {
            return Err(stranger(what, other).into());
        }
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        if let Some(ours) = there.first() {
            let whole = ours.kind == kind && ours.content == address.to_string() && ours.proxied && there.len() == 1;
            let id = plain_id(&ours.id).ok_or_else(|| odd_id(&what))?;
            if whole {
                return Ok(Made { id, new: false });
            }
            return Err(DnsError::Changed {
                what,
                is: SafeText::capped(&format!("{} {}", ours.kind, ours.content), 200),
            }
            .into());
        }
        self.access.write(&what)?;
        let body = json!({
            "type": kind, "name": name.0, "content": address.to_string(), "proxied": true, "ttl": 1, "comment": mark,
        });
        let path = format!("/zones/{zone}/dns_records");
        let made = self.call(&what, "POST", &path, Some(body)).await?;
        let id = made.result["id"].as_str().and_then(plain_id);
        Ok(Made {
            id: id.ok_or_else(|| odd_id(&what))?,
            new: true,
        })
    }

    /// The id of the name's record that carries the mark, where there is one.
    ///
    /// # Errors
    /// When the API can't be asked or refuses.
    pub async fn ours(&self, name: &Name, mark: &str) -> Result<Option<String>> {
        let there = self.records(name).await?;
        let ours = there.iter().find(|record| record.comment.as_deref() == Some(mark));
        Ok(ours.and_then(|record| plain_id(&record.id)))
    }

    /// Removes the name's records that carry the mark, each by its id. `false`: there was none. Records
    /// of others stay, and are no error: the name has been given away meanwhile.
    ///
    /// # Errors
    /// When the API can't be asked or refuses.
    pub async fn remove(&self, name: &Name, mark: &str) -> Result<bool> {
        let what = format!("remove the record of {}", name.0);
        self.access.write(&what)?;
        if mark.trim().is_empty() {
            return Err(odd_id(&what).into());
        }
        let zone = self.zone_id().await?;
        let mut removed = false;
        for record in self.records_in(&zone, name).await? {
            if record.comment.as_deref() != Some(mark) {
                continue;
            }
            let id = plain_id(&record.id).ok_or_else(|| odd_id(&what))?;
            let path = format!("/zones/{zone}/dns_records/{id}");
            match self.call(&what, "DELETE", &path, None).await {
                Ok(_) => removed = true,
                // Gone meanwhile: that is what was wanted.
                Err(super::RemoteError::Dns(DnsError::Refused { code: 81_044, .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }
}

fn stranger(what: String, record: &Record) -> DnsError {
    DnsError::Stranger {
        what,
        is: SafeText::capped(&format!("{} {}", record.kind, record.content), 200),
    }
}

fn odd_id(what: &str) -> DnsError {
    DnsError::Unread {
        what: what.to_owned(),
        why: "its id is none".to_owned(),
    }
}

/// Ids stand in paths: nothing else than the API's own letters gets there.
fn plain_id(id: &str) -> Option<String> {
    let plain = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| id.to_owned())
}

/// What an answer says, whatever stands in it.
fn read(what: &str, reply: &Reply) -> std::result::Result<Envelope, DnsError> {
    let what = what.to_owned();
    if reply.status == 429 {
        return Err(DnsError::TooMany { what });
    }
    let read: std::result::Result<Envelope, _> = serde_json::from_slice(&reply.body);
    match read {
        Ok(envelope) if envelope.success && reply.status < 300 => Ok(envelope),
        Ok(envelope) => {
            let first = envelope.errors.first();
            Err(DnsError::Refused {
                what,
                status: reply.status,
                code: first.map_or(0, |fault| fault.code),
                said: SafeText::capped(first.map_or("no reason", |fault| fault.message.as_str()), 300),
            })
        }
        Err(_) => Err(DnsError::Unread {
            what,
            why: format!("status {} with a body that is no JSON of the API's", reply.status),
        }),
    }
}

#[cfg(test)]
mod tests;
