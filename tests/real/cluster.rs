//! The private cluster itself: made, found again, stopped, killed, watched over.

use crate::harness::{cluster, connect, folder, fresh_db, own_cluster};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vigie::sandbox::{Cluster, ClusterError, ClusterOptions};

fn wait_for(what: &str, mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !met() {
        assert!(Instant::now() < deadline, "waited 30 s for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn value(config: &tokio_postgres::Config, query: &str) -> String {
    connect(config).await.query_one(query, &[]).await.expect(query).get(0)
}

#[tokio::test]
async fn the_role_may_create_databases_and_is_no_superuser() {
    let name = fresh_db().await;
    let role = cluster().role_config(&name);
    assert_eq!(value(&role, "SELECT current_user::text").await, "odoo");
    let flags = "SELECT concat_ws(',', rolcreatedb, rolsuper, rolcreaterole, rolreplication) FROM pg_roles \
                 WHERE rolname = 'odoo'";
    assert_eq!(value(&role, flags).await, "t,f,f,f");
    let kind =
        "SELECT concat_ws(',', pg_encoding_to_char(encoding), datcollate) FROM pg_database WHERE datname = 'postgres'";
    assert_eq!(value(&role, kind).await, "UTF8,C.UTF-8");
    let superuser = cluster().superuser_config("postgres");
    assert_eq!(
        value(
            &superuser,
            "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user"
        )
        .await,
        "true"
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_tcp_and_by_socket() {
    let mut config = cluster().role_config("postgres");
    config.password("wrong");
    let error = config.connect(tokio_postgres::NoTls).await.err().expect("refused");
    assert_eq!(error.code().map(|code| code.code()), Some("28P01"));
    let socket = cluster().socket_dir().expect("a short folder has a socket");
    let mut by_socket = tokio_postgres::Config::new();
    by_socket
        .host_path(&socket)
        .port(cluster().port())
        .user("postgres")
        .password("wrong")
        .dbname("postgres");
    let error = by_socket.connect(tokio_postgres::NoTls).await.err().expect("refused");
    assert_eq!(error.code().map(|code| code.code()), Some("28P01"));
}

#[tokio::test]
async fn data_and_port_survive_stop_kill_and_a_new_start() {
    let dir = folder("kept");
    let mut kept = Cluster::create_or_open(&dir).expect("made");
    let port = kept.port();
    connect(&kept.role_config("postgres"))
        .await
        .batch_execute("CREATE DATABASE kept")
        .await
        .unwrap();
    connect(&kept.role_config("kept"))
        .await
        .batch_execute("CREATE TABLE t AS SELECT 'here' AS x")
        .await
        .unwrap();
    kept.restart().expect("restarted");
    assert_eq!(value(&kept.role_config("kept"), "SELECT x FROM t").await, "here");
    kept.kill().expect("killed");
    assert!(!kept.is_running());
    kept.start().expect("started after a kill");
    assert_eq!(value(&kept.role_config("kept"), "SELECT x FROM t").await, "here");
    assert!(
        matches!(Cluster::create_or_open(&dir), Err(ClusterError::InUse(_))),
        "one process at a time"
    );
    drop(kept);
    let again = Cluster::create_or_open(&dir).expect("found again");
    assert_eq!(again.port(), port, "the same port while it is free");
    assert_eq!(value(&again.role_config("kept"), "SELECT x FROM t").await, "here");
    drop(again);
    // The port is another process's now: nothing needs a port to be free.
    let squatter = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    let moved = Cluster::create_or_open(&dir).expect("another port is found");
    assert_ne!(moved.port(), port);
    assert_eq!(value(&moved.role_config("kept"), "SELECT x FROM t").await, "here");
    drop((squatter, moved));
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn secrets_are_files_of_the_owner_alone_and_not_in_debug() {
    let file = cluster().role_password_file();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).unwrap();
    assert_eq!(password, cluster().role_password().expose());
    assert!(password.len() >= 20);
    assert!(!format!("{:?}", cluster()).contains(&password));
    assert!(
        !cluster().dir().join("initdb.password").exists(),
        "the file for initdb is gone"
    );
}

#[test]
fn a_dropped_cluster_leaves_no_process_and_an_ephemeral_one_no_folder() {
    let own = own_cluster();
    let (dir, pid) = (own.dir().to_path_buf(), own.pid().expect("running"));
    assert!(dir.join("data").is_dir());
    drop(own);
    assert!(!dir.exists());
    assert!(!std::path::Path::new("/proc").join(pid.to_string()).exists());
}

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_untouched() {
    let dir = folder("foreign");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(dir.join("data/precious"), "x").unwrap();
    let error = Cluster::create_or_open(&dir).expect_err("refused");
    assert!(matches!(error, ClusterError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_to_string(dir.join("data/precious")).unwrap(), "x");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_try_that_was_cut_short_is_made_anew() {
    let dir = folder("cut");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(dir.join("data/PG_VERSION"), "15\n").unwrap();
    fs::write(dir.join("making"), "").unwrap();
    let mut cluster = Cluster::open_with(&dir, ClusterOptions { ephemeral: true }).expect("made anew");
    assert!(cluster.is_running());
    assert!(!dir.join("making").exists());
}

#[test]
fn a_folder_that_postgresqls_user_cannot_reach_is_refused_by_its_name() {
    let dir = folder("closed");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    let inner = dir.join("cluster");
    let opened = Cluster::open_with(&inner, ClusterOptions { ephemeral: true });
    if rustix::process::geteuid().is_root() {
        let error = opened.expect_err("refused");
        let ClusterError::Blocked { folder } = &error else {
            panic!("{error}")
        };
        assert_eq!(folder, &dir);
        assert!(error.hint().unwrap().contains("chmod o+x"));
    } else {
        // One's own folder is no hindrance to oneself.
        assert!(opened.expect("made").is_running());
    }
    fs::remove_dir_all(&dir).unwrap();
}

/// Run by the next test in a process of its own, which is then killed.
#[test]
#[ignore = "a part of the next test, which runs it in a process of its own"]
fn hold_a_cluster_until_killed() {
    let dir = std::env::var_os("VIGIE_TEST_HOLD").expect("set by the test that starts this");
    let held = Cluster::open_with(dir.as_ref(), ClusterOptions { ephemeral: true }).expect("made");
    fs::write(std::path::Path::new(&dir).join("held"), held.pid().unwrap().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_owner_leaves_no_server_and_no_folder() {
    let dir = folder("orphan");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cluster::hold_a_cluster_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env("VIGIE_TEST_HOLD", &dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    wait_for("the other process's cluster", || {
        pid = fs::read_to_string(dir.join("held")).unwrap_or_default();
        !pid.is_empty()
    });
    // Whoever adopts orphans here may never ask after them: a zombie has ended, too.
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    assert!(lives());
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_for("the watchdog to end the server", || !lives());
    wait_for("the watchdog to remove the folder", || !dir.exists());
}
