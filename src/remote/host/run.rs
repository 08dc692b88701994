//! Running one command, here or there, and reading it line by line.

use super::session::{Link, answers};
use super::words::{self, SCRIPT_NAME, Who};
use super::{Host, HostError, Way, chain};
use crate::domain::job::Stream;
use crate::domain::text::MAX_LINE_BYTES;
use crate::domain::{RemotePath, SafeText, Secret};
use crate::remote::error::{Result, deadline};
use crate::remote::secrets::kill_group;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A command. [`Run::reading`] and [`Run::writing`] make one with nothing special about it.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Program and arguments, each as it is.
    pub argv: &'a [&'a str],
    /// What it reads; nothing else is ever connected to its standard input.
    pub stdin: Option<&'a [u8]>,
    /// How long it may take; it is ended there too.
    pub limit: Duration,
    /// Whether it changes anything: refused on a read-only handle.
    pub writes: bool,
    /// Variables that anyone may see.
    pub env: &'a [(&'a str, &'a str)],
    /// Variables that nobody else may see: they go by standard input, before `stdin`, never by a command
    /// line. One line each.
    pub secrets: &'a [(&'a str, &'a Secret)],
    /// Where it runs; else where the account's shell begins.
    pub cwd: Option<&'a RemotePath>,
    /// Whether it runs as root: by `sudo -n` where the account is not root itself.
    pub as_root: bool,
}

