//! `vigie job …`, and what verbs that queue a job share.

use super::many::{self, Whom, one_waits};
use super::{Desk, Done};
use crate::cli::args::{Codes, JobVerb};
use crate::cli::show;
use crate::cli::table::Table;
use crate::domain::bulk::Verb;
use crate::domain::job::{Job, JobState, LogLine, Stream};
use crate::domain::{JobId, Problem};
use crate::ops::Followed;
use crate::registry::JobFilter;
use crate::tui::model::ListId;
use serde_json::{Value, json};

pub(super) async fn run(desk: &Desk<'_>, verb: JobVerb) -> Done {
    match verb {
        JobVerb::List { state, limit } => list(desk, &state, limit).await,
        JobVerb::Show { id } => {
            let job = desk.ops.job(JobId(id)).await?;
            desk.shell.result(&show::job(&job), || show::job_text(&job))
        }
        JobVerb::Log { id, follow } => log(desk, JobId(id), follow).await,
        JobVerb::Cancel { whom, wait } => {
            let Some(id) = alone(&whom)? else {
                return several(desk, Verb::CancelJob, &whom, wait).await;
            };
            let job = desk.ops.job_cancel(id).await?;
            if wait && !job.state.is_over() {
                let job = desk.follow_to_end(job.id, !desk.shell.json()).await?;
                desk.shell
                    .result(&show::job(&job), || format!("job {} is {}", job.id, job.state.word()))?;
                return match job.state {
                    JobState::Cancelled => Ok(()),
                    _ => Err(ended(&job)),
                };
            }
            desk.shell.result(&show::job(&job), || {
                if job.state.is_over() {
                    return format!("job {} is {}", job.id, job.state.word());
                }
                format!("job {} was asked to stop, and undoes what it did", job.id)
            })
        }
        JobVerb::Retry { whom, wait } => {
            let Some(id) = alone(&whom)? else {
                return several(desk, Verb::RetryJob, &whom, wait).await;
            };
            let job = desk.ops.job_retry(id).await?;
            desk.queued(job, wait).await
        }
    }
}

/// The one job that is named, where it is about one alone.
fn alone(whom: &Codes) -> Result<Option<JobId>, Problem> {
    let number = |word: &str| {
        let wrong = || Problem::new("usage", format!("{word:?} is no job's number"));
        word.parse().map(JobId).map_err(|_| wrong())
    };
    whom.alone().map(number).transpose()
}

async fn several(desk: &Desk<'_>, verb: Verb, whom: &Codes, wait: bool) -> Done {
    one_waits(wait)?;
    let whom = Whom {
        list: ListId::Jobs,
        named: &whom.codes,
        many: &whom.many,
        dry_run: whom.dry_run,
        yes: true,
    };
    many::run(desk, verb, whom).await
}

impl Desk<'_> {
    /// What comes after a job was queued: its number; or its log as it is written, and its result.
    pub(super) async fn queued(&self, job: Job, wait: bool) -> Done {
        match self.ops.ensure_worker().await {
            Ok(_) => {}
            // The job is safe in the registry; waiting for a worker that can't start would be endless.
            Err(problem) if wait => return Err(problem),
            Err(problem) => self.shell.note(format!("▲ job {} waits: {}", job.id, problem.message)),
        }
        if !wait {
            return self.shell.result(&show::job(&job), || job.id.to_string());
        }
        if !self.ops.has_worker().await? {
            self.shell.note(format!(
                "▲ job {} waits: no worker is alive; start one with `vigie worker`",
                job.id
            ));
        }
        let job = self.follow_to_end(job.id, !self.shell.json()).await?;
        self.shell.result(&show::job(&job), || {
            if job.state == JobState::Done {
                return format!("job {} done: {}\n{}", job.id, job.title, show::result_text(&job));
            }
            String::new()
        })?;
        match job.state {
            JobState::Done => Ok(()),
            _ => Err(ended(&job)),
        }
    }

    /// Follows a job until it is over, printing its lines where wanted.
    async fn follow_to_end(&self, id: JobId, print: bool) -> Result<Job, Problem> {
        let mut told = self.ops.follow(id, 0);
        while let Some(news) = told.recv().await {
            match news {
                Followed::Lines(lines) => {
                    for line in lines.iter().filter(|l| print && self.wants(l)) {
                        self.shell.line(show::log_text(line))?;
                    }
                }
                Followed::Job(job) if job.state.is_over() => return Ok(*job),
                Followed::Job(_) => {}
                Followed::Lost(problem) => return Err(problem),
            }
        }
        Err(
            Problem::new("registry_failed", format!("job {id} can't be followed any more"))
                .hint(format!("it goes on without: `vigie job show {id}`")),
        )
    }

    /// Progress in plain output would be hundreds of lines that say the same.
    fn wants(&self, line: &LogLine) -> bool {
        self.shell.json() || line.stream != Stream::Progress
    }
}

