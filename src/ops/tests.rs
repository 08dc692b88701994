use super::*;
use crate::config::{self, Arguments};
use crate::domain::audit::AuditFilter;
use crate::domain::capacity::Thresholds;
use crate::domain::job::{JobSpec, JobState, LogLevel, LogLine, Stream};
use crate::domain::server::{DbTls, Server, ServerSpec};
use crate::domain::template::TemplateSpec;
use crate::domain::{JobId, SafeText};
use crate::registry::sqlite::Sqlite;
use crate::registry::{Expected, NewJob, NewLine};
use crate::remote::Limits;
use crate::remote::secrets::Keyring;
use std::time::Duration;

/// Operations on a registry of the test's own, which goes with the folder.
fn setup() -> (Ops, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        ("VIGIE_DATA_DIR".to_owned(), folder.path().display().to_string()),
        ("VIGIE_WORKER_AUTOSTART".to_owned(), "false".to_owned()),
        ("VIGIE_ROOT_DOMAIN".to_owned(), "example.org".to_owned()),
    ];
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[checks]\njitter = \"1ms\"\n").unwrap();
    let arguments = Arguments {
        config: Some(file),
        ..Arguments::default()
    };
    let loaded = config::load(&arguments, &pairs.into()).unwrap();
    let registry = Arc::new(Sqlite::open(&loaded.places.registry).unwrap());
    let remote = Remote::new(Keyring::at(loaded.places.key_file.clone()), Limits::default(), None).unwrap();
    let actor = Actor {
        os_user: "ada".to_owned(),
        host: "here".to_owned(),
        via: "test".to_owned(),
    };
    (Ops::new(registry, remote, Arc::new(loaded), actor), folder)
}

fn spec(code: &str, url: &str) -> ServerSpec {
    ServerSpec {
        name: SafeText::new(code),
        code: code.parse().unwrap(),
        description: SafeText::default(),
        server_url: url.parse().unwrap(),
        server_ip: None,
        port: None,
        ssh: None,
        db_host: None,
        db_port: 5432,
        db_user: None,
        db_password: None,
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances: 10,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    }
}

/// A server whose port refuses: bound by nobody.
async fn refusing(ops: &Ops, number: u16) -> Server {
    let url = format!("http://127.0.0.1:{number}");
    ops.server_add(spec(&format!("s{number}"), &url)).await.unwrap()
}

async fn a_job(ops: &Ops) -> JobId {
    let server = refusing(ops, 1).await;
    let template = TemplateSpec {
        name: SafeText::new("T"),
        code: "t".parse().unwrap(),
        server_id: server.id,
        template_database: "template_t".parse().unwrap(),
        base_modules: Vec::new(),
        language: "en_US".to_owned(),
    };
    let template = ops.template_add(template).await.unwrap();
    let job = NewJob {
        title: SafeText::new("adopt"),
        spec: JobSpec::TemplateAdopt {
            template_id: template.id,
            server_id: server.id,
        },
        steps: Vec::new(),
        reservations: Vec::new(),
        instance: None,
        consequences: Vec::new(),
        expected: Expected::default(),
        thresholds: Thresholds::default(),
    };
    ops.registry.queue_job(&ops.op(), &job).await.unwrap().id
}

