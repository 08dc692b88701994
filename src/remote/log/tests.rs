use super::*;
use crate::domain::log::{Level, Pattern, Rule, Wanted};
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn asked(sieve: &Sieve, limit: usize) -> Asked<'_> {
    Asked {
        sieve,
        floor: 0,
        limit,
        stop: &|| false,
        looked: &|_| {},
    }
}

fn ask(log: &Log, ask: &Ask, limit: usize) -> Page {
    log.answer(ask, &asked(&Sieve::default(), limit)).unwrap()
}

fn texts(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| row.text.as_str()).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odoo.log");
    std::fs::write(&path, text).unwrap();
    Fixture { _dir: dir, path }
}

async fn until(log: &Log, what: impl Fn(&LogStatus) -> bool) -> LogStatus {
    let mut status = log.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(|status| what(status))).await;
    match found {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("it stands at {:?}", log.status().borrow().clone()),
    }
}

fn numbered(count: usize) -> String {
    (1..=count).map(|n| format!("line number {n}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_at_its_end_and_is_read_up_and_down() {
    let fixture = file(&numbered(50_000));
    let log = Log::file(&fixture.path).unwrap();
    let tail = ask(&log, &Ask::Tail, 3);
    assert_eq!(
        texts(&tail),
        ["line number 49998", "line number 49999", "line number 50000"]
    );
    let first = &tail.rows[0];
    let (from, shown) = (tail.from, first.pos);
    let before = ask(&log, &Ask::Before { from, shown }, 2);
    assert_eq!(texts(&before), ["line number 49996", "line number 49997"]);
    let after = Ask::After {
        from: before.to,
        shown: before.to,
    };
    assert_eq!(texts(&ask(&log, &after, 9)), texts(&tail));
    let head = ask(&log, &Ask::Head, 2);
    assert_eq!(texts(&head), ["line number 1", "line number 2"]);
    assert_eq!(head.from, 0);
    // Once counted, lines have numbers.
    until(&log, |status| status.lines == 50_000).await;
    assert_eq!(ask(&log, &Ask::Tail, 3).line, Some(49_998));
    assert_eq!(ask(&log, &Ask::Around(tail.from / 2), 5).rows.len(), 4);
    let kept = log.inner.index().before(tail.from).unwrap();
    assert_eq!(kept.0 % EVERY, 0, "only every so manyth line is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_line_without_a_newline_is_shown_and_goes_on() {
    let fixture = file("one\ntwo");
    let log = Log::file(&fixture.path).unwrap();
    let tail = ask(&log, &Ask::Tail, 9);
    assert_eq!(texts(&tail), ["one", "two"]);
    assert!(tail.rows[1].open && !tail.rows[0].open);
    append(&fixture.path, " and more\nthree");
    until(&log, |status| status.end == 22).await;
    let pos = tail.rows[1].pos;
    let after = ask(&log, &Ask::After { from: pos, shown: pos }, 9);
    assert_eq!(texts(&after), ["two and more", "three"]);
    assert!(ask(&log, &Ask::Head, 1).rows.len() == 1);
}

#[test]
fn an_empty_file_and_one_of_newlines() {
    for (text, rows) in [("", 0), ("\n", 1), ("\n\n\n", 3), ("x", 1), ("\r\n", 1)] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let fixture = file(text);
        let log = Log::file(&fixture.path).unwrap();
        for question in [Ask::Tail, Ask::Head] {
            assert_eq!(ask(&log, &question, 9).rows.len(), rows, "{text:?} {question:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_file_goes_on_behind_the_old_one() {
    let fixture = file("old 1\nold 2");
    let log = Log::file(&fixture.path).unwrap();
    until(&log, |status| status.counted == 11).await;
    let aside = fixture.path.with_extension("log.1");
    std::fs::rename(&fixture.path, &aside).unwrap();
    // Written by a program that hasn't noticed yet.
    append(&aside, " and its end\n");
    append(&fixture.path, "new 1\n");
    let wanted = [
        "old 1",
        "old 2 and its end",
        "── the file was rotated: a new one begins ──",
        "new 1",
    ];
    until(&log, |_| texts(&ask(&log, &Ask::Tail, 9)) == wanted).await;
    std::fs::remove_file(&aside).unwrap();
    append(&fixture.path, "new 2\n");
    until(&log, |_| texts(&ask(&log, &Ask::Tail, 2)) == ["new 1", "new 2"]).await;
    assert_eq!(
        texts(&ask(&log, &Ask::Head, 1)),
        ["old 1"],
        "what is open can still be read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_by_deleting_and_making_anew_is_seen_too() {
    let fixture = file("old\n");
    let log = Log::file(&fixture.path).unwrap();
    until(&log, |status| status.counted == 4).await;
    std::fs::remove_file(&fixture.path).unwrap();
    append(&fixture.path, "new\n");
    until(&log, |_| texts(&ask(&log, &Ask::Tail, 1)) == ["new"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_says_so_and_goes_on() {
    let fixture = file(&numbered(1_000));
    let log = Log::file(&fixture.path).unwrap();
    let size = until(&log, |status| status.lines == 1_000).await.end;
    OpenOptions::new()
        .write(true)
        .open(&fixture.path)
        .unwrap()
        .set_len(0)
        .unwrap();
    append(&fixture.path, "after\n");
    let note = format!("── the file was truncated: {size} bytes are gone ──");
    let wanted = [note.as_str(), "after"];
    until(&log, |_| texts(&ask(&log, &Ask::Tail, 9)) == wanted).await;
    let status = until(&log, |status| status.counted == status.end).await;
    assert_eq!(status.start, size);
    assert_eq!(
        texts(&ask(
            &log,
            &Ask::Before {
                from: size / 2,
                shown: 0
            },
            9
        )),
        [""; 0],
        "what is gone is not read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_written_anew_beyond_its_old_size_is_not_taken_for_grown() {
    let fixture = file(&"old ".repeat(100));
    let log = Log::file(&fixture.path).unwrap();
    until(&log, |status| status.counted == 400).await;
    std::fs::write(&fixture.path, format!("{}\nend\n", "new ".repeat(200))).unwrap();
    until(&log, |_| texts(&ask(&log, &Ask::Tail, 3))[0].contains("truncated")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_lines_is_refused_with_a_way_out() {
    let fixture = file("x");
    let dir = fixture.path.parent().unwrap().to_owned();
    assert_eq!(
        Log::file(&dir).unwrap_err().to_string(),
        format!("{} is a folder, not a file of lines", dir.display())
    );
    let packed = dir.join("odoo.log.gz");
    std::fs::write(&packed, [0x1f, 0x8b, 8, 0]).unwrap();
    let error = Log::file(&packed).unwrap_err();
    assert_eq!(error.hint(), Some("open `!zcat PATH` instead"));
    let pipe = dir.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(Log::file(&pipe).unwrap_err().to_string().contains("a device or pipe"));
    assert!(Log::file(&dir.join("none")).unwrap_err().hint().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_ten_megabytes_is_passed_in_bounded_memory() {
    let mut text = "before\n".to_owned();
    text.push_str(&"x".repeat(10_000_000));
    text.push_str("\nafter\n");
    let fixture = file(&text);
    let log = Log::file(&fixture.path).unwrap();
    for question in [Ask::Tail, Ask::Head, Ask::Around(5_000_000)] {
        let page = ask(&log, &question, 9);
        let rows = texts(&page);
        assert_eq!(rows.len(), 3, "{question:?}");
        assert_eq!((rows[0], rows[2]), ("before", "after"), "{question:?}");
        assert!(
            rows[1].len() < 8_192 && rows[1].ends_with("bytes more)"),
            "{}",
            rows[1].len()
        );
    }
    // Without its newline, it is the last one.
    let fixture = file(&format!("before\n{}", "y".repeat(10_000_000)));
    let log = Log::file(&fixture.path).unwrap();
    for question in [Ask::Tail, Ask::Head] {
        let page = ask(&log, &question, 9);
        assert_eq!((page.rows.len(), page.rows[1].open), (2, true));
        assert_eq!(page.rows[1].end, 10_000_007);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_filtered_is_the_same_from_every_side() {
    let text: String = (0..5_000)
        .map(|n| {
            let word = if n % 50 == 0 { "hit" } else { "miss" };
            format!("{n} {word}\n")
        })
        .collect();
    let fixture = file(&text);
    let log = Log::file(&fixture.path).unwrap();
    for context in [0, 2] {
        let sieve = Sieve {
            rules: Rule::new("hit").into_iter().collect(),
            level: None,
            context,
        };
        let everything = log.answer(&Ask::Head, &asked(&sieve, 100_000)).unwrap().rows;
        assert_eq!(everything.iter().filter(|row| !row.context).count(), 100);
        assert_eq!(
            everything.iter().filter(|row| row.context).count(),
            if context == 0 { 0 } else { 398 }
        );
        // Piece by piece, down and up, it is the same, in order and without doubles.
        let mut page = log.answer(&Ask::Head, &asked(&sieve, 7)).unwrap();
        let mut down = page.rows.clone();
        while !page.rows.is_empty() {
            let shown = down.last().unwrap().end;
            page = log
                .answer(&Ask::After { from: page.to, shown }, &asked(&sieve, 7))
                .unwrap();
            down.extend(page.rows.clone());
        }
        assert_eq!(down, everything, "down, with {context} lines around");
        let mut page = log.answer(&Ask::Tail, &asked(&sieve, 7)).unwrap();
        let mut up = page.rows.clone();
        while !page.rows.is_empty() {
            let shown = up[0].pos;
            page = log
                .answer(&Ask::Before { from: page.from, shown }, &asked(&sieve, 7))
                .unwrap();
            up.splice(0..0, page.rows.clone());
        }
        assert_eq!(up, everything, "up, with {context} lines around");
    }
}

fn odoo(minutes: u32) -> String {
    (0..minutes)
        .map(|n| {
            let level = if n % 10 == 7 { "ERROR" } else { "INFO" };
            format!(
                "2026-11-21 {:02}:{:02}:00,000 1 {level} acme odoo.http: request {n}\n  and a second line\n",
                n / 60,
                n % 60
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_error_and_the_next_match_are_found_around_the_end() {
    let fixture = file(&odoo(30));
    let log = Log::file(&fixture.path).unwrap();
    let find = |from, back, what: &Wanted| {
        let what = what.clone();
        let page = ask(
            &log,
            &Ask::Find {
                from,
                itself: false,
                back,
                what,
            },
            8,
        );
        let hit = page.hit.and_then(|hit| page.rows.iter().find(|row| row.pos == hit));
        (hit.map(|row| (row.pos, row.text.to_string())), page.wrapped)
    };
    let errors = Wanted::Level(Level::Error);
    let (first, wrapped) = find(0, false, &errors);
    let (pos, text) = first.unwrap();
    assert!(text.ends_with("request 7") && !wrapped, "{text}");
    let (second, _) = find(pos, false, &errors);
    assert!(second.clone().unwrap().1.ends_with("request 17"));
    let (back, _) = find(second.unwrap().0, true, &errors);
    assert_eq!(back.unwrap().0, pos);
    let (around, wrapped) = find(pos, true, &errors);
    assert!(around.unwrap().1.ends_with("request 27") && wrapped);
    let text = |text: &str| Wanted::Text(Pattern::new(text).unwrap());
    assert!(find(0, false, &text("request 29$")).0.is_some());
    assert_eq!(find(0, false, &text("nowhere")).0, None);
    assert_eq!(find(u64::MAX, true, &text("nowhere")).0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_since_a_time_begin_with_the_first_that_is_not_older() {
    let fixture = file(&odoo(600));
    let log = Log::file(&fixture.path).unwrap();
    for (since, first) in [
        ("2026-11-21T08:00:30Z", 481),
        ("2026-11-21T08:00:00Z", 480),
        ("2020-01-01T00:00:00Z", 0),
    ] {
        let page = ask(&log, &Ask::Since(since.parse().unwrap()), 100_000);
        assert!(
            page.rows[0].text.as_str().ends_with(&format!("request {first}")),
            "{since}: {}",
            page.rows[0].text
        );
        assert_eq!(page.floor, Some(page.rows[0].pos));
        assert_eq!(page.rows.len(), 2 * (600 - first));
    }
    let page = ask(&log, &Ask::Since("2030-01-01T00:00:00Z".parse().unwrap()), 9);
    assert_eq!((page.rows.len(), page.floor), (0, Some(log.status().borrow().end)));
    let plain = file(&numbered(100));
    let log = Log::file(&plain.path).unwrap();
    let none = log.answer(&Ask::Since(jiff::Timestamp::UNIX_EPOCH), &asked(&Sieve::default(), 9));
    assert!(matches!(none, Err(LogError::NoTimes)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_wants_any_more_is_not_finished() {
    let fixture = file(&"x".repeat(3_000_000).replace("xxxxxxxxx", "xxxxxxxx\n"));
    let log = Log::file(&fixture.path).unwrap();
    let sieve = Sieve {
        rules: Rule::new("nowhere").into_iter().collect(),
        ..Sieve::default()
    };
    let looked = std::sync::atomic::AtomicU64::new(0);
    let by = Asked {
        stop: &|| true,
        looked: &|bytes| looked.store(bytes, std::sync::atomic::Ordering::Relaxed),
        ..asked(&sieve, 9)
    };
    assert!(matches!(log.answer(&Ask::Tail, &by), Err(LogError::Stopped)));
    assert!(looked.into_inner() <= lines::BLOCK as u64, "it stops after a block");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_does_not_grow_with_the_file() {
    let mut looked_at = Vec::new();
    for lines in [2_000, 200_000] {
        let fixture = file(&numbered(lines));
        let log = Log::file(&fixture.path).unwrap();
        let end = log.status().borrow().end;
        for question in [
            Ask::Tail,
            Ask::Head,
            Ask::Around(end / 2),
            Ask::Before { from: end, shown: end },
        ] {
            let looked = std::sync::atomic::AtomicU64::new(0);
            let sieve = Sieve::default();
            let by = Asked {
                looked: &|bytes| {
                    looked.fetch_max(bytes, std::sync::atomic::Ordering::Relaxed);
                },
                ..asked(&sieve, 500)
            };
            assert!(!log.answer(&question, &by).unwrap().rows.is_empty());
            looked_at.push(looked.into_inner());
        }
    }
    // A page is 10 kB here: a block or two are read, of 40 kB as of 4 MB.
    assert!(
        looked_at.iter().all(|bytes| *bytes <= 2 * lines::BLOCK as u64),
        "{looked_at:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_match_is_found_from_itself() {
    let fixture = file("one\ntwo\nthree");
    let log = Log::file(&fixture.path).unwrap();
    for (back, word, at) in [
        (false, "two", 4),
        (true, "two", 4),
        (false, "three", 8),
        (true, "one", 0),
    ] {
        let find = Ask::Find {
            from: at,
            itself: false,
            back,
            what: Wanted::Text(Pattern::new(word).unwrap()),
        };
        let page = ask(&log, &find, 9);
        assert_eq!((page.hit, page.wrapped), (Some(at), true), "{word}, back: {back}");
    }
}

#[test]
fn a_ring_lets_the_oldest_lines_go_and_counts_them() {
    let log = Log::output("a flood", 256 * 1024);
    for n in 0..100_000 {
        log.push(&format!("line number {n:06}"));
    }
    let status = log.status().borrow().clone();
    assert_eq!(status.lines, 100_000);
    assert!(status.end - status.start <= 256 * 1024 + 64 * 1024, "{status:?}");
    let all = ask(&log, &Ask::Head, 1_000_000).rows;
    assert_eq!(all.len() as u64 + status.dropped, 100_000, "what is gone is counted");
    assert_eq!(all.last().unwrap().text.as_str(), "line number 099999");
    assert_eq!(ask(&log, &Ask::Before { from: 5, shown: 5 }, 9).rows.len(), 0);
    log.push("two\nlines");
    assert_eq!(texts(&ask(&log, &Ask::Tail, 1)), ["two lines"]);
    log.push(&"y".repeat(500_000));
    assert_eq!(
        ask(&log, &Ask::Tail, 1).rows[0].end - ask(&log, &Ask::Tail, 1).rows[0].pos,
        500_001
    );
    log.finish(&SafeText::new("exit status 0"));
    assert_eq!(log.status().borrow().over.as_ref().unwrap().as_str(), "exit status 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_taken_in_and_counted() {
    let fixture = file("");
    let log = Log::file(&fixture.path).unwrap();
    let path = fixture.path.clone();
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            append(
                &path,
                &"2026-11-21 14:02:09,123 1 INFO acme odoo.http: a line of a flood\n".repeat(10_000),
            );
        }
    });
    let status = until(&log, |status| status.lines == 200_000).await;
    assert_eq!(status.new_lines, 200_000);
    writer.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_line_is_found_once_both_ways(
        lines in prop::collection::vec("[a-c]{0,6}", 0..40),
        giant in prop::option::of(0_usize..40),
        newline in any::<bool>(),
    ) {
        let mut lines = lines;
        if let Some(at) = giant && at < lines.len() {
            lines[at] = "g".repeat(600_000);
        }
        let mut text = lines.join("\n");
        if newline && !lines.is_empty() {
            text.push('\n');
        }
        let wanted: Vec<usize> = text.split_inclusive('\n').map(|line| line.trim_end_matches('\n').len()).collect();
        let ring = Plain(text.into_bytes());
        let go = |_| std::ops::ControlFlow::Continue(());
        let mut down = Vec::new();
        let end = ring.0.len() as u64;
        lines::down(&ring, 0, end, go, |span, _| { down.push(span); go(0) }).unwrap();
        let mut up = Vec::new();
        lines::up(&ring, 0, end, go, |span, _| { up.push(span); go(0) }).unwrap();
        up.reverse();
        prop_assert_eq!(&down, &up);
        let found: Vec<usize> = down.iter().map(|s| (s.end - s.pos) as usize - usize::from(!s.open)).collect();
        prop_assert_eq!(found, wanted);
        prop_assert!(down.windows(2).all(|pair| pair[0].end == pair[1].pos));
    }
}

/// Bytes as they are.
struct Plain(Vec<u8>);

impl Bytes for Plain {
    fn start(&self) -> u64 {
        0
    }
    fn end(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}
