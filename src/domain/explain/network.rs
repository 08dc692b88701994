//! A server that does not answer: which part of the way is at fault, told from what the check saw,
//! and what to do about that part.

use super::super::check::{CheckReport, Failure, Warning};
use super::super::server::{Server, SshAccess};

/// Which part of the way is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The URL, or the DNS that this machine asks.
    Name,
    /// The machine, the network to it, or a firewall.
    Network,
    /// The machine is there, and nothing listens.
    Port,
    /// The certificate, or TLS spoken to something that speaks none.
    Tls,
    /// What stands before Odoo.
    Proxy,
    /// The URL leads elsewhere.
    Address,
    /// Odoo itself.
    Odoo,
}

impl Fault {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Name => "dns",
            Self::Network => "network",
            Self::Port => "port",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Address => "url",
            Self::Odoo => "odoo",
        }
    }

    /// What it comes to: network, or Odoo stopped?
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Name => "its name does not resolve here: nothing was sent to it",
            Self::Network => "network: the machine, the way to it, or a firewall",
            Self::Port => "Odoo stopped (or another port): the machine is up, nothing listens there",
            Self::Tls => "TLS: the machine is up and listens, the handshake fails",
            Self::Proxy => "the proxy answers, Odoo behind it does not",
            Self::Address => "something answers there, and it is not Odoo",
            Self::Odoo => "Odoo: it is reached, and hangs or fails inside",
        }
    }
}

/// Which part of the way is at fault.
pub(super) fn fault(failure: &Failure) -> Fault {
    match failure {
        Failure::NameUnresolved { .. } => Fault::Name,
        Failure::Refused { .. } => Fault::Port,
        Failure::NoAnswer { stage, .. } => match stage.as_str() {
            "name" => Fault::Name,
            "connect" => Fault::Network,
            "tls" => Fault::Tls,
            _ => Fault::Odoo,
        },
        Failure::Broken { .. } => Fault::Odoo,
        Failure::Tls { .. } => Fault::Tls,
        Failure::NotOdoo { .. } => Fault::Address,
        Failure::Http {
            status: 502..=504 | 429 | 401 | 403 | 407,
        } => Fault::Proxy,
        Failure::Http { .. } | Failure::OdooError { .. } => Fault::Odoo,
    }
}

/// What to do, the likeliest first.
pub(super) fn advice(server: &Server, report: &CheckReport, failure: &Failure) -> Vec<String> {
    let url = &server.spec.server_url;
    let (host, port) = (url.host(), url.port());
    let shell = shell(server);
    match failure {
        Failure::NameUnresolved { .. } => {
            let mut out = vec![
                format!("read the URL again for a slip ({url}); e changes it"),
                format!("ask the DNS that this machine uses: getent hosts {host}"),
            ];
            if let Some(ip) = &server.spec.server_ip {
                out.push(format!("its record says {ip}: the DNS record of {host} should lead there"));
            }
            out
        }
        Failure::Refused { .. } => vec![
            format!("see whether Odoo runs: {shell}systemctl status odoo (or docker ps), then start it"),
            format!("see what listens: {shell}ss -ltn; nothing on {port}, and the URL's port may be wrong (e)"),
            "if it was stopped by itself, its log says why: out of memory, disk full, a module that fails to load"
                .to_owned(),
        ],
        Failure::NoAnswer { stage, waited_ms } => match stage.as_str() {
            "name" => vec![
                "the DNS server of this machine does not answer: look at /etc/resolv.conf and the network here".to_owned(),
                format!("getent hosts {host}"),
            ],
            "connect" => vec![
                format!("try the machine itself: {} — if that answers, a firewall drops port {port}: open it (ufw, nftables, the provider's security group) for this machine", reach(server)),
                "if that is silent too, the machine or its network is down: the provider's console".to_owned(),
                "a refused connection would mean that the machine is up; this is silence".to_owned(),
            ],
            "tls" => vec![
                format!("port {port} takes connections and says nothing: does TLS end there at all? curl -v {url}"),
                format!("if Odoo itself listens on {port}, it speaks no TLS: the URL is http://, or the proxy's port"),
                format!("look at the proxy: {shell}systemctl status nginx"),
            ],
            _ => vec![
                format!("it took the request and was silent for {waited_ms} ms: all of Odoo's workers may be busy or wait for a lock"),
                format!("look at Odoo's log for 'Worker timeout' and at its load: {shell}top"),
                "look what PostgreSQL waits for: SELECT pid, state, wait_event_type, query FROM pg_stat_activity WHERE state <> 'idle'".to_owned(),
            ],
        },
        Failure::Broken { .. } => vec![
            format!("the connection broke off midway: Odoo restarts or was killed; {shell}journalctl -u odoo -n 50, and dmesg for 'Out of memory'"),
            format!("a port that speaks TLS breaks plain HTTP off: should the URL be https://{host}?"),
            "the proxy's error log says whether it or Odoo closed the connection".to_owned(),
        ],
        Failure::Tls { what } => tls(host, port, what.as_str()),
        Failure::NotOdoo { what } => address(url.is_https(), host, what.as_str()),
        Failure::Http { status } => http(*status, &shell, report),
        Failure::OdooError { name, message } => {
            let text = format!("{name} {message}").to_lowercase();
            let mut out = Vec::new();
            if ["psycopg", "operationalerror", "could not connect", "database"].iter().any(|word| text.contains(word)) {
                out.push(format!("its message speaks of the database: see whether PostgreSQL runs, {shell}systemctl status postgresql"));
            }
            out.push("Odoo runs and fails inside: its log has the traceback".to_owned());
            out
        }
    }
}

