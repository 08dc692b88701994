//! Everything that can be known before anything is touched: the server's shell, its programs, its
//! room, and that nothing there has the instance's names.

use super::shell::{At, at, build, database, literal, path, quoted, taken};
use crate::domain::capacity::can_host;
use crate::domain::dedicated::{Machine, Series, Shortage, Sizing, Source, TlsMethod};
use crate::domain::instance::InstanceState;
use crate::domain::server::ServerState;
use crate::jobs::kinds::common::nonce;
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::Output;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) struct Preflight;

struct Found {
    machine: Machine,
    sizing: Sizing,
    notes: Vec<String>,
    warnings: Vec<String>,
}

#[async_trait]
impl Step for Preflight {
    fn name(&self) -> &'static str {
        "preflight"
    }
    fn title(&self) -> &'static str {
        "look at the server"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(180)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let found = look(cx).await?;
        let planned = Planned::on(format!(
            "{}: {} MiB of memory and {} GiB of disk are free",
            cx.world.server.spec.code,
            found.machine.memory_free >> 20,
            found.machine.disk_free >> 30
        ));
        let planned = found.notes.iter().fold(planned, Planned::note);
        Ok(found.warnings.iter().fold(planned, Planned::warning))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let found = look(cx).await?;
        found.notes.iter().for_each(|note| cx.log.info(note));
        found.warnings.iter().for_each(|warning| cx.log.warning(warning));
        Ok(json!({ "nonce": nonce()?, "sizing": found.sizing }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Looking changes nothing, and its result is the intent: once that is written it is done.
        Ok(Observed::Applied(Outcome::default()))
    }

    async fn apply(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default())
    }
}

/// How the instance is set up for its server, as the first step found.
pub(super) fn sizing(cx: &Cx) -> Sizing {
    serde_json::from_value(cx.data_of("preflight")["sizing"].clone()).unwrap_or(Sizing {
        workers: 2,
        cron_threads: 1,
        memory_soft: 640 << 20,
        memory_hard: 1152 << 20,
    })
}

async fn look(cx: &Cx) -> Result<Found, StepError> {
    let at = at(cx)?;
    let build = build(cx)?;
    let server = &cx.world.server;
    let state = server.state();
    if state != ServerState::Active {
        let message = format!("{} is {}, and takes no new instances", server.spec.code, state.word());
        return Err(StepError::new("server_not_active", message).hint("activate it (aa), or take another server"));
    }
    if cx.job.is_none()
        && let Err(why) = can_host(server, cx.tools.thresholds.provision_free_percent)
    {
        return Err(StepError::new("no_place", format!("{} {why}", server.spec.code))
            .hint("raise its max_instances, take another server, or move instances away"));
    }
    programs(&at, build.python.as_str(), at.spec.tls, at.spec.series).await?;
    let machine = machine(&at).await?;
    let hosted = server.instance_count - u32::from(cx.job.is_some()).min(server.instance_count);
    let mut warnings = Vec::new();
    for shortage in machine.shortages(hosted, &build.floor) {
        match shortage {
            Shortage::Warning(why) => warnings.push(format!("{}: {why}", server.spec.code)),
            Shortage::Refusal(why) => {
                return Err(StepError::new("short", format!("{}: {why}", server.spec.code))
                    .hint("make room there, take another server, or lower the floor in [dedicated]"));
            }
        }
    }
    names_free(cx, &at).await?;
    source(&at, &build.source).await?;
    ports_free(&at).await?;
    if at.spec.tls == TlsMethod::None {
        warnings.push(format!(
            "{} is served over plain HTTP: passwords travel in the clear",
            at.names().domain
        ));
    }
    if let (TlsMethod::File, Some((chain, key))) = (at.spec.tls, &build.certificate) {
        for file in [chain, key] {
            if at.host.stat(file).await?.is_none() {
                return Err(
                    StepError::new("no_certificate", format!("there is no {file} on {}", at.host.label()))
                        .hint("put it there, or mend [dedicated] certificate and certificate_key"),
                );
            }
        }
    }
    let sizing = build.sizing.unwrap_or_else(|| Sizing::of(&machine, hosted + 1));
    let names = at.names();
    let notes = vec![
        format!("folder {}, system user {}", at.spec.folder, names.user),
        format!("database {}, unit {}", names.database, names.unit),
        format!(
            "ports {} (HTTP) and {} (websocket)",
            at.spec.ports.http, at.spec.ports.gevent
        ),
        format!("{} workers", sizing.workers),
    ];
    Ok(Found {
        machine,
        sizing,
        notes,
        warnings,
    })
}

