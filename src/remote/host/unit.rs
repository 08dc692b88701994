//! Long steps as named transient units of a machine's systemd. A unit goes on when the connection breaks or
//! the worker dies; another finds it by its name, with its state and its whole output.
//!
//! Its output goes to a file of root's below `/run/vigie` and not to the journal only: that is capped and
//! thinned out, mixed with others', and read by more than root. The file is gone with the next start of
//! the machine, as the unit is: both are absent then, never one without the other.

mod look;

use super::words::{self, Who};
use super::{Host, HostError, Lines, Run};
use crate::domain::job::Stream;
use crate::domain::{RemotePath, SafeText, Secret};
use crate::remote::error::{RemoteError, Result};
use look::{Look, Reading, take_lines};
use std::time::{Duration, Instant};

/// The folder of root's in which each unit has its own.
const FOLDER: &str = "/run/vigie";

/// Most bytes of output that are fetched at once.
const CHUNK: usize = 256 * 1024;

/// How long the machine waits for something new before it answers that there is nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A transient unit's name and the mark in its description, without which it is never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    name: String,
    mark: String,
}

/// A long step.
#[derive(Clone, Copy)]
pub struct UnitRun<'a> {
    /// Under which name it is found again.
    pub unit: &'a Unit,
    /// Program and arguments, each as it is.
    pub argv: &'a [&'a str],
    /// Variables that anyone on that machine may see.
    pub env: &'a [(&'a str, &'a str)],
    /// Variables that nobody else may see, one line each: they go by standard input and a file of root's
    /// with mode 0600 that is gone once the program has begun.
    pub secrets: &'a [(&'a str, &'a Secret)],
    /// What it reads.
    pub stdin: Option<&'a [u8]>,
    /// Where it runs; else at the root.
    pub cwd: Option<&'a RemotePath>,
    /// The account it runs as; else root.
    pub user: Option<&'a str>,
    /// How long it may take; systemd ends it then.
    pub limit: Duration,
}

/// Whether a unit was begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Now.
    Now,
    /// It was already: running, or ended and not forgotten.
    Already,
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitState {
    /// It runs, or is about to.
    Running,
    /// It ended.
    Ended {
        /// Its exit code; `None` when it was ended by a signal.
        code: Option<i32>,
        /// systemd's word: `success`, `exit-code`, `signal`, `timeout`, `oom-kill`, …
        result: String,
    },
    /// There is none: never begun, forgotten, or the machine was started anew.
    Absent,
}

impl UnitState {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Ended { code: Some(0), result } if result == "success")
    }
}

impl Unit {
    /// A unit called `vigie-…`, marked in its description.
    ///
    /// # Errors
    /// When the name has more than lowercase letters, digits and `-`, does not begin with `vigie-`, is
    /// longer than 200 bytes, or the mark is not one line of visible ASCII.
    pub fn new(name: &str, mark: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = name.starts_with("vigie-") && name.len() > 6 && name.len() <= 200 && name.chars().all(plain);
        let visible = |b: u8| (0x20..0x7f).contains(&b);
        let marked = !mark.trim().is_empty() && mark.trim() == mark && mark.len() <= 200 && mark.bytes().all(visible);
        if !(named && marked) {
            return Err(RemoteError::from(HostError::Unexpected {
                what: "name a unit".to_owned(),
                why: format!("{name:?} with the mark {mark:?} is none that this program gives"),
            }));
        }
        Ok(Self {
            name: name.to_owned(),
            mark: mark.to_owned(),
        })
    }

    /// Its name, without `.service`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The mark in its description.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    fn folder(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }
}

/// Puts what a unit reads into a file of root's and begins it, unless it is too late for that: what was sent
/// may arrive long after its sender has given up and looked, on a line that was mended.
const START: &str = r#"set -eu; umask 077; trap 'exit 1' HUP INT TERM
name=$1 dir=$2 until=$3 boot=$4 length=$5; shift 5
[ -d /run/systemd/system ] || exit 48
read -r up _ < /proc/uptime
[ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "${up%%.*}" -le "$until" ] || exit 49
mkdir -p -- "$dir"
in=$dir/input.$$
trap 'rm -f -- "$in"' EXIT
cat > "$in"
[ "$(stat -c %s -- "$in")" = "$length" ] || exit 47
: >> "$dir/output"
systemd-run --quiet --unit="$name" -p "StandardInput=file:$in" \
    -p "StandardOutput=append:$dir/output" -p "StandardError=append:$dir/output" "$@""#;

