//! What must be unique, what must be there, and what may not go while it is used.

use super::bench::{Bench, end, instance, instance_job, op, server, server_spec, template, template_spec};
use pretty_assertions::assert_eq;
use vigie::domain::instance::{InstanceState, Plan};
use vigie::domain::job::{JobSpec, JobState};
use vigie::domain::template::TemplateState;
use vigie::domain::{InstanceId, JobId, PlanId, SafeText, ServerId, TemplateId};
use vigie::registry::{Consequence, JobFilter, RegistryError};

fn taken(e: &RegistryError) -> (&str, &str) {
    match e {
        RegistryError::Taken { what, value } => (what, value),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn codes_and_addresses_are_unique(r: Bench) {
    r.add_server(&op(), &server_spec("prod-1", 50)).await.unwrap();
    let mut spec = server_spec("prod-1", 50);
    spec.server_url = "https://other.example.org".parse().unwrap();
    assert_eq!(
        taken(&r.add_server(&op(), &spec).await.unwrap_err()),
        ("server code", "prod-1")
    );
    let mut spec = server_spec("prod-2", 50);
    spec.server_url = "HTTPS://PROD-1.example.org:443/".parse().unwrap();
    let refused = r.add_server(&op(), &spec).await.unwrap_err();
    assert_eq!(taken(&refused), ("server URL", "https://prod-1.example.org"));
    let second = r.add_server(&op(), &server_spec("prod-2", 50)).await.unwrap();
    let refused = r
        .edit_server(&op(), second.id, 1, &server_spec("prod-1", 50))
        .await
        .unwrap_err();
    assert!(matches!(refused, RegistryError::Taken { .. }));
    assert_eq!(r.server(second.id).await.unwrap(), second);
}

pub(super) async fn bad_specs_are_refused(r: Bench) {
    let refused = r.add_server(&op(), &server_spec("prod-1", 0)).await.unwrap_err();
    assert_eq!(refused.to_string(), "max_instances must be over 0");
    let mut spec = server_spec("prod-1", 5);
    spec.name = SafeText::new(" ");
    assert_eq!(
        r.add_server(&op(), &spec).await.unwrap_err().to_string(),
        "the name is empty"
    );
    let s = r.add_server(&op(), &server_spec("prod-1", 5)).await.unwrap();
    let refused = r
        .edit_server(&op(), s.id, 1, &server_spec("prod-1", 0))
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "max_instances must be over 0");
    let mut spec = template_spec("restaurant", s.id);
    spec.name = SafeText::new("");
    assert!(r.add_template(&op(), &spec).await.is_err());
    assert!(r.customer_named(&op(), &SafeText::new(" ")).await.is_err());
    assert_eq!(r.servers().await.unwrap(), [s]);
}

pub(super) async fn a_template_is_kept_and_its_names_are_unique(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let other = server(&*r, "prod-2", 50).await;
    let spec = template_spec("restaurant", s.id);
    let t = r.add_template(&op(), &spec).await.unwrap();
    assert_eq!(
        (&t.spec, t.state, t.version, t.instance_count),
        (&spec, TemplateState::Draft, 1, 0)
    );
    assert_eq!(r.another().await.template(t.id).await.unwrap(), t);
    assert_eq!(r.template_by_code(&spec.code).await.unwrap(), t);
    let refused = r
        .add_template(&op(), &template_spec("restaurant", other.id))
        .await
        .unwrap_err();
    assert_eq!(taken(&refused), ("template code", "restaurant"));
    let mut same_database = template_spec("shop", s.id);
    same_database.template_database = spec.template_database.clone();
    let refused = r.add_template(&op(), &same_database).await.unwrap_err();
    assert_eq!(taken(&refused), ("database name", "template_restaurant"));
    same_database.server_id = other.id;
    r.add_template(&op(), &same_database)
        .await
        .expect("another server's databases are others");
    let refused = r
        .add_template(&op(), &template_spec("bar", ServerId(99)))
        .await
        .unwrap_err();
    assert!(matches!(refused, RegistryError::NotFound { what: "server", .. }));
    let codes: Vec<String> = r
        .templates()
        .await
        .unwrap()
        .iter()
        .map(|t| t.spec.code.to_string())
        .collect();
    assert_eq!(codes, ["restaurant", "shop"]);
}

pub(super) async fn a_template_in_use_is_not_removed(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "acme").await;
    let t = r.template(t.id).await.unwrap();
    assert_eq!(t.instance_count, 1);
    let refused = r.remove_template(&op(), t.id, t.version).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Cannot remove template while instances made from it are there (1)"
    );
    let refused = r.remove_template(&op(), t.id, t.version - 1).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Changed { .. }), "{refused:?}");
    let spec = JobSpec::InstanceDelete {
        instance_id: i.id,
        server_id: s.id,
        database: i.spec.database_name.clone(),
    };
    let job = r.queue_job(&op(), &super::bench::plain_job(spec)).await.unwrap();
    end(&*r, job.id, JobState::Done, &[Consequence::InstanceRemoved(i.id)]).await;
    let job = r.queue_job(&op(), &super::bench::thaw_job(t.id, s.id)).await.unwrap();
    let refused = r.remove_template(&op(), t.id, t.version).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Reserved { job: holder, .. } if holder == job.id),
        "{refused:?}"
    );
    end(&*r, job.id, JobState::Failed, &[]).await;
    r.remove_template(&op(), t.id, t.version).await.unwrap();
    assert_eq!(r.templates().await.unwrap(), []);
}

