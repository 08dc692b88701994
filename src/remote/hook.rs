//! A program of the operator's own that is told something: arguments as they are, no shell; what it is
//! told comes by the environment and standard input, bounded in time and in what it may say.

use super::secrets::kill_group;
use crate::domain::{Problem, SafeText};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The most that is read of what it says.
const SAID: u64 = 4 * 1024;

/// Ends what is left of the program, whatever ends us.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(self.0);
    }
}

/// Runs a program to its end, at most for so long.
///
/// # Errors
/// When it can't be started, ends with another status than 0, or takes too long (it is ended then).
pub async fn tell(
    argv: &[String],
    env: &[(&'static str, String)],
    stdin: &[u8],
    limit: Duration,
) -> Result<(), Problem> {
    let Some((program, args)) = argv.split_first() else {
        return Err(Problem::new("usage", "the command is empty"));
    };
    let shown = SafeText::capped(program, 200);
    let failed = |why: String| {
        Problem::new("command_failed", format!("{shown}: {why}"))
            .hint("it is `command` in the configuration's [alerts]; try it in a shell")
    };
    let mut child = tokio::process::Command::new(program)
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value.replace('\0', " "))))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let _group = Group(child.id());
    let (input, said) = (child.stdin.take(), child.stderr.take());
    let ended = tokio::time::timeout(limit, async {
        let write = async {
            if let Some(mut input) = input {
                // One that doesn't read what it is told has not failed by that.
                let _ = input.write_all(stdin).await;
            }
        };
        let read = async {
            let mut out = Vec::new();
            if let Some(said) = said {
                let mut said = said.take(SAID);
                let _ = said.read_to_end(&mut out).await;
                // What is over is thrown away, so that it can end.
                let mut rest = said.into_inner();
                let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
            }
            out
        };
        let ((), said, status) = tokio::join!(write, read, child.wait());
        (said, status)
    })
    .await;
    match ended {
        Err(_) => Err(failed(format!("no end within {} s; it was stopped", limit.as_secs()))),
        Ok((_, Err(error))) => Err(failed(error.to_string())),
        Ok((_, Ok(status))) if status.success() => Ok(()),
        Ok((said, Ok(status))) => {
            let said = String::from_utf8_lossy(&said);
            let last = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            let what = match status.code() {
                Some(code) => format!("exit status {code}"),
                None => "ended by a signal".to_owned(),
            };
            let colon = if last.is_empty() { "" } else { ": " };
            Err(failed(format!("{what}{colon}{}", SafeText::capped(last, 300))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(script: &str) -> Vec<String> {
        ["sh", "-c", script, "hook"].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn it_is_told_by_environment_and_standard_input_and_never_by_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = format!("printf '%s|' \"$VIGIE_ALERT_TEXT\" > {0}; cat >> {0}", out.display());
        let env = [("VIGIE_ALERT_TEXT", "$(touch /tmp/never); `id`".to_owned())];
        tell(&argv(&script), &env, b"{\"count\":1}", Duration::from_secs(20))
            .await
            .unwrap();
        let told = std::fs::read_to_string(&out).unwrap();
        assert_eq!(told, "$(touch /tmp/never); `id`|{\"count\":1}");
    }

    #[tokio::test]
    async fn what_fails_or_hangs_is_said_and_does_not_outlive_its_time() {
        let limit = Duration::from_secs(20);
        let failed = tell(&argv("echo one >&2; echo 'no such room' >&2; exit 3"), &[], b"", limit).await;
        assert!(failed.unwrap_err().message.contains("exit status 3: no such room"));
        let missing = tell(&["/no/such/program".to_owned()], &[], b"", limit).await;
        assert!(missing.is_err());
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // The grandchild holds the pipe: it has to go too.
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let begun = std::time::Instant::now();
        let hung = tell(&argv(&script), &[], b"", Duration::from_millis(1500)).await;
        assert!(hung.unwrap_err().message.contains("no end within"));
        assert!(begun.elapsed() < Duration::from_secs(15));
        let pid = std::fs::read_to_string(&pid).unwrap().trim().to_owned();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        for _ in 0..200 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{pid} outlived its time");
    }
}
