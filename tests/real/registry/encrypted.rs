//! TLS to a real PostgreSQL: certificates of an authority made here, everything that should be refused refused,
//! and the registry's work over what is accepted.

use super::contract::bench;
use super::kit;
use crate::harness::{connect, own_cluster};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie::registry::postgres::Postgres;
use vigie::registry::{Change, Registry, RegistryError};
use vigie::sandbox::Cluster;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signed").pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
}

/// A certificate and its key.
fn signed(by: &Authority, name: &str, change: impl Fn(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name.to_owned());
    change(&mut params);
    let certificate = params.signed_by(&key, &by.issuer).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// A file of the same owner as `beside`, for nobody else.
fn file(path: &Path, text: &str, beside: &Path) {
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let owner = std::fs::metadata(beside).expect("its owner");
    chown(path, Some(owner.uid()), Some(owner.gid())).expect("handed over");
}

/// A PostgreSQL that lets nobody but its superuser in without TLS, with a registry in it.
struct Server {
    cluster: Cluster,
    ours: Authority,
    database: String,
}

impl Server {
    async fn start() -> Self {
        let mut cluster = own_cluster();
        let database = kit::registry_in(&cluster).await;
        let ours = authority();
        let data = cluster.dir().join("data");
        file(&data.join("ca.pem"), &ours.pem, &data);
        let mut hba = std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(data.join("pg_hba.conf"))
            .expect("pg_hba.conf");
        let root = cluster.superuser_config("postgres");
        writeln!(
            hba,
            "host all {} 127.0.0.1/32 scram-sha-256\nhostssl all {} 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256",
            root.get_user().expect("a user"),
            kit::ADMIN,
        )
        .expect("written");
        let mut conf = std::fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .expect("postgresql.conf");
        writeln!(
            conf,
            "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.pem'"
        )
        .expect("written");
        let (certificate, key) = signed(&ours, "localhost", |_| {});
        file(&data.join("server.pem"), &certificate, &data);
        file(&data.join("server.key"), &key, &data);
        cluster.restart().expect("started with TLS");
        Self {
            cluster,
            ours,
            database,
        }
    }

    /// From now on it shows this certificate.
    async fn shows(&self, (certificate, key): (String, String)) {
        let data = self.cluster.dir().join("data");
        file(&data.join("server.pem"), &certificate, &data);
        file(&data.join("server.key"), &key, &data);
        let root = connect(&self.cluster.superuser_config("postgres")).await;
        let loaded = "SELECT pg_conf_load_time()";
        let before: jiff::Timestamp = root.query_one(loaded, &[]).await.expect("asking").get(0);
        root.execute("SELECT pg_reload_conf()", &[]).await.expect("reloaded");
        // New connections are the postmaster's, which may take a moment to have read it.
        for _ in 0..1_000 {
            let root = connect(&self.cluster.superuser_config("postgres")).await;
            let now: jiff::Timestamp = root.query_one(loaded, &[]).await.expect("asking").get(0);
            if now > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the settings are not read again");
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.cluster.dir().join(name);
        file(&path, text, Path::new("/proc/self"));
        path
    }

    fn address(&self, host: &str, login: &str, rest: &str) -> String {
        format!(
            "postgres://{login}@{host}:{}/{}?passfile={}&{rest}",
            self.cluster.port(),
            self.database,
            kit::pass_file()
        )
    }

    /// What is answered to who must not be let in.
    async fn refuses(&self, host: &str, rest: &str) -> String {
        match Postgres::open(&self.address(host, kit::MANAGER, rest)).await {
            Err(RegistryError::Unusable { why, .. }) => why,
            Err(other) => panic!("{host} {rest}: {other:?}"),
            Ok(_) => panic!("{host} {rest} is let in"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_encrypted_and_who_answers_is_who_was_meant() {
    let server = Server::start().await;
    let ca = server.file("our-ca.pem", &server.ours.pem);
    let ca = format!("sslrootcert={}", ca.display());
    let stranger = server.file("other-ca.pem", &authority().pem);
    let stranger = format!("sslrootcert={}", stranger.display());

    // What is as it should be, is let in, and everything goes through it: changes that are heard too.
    let full = server.address("localhost", kit::MANAGER, &format!("sslmode=verify-full&{ca}"));
    let registry = Postgres::open(&full).await.expect("our own authority, the right name");
    let mut changes = registry.changes().await.expect("following");
    let added = registry
        .add_plan(
            &bench::op(),
            &vigie::domain::instance::Plan {
                id: vigie::domain::PlanId(0),
                code: "pro".into(),
                name: "Pro".into(),
                max_users: None,
                max_storage_gb: None,
            },
        )
        .await
        .expect("a change");
    assert_eq!(added.code.as_str(), "pro");
    let told = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
    assert!(
        matches!(&told, Ok(Some(batch)) if batch.contains(&Change::Catalog)),
        "{told:?}"
    );
    let root = connect(&server.cluster.superuser_config("postgres")).await;
    let rows = root
        .query(
            "SELECT s.ssl, s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = $1",
            &[&kit::MANAGER],
        )
        .await
        .expect("asking");
    assert!(rows.len() >= 2, "a connection that works and one that listens");
    for row in &rows {
        assert!(row.get::<_, bool>(0));
        assert_eq!(row.get::<_, &str>(1), "TLSv1.3");
    }
    drop(changes);
    drop(registry);

    // Another authority; the wrong name; both are verify-full's, the name is not verify-ca's.
    for mode in ["verify-full", "verify-ca"] {
        let why = server.refuses("localhost", &format!("sslmode={mode}&{stranger}")).await;
        assert!(
            why.contains("no TLS with localhost") && why.contains("invalid peer certificate"),
            "{why}"
        );
        // The system's own authorities don't know ours either.
        let why = server.refuses("localhost", &format!("sslmode={mode}")).await;
        assert!(why.contains("no TLS with localhost"), "{why}");
    }
    let why = server.refuses("127.0.0.1", &format!("sslmode=verify-full&{ca}")).await;
    assert!(
        why.contains("no TLS with 127.0.0.1") && why.contains("not valid for name"),
        "{why}"
    );
    let by_authority = server.address("127.0.0.1", kit::MANAGER, &format!("sslmode=verify-ca&{ca}"));
    Postgres::open(&by_authority)
        .await
        .expect("the authority is ours, the name is not asked");

    // Without TLS the server lets nobody in, and it is said how to get there.
    for rest in ["sslmode=disable", ""] {
        let why = server.refuses("127.0.0.1", rest).await;
        assert!(
            why.contains("no pg_hba.conf entry") && why.contains("sslmode=verify-full"),
            "{why}"
        );
    }

    // A certificate that is no good any more, not yet, or for something else, whoever signed it.
    type Fault = fn(&mut CertificateParams);
    let faults: [(Fault, &str); 3] = [
        (|p| p.not_after = date_time_ymd(2020, 1, 1), "expired"),
        (|p| p.not_before = date_time_ymd(2999, 1, 1), "not valid yet"),
        (
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "extended key usage",
        ),
    ];
    for (fault, words) in faults {
        server.shows(signed(&server.ours, "localhost", fault)).await;
        for mode in ["verify-full", "verify-ca"] {
            let why = server.refuses("localhost", &format!("sslmode={mode}&{ca}")).await;
            let said = why.to_lowercase();
            assert!(said.contains("no tls with") && said.contains(words), "{mode}: {why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_known_by_its_certificate() {
    let server = Server::start().await;
    let ca = server.file("our-ca.pem", &server.ours.pem);
    let address = |certificate: &str, key: &str| {
        let rest = format!(
            "sslmode=verify-full&sslrootcert={}&sslcert={certificate}&sslkey={key}",
            ca.display()
        );
        server.address("localhost", kit::ADMIN, &rest)
    };
    let made = |prefix: &str, name: &str| {
        let (certificate, key) = signed(&server.ours, name, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let certificate = server.file(&format!("{prefix}.pem"), &certificate);
        let key = server.file(&format!("{prefix}.key"), &key);
        (certificate.display().to_string(), key.display().to_string())
    };
    let (certificate, key) = made("admin", kit::ADMIN);
    let registry = Postgres::open(&address(&certificate, &key))
        .await
        .expect("who it says it is");
    assert_eq!(registry.servers().await.expect("reading"), []);
    // Somebody else's is refused by PostgreSQL; a key that others may read, here.
    let (other, others_key) = made("other", kit::MANAGER);
    let refused = Postgres::open(&address(&other, &others_key))
        .await
        .expect_err("another one's");
    assert!(
        refused.to_string().contains("certificate authentication failed"),
        "{refused}"
    );
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("opened");
    let refused = Postgres::open(&address(&certificate, &key))
        .await
        .expect_err("a loose key");
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
}