/// Whether everything that is needed runs there.
async fn programs(at: &At, python: &str, tls: TlsMethod, _series: Series) -> Result<(), StepError> {
    let label = at.host.label().to_owned();
    let missing =
        |what: &str, why: &str, hint: &str| StepError::new("not_ready", format!("{what} on {label}: {why}")).hint(hint);
    let systemd = at.ask(&["test", "-d", "/run/systemd/system"]).await?;
    if !systemd.is_success() {
        return Err(missing(
            "systemd",
            "it does not run",
            "dedicated instances need a host with systemd",
        ));
    }
    let Some(nginx) = at.ask_of(&["nginx", "-t"]).await? else {
        return Err(missing("nginx", "it is not there", "apt-get install nginx"));
    };
    if !nginx.is_success() {
        return Err(missing(
            "nginx",
            &format!(
                "its configuration does not pass, before anything was touched: {}",
                nginx.stderr
            ),
            "mend the site that it names: it could not be reloaded either way",
        ));
    }
    let ask = "SHOW server_version_num";
    let argv = [
        "runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "postgres", "-c", ask,
    ];
    let postgres = at.ask_of(&argv).await?;
    let version = postgres.as_ref().map(Output::text).unwrap_or_default();
    if version.parse::<u32>().unwrap_or(0) < 130_000 {
        let said = postgres.map(|output| output.stderr.to_string()).unwrap_or_default();
        return Err(missing(
            "PostgreSQL",
            &format!("13 or newer has to run there, found {version:?} {said}"),
            "apt-get install postgresql",
        ));
    }
    let script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
    let found = at.ask_of(&[python, "-c", script]).await?;
    if found.as_ref().is_none_or(|output| !output.is_success()) {
        let why = found.map_or_else(|| "it is not there".to_owned(), |output| output.stderr.to_string());
        return Err(missing(
            python,
            &why,
            "apt-get install python3 python3-venv, or name another one in [dedicated] python",
        ));
    }
    if tls == TlsMethod::Certbot && !at.has(&["certbot", "--version"]).await? {
        return Err(missing("certbot", "it is not there", "apt-get install certbot"));
    }
    Ok(())
}

/// What the server has, as it says itself.
async fn machine(at: &At) -> Result<Machine, StepError> {
    let memory = at.read(&path("/proc/meminfo")?).await?.unwrap_or_default();
    let kib = |key: &str| {
        memory
            .lines()
            .find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix(':')?
                    .split_whitespace()
                    .next()?
                    .parse::<u64>()
                    .ok()
            })
            .unwrap_or(0)
    };
    // The folder is not there yet: the nearest that is stands on the same disk.
    let mut folder = at.spec.folder.as_str();
    while let Some((above, _)) = folder.rsplit_once('/') {
        folder = if above.is_empty() { "/" } else { above };
        if folder == "/" || at.host.exists(&path(folder)?).await? {
            break;
        }
    }
    let disk = at.ask(&["df", "-PB1", "--", folder]).await?.text();
    let free = disk
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let cores = at.ask(&["nproc"]).await?.text().parse().unwrap_or(1);
    match (kib("MemTotal"), kib("MemAvailable"), free) {
        (memory, memory_free, Some(disk_free)) if memory > 0 => Ok(Machine {
            memory: memory * 1024,
            memory_free: memory_free * 1024,
            disk_free,
            cores,
        }),
        _ => Err(StepError::new(
            "not_ready",
            format!("{} does not say how much memory and disk it has", at.host.label()),
        )),
    }
}

/// Ports that have a listener, on any address.
pub(super) async fn listening(at: &At) -> Result<BTreeSet<u16>, StepError> {
    let listed = at.ask(&["ss", "-Hltn"]).await?;
    if !listed.is_success() {
        return Err(StepError::new(
            "not_ready",
            format!(
                "`ss` on {} does not list its listeners: {}",
                at.host.label(),
                listed.stderr
            ),
        )
        .hint("apt-get install iproute2"));
    }
    let port = |line: &str| line.split_whitespace().nth(3)?.rsplit(':').next()?.parse().ok();
    Ok(listed.text().lines().filter_map(port).collect())
}

async fn ports_free(at: &At) -> Result<(), StepError> {
    let taken = listening(at).await?;
    for port in [at.spec.ports.http, at.spec.ports.gevent] {
        if taken.contains(&port) {
            return Err(StepError::new(
                "port_taken",
                format!("something listens at port {port} of {} already", at.host.label()),
            )
            .hint("plan it again: another port is taken then"));
        }
    }
    Ok(())
}