impl<'a> Run<'a> {
    /// A command that changes nothing.
    pub fn reading(argv: &'a [&'a str], limit: Duration) -> Self {
        Self {
            argv,
            stdin: None,
            limit,
            writes: false,
            env: &[],
            secrets: &[],
            cwd: None,
            as_root: false,
        }
    }

    /// A command that changes something.
    pub fn writing(argv: &'a [&'a str], limit: Duration) -> Self {
        Self {
            writes: true,
            ..Self::reading(argv, limit)
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it here. By ssh that is 128 and the signal's number.
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

/// Where lines go as they come.
pub type Lines<'a> = &'a (dyn Fn(Stream, SafeText) + Send + Sync);

/// Most bytes of standard error that are kept.
const ERROR_BYTES: usize = 1 << 20;

type Input = Box<dyn AsyncWrite + Send + Unpin>;
type Out = Box<dyn AsyncRead + Send + Unpin>;

impl Host {
    /// Runs a command to its end, whatever its exit status; lines go to `on_line` as they come.
    ///
    /// # Errors
    /// When it can't be started or reached, sudo refuses, the connection breaks, it takes too long, or
    /// writes on a read-only handle.
    pub async fn run(&self, run: &Run<'_>, on_line: Lines<'_>) -> Result<Output> {
        let program = run.argv.first().copied().unwrap_or("");
        if run.writes {
            self.access.write(&format!("{program} on {}", self.label))?;
        }
        let who = self.who(run.as_root).await?;
        self.exec(run, who, self.limits.answer_bytes, on_line).await
    }

    /// As [`Host::run`], as somebody, keeping at most `keep` bytes of its standard output.
    pub(super) async fn exec(&self, run: &Run<'_>, who: Who, keep: usize, on_line: Lines<'_>) -> Result<Output> {
        let Some((program, args)) = run.argv.split_first() else {
            return Err(self.not_started("", "there is no program").into());
        };
        if let Some(why) = words::wrong_variable(run.env, run.secrets) {
            return Err(self.not_started(program, &why).into());
        }
        if run.argv.iter().any(|word| word.contains('\0')) {
            return Err(self.not_started(program, "a word has a NUL in it").into());
        }
        let what = format!("{program} on {}", self.label);
        let output = match &*self.way {
            Way::Here if who == Who::Account => {
                let mut command = tokio::process::Command::new(program);
                command.args(args).env("LC_ALL", "C").envs(run.env.iter().copied());
                command.envs(run.secrets.iter().map(|(name, secret)| (name, secret.expose())));
                if let Some(cwd) = run.cwd {
                    command.current_dir(cwd.as_str());
                }
                self.here(&what, command, program, run, run.stdin, keep, on_line)
                    .await?
            }
            Way::Here => {
                let words = words::command(run, who);
                let mut command = tokio::process::Command::new("sh");
                command.args(&words[1..]);
                let input = words::input(run.secrets, run.stdin);
                self.here(&what, command, program, run, input.as_deref(), keep, on_line)
                    .await?
            }
            Way::Ssh(link) => {
                let words = words::command(run, who);
                self.there(&what, link, &words, run, keep, on_line).await?
            }
        };
        let wrapped = !(self.is_local() && who == Who::Account);
        if wrapped && output.code == Some(127) && output.stderr.as_str().contains(&format!("{SCRIPT_NAME}: ")) {
            return Err(match output.stderr.as_str().contains("sudo:") {
                true => self.refused(what, output.stderr).await.into(),
                false => self.not_started(program, output.stderr.as_str()).into(),
            });
        }
        let sudo_spoke = who == Who::Sudo && output.code == Some(1) && output.stderr.as_str().contains("sudo: ");
        if sudo_spoke && !self.sudo_works(run.limit).await? {
            return Err(self.refused(what, output.stderr).await.into());
        }
        Ok(output)
    }

    /// Whether sudo lets the account do anything: what it says may be the program's own words.
    async fn sudo_works(&self, limit: Duration) -> Result<bool> {
        let run = Run::reading(&["true"], limit.min(self.call()));
        let mut words = words::command(&run, Who::Sudo);
        let output = match &*self.way {
            Way::Here => {
                let mut command = tokio::process::Command::new("sh");
                command.args(words.drain(1..));
                self.here("sudo", command, "sudo", &run, None, 4096, &|_, _| {}).await?
            }
            Way::Ssh(link) => self.there("sudo", link, &words, &run, 4096, &|_, _| {}).await?,
        };
        Ok(output.is_success())
    }

    async fn refused(&self, what: String, said: SafeText) -> HostError {
        // Where even that fails, nothing is lost but the name.
        let user = Box::pin(self.account()).await;
        HostError::Sudo {
            what,
            user: user.map_or_else(|_| "the account".to_owned(), |account| account.user.clone()),
            said,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one call, used twice")]
    async fn here(
        &self,
        what: &str,
        mut command: tokio::process::Command,
        program: &str,
        run: &Run<'_>,
        input: Option<&[u8]>,
        keep: usize,
        on_line: Lines<'_>,
    ) -> Result<Output> {
        let mut child = command
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
        let ended = async { child.wait().await };
        let (output, status) = follow(what, run.limit, input, keep, on_line, (stdin, stdout, stderr), ended).await?;
        let status = status.map_err(|e| self.odd(what.to_owned(), e.to_string()))?;
        Ok(output.ended(status.code()))
    }

    async fn there(
        &self,
        what: &str,
        link: &Link,
        words: &[String],
        run: &Run<'_>,
        keep: usize,
        on_line: Lines<'_>,
    ) -> Result<Output> {
        let _turn = deadline(what, run.limit, link.turns.acquire()).await?;
        let session = link.session(&self.limits).await?;
        let unreachable = |why: &str| HostError::Unreachable {
            what: what.to_owned(),
            why: SafeText::capped(why, 300),
        };
        let mut child = session
            .command(words[0].as_str())
            .args(&words[1..])
            .stdin(openssh::Stdio::piped())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::piped())
            .spawn()
            .await
            .map_err(|e| unreachable(&chain(&e)))?;
        let input = words::input(run.secrets, run.stdin);
        let stdin = child.stdin().take().map(|s| Box::new(s) as Input);
        let stdout = child.stdout().take().map(|s| Box::new(s) as Out);
        let stderr = child.stderr().take().map(|s| Box::new(s) as Out);
        let ended = async { child.wait().await };
        let streams = (stdin, stdout, stderr);
        let followed = follow(what, run.limit, input.as_deref(), keep, on_line, streams, ended).await;
        let (output, status) = followed.inspect_err(|_| link.suspect())?;
        match status {
            Ok(status) => Ok(output.ended(status.code())),
            // The crate reads two exit statuses as its own errors.
            Err(openssh::Error::Remote(e)) if e.kind() == std::io::ErrorKind::NotFound => Ok(output.ended(Some(127))),
            Err(openssh::Error::RemoteProcessTerminated) => {
                let said = output.stderr.as_str();
                if said.contains("mux_client_request_session") || said.contains("Control socket connect") {
                    // Nothing was begun: the connection was gone before, or takes no more at once.
                    link.suspect();
                    return Err(unreachable(said).into());
                }
                if answers(&session, &self.limits).await {
                    return Ok(output.ended(Some(255)));
                }
                link.suspect();
                let why = match said {
                    "" => SafeText::new("ssh ended"),
                    said => SafeText::capped(said, 300),
                };
                let what = what.to_owned();
                Err(HostError::Cut { what, why }.into())
            }
            Err(error) => {
                link.suspect();
                let what = what.to_owned();
                let why = SafeText::capped(&chain(&error), 300);
                Err(HostError::Cut { what, why }.into())
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

    pub(super) fn not_started(&self, program: &str, why: &str) -> HostError {
        HostError::NotStarted {
            what: format!("on {}", self.label),
            program: program.to_owned(),
            why: SafeText::capped(why, 300),
        }
    }
}

impl Output {
    fn ended(self, code: Option<i32>) -> Self {
        Self { code, ..self }
    }
}

/// Feeds and reads a command until it ended; its output, without the code yet, and what became of it.
async fn follow<E>(
    what: &str,
    limit: Duration,
    input: Option<&[u8]>,
    keep: usize,
    on_line: Lines<'_>,
    (stdin, stdout, stderr): (Option<Input>, Option<Out>, Option<Out>),
    ended: impl Future<Output = std::result::Result<ExitStatus, E>>,
) -> Result<(Output, std::result::Result<ExitStatus, E>)> {
    let feed = async {
        if let (Some(mut stdin), Some(bytes)) = (stdin, input) {
            // A program that doesn't read all of it says so by its exit status.
            let _ = stdin.write_all(bytes).await;
            let _ = stdin.shutdown().await;
        }
    };
    let all = async {
        let ((), out, err, status) = tokio::join!(
            feed,
            read_lines(stdout, Stream::Stdout, keep, on_line),
            read_lines(stderr, Stream::Stderr, ERROR_BYTES, on_line),
            ended
        );
        (out, err, status)
    };
    let (stdout, err, status) = deadline(what, limit, all).await?;
    let err = String::from_utf8_lossy(&err);
    let tail = err.trim_end().lines().rev().take(5).collect::<Vec<_>>();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join(" · ");
    let output = Output {
        code: None,
        stdout,
        stderr: SafeText::capped(&tail, 1_000),
    };
    Ok((output, status))
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
