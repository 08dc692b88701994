//! What is acknowledged is kept: three writer processes killed with -9 at once, again and again.
//!
//! The writers are this test binary, started anew with one ignored test as its work.

use super::bench::{line, op, plain_job};
use pretty_assertions::assert_eq;
use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vigie::domain::job::JobSpec;
use vigie::domain::{JobId, SafeText, ServerId, TemplateId};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{Change, Registry};

/// Starts this binary with one helper as its work.
fn helper(name: &str, dir: &Path, word: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("registry::crash::{name}"),
            "--ignored",
            "--nocapture",
        ])
        .env("VIGIE_HELPER_DIR", dir)
        .env("VIGIE_HELPER_WORD", word)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Where a helper works and as whom; `None` where the test was not started as a helper.
fn asked() -> Option<(PathBuf, String)> {
    Some((
        std::env::var_os("VIGIE_HELPER_DIR")?.into(),
        std::env::var("VIGIE_HELPER_WORD").ok()?,
    ))
}

fn ends_well(child: Child) {
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
#[ignore = "a helper of the other tests: writes until it is killed"]
fn writer() {
    let Some((dir, word)) = asked() else { return };
    runtime().block_on(async {
        let r = Sqlite::open(dir.join("registry.db")).unwrap();
        let mut acknowledged = std::fs::File::create(dir.join(format!("ack-{word}"))).unwrap();
        for n in 0.. {
            let name = format!("{word}-{n}");
            r.customer_named(&op(), &SafeText::new(&name)).await.unwrap();
            writeln!(acknowledged, "c {name}").unwrap();
            let seq = r.append_log(JobId(1), &[line(&name), line(&name)]).await.unwrap();
            writeln!(acknowledged, "l {seq} {name}").unwrap();
        }
    });
}

/// Writers that end with the test, whichever way it ends.
struct Writers(Vec<Child>);

impl Drop for Writers {
    fn drop(&mut self) {
        for writer in &mut self.0 {
            let _ = writer.kill();
            let _ = writer.wait();
        }
    }
}

/// A pseudo-random number, from a seed that is printed.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// So many rounds of three writers killed together; the answer is how much was acknowledged.
fn kill_rounds(rounds: u32, seed: &mut u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    runtime().block_on(async {
        let r = Sqlite::open(&path).unwrap();
        let spec = JobSpec::TemplateThaw {
            template_id: TemplateId(1),
            server_id: ServerId(1),
        };
        assert_eq!(r.queue_job(&op(), &plain_job(spec)).await.unwrap().id, JobId(1));
    });
    let mut total = 0;
    for round in 0..rounds {
        let words: Vec<String> = (0..3).map(|w| format!("{round}-{w}")).collect();
        let mut writers = Writers(words.iter().map(|word| helper("writer", dir.path(), word)).collect());
        // Killed at any moment of its life, opening included; mostly while it writes.
        let patience = Instant::now() + Duration::from_secs(30);
        let ready =
            |word: &String| std::fs::metadata(dir.path().join(format!("ack-{word}"))).is_ok_and(|m| m.len() > 0);
        if !random(seed).is_multiple_of(8) {
            while !words.iter().all(ready) {
                let ended = writers
                    .0
                    .iter_mut()
                    .position(|writer| writer.try_wait().unwrap().is_some());
                if let Some(ended) = ended {
                    let out = writers.0.swap_remove(ended).wait_with_output().unwrap();
                    panic!(
                        "round {round}: a writer ended: {}",
                        String::from_utf8_lossy(&out.stderr)
                    );
                }
                let wrote: Vec<bool> = words.iter().map(ready).collect();
                assert!(
                    Instant::now() < patience,
                    "round {round}: which of the writers wrote: {wrote:?}"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(Duration::from_micros(random(seed) % 60_000));
        for writer in &mut writers.0 {
            writer.kill().unwrap();
        }
        drop(writers);
        total += verify(&path, dir.path(), &words);
    }
    total
}

/// Every acknowledged row is there, and the file is sound.
fn verify(path: &Path, dir: &Path, words: &[String]) -> u64 {
    let conn = rusqlite::Connection::open(path).unwrap();
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let customers: HashSet<String> = conn
        .prepare("SELECT name FROM saas_customer")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let log: Vec<(i64, String)> = conn
        .prepare("SELECT seq, text FROM saas_job_log WHERE job_id = 1 ORDER BY seq")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (at, (seq, _)) in log.iter().enumerate() {
        assert_eq!(usize::try_from(*seq).unwrap(), at + 1, "the log has a gap");
    }
    let audited: i64 = conn
        .query_row(
            "SELECT count(*) FROM saas_audit WHERE action = 'customer.add'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        usize::try_from(audited).unwrap(),
        customers.len(),
        "a mutation without its audit row"
    );
    let mut count = 0;
    for word in words {
        let acknowledged = std::fs::read_to_string(dir.join(format!("ack-{word}"))).unwrap_or_default();
        // The last line may be half written: it was killed.
        for line in acknowledged.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            count += 1;
            match line.trim_end().split(' ').collect::<Vec<_>>()[..] {
                ["c", name] => assert!(customers.contains(name), "the acknowledged customer {name} is lost"),
                ["l", seq, name] => {
                    let (seq, text) = &log[seq.parse::<usize>().unwrap() - 1];
                    assert_eq!(text, name, "the acknowledged line {seq} is lost");
                }
                _ => panic!("{line:?}"),
            }
        }
    }
    count
}

fn seed() -> u64 {
    let given = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()) | 0x5eed_0000_0000)
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let seed = seed();
    let began = Instant::now();
    let count = kill_rounds(20, &mut seed.clone());
    eprintln!(
        "D1 short: seed {seed}, 20 rounds × 3 processes, {count} acknowledged, 0 lost, {:?}",
        began.elapsed()
    );
    assert!(count > 100, "the writers hardly wrote: {count}");
}

#[test]
#[ignore = "long; run by make soak"]
fn soak_nothing_acknowledged_is_lost_to_kill_9() {
    let first = seed();
    let rounds: u32 = std::env::var("VIGIE_SOAK_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000);
    let began = Instant::now();
    let (mut seed, mut count, mut done) = (first, 0, 0);
    while done < rounds {
        // A new file now and then: checking a file costs by its size.
        let some = 50.min(rounds - done);
        count += kill_rounds(some, &mut seed);
        done += some;
        if done % 500 == 0 {
            eprintln!("D1: {done} rounds so far, {:?}", began.elapsed());
        }
    }
    eprintln!(
        "D1: seed {first}, {done} rounds × 3 processes, {count} acknowledged, 0 lost, {:?}",
        began.elapsed()
    );
}

#[test]
#[ignore = "a helper of the other tests: opens once"]
fn opener() {
    let Some((dir, word)) = asked() else { return };
    runtime().block_on(async {
        let r = Sqlite::open(dir.join("registry.db")).unwrap();
        r.customer_named(&op(), &SafeText::new(&word)).await.unwrap();
    });
}

#[test]
fn a_hundred_first_starts_at_once_make_one_registry() {
    let dir = tempfile::tempdir().unwrap();
    let starts: Vec<Child> = (0..100)
        .map(|i| helper("opener", dir.path(), &format!("c{i}")))
        .collect();
    starts.into_iter().for_each(ends_well);
    let customers = runtime().block_on(async {
        let r = Sqlite::open_existing(dir.path().join("registry.db")).unwrap();
        r.customers().await.unwrap()
    });
    assert_eq!(customers.len(), 100);
    let conn = rusqlite::Connection::open(dir.path().join("registry.db")).unwrap();
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
#[ignore = "a helper of the other tests: opens under umask 000"]
fn without_umask() {
    let Some((dir, _)) = asked() else { return };
    rustix::process::umask(rustix::fs::Mode::empty());
    runtime().block_on(async {
        let r = Sqlite::open(dir.join("data/vigie/registry.db")).unwrap();
        r.customer_named(&op(), &SafeText::new("x")).await.unwrap();
        for entry in std::fs::read_dir(dir.join("data/vigie")).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?} has mode {mode:o}", entry.path());
        }
        assert!(
            std::fs::read_dir(dir.join("data/vigie")).unwrap().count() >= 3,
            "the log and its index too"
        );
        for folder in ["data", "data/vigie"] {
            let mode = std::fs::metadata(dir.join(folder)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o700, "{folder} has mode {mode:o}");
        }
    });
}

#[test]
fn its_files_are_for_their_owner_alone_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    ends_well(helper("without_umask", dir.path(), ""));
    assert!(dir.path().join("data/vigie/registry.db").exists());
}

