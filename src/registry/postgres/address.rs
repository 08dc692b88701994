//! Where the database is, as libpq's users write it: an address, `key=value` words, a service's name, or
//! nothing but the environment. Read here and not by the driver, which knows neither `verify-full` nor
//! `primary`, and never as laxly: no password in an address, no encryption that is not verified.

use super::libpq::{self, Environment};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Not at all: Unix sockets, loopback, or where somebody said so.
    Disable,
    /// Encrypted, and the certificate is signed by someone trusted.
    VerifyCa,
    /// Also for the host's name. What holds off this machine where nothing is said.
    VerifyFull,
}

/// Which of several servers will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The first that answers.
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that doesn't.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is.
    Standby,
    /// A standby where there is one.
    PreferStandby,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Its name or address; for a socket, its folder.
    pub(super) name: String,
    /// Its address, where the name is not to be looked up.
    pub(super) addr: Option<std::net::IpAddr>,
    /// Its port.
    pub(super) port: u16,
}

impl Host {
    /// Whether it is the folder of a Unix socket.
    pub(super) fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }

    /// Whether nothing between here and there could listen.
    fn is_here(&self) -> bool {
        let ip = self.addr.or_else(|| self.name.trim_matches(['[', ']']).parse().ok());
        self.is_socket() || ip.is_some_and(|ip| ip.is_loopback()) || (self.addr.is_none() && self.name == "localhost")
    }
}

/// A database, and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    /// `None`: by the host, see [`Address::ssl`].
    ssl: Option<SslMode>,
    /// Trusted instead of the system's certificates.
    pub(super) root_cert: Option<PathBuf>,
    /// This client's own certificate and key.
    pub(super) client_cert: Option<(PathBuf, PathBuf)>,
    pub(super) target: Target,
    pub(super) shuffled: bool,
    pub(super) connect: Duration,
    pub(super) options: Option<String>,
    pub(super) application: Option<String>,
    /// Where passwords are looked up, when the settings give none.
    pub(super) pass_file: Option<PathBuf>,
}

/// How long one server may take to be connected to, where nothing is said.
const CONNECT: Duration = Duration::from_secs(5);

/// What is understood, and the variable that stands in for it.
const KEYS: [(&str, &str); 18] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("dbname", "PGDATABASE"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("requiressl", "PGREQUIRESSL"),
];

impl Address {
    /// Reads an address, with the environment for what it leaves out.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead. Never repeats what might be a password.
    pub(super) fn parse(text: &str, environment: &Environment) -> Result<Self, String> {
        let mut given = match scheme(text) {
            Some(rest) => url(rest)?,
            None => words(text)?,
        };
        refuse_password(&given)?;
        let service = given.get("service").cloned().or_else(|| environment.get("PGSERVICE"));
        if let Some(service) = service {
            let file = given
                .get("servicefile")
                .cloned()
                .or_else(|| environment.get("PGSERVICEFILE"));
            let found = libpq::service(&service, file.as_deref(), environment)?;
            known(&found)?;
            refuse_password(&found)?;
            for (key, value) in found {
                given.entry(key).or_insert(value);
            }
        }
        for (key, variable) in KEYS {
            if let Some(value) = environment.get(variable) {
                given.entry(key.to_owned()).or_insert(value);
            }
        }
        given.retain(|_, value| !value.is_empty());
        Self::of(&given, environment)
    }

