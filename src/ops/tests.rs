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
