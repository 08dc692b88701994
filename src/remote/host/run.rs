//! Running one command, here or there, and reading it line by line.

use super::{Host, HostError, Way, chain};
use crate::domain::SafeText;
use crate::domain::job::Stream;
use crate::domain::text::MAX_LINE_BYTES;
use crate::remote::error::{RemoteError, Result, deadline};
use crate::remote::secrets::kill_group;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A command.
pub struct Run<'a> {
    /// Program and arguments, each as it is.
    pub argv: &'a [&'a str],
    /// What it reads; nothing else is ever connected to its standard input.
    pub stdin: Option<&'a [u8]>,
    /// How long it may take; it is ended there too.
    pub limit: Duration,
    /// Whether it changes anything: refused on a read-only handle.
    pub writes: bool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output, at most as much as is read of any answer.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub stderr: SafeText,
}

impl Output {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, without the blanks around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

type Lines<'a> = &'a (dyn Fn(Stream, SafeText) + Send + Sync);
type Input = Box<dyn AsyncWrite + Send + Unpin>;
type Out = Box<dyn AsyncRead + Send + Unpin>;

impl Host {
    /// Runs a command to its end, whatever its exit status; lines go to `on_line` as they come.
    ///
    /// # Errors
    /// When it can't be started or reached, takes too long, or writes on a read-only handle.
    pub async fn run(&self, run: &Run<'_>, on_line: Lines<'_>) -> Result<Output> {
        let Some((program, args)) = run.argv.split_first() else {
            return Err(self.not_started("", "there is no program").into());
        };
        let what = format!("{program} on {}", self.label);
        if run.writes {
            self.access.write(&what)?;
        }
        match &*self.way {
            Way::Here => {
                let mut child = tokio::process::Command::new(program)
                    .args(args)
                    .env("LC_ALL", "C")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .process_group(0)
                    .kill_on_drop(true)
                    .spawn()
                    .map_err(|e| self.not_started(program, &e.to_string()))?;
                let _group = Group(child.id());
                let stdin = child.stdin.take().map(|s| Box::new(s) as Input);
                let stdout = child.stdout.take().map(|s| Box::new(s) as Out);
                let stderr = child.stderr.take().map(|s| Box::new(s) as Out);
                let ended = async { child.wait().await.map_err(|e| e.to_string()) };
                self.follow(&what, run, on_line, (stdin, stdout, stderr), ended).await
            }
            Way::Ssh { to, config, session } => {
                let session = Self::session(to, config.as_deref(), session, &self.limits).await?;
                // The other machine ends it by itself when we are gone.
                let seconds = run.limit.as_secs().max(1).to_string();
                let mut child = session
                    .command("timeout")
                    .args(["-k", "5", &seconds, "env", "LC_ALL=C", program])
                    .args(args)
                    .stdin(openssh::Stdio::piped())
                    .stdout(openssh::Stdio::piped())
                    .stderr(openssh::Stdio::piped())
                    .spawn()
                    .await
                    .map_err(|e| self.not_started(program, &chain(&e)))?;
                let stdin = child.stdin().take().map(|s| Box::new(s) as Input);
                let stdout = child.stdout().take().map(|s| Box::new(s) as Out);
                let stderr = child.stderr().take().map(|s| Box::new(s) as Out);
                let ended = async { child.wait().await.map_err(|e| chain(&e)) };
                self.follow(&what, run, on_line, (stdin, stdout, stderr), ended).await
            }
        }
    }

    /// Runs a command that must succeed. Its standard output.
    ///
    /// # Errors
    /// As [`Host::run`], and when it fails.
    pub async fn must(&self, run: &Run<'_>, on_line: Lines<'_>) -> Result<Output> {
        let output = self.run(run, on_line).await?;
        if output.is_success() {
            return Ok(output);
        }
        let program = run.argv.first().copied().unwrap_or("");
        Err(HostError::Failed {
            what: format!("on {}", self.label),
            program: program.to_owned(),
            status: match output.code {
                Some(code) => format!("exit status {code}"),
                None => "a signal".to_owned(),
            },
            said: output.stderr,
        }
        .into())
    }

    fn not_started(&self, program: &str, why: &str) -> HostError {
        HostError::NotStarted {
            what: format!("on {}", self.label),
            program: program.to_owned(),
            why: SafeText::capped(why, 300),
        }
    }

    async fn follow(
        &self,
        what: &str,
        run: &Run<'_>,
        on_line: Lines<'_>,
        (stdin, stdout, stderr): (Option<Input>, Option<Out>, Option<Out>),
        ended: impl Future<Output = std::result::Result<ExitStatus, String>>,
    ) -> Result<Output> {
        let feed = async {
            if let (Some(mut stdin), Some(bytes)) = (stdin, run.stdin) {
                // A program that doesn't read all of it says so by its exit status.
                let _ = stdin.write_all(bytes).await;
                let _ = stdin.shutdown().await;
            }
        };
        let cap = self.limits.answer_bytes;
        let all = async {
            let ((), out, err, status) = tokio::join!(
                feed,
                read_lines(stdout, Stream::Stdout, cap, on_line),
                read_lines(stderr, Stream::Stderr, cap, on_line),
                ended
            );
            (out, err, status)
        };
        let (stdout, err, status) = deadline(what, run.limit, all).await?;
        let status = status.map_err(|why| -> RemoteError {
            HostError::Unreachable {
                what: what.to_owned(),
                why: SafeText::capped(&why, 300),
            }
            .into()
        })?;
        let err = String::from_utf8_lossy(&err);
        let tail = err.trim_end().lines().rev().take(5).collect::<Vec<_>>();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join(" · ");
        Ok(Output {
            code: status.code(),
            stdout,
            stderr: SafeText::capped(&tail, 1_000),
        })
    }
}

/// Ends a local command's process group when its future is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(self.0.take());
    }
}

/// Reads to the end, hands out lines (cut at the cap of a line), and keeps the first `cap` bytes.
async fn read_lines(from: Option<Out>, stream: Stream, cap: usize, on_line: Lines<'_>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut line = Vec::new();
    let mut chunk = vec![0_u8; 16 * 1024];
    loop {
        let read = match from.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => &chunk[..read],
        };
        kept.extend_from_slice(&read[..read.len().min(cap.saturating_sub(kept.len()))]);
        for part in read.split_inclusive(|b| *b == b'\n') {
            // A little over the cap, so that the cut is seen and marked.
            let room = (MAX_LINE_BYTES + 1024).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                emit(&mut line, stream, on_line);
            }
        }
    }
    if !line.is_empty() {
        emit(&mut line, stream, on_line);
    }
    kept
}

fn emit(line: &mut Vec<u8>, stream: Stream, on_line: Lines<'_>) {
    let text = String::from_utf8_lossy(line);
    on_line(stream, SafeText::new(text.trim_end_matches(['\n', '\r'])));
    line.clear();
}