/// Why a job did not end well.
fn ended(job: &Job) -> Problem {
    let mut problem = job
        .problem
        .clone()
        .unwrap_or_else(|| Problem::new("job_failed", "it says no reason"));
    let how = match job.state {
        JobState::Failed => "failed and was undone",
        JobState::Cancelled => "was cancelled and undone",
        JobState::Stuck => "is stuck",
        other => other.word(),
    };
    problem.message = format!("job {} ({}) {how}: {}", job.id, job.title, problem.message);
    if problem.hint.is_none() {
        problem.hint = Some(format!(
            "`vigie job log {}` has the whole story; `vigie job retry {}` runs it again",
            job.id, job.id
        ));
    }
    problem
}

async fn list(desk: &Desk<'_>, states: &[String], limit: u32) -> Done {
    let all = [
        JobState::Queued,
        JobState::Running,
        JobState::Undoing,
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Stuck,
    ];
    let mut wanted = Vec::new();
    for word in states.iter().flat_map(|s| s.split(',')) {
        match all.iter().find(|s| s.word() == word) {
            Some(state) => wanted.push(*state),
            None => {
                let words: Vec<&str> = all.iter().map(|s| s.word()).collect();
                let problem = Problem::new("usage", format!("--state {word:?}: no such state"));
                return Err(problem.hint(format!("one of: {}", words.join(", "))));
            }
        }
    }
    let filter = JobFilter {
        states: wanted,
        limit: limit as usize,
        ..JobFilter::default()
    };
    let jobs = desk.ops.jobs(&filter).await?;
    let json = Value::Array(jobs.iter().map(show::job).collect());
    desk.shell.result(&json, || {
        let mut table = Table::new(&[">JOB", "STATE", ">STEPS", "ASKED", "BY", "WHAT", "WHY"]);
        for job in &jobs {
            let (done, total) = job.progress();
            table.row([
                job.id.to_string(),
                job.state.word().to_owned(),
                format!("{done}/{total}"),
                show::local(job.created_at),
                job.asked_by.clone(),
                job.title.to_string(),
                job.waits()
                    .or_else(|| job.problem.as_ref().map(|p| p.message.clone()))
                    .unwrap_or_default(),
            ]);
        }
        table.text("no jobs")
    })
}

async fn log(desk: &Desk<'_>, id: JobId, follow: bool) -> Done {
    desk.ops.job(id).await?;
    if follow {
        return follow_log(desk, id).await;
    }
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let lines = desk.ops.job_log(id, after, 1_000).await?;
        let Some(last) = lines.last() else { break };
        after = last.seq;
        for line in &lines {
            if desk.shell.json() {
                all.push(show::log_line(line));
            } else if desk.wants(line) {
                desk.shell.line(show::log_text(line))?;
            }
        }
    }
    desk.shell.result(&Value::Array(all), String::new)
}

/// The log as it is written: with JSON one object a line, the last of them the job.
async fn follow_log(desk: &Desk<'_>, id: JobId) -> Done {
    let mut told = desk.ops.follow(id, 0);
    while let Some(news) = told.recv().await {
        match news {
            Followed::Lines(lines) => {
                for line in &lines {
                    if desk.shell.json() {
                        desk.shell.json_line(&show::log_line(line))?;
                    } else if desk.wants(line) {
                        desk.shell.line(show::log_text(line))?;
                    }
                }
            }
            Followed::Job(job) if job.state.is_over() => {
                if desk.shell.json() {
                    desk.shell.json_line(&json!({ "job": show::job(&job) }))?;
                } else {
                    desk.shell.note(format!("job {} is {}", job.id, job.state.word()));
                }
                return match job.state {
                    JobState::Done => Ok(()),
                    _ => Err(ended(&job)),
                };
            }
            Followed::Job(_) => {}
            Followed::Lost(problem) => return Err(problem),
        }
    }
    Ok(())
}
