//! What an operator asked for, one operation each, and in a line how it ended.

use super::door::{READ, bounded, create_instance, secret};
use super::executor::Reply;
use crate::domain::check::CheckReport;
use crate::domain::command::{Output, Typed};
use crate::domain::job::Job;
use crate::domain::log::{Command, LogPlace, LogTarget};
use crate::domain::{Problem, SafeText, ServerId, TemplateId};
use crate::ops::{CommandOn, Ops, OwnRun, Removal};
use crate::tui::model::{
    Act, Answer, Cleared, CommandRun, Ended, Lend, ServerDraft, Target, TemplateDraft, TemplateWork, Ticket, Written,
};
use std::time::Duration;

/// Longest look at one server: its layers have their own, shorter limits.
const LOOK: Duration = Duration::from_secs(60);
/// Longest wait until a job's plan is made: its preflight asks servers.
const PLAN: Duration = Duration::from_secs(60);

type Done = Result<Ended, Problem>;

fn text(text: impl AsRef<str>) -> Ended {
    Ended {
        text: SafeText::new(text.as_ref()),
        ..Ended::default()
    }
}

fn queued(job: &Job) -> Ended {
    Ended {
        job: Some(job.id),
        ..text(format!("job {}: {}", job.id, job.title))
    }
}

/// Does it.
///
/// # Errors
/// Why it was refused or failed.
pub(super) async fn carry_out(ops: &Ops, ticket: Ticket, act: Act, reply: &Reply) -> Done {
    match act {
        Act::Command(run) => command(ops, *run).await,
        Act::Test(server) => {
            let report = bounded(LOOK, "the test", ops.server_test(server)).await?;
            let code = code(ops, server).await;
            Ok(seen(&code, report))
        }
        Act::Check(server) => {
            let outcome = bounded(LOOK, "the check", ops.server_check(server)).await?;
            Ok(seen(outcome.server.spec.code.as_str(), outcome.report))
        }
        Act::CheckAll => check_all(ops, ticket, reply).await,
        Act::Activate { server, version } => {
            let (server, outcome) = bounded(LOOK, "the connection test", ops.server_activate(server, version)).await?;
            Ok(Ended {
                report: Some(Box::new(outcome.report)),
                ..text(format!("{} is {}", server.spec.code, server.state().word()))
            })
        }
        Act::Deactivate { server, version } => {
            let server = bounded(READ, "the registry", ops.server_deactivate(server, version)).await?;
            Ok(text(format!("{} is {}", server.spec.code, server.state().word())))
        }
        Act::Maintain { server, version } => {
            let server = bounded(READ, "the registry", ops.server_maintenance(server, version)).await?;
            Ok(text(format!("{} is in {}", server.spec.code, server.state().word())))
        }
        Act::DeleteServer { server, version } => {
            let code = code(ops, server).await;
            bounded(READ, "the registry", ops.server_remove(server, version)).await?;
            Ok(text(format!("{code} is deleted")))
        }
        Act::AddServer(draft) => add_server(ops, *draft).await,
        Act::EditServer { server, version, draft } => edit_server(ops, server, version, *draft).await,
        Act::AddTemplate(draft) => add_template(ops, *draft).await,
        Act::TemplateJob {
            template,
            version,
            work,
        } => template_job(ops, template, Some(version), work).await,
        Act::DeleteTemplate { template, version } => {
            bounded(READ, "the registry", ops.template_remove(template, version)).await?;
            Ok(text("the template is deleted; its database is as it was"))
        }
        Act::CreateInstance { draft, expected } => create_instance(ops, *draft, expected).await,
        Act::DeleteInstance { instance, version } | Act::ForgetInstance { instance, version } => {
            let read = async { ops.registry().instance(instance).await.map_err(|e| e.problem()) };
            let found = bounded(READ, "the registry", read).await?;
            match bounded(PLAN, "the removal", ops.instance_remove(instance, Some(version))).await? {
                Removal::Queued(job) => Ok(queued(&job)),
                Removal::Forgotten => Ok(text(format!("{} is forgotten", found.spec.name))),
            }
        }
        Act::RetryJob(job) => {
            let job = bounded(READ, "the registry", ops.job_retry(job)).await?;
            Ok(queued(&job))
        }
        Act::CancelJob(job) => {
            let job = bounded(READ, "the registry", ops.job_cancel(job)).await?;
            Ok(text(format!("job {} is asked to stop", job.id)))
        }
    }
}

/// Refuses when what was confirmed isn't any more what is there.
fn same(what: &str, name: &str, seen: i64, now: i64) -> Result<(), Problem> {
    if seen == now {
        return Ok(());
    }
    Err(Problem::new("changed", format!("{what} {name} was changed meanwhile"))
        .hint("look at it again, then repeat what you want of it"))
}

async fn code(ops: &Ops, server: ServerId) -> String {
    match ops.registry().server(server).await {
        Ok(server) => server.spec.code.to_string(),
        Err(_) => format!("server {server}"),
    }
}

fn seen(code: &str, report: CheckReport) -> Ended {
    let line = match (&report.failure, report.warnings.first()) {
        (Some(failure), _) => format!("{code}: {failure}"),
        (None, Some(warning)) => format!("{code} answers in {} ms; {warning}", report.latency_ms),
        (None, None) => format!("{code} answers in {} ms", report.latency_ms),
    };
    Ended {
        report: Some(Box::new(report)),
        ..text(line)
    }
}

