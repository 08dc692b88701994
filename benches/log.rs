//! What logs cost: opening a large file, counting its lines, jumping, scrolling, searching and filtering
//! in it, and taking in what a command writes. A file of 100 MB and a million lines; of 1 GB and ten
//! million with `VIGIE_BENCH_BIG=1`. Ends with status 1 where a figure is over its budget.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and fails loudly"
)]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vigie::domain::log::{Ask, Head, Level, Page, Pattern, Rule, Sieve, Span, TextRow, Wanted};
use vigie::remote::log::{Asked, Log, RING_BYTES};

/// Lines that a page has.
const PAGE: usize = 500;

struct Bench {
    failed: bool,
}

impl Bench {
    fn figure(&mut self, what: &str, took: Duration, budget: Option<Duration>) {
        let over = budget.is_some_and(|budget| took > budget);
        self.failed |= over;
        let budget = budget.map_or_else(String::new, |budget| format!("  (budget {budget:.0?})"));
        println!("{what:<58} {took:>10.2?}{budget}{}", if over { "  OVER" } else { "" });
    }

    fn rate(&mut self, what: &str, lines: u64, took: Duration, least: f64) {
        let rate = lines as f64 / took.as_secs_f64() / 1e6;
        let under = rate < least;
        self.failed |= under;
        let budget = if least > 0.0 {
            format!("  (at least {least})")
        } else {
            String::new()
        };
        println!(
            "{what:<58} {rate:>6.2} M/s{budget}{}",
            if under { "  UNDER" } else { "" }
        );
    }
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn write(path: &Path, lines: u64) {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    for n in 0..lines {
        let (hour, minute, second) = (n / 400_000 % 24, n / 7_000 % 60, n / 120 % 60);
        let level = if n % 100_000 == 77_777 { "ERROR" } else { "INFO" };
        writeln!(
            file,
            "2026-11-21 {hour:02}:{minute:02}:{second:02},{:03} 4711 {level} acme odoo.addons.base: request {n:08} took 12 ms",
            n % 1000
        )
        .unwrap();
    }
    file.flush().unwrap();
}

fn ask(log: &Log, sieve: &Sieve, ask: &Ask) -> Page {
    let by = Asked {
        sieve,
        floor: 0,
        limit: PAGE,
        stop: &|| false,
        looked: &|_| {},
    };
    log.answer(ask, &by).unwrap()
}

fn main() -> ExitCode {
    let big = std::env::var_os("VIGIE_BENCH_BIG").is_some();
    let lines = if big { 10_000_000 } else { 1_000_000 };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odoo.log");
    write(&path, lines);
    let size = std::fs::metadata(&path).unwrap().len();
    println!("{lines} lines, {} MB\n", size / 1_000_000);
    let mut bench = Bench { failed: false };
    let open = Sieve::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();

    let began = Instant::now();
    let log = Log::file(&path).unwrap();
    let page = ask(&log, &open, &Ask::Tail);
    bench.figure(
        "open, and the last 500 lines are there",
        began.elapsed(),
        Some(Duration::from_millis(30)),
    );
    assert_eq!(page.rows.len(), PAGE);
    runtime.block_on(async {
        let mut status = log.status();
        status.wait_for(|status| status.lines == lines).await.unwrap();
    });
    bench.rate("lines taken in: found, counted, numbered", lines, began.elapsed(), 2.0);

    let mut jumps = Vec::new();
    let mut seed = 7_u64;
    for _ in 0..500 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let began = Instant::now();
        let page = ask(&log, &open, &Ask::Around(seed % size));
        jumps.push(began.elapsed());
        assert!(page.line.is_some());
    }
    bench.figure(
        "jump anywhere, with line numbers: p50",
        percentile(jumps.clone(), 50),
        None,
    );
    bench.figure(
        "jump anywhere, with line numbers: p99",
        percentile(jumps, 99),
        Some(Duration::from_millis(8)),
    );
    let mut scrolls = Vec::new();
    let mut page = ask(&log, &open, &Ask::Tail);
    for _ in 0..500 {
        let shown = page.rows[0].pos;
        let began = Instant::now();
        page = ask(&log, &open, &Ask::Before { from: page.from, shown });
        scrolls.push(began.elapsed());
    }
    bench.figure(
        "scroll on by 500 lines: p99",
        percentile(scrolls, 99),
        Some(Duration::from_millis(8)),
    );

    let began = Instant::now();
    let since = page.rows[0].stamp.unwrap().at;
    ask(&log, &open, &Ask::Since(since));
    bench.figure(
        "only the lines since a time",
        began.elapsed(),
        Some(Duration::from_millis(30)),
    );

    let find = |what: Wanted| {
        let began = Instant::now();
        let page = ask(
            &log,
            &open,
            &Ask::Find {
                from: 0,
                itself: true,
                back: false,
                what,
            },
        );
        (page.hit, began.elapsed())
    };
    let last = format!("request {:08}", lines - 1);
    let (hit, took) = find(Wanted::Text(Pattern::new(&last).unwrap()));
    assert!(hit.is_some());
    bench.rate("search through all of it", lines, took, 2.0);
    let (hit, took) = find(Wanted::Level(Level::Critical));
    assert!(hit.is_none());
    bench.rate("look for a level through all of it", lines, took, 1.0);
    let sieve = Sieve {
        rules: ["request .*77", "!took 13", "ERROR"]
            .iter()
            .filter_map(|rule| Rule::new(rule))
            .collect(),
        ..Sieve::default()
    };
    let began = Instant::now();
    let page = ask(&log, &sieve, &Ask::Head);
    assert_eq!(page.rows.len() as u64, lines / 100_000);
    bench.rate("three filters through all of it", lines, began.elapsed(), 1.0);

    let text = "2026-11-21 14:02:09,123 4711 INFO acme odoo.addons.base: request took 12 ms";
    let began = Instant::now();
    for _ in 0..1_000_000 {
        std::hint::black_box(Head::read(std::hint::black_box(text)));
    }
    bench.rate("times and levels of lines read", 1_000_000, began.elapsed(), 2.0);
    let span = Span::new(0, text.len() as u64 + 1, false);
    let began = Instant::now();
    for _ in 0..1_000_000 {
        std::hint::black_box(TextRow::new(span, std::hint::black_box(text.as_bytes()), None));
    }
    bench.rate("rows made of lines", 1_000_000, began.elapsed(), 1.0);

    let ring = Log::output("a flood", RING_BYTES);
    let began = Instant::now();
    for _ in 0..3_000_000 {
        ring.push(text);
    }
    bench.rate("lines of a command taken in", 3_000_000, began.elapsed(), 2.0);
    let status = ring.status().borrow().clone();
    println!(
        "\nof 3,000,000 lines of a command {} are held, in {} MB",
        status.lines - status.dropped,
        (status.end - status.start) / 1_000_000
    );
    if bench.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
