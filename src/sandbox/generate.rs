//! A registry without a fleet: as many servers and instances as are asked for, with a day of checks and a
//! history of jobs, to see how the dashboard does on a large one. Nothing stands behind what it names.

use super::fleet::Folder;
use crate::config::Loaded;
use crate::domain::audit::Actor;
use crate::domain::check::{CheckReport, Failure};
use crate::domain::job::JobSpec;
use crate::domain::{InstanceId, Problem, SafeText, ServerId, TemplateId};
use crate::registry::sqlite::Sqlite;
use crate::registry::transfer::{Counters, Row, TABLES, Table, Target, Transfer};
use crate::registry::{Op, Registry, RegistryError};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Rows written at once.
const PAGE: usize = 2_000;
/// Checks of each server, one an hour.
const CHECKS: i64 = 24;
/// The newest instances' jobs are there.
const JOBS: i64 = 2_000;
const PLANS: [(&str, &str); 4] = [
    ("trial", "Trial"),
    ("starter", "Starter"),
    ("pro", "Pro"),
    ("enterprise", "Enterprise"),
];
const TRADES: [&str; 12] = [
    "Bistro",
    "Garage",
    "Boulangerie",
    "Hotel",
    "École",
    "Librairie",
    "Clinique",
    "Atelier",
    "東京",
    "Ferme",
    "Cinéma",
    "Pharmacie",
];
const PLACES: [&str; 10] = [
    "Nord",
    "Sud",
    "du Lac",
    "Central",
    "Lumière",
    "des Arts",
    "du Port",
    "Vert",
    "Royal",
    "Saint-Jean",
];

/// How large: `1000x100000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Servers, 1 to 10,000.
    pub servers: i64,
    /// Instances of all servers, at most a million.
    pub instances: i64,
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.servers, self.instances)
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('x').and_then(|(servers, instances)| {
            Some(Self {
                servers: servers.parse().ok()?,
                instances: instances.parse().ok()?,
            })
        });
        match parts {
            Some(scale) if (1..=10_000).contains(&scale.servers) && (0..=1_000_000).contains(&scale.instances) => {
                Ok(scale)
            }
            Some(_) => Err("1 to 10000 servers, 0 to 1000000 instances".to_owned()),
            None => Err("SERVERSxINSTANCES is asked for, as 1000x100000".to_owned()),
        }
    }
}

/// The settings of a registry of this size in the folder, filled where it is not there yet; what was changed in
/// it since is kept.
///
/// # Errors
/// When the folder holds something else, or can't be written.
pub async fn generated(
    dir: Option<PathBuf>,
    scale: Scale,
    actor: Actor,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Arc<Loaded>, Problem> {
    let dir = match dir {
        Some(dir) => {
            std::path::absolute(&dir).map_err(|error| Problem::new("sandbox", format!("{}: {error}", dir.display())))?
        }
        None => super::fleet::default_dir(&format!("generated-{scale}"))?,
    };
    progress(&format!("the registry is in {}", dir.display()));
    let folder = Folder::open_generated(&dir, &scale.to_string())?;
    let loaded = folder.settings()?;
    let path = loaded.places.registry.clone();
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(path)).await;
    let registry = opened
        .map_err(|error| Problem::new("sandbox", error.to_string()))?
        .map_err(|error| error.problem())?;
    let found = registry.servers().await.map_err(|error| error.problem())?.len();
    if found == 0 {
        progress(&format!(
            "{} servers and {} instances …",
            scale.servers, scale.instances
        ));
        fill(&registry, scale, actor).await.map_err(|error| error.problem())?;
    }
    Ok(Arc::new(loaded))
}