async fn check_all(ops: &Ops, ticket: Ticket, reply: &Reply) -> Done {
    let servers = bounded(READ, "the registry", ops.servers()).await?;
    let total = servers.len() as u64;
    let mut results = ops.check_all(servers.iter().map(|server| server.id).collect());
    let (mut done, mut down, mut unkept) = (0, 0, None);
    while let Some((_, result)) = results.recv().await {
        done += 1;
        match result {
            Ok(outcome) if outcome.report.failure.is_some() => down += 1,
            Ok(_) => {}
            Err(problem) => unkept = Some(problem),
        }
        reply.answer(Answer::Progress { ticket, done, total });
    }
    let checked = format!("{done} server{} checked", if done == 1 { "" } else { "s" });
    match unkept {
        Some(problem) => Err(problem),
        None if down == 0 => Ok(text(format!("{checked}, all answer"))),
        None => Ok(Ended {
            alarming: true,
            ..text(format!("{checked}, {down} of them without an answer"))
        }),
    }
}

async fn with_secrets(ops: &Ops, draft: ServerDraft) -> Result<crate::domain::server::ServerSpec, Problem> {
    let mut spec = draft.spec;
    spec.db_password = secret(ops, draft.db_password, spec.db_password.take()).await?;
    spec.master_password = secret(ops, draft.master_password, spec.master_password.take()).await?;
    Ok(spec)
}

async fn add_server(ops: &Ops, draft: ServerDraft) -> Done {
    let spec = with_secrets(ops, draft).await?;
    let server = bounded(READ, "the registry", ops.server_add(spec)).await?;
    Ok(Ended {
        created: Some(Target::Server(server.id)),
        ..text(format!("{} is added, in draft: activate it with aa", server.spec.code))
    })
}

async fn edit_server(ops: &Ops, id: ServerId, version: i64, draft: ServerDraft) -> Done {
    let spec = with_secrets(ops, draft).await?;
    let server = bounded(READ, "the registry", ops.server_edit(id, version, spec)).await?;
    Ok(text(format!("{} is changed", server.spec.code)))
}

async fn add_template(ops: &Ops, draft: TemplateDraft) -> Done {
    let template = bounded(READ, "the registry", ops.template_add(draft.spec)).await?;
    let added = Ended {
        created: Some(Target::Template(template.id)),
        ..text(format!("the template {} is added", template.spec.code))
    };
    let Some(work) = draft.then else { return Ok(added) };
    match template_job(ops, template.id, None, work).await {
        Ok(ended) => Ok(Ended {
            created: added.created,
            ..ended
        }),
        // The record is there, and can be worked on again: say both.
        Err(mut problem) => {
            problem.message = format!("{}, but: {}", added.text, problem.message);
            Err(problem)
        }
    }
}

async fn template_job(ops: &Ops, id: TemplateId, version: Option<i64>, work: TemplateWork) -> Done {
    if let Some(version) = version {
        let read = async { ops.registry().template(id).await.map_err(|e| e.problem()) };
        let found = bounded(READ, "the registry", read).await?;
        same("the template", found.spec.code.as_str(), version, found.version)?;
    }
    let job = match work {
        TemplateWork::CreateDatabase => bounded(PLAN, "the plan", ops.template_create_database(id)).await?,
        TemplateWork::Adopt => bounded(PLAN, "the plan", ops.template_adopt(id)).await?,
        TemplateWork::Thaw => bounded(PLAN, "the plan", ops.template_thaw(id)).await?,
    };
    Ok(queued(&job))
}

/// Judges a command of the operator's own, and runs it to its end where it is this task's to run.
async fn command(ops: &Ops, run: CommandRun) -> Done {
    let on = |target: &Target| match *target {
        Target::Server(id) => CommandOn::Server(id),
        Target::Instance(id) => CommandOn::Instance(id),
        Target::Template(id) => CommandOn::Template(id),
        Target::Job(id) => CommandOn::Job(id),
        _ => CommandOn::Nothing,
    };
    let all: Vec<CommandOn> = std::iter::once(&run.target).chain(&run.also).map(on).collect();
    let asked = OwnRun {
        name: &run.name,
        argv: &run.argv,
        facts: &run.facts,
        on: &all,
        limit: run.limit,
        changes: run.changes,
    };
    let cleared = match run.output {
        Output::Popup => None,
        Output::Terminal => Some(Cleared::Terminal(Lend {
            title: SafeText::new(&run.name),
            argv: asked.words(),
            env: Vec::new(),
            secrets: Vec::new(),
        })),
        Output::Log => Some(Cleared::Log(LogTarget::Output {
            place: LogPlace::Here,
            command: Command::of(asked.bounded()).map_err(|error| Problem::new("command", error.to_string()))?,
        })),
    };
    if let Some(cleared) = cleared {
        bounded(READ, "the guards", ops.may_run(&asked)).await?;
        return Ok(Ended {
            ready: Some(Box::new(cleared)),
            ..text(&run.name)
        });
    }
    let wrote = ops.run_own(&asked).await?;
    let name = &run.name;
    let said = match wrote.code {
        Some(0) => format!("{name}: done"),
        Some(code) => format!("{name}: ended with exit status {code}"),
        None => format!("{name}: a signal ended it"),
    };
    let output = Written {
        command: SafeText::new(&Typed(&run.argv).to_string()),
        code: wrote.code,
        lines: wrote.lines,
        dropped: wrote.dropped,
    };
    Ok(Ended {
        output: Some(Box::new(output)),
        ..text(said)
    })
}
