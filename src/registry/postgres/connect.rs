//! One connection: to which of the servers, how it is encrypted, how long it may take. The driver bounds
//! nothing by itself: its own time limit waits for ever on a silent server.

use super::address::{Address, Host, Target};
use super::fault::Fault;
use super::libpq::{self, Environment};
use super::tls;
use crate::domain::{SafeText, Secret};
use crate::registry::{RegistryError, Result};
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, CancelToken, Client, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a statement's cancel may take.
const CANCEL: Duration = Duration::from_secs(3);
/// How long a program that knows the password may take.
const PASSWORD: Duration = Duration::from_secs(10);
/// A connection on which nothing comes back is given up by the system after about twice this.
const SILENCE: Duration = Duration::from_secs(10);

/// Where the password comes from: asked when a connection is made, and again when it was refused.
pub type PasswordSource = Arc<dyn Fn() -> BoxFuture<'static, std::result::Result<Secret, String>> + Send + Sync>;

/// How the registry is reached, besides its address.
#[derive(Clone)]
pub struct Options {
    /// What the address leaves out.
    pub environment: Environment,
    /// The password; where there is none: `PGPASSWORD`, then the password file.
    pub password: Option<PasswordSource>,
    /// Certificates trusted besides the system's.
    pub extra_ca: Option<PathBuf>,
    /// At most so many connections.
    pub pool: usize,
    /// How changes are heard of.
    pub listen: super::Listen,
    /// What connections are called in the database.
    pub program: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            environment: Environment::here(),
            password: None,
            extra_ca: None,
            pool: 8,
            listen: super::Listen::Auto,
            program: "vigie".to_owned(),
        }
    }
}

impl Options {
    /// With this password.
    pub fn password(mut self, password: Secret) -> Self {
        let text = Arc::new(password);
        self.password = Some(Arc::new(move || {
            let text = Arc::clone(&text);
            Box::pin(async move { Ok(Secret::new(text.expose().to_owned())) })
        }));
        self
    }
}

/// Makes connections.
pub(super) struct Connector {
    address: Address,
    options: Options,
    /// Verifying all, and all but the name; `None` where no server is reached by TLS.
    tls: Option<(MakeRustlsConnect, MakeRustlsConnect)>,
    password: Mutex<Option<Arc<Secret>>>,
    fault: Mutex<Option<Fault>>,
}

impl Connector {
    /// Reads an address.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`].
    pub(super) fn new(text: &str, options: Options) -> Result<Self> {
        let unusable = |place: &str, why: String| RegistryError::Unusable {
            place: place.to_owned(),
            why,
        };
        // The text is not repeated: it may hold a password.
        let address = Address::parse(text, &options.environment).map_err(|why| unusable("its address", why))?;
        let encrypted = address
            .hosts
            .iter()
            .any(|host| tls::choose(address.ssl(host)).is_some());
        let tls = if encrypted {
            let made = tls::connectors(&address, options.extra_ca.as_deref());
            Some(made.map_err(|why| unusable(&address.place(), why))?)
        } else {
            None
        };
        Ok(Self {
            address,
            options,
            tls,
            password: Mutex::new(None),
            fault: Mutex::new(None),
        })
    }

    /// The same for another address.
    pub(super) fn beside(&self, text: &str) -> Result<Self> {
        Self::new(text, self.options.clone())
    }

    /// How long one connection may take, all servers tried.
    pub(super) fn limit(&self) -> Duration {
        let servers = u32::try_from(self.address.hosts.len()).unwrap_or(1);
        self.address.connect * servers
    }

    /// At most so many connections.
    pub(super) fn pool(&self) -> usize {
        self.options.pool
    }

    /// How changes are heard of.
    pub(super) fn listen(&self) -> &super::Listen {
        &self.options.listen
    }

