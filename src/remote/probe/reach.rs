//! From the name to Odoo's version.

use super::{CheckSettings, Found, Trace, told};
use crate::domain::SafeText;
use crate::domain::check::{Failure, ServerUrl};
use crate::domain::server::ServerSpec;
use crate::remote::Remote;
use crate::remote::error::deadline;
use crate::remote::http::{Reply, classify_io, millis};
use crate::remote::odoo::{Odoo, Version, describe, not_odoo, read_version};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// As far as it goes; the failure where it ends.
pub(super) async fn reach(
    remote: &Remote,
    server: &ServerSpec,
    settings: &CheckSettings,
    trace: &mut Trace,
) -> Result<Found, Failure> {
    let attempts = settings.attempts.max(1);
    let mut attempt = 1;
    loop {
        trace.layers.clear();
        let tried = once(remote, server, attempt == attempts, trace).await;
        match tried {
            Err(failure) if failure.may_pass() && attempt < attempts && settings.retry_after < trace.left() => {
                attempt += 1;
                tokio::time::sleep(settings.retry_after).await;
            }
            other => return other,
        }
    }
}

async fn once(remote: &Remote, server: &ServerSpec, last: bool, trace: &mut Trace) -> Result<Found, Failure> {
    connect(remote, &server.server_url, last, trace).await?;
    version(&remote.odoo(server), trace).await
}

/// The layers `tcp` and `tls`, on a connection of their own: what is slow or wrong there is told
/// apart only so.
async fn connect(remote: &Remote, url: &ServerUrl, last: bool, trace: &mut Trace) -> Result<(), Failure> {
    let begun = Instant::now();
    // A lost packet shows here: such an attempt leaves time for another. Odoo's own answer, once
    // connected, may take all the time there is: slow is not down.
    let limit = match last {
        true => trace.left(),
        false => trace.left().mul_f64(0.4),
    };
    let stream = match tcp(url, limit).await {
        Ok(stream) => stream,
        Err(failure) => {
            trace.note("tcp", Some(false), begun.elapsed(), &told(&failure));
            return Err(failure);
        }
    };
    let peer = stream.peer_addr().map(|a| a.to_string()).unwrap_or_default();
    let took = begun.elapsed();
    trace.note("tcp", Some(true), took, &peer);
    if url.is_https() {
        let begun = Instant::now();
        match tls(remote, url, stream, limit.saturating_sub(took)).await {
            Ok(note) => trace.note("tls", Some(true), begun.elapsed(), &note),
            Err(failure) => {
                trace.note("tls", Some(false), begun.elapsed(), &told(&failure));
                return Err(failure);
            }
        }
    }
    Ok(())
}

async fn tcp(url: &ServerUrl, limit: Duration) -> Result<TcpStream, Failure> {
    let begun = Instant::now();
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let address = SafeText::new(&format!("{}:{}", url.host(), url.port()));
    let late = |stage: &str| Failure::NoAnswer {
        stage: SafeText::new(stage),
        waited_ms: millis(begun.elapsed()),
    };
    let lookup = tokio::net::lookup_host((host, url.port()));
    let found: Vec<_> = match deadline("resolve a name", limit, lookup).await {
        Err(_) => return Err(late("name")),
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) => Vec::new(),
    };
    if found.is_empty() {
        return Err(Failure::NameUnresolved {
            host: SafeText::new(host),
        });
    }
    let left = limit.saturating_sub(begun.elapsed());
    match deadline("connect", left, TcpStream::connect(found.as_slice())).await {
        Err(_) => Err(late("connect")),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(io)) => Err(classify_io(&io, &address, begun.elapsed()).unwrap_or(Failure::Broken {
            what: SafeText::new(&io.to_string()),
        })),
    }
}

async fn tls(remote: &Remote, url: &ServerUrl, stream: TcpStream, limit: Duration) -> Result<String, Failure> {
    let begun = Instant::now();
    let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = rustls::pki_types::ServerName::try_from(host).map_err(|e| Failure::Tls {
        what: SafeText::new(&e.to_string()),
    })?;
    let connector = tokio_rustls::TlsConnector::from(remote.http().tls().config());
    match deadline("TLS handshake", limit, connector.connect(name, stream)).await {
        Err(_) => Err(Failure::NoAnswer {
            stage: SafeText::new("tls"),
            waited_ms: millis(begun.elapsed()),
        }),
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            Ok(version.map(|v| format!("{v:?}").replace('_', " ")).unwrap_or_default())
        }
        Ok(Err(io)) => {
            let address = SafeText::new(&format!("{}:{}", url.host(), url.port()));
            Err(classify_io(&io, &address, begun.elapsed()).unwrap_or(Failure::Tls {
                what: SafeText::new(&io.to_string()),
            }))
        }
    }
}

/// The layers `http` and `version`.
async fn version(odoo: &Odoo, trace: &mut Trace) -> Result<Found, Failure> {
    let begun = Instant::now();
    let reply = match odoo.ask_version(trace.left()).await {
        Ok(reply) => reply,
        Err(failure) => {
            trace.note("http", Some(false), begun.elapsed(), &told(&failure));
            return Err(failure);
        }
    };
    let latency = reply.took;
    match read_version(&reply) {
        Ok(version) => {
            trace.note("http", Some(true), latency, &format!("HTTP {}", reply.status));
            trace.note("version", Some(true), latency, version.text.as_str());
            Ok(Found {
                version,
                latency,
                has_jsonrpc: true,
            })
        }
        Err(failure) => other_ways(odoo, trace, &reply, failure, latency).await,
    }
}

/// What answered is no `/jsonrpc` of Odoo's: a newer Odoo without one, a proxy, or something else.
async fn other_ways(
    odoo: &Odoo,
    trace: &mut Trace,
    reply: &Reply,
    failure: Failure,
    latency: Duration,
) -> Result<Found, Failure> {
    let gone = matches!(reply.status, 404 | 405 | 410) || matches!(failure, Failure::OdooError { .. });
    if gone {
        let begun = Instant::now();
        if let Ok(version) = odoo.web_version(trace.left()).await {
            let Version { text, .. } = &version;
            trace.note("http", Some(true), latency, &format!("/jsonrpc: HTTP {}", reply.status));
            trace.note("version", Some(true), begun.elapsed(), text.as_str());
            return Ok(Found {
                version,
                latency: latency + begun.elapsed(),
                has_jsonrpc: false,
            });
        }
    }
    let failure = match failure {
        // A page that is not there is no fault of Odoo's: something else lives here.
        Failure::Http { status } if gone => Failure::NotOdoo {
            what: describe(reply, status),
        },
        Failure::Http { .. } => not_odoo(reply),
        other => other,
    };
    trace.note(
        "http",
        Some(reply.status < 400),
        latency,
        &format!("HTTP {}", reply.status),
    );
    trace.note("version", Some(false), latency, &told(&failure));
    Err(failure)
}
