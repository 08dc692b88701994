//! Who did what: one row for every mutation and every refusal, in the mutation's own transaction; and
//! operations that are applied once, however often they are sent.

use super::bench::{
    Bench, end, instance, instance_job, op, server, server_spec, template, template_spec, the_instance,
};

use pretty_assertions::assert_eq;
use vigie::domain::audit::AuditFilter;
use vigie::domain::capacity::Thresholds;
use vigie::domain::instance::{InstanceState, Plan};
use vigie::domain::job::JobState;
use vigie::domain::server::ServerEvent;
use vigie::domain::{PlanId, SafeText, SecretRef};
use vigie::registry::{Consequence, JobFilter, Op};

async fn actions(r: &Bench) -> Vec<String> {
    let mut rows = r.audit(&AuditFilter::newest(10_000)).await.unwrap();
    rows.reverse();
    rows.into_iter().map(|row| row.action).collect()
}

pub(super) async fn every_mutation_leaves_a_row(r: Bench) {
    let mut expected = Vec::new();
    let o = op();
    let s = r.add_server(&o, &server_spec("prod-1", 50)).await.unwrap();
    expected.push("server.add");
    let row = &r.audit(&AuditFilter::newest(1)).await.unwrap()[0];
    assert_eq!((&row.op_id, &row.actor, row.at), (&o.id, &o.actor, o.at));
    assert_eq!(
        (row.object.as_str(), row.label.as_str()),
        (format!("server:{}", s.id).as_str(), "prod-1")
    );
    let s = r
        .edit_server(&op(), s.id, s.version, &server_spec("prod-1", 40))
        .await
        .unwrap();
    expected.push("server.edit");
    let row = &r.audit(&AuditFilter::newest(1)).await.unwrap()[0];
    assert_eq!(
        row.from,
        Some(serde_json::json!({"max_instances": 50})),
        "only what changed"
    );
    assert_eq!(row.to, Some(serde_json::json!({"max_instances": 40})));
    for (event, action) in [
        (ServerEvent::Activate { connection: Ok(()) }, "server.activate"),
        (ServerEvent::Maintain, "server.maintenance"),
        (ServerEvent::Deactivate, "server.deactivate"),
        (ServerEvent::Activate { connection: Ok(()) }, "server.activate"),
    ] {
        let version = r.server(s.id).await.unwrap().version;
        r.transition_server(&op(), s.id, version, &event).await.unwrap();
        expected.push(action);
        // As it is already: no change, no row.
        r.transition_server(&op(), s.id, version + 1, &event).await.unwrap();
    }
    let row = &r.audit(&AuditFilter::newest(1)).await.unwrap()[0];
    assert_eq!(
        (&row.from, &row.to),
        (
            &Some(serde_json::json!({"intent": "disabled"})),
            &Some(serde_json::json!({"intent": "active"}))
        )
    );
    let plan = Plan {
        id: PlanId(0),
        code: "pro".to_owned(),
        name: SafeText::new("Pro"),
        max_users: None,
        max_storage_gb: None,
    };
    r.add_plan(&op(), &plan).await.unwrap();
    r.customer_named(&op(), &SafeText::new("ABC")).await.unwrap();
    r.customer_named(&op(), &SafeText::new("ABC")).await.unwrap();
    let t = template(&*r, "restaurant", s.id).await;
    expected.extend([
        "plan.add",
        "customer.add",
        "template.add",
        "job.queue",
        "template.state",
        "job.done",
    ]);
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    r.cancel_job(&op(), job.id).await.unwrap();
    r.retry_job(&op(), job.id, &Thresholds::default()).await.unwrap();
    expected.extend([
        "job.queue",
        "instance.state",
        "job.cancel",
        "instance.state",
        "job.retry",
    ]);
    let failed = Consequence::InstanceState(the_instance(&job), InstanceState::Failed);
    end(&*r, job.id, JobState::Failed, &[failed]).await;
    r.forget_instance(&op(), the_instance(&job)).await.unwrap();
    let version = r.template(t.id).await.unwrap().version;
    r.remove_template(&op(), t.id, version).await.unwrap();
    let version = r.server(s.id).await.unwrap().version;
    r.transition_server(&op(), s.id, version, &ServerEvent::Delete)
        .await
        .unwrap();
    expected.extend([
        "instance.state",
        "job.failed",
        "instance.forget",
        "template.remove",
        "server.delete",
    ]);
    assert_eq!(actions(&r).await, expected);
    let by_worker: Vec<_> = r
        .audit(&AuditFilter::newest(100))
        .await
        .unwrap()
        .into_iter()
        .filter(|row| row.action == "job.failed")
        .collect();
    assert_eq!(
        (by_worker[0].actor.via.as_str(), by_worker[0].actor.os_user.as_str()),
        ("worker", "marie")
    );
    assert!(
        r.audit(&AuditFilter::newest(100))
            .await
            .unwrap()
            .iter()
            .all(|row| row.refused.is_none())
    );
}

