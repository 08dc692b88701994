//! The one factory of HTTP clients, and the one way to ask: no redirects (a 307 would carry the
//! master password on to another host), no proxy from the environment, limits on time and size.

use super::Limits;
use super::error::{RemoteError, Result, deadline};
use super::tls::{self, Tls};
use crate::domain::check::Failure;
use crate::domain::{SafeText, Secret};
use std::time::{Duration, Instant};

/// The HTTP client. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    tls: Tls,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, lowercase, without parameters; empty where there is none.
    pub content_type: String,
    /// `Location`, where there is one. Never followed.
    pub location: Option<SafeText>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// From sending to the body's end.
    pub took: Duration,
}

/// What is asked.
pub struct Ask<'a> {
    /// Where.
    pub url: &'a str,
    /// A JSON body to POST; `None`: GET.
    pub json: Option<String>,
    /// For all of it.
    pub limit: Duration,
    /// Most bytes of body that are read.
    pub cap: usize,
}

/// What is asked of an API.
pub struct Call<'a> {
    /// `GET`, `POST`, `DELETE`; anything else is a GET.
    pub method: &'static str,
    /// Where.
    pub url: &'a str,
    /// The token that proves who asks.
    pub bearer: Option<&'a Secret>,
    /// A JSON body.
    pub json: Option<String>,
    /// For all of it.
    pub limit: Duration,
    /// Most bytes of body that are read.
    pub cap: usize,
}

impl Http {
    /// # Errors
    /// When the client can't be built.
    pub fn new(tls: &Tls, limits: &Limits) -> Result<Self> {
        // Every request has a connection of its own: one that was kept may have been closed by the
        // other side meanwhile, and then nobody knows whether a call was made.
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls.config()).clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(limits.connect)
            .pool_max_idle_per_host(0)
            .http1_only()
            .dns_resolver(Resolver)
            .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| RemoteError::NotConfigured {
                what: format!("no HTTP client: {e}"),
                hint: "this is a fault of the build or of the extra CA file",
            })?;
        Ok(Self {
            client,
            tls: tls.clone(),
        })
    }

    /// The TLS that the clients use.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Asks once. An answer of any status is an answer.
    ///
    /// # Errors
    /// Why there was none, as far as can be told.
    pub async fn ask(&self, ask: Ask<'_>) -> std::result::Result<Reply, Failure> {
        self.call(Call {
            method: if ask.json.is_some() { "POST" } else { "GET" },
            url: ask.url,
            bearer: None,
            json: ask.json,
            limit: ask.limit,
            cap: ask.cap,
        })
        .await
    }

    /// Calls an API once. An answer of any status is an answer.
    ///
    /// # Errors
    /// Why there was none, as far as can be told.
    pub async fn call(&self, ask: Call<'_>) -> std::result::Result<Reply, Failure> {
        let begun = Instant::now();
        let mut request = match ask.method {
            "POST" => self.client.post(ask.url),
            "DELETE" => self.client.delete(ask.url),
            _ => self.client.get(ask.url),
        };
        if let Some(body) = ask.json {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        if let Some(token) = ask.bearer {
            request = request.bearer_auth(token.expose());
        }
        let late = |stage: &str| Failure::NoAnswer {
            stage: SafeText::new(stage),
            waited_ms: millis(begun.elapsed()),
        };
        let left = || ask.limit.saturating_sub(begun.elapsed());
        let mut response = match deadline("headers", left(), request.send()).await {
            Err(_) => return Err(late("headers")),
            Ok(Err(error)) => return Err(classify(&error, ask.url, begun.elapsed())),
            Ok(Ok(response)) => response,
        };
        let header = |name| {
            let value: Option<&reqwest::header::HeaderValue> = response.headers().get(name);
            value.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
        };
        let content_type = header(reqwest::header::CONTENT_TYPE).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let location = header(reqwest::header::LOCATION).map(|text| SafeText::capped(&text, 200));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        loop {
            match deadline("body", left(), response.chunk()).await {
                Err(_) => return Err(late("body")),
                Ok(Err(error)) => return Err(classify(&error, ask.url, begun.elapsed())),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > ask.cap => {
                    return Err(Failure::NotOdoo {
                        what: SafeText::new(&format!("an answer of more than {} KiB, cut off", ask.cap / 1024)),
                    });
                }
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            }
        }
        Ok(Reply {
            status,
            content_type,
            location,
            body,
            took: begun.elapsed(),
        })
    }
}

/// Milliseconds, as the records keep them.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The system's resolver, with an error that can be told from others.
struct Resolver;

#[derive(Debug, thiserror::Error)]
#[error("the name {0} does not resolve")]
struct Unresolved(String);

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            // Bounded by the client's connect_timeout.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            match found.map(|found| found.collect::<Vec<_>>()) {
                Ok(found) => Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs),
                Err(_) => Err(Box::new(Unresolved(name)) as Box<dyn std::error::Error + Send + Sync>),
            }
        })
    }
}

/// Why a request has no answer.
fn classify(error: &reqwest::Error, url: &str, waited: Duration) -> Failure {
    let address = || {
        let parsed = reqwest::Url::parse(url).ok();
        let host = parsed
            .as_ref()
            .and_then(|u| u.host_str().map(str::to_owned))
            .unwrap_or_default();
        let port = parsed.and_then(|u| u.port_or_known_default()).unwrap_or(0);
        (host.clone(), SafeText::new(&format!("{host}:{port}")))
    };
    if let Some(tls) = tls::find(error) {
        return Failure::Tls {
            what: SafeText::new(&tls::explain(tls)),
        };
    }
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    while let Some(e) = at {
        if e.downcast_ref::<Unresolved>().is_some() {
            return Failure::NameUnresolved {
                host: SafeText::new(&address().0),
            };
        }
        if let Some(io) = e.downcast_ref::<std::io::Error>()
            && let Some(failure) = classify_io(io, &address().1, waited)
        {
            return failure;
        }
        deepest = e.to_string();
        at = e.source();
    }
    if error.is_timeout() {
        return Failure::NoAnswer {
            stage: SafeText::new(if error.is_connect() { "connect" } else { "headers" }),
            waited_ms: millis(waited),
        };
    }
    Failure::Broken {
        what: SafeText::capped(&deepest, 300),
    }
}

/// What an IO error means for a connection; `None` where its kind says nothing.
pub(crate) fn classify_io(io: &std::io::Error, address: &SafeText, waited: Duration) -> Option<Failure> {
    use std::io::ErrorKind as K;
    if let Some(tls) = tls::find(io) {
        return Some(Failure::Tls {
            what: SafeText::new(&tls::explain(tls)),
        });
    }
    match io.kind() {
        K::ConnectionRefused => Some(Failure::Refused {
            address: address.clone(),
        }),
        K::TimedOut | K::HostUnreachable | K::NetworkUnreachable => Some(Failure::NoAnswer {
            stage: SafeText::new("connect"),
            waited_ms: millis(waited),
        }),
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => Some(Failure::Broken {
            what: SafeText::new(&io.to_string()),
        }),
        _ => None,
    }
}