pub(super) async fn a_database_is_either_a_template_or_an_instance(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    instance(&*r, &t, "acme").await;
    let mut spec = template_spec("thief", s.id);
    spec.template_database = "acme".parse().unwrap();
    assert_eq!(
        taken(&r.add_template(&op(), &spec).await.unwrap_err()),
        ("database name", "acme")
    );
    let mut job = instance_job(&t, "other");
    let name = t.spec.template_database.clone();
    job.instance.as_mut().unwrap().database_name = name.clone();
    job.spec = JobSpec::InstanceCreate {
        instance_id: InstanceId(0),
        template_id: t.id,
        server_id: s.id,
        database: name,
    };
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    assert_eq!(taken(&refused), ("database name", "template_restaurant"));
}

pub(super) async fn plans_and_customers_are_kept_once(r: Bench) {
    let plan = Plan {
        id: PlanId(77),
        code: "pro".to_owned(),
        name: SafeText::new("Pro"),
        max_users: Some(20),
        max_storage_gb: None,
    };
    let kept = r.add_plan(&op(), &plan).await.unwrap();
    assert_eq!(
        Plan {
            id: kept.id,
            ..plan.clone()
        },
        kept
    );
    assert_eq!(
        taken(&r.add_plan(&op(), &plan).await.unwrap_err()),
        ("plan code", "pro")
    );
    assert_eq!(r.plans().await.unwrap(), [kept]);
    let name = SafeText::new("ABC SARL");
    let first = r.customer_named(&op(), &name).await.unwrap();
    assert_eq!(r.another().await.customer_named(&op(), &name).await.unwrap(), first);
    r.customer_named(&op(), &SafeText::new("AAA")).await.unwrap();
    let names: Vec<String> = r
        .customers()
        .await
        .unwrap()
        .iter()
        .map(|c| c.name.to_string())
        .collect();
    assert_eq!(names, ["AAA", "ABC SARL"]);
}

pub(super) async fn names_of_instances_are_unique_where_they_must_be(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let other = server(&*r, "prod-2", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let u = template(&*r, "shop", other.id).await;
    instance(&*r, &t, "acme").await;
    let refused = r.queue_job(&op(), &instance_job(&u, "acme")).await.unwrap_err();
    assert_eq!(taken(&refused), ("subdomain", "acme"), "one label in the whole fleet");
    let with_database = |t, name: &str, database: &str| {
        let mut job = instance_job(t, name);
        job.instance.as_mut().unwrap().database_name = database.parse().unwrap();
        if let JobSpec::InstanceCreate { database: d, .. } = &mut job.spec {
            *d = database.parse().unwrap();
        }
        job
    };
    let refused = r
        .queue_job(&op(), &with_database(&t, "other", "acme"))
        .await
        .unwrap_err();
    assert_eq!(taken(&refused), ("database name", "acme"), "one database on a server");
    r.queue_job(&op(), &with_database(&u, "other", "acme"))
        .await
        .expect("another server's databases are others");
}

pub(super) async fn a_failed_instance_gives_its_names_and_place_back(r: Bench) {
    let s = server(&*r, "prod-1", 1).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let id = super::bench::the_instance(&job);
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1);
    let follow = [Consequence::InstanceState(id, InstanceState::Failed)];
    end(&*r, job.id, JobState::Failed, &follow).await;
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 0);
    assert_eq!(r.template(t.id).await.unwrap().instance_count, 0);
    let second = instance(&*r, &t, "acme").await;
    let called = r.instances_called("acme").await.unwrap();
    assert_eq!(
        called.iter().map(|i| (i.id, i.state)).collect::<Vec<_>>(),
        [(id, InstanceState::Failed), (second.id, InstanceState::Active)]
    );
}