    fn of(given: &BTreeMap<String, String>, environment: &Environment) -> Result<Self, String> {
        let get = |key: &str| given.get(key).map(String::as_str);
        let hosts = hosts(get("host"), get("hostaddr"), get("port"))?;
        let user = match get("user") {
            Some(user) => user.to_owned(),
            None => environment
                .os_user()
                .ok_or("it names no user: postgres://USER@HOST/DATABASE")?,
        };
        let path = |key: &str| get(key).map(|text| environment.path(text));
        let system = get("sslrootcert") == Some("system");
        let ssl = match get("sslmode") {
            None => None,
            Some("disable") => Some(SslMode::Disable),
            Some("verify-ca") => Some(SslMode::VerifyCa),
            Some("verify-full") => Some(SslMode::VerifyFull),
            Some("allow" | "prefer" | "require") => {
                return Err(
                    "sslmode allow, prefer and require protect from nobody who stands in between: write \
                     sslmode=verify-full (with sslrootcert=FILE for a private authority), or sslmode=disable where \
                     the network is yours alone"
                        .to_owned(),
                );
            }
            Some(other) => {
                return Err(format!(
                    "there is no sslmode {other:?}: disable, verify-ca or verify-full"
                ));
            }
        };
        let target = match get("target_session_attrs") {
            // Of several, the one that can be worked on.
            None if hosts.len() > 1 => Target::ReadWrite,
            None | Some("any") => Target::Any,
            Some("read-write") => Target::ReadWrite,
            Some("read-only") => Target::ReadOnly,
            Some("primary") => Target::Primary,
            Some("standby") => Target::Standby,
            Some("prefer-standby") => Target::PreferStandby,
            Some(other) => {
                return Err(format!(
                    "there is no target_session_attrs {other:?}: any, read-write, read-only, primary, standby or \
                     prefer-standby"
                ));
            }
        };
        let connect = match get("connect_timeout") {
            None => CONNECT,
            Some(text) => match text.trim().parse::<u64>() {
                Ok(0) => CONNECT,
                Ok(seconds) => Duration::from_secs(seconds.clamp(1, 60)),
                Err(_) => return Err(format!("connect_timeout {text:?} is no number of seconds")),
            },
        };
        Ok(Self {
            database: get("dbname").unwrap_or(&user).to_owned(),
            hosts,
            ssl,
            root_cert: path("sslrootcert").filter(|_| !system),
            client_cert: path("sslcert").zip(path("sslkey")),
            target,
            shuffled: get("load_balance_hosts") == Some("random"),
            connect,
            options: get("options").map(str::to_owned),
            application: get("application_name").map(str::to_owned),
            pass_file: path("passfile").or_else(|| environment.home().map(|home| home.join(".pgpass"))),
            user,
        })
    }

    /// How a connection to this server is protected: as was said, or not at all within this machine, or
    /// fully.
    pub(super) fn ssl(&self, host: &Host) -> SslMode {
        if host.is_socket() {
            return SslMode::Disable;
        }
        self.ssl.unwrap_or(if host.is_here() {
            SslMode::Disable
        } else {
            SslMode::VerifyFull
        })
    }

    /// Whether somebody said how connections are protected.
    pub(super) fn is_ssl_said(&self) -> bool {
        self.ssl.is_some()
    }

    /// As people read it: `postgres://ana@db1:5432,db2:5432/fleet`. It holds no secret.
    pub(super) fn place(&self) -> String {
        if let [only] = self.hosts.as_slice()
            && only.is_socket()
        {
            return format!(
                "postgres://{}@/{}?host={}&port={}",
                self.user, self.database, only.name, only.port
            );
        }
        let hosts: Vec<String> = self.hosts.iter().map(|h| format!("{}:{}", h.name, h.port)).collect();
        format!("postgres://{}@{}/{}", self.user, hosts.join(","), self.database)
    }
}

fn scheme(text: &str) -> Option<&str> {
    let text = text.trim();
    text.strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
}

fn refuse_password(given: &BTreeMap<String, String>) -> Result<(), String> {
    if given.contains_key("password") {
        return Err(
            "it holds a password, which would be seen wherever the address is: give it as password in [registry] \
             (env:NAME, file:PATH or command:ARGV), or in ~/.pgpass"
                .to_owned(),
        );
    }
    Ok(())
}

fn known(given: &BTreeMap<String, String>) -> Result<(), String> {
    for key in given.keys() {
        if key != "password" && !KEYS.iter().any(|(known, _)| known == key) {
            let keys: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
            return Err(format!("it says {key}, which is not understood: {}", keys.join(", ")));
        }
    }
    Ok(())
}

