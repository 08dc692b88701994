//! Against a real Odoo, where one is given: `VIGIE_ODOO_URL`, `VIGIE_ODOO_MASTER`, `VIGIE_ODOO_PG`
//! (`host:port:user:password`) and `VIGIE_ODOO_DATA_DIR` (on this machine), then
//! `cargo test --test real odoo:: -- --ignored`.

use crate::databases::spec;
use std::time::{Duration, Instant};
use vigie::domain::job::Mark;
use vigie::domain::server::ServerSpec;
use vigie::domain::{DbName, HostName, JobId, RemotePath, SafeText, Secret, SecretRef, passlib};
use vigie::remote::host::{Filestore, StoreClone};
use vigie::remote::odoo::{CreateDatabase, DbServerStatus, FaultKind, Login};
use vigie::remote::postgres::{Dropped, Given, Identity, temp_name};
use vigie::remote::probe::{CheckSettings, check_server};
use vigie::remote::secrets::Keyring;
use vigie::remote::{Limits, Remote, RemoteError};

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}: see the top of this file"))
}

fn real() -> (Remote, ServerSpec) {
    let mut spec = spec(&given("VIGIE_ODOO_URL"));
    let folder = std::env::temp_dir().join(format!("vigie-real-odoo-{}", std::process::id()));
    let remote = Remote::new(Keyring::new(folder), Limits::default(), None).unwrap();
    let sealed = |text: &str| remote.keyring().seal(&Secret::new(text.to_owned())).unwrap();
    let pg = given("VIGIE_ODOO_PG");
    let parts: Vec<_> = pg.splitn(4, ':').collect();
    spec.db_host = Some(HostName::parse(parts[0]).unwrap());
    spec.db_port = parts[1].parse().unwrap();
    spec.db_user = Some(parts[2].to_owned());
    spec.db_password = Some(sealed(parts[3]));
    spec.master_password = Some(SecretRef::Env("VIGIE_ODOO_MASTER".to_owned()));
    spec.data_dir = Some(RemotePath::parse(&given("VIGIE_ODOO_DATA_DIR")).unwrap());
    (remote, spec)
}

