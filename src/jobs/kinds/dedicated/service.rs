//! The instance's systemd unit, and whether its Odoo answers.

use super::shell::{At, SHORT, at, mark, path, taken};
use super::source::{ODOO_BIN, PYTHON};
use crate::domain::RemotePath;
use crate::domain::dedicated::{ServiceUnit, TlsMethod, service_unit};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::Owner;
use async_trait::async_trait;
use std::time::{Duration, Instant};

/// How long an Odoo may take to answer after it was started.
const READY: Duration = Duration::from_secs(120);

/// The file of the instance's unit.
pub(super) fn file(at: &At) -> Result<RemotePath, StepError> {
    path(&format!("/etc/systemd/system/{}", at.names().unit))
}

/// Stops and removes the unit, if it carries the mark.
pub(super) async fn remove(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    let (file, unit) = (file(at)?, at.names().unit.as_str());
    if at.host.stat(&file).await?.is_none() {
        // Removed by one who died before systemd was told.
        at.change(cx, &["systemctl", "daemon-reload"]).await?;
        return Ok(false);
    }
    if !at.carries(&file, mark).await? {
        return Err(taken(&format!("the unit {file}")));
    }
    at.slow(cx, &["systemctl", "disable", "--now", "--quiet", "--", unit])
        .await?;
    at.host.remove_file_marked(&file, mark).await?;
    at.change(cx, &["systemctl", "daemon-reload"]).await?;
    // What failed is remembered under its name; where nothing is, systemd says so by its status.
    at.ask(&["systemctl", "reset-failed", "--quiet", "--", unit]).await?;
    Ok(true)
}

pub(super) struct Service;

#[async_trait]
impl Step for Service {
    fn name(&self) -> &'static str {
        "unit"
    }
    fn title(&self) -> &'static str {
        "start its unit"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        // Refused here already, where a path can't stand in its file.
        text(&at, "vigie")?;
        Ok(Planned::on(file(&at)?.as_str()))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Written, enabled and started again it is as it was.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let (file, unit) = (file(&at)?, at.names().unit.as_str());
        at.free_or_ours(&file, &mark).await?;
        let text = text(&at, &mark)?;
        if at.read(&file).await?.as_deref() != Some(text.as_str()) {
            at.host
                .write(&file, text.as_bytes(), Owner::Named("root", "root"), 0o644)
                .await?;
        }
        at.change(cx, &["systemctl", "daemon-reload"]).await?;
        at.slow(cx, &["systemctl", "enable", "--now", "--quiet", "--", unit])
            .await?;
        Ok(Outcome::note(unit))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let removed = remove(cx, &at(cx)?, &mark(cx)?).await?;
        Ok(Outcome::note(if removed {
            "stopped and removed"
        } else {
            "there was none"
        }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        let (file, unit) = (file(&at).ok()?, &at.names().unit);
        Some(Leftover {
            what: format!("the unit {file} (where it is there) on {}", at.host.label()),
            remove: format!(
                "where its first line carries this job's mark: systemctl disable --now {unit}; rm {file}; systemctl daemon-reload"
            ),
        })
    }
}

fn text(at: &At, mark: &str) -> Result<String, StepError> {
    Ok(service_unit(&ServiceUnit {
        names: at.names(),
        folder: &at.spec.folder,
        python: &at.path(PYTHON)?,
        odoo_bin: &at.path(ODOO_BIN)?,
        conf: &at.path("odoo.conf")?,
        mark,
    })?)
}

/// Asks an address of the server itself, as a browser would ask for a domain. Its arguments: scheme,
/// address, port, domain, path. Certificates are taken as they are: one of Cloudflare's is trusted by
/// Cloudflare alone.
const ASK: &str = r#"
import http.client, socket, ssl, sys
scheme, address, port, domain, path = sys.argv[1:6]
link = socket.create_connection((address, int(port)), 10)
if scheme == "https":
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    link = context.wrap_socket(link, server_hostname=domain)
asked = http.client.HTTPConnection(domain, timeout=10)
asked.sock = link
asked.request("GET", path, headers={"Host": domain, "X-Forwarded-Proto": scheme})
answer = asked.getresponse()
body = answer.read(4096).decode("utf-8", "replace")
print(answer.status, body.replace("\n", " ")[:200])
"#;

