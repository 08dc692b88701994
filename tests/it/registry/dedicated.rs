//! Dedicated instances: their ports, names and facts.

use super::bench::{Bench, end, op, plain_job, server};
use vigie::domain::dedicated::{
    Build, DedicatedFacts, DedicatedSpec, DnsMethod, Floor, Names, Naming, PortRanges, Ports, Purpose, Removal,
    RootDomain, Series, Source, TlsMethod,
};
use vigie::domain::instance::{InstanceSpec, InstanceState};
use vigie::domain::job::{JobSpec, JobState};
use vigie::domain::{InstanceId, RemotePath, SafeText, SecretRef, ServerId, Subdomain};
use vigie::registry::{Consequence, NewJob, RegistryError};

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn root() -> RootDomain {
    RootDomain::parse("example.org").unwrap()
}

fn build() -> Build {
    Build {
        root: root(),
        source: Source::Folder(path("/opt/odoo")),
        python: "python3".to_owned(),
        modules: Vec::new(),
        ranges: PortRanges::default(),
        listening: [2102].into(),
        sizing: None,
        floor: Floor::default(),
        address: None,
        zone: None,
        certificate: None,
        mail: None,
        acme: None,
        body_mib: 128,
        tracking: None,
    }
}

/// A job that makes `name`, planned for the first ports.
fn made(server: ServerId, name: &str) -> NewJob {
    let names = Names::of(
        Subdomain::parse(name).unwrap(),
        Purpose::Production,
        "16",
        &root(),
        &Naming::default(),
    )
    .unwrap();
    let spec = JobSpec::DedicatedCreate {
        instance_id: InstanceId(0),
        server_id: server,
        database: names.database.clone(),
        build: Box::new(build()),
    };
    let mut job = plain_job(spec);
    job.instance = Some(InstanceSpec {
        name: SafeText::new(name),
        customer_id: None,
        plan_id: None,
        template_id: None,
        server_id: server,
        database_name: names.database.clone(),
        subdomain: names.name.clone(),
        url: format!("https://{}", names.domain),
        admin_login: "admin".to_owned(),
        admin_password: SecretRef::Env("PASSWORD".to_owned()),
        dedicated: Some(Box::new(DedicatedSpec {
            purpose: Purpose::Production,
            folder: path(&format!("/srv/odoo/{}", names.instance)),
            names,
            series: Series(16),
            ports: Ports {
                http: 2100,
                gevent: 8072,
            },
            tls: TlsMethod::None,
            dns: DnsMethod::None,
            facts: DedicatedFacts::default(),
        })),
    });
    job
}

async fn ports(r: &Bench, id: InstanceId) -> Ports {
    r.instance(id).await.unwrap().spec.dedicated().unwrap().ports
}

pub(super) async fn a_dedicated_instance_is_kept_as_it_was_made(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let asked = made(s.id, "acme");
    let job = r.queue_job(&op(), &asked).await.unwrap();
    let id = job.spec.instance_id().unwrap();
    let kept = r.instance(id).await.unwrap();
    assert_eq!(Some(&kept.spec), asked.instance.as_ref());
    assert_eq!(kept.state, InstanceState::Provisioning);
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1, "it takes a place");
    assert_eq!(r.instances(Some(s.id)).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(r.instances_called("prod-acme").await.unwrap(), [kept]);
    let again = r.job(job.id).await.unwrap();
    assert!(matches!(again.spec, JobSpec::DedicatedCreate { build: b, .. } if *b == build()));
    // A job that speaks of another database than its instance has is refused whole.
    let mut other = made(s.id, "other");
    other.instance.as_mut().unwrap().database_name = "another".parse().unwrap();
    assert!(matches!(
        r.queue_job(&op(), &other).await.unwrap_err(),
        RegistryError::Rule(_)
    ));
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1);
}

pub(super) async fn two_operators_at_once_get_different_ports(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let elsewhere = server(&*r, "prod-2", 50).await;
    let names = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let jobs: Vec<NewJob> = names.iter().map(|name| made(s.id, name)).collect();
    let queued = futures_util::future::join_all(jobs.iter().map(|job| {
        let op = op();
        let r = &r;
        async move { r.queue_job(&op, job).await.unwrap() }
    }))
    .await;
    let mut all = std::collections::BTreeSet::new();
    for job in &queued {
        let ports = ports(&r, job.spec.instance_id().unwrap()).await;
        assert!(all.insert(ports.http) && all.insert(ports.gevent), "{ports:?} twice");
    }
    assert!(!all.contains(&2102), "something listens there: {all:?}");
    assert_eq!(all.iter().filter(|port| **port < 3000).count(), 6);
    // Another machine has ports of its own.
    let job = r.queue_job(&op(), &made(elsewhere.id, "b1")).await.unwrap();
    assert_eq!(ports(&r, job.spec.instance_id().unwrap()).await.http, 2100);
}