#[tokio::test]
#[ignore = "needs a real Odoo: see the top of this file"]
async fn a_real_odoo_is_cloned_from_and_lets_the_new_administrator_in() {
    let (remote, spec) = real();
    let odoo = remote.odoo(&spec);
    let pid = std::process::id();
    let [template, instance] = ["tpl", "inst"].map(|n| DbName::parse(&format!("vigie_it_{n}_{pid}")).unwrap());
    let report = check_server(
        &remote,
        &spec,
        &CheckSettings {
            security: true,
            ..CheckSettings::default()
        },
    )
    .await;
    println!("{report:#?}");
    assert_eq!(report.failure, None);
    assert_eq!(report.warnings, []);
    assert_ne!(odoo.health(Duration::from_secs(5)).await, Ok(DbServerStatus::Down));
    assert!(odoo.version().await.unwrap().major.is_some());
    let (old, new) = (
        Secret::new("template-pw".to_owned()),
        Secret::new("instance-pw".to_owned()),
    );
    let create = CreateDatabase {
        name: &template,
        demo: false,
        lang: "fr_FR",
        password: &old,
        login: "admin",
        country: Some("fr"),
        phone: None,
    };
    let begun = Instant::now();
    odoo.create_database(&create).await.unwrap();
    println!("create_database: {:?}", begun.elapsed());
    let error = odoo.create_database(&create).await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Odoo(e) if e.kind() == Some(FaultKind::DatabaseExists)),
        "{error}"
    );
    let uid = odoo.authenticate(&template, "admin", &old).await.unwrap().unwrap();
    assert_eq!(
        odoo.authenticate(&template, "admin", &Secret::new("admin".to_owned()))
            .await
            .unwrap(),
        None
    );
    let login = Login {
        db: &template,
        uid,
        password: &old,
    };
    odoo.install_modules(login, &["contacts".to_owned()]).await.unwrap();
    assert!(
        odoo.installed_modules(login)
            .await
            .unwrap()
            .contains(&"contacts".to_owned())
    );
    assert!(odoo.user_count(login).await.unwrap() >= 1);

    let pg = remote.postgres(&spec, "vigie it").await.unwrap();
    pg.set_template(&template, true).await.unwrap();
    pg.allow_connections(&template, false).await.unwrap();
    pg.terminate_sessions(&template, Duration::from_secs(10)).await.unwrap();
    let mark = Mark {
        job: JobId(1),
        nonce: format!("n{pid}"),
    };
    let temp = temp_name(&mark).unwrap();
    let begun = Instant::now();
    pg.create_from_template(&template, &temp, &|p| println!("{p:?}"))
        .await
        .unwrap();
    let copied = begun.elapsed();
    pg.set_mark(&temp, &mark).await.unwrap();
    pg.rename(&temp, &instance).await.unwrap();
    pg.allow_connections(&instance, true).await.unwrap();
    let data_dir = spec.data_dir.clone().unwrap();
    let store = Filestore::new(remote.host(&spec).unwrap(), &data_dir).unwrap();
    assert_eq!(
        store.clone_to(&template, &instance, &mark).await.unwrap(),
        StoreClone::Now
    );
    assert_eq!(
        store.clone_to(&template, &instance, &mark).await.unwrap(),
        StoreClone::Already
    );
    let mut inside = pg.tenant(&instance).await.unwrap();
    assert!(inside.is_odoo().await.unwrap());
    println!(
        "base {:?}, files {}",
        inside.base_version().await,
        inside.filestore_files().await.unwrap()
    );
    let company = SafeText::new("Acme SARL");
    let hash = Secret::new(passlib::hash(&new, b"0123456789abcdef", passlib::ODOO_ROUNDS));
    let identity = Identity {
        uuid: &uuid::Uuid::new_v4().to_string(),
        created_at: jiff::Timestamp::now(),
        base_url: "https://acme.example.org",
        company: &company,
        admin_login: "boss@acme.example",
        admin_password_hash: &hash,
    };
    assert_eq!(inside.give_identity(&identity).await.unwrap(), Given::Now);
    println!("CREATE DATABASE: {copied:?}, all of the clone: {:?}", begun.elapsed());
    assert_eq!(inside.give_identity(&identity).await.unwrap(), Given::Already);
    drop(inside);
    let uid = odoo
        .authenticate(&instance, "boss@acme.example", &new)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(odoo.authenticate(&instance, "admin", &old).await.unwrap(), None);
    assert_eq!(
        odoo.authenticate(&instance, "boss@acme.example", &old).await.unwrap(),
        None
    );
    let login = Login {
        db: &instance,
        uid,
        password: &new,
    };
    let url = odoo.get_param(login, "web.base.url").await.unwrap().unwrap();
    assert_eq!(url.as_str(), "https://acme.example.org");
    let fields = serde_json::json!({"fields": ["name", "display_name"], "limit": 1});
    for model in ["res.company", "res.partner"] {
        let domain = serde_json::json!([[["id", "=", 1]]]);
        let rows = odoo
            .execute_kw(login, model, "search_read", domain, Some(fields.clone()))
            .await
            .unwrap();
        assert_eq!(rows[0]["name"], "Acme SARL", "{model}");
        assert_eq!(rows[0]["display_name"], "Acme SARL", "{model}");
    }
    // And nothing is left.
    let oid = pg.database(&instance).await.unwrap().unwrap().oid;
    assert!(store.undo(&instance, &mark).await.unwrap());
    assert!(!store.undo(&instance, &mark).await.unwrap());
    assert_eq!(pg.drop_marked(Some(oid), &instance, &mark).await.unwrap(), Dropped::Now);
    assert!(
        !odoo.drop(&template).await.unwrap(),
        "Odoo does not drop what is frozen"
    );
    let oid = pg.database(&template).await.unwrap().unwrap().oid;
    assert_eq!(pg.drop_recorded(oid, &template).await.unwrap(), Dropped::Now);
    assert!(store.remove(&template, &mark).await.unwrap());
}