impl At {
    /// A command that may take minutes, and must succeed.
    pub(super) async fn slow(&self, cx: &Cx, argv: &[&str]) -> Result<(), StepError> {
        use crate::domain::SafeText;
        use crate::remote::host::Run;
        let say = |stream, text: SafeText| cx.log.output(stream, text.as_str());
        self.host.must(&Run::writing(argv, SHORT * 4), &say).await?;
        Ok(())
    }

    /// Whether the instance's Odoo answers at a port of the server; else why not.
    async fn answers(&self, scheme: &str, port: u16) -> Result<std::result::Result<(), String>, StepError> {
        let (port, domain) = (port.to_string(), self.names().domain.as_str());
        let python = self.path(PYTHON)?;
        let argv = [
            python.as_str(),
            "-c",
            ASK,
            scheme,
            "127.0.0.1",
            &port,
            domain,
            "/web/health",
        ];
        let said = self.ask(&argv).await?;
        let text = said.text();
        if said.is_success() && text.starts_with("200 ") && text.contains("pass") {
            return Ok(Ok(()));
        }
        Ok(Err(if text.is_empty() { said.stderr.to_string() } else { text }))
    }

    /// Waits until it answers, as long as its unit runs.
    async fn wait_until_it_answers(&self, cx: &Cx, scheme: &str, port: u16) -> Result<Duration, StepError> {
        let began = Instant::now();
        let unit = self.names().unit.as_str();
        loop {
            let why = match self.answers(scheme, port).await? {
                Ok(()) => return Ok(began.elapsed()),
                Err(why) => why,
            };
            let state = self.ask(&["systemctl", "is-active", "--", unit]).await?.text();
            let failed = state == "failed" || state == "inactive";
            if cx.cancel.is_cancelled() {
                return Err(StepError::cancelled());
            }
            if failed || began.elapsed() >= READY {
                let said = self
                    .ask(&["journalctl", "-u", unit, "-n", "20", "--no-pager", "-o", "cat"])
                    .await?;
                said.text()
                    .lines()
                    .for_each(|line| cx.log.output(crate::domain::job::Stream::Stdout, line));
                return Err(StepError::new(
                    "not_healthy",
                    format!("{unit} is {state}, and does not answer at port {port}: {why}"),
                )
                .hint(format!(
                    "the last lines of its journal are above; the rest: journalctl -u {unit}, odoo.log"
                )));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

pub(super) struct Health;

#[async_trait]
impl Step for Health {
    fn name(&self) -> &'static str {
        "health"
    }
    fn title(&self) -> &'static str {
        "see whether it answers"
    }
    fn limit(&self) -> Duration {
        READY + Duration::from_secs(60)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!("port {}", at(cx)?.spec.ports.http)))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        let took = at.wait_until_it_answers(cx, "http", at.spec.ports.http).await?;
        Ok(Outcome::note(format!("after {} s", took.as_secs())))
    }
}

pub(super) struct Public;

#[async_trait]
impl Step for Public {
    fn name(&self) -> &'static str {
        "public"
    }
    fn title(&self) -> &'static str {
        "see whether its domain answers"
    }
    fn limit(&self) -> Duration {
        READY + Duration::from_secs(60)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        Ok(Planned::on(format!("{} at the server itself", at.names().domain)))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        let (scheme, port) = match at.spec.tls {
            TlsMethod::None => ("http", 80),
            _ => ("https", 443),
        };
        at.wait_until_it_answers(cx, scheme, port).await?;
        Ok(Outcome::note(format!(
            "{scheme}://{} answers through nginx",
            at.names().domain
        )))
    }
}