async fn fill(registry: &Sqlite, scale: Scale, actor: Actor) -> Result<(), RegistryError> {
    let now = Timestamp::now();
    let mut filling = Filling {
        target: registry.target().await?,
        counters: Counters::new(),
        rows: 0,
    };
    let all = Rows { scale, now };
    let templates = all.templates();
    let jobs = scale.instances.min(JOBS);
    filling.put("saas_server", scale.servers, |id| all.server(id)).await?;
    filling.put("saas_template", templates, |id| all.template(id)).await?;
    filling.put("saas_plan", 4, plan).await?;
    filling.put("saas_customer", scale.instances / 2, customer).await?;
    filling
        .put("saas_instance", scale.instances, |id| all.instance(id))
        .await?;
    let checks = scale.servers * CHECKS;
    filling.put("saas_health_check", checks, |id| all.check(id)).await?;
    filling.put("saas_job", jobs, |id| all.job(id)).await?;
    filling.put("saas_job_log", jobs * 2, |n| all.line(n)).await?;
    let Filling {
        mut target,
        counters,
        rows,
    } = filling;
    target.set_counters(&counters).await?;
    let op = Op {
        id: uuid::Uuid::now_v7().to_string(),
        at: now,
        actor,
        reason: None,
    };
    target.finish(&op, &format!("generated {scale}"), rows).await
}

struct Filling {
    target: Box<dyn Target>,
    counters: Counters,
    rows: u64,
}

impl Filling {
    /// Rows 1 to `count` of a table.
    async fn put(
        &mut self,
        name: &'static str,
        count: i64,
        row: impl Fn(i64) -> Map<String, Value>,
    ) -> Result<(), RegistryError> {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            return Err(RegistryError::Rule(format!("{name} is not declared")));
        };
        let mut page: Vec<Row> = Vec::with_capacity(PAGE);
        for n in 1..=count {
            page.push(in_order(table, row(n)));
            if page.len() == PAGE || n == count {
                self.rows += page.len() as u64;
                self.target.put(table, std::mem::take(&mut page)).await?;
            }
        }
        if table.numbered && count > 0 {
            self.counters.insert(name.to_owned(), count);
        }
        Ok(())
    }
}

