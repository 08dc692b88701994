//! One look at a unit: how it is asked for, and how the answer is read.

use super::UnitState;
use crate::domain::SafeText;
use crate::domain::job::Stream;
use crate::domain::text::MAX_LINE_BYTES;
use crate::remote::host::Lines;
use std::time::Duration;

/// Asks for the state first and for the output then: what a unit wrote before it ended is there when its end
/// is seen.
const LOOK: &str = r#"set -eu
name=$1 out=$2/output cursor=$3 tries=$4 most=$5
[ -d /run/systemd/system ] || exit 48
while :; do
    state=$(systemctl show -p LoadState -p ActiveState -p SubState -p Result -p ExecMainCode \
        -p ExecMainStatus -p Description -- "$name")
    size=$(stat -c %s -- "$out" 2> /dev/null || echo 0)
    case $state in *LoadState=not-found* | *SubState=exited* | *ActiveState=failed*) break ;; esac
    if [ "$size" -gt "$cursor" ] || [ "$tries" -le 0 ]; then break; fi
    tries=$((tries - 1))
    sleep 0.2
done
read -r up _ < /proc/uptime
printf '%s\nsize=%s\nuptime=%s\nboot=%s\n\n' "$state" "$size" "${up%%.*}" "$(cat /proc/sys/kernel/random/boot_id)"
if [ "$most" -gt 0 ] && [ "$size" -gt "$cursor" ]; then
    tail -c +"$((cursor + 1))" -- "$out" | head -c "$most"
fi"#;

/// What a look asks for.
pub(super) struct Reading {
    cursor: u64,
    tries: u64,
    most: usize,
}

impl Reading {
    pub(super) fn new(cursor: u64, patience: Duration, most: usize) -> Self {
        Self {
            cursor,
            tries: patience.as_secs() * 5,
            most,
        }
    }

    pub(super) fn argv(&self, service: &str, folder: &str) -> Vec<String> {
        let numbers = [self.cursor, self.tries, self.most as u64].map(|n| n.to_string());
        let words = ["sh", "-c", LOOK, "vigie", service, folder].map(str::to_owned);
        words.into_iter().chain(numbers).collect()
    }
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) state: UnitState,
    pub(super) description: String,
    /// Bytes of its whole output.
    pub(super) size: u64,
    /// Seconds since the machine was started, and which start that was.
    pub(super) uptime: u64,
    pub(super) boot: String,
    /// What was asked for of its output.
    pub(super) output: Vec<u8>,
}

impl Look {
    pub(super) fn parse(mut answer: Vec<u8>) -> Option<Self> {
        let head = answer.windows(2).position(|w| w == b"\n\n")?;
        let output = answer.split_off(head + 2);
        let text = String::from_utf8(answer).ok()?;
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let (load, active, sub) = (of("LoadState")?, of("ActiveState")?, of("SubState")?);
        let main_code: i32 = of("ExecMainCode").and_then(|n| n.parse().ok()).unwrap_or(0);
        let status = of("ExecMainStatus").and_then(|n| n.parse().ok());
        let state = if load == "not-found" {
            UnitState::Absent
        } else if (active == "active" && sub == "exited")
            || active == "failed"
            || (active == "inactive" && main_code != 0)
        {
            UnitState::Ended {
                // CLD_EXITED: by its own will.
                code: status.filter(|_| main_code == 1),
                result: of("Result").unwrap_or_default().to_owned(),
            }
        } else {
            UnitState::Running
        };
        Some(Self {
            state,
            description: of("Description").unwrap_or_default().to_owned(),
            size: of("size")?.parse().ok()?,
            uptime: of("uptime")?.parse().ok()?,
            boot: of("boot")?.to_owned(),
            output,
        })
    }
}

/// Hands out the whole lines of `bytes`: the last one too where nothing follows (`whole`), or where it fills
/// all that is fetched at once (`full`). How many bytes were used up.
pub(super) fn take_lines(bytes: &[u8], whole: bool, full: bool, on_line: Lines<'_>) -> usize {
    let mut used = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if !(line.ends_with(b"\n") || whole || full && used == 0) {
            break;
        }
        used += line.len();
        // A little over the cap, so that the cut is seen and marked.
        let shown = &line[..line.len().min(MAX_LINE_BYTES + 1024)];
        let text = String::from_utf8_lossy(shown);
        on_line(Stream::Stdout, SafeText::new(text.trim_end_matches(['\n', '\r'])));
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn answer(active: &str, sub: &str, code: &str, status: &str, output: &str) -> Vec<u8> {
        let load = if active == "absent" { "not-found" } else { "loaded" };
        format!(
            "LoadState={load}\nActiveState={active}\nSubState={sub}\nResult=word\nExecMainCode={code}\n\
             ExecMainStatus={status}\nDescription=vigie job=1 nonce=a\nsize=9\nuptime=77\nboot=b-1\n\n{output}"
        )
        .into_bytes()
    }

    #[test]
    fn each_state_of_systemds_is_one_of_ours() {
        let state = |active, sub, code, status| Look::parse(answer(active, sub, code, status, "")).unwrap().state;
        let ended = |code| UnitState::Ended {
            code,
            result: "word".to_owned(),
        };
        assert_eq!(state("absent", "dead", "0", "0"), UnitState::Absent);
        assert_eq!(state("activating", "start", "0", "0"), UnitState::Running);
        assert_eq!(state("active", "running", "0", "0"), UnitState::Running);
        assert_eq!(state("deactivating", "stop-sigterm", "0", "0"), UnitState::Running);
        assert_eq!(
            state("inactive", "dead", "0", "0"),
            UnitState::Running,
            "about to begin"
        );
        assert_eq!(state("active", "exited", "1", "0"), ended(Some(0)));
        assert_eq!(state("failed", "failed", "1", "3"), ended(Some(3)));
        assert_eq!(state("failed", "failed", "2", "9"), ended(None));
        assert_eq!(state("failed", "failed", "0", "0"), ended(None), "never begun");
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let look = Look::parse(answer("active", "running", "0", "0", "a\n\nb\n")).unwrap();
        assert_eq!(
            (look.output.as_slice(), look.size, look.uptime),
            (&b"a\n\nb\n"[..], 9, 77)
        );
        assert_eq!(
            (look.boot.as_str(), look.description.as_str()),
            ("b-1", "vigie job=1 nonce=a")
        );
        for bad in ["", "x", "LoadState=loaded\n\n", "\n\n"] {
            assert_eq!(Look::parse(bad.as_bytes().to_vec()), None, "{bad:?}");
        }
    }

    #[test]
    fn lines_are_handed_out_once_and_whole() {
        let lines = |bytes: &str, whole, full| {
            let kept = Mutex::new(Vec::new());
            let used = take_lines(bytes.as_bytes(), whole, full, &|_, line| {
                kept.lock().unwrap().push(line.to_string())
            });
            (used, kept.into_inner().unwrap())
        };
        assert_eq!(
            lines("a\nb\r\nta", false, false),
            (5, vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(lines("ta", true, false), (2, vec!["ta".to_owned()]));
        assert_eq!(lines("ta", false, false), (0, vec![]));
        assert_eq!(lines("no end", false, true), (6, vec!["no end".to_owned()]));
        assert_eq!(lines("a\nno end", false, true), (2, vec!["a".to_owned()]));
        assert_eq!(lines("", true, true), (0, vec![]));
    }
}