    /// Why the last connection could not be made.
    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().ok().and_then(|mut f| f.take())
    }

    /// The role it connects as.
    pub(super) fn user(&self) -> &str {
        &self.address.user
    }

    /// Where it is, without secrets.
    pub(super) fn place(&self) -> String {
        self.address.place()
    }

    /// A connection outside of the pool (to listen on, to migrate with), and the task that drives it;
    /// its notifications go to `notices`.
    pub(super) async fn dedicated(
        &self,
        notices: Option<UnboundedSender<AsyncMessage>>,
    ) -> std::result::Result<(Client, JoinHandle<()>), Fault> {
        let targets: &[Target] = match self.address.target {
            Target::PreferStandby => &[Target::Standby, Target::Any],
            ref one => std::slice::from_ref(one),
        };
        let mut order: Vec<&Host> = self.address.hosts.iter().collect();
        if self.address.shuffled {
            let mut byte = [0_u8];
            let _ = getrandom::fill(&mut byte);
            let first = usize::from(byte[0]) % order.len().max(1);
            order.rotate_left(first);
        }
        let mut faults: Vec<(String, Fault)> = Vec::new();
        for target in targets {
            faults.clear();
            for host in &order {
                let begun = Instant::now();
                let once = self.one(host, *target, notices.clone());
                let fault = match tokio::time::timeout(self.address.connect + PASSWORD, once).await {
                    Ok(Ok(made)) => return Ok(made),
                    Ok(Err(fault)) => fault,
                    Err(_) => Fault::Late {
                        waited_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                    },
                };
                faults.push((format!("{}:{}", host.name, host.port), fault));
            }
        }
        Err(together(faults))
    }

    async fn one(
        &self,
        host: &Host,
        target: Target,
        notices: Option<UnboundedSender<AsyncMessage>>,
    ) -> std::result::Result<(Client, JoinHandle<()>), Fault> {
        let (config, password) = self.config(host).await?;
        let tls = self.tls.as_ref().zip(tls::choose(self.address.ssl(host)));
        let connect = async {
            match tls {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok((client, tokio::spawn(drive(connection, notices))))
                }
                Some((both, which)) => {
                    let tls = if which.by_name { &both.0 } else { &both.1 };
                    let (client, connection) = config.connect(tls.clone()).await?;
                    Ok((client, tokio::spawn(drive(connection, notices))))
                }
            }
        };
        let limit = self.address.connect;
        let (client, task) = match tokio::time::timeout(limit, connect).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => return Err(self.explained(&error, host, password)),
            Err(_) => {
                return Err(Fault::Late {
                    waited_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                });
            }
        };
        match tokio::time::timeout(limit, is_wanted(&client, target)).await {
            Ok(Ok(None)) => Ok((client, task)),
            Ok(Ok(Some(why))) => Err(Fault::Lost { why: why.to_owned() }),
            Ok(Err(error)) => Err(Fault::of(&error)),
            Err(_) => Err(Fault::Late {
                waited_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    /// The driver's settings for one server, and whether a password is among them.
    async fn config(&self, host: &Host) -> std::result::Result<(tokio_postgres::Config, bool), Fault> {
        let mut config = tokio_postgres::Config::new();
        if host.is_socket() {
            config.host_path(&host.name);
        } else {
            config.host(host.name.trim_matches(['[', ']']));
            if let Some(addr) = host.addr {
                config.hostaddr(addr);
            }
        }
        config.port(host.port);
        config.user(&self.address.user).dbname(&self.address.database);
        // A silent network is noticed while nothing is sent, and while something is.
        config
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 4)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE);
        config.connect_timeout(self.address.connect);
        config.ssl_mode(match tls::choose(self.address.ssl(host)) {
            None => tokio_postgres::config::SslMode::Disable,
            Some(_) => tokio_postgres::config::SslMode::Require,
        });
        let name = self.address.application.as_deref().unwrap_or(&self.options.program);
        // PostgreSQL cuts it at 63 bytes and replaces what is not printable ASCII.
        let printable: String = name.chars().filter(|c| (' '..='~').contains(c)).take(63).collect();
        config.application_name(printable);
        if let Some(options) = &self.address.options {
            config.options(options);
        }
        let password = self.password(host).await?;
        if let Some(password) = &password {
            config.password(password.expose());
        }
        Ok((config, password.is_some()))
    }

    async fn password(&self, host: &Host) -> std::result::Result<Option<Arc<Secret>>, Fault> {
        if let Some(known) = self.password.lock().ok().and_then(|p| p.clone()) {
            return Ok(Some(known));
        }
        let refused = |why: String| {
            Fault::Own(RegistryError::Unusable {
                place: self.place(),
                why,
            })
        };
        let Some(source) = &self.options.password else {
            if let Some(password) = self.options.environment.get("PGPASSWORD") {
                return Ok(Some(Arc::new(Secret::new(password))));
            }
            return libpq::password(&self.address, host)
                .map(|found| found.map(Arc::new))
                .map_err(refused);
        };
        let found = match tokio::time::timeout(PASSWORD, source()).await {
            Ok(found) => found.map_err(|why| refused(format!("its password ([registry] password): {why}")))?,
            Err(_) => return Err(refused("its password does not come ([registry] password)".to_owned())),
        };
        let found = Arc::new(found);
        if let Ok(mut known) = self.password.lock() {
            *known = Some(Arc::clone(&found));
        }
        Ok(Some(found))
    }

    /// What trying again won't mend is said with what will.
    fn explained(&self, error: &tokio_postgres::Error, host: &Host, password: bool) -> Fault {
        let fault = Fault::of(error);
        let unusable = |why: String| {
            Fault::Own(RegistryError::Unusable {
                place: self.place(),
                why,
            })
        };
        let at = format!("{}:{}", host.name, host.port);
        match &fault {
            Fault::Refused { state, message, .. } if state.starts_with("28") => {
                // It may have been changed: asked again next time.
                if let Ok(mut known) = self.password.lock() {
                    *known = None;
                }
                let what = if state == "28000" && tls::choose(self.address.ssl(host)).is_none() {
                    "mend pg_hba.conf, or encrypt the connection where it lets in nothing else (sslmode=verify-full)"
                } else if password {
                    "mend the password ([registry] password, PGPASSWORD or ~/.pgpass), or pg_hba.conf"
                } else {
                    "no password was found ([registry] password, PGPASSWORD or ~/.pgpass)"
                };
                unusable(format!("{at} does not let {} in: {message}; {what}", self.address.user))
            }
            Fault::Refused { state, message, .. } if state == "3D000" => unusable(format!(
                "{at}: {message}: make it (`createdb -O OWNER {}`), then `vigie registry init`",
                self.address.database
            )),
            Fault::Lost { why } if error.to_string().contains("TLS") => {
                let default = if self.address.is_ssl_said() {
                    ""
                } else {
                    ". Off this machine a connection is encrypted and verified unless its address says otherwise: \
                     sslrootcert=FILE trusts a private authority, sslmode=disable is for a network that is yours alone"
                };
                unusable(format!("no TLS with {at}: {}{default}", SafeText::capped(why, 200)))
            }
            _ => fault,
        }
    }

    /// Cancels what runs on a connection. Best effort.
    pub(super) async fn cancel(&self, token: CancelToken) {
        let cancel = async {
            match (&self.tls, self.address.hosts.first()) {
                (Some(both), Some(host)) => {
                    let by_name = tls::choose(self.address.ssl(host)).is_none_or(|which| which.by_name);
                    let tls = if by_name { &both.0 } else { &both.1 };
                    token.cancel_query(tls.clone()).await
                }
                _ => token.cancel_query(NoTls).await,
            }
        };
        let _ = tokio::time::timeout(CANCEL, cancel).await;
    }
}