/// The columns that were given, in the table's order; the others have no value.
fn in_order(table: &Table, mut fields: Map<String, Value>) -> Row {
    let columns = table.columns.iter();
    columns
        .map(|(name, _)| fields.remove(*name).unwrap_or(Value::Null))
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn plan(id: i64) -> Map<String, Value> {
    let at = usize::try_from(id - 1).unwrap_or(0) % PLANS.len();
    let (code, name) = PLANS.get(at).copied().unwrap_or(("trial", "Trial"));
    object(json!({"id": id, "code": code, "name": name, "max_users": 5 * id, "max_storage_gb": 10 * id}))
}

fn customer(id: i64) -> Map<String, Value> {
    object(json!({"id": id, "name": format!("{} {id} SARL", word(&TRADES, id)),
        "email": format!("kontakt{id}@example.org")}))
}

/// A word by number: the same every time.
fn word<const N: usize>(words: &[&'static str; N], n: i64) -> &'static str {
    let at = usize::try_from(n.unsigned_abs()).unwrap_or(0) % N;
    words.get(at).copied().unwrap_or_default()
}

/// Numbers that look as if thrown, the same every time.
fn dice(n: i64, sides: i64) -> i64 {
    let mixed = n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    i64::try_from((mixed ^ (mixed >> 29)) % sides.max(1).unsigned_abs()).unwrap_or(0)
}

/// What a server is like, by its number: most are well.
enum Lot {
    Well,
    Slow,
    Down,
    Resting,
    New,
    Gone,
}

struct Rows {
    scale: Scale,
    now: Timestamp,
}

impl Rows {
    fn at(&self, before: SignedDuration) -> Value {
        let at = self.now.checked_sub(before).unwrap_or(self.now);
        Value::from(format!("{at:.6}"))
    }

    fn templates(&self) -> i64 {
        self.scale.servers.min(200)
    }

    /// Instances are dealt out in turn.
    fn server_of(&self, instance: i64) -> i64 {
        (instance - 1) % self.scale.servers + 1
    }

    fn hosted(&self, server: i64) -> i64 {
        let Scale { servers, instances } = self.scale;
        instances / servers + i64::from(server <= instances % servers)
    }

    fn lot(&self, server: i64) -> Lot {
        // Who hosts nothing may be new or gone.
        match (server % 50, self.hosted(server)) {
            (17, _) => Lot::Down,
            (23, _) => Lot::Slow,
            (29, _) => Lot::Resting,
            (31, 0) => Lot::New,
            (37, 0) => Lot::Gone,
            _ => Lot::Well,
        }
    }

    fn server(&self, id: i64) -> Map<String, Value> {
        let hosted = self.hosted(id);
        let room = [11, 13, 16, 20, 30]
            .get(usize::try_from(dice(id, 5)).unwrap_or(0))
            .copied()
            .unwrap_or(20);
        let (intent, observed, status, reason) = match self.lot(id) {
            Lot::Well => ("active", "online", "healthy", "answers"),
            Lot::Slow => ("active", "online", "warning", "answers slowly: 2300 ms"),
            Lot::Down => ("active", "offline", "critical", "connection refused"),
            Lot::Resting => ("maintenance", "online", "healthy", "answers"),
            Lot::New => ("draft", "never_seen", "unknown", "never checked"),
            Lot::Gone => ("disabled", "online", "unknown", "not in service"),
        };
        let checked = dice(id, 60);
        object(json!({
            "id": id, "version": 1,
            "name": format!("{} {id}", if id % 10 == 0 { "Test" } else { "Production" }),
            "code": format!("{}-{id:04}", if id % 10 == 0 { "test" } else { "prod" }),
            "description": "generated: nothing stands behind it",
            "server_url": format!("https://s{id}.example.org"),
            "server_ip": format!("192.0.2.{}", id % 250 + 1),
            "db_port": 5432, "db_tls": "disable",
            "max_instances": (hosted * room / 10).max(10),
            "cpu_cores": 8, "memory_gb": 32, "disk_gb": 500,
            "intent": intent, "observed": observed, "health_status": status, "health_reason": reason,
            "health_failures": if observed == "offline" { 3 } else { 0 },
            "last_check_date": self.at(SignedDuration::from_secs(checked)),
            "last_success_date": self.at(SignedDuration::from_secs(checked + if observed == "offline" { 7200 } else { 0 })),
            "latency_ms": if observed == "offline" { Value::Null } else { json!(8 + dice(id, 90)) },
            "odoo_version": "16.0",
            "created_at": self.at(SignedDuration::from_hours(24 * (30 + dice(id, 700)))),
            "instance_count": hosted,
        }))
    }

    fn template(&self, id: i64) -> Map<String, Value> {
        // Each template is on the server of the same number; instances of other servers name it too.
        let of = self.scale.instances / self.templates() + i64::from(id <= self.scale.instances % self.templates());
        object(json!({
            "id": id, "version": 1, "name": format!("{} {id}", word(&TRADES, id)), "code": format!("t{id}"),
            "server_id": id, "template_database": format!("template_{id}"), "base_modules": ["base", "web"],
            "language": "fr_FR", "state": "ready", "size_bytes": 48_000_000 + id, "odoo_version": "16.0",
            "frozen": true, "instance_count": of,
            "created_at": self.at(SignedDuration::from_hours(24 * 400)),
        }))
    }

    fn instance(&self, id: i64) -> Map<String, Value> {
        let state = match id % 400 {
            7 => "suspended",
            8 => "provisioning",
            _ => "active",
        };
        let customers = self.scale.instances / 2;
        object(json!({
            "id": id, "version": 1,
            "name": format!("{} {} {id}", word(&TRADES, id), word(&PLACES, id / 7)),
            "customer_id": if customers > 0 { json!(id % customers + 1) } else { Value::Null },
            "plan_id": dice(id, 4) + 1,
            "template_id": (id - 1) % self.templates() + 1, "server_id": self.server_of(id),
            "database_name": format!("c{id}"), "subdomain": format!("c{id}"),
            "url": format!("https://c{id}.example.org"),
            "admin_login": "admin", "admin_password": "env:GENERATED",
            "state": state,
            "size_bytes": 20_000_000 + dice(id, 4_000) * 1_000_000,
            "created_at": self.at(SignedDuration::from_secs((self.scale.instances - id) * 300)),
        }))
    }

    /// The oldest first, all servers' in turn.
    fn check(&self, id: i64) -> Map<String, Value> {
        let Scale { servers, .. } = self.scale;
        let (server, hour) = ((id - 1) % servers + 1, (id - 1) / servers);
        let at =
            self.now - SignedDuration::from_mins(60 * (CHECKS - 1 - hour)) - SignedDuration::from_secs(dice(id, 60));
        let latency = 8 + dice(server * 31 + hour, 90);
        let down = matches!(self.lot(server), Lot::Down) && hour >= CHECKS - 2;
        let report = CheckReport {
            at,
            latency_ms: latency.unsigned_abs(),
            failure: down.then(|| Failure::Refused {
                address: SafeText::new(&format!("192.0.2.{}:443", server % 250 + 1)),
            }),
            warnings: Vec::new(),
            version: Some(SafeText::new("16.0")),
            layers: Vec::new(),
        };
        let (status, reason) = if down {
            ("critical", "connection refused")
        } else {
            ("healthy", "answers")
        };
        object(json!({
            "id": id, "server_id": server, "check_date": format!("{at:.6}"), "status": status, "reason": reason,
            "latency_ms": latency, "answered": !down, "report": report,
        }))
    }

    /// The instance whose creation the job was; the newest have one.
    fn made_by(&self, job: i64) -> i64 {
        self.scale.instances - self.scale.instances.min(JOBS) + job
    }

    fn job(&self, id: i64) -> Map<String, Value> {
        let instance = self.made_by(id);
        let (server, template) = (self.server_of(instance), (instance - 1) % self.templates() + 1);
        let ended = if id % 40 == 3 { "failed" } else { "done" };
        let spec = format!("c{instance}").parse().map(|database| JobSpec::InstanceCreate {
            instance_id: InstanceId(instance),
            template_id: TemplateId(template),
            server_id: ServerId(server),
            database,
        });
        let problem = json!({"code": "server_offline", "message": "Server is offline", "hint": "check the server (r)",
            "transient": true});
        let began = (self.scale.instances - instance) * 300;
        object(json!({
            "id": id, "kind": "instance_create", "spec": spec.ok(),
            "title": format!("create instance c{instance}"),
            "state": ended, "server_id": server, "template_id": template, "instance_id": instance,
            "token": 1, "attempt": 1, "cancel_requested": false, "asked_by": "generated",
            "created_at": self.at(SignedDuration::from_secs(began + 9)),
            "started_at": self.at(SignedDuration::from_secs(began + 8)),
            "finished_at": self.at(SignedDuration::from_secs(began)),
            "problem": if ended == "failed" { problem } else { Value::Null },
            "reservations": [], "consequences": [], "before": [], "log_end": 2,
        }))
    }

    fn line(&self, n: i64) -> Map<String, Value> {
        let (job, seq) = ((n - 1) / 2 + 1, (n - 1) % 2 + 1);
        let failed = job % 40 == 3;
        let (level, text) = match (seq, failed) {
            (1, _) => ("begin", "validate"),
            (_, true) => ("error", "Server is offline"),
            (_, false) => ("success", "done"),
        };
        let began = (self.scale.instances - self.made_by(job)) * 300;
        object(json!({
            "job_id": job, "seq": seq, "at": self.at(SignedDuration::from_secs(began + 2 - seq)),
            "stream": "engine", "level": level, "text": text,
        }))
    }
}

#[cfg(test)]
mod tests;