fn line(text: &str) -> NewLine {
    NewLine {
        at: Timestamp::now(),
        step: None,
        stream: Stream::Step,
        level: LogLevel::Info,
        text: SafeText::new(text),
        took_ms: None,
        progress: None,
    }
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_line_by_line_and_none_twice() {
    let (ops, _folder) = setup();
    let id = a_job(&ops).await;
    ops.registry.append_log(id, &[line("before")]).await.unwrap();
    let mut told = ops.follow(id, 0);
    let writer = ops.clone();
    let written = tokio::spawn(async move {
        let claim = writer
            .registry
            .claim_job("w", &crate::registry::ClaimTerms::lease(Duration::from_secs(20)))
            .await
            .unwrap()
            .unwrap();
        for number in 0..50 {
            let lines: Vec<NewLine> = (0..40).map(|i| line(&format!("{number}.{i}"))).collect();
            writer.registry.append_log(id, &lines).await.unwrap();
        }
        let token = claim.token;
        let done = writer.registry.finish_job(id, token, JobState::Done, None, None, &[]);
        done.await.unwrap();
    });
    let mut lines: Vec<LogLine> = Vec::new();
    let mut end = None;
    let all = async {
        while let Some(news) = told.recv().await {
            match news {
                Followed::Lines(more) => {
                    assert!(end.is_none(), "lines after the end");
                    lines.extend(more);
                }
                Followed::Job(job) if job.state.is_over() => end = Some(job.state),
                Followed::Job(_) => {}
                Followed::Lost(problem) => panic!("{problem:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("it ends by itself");
    written.await.unwrap();
    assert_eq!(end, Some(JobState::Done));
    let numbers: Vec<i64> = lines.iter().map(|l| l.seq).collect();
    assert_eq!(numbers, (1..=2001).collect::<Vec<i64>>());
}

#[tokio::test]
async fn many_servers_are_checked_together_and_each_result_is_told_and_kept() {
    let (ops, _folder) = setup();
    let mut ids = Vec::new();
    for number in 1..=20 {
        ids.push(refusing(&ops, number).await.id);
    }
    let mut told = ops.check_all(ids.clone());
    let mut seen = Vec::new();
    while let Some((id, outcome)) = told.recv().await {
        assert!(outcome.unwrap().report.failure.is_some());
        seen.push(id);
    }
    seen.sort_unstable();
    assert_eq!(seen, ids);
    for id in ids {
        assert_eq!(ops.health_history(id, None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_above_the_registry_is_written_down_with_who_tried() {
    let (ops, _folder) = setup();
    let mut wrong = spec("a", "http://127.0.0.1:1");
    wrong.max_instances = 0;
    let problem = ops.server_add(wrong).await.unwrap_err();
    assert_eq!(problem.code, "invalid_server");
    let rows = ops.audit(&AuditFilter::newest(10)).await.unwrap();
    let row = rows.first().unwrap();
    assert_eq!((row.action.as_str(), row.actor.os_user.as_str()), ("server.add", "ada"));
    assert_eq!(row.refused.as_deref(), Some("max_instances must be over 0"));
    assert!(ops.servers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_form_that_asks_at_every_keystroke_leaves_no_rows() {
    let (ops, _folder) = setup();
    let request = InstanceRequest {
        name: "www".to_owned(),
        ..InstanceRequest::default()
    };
    let problem = ops.preview_instance(request.clone()).await.unwrap_err();
    assert_eq!(problem.code, "reserved_name");
    assert!(ops.audit(&AuditFilter::newest(10)).await.unwrap().is_empty());
    ops.plan_instance(request).await.unwrap_err();
    assert_eq!(
        ops.audit(&AuditFilter::newest(10)).await.unwrap().len(),
        1,
        "asked for in earnest, it is"
    );
}

#[tokio::test]
async fn an_activation_that_fails_leaves_the_intent_and_keeps_the_check() {
    let (ops, _folder) = setup();
    let server = refusing(&ops, 1).await;
    let problem = ops.server_activate(server.id, server.version).await.unwrap_err();
    assert!(
        problem
            .message
            .starts_with("Cannot activate server. Connection test failed: "),
        "{problem}"
    );
    let after = ops.server("s1").await.unwrap();
    assert_eq!(after.intent, server.intent);
    assert_eq!(after.track.failures, 1);
}

#[tokio::test]
async fn a_server_that_was_changed_meanwhile_is_not_overwritten() {
    let (ops, _folder) = setup();
    let server = refusing(&ops, 1).await;
    let mut mine = server.spec.clone();
    mine.max_instances = 20;
    let mut theirs = server.spec.clone();
    theirs.max_instances = 30;
    ops.server_edit(server.id, server.version, theirs).await.unwrap();
    let problem = ops.server_edit(server.id, server.version, mine).await.unwrap_err();
    assert_eq!(problem.code, "changed");
    assert_eq!(ops.server("s1").await.unwrap().spec.max_instances, 30);
}

#[tokio::test]
async fn a_word_that_is_no_servers_gets_the_nearest() {
    let (ops, _folder) = setup();
    refusing(&ops, 12).await;
    let problem = ops.server("s21").await.unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("did you mean \"s12\"?"));
    let problem = ops.server("S12").await.unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("did you mean \"s12\"?"));
}

/// Whoever has a shell can change anything: a read-only profile has none, until it is unlocked.
#[tokio::test]
async fn a_read_only_profile_opens_no_shell_and_the_attempt_is_written_down() {
    let (ops, _folder) = setup();
    let server = refusing(&ops, 1).await;
    let shell = ops.shell(server.id, "/bin/bash").await.unwrap();
    assert_eq!(shell.argv, ["/bin/bash"]);
    let guarded = Ops {
        guard: Arc::new(Guard {
            profile: "prod".to_owned(),
            read_only: true,
            rules: Vec::new(),
        }),
        ..ops.clone()
    };
    let Err(problem) = guarded.shell(server.id, "/bin/bash").await else {
        panic!("a shell in a read-only profile");
    };
    assert!(problem.message.contains("read-only"), "{}", problem.message);
    let rows = ops.audit(&AuditFilter::default()).await.unwrap();
    assert!(
        rows.iter()
            .any(|row| row.action == "server.shell" && row.refused.is_some()),
        "the attempt is written down"
    );
    guarded.unlock(Duration::from_secs(60));
    assert!(guarded.shell(server.id, "/bin/bash").await.is_ok());
    guarded.lock_again();
}

/// Who opened a shell, and where, is written down before it opens, with the reason where one was given; where
/// that can't be written it opens all the same, and says so.
#[tokio::test]
async fn a_shell_that_is_opened_is_written_down_before_and_not_refused_where_that_fails() {
    let (ops, _folder) = setup();
    let server = refusing(&ops, 1).await;
    let consent = Consent {
        reason: Consent::reason_of("disk full"),
        ..Consent::default()
    };
    let shell = ops.with_consent(consent).shell(server.id, "/bin/bash").await.unwrap();
    assert!(shell.unwritten.is_none());
    let rows = ops.audit(&AuditFilter::default()).await.unwrap();
    let row = rows.first().unwrap();
    assert_eq!((row.action.as_str(), row.label.as_str()), ("server.shell", "s1"));
    assert_eq!(row.object, format!("server:{}", server.id));
    assert_eq!((row.actor.os_user.as_str(), &row.refused), ("ada", &None));
    let to = row.to.as_ref().unwrap();
    assert_eq!(to["server"], "s1");
    assert!(to.to_string().contains("disk full"), "{to}");
    // Somebody holds the file for writing: nothing can be written down, and the shell is needed just then.
    let other = rusqlite::Connection::open(&ops.loaded.places.registry).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let shell = ops.shell(server.id, "/bin/bash").await.unwrap();
    assert_eq!(shell.argv, ["/bin/bash"]);
    assert!(shell.unwritten.is_some(), "it is said");
    other.execute_batch("ROLLBACK").unwrap();
}

/// A command that changes something is written down for each that it runs on; one that looks is not.
#[tokio::test]
async fn an_own_command_that_changes_something_is_written_down() {
    let (ops, _folder) = setup();
    let (a, b) = (refusing(&ops, 1).await, refusing(&ops, 2).await);
    let argv = ["true".to_owned(), "s1".to_owned(), "s2".to_owned()];
    let facts = std::collections::BTreeMap::new();
    let on = [CommandOn::Server(a.id), CommandOn::Server(b.id)];
    let mut run = OwnRun {
        name: "mend",
        argv: &argv,
        facts: &facts,
        on: &on,
        limit: Duration::from_secs(5),
        changes: false,
    };
    let before = ops.audit(&AuditFilter::default()).await.unwrap().len();
    assert_eq!(ops.run_own(&run).await.unwrap().code, Some(0));
    assert_eq!(ops.audit(&AuditFilter::default()).await.unwrap().len(), before);
    run.changes = true;
    assert_eq!(ops.run_own(&run).await.unwrap().code, Some(0));
    let rows = ops.audit(&AuditFilter::default()).await.unwrap();
    let mine: Vec<_> = rows.iter().filter(|row| row.action == "command").collect();
    assert_eq!(mine.len(), 2);
    assert_eq!(
        (mine[0].label.as_str(), mine[0].object.as_str()),
        ("mend", format!("server:{}", b.id).as_str())
    );
    assert_eq!(mine[0].to.as_ref().unwrap()["argv"], "true s1 s2");
    // One of them that a guard refuses stops it for all.
    let rules: Vec<crate::domain::guard::Rule> = {
        #[derive(serde::Deserialize)]
        struct File {
            guard: Vec<crate::domain::guard::Rule>,
        }
        let text = "[[guard]]\nserver = 's2'\naction = 'command'\ndeny = 'leased'";
        toml::from_str::<File>(text).unwrap().guard
    };
    let guarded = Ops {
        guard: Arc::new(Guard {
            rules,
            ..Guard::default()
        }),
        ..ops.clone()
    };
    let problem = guarded.run_own(&run).await.unwrap_err();
    assert_eq!(problem.code, "denied");
}