#[test]
#[ignore = "a helper of the other tests: writes as another process"]
fn neighbour() {
    let Some((dir, _)) = asked() else { return };
    runtime().block_on(async {
        let r = Sqlite::open(dir.join("registry.db")).unwrap();
        let mut mine = r.changes().await.unwrap();
        for n in 0..30 {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            let text = format!("{}", now.tv_sec * 1_000_000_000 + now.tv_nsec);
            r.append_log(JobId(1), &[line(&text)]).await.unwrap();
            // One's own changes are told too.
            assert_eq!(mine.recv().await.unwrap(), [Change::JobLog(JobId(1))], "{n}");
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    });
}

#[test]
fn a_line_written_by_another_process_is_told_within_150_ms() {
    let dir = tempfile::tempdir().unwrap();
    let mut delays = runtime().block_on(async {
        let r = Sqlite::open(dir.path().join("registry.db")).unwrap();
        let spec = JobSpec::TemplateThaw {
            template_id: TemplateId(1),
            server_id: ServerId(1),
        };
        r.queue_job(&op(), &plain_job(spec)).await.unwrap();
        let mut stream = r.changes().await.unwrap();
        let child = helper("neighbour", dir.path(), "");
        let (mut delays, mut after) = (Vec::new(), 0);
        while delays.len() < 30 {
            let batch = tokio::time::timeout(Duration::from_secs(30), stream.recv())
                .await
                .unwrap()
                .unwrap();
            assert!(batch.iter().all(|c| *c == Change::JobLog(JobId(1))), "{batch:?}");
            for line in r.log(JobId(1), after, 100).await.unwrap() {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                let now = now.tv_sec * 1_000_000_000 + now.tv_nsec;
                delays.push(Duration::from_nanos(
                    (now - line.text.as_str().parse::<i64>().unwrap()).unsigned_abs(),
                ));
                after = line.seq;
            }
        }
        ends_well(child);
        delays
    });
    delays.sort_unstable();
    eprintln!(
        "from the call in one process to the line read in another: {:?} median, {:?} worst",
        delays[15], delays[29]
    );
    assert!(delays[27] < Duration::from_millis(150), "{delays:?}");
}

#[test]
#[ignore = "a helper of the other tests: counts its own wake-ups"]
fn idler() {
    let Some((dir, _)) = asked() else { return };
    runtime().block_on(async {
        let r = Sqlite::open(dir.join("registry.db")).unwrap();
        let mut stream = r.changes().await.unwrap();
        r.customer_named(&op(), &SafeText::new("x")).await.unwrap();
        assert_eq!(stream.recv().await.unwrap(), [Change::Catalog]);
        let wakeups = || {
            let mut count = 0;
            for task in std::fs::read_dir("/proc/self/task").unwrap() {
                let task = task.unwrap().path();
                let name = std::fs::read_to_string(task.join("comm")).unwrap();
                if name.starts_with("registry-") || name.starts_with("notify") {
                    let status = std::fs::read_to_string(task.join("status")).unwrap();
                    let line = status
                        .lines()
                        .find(|l| l.starts_with("voluntary_ctxt_switches"))
                        .unwrap();
                    count += line.rsplit('\t').next().unwrap().parse::<u64>().unwrap();
                }
            }
            count
        };
        // The looks after the last write come to an end by themselves.
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let before = wakeups();
            tokio::time::sleep(Duration::from_secs(2)).await;
            if wakeups() == before {
                return;
            }
            assert!(Instant::now() < end, "an idle registry goes on waking up");
        }
    });
}

#[test]
fn an_idle_registry_does_not_wake_up() {
    let dir = tempfile::tempdir().unwrap();
    ends_well(helper("idler", dir.path(), ""));
}