pub(super) async fn every_refusal_leaves_a_row(r: Bench) {
    let s = server(&*r, "prod-1", 1).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "acme").await;
    let done = r.jobs(&JobFilter::default()).await.unwrap()[0].id;
    let before = r.audit(&AuditFilter::newest(1_000)).await.unwrap().len();
    let mut said = Vec::new();
    said.push(r.add_server(&op(), &server_spec("prod-1", 5)).await.unwrap_err());
    said.push(
        r.edit_server(&op(), s.id, 99, &server_spec("prod-1", 5))
            .await
            .unwrap_err(),
    );
    let down = ServerEvent::Activate {
        connection: Err("no answer".to_owned()),
    };
    said.push(r.transition_server(&op(), s.id, s.version, &down).await.unwrap_err());
    said.push(
        r.transition_server(&op(), s.id, s.version, &ServerEvent::Deactivate)
            .await
            .unwrap_err(),
    );
    said.push(
        r.transition_server(&op(), s.id, s.version, &ServerEvent::Delete)
            .await
            .unwrap_err(),
    );
    said.push(
        r.add_template(&op(), &template_spec("restaurant", s.id))
            .await
            .unwrap_err(),
    );
    let version = r.template(t.id).await.unwrap().version;
    said.push(r.remove_template(&op(), t.id, version).await.unwrap_err());
    said.push(r.queue_job(&op(), &instance_job(&t, "bistro")).await.unwrap_err());
    said.push(r.cancel_job(&op(), done).await.unwrap_err());
    said.push(r.retry_job(&op(), done, &Thresholds::default()).await.unwrap_err());
    said.push(r.forget_instance(&op(), i.id).await.unwrap_err());
    let o = op();
    r.audit_refused(&o, "server.test", "server:1", "prod-1", "may not")
        .await
        .unwrap();
    let mut rows = r.audit(&AuditFilter::newest(1_000)).await.unwrap();
    assert_eq!(rows.len(), before + said.len() + 1);
    assert_eq!(
        (rows[0].action.as_str(), rows[0].refused.as_deref(), &rows[0].op_id),
        ("server.test", Some("may not"), &o.id)
    );
    rows.truncate(said.len() + 1);
    rows.reverse();
    for (row, why) in rows.iter().zip(&said) {
        assert_eq!(row.refused.as_deref(), Some(why.to_string().as_str()));
        assert_eq!((&row.from, &row.to), (&None, &None));
    }
    assert_eq!(rows[3].object, format!("server:{}", s.id));
    assert_eq!(rows[3].label, "prod-1");
}

pub(super) async fn what_is_done_beside_the_registry_is_noted(r: Bench) {
    let o = Op {
        reason: Some("disk full".to_owned()),
        ..op()
    };
    let what = serde_json::json!({ "server": "prod-1" });
    r.audit_noted(&o, "server.shell", "server:1", "prod-1", what)
        .await
        .unwrap();
    let rows = r.audit(&AuditFilter::newest(1)).await.unwrap();
    let row = &rows[0];
    assert_eq!((row.action.as_str(), row.object.as_str()), ("server.shell", "server:1"));
    assert_eq!((row.label.as_str(), &row.op_id, &row.refused), ("prod-1", &o.id, &None));
    let to = row.to.clone().unwrap();
    assert_eq!(to["server"], "prod-1");
    assert!(to.to_string().contains("disk full"), "{to}");
}

pub(super) async fn no_secret_is_in_the_audit(r: Bench) {
    let mut spec = server_spec("prod-1", 50);
    spec.db_password = Some(SecretRef::parse("sealed:k1:Q0FOQVJZLUFBQUE=").unwrap());
    spec.master_password = Some(SecretRef::parse("env:MASTER").unwrap());
    let s = r.add_server(&op(), &spec).await.unwrap();
    let added = r.audit(&AuditFilter::newest(1)).await.unwrap()[0].to.clone().unwrap();
    assert_eq!(
        (&added["db_password"], &added["master_password"]),
        (&"sealed (k1)".into(), &"env:MASTER".into())
    );
    spec.db_password = Some(SecretRef::parse("sealed:k2:Q0FOQVJZLUJCQkI=").unwrap());
    r.edit_server(&op(), s.id, s.version, &spec).await.unwrap();
    let edited = r.audit(&AuditFilter::newest(1)).await.unwrap()[0].clone();
    assert_eq!(edited.from.unwrap()["db_password"], "sealed (k1)");
    assert_eq!(edited.to.unwrap()["db_password"], "sealed (k2)");
    let s = r.server(s.id).await.unwrap();
    let active = r
        .transition_server(&op(), s.id, s.version, &ServerEvent::Activate { connection: Ok(()) })
        .await;
    active.unwrap();
    let t = template(&*r, "restaurant", s.id).await;
    let mut job = instance_job(&t, "acme");
    job.instance.as_mut().unwrap().admin_password = SecretRef::parse("sealed:k1:Q0FOQVJZLUNDQ0M=").unwrap();
    let job = r.queue_job(&op(), &job).await.unwrap();
    let facts = vigie::domain::template::TemplateFacts {
        admin_password: Some(SecretRef::parse("sealed:k1:Q0FOQVJZLUREREQ=").unwrap()),
        ..Default::default()
    };
    end(&*r, job.id, JobState::Done, &[Consequence::TemplateFacts(t.id, facts)]).await;
    let all = serde_json::to_string(&r.audit(&AuditFilter::newest(1_000)).await.unwrap()).unwrap();
    assert!(!all.contains("Q0FOQVJZ"), "a sealed value is in the audit: {all}");
    assert!(!format!("{:?}", r.server(s.id).await.unwrap()).contains("Q0FOQVJZ"));
}

