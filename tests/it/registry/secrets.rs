//! Where secrets are used, and sealing them anew.

use super::bench::{Bench, change, claim, instance, op, plain_job, server, server_spec, template};
use pretty_assertions::assert_eq;
use serde_json::json;
use std::collections::BTreeSet;
use vigie::domain::SecretRef;
use vigie::domain::audit::AuditFilter;
use vigie::domain::job::{JobSpec, JobState, StepState};
use vigie::domain::template::TemplateFacts;
use vigie::registry::{Consequence, Registry, RegistryError, Resealed, SecretUse, StepChange};

fn sealed(key: &str, blob: &str) -> SecretRef {
    SecretRef::parse(&format!("sealed:{key}:{blob}")).unwrap()
}

/// A fleet with a sealed value in every place that can hold one.
async fn fleet(r: &dyn Registry) {
    let mut spec = server_spec("prod-1", 9);
    spec.db_password = Some(sealed("k1", "AAAA"));
    spec.master_password = Some(sealed("k1", "BBBB"));
    let added = r.add_server(&op(), &spec).await.unwrap();
    let event = vigie::domain::server::ServerEvent::Activate { connection: Ok(()) };
    r.transition_server(&op(), added.id, added.version, &event)
        .await
        .unwrap();
    let t = template(r, "restaurant", added.id).await;
    let facts = TemplateFacts {
        admin_password: Some(sealed("k2", "CCCC")),
        ..t.facts.clone()
    };
    let job = r
        .queue_job(
            &op(),
            &plain_job(JobSpec::TemplateAdopt {
                template_id: t.id,
                server_id: added.id,
            }),
        )
        .await
        .unwrap();
    let claimed = claim(r).await;
    let step = StepChange {
        data: Some(json!({"login": "admin", "password": "sealed:k2:DDDD", "list": ["sealed:k1:EEEE"]})),
        ..change(0, StepState::Intended, JobState::Running)
    };
    r.record_step(job.id, claimed.token, &step).await.unwrap();
    let follow = [Consequence::TemplateFacts(t.id, facts)];
    r.finish_job(job.id, claimed.token, JobState::Done, None, None, &follow)
        .await
        .unwrap();
    instance(r, &t, "client-abc").await;
    server(r, "prod-2", 3).await;
}

fn places(uses: &[SecretUse]) -> BTreeSet<String> {
    uses.iter()
        .map(|u| format!("{} {} {} {}", u.table, u.label, u.field, u.reference.shown()))
        .collect()
}

async fn sealed_uses(r: &dyn Registry) -> Vec<SecretUse> {
    let uses = r.secret_uses().await.unwrap();
    uses.into_iter().filter(|u| u.reference.key_id().is_some()).collect()
}

fn anew(uses: &[SecretUse], key: &str) -> Vec<Resealed> {
    let numbered = uses.iter().enumerate();
    numbered
        .map(|(n, of)| Resealed {
            of: of.clone(),
            sealed: sealed(key, &format!("NEW{n}")),
        })
        .collect()
}

pub(super) async fn every_place_of_a_secret_is_listed(r: Bench) {
    fleet(&*r).await;
    let uses = r.secret_uses().await.unwrap();
    let found = places(&uses);
    for wanted in [
        "saas_server prod-1 db_password sealed (k1)",
        "saas_server prod-1 master_password sealed (k1)",
        "saas_server prod-2 db_password env:DB_PASSWORD",
        "saas_template restaurant admin_password sealed (k2)",
        "saas_instance client-abc admin_password env:ADMIN_PASSWORD",
        "saas_job_step first data/password sealed (k2)",
        "saas_job_step first data/list/0 sealed (k1)",
    ] {
        assert!(found.contains(wanted), "{wanted} is not in {found:#?}");
    }
    assert_eq!(found.len(), uses.len());
    assert_eq!(sealed_uses(&*r).await.len(), 5);
    assert!(!format!("{uses:?}").contains("DDDD"), "never what is sealed");
}

pub(super) async fn all_values_are_sealed_anew_at_once_and_the_audit_names_keys_alone(r: Bench) {
    fleet(&*r).await;
    let before = sealed_uses(&*r).await;
    let server = r.server_by_code(&super::bench::code("prod-1")).await.unwrap();
    let rotation = op();
    assert_eq!(r.reseal(&rotation, &anew(&before, "k3")).await, Ok(5));
    let after = sealed_uses(&*r).await;
    assert_eq!(after.len(), 5);
    for (n, (old, new)) in before.iter().zip(&after).enumerate() {
        assert_eq!(
            (old.table, old.id, old.step, &old.field),
            (new.table, new.id, new.step, &new.field)
        );
        assert_eq!(new.reference, sealed("k3", &format!("NEW{n}")));
    }
    // The same operation again is recognised.
    assert_eq!(r.reseal(&rotation, &anew(&before, "k3")).await, Ok(5));
    let audit = r.audit(&AuditFilter::default()).await.unwrap();
    let rows: Vec<_> = audit.iter().filter(|row| row.action == "secrets.rotate").collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].from, Some(json!({"sealed_by": {"k1": 3, "k2": 2}})));
    assert_eq!(rows[0].to, Some(json!({"sealed_by": {"k3": 5}})));
    let text = format!("{rows:?}");
    assert!(!text.contains("AAAA") && !text.contains("NEW0"), "{text}");
    // Who read the old value can't write it back.
    let stale = r.edit_server(&op(), server.id, server.version, &server.spec).await;
    assert!(matches!(stale, Err(RegistryError::Changed { .. })), "{stale:?}");
}

pub(super) async fn sealing_anew_is_refused_whole_when_anything_sealed_changed(r: Bench) {
    fleet(&*r).await;
    let read = sealed_uses(&*r).await;
    // One more value.
    let mut spec = server_spec("prod-3", 3);
    spec.master_password = Some(sealed("k1", "FFFF"));
    let third = r.add_server(&op(), &spec).await.unwrap();
    let refused = r.reseal(&op(), &anew(&read, "k3")).await;
    assert!(matches!(refused, Err(RegistryError::Changed { .. })), "{refused:?}");
    // One that is another now.
    let read = sealed_uses(&*r).await;
    spec.master_password = Some(sealed("k1", "GGGG"));
    r.edit_server(&op(), third.id, third.version, &spec).await.unwrap();
    let refused = r.reseal(&op(), &anew(&read, "k3")).await;
    assert!(refused.unwrap_err().to_string().contains("prod-3"));
    // One that is gone, or was left out.
    let read = sealed_uses(&*r).await;
    let refused = r.reseal(&op(), &anew(&read[1..], "k3")).await;
    assert!(matches!(refused, Err(RegistryError::Changed { .. })), "{refused:?}");
    let left = sealed_uses(&*r).await;
    assert_eq!(left, read, "nothing was sealed anew");
    assert_eq!(r.reseal(&op(), &anew(&left, "k3")).await, Ok(6));
}