/// Nothing on the server has one of the instance's names.
async fn names_free(cx: &Cx, at: &At) -> Result<(), StepError> {
    let names = at.names();
    if !at.ask(&["getent", "passwd", &names.user]).await?.text().is_empty() {
        return Err(taken(&format!("the system user {}", names.user)));
    }
    if !at.ask(&["getent", "group", &names.user]).await?.text().is_empty() {
        return Err(taken(&format!("the group {}", names.user)));
    }
    let site = names.instance.as_str();
    for file in [
        at.spec.folder.to_string(),
        format!("/etc/systemd/system/{}", names.unit),
        format!("/etc/nginx/sites-available/{site}"),
        format!("/etc/nginx/sites-enabled/{site}"),
    ] {
        if at.host.stat(&path(&file)?).await?.is_some() {
            return Err(taken(&file));
        }
    }
    let known = at
        .ask(&["systemctl", "show", "-p", "LoadState", "--value", "--", &names.unit])
        .await?;
    if known.text() == "loaded" {
        return Err(taken(&format!("the unit {}", names.unit)));
    }
    let (database, role) = (literal(database(at).as_str()), literal(&names.user));
    let sql = format!(
        "SELECT 'database' FROM pg_database WHERE datname = {database}
         UNION ALL SELECT 'role' FROM pg_roles WHERE rolname = {role}"
    );
    let found = at.psql(cx, "postgres", &sql, false).await?;
    if let Some(what) = found.lines().next() {
        let name = if what == "role" {
            names.user.as_str()
        } else {
            names.database.as_str()
        };
        return Err(taken(&format!("the {what} {} in PostgreSQL", quoted(name))));
    }
    // Another site that answers for the domain would make this one unreachable, or be made so by it.
    let sites = at
        .ask(&[
            "grep",
            "-rlwF",
            "--",
            &names.domain,
            "/etc/nginx/sites-enabled",
            "/etc/nginx/conf.d",
        ])
        .await?;
    if let Some(site) = sites.text().lines().next() {
        return Err(taken(&format!("a site for {} ({site})", names.domain)));
    }
    Ok(())
}

async fn source(at: &At, source: &Source) -> Result<(), StepError> {
    let absent = |what: String| {
        StepError::new("no_source", format!("there is no {what} on {}", at.host.label()))
            .hint("put Odoo's source there, or mend [dedicated] source")
    };
    match source {
        Source::Folder(folder) => {
            if at.host.stat(&path(&format!("{folder}/odoo-bin"))?).await?.is_none() {
                return Err(absent(format!("{folder}/odoo-bin")));
            }
        }
        Source::Tarball(file) => {
            if at.host.stat(file).await?.is_none() {
                return Err(absent(file.to_string()));
            }
        }
        Source::Git { .. } => {
            if !at.has(&["git", "--version"]).await? {
                return Err(
                    StepError::new("not_ready", format!("there is no git on {}", at.host.label()))
                        .hint("apt-get install git"),
                );
            }
        }
    }
    Ok(())
}

pub(super) struct Reserve;

#[async_trait]
impl Step for Reserve {
    fn name(&self) -> &'static str {
        "reserve"
    }
    fn title(&self) -> &'static str {
        "reserve its place and ports"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let (server, ports) = (&cx.world.server, at(cx)?.spec.ports);
        Ok(Planned::on(format!(
            "{} of {} on {}, ports {} and {}",
            server.instance_count + 1,
            server.spec.max_instances,
            server.spec.code,
            ports.http,
            ports.gevent
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        // Taken in the transaction that queued the job; here it is looked at again.
        let server = &cx.world.server;
        let held = cx
            .world
            .instance
            .as_ref()
            .is_some_and(|row| row.state == InstanceState::Provisioning);
        let (taken, places) = (server.instance_count, server.spec.max_instances);
        if !held || taken > places {
            return Err(StepError::new(
                "no_place",
                format!(
                    "{taken} of {places} places of {} are taken, this one's among them: {held}",
                    server.spec.code
                ),
            )
            .hint("raise its max_instances, or take another server"));
        }
        let at = at(cx)?;
        ports_free(&at).await?;
        let ports = at.spec.ports;
        Ok(Outcome::note(format!(
            "{taken} of {places}, ports {} and {}",
            ports.http, ports.gevent
        )))
    }
}