/// `[user[:password]@][host[:port][,…]][/database][?key=value&…]`
fn url(rest: &str) -> Result<BTreeMap<String, String>, String> {
    let mut given = BTreeMap::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, servers) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut put = |key: &str, value: &str| -> Result<(), String> {
        let value = decoded(value)?;
        if !value.is_empty() {
            given.insert(key.to_owned(), value);
        }
        Ok(())
    };
    match user.split_once(':') {
        Some((user, password)) => {
            put("user", user)?;
            put("password", password)?;
        }
        None => put("user", user)?,
    }
    put("dbname", database)?;
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for server in servers.split(',') {
        let (name, port) = match server.rfind(']') {
            // [::1]:5432
            Some(end) => {
                let (name, port) = server.split_at(end + 1);
                (name.trim_matches(['[', ']']), port.trim_start_matches(':'))
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        names.push(name);
        ports.push(port);
    }
    if names.iter().any(|name| !name.is_empty()) {
        put("host", &names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        put("port", &ports.join(","))?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or("behind the question mark it needs key=value, joined by &")?;
        put(key, value)?;
    }
    known(&given)?;
    Ok(given)
}

/// `%2F` and the like.
fn decoded(text: &str) -> Result<String, String> {
    const WRONG: &str = "a per cent sign in it is not followed by two hexadecimal digits";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit(rest.next()).ok_or(WRONG)?, digit(rest.next()).ok_or(WRONG)?);
        bytes.push(u8::try_from(high * 16 + low).unwrap_or(0));
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err("it holds what is no text".to_owned()),
    }
}

/// `host=db1 port=5432 user='ana'`, as libpq reads it.
fn words(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut given = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .ok_or("it is neither postgres://… nor words of the form key=value")?;
        let mut value = String::new();
        let after = after.trim_start();
        let mut chars = after.char_indices();
        let quoted = after.starts_with('\'');
        if quoted {
            chars.next();
        }
        let mut end = after.len();
        let mut closed = !quoted;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                '\'' if quoted => {
                    (end, closed) = (at + 1, true);
                    break;
                }
                c if !quoted && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        if !closed {
            return Err("a quote in it is not closed".to_owned());
        }
        given.insert(key.trim().to_owned(), value);
        rest = after.get(end..).unwrap_or("").trim_start();
    }
    known(&given)?;
    Ok(given)
}

fn hosts(names: Option<&str>, addresses: Option<&str>, ports: Option<&str>) -> Result<Vec<Host>, String> {
    let list = |text: Option<&str>| -> Vec<String> {
        text.map(|t| t.split(',').map(|part| part.trim().to_owned()).collect())
            .unwrap_or_default()
    };
    let (names, addresses, ports) = (list(names), list(addresses), list(ports));
    let many = names.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != many {
        return Err(format!("it names {many} hosts and {} ports", ports.len()));
    }
    if !addresses.is_empty() && !names.is_empty() && addresses.len() != names.len() {
        return Err(format!(
            "it names {} hosts and {} addresses",
            names.len(),
            addresses.len()
        ));
    }
    (0..many)
        .map(|at| {
            let addr: Option<std::net::IpAddr> = match addresses.get(at).filter(|a| !a.is_empty()) {
                Some(text) => Some(text.parse().map_err(|_| format!("hostaddr {text:?} is no address"))?),
                None => None,
            };
            let name = names.get(at).filter(|n| !n.is_empty()).cloned();
            let name =
                name.unwrap_or_else(|| addr.map_or_else(libpq::default_host, |a: std::net::IpAddr| a.to_string()));
            let port = match ports.get(at).or(ports.first()).filter(|p| !p.is_empty()) {
                Some(text) => match text.parse::<u16>() {
                    Ok(port) if port > 0 => port,
                    _ => return Err(format!("{text:?} is no port")),
                },
                None => 5432,
            };
            Ok(Host { name, addr, port })
        })
        .collect()
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
