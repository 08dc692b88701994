//! The audit as a whole: filters, the chain, and that every operation leaves exactly one row, whoever asks
//! and whatever comes of it.

use super::bench::{Bench, instance_job, me, now, op, plain_job, report, server_spec, template_spec};
use jiff::SignedDuration;
use pretty_assertions::assert_eq;
use vigie::domain::audit::{Anchor, AuditEntry, AuditFilter};
use vigie::domain::capacity::Thresholds;
use vigie::domain::health::HealthRules;
use vigie::domain::instance::Plan;
use vigie::domain::job::{JobSpec, JobState};
use vigie::domain::server::ServerEvent;
use vigie::domain::{InstanceId, JobId, PlanId, SafeText, ServerId, TemplateId};
use vigie::registry::{ClaimTerms, JobFilter, Op, Registry, RegistryError};

async fn ids(r: &dyn Registry, filter: AuditFilter) -> Vec<i64> {
    r.audit(&filter).await.unwrap().into_iter().map(|row| row.id).collect()
}

pub(super) async fn the_audit_is_filtered_and_read_page_by_page(r: Bench) {
    let by = |user: &str, host: &str, via: &str| {
        let mut op = op();
        (op.actor.os_user, op.actor.host, op.actor.via) = (user.to_owned(), host.to_owned(), via.to_owned());
        op
    };
    let begun = now();
    let s = r
        .add_server(&by("marie", "desk", "cli"), &server_spec("prod-1", 50))
        .await
        .unwrap();
    r.edit_server(
        &by("paul", "desk", "dashboard"),
        s.id,
        s.version,
        &server_spec("prod-1", 40),
    )
    .await
    .unwrap();
    r.customer_named(&by("paul", "tower", "cli"), &SafeText::new("Café \"Nord\" 100%"))
        .await
        .unwrap();
    r.add_server(&by("marie", "tower", "cli"), &server_spec("prod-1", 50))
        .await
        .unwrap_err();
    let old = Op {
        at: begun - SignedDuration::from_hours(2),
        ..by("ada", "desk", "worker")
    };
    r.audit_refused(&old, "job.cancel", "job:7", "create acme", "may not")
        .await
        .unwrap();
    let filter = AuditFilter::default;
    let text = |word: &str| AuditFilter {
        text: Some(word.to_owned()),
        ..AuditFilter::default()
    };
    for (what, filter, expected) in [
        ("all", filter(), vec![5, 4, 3, 2, 1]),
        ("limit", AuditFilter::newest(2), vec![5, 4]),
        (
            "since",
            AuditFilter {
                since: Some(begun),
                ..filter()
            },
            vec![4, 3, 2, 1],
        ),
        (
            "until",
            AuditFilter {
                until: Some(begun),
                ..filter()
            },
            vec![5],
        ),
        (
            "who",
            AuditFilter {
                who: Some("marie".to_owned()),
                ..filter()
            },
            vec![4, 1],
        ),
        (
            "host",
            AuditFilter {
                host: Some("tower".to_owned()),
                ..filter()
            },
            vec![4, 3],
        ),
        (
            "via",
            AuditFilter {
                via: Some("dashboard".to_owned()),
                ..filter()
            },
            vec![2],
        ),
        (
            "action",
            AuditFilter {
                action: Some("server.".to_owned()),
                ..filter()
            },
            vec![4, 2, 1],
        ),
        (
            "action, no pattern",
            AuditFilter {
                action: Some("server_".to_owned()),
                ..filter()
            },
            vec![],
        ),
        (
            "object",
            AuditFilter {
                object: Some(format!("server:{}", s.id)),
                ..filter()
            },
            vec![2, 1],
        ),
        (
            "refused",
            AuditFilter {
                refused: true,
                ..filter()
            },
            vec![5, 4],
        ),
        (
            "before",
            AuditFilter {
                before: Some(3),
                ..filter()
            },
            vec![2, 1],
        ),
        (
            "after",
            AuditFilter {
                after: Some(3),
                ..filter()
            },
            vec![5, 4],
        ),
        (
            "a page",
            AuditFilter {
                before: Some(5),
                limit: 2,
                ..filter()
            },
            vec![4, 3],
        ),
        ("text in values", text("max_instances\":40"), vec![2]),
        ("text in a refusal", text("TAKEN"), vec![4]),
        ("text as it is", text("100%"), vec![3]),
        ("text, no pattern", text("1__%"), vec![]),
        ("text of a name", text("cAF\u{e9}"), vec![3]),
        ("text nowhere", text("zebra"), vec![]),
        (
            "several",
            AuditFilter {
                who: Some("marie".to_owned()),
                refused: true,
                host: Some("tower".to_owned()),
                ..filter()
            },
            vec![4],
        ),
    ] {
        assert_eq!(ids(&*r, filter).await, expected, "{what}");
    }
    assert_eq!(AuditFilter::default().limit(), 200);
}

