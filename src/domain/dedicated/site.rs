//! The nginx site of an instance.

use super::{Names, Ports, Series, Unwritable};
use crate::domain::names::RemotePath;

/// Where the site's certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The certificate with its chain.
    pub chain: &'a RemotePath,
    /// Its key.
    pub key: &'a RemotePath,
}

/// What stands in an instance's site.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// What it is called.
    pub names: &'a Names,
    /// Odoo's version.
    pub series: Series,
    /// Where it listens.
    pub ports: Ports,
    /// Its certificate; none: plain HTTP, or not yet.
    pub certificate: Option<Certificate<'a>>,
    /// Where answers to an ACME server's questions lie; none where no such certificate is wanted.
    pub webroot: Option<&'a RemotePath>,
    /// Largest body of a request, MiB: nginx's own 1 MB breaks uploads.
    pub body_mib: u32,
    /// The mark of the job that made it, kept as a comment.
    pub mark: &'a str,
}

/// The site's text.
///
/// # Errors
/// [`Unwritable`] where a path would be read back as another one.
pub fn site(site: &Site<'_>) -> Result<String, Unwritable> {
    let name = site.names.instance.as_str();
    let domain = &site.names.domain;
    // `map` is of the whole http context, and can't be said twice: each site has one of its own.
    let map = format!(
        "map $http_upgrade ${} {{\n    default upgrade;\n    '' close;\n}}\n",
        upgrade(name)
    );
    let mut text = format!(
        "# {}\n{map}upstream {name} {{\n    server 127.0.0.1:{};\n}}\nupstream {name}-gevent {{\n    server 127.0.0.1:{};\n}}\n",
        site.mark, site.ports.http, site.ports.gevent
    );
    let challenge = match site.webroot {
        Some(root) => format!(
            "    location ^~ /.well-known/acme-challenge/ {{\n        root {};\n        default_type text/plain;\n    }}\n",
            path("the webroot", root)?
        ),
        None => String::new(),
    };
    let Some(certificate) = &site.certificate else {
        text.push_str(&format!(
            "server {{\n    listen 80;\n    listen [::]:80;\n    server_name {domain};\n{challenge}{}}}\n",
            served(site, "")
        ));
        return Ok(text);
    };
    text.push_str(&format!(
        "server {{\n    listen 80;\n    listen [::]:80;\n    server_name {domain};\n{challenge}    location / {{\n        return 301 https://$host$request_uri;\n    }}\n}}\n"
    ));
    text.push_str(&format!(
        "server {{\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name {domain};\n    ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_timeout 30m;\n{}}}\n",
        path("the certificate", certificate.chain)?,
        path("the certificate's key", certificate.key)?,
        served(site, "    add_header Strict-Transport-Security \"max-age=31536000\" always;\n"),
    ));
    Ok(text)
}

/// The variable that says whether a connection is upgraded. A name has no `_`, so two never meet in one.
fn upgrade(instance: &str) -> String {
    format!("vigie_{}", instance.replace('-', "_"))
}

/// What is the same with and without TLS.
fn served(site: &Site<'_>, more: &str) -> String {
    let name = site.names.instance.as_str();
    let headers = "        proxy_set_header Host $http_host;\n        proxy_set_header X-Forwarded-Host $http_host;\n        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n        proxy_set_header X-Forwarded-Proto $scheme;\n        proxy_set_header X-Real-IP $remote_addr;\n";
    format!(
        "{more}    client_max_body_size {body}m;\n    proxy_read_timeout 720s;\n    proxy_connect_timeout 720s;\n    proxy_send_timeout 720s;\n    proxy_max_temp_file_size 0;\n    gzip on;\n    gzip_types text/css text/plain text/xml application/xml application/json application/javascript image/svg+xml;\n    location {gevent} {{\n        proxy_pass http://{name}-gevent;\n        proxy_http_version 1.1;\n        proxy_set_header Upgrade $http_upgrade;\n        proxy_set_header Connection ${upgrade};\n{headers}    }}\n    location ^~ /web/database {{\n        return 403;\n    }}\n    location / {{\n        proxy_pass http://{name};\n        proxy_redirect off;\n{headers}    }}\n",
        body = site.body_mib,
        gevent = site.series.gevent_path(),
        upgrade = upgrade(name),
    )
}

/// nginx ends a word at a blank, `;`, `{` or `}`, and takes quotes, backslashes and `$`.
fn path<'a>(what: &str, path: &'a RemotePath) -> Result<&'a str, Unwritable> {
    let text = path.as_str();
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | '*');
    if text.chars().all(fine) {
        return Ok(text);
    }
    Err(Unwritable {
        what: format!("{what} {text:?}"),
        file: "the nginx site",
        why: "letters, digits and / . - _ + @ * are allowed",
    })
}
