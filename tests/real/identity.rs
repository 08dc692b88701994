//! A copy becomes someone else: in one transaction, once, as Odoo itself sees it.

use crate::databases::{db, open, source, spec};
use crate::harness::{cluster, connect, fresh_name, standin};
use std::time::Duration;
use vigie::domain::{SafeText, Secret, passlib};
use vigie::remote::postgres::{Given, Identity};
use vigie::remote::secrets::Keyring;
use vigie::remote::{Limits, Remote, RemoteError};

/// As Odoo keeps it; its rounds are Odoo's own business.
pub(crate) fn hashed(password: &Secret) -> Secret {
    Secret::new(passlib::hash(password, b"0123456789abcdef", 1_000))
}

pub(crate) fn identity<'a>(uuid: &'a str, hash: &'a Secret) -> Identity<'a> {
    static COMPANY: std::sync::OnceLock<SafeText> = std::sync::OnceLock::new();
    Identity {
        uuid,
        created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        base_url: "https://acme.example.org",
        company: COMPANY.get_or_init(|| SafeText::new("Acme's \"Bistro\" & Söhne")),
        admin_login: "boss@acme.example",
        admin_password_hash: hash,
    }
}

#[tokio::test]
async fn a_copy_gets_an_identity_of_its_own_and_the_templates_passwords_work_no_more() {
    let odoo = standin().await;
    let (template, copy) = (db(&fresh_name("tpl")), db(&fresh_name("inst")));
    let mut spec = spec(&odoo.url());
    let folder = std::env::temp_dir().join(fresh_name("vigie-keys"));
    let remote = Remote::new(Keyring::new(&folder), Limits::default(), None).unwrap();
    spec.master_password = Some(remote.keyring().seal(&Secret::new("master".to_owned())).unwrap());
    let rpc = remote.odoo(&spec);
    let old = Secret::new("template-password".to_owned());
    rpc.create_database(&vigie::remote::odoo::CreateDatabase {
        name: &template,
        demo: false,
        lang: "en_US",
        password: &old,
        login: "admin",
        country: None,
        phone: None,
    })
    .await
    .unwrap();
    let pg = remote.postgres(&spec, "identity").await.unwrap();
    pg.allow_connections(&template, false).await.unwrap();
    pg.terminate_sessions(&template, Duration::from_secs(10)).await.unwrap();
    pg.create_from_template(&template, &copy, &|_| {}).await.unwrap();
    pg.allow_connections(&copy, true).await.unwrap();
    let mut inside = pg.tenant(&copy).await.unwrap();
    assert!(inside.is_odoo().await.unwrap());
    let before = inside.param("database.uuid").await.unwrap();
    let secret = inside.param("database.secret").await.unwrap();
    let new = Secret::new("quite-new-password".to_owned());
    let hash = hashed(&new);
    let uuid = "0197-fresh-uuid";
    // Another user with a password, as a prepared template may have.
    let client = connect(&cluster().role_config(copy.as_str())).await;
    let plain = "UPDATE res_users SET password = 'x' WHERE id NOT IN (1, 2)";
    client.batch_execute(plain).await.unwrap();
    inside.set_param("database.enterprise_code", "M123").await.unwrap();
    assert_eq!(inside.give_identity(&identity(uuid, &hash)).await.unwrap(), Given::Now);
    let param = async |key: &str| inside.param(key).await.unwrap().map(String::from);
    assert_eq!(param("database.uuid").await.as_deref(), Some(uuid));
    assert_ne!(before.map(String::from).as_deref(), Some(uuid));
    assert_ne!(param("database.secret").await, secret.map(String::from));
    assert_eq!(
        param("database.create_date").await.as_deref(),
        Some("2026-01-02 03:04:05")
    );
    assert_eq!(param("web.base.url").await.as_deref(), Some("https://acme.example.org"));
    assert_eq!(param("web.base.url.freeze").await.as_deref(), Some("True"));
    assert_eq!(param("database.enterprise_code").await, None);
    let rows = client
        .query("SELECT name FROM res_company ORDER BY id LIMIT 1", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "Acme's \"Bistro\" & Söhne");
    let rows = client
        .query("SELECT password FROM res_users WHERE password IS NOT NULL", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "the administrator's is the only password");
    assert_eq!(passlib::verify(&new, rows[0].get(0)), Some(true));
    // Through Odoo's own eyes.
    assert!(
        rpc.authenticate(&copy, "boss@acme.example", &new)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(rpc.authenticate(&copy, "boss@acme.example", &old).await.unwrap(), None);
    assert_eq!(rpc.authenticate(&copy, "admin", &old).await.unwrap(), None);
    // Twice is once: not even the secret is made anew.
    let kept = param("database.secret").await;
    assert_eq!(
        inside.give_identity(&identity(uuid, &hash)).await.unwrap(),
        Given::Already
    );
    assert_eq!(inside.param("database.secret").await.unwrap().map(String::from), kept);
}

#[tokio::test]
async fn a_half_given_identity_is_none() {
    // A database whose users table is not Odoo's: the last part fails, and the first is not kept.
    let name = source().await;
    let client = connect(&cluster().role_config(name.as_str())).await;
    client
        .batch_execute(
            "CREATE TABLE ir_config_parameter (id serial, key text, value text, create_uid int, write_uid int, \
             create_date timestamp, write_date timestamp);
             CREATE TABLE ir_model_data (module text, name text, model text, res_id int);
             CREATE TABLE res_partner (id int, name text);
             CREATE TABLE res_company (id int, name text, partner_id int);
             CREATE TABLE res_users (id int, login text);
             INSERT INTO res_company VALUES (1, 'Template', 1); INSERT INTO res_partner VALUES (1, 'Template');
             INSERT INTO res_users VALUES (2, 'admin');
             INSERT INTO ir_config_parameter (key, value) VALUES ('database.uuid', 'old')",
        )
        .await
        .unwrap();
    let pg = open("half").await;
    let mut inside = pg.tenant(&name).await.unwrap();
    let password = Secret::new("canary-password".to_owned());
    let error = inside.give_identity(&identity("new", &password)).await.err().unwrap();
    assert!(
        matches!(&error, RemoteError::Postgres(e) if e.state() == Some("42703")),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(
        inside
            .param("database.uuid")
            .await
            .unwrap()
            .map(String::from)
            .as_deref(),
        Some("old")
    );
    let rows = client.query("SELECT name FROM res_company", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "Template");
}