/// Whoever writes, from however many connections, at once: one chain.
pub(super) async fn the_chain_holds_however_many_write_at_once(r: Bench) {
    let nothing = r.verify_audit(&[]).await.unwrap();
    assert_eq!((nothing.broken, nothing.rows, nothing.newest), (None, 0, None));
    assert_eq!(r.audit_head().await.unwrap(), None);
    let mut writers = Vec::new();
    for writer in 0..4 {
        let connection = r.another().await;
        writers.push(tokio::spawn(async move {
            for n in 0..10 {
                let name = SafeText::new(&format!("customer {writer} {n}"));
                connection.customer_named(&op(), &name).await.unwrap();
                let why = "may not \u{1f512}";
                connection
                    .audit_refused(&op(), "server.delete", "server:1", "prod-1", why)
                    .await
                    .unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = r.audit(&AuditFilter::newest(1_000)).await.unwrap();
    assert_eq!(
        rows.iter().rev().map(|row| row.id).collect::<Vec<_>>(),
        (1..=80).collect::<Vec<_>>(),
        "numbered without gaps"
    );
    let verdict = r.verify_audit(&[]).await.unwrap();
    assert_eq!((verdict.broken, verdict.rows), (None, 80));
    let head = r.audit_head().await.unwrap().unwrap();
    assert_eq!((head.id, &head.hash), (80, &rows[0].hash));
    assert_eq!(verdict.newest, Some((80, rows[0].hash.clone())));
    let middle = Anchor {
        id: rows[40].id,
        hash: rows[40].hash.clone(),
        at: now(),
    };
    let verdict = r.verify_audit(&[head.clone(), middle]).await.unwrap();
    assert_eq!((verdict.broken, verdict.anchors), (None, 2));
    let other = Anchor {
        hash: "0".repeat(64),
        ..head.clone()
    };
    assert!(r.verify_audit(&[other]).await.unwrap().broken.is_some());
    let later = Anchor { id: 81, ..head };
    assert!(r.verify_audit(&[later]).await.unwrap().broken.is_some());
}

/// Numbers that look random and can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.roll(items.len())).copied()
    }
}

/// What came of an operation, and what the audit owes it.
enum Owed {
    /// It changed something: one row of this action.
    Row(&'static str),
    /// It was refused: one row of this action, with why.
    Refused(&'static str, String),
    /// Nothing an operator did.
    Nothing,
}

fn owed<T>(action: &'static str, outcome: Result<T, RegistryError>, changed: impl FnOnce(&T) -> bool) -> Owed {
    match outcome {
        Ok(value) if changed(&value) => Owed::Row(action),
        Ok(_) => Owed::Nothing,
        Err(why) => {
            assert!(!matches!(why, RegistryError::Store { .. }), "{why}");
            Owed::Refused(action, why.to_string())
        }
    }
}

/// One random operation.
async fn act(r: &dyn Registry, dice: &mut Dice, op: &Op) -> Owed {
    let servers = r.servers().await.unwrap();
    let templates = r.templates().await.unwrap();
    let name = |dice: &mut Dice| format!("prod-{}", dice.roll(5));
    let server = dice.pick(&servers.iter().map(|s| (s.id, s.version)).collect::<Vec<_>>());
    // Now and then one that isn't there, or a version from before.
    let (id, version) = match (server, dice.roll(12)) {
        (Some((id, version)), 1..) => (id, version - i64::from(dice.roll(15) == 0)),
        _ => (ServerId(9_999), 1),
    };
    let ready: Vec<TemplateId> = templates.iter().map(|t| t.id).collect();
    let jobs: Vec<JobId> = r
        .jobs(&JobFilter {
            limit: 12,
            ..JobFilter::default()
        })
        .await
        .unwrap()
        .iter()
        .map(|job| job.id)
        .collect();
    let job = dice.pick(&jobs).unwrap_or(JobId(9_999));
    match dice.roll(16) {
        0 => {
            let spec = server_spec(&name(dice), 1 + u32::try_from(dice.roll(3)).unwrap());
            owed("server.add", r.add_server(op, &spec).await, |_| true)
        }
        1 => {
            let places = 1 + u32::try_from(dice.roll(4)).unwrap();
            let spec = server_spec(&name(dice), places);
            let outcome = r.edit_server(op, id, version, &spec).await;
            owed("server.edit", outcome, |s| s.version != version)
        }
        kind @ 2..=5 => {
            let (event, action) = match kind {
                2 if dice.roll(4) == 0 => (
                    ServerEvent::Activate {
                        connection: Err("no answer".to_owned()),
                    },
                    "server.activate",
                ),
                2 => (ServerEvent::Activate { connection: Ok(()) }, "server.activate"),
                3 => (ServerEvent::Maintain, "server.maintenance"),
                4 => (ServerEvent::Deactivate, "server.deactivate"),
                _ => (ServerEvent::Delete, "server.delete"),
            };
            let outcome = r.transition_server(op, id, version, &event).await;
            owed(action, outcome, |s| s.as_ref().is_none_or(|s| s.version != version))
        }
        6 => {
            let spec = template_spec(&format!("t{}", dice.roll(4)), id);
            owed("template.add", r.add_template(op, &spec).await, |_| true)
        }
        7 => {
            let id = dice.pick(&ready).unwrap_or(TemplateId(9_999));
            let version = templates.iter().find(|t| t.id == id).map_or(1, |t| t.version);
            owed("template.remove", r.remove_template(op, id, version).await, |()| true)
        }
        8 => {
            let plan = Plan {
                id: PlanId(0),
                code: format!("plan{}", dice.roll(400)),
                name: SafeText::new("Plan"),
                max_users: None,
                max_storage_gb: None,
            };
            owed("plan.add", r.add_plan(op, &plan).await, |_| true)
        }
        9 => {
            let before = r.customers().await.unwrap().len();
            let name = SafeText::new(&format!("customer {}", dice.roll(200)));
            let outcome = r.customer_named(op, &name).await;
            let added = r.customers().await.unwrap().len() > before;
            owed("customer.add", outcome, |_| added)
        }
        10 => match templates.iter().find(|t| Some(t.id) == ready.last().copied()) {
            None => Owed::Nothing,
            Some(t) => {
                let spec = JobSpec::TemplateAdopt {
                    template_id: t.id,
                    server_id: t.spec.server_id,
                };
                owed("job.queue", r.queue_job(op, &plain_job(spec)).await, |_| true)
            }
        },
        11 => match dice
            .pick(&(0..templates.len()).collect::<Vec<_>>())
            .map(|at| &templates[at])
        {
            None => Owed::Nothing,
            Some(t) => {
                let job = instance_job(t, &format!("i{}", dice.roll(6)));
                owed("job.queue", r.queue_job(op, &job).await, |_| true)
            }
        },
        12 => {
            let asked = r.job(job).await.map(|j| j.cancel_requested).unwrap_or(false);
            owed("job.cancel", r.cancel_job(op, job).await, |_| !asked)
        }
        13 => owed("job.retry", r.retry_job(op, job, &Thresholds::default()).await, |_| {
            true
        }),
        14 => {
            let id = r
                .instances(None)
                .await
                .unwrap()
                .first()
                .map_or(InstanceId(9_999), |i| i.id);
            owed("instance.forget", r.forget_instance(op, id).await, |()| true)
        }
        _ => {
            let why = "not with this role";
            r.audit_refused(op, "server.test", "server:1", "prod-1", why)
                .await
                .unwrap();
            Owed::Refused("server.test", why.to_owned())
        }
    }
}

async fn since(r: &dyn Registry, id: i64) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        after: Some(id),
        limit: 1_000,
        ..AuditFilter::default()
    };
    let mut rows = r.audit(&filter).await.unwrap();
    rows.reverse();
    rows
}

/// States and facts that follow from a job are rows of their own, under its operation.
fn is_consequence(row: &AuditEntry) -> bool {
    matches!(
        row.action.as_str(),
        "instance.state" | "instance.facts" | "instance.remove" | "template.state" | "template.facts"
    )
}

/// What workers and checks do: nobody's operation, but each end of a job has its row.
async fn work(r: &dyn Registry, dice: &mut Dice, last: &mut i64) -> u64 {
    if let Some(server) = r.servers().await.unwrap().first() {
        r.record_check(server.id, &report(now(), None), &HealthRules::default())
            .await
            .unwrap();
        r.claim_due_checks(None, std::time::Duration::from_secs(900), 3)
            .await
            .unwrap();
    }
    let claimed = r
        .claim_job(&me(), &ClaimTerms::lease(super::bench::LONG))
        .await
        .unwrap();
    assert_eq!(
        since(r, *last).await,
        [],
        "a check, a claim and a lease are no operator's doing"
    );
    let Some(claim) = claimed else { return 0 };
    let end = [JobState::Done, JobState::Failed, JobState::Cancelled, JobState::Stuck][dice.roll(4)];
    r.finish_job(claim.job.id, claim.token, end, None, None, &[])
        .await
        .unwrap();
    let rows = since(r, *last).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (
            rows[0].action.as_str(),
            rows[0].object.as_str(),
            rows[0].actor.via.as_str()
        ),
        (
            format!("job.{}", end.word()).as_str(),
            format!("job:{}", claim.job.id).as_str(),
            "worker"
        )
    );
    *last = rows[0].id;
    1
}

async fn every_operation_leaves_one_row(r: &Bench, operations: u32, seed: u64) {
    let mut dice = Dice(seed | 1);
    let other = r.another().await;
    let (mut last, mut rows, mut refused, mut quiet) = (0, 0u64, 0u32, 0u32);
    let mut role = None;
    for n in 0..operations {
        let who = format!("operator{}", dice.roll(4));
        let mut op = op();
        op.actor.os_user = who.clone();
        let connection: &dyn Registry = if dice.roll(2) == 0 { &**r } else { &*other };
        let owed = act(connection, &mut dice, &op).await;
        let found = since(connection, last).await;
        last = found.last().map_or(last, |row| row.id);
        rows += found.len() as u64;
        let context = || format!("operation {n} of seed {seed}: {found:#?}");
        let own: Vec<&AuditEntry> = found.iter().filter(|row| !is_consequence(row)).collect();
        match owed {
            Owed::Nothing => {
                quiet += 1;
                assert!(found.is_empty(), "{}", context());
            }
            Owed::Row(action) => {
                assert_eq!(own.len(), 1, "{}", context());
                assert_eq!(
                    (own[0].action.as_str(), &own[0].refused),
                    (action, &None),
                    "{}",
                    context()
                );
                assert!(own[0].from.is_some() || own[0].to.is_some(), "{}", context());
            }
            Owed::Refused(action, why) => {
                refused += 1;
                assert_eq!(found.len(), 1, "{}", context());
                assert_eq!(found[0].action, action, "{}", context());
                assert_eq!(found[0].refused.as_deref(), Some(why.as_str()), "{}", context());
            }
        }
        for row in &found {
            assert_eq!(
                (&row.op_id, &row.actor, row.at),
                (&op.id, &op.actor, op.at),
                "{}",
                context()
            );
            assert_eq!(
                role.get_or_insert_with(|| row.db_role.clone()),
                &row.db_role,
                "{}",
                context()
            );
        }
        if n % 4 == 0 {
            rows += work(connection, &mut dice, &mut last).await;
        }
    }
    let verdict = r.verify_audit(&[]).await.unwrap();
    assert_eq!(
        (verdict.broken, verdict.rows),
        (None, rows),
        "as many rows as were owed"
    );
    assert!(
        refused > operations / 20 && quiet < operations / 2,
        "{refused} refused, {quiet} changed nothing"
    );
    println!("{operations} operations (seed {seed}): {rows} rows, {refused} refused, {quiet} changed nothing");
}

pub(super) async fn random_operations_leave_one_row_each(r: Bench) {
    every_operation_leaves_one_row(&r, 300, 0x5eed_a0d1).await;
}

/// Ten thousand of them.
pub(super) async fn soak_random_operations_leave_one_row_each(r: Bench) {
    let given = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) * 7_919);
    every_operation_leaves_one_row(&r, 10_000, seed).await;
}