/// Ends a unit that carries the mark; with a second word, only one that has ended, and forgets it.
const STOP: &str = r#"set -u
name=$1 dir=$2 mark=$3 forget=$4
[ -d /run/systemd/system ] || exit 48
of() { systemctl show --property="$1" --value -- "$name"; }
if [ "$(of LoadState)" != not-found ]; then
    [ "$(of Description)" = "$mark" ] || exit 50
    if [ -n "$forget" ]; then
        case $(of ActiveState)/$(of SubState) in active/exited | failed/* | inactive/*) ;; *) exit 51 ;; esac
    fi
    systemctl stop -- "$name" || [ "$(of LoadState)" = not-found ] || exit 1
    if [ -n "$forget" ]; then systemctl reset-failed -- "$name" 2> /dev/null; fi
fi
if [ -n "$forget" ]; then rm -rf --one-file-system -- "$dir"; fi
exit 0"#;

fn quiet(_: Stream, _: SafeText) {}

/// systemd replaces `$NAME` in a unit's words; two are one that stays.
fn literal(word: &str) -> String {
    word.replace('$', "$$")
}

/// What Unicode keeps for inside programs, and systemd refuses in any text.
fn no_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

impl UnitRun<'_> {
    /// What follows `systemd-run --unit=…`.
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--description={}", self.unit.mark),
            "--service-type=exec".to_owned(),
            "--remain-after-exit".to_owned(),
        ];
        let mut property = |text: String| words.extend(["-p".to_owned(), text]);
        property(format!("RuntimeMaxSec={}", words::seconds(self.limit).max(1)));
        property("TimeoutStopSec=10".to_owned());
        property("Restart=no".to_owned());
        if let Some(user) = self.user {
            property(format!("User={user}"));
        }
        words.push("--".to_owned());
        let mut env = vec![("LC_ALL", "C.UTF-8")];
        env.extend(self.env);
        let names: Vec<&str> = self.secrets.iter().map(|(name, _)| *name).collect();
        let cwd = self.cwd.map(|cwd| cwd.as_str());
        words.extend(words::program(self.argv, cwd, &env, &names).iter().map(|w| literal(w)));
        words
    }
}

impl Host {
    /// Begins a long step under its name, or finds that it was begun already. However often it is called,
    /// on whatever connection, the program runs once, until the unit is forgotten.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when that name is another's; [`HostError::NoSystemd`]; when it can't be begun.
    pub async fn start_unit(&self, step: &UnitRun<'_>) -> Result<Started> {
        let what = format!("begin {} on {}", step.unit.name, self.label);
        self.access.write(&what)?;
        if let Some(why) = words::wrong_variable(step.env, step.secrets) {
            return Err(self.odd(what, why).into());
        }
        let values = step.env.iter().map(|(_, value)| value);
        let mut letters = step.argv.iter().chain(values).flat_map(|word| word.chars());
        if let Some(odd) = letters.find(|c| no_character(*c)) {
            let (program, code) = (step.argv.first().copied().unwrap_or(""), u32::from(odd));
            let why = format!("systemd takes no word with U+{code:04X}");
            return Err(self.not_started(program, &why).into());
        }
        let before = self.look(step.unit, 0, Duration::ZERO, 0).await?;
        if before.state != UnitState::Absent {
            self.must_be_ours(step.unit, &before)?;
            return Ok(Started::Already);
        }
        let input = words::input(step.secrets, step.stdin).unwrap_or_default();
        let until = (before.uptime + self.call().as_secs()).to_string();
        let (service, folder, length) = (step.unit.service(), step.unit.folder(), input.len().to_string());
        let given = step.words();
        let mut argv = vec![
            "sh",
            "-c",
            START,
            "vigie",
            &service,
            &folder,
            &until,
            &before.boot,
            &length,
        ];
        argv.extend(given.iter().map(String::as_str));
        let run = Run {
            stdin: Some(&input),
            ..Run::writing(&argv, self.call())
        };
        let who = self.who(true).await?;
        let output = self.exec(&run, who, 4096, &quiet).await?;
        if output.is_success() {
            return Ok(Started::Now);
        }
        // Another was quicker, or its program ended at once: what counts is what is there now.
        let after = self.look(step.unit, 0, Duration::ZERO, 0).await?;
        if after.state != UnitState::Absent {
            self.must_be_ours(step.unit, &after)?;
            return Ok(Started::Now);
        }
        Err(match output.code {
            Some(47) => HostError::Cut {
                what,
                why: SafeText::new("not all of it arrived; nothing was begun"),
            },
            Some(48) => HostError::NoSystemd { what },
            Some(49) => HostError::Unreachable {
                what,
                why: SafeText::new("it arrived too late, and was not begun"),
            },
            code => HostError::Failed {
                what,
                program: "systemd-run".to_owned(),
                status: format!("exit status {}", code.unwrap_or(-1)),
                said: output.stderr,
            },
        }
        .into())
    }

    /// What became of a unit.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when that name is another's; when the machine can't be asked.
    pub async fn unit_state(&self, unit: &Unit) -> Result<UnitState> {
        let look = self.look(unit, 0, Duration::ZERO, 0).await?;
        self.must_be_ours(unit, &look)?;
        Ok(look.state)
    }

    /// Hands out a unit's output line by line, from `cursor` (0: from its beginning) until it ended; `cursor`
    /// follows behind the last line handed out, so that a later call goes on there, neither repeating nor
    /// losing a line. A connection that breaks meanwhile is made again, which a line of
    /// [`Stream::Step`] says.
    ///
    /// # Errors
    /// [`RemoteError::Deadline`] when it did not end within `limit` (it goes on); when the machine refuses,
    /// or could not be reached again within that time.
    pub async fn follow_unit(
        &self,
        unit: &Unit,
        cursor: &mut u64,
        limit: Duration,
        on_line: Lines<'_>,
    ) -> Result<UnitState> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(250);
        let mut lost = false;
        loop {
            let left = limit.saturating_sub(began.elapsed());
            let look = match self.look(unit, *cursor, PATIENCE.min(left), CHUNK).await {
                Ok(look) => look,
                Err(error) if error.is_transient() && pause < left => {
                    if !lost {
                        let text = format!("{error}; what runs there goes on, connecting again");
                        on_line(Stream::Step, SafeText::new(&text));
                    }
                    lost = true;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if lost {
                on_line(Stream::Step, SafeText::new("connected again"));
                (lost, pause) = (false, Duration::from_millis(250));
            }
            self.must_be_ours(unit, &look)?;
            if look.state == UnitState::Running && look.output.is_empty() {
                // Neither begun nor ended is short, and not worth a call without a breath between.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let whole = look.state != UnitState::Running && *cursor + look.output.len() as u64 >= look.size;
            *cursor += take_lines(&look.output, whole, look.output.len() >= CHUNK, on_line) as u64;
            if whole {
                return Ok(look.state);
            }
            if began.elapsed() >= limit {
                return Err(RemoteError::Deadline {
                    what: format!("{} on {}", unit.name, self.label),
                    after: limit,
                });
            }
        }
    }

    /// Ends a unit with all its processes. Says nothing where there is none; its output stays until it is
    /// forgotten.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when that name is another's; when it does not end.
    pub async fn stop_unit(&self, unit: &Unit) -> Result<()> {
        self.end(unit, "").await
    }

    /// Forgets a unit that has ended, with its output. Says nothing where there is none.
    ///
    /// # Errors
    /// When it still runs; [`HostError::Stranger`] when that name is another's.
    pub async fn forget_unit(&self, unit: &Unit) -> Result<()> {
        self.end(unit, "forget").await
    }

    async fn end(&self, unit: &Unit, forget: &str) -> Result<()> {
        let verb = if forget.is_empty() { "end" } else { "forget" };
        let what = format!("{verb} {} on {}", unit.name, self.label);
        self.access.write(&what)?;
        let (service, folder) = (unit.service(), unit.folder());
        let argv = ["sh", "-c", STOP, "vigie", &service, &folder, &unit.mark, forget];
        let who = self.who(true).await?;
        let output = self.exec(&Run::writing(&argv, self.call()), who, 4096, &quiet).await?;
        match output.code {
            Some(0) => Ok(()),
            Some(48) => Err(HostError::NoSystemd { what }.into()),
            Some(50) => Err(self.not_ours(unit).into()),
            Some(51) => Err(self.odd(what, "it still runs".to_owned()).into()),
            code => Err(HostError::Failed {
                what,
                program: "systemctl".to_owned(),
                status: format!("exit status {}", code.unwrap_or(-1)),
                said: output.stderr,
            }
            .into()),
        }
    }

    /// One look: state, and what is there behind `cursor`, waiting a while for something new.
    async fn look(&self, unit: &Unit, cursor: u64, patience: Duration, most: usize) -> Result<Look> {
        let what = format!("look at {} on {}", unit.name, self.label);
        let (service, folder) = (unit.service(), unit.folder());
        let reading = Reading::new(cursor, patience, most);
        let argv = reading.argv(&service, &folder);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let who: Who = self.who(true).await?;
        let run = Run::reading(&argv, self.call() + patience);
        let output = self.exec(&run, who, most + 64 * 1024, &quiet).await?;
        match output.code {
            Some(0) => {
                let said = output.stderr.to_string();
                Look::parse(output.stdout).ok_or_else(|| self.odd(what, format!("systemd's answer: {said}")).into())
            }
            Some(48) => Err(HostError::NoSystemd { what }.into()),
            _ => Err(self.odd(what, output.stderr.to_string()).into()),
        }
    }

    fn must_be_ours(&self, unit: &Unit, look: &Look) -> Result<()> {
        match look.state == UnitState::Absent || look.description == unit.mark {
            true => Ok(()),
            false => Err(self.not_ours(unit).into()),
        }
    }

    fn not_ours(&self, unit: &Unit) -> HostError {
        let why = format!("the unit {} is there and does not carry this job's mark", unit.name);
        self.stranger(format!("use {}", unit.name), why)
    }
}