pub(super) async fn one_name_goes_to_one_of_two_at_once(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let (one, other) = (made(s.id, "acme"), made(s.id, "acme"));
    let (first, second) = (op(), op());
    let (one, other) = tokio::join!(r.queue_job(&first, &one), r.queue_job(&second, &other));
    let refused = match (one, other) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => panic!("{both:?}"),
    };
    assert!(
        matches!(refused, RegistryError::Taken { .. } | RegistryError::Reserved { .. }),
        "{refused:?}"
    );
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1);
    // Its domain is the fleet's, whatever else differs.
    let mut third = made(s.id, "other");
    third
        .instance
        .as_mut()
        .unwrap()
        .dedicated
        .as_mut()
        .unwrap()
        .names
        .domain = "acme.example.org".to_owned();
    let refused = r.queue_job(&op(), &third).await.unwrap_err();
    assert!(
        matches!(&refused, RegistryError::Taken { what: "domain", value } if value == "acme.example.org"),
        "{refused:?}"
    );
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1, "refused whole");
}

pub(super) async fn ports_and_domain_are_free_again_after_a_failure_and_a_removal(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let job = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap();
    let id = job.spec.instance_id().unwrap();
    let failed = Consequence::InstanceState(id, InstanceState::Failed);
    end(&*r, job.id, JobState::Failed, &[failed]).await;
    let job = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap();
    let again = job.spec.instance_id().unwrap();
    assert_eq!(ports(&r, again).await, ports(&r, id).await);
    let active = Consequence::InstanceState(again, InstanceState::Active);
    end(&*r, job.id, JobState::Done, &[active]).await;
    let refused = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Taken { .. }), "{refused:?}");
    let remove = plain_job(JobSpec::DedicatedDelete {
        instance_id: again,
        server_id: s.id,
        database: "prod-acme".parse().unwrap(),
        removal: Box::new(Removal {
            backups: path("/srv/backups"),
            zone: None,
            tracking: None,
        }),
    });
    let job = r.queue_job(&op(), &remove).await.unwrap();
    end(&*r, job.id, JobState::Done, &[Consequence::InstanceRemoved(again)]).await;
    let job = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap();
    assert_eq!(ports(&r, job.spec.instance_id().unwrap()).await.http, 2100);
}

pub(super) async fn a_retry_finds_its_port_taken_and_says_so(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let job = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap();
    let id = job.spec.instance_id().unwrap();
    let failed = Consequence::InstanceState(id, InstanceState::Failed);
    end(&*r, job.id, JobState::Failed, &[failed]).await;
    let other = r.queue_job(&op(), &made(s.id, "other")).await.unwrap();
    assert_eq!(ports(&r, other.spec.instance_id().unwrap()).await.http, 2100);
    let refused = r
        .retry_job(&op(), job.id, &vigie::domain::capacity::Thresholds::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, RegistryError::Taken { what: "port", .. }),
        "{refused:?}"
    );
    assert_eq!(r.instance(id).await.unwrap().state, InstanceState::Failed);
}

pub(super) async fn facts_of_a_dedicated_instance_are_kept(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let job = r.queue_job(&op(), &made(s.id, "acme")).await.unwrap();
    let id = job.spec.instance_id().unwrap();
    let facts = DedicatedFacts {
        mark: Some("vigie job=1 nonce=ab".to_owned()),
        dns_record: Some("r1".to_owned()),
        certificate_end: Some("2027-01-02T03:04:05Z".parse().unwrap()),
    };
    let known = Consequence::DedicatedFacts(id, facts.clone());
    let active = Consequence::InstanceState(id, InstanceState::Active);
    // What isn't known now stays as it was.
    let nothing = Consequence::DedicatedFacts(id, DedicatedFacts::default());
    end(&*r, job.id, JobState::Done, &[known, nothing, active]).await;
    assert_eq!(r.instance(id).await.unwrap().spec.dedicated().unwrap().facts, facts);
}