pub(super) async fn instances_are_found_by_their_words(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let mut job = instance_job(&t, "client-abc");
    job.instance.as_mut().unwrap().name = SafeText::new("Client ABC");
    r.queue_job(&op(), &job).await.unwrap();
    r.queue_job(&op(), &instance_job(&t, "bistro")).await.unwrap();
    for word in ["client-abc", "client_abc", "Client ABC"] {
        let found = r.instances_called(word).await.unwrap();
        assert_eq!(found.len(), 1, "{word}");
        assert_eq!(found[0], r.instance(found[0].id).await.unwrap());
    }
    assert_eq!(r.instances_called("Client").await.unwrap(), []);
    assert_eq!(r.instances_called("%").await.unwrap(), []);
    let names: Vec<String> = r
        .instances(None)
        .await
        .unwrap()
        .iter()
        .map(|i| i.spec.name.to_string())
        .collect();
    assert_eq!(names, ["Client ABC", "bistro"]);
    assert_eq!(r.instances(Some(s.id)).await.unwrap(), r.instances(None).await.unwrap());
    assert_eq!(r.instances(Some(ServerId(99))).await.unwrap(), []);
}

pub(super) async fn all_instances_come_in_parts_each_once(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    assert_eq!(r.instances_after(InstanceId(i64::MIN), 3).await.unwrap(), []);
    for n in 0..7 {
        r.queue_job(&op(), &instance_job(&t, &format!("client-{}", 7 - n)))
            .await
            .unwrap();
    }
    let mut all = r.instances(None).await.unwrap();
    all.sort_by_key(|instance| instance.id);
    let (mut found, mut after) = (Vec::new(), InstanceId(i64::MIN));
    loop {
        let part = r.instances_after(after, 3).await.unwrap();
        let Some(last) = part.last() else { break };
        assert!(part.len() <= 3);
        after = last.id;
        found.extend(part);
    }
    assert_eq!(found, all);
}

pub(super) async fn only_failed_instances_and_drafts_are_forgotten(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let id = super::bench::the_instance(&job);
    let refused = r.forget_instance(&op(), id).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Reserved { job: holder, .. } if holder == job.id),
        "{refused:?}"
    );
    end(
        &*r,
        job.id,
        JobState::Done,
        &[Consequence::InstanceState(id, InstanceState::Active)],
    )
    .await;
    let refused = r.forget_instance(&op(), id).await.unwrap_err();
    assert!(refused.to_string().contains("is active"), "{refused}");
    let job = r.queue_job(&op(), &instance_job(&t, "bistro")).await.unwrap();
    let failed = super::bench::the_instance(&job);
    end(
        &*r,
        job.id,
        JobState::Failed,
        &[Consequence::InstanceState(failed, InstanceState::Failed)],
    )
    .await;
    r.forget_instance(&op(), failed).await.unwrap();
    assert!(matches!(r.instance(failed).await, Err(RegistryError::NotFound { .. })));
    assert!(matches!(
        r.forget_instance(&op(), failed).await,
        Err(RegistryError::NotFound { .. })
    ));
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1);
    assert_eq!(
        r.jobs(&JobFilter {
            instance: Some(failed),
            ..JobFilter::default()
        })
        .await
        .unwrap()
        .len(),
        1
    );
}

pub(super) async fn what_is_not_there_is_said_so(r: Bench) {
    fn missing<T: std::fmt::Debug>(answer: Result<T, RegistryError>, said: &str) {
        assert_eq!(answer.unwrap_err().to_string(), said);
    }
    missing(r.server(ServerId(9)).await, "there is no server \"9\"");
    missing(
        r.server_by_code(&super::bench::code("none")).await,
        "there is no server \"none\"",
    );
    missing(r.template(TemplateId(9)).await, "there is no template \"9\"");
    missing(
        r.template_by_code(&super::bench::code("none")).await,
        "there is no template \"none\"",
    );
    missing(r.instance(InstanceId(9)).await, "there is no instance \"9\"");
    missing(r.job(JobId(9)).await, "there is no job \"9\"");
    missing(r.log_end(JobId(9)).await, "there is no job \"9\"");
    missing(r.cancel_job(&op(), JobId(9)).await, "there is no job \"9\"");
    missing(
        r.append_log(JobId(9), &[super::bench::line("x")]).await,
        "there is no job \"9\"",
    );
    missing(
        r.forget_instance(&op(), InstanceId(9)).await,
        "there is no instance \"9\"",
    );
    missing(
        r.remove_template(&op(), TemplateId(9), 1).await,
        "there is no template \"9\"",
    );
    let rules = vigie::domain::health::HealthRules::default();
    let check = super::bench::report(super::bench::now(), None);
    missing(
        r.record_check(ServerId(9), &check, &rules).await,
        "there is no server \"9\"",
    );
}