pub(super) async fn a_retried_operation_is_applied_once(r: Bench) {
    let o = op();
    let first = r.add_server(&o, &server_spec("prod-1", 50)).await.unwrap();
    assert_eq!(
        r.another()
            .await
            .add_server(&o, &server_spec("prod-1", 50))
            .await
            .unwrap(),
        first
    );
    let o = op();
    let edited = r
        .edit_server(&o, first.id, 1, &server_spec("prod-1", 40))
        .await
        .unwrap();
    assert_eq!(
        r.edit_server(&o, first.id, 1, &server_spec("prod-1", 40))
            .await
            .unwrap(),
        edited
    );
    let o = op();
    let event = ServerEvent::Activate { connection: Ok(()) };
    let active = r.transition_server(&o, first.id, 2, &event).await.unwrap();
    assert_eq!(r.transition_server(&o, first.id, 2, &event).await.unwrap(), active);
    let t = template(&*r, "restaurant", first.id).await;
    let o = op();
    let job = r.queue_job(&o, &instance_job(&t, "acme")).await.unwrap();
    assert_eq!(
        r.another()
            .await
            .queue_job(&o, &instance_job(&t, "acme"))
            .await
            .unwrap(),
        job
    );
    assert_eq!(r.instances(None).await.unwrap().len(), 1);
    assert_eq!(r.server(first.id).await.unwrap().instance_count, 1);
    let o = op();
    let cancelled = r.cancel_job(&o, job.id).await.unwrap();
    assert_eq!(r.cancel_job(&o, job.id).await.unwrap(), cancelled);
    let o = op();
    let again = r.retry_job(&o, job.id, &Thresholds::default()).await.unwrap();
    assert_eq!(r.retry_job(&o, job.id, &Thresholds::default()).await.unwrap(), again);
    r.cancel_job(&op(), job.id).await.unwrap();
    let o = op();
    r.forget_instance(&o, the_instance(&job)).await.unwrap();
    r.forget_instance(&o, the_instance(&job)).await.unwrap();
    let o = op();
    let version = r.template(t.id).await.unwrap().version;
    r.remove_template(&o, t.id, version).await.unwrap();
    r.remove_template(&o, t.id, version).await.unwrap();
    let o = op();
    let delete = ServerEvent::Delete;
    assert_eq!(r.transition_server(&o, first.id, 3, &delete).await.unwrap(), None);
    assert_eq!(r.transition_server(&o, first.id, 3, &delete).await.unwrap(), None);
    let rows = r.audit(&AuditFilter::newest(1_000)).await.unwrap();
    assert!(rows.iter().all(|row| row.refused.is_none()));
    assert_eq!(
        rows.iter().filter(|row| row.action == "job.queue").count(),
        2,
        "the template's and the instance's"
    );
    // A refused one is no outcome to repeat: it is tried again.
    let o = op();
    let s = r.add_server(&op(), &server_spec("prod-1", 50)).await.unwrap();
    r.add_server(&o, &server_spec("prod-1", 50)).await.unwrap_err();
    r.transition_server(&op(), s.id, s.version, &delete).await.unwrap();
    r.add_server(&o, &server_spec("prod-1", 50)).await.unwrap();
    assert_eq!(
        r.claim_job("w:1:1", &vigie::registry::ClaimTerms::lease(std::time::Duration::ZERO))
            .await
            .unwrap(),
        None
    );
}

pub(super) async fn one_operation_may_do_several_things(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let o = op();
    let customer = r.customer_named(&o, &SafeText::new("ABC")).await.unwrap();
    let mut job = instance_job(&t, "acme");
    job.instance.as_mut().unwrap().customer_id = Some(customer);
    r.queue_job(&o, &job).await.unwrap();
    r.queue_job(&o, &instance_job(&t, "bistro")).await.unwrap();
    assert_eq!(r.instances(None).await.unwrap().len(), 2);
    let rows: Vec<_> = r
        .audit(&AuditFilter::newest(1_000))
        .await
        .unwrap()
        .into_iter()
        .filter(|row| row.op_id == o.id)
        .collect();
    assert_eq!(rows.len(), 3);
}
