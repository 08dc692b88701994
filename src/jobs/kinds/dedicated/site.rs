//! The instance's nginx site. What nginx serves is changed only by a reload, and nothing is reloaded
//! that `nginx -t` does not pass: whatever happens here, the other sites are served on.

use super::shell::{At, at, build, mark, path, taken};
use crate::domain::RemotePath;
use crate::domain::dedicated::{Certificate, Site as Text, TlsMethod, site};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::Owner;
use async_trait::async_trait;
use std::time::Duration;

/// The site's file, and the link that makes nginx read it.
fn files(at: &At) -> Result<(RemotePath, RemotePath), StepError> {
    let name = at.names().instance.as_str();
    Ok((
        path(&format!("/etc/nginx/sites-available/{name}"))?,
        path(&format!("/etc/nginx/sites-enabled/{name}"))?,
    ))
}

/// Where its certificate lies.
fn certificate(cx: &Cx, at: &At) -> Result<Option<(RemotePath, RemotePath)>, StepError> {
    Ok(match at.spec.tls {
        TlsMethod::None => None,
        TlsMethod::File => Some(build(cx)?.certificate.clone().ok_or_else(|| {
            StepError::new("no_certificate", "no certificate is named")
                .hint("give [dedicated] certificate and certificate_key")
        })?),
        TlsMethod::Certbot => {
            let live = format!("/etc/letsencrypt/live/{}", at.names().domain);
            Some((
                path(&format!("{live}/fullchain.pem"))?,
                path(&format!("{live}/privkey.pem"))?,
            ))
        }
        TlsMethod::Origin => Some((at.path("origin.pem")?, at.path("origin.key")?)),
    })
}

fn text(cx: &Cx, at: &At, mark: &str) -> Result<String, StepError> {
    let certificate = certificate(cx, at)?;
    Ok(site(&Text {
        names: at.names(),
        series: at.spec.series,
        ports: at.spec.ports,
        certificate: certificate.as_ref().map(|(chain, key)| Certificate { chain, key }),
        webroot: None,
        body_mib: build(cx)?.body_mib,
        mark,
    })?)
}

/// Takes nginx's word for what would be served.
async fn tested(at: &At) -> Result<Result<(), String>, StepError> {
    let said = at.ask(&["nginx", "-t"]).await?;
    Ok(if said.is_success() {
        Ok(())
    } else {
        Err(said.stderr.to_string())
    })
}

/// Whether the link is the site's own.
async fn linked(at: &At) -> Result<bool, StepError> {
    let (file, link) = files(at)?;
    let to = at.host.read_link(&link).await?;
    Ok(to.is_some_and(|to| to.as_str() == file.as_str()))
}

/// Whether the site is there, whole: its file and the link to it.
pub(super) async fn is_there(at: &At, mark: &str) -> Result<bool, StepError> {
    let (file, _) = files(at)?;
    Ok(at.carries(&file, mark).await? && linked(at).await?)
}

/// Removes the site, if it carries the mark.
pub(super) async fn remove(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    let (file, link) = files(at)?;
    let there = at.host.stat(&file).await?.is_some();
    if there && !at.carries(&file, mark).await? {
        return Err(taken(&format!("the site {file}")));
    }
    let linked = linked(at).await?;
    if linked {
        at.host.remove_file(&link).await?;
    }
    if there {
        at.host.remove_file_marked(&file, mark).await?;
    }
    match tested(at).await? {
        Ok(()) => {
            at.change(cx, &["systemctl", "reload", "nginx"]).await?;
        }
        Err(why) => cx.log.warning(format!(
            "nginx is not reloaded, since its configuration does not pass: {why}; the removed site is served until it is"
        )),
    }
    Ok(there || linked)
}

pub(super) struct Site;

#[async_trait]
impl Step for Site {
    fn name(&self) -> &'static str {
        "site"
    }
    fn title(&self) -> &'static str {
        "publish its nginx site"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(180)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        // Refused here already, where a path can't stand in its file.
        text(cx, &at, "vigie")?;
        let (file, _) = files(&at)?;
        Ok(Planned::on(format!("{}, {file}", at.names().domain)))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Written, tested and reloaded again it is as it was.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let (file, link) = files(&at)?;
        at.free_or_ours(&file, &mark).await?;
        if at.host.stat(&link).await?.is_some() && !linked(&at).await? {
            return Err(taken(&format!("the site {link}")));
        }
        let text = text(cx, &at, &mark)?;
        at.host
            .write(&file, text.as_bytes(), Owner::Named("root", "root"), 0o644)
            .await?;
        at.host.make_link(&link, &file).await?;
        if let Err(why) = tested(&at).await? {
            // Taken away at once: a reload by somebody else must not meet it.
            at.host.remove_file(&link).await?;
            return Err(
                StepError::new("nginx", format!("nginx does not pass its configuration: {why}"))
                    .hint("mend the site that it names; nothing was reloaded, all sites are served as before"),
            );
        }
        at.change(cx, &["systemctl", "reload", "nginx"]).await?;
        Ok(Outcome::note(at.names().domain.as_str()))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let removed = remove(cx, &at(cx)?, &mark(cx)?).await?;
        Ok(Outcome::note(if removed { "removed" } else { "there was none" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        let (file, link) = files(&at).ok()?;
        Some(Leftover {
            what: format!(
                "the site {file} and its link {link} (whichever is there) on {}",
                at.host.label()
            ),
            remove: format!(
                "where its first line carries this job's mark: rm {link} {file}; nginx -t && systemctl reload nginx"
            ),
        })
    }
}