fn tls(host: &str, port: u16, what: &str) -> Vec<String> {
    let look = format!(
        "openssl s_client -connect {host}:{port} -servername {host} </dev/null | openssl x509 -noout -dates -subject -ext subjectAltName"
    );
    let text = what.to_lowercase();
    let mut out = Vec::new();
    if text.contains("expired") {
        out.push("the certificate has run out: renew it (certbot renew), and reload the proxy".to_owned());
    } else if text.contains("name") {
        out.push(format!(
            "the certificate is for other names than {host}: mend the URL (e), or have one made for it"
        ));
    } else if text.contains("issuer") || text.contains("unknown") || text.contains("self") {
        out.push("no authority known here has signed it: send the whole chain (fullchain.pem), or a certificate of a public authority; an origin certificate of a CDN only works behind that CDN".to_owned());
    } else if text.contains("corrupt") || text.contains("content type") || text.contains("invalidcontenttype") {
        out.push(format!(
            "what listens on {port} speaks no TLS: the URL should be http://, or lead to the proxy's port (e)"
        ));
    }
    out.push(format!("see the certificate: {look}"));
    out.push("the check of the certificate is never skipped".to_owned());
    out
}

fn address(https: bool, host: &str, what: &str) -> Vec<String> {
    let text = what.to_lowercase();
    let mut out = Vec::new();
    if !https && text.contains("https://") {
        out.push(format!("it redirects to https: put https://{host} in the URL (e)"));
    } else if text.contains("redirect") {
        out.push("it redirects elsewhere: put the address at the end of the way in the URL (e)".to_owned());
    }
    if text.contains("nginx") || text.contains("apache") || text.contains("404") {
        out.push("the proxy answers with a page of its own: its site for this host name is missing, or has no route to Odoo (proxy_pass)".to_owned());
    }
    out.push(format!(
        "look yourself: curl -i {}://{host}/web/login",
        if https { "https" } else { "http" }
    ));
    out.push("a URL is scheme, host and port of Odoo or the proxy before it, nothing more".to_owned());
    out
}

fn http(status: u16, shell: &str, report: &CheckReport) -> Vec<String> {
    let took = report
        .layers
        .iter()
        .find(|layer| layer.name == "http")
        .map_or(0, |layer| layer.took_ms);
    match status {
        502 => vec![
            format!(
                "the proxy reaches nobody: Odoo is stopped, or listens elsewhere than the proxy's upstream says; {shell}systemctl status odoo"
            ),
            "compare proxy_pass in the proxy's site with http_port in odoo.conf".to_owned(),
        ],
        503 => vec![
            "the proxy has Odoo down for now, or in maintenance: look at its site's configuration".to_owned(),
            format!("see whether Odoo runs: {shell}systemctl status odoo"),
        ],
        504 => vec![
            format!(
                "the proxy waited {took} ms for Odoo: it runs and hangs; look at its log and at what PostgreSQL waits for"
            ),
            "a firewall between proxy and Odoo looks the same: try Odoo's own port from the proxy".to_owned(),
        ],
        429 => vec!["the proxy or a CDN limits requests: let this machine's address through".to_owned()],
        401 | 403 | 407 => vec![
            "the proxy wants a login, or refuses this machine's address: let /jsonrpc and /web through for it"
                .to_owned(),
        ],
        500..=599 => vec![
            "Odoo answers with an error of its own: its log has the traceback".to_owned(),
            format!("a stopped PostgreSQL shows so as well: {shell}systemctl status postgresql"),
        ],
        _ => vec!["the request is refused: the proxy's and Odoo's logs say by whom".to_owned()],
    }
}

/// What to do about something wrong with a server that answers.
pub(super) fn warned(server: &Server, warning: &Warning) -> Vec<String> {
    let shell = shell(server);
    let place = server.spec.db_host.as_ref().map_or_else(
        || "its PostgreSQL".to_owned(),
        |host| format!("{host}:{}", server.spec.db_port),
    );
    match warning {
        Warning::DatabaseDead { what } => {
            let text = what.as_str().to_lowercase();
            let mut out = Vec::new();
            if text.contains("refused") {
                out.push(format!(
                    "nothing listens on {place}: start PostgreSQL, {shell}systemctl start postgresql"
                ));
            } else if text.contains("no answer") || text.contains("timed out") || text.contains("timeout") {
                out.push(format!(
                    "{place} is silent: its machine is down, or a firewall drops the port"
                ));
            } else {
                out.push(format!(
                    "see whether PostgreSQL runs: {shell}systemctl status postgresql, and its log"
                ));
            }
            out.push("a full disk stops PostgreSQL: df -h".to_owned());
            out.push(
                "Odoo's own version answers without a database: users see errors now, whatever the page says"
                    .to_owned(),
            );
            out
        }
        other => vec![other.hint().to_owned()],
    }
}

/// How a command is run on the server: over its ssh where one is written down.
fn shell(server: &Server) -> String {
    server
        .spec
        .ssh
        .as_ref()
        .map_or_else(String::new, |ssh| format!("{} ", ssh_line(ssh)))
}

/// How to see whether the machine is there at all.
fn reach(server: &Server) -> String {
    match &server.spec.ssh {
        Some(ssh) => format!("{} true", ssh_line(ssh)),
        None => format!("ping {}", server.spec.server_url.host()),
    }
}

fn ssh_line(ssh: &SshAccess) -> String {
    let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = ssh.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    format!("ssh {port}{user}{}", ssh.host)
}
