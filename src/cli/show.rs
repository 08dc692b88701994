//! How the fleet's things look from the shell: as JSON with the registry's own field names, and as
//! text. Secrets are shown as where they are to be had, never as what they are.

use super::show_dedicated::{dedicated, pairs};
use super::table::card;
use crate::domain::audit::AuditEntry;
use crate::domain::check::CheckReport;
use crate::domain::instance::{Customer, Instance, Plan};
use crate::domain::job::{Job, LogLevel, LogLine, PlannedStep};
use crate::domain::server::{DbTls, Server};
use crate::domain::template::Template;
use crate::domain::{SafeText, SecretRef};
use crate::ops::{Fleet, JobPlan, PassedOverServer};
use crate::registry::HealthCheck;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

fn reference(secret: Option<&SecretRef>) -> Option<String> {
    secret.map(SecretRef::shown)
}

/// One decimal, so that a third of a server is a number a person reads.
fn percent(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

pub(super) fn server(s: &Server) -> Value {
    let ssh = s.spec.ssh.as_ref();
    let tls = match s.spec.db_tls {
        DbTls::Disable => "disable",
        DbTls::VerifyFull => "verify-full",
    };
    json!({
        "id": s.id,
        "name": s.spec.name,
        "code": s.spec.code,
        "description": s.spec.description,
        "server_url": s.spec.server_url,
        "server_ip": s.spec.server_ip,
        "port": s.spec.port,
        "ssh_host": ssh.map(|a| a.host.as_str()),
        "ssh_user": ssh.and_then(|a| a.user.as_deref()),
        "ssh_port": ssh.and_then(|a| a.port),
        "ssh_identity": ssh.and_then(|a| a.identity.as_deref()),
        "db_host": s.spec.db_host,
        "db_port": s.spec.db_port,
        "db_user": s.spec.db_user,
        "db_password": reference(s.spec.db_password.as_ref()),
        "db_tls": tls,
        "master_password": reference(s.spec.master_password.as_ref()),
        "data_dir": s.spec.data_dir,
        "max_instances": s.spec.max_instances,
        "cpu_cores": s.spec.cpu_cores,
        "memory_gb": s.spec.memory_gb,
        "disk_gb": s.spec.disk_gb,
        "intent": s.intent,
        "observed": s.track.observed,
        "state": s.state(),
        "health_status": s.track.status,
        "health_reason": s.track.reason,
        "health_hint": s.track.hint,
        "last_check_date": s.track.last_check,
        "last_success_date": s.track.last_success,
        "latency_ms": s.track.latency_ms,
        "odoo_version": s.track.version,
        "instance_count": s.instance_count,
        "available_capacity": percent(s.available_capacity()),
        "created_at": s.created_at,
        "version": s.version,
    })
}

pub(super) fn check(c: &HealthCheck) -> Value {
    let mut value = report(&c.report);
    value["health_status"] = json!(c.status);
    value["health_reason"] = json!(c.reason);
    value
}

pub(super) fn report(r: &CheckReport) -> Value {
    let failure = r.failure.as_ref().map(|f| {
        let kind = serde_json::to_value(f).ok().and_then(|v| v.get("kind").cloned());
        json!({ "kind": kind, "message": f.to_string(), "hint": f.hint() })
    });
    let warnings: Vec<Value> = r
        .warnings
        .iter()
        .map(|w| {
            let kind = serde_json::to_value(w).ok().and_then(|v| v.get("kind").cloned());
            json!({ "kind": kind, "message": w.to_string(), "hint": w.hint() })
        })
        .collect();
    json!({
        "check_date": r.at,
        "success": r.failure.is_none(),
        "latency_ms": r.latency_ms,
        "odoo_version": r.version,
        "failure": failure,
        "warnings": warnings,
        "layers": r.layers,
    })
}

pub(super) fn report_text(r: &CheckReport) -> String {
    let mut text = String::new();
    for layer in &r.layers {
        let mark = match layer.passed {
            Some(true) => "✔",
            Some(false) => "✖",
            None => "·",
        };
        text.push_str(&format!(
            "{mark} {:<18} {:>6} ms  {}\n",
            layer.name, layer.took_ms, layer.note
        ));
    }
    for warning in &r.warnings {
        text.push_str(&format!("▲ {warning}\n  → {}\n", warning.hint()));
    }
    match (&r.failure, &r.version) {
        (Some(failure), _) => text.push_str(&format!("✖ {failure}\n  → {}\n", failure.hint())),
        (None, Some(version)) => text.push_str(&format!("● Odoo {version} answers in {} ms\n", r.latency_ms)),
        (None, None) => text.push_str(&format!("● answers in {} ms\n", r.latency_ms)),
    }
    text
}

pub(super) fn server_text(s: &Server, now: Timestamp) -> String {
    let ssh = s.spec.ssh.as_ref().map(|a| {
        let user = a.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        let port = a.port.map(|p| format!(":{p}")).unwrap_or_default();
        format!("{user}{}{port}", a.host)
    });
    let database = s.spec.db_host.as_ref().map(|host| {
        let user = s.spec.db_user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        format!("{user}{host}:{}", s.spec.db_port)
    });
    let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
    card(&[
        ("code", s.spec.code.to_string()),
        ("name", s.spec.name.to_string()),
        ("description", s.spec.description.to_string()),
        ("state", s.state().word().to_owned()),
        ("health", format!("{}: {}", s.track.status.word(), s.track.reason)),
        ("what to do", s.track.hint.clone().unwrap_or_default()),
        ("last check", age(s.track.last_check, now)),
        (
            "instances",
            format!(
                "{} of {} places ({:.0} % free)",
                s.instance_count,
                s.spec.max_instances,
                s.available_capacity()
            ),
        ),
        ("URL", s.spec.server_url.to_string()),
        (
            "Odoo",
            s.track.version.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        (
            "address",
            s.spec.server_ip.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        ("ssh", ssh.unwrap_or_default()),
        (
            "PostgreSQL",
            database.unwrap_or_else(|| "not reached (no db_host)".to_owned()),
        ),
        (
            "its password",
            reference(s.spec.db_password.as_ref()).unwrap_or_default(),
        ),
        (
            "master password",
            reference(s.spec.master_password.as_ref()).unwrap_or_else(|| "none on record".to_owned()),
        ),
        (
            "data_dir",
            s.spec.data_dir.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        ("cores", number(s.spec.cpu_cores)),
        ("memory, GB", number(s.spec.memory_gb)),
        ("disk, GB", number(s.spec.disk_gb)),
    ])
}

pub(super) fn template(t: &Template, server_code: &str) -> Value {
    json!({
        "id": t.id,
        "name": t.spec.name,
        "code": t.spec.code,
        "server": server_code,
        "server_id": t.spec.server_id,
        "template_database": t.spec.template_database,
        "base_modules": t.spec.base_modules,
        "language": t.spec.language,
        "state": t.state,
        "frozen": t.facts.frozen,
        "database_oid": t.facts.database_oid,
        "size_bytes": t.facts.size_bytes,
        "odoo_version": t.facts.odoo_version,
        "admin_login": t.facts.admin_login,
        "admin_password": reference(t.facts.admin_password.as_ref()),
        "instance_count": t.instance_count,
        "created_at": t.created_at,
        "version": t.version,
    })
}

pub(super) fn instance(i: &Instance, fleet: &Fleet) -> Value {
    json!({
        "id": i.id,
        "name": i.spec.name,
        "customer": i.spec.customer_id.and_then(|id| fleet.customer_name(id)),
        "customer_id": i.spec.customer_id,
        "plan": i.spec.plan_id.and_then(|id| fleet.plan_code(id)),
        "plan_id": i.spec.plan_id,
        "kind": if i.spec.dedicated.is_some() { "dedicated" } else { "shared" },
        "template": i.spec.template_id.map(|id| fleet.template_code(id)),
        "template_id": i.spec.template_id,
        "server": fleet.server_code(i.spec.server_id),
        "server_id": i.spec.server_id,
        "dedicated": i.spec.dedicated.as_deref().map(dedicated),
        "database_name": i.spec.database_name,
        "subdomain": i.spec.subdomain,
        "url": i.spec.url,
        "state": i.state,
        "admin_login": i.spec.admin_login,
        "admin_password": i.spec.admin_password.shown(),
        "database_oid": i.database_oid,
        "database_uuid": i.database_uuid,
        "size_bytes": i.size_bytes,
        "created_at": i.created_at,
        "version": i.version,
    })
}

pub(super) fn instance_text(i: &Instance, fleet: &Fleet) -> String {
    let customer = i
        .spec
        .customer_id
        .and_then(|id| fleet.customer_name(id))
        .unwrap_or_default();
    let plan = i.spec.plan_id.and_then(|id| fleet.plan_code(id)).unwrap_or_default();
    let mut lines = vec![
        ("name", i.spec.name.to_string()),
        ("state", i.state.word().to_owned()),
        ("customer", customer.to_owned()),
        ("plan", plan.to_owned()),
        ("URL", i.spec.url.clone()),
        ("subdomain", i.spec.subdomain.to_string()),
        ("login", i.spec.admin_login.clone()),
        (
            "password",
            format!(
                "{} (vigie instance password {} --to FILE)",
                i.spec.admin_password.shown(),
                i.spec.subdomain
            ),
        ),
        ("database", i.spec.database_name.to_string()),
        ("server", fleet.server_code(i.spec.server_id)),
        (
            "template",
            i.spec.template_id.map(|id| fleet.template_code(id)).unwrap_or_default(),
        ),
        ("size", i.size_bytes.map(bytes).unwrap_or_default()),
        ("database.uuid", i.database_uuid.clone().unwrap_or_default()),
        ("created", local(i.created_at)),
    ];
    lines.extend(pairs(i.spec.dedicated()));
    card(&lines)
}

pub(super) fn plan(p: &Plan) -> Value {
    json!({ "id": p.id, "code": p.code, "name": p.name, "max_users": p.max_users, "max_storage_gb": p.max_storage_gb })
}

pub(super) fn customer(c: &Customer) -> Value {
    json!({ "id": c.id, "name": c.name, "email": c.email })
}

pub(super) fn job(j: &Job) -> Value {
    let (done, total) = j.progress();
    let steps: Vec<Value> = j
        .steps
        .iter()
        .map(|s| {
            json!({
                "name": s.planned.name,
                "title": s.planned.title,
                "detail": s.planned.detail,
                "state": s.state,
                "started_at": s.started_at,
                "finished_at": s.finished_at,
                "problem": s.problem,
            })
        })
        .collect();
    json!({
        "id": j.id,
        "kind": j.spec.kind(),
        "title": j.title,
        "state": j.state,
        "steps_done": done,
        "steps_total": total,
        "steps": steps,
        "server_id": j.spec.server_id(),
        "template_id": j.spec.template_id(),
        "instance_id": j.spec.instance_id(),
        "worker": j.lease.as_ref().map(|l| l.worker.as_str()),
        "attempt": j.attempt,
        "cancel_requested": j.cancel_requested,
        "waits_for_key": j.waits_for_key,
        "asked_by": j.asked_by,
        "created_at": j.created_at,
        "started_at": j.started_at,
        "finished_at": j.finished_at,
        "result": j.result,
        "problem": j.problem,
    })
}

pub(super) fn job_text(j: &Job) -> String {
    let (done, total) = j.progress();
    let mut text = card(&[
        ("job", j.id.to_string()),
        ("what", j.title.to_string()),
        ("state", j.state.word().to_owned()),
        ("steps", format!("{done} of {total}")),
        ("asked by", format!("{}, {}", j.asked_by, local(j.created_at))),
        ("worker", j.lease.as_ref().map(|l| l.worker.clone()).unwrap_or_default()),
        ("ended", j.finished_at.map(local).unwrap_or_default()),
        (
            "why",
            j.waits()
                .or_else(|| j.problem.as_ref().map(|p| p.message.clone()))
                .unwrap_or_default(),
        ),
        (
            "what to do",
            j.problem.as_ref().and_then(|p| p.hint.clone()).unwrap_or_default(),
        ),
    ]);
    for step in &j.steps {
        let planned = &step.planned;
        text.push_str(&format!(
            "  {}/{total} {:<11} {:<24} {}\n",
            step.index + 1,
            step.state.word(),
            planned.title,
            planned.detail
        ));
    }
    text.push_str(&result_text(j));
    text
}

/// The fields that came of a job, one a line.
pub(super) fn result_text(j: &Job) -> String {
    let Some(Value::Object(fields)) = &j.result else {
        return String::new();
    };
    let rows: Vec<(&str, String)> = fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.as_str(), value)
        })
        .collect();
    card(&rows)
}

pub(super) fn log_line(l: &LogLine) -> Value {
    json!({
        "seq": l.seq, "at": l.at, "step": l.step, "stream": l.stream, "level": l.level, "text": l.text,
        "took_ms": l.took_ms, "progress": l.progress.map(|(done, total)| json!({ "done": done, "total": total })),
    })
}

pub(super) fn log_text(l: &LogLine) -> String {
    let mark = match l.level {
        LogLevel::Info => " ",
        LogLevel::Begin => "▸",
        LogLevel::Success => "✔",
        LogLevel::Warning => "▲",
        LogLevel::Error => "✖",
    };
    let took = l.took_ms.map(|ms| format!("  {ms} ms")).unwrap_or_default();
    let at = l.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string();
    format!("{at}  {mark} {}{took}", l.text)
}

fn steps(steps: &[PlannedStep]) -> String {
    let total = steps.len();
    steps
        .iter()
        .enumerate()
        .map(|(i, step)| {
            let pivot = if step.pivot { "  (no way back after it)" } else { "" };
            format!("  {}/{total} {:<24} {}{pivot}\n", i + 1, step.title, step.detail)
        })
        .collect()
}

pub(super) fn job_plan(p: &JobPlan) -> Value {
    json!({
        "dry_run": true,
        "title": p.new_job.title,
        "steps": p.new_job.steps,
        "notes": p.notes,
        "warnings": p.warnings,
    })
}

pub(super) fn job_plan_text(p: &JobPlan) -> String {
    let mut text = format!("{}\n{}", p.new_job.title, steps(&p.new_job.steps));
    for note in &p.notes {
        text.push_str(&format!("· {note}\n"));
    }
    for warning in &p.warnings {
        text.push_str(&format!("▲ {warning}\n"));
    }
    text
}

pub(super) fn passed_over(p: &PassedOverServer) -> Value {
    json!({ "server": p.code, "server_id": p.id, "reason": p.why.to_string() })
}

pub(super) fn audit(a: &AuditEntry) -> Value {
    json!({
        "id": a.id, "at": a.at, "os_user": a.actor.os_user, "host": a.actor.host, "via": a.actor.via,
        "action": a.action, "object": a.object, "label": a.label, "from": a.from, "to": a.to, "refused": a.refused,
        "op_id": a.op_id, "db_role": a.db_role, "hash": a.hash,
    })
}

/// A time on this machine's clock.
pub(super) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// How long ago.
pub(super) fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "never".to_owned() };
    let secs = now.duration_since(at).as_secs();
    match secs {
        ..0 => "just now".to_owned(),
        0..60 => format!("{secs} s ago"),
        60..3_600 => format!("{} min ago", secs / 60),
        3_600..86_400 => format!("{} h ago", secs / 3_600),
        _ => format!("{} d ago", secs / 86_400),
    }
}

/// A size as people read it.
pub(super) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1_000.0 {
            let digits = usize::from(unit == "GB" || unit == "MB" && value < 10.0);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

/// A safe one-line text.
pub(super) fn safe(text: &str) -> SafeText {
    SafeText::new(text)
}