async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, notices: Option<UnboundedSender<AsyncMessage>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Its error reaches whoever waits for an answer.
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if let Some(notices) = &notices {
            let _ = notices.send(message);
        }
    }
}

/// Why the server is not one that was asked for.
async fn is_wanted(
    client: &Client,
    target: Target,
) -> std::result::Result<Option<&'static str>, tokio_postgres::Error> {
    if target == Target::Any {
        return Ok(None);
    }
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    let answer = client.simple_query(sql).await?;
    let (mut recovering, mut read_only) = (false, false);
    for message in &answer {
        if let SimpleQueryMessage::Row(row) = message {
            recovering = row.get(0) == Some("t");
            read_only = row.get(1) == Some("on");
        }
    }
    Ok(match target {
        Target::ReadWrite if recovering || read_only => Some("it takes no writes"),
        Target::ReadOnly if !(recovering || read_only) => Some("it takes writes"),
        Target::Primary if recovering => Some("it is a standby"),
        Target::Standby if !recovering => Some("it is no standby"),
        _ => None,
    })
}

/// What was wrong with every server, as one fault: lost as long as one of them may come back.
fn together(mut faults: Vec<(String, Fault)>) -> Fault {
    if faults.len() == 1
        && let Some((at, fault)) = faults.pop()
    {
        return match fault {
            Fault::Lost { why } => Fault::Lost {
                why: format!("{at}: {why}"),
            },
            other => other,
        };
    }
    if !faults.iter().any(|(_, fault)| fault.is_again())
        && let Some((_, first)) = faults.first()
    {
        return first.clone();
    }
    let said: Vec<String> = faults
        .into_iter()
        .map(|(at, fault)| match fault {
            Fault::Lost { why } => format!("{at}: {why}"),
            Fault::Late { waited_ms } => format!("{at}: no answer within {} s", waited_ms.div_ceil(1_000)),
            Fault::Refused { message, .. } => format!("{at}: {message}"),
            Fault::Own(error) => format!("{at}: {error}"),
        })
        .collect();
    Fault::Lost { why: said.join("; ") }
}

/// The pool's way to a connection.
pub(super) struct Door(pub(super) Arc<Connector>);

impl deadpool_postgres::Connect for Door {
    fn connect(
        &self,
        _: &tokio_postgres::Config,
    ) -> BoxFuture<'_, std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async move {
            self.0.dedicated(None).await.map_err(|fault| {
                // The pool takes the driver's errors only; ours waits beside it.
                if let Ok(mut last) = self.0.fault.lock() {
                    *last = Some(fault);
                }
                tokio_postgres::Error::__private_api_timeout()
            })
        })
    }
}
