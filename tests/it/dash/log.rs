//! The log panel: following, scrolling, searching, and what isn't here.

use super::{Dash, fleet};
use vigie::domain::JobId;
use vigie::domain::job::{LogLevel, LogLine, Stream};
use vigie::tui::model::{Answer, Effect};

const SIZE: (u16, u16) = (120, 35);

fn said(from: i64, to: i64) -> Vec<LogLine> {
    (from..=to)
        .map(|seq| fleet::line(seq, None, Stream::Stdout, LogLevel::Info, &format!("line number {seq}")))
        .collect()
}

fn lines(dash: &mut Dash, lines: Vec<LogLine>, end: i64) {
    dash.answer(Answer::LogLines {
        job: JobId(42),
        lines,
        end,
    });
}

/// A dashboard whose log has these lines.
fn with(from: i64, to: i64) -> Dash {
    let mut dash = Dash::new(SIZE);
    dash.tell(vigie::tui::model::Message::Answer(Answer::Fleet(Box::new(
        fleet::picture(),
    ))));
    dash.effects();
    lines(&mut dash, said(from, to), to);
    dash.press("3");
    dash
}

#[test]
fn it_follows_until_one_scrolls_up_and_end_resumes() {
    let mut dash = with(1, 100);
    dash.must_see("line number 100");
    dash.must_see("following");
    dash.press("k k");
    assert!(!dash.sees("line number 100"));
    lines(&mut dash, said(101, 103), 103);
    dash.must_see("3 new lines, End follows");
    assert!(!dash.sees("line number 103"));
    dash.press("end");
    dash.must_see("line number 103");
    dash.must_see("following");
    dash.press("pgup");
    for _ in 0..20 {
        dash.press("j");
    }
    dash.must_see("following");
}

#[test]
fn older_lines_are_fetched_when_one_comes_to_the_top() {
    let mut dash = with(501, 700);
    dash.press("g");
    assert_eq!(
        dash.effect(),
        Effect::LogBefore {
            job: JobId(42),
            before: 501,
            limit: 500
        }
    );
    dash.press("k");
    assert!(dash.effects().is_empty(), "asked already");
    lines(&mut dash, said(1, 500), 700);
    dash.must_see("line number 501");
    dash.press("k");
    dash.must_see("line number 500");
    dash.press("g");
    dash.must_see("line number 1 ");
    assert!(dash.effects().is_empty());
}

#[test]
fn lines_that_are_missing_are_counted_not_hidden() {
    let mut dash = with(1, 5);
    lines(&mut dash, said(106, 107), 107);
    dash.must_see("… 100 lines more in the log …");
    dash.must_see("line number 107");
    lines(&mut dash, said(106, 107), 107);
    assert_eq!(
        dash.screen().matches("line number 107").count(),
        1,
        "what is here is not taken twice"
    );
}

#[test]
fn a_million_lines_are_held_as_a_window() {
    let mut dash = with(1, 1);
    for chunk in 0..200 {
        lines(&mut dash, said(chunk * 500 + 2, chunk * 500 + 501), chunk * 500 + 501);
    }
    assert!(dash.model.log.rows().len() <= 10_000);
    dash.must_see("line number 100001");
    // While one reads further up, nothing goes away under one's eyes.
    dash.press("pgup");
    let before = dash.screen();
    let row = before
        .lines()
        .find(|line| line.contains("line number"))
        .unwrap()
        .to_owned();
    for chunk in 200..240 {
        lines(&mut dash, said(chunk * 500 + 2, chunk * 500 + 501), chunk * 500 + 501);
    }
    dash.must_see(row.trim());
    dash.press("end");
    assert_eq!(
        dash.effect(),
        Effect::FollowLog(JobId(42)),
        "the newest are fetched again"
    );
}

#[test]
fn searching_marks_and_goes_round() {
    let mut dash = with(1, 300);
    dash.press("/").enter("number 25").press("enter");
    dash.must_see("/number 25 (11)");
    dash.must_see("line number 259");
    assert_eq!(dash.model.log.hit, Some(259));
    dash.press("n");
    assert_eq!(dash.model.log.hit, Some(25), "around the end");
    dash.must_see("line number 25 ");
    dash.press("N");
    assert_eq!(dash.model.log.hit, Some(259));
    dash.press("esc");
    assert!(!dash.sees("/number"));
    dash.press("n");
    dash.must_see("nothing is searched for yet");
}

#[test]
fn a_step_is_one_row_from_its_beginning_to_its_end() {
    let mut dash = Dash::picture(SIZE);
    dash.must_see("✔ 1/7   validate");
    dash.must_see("24 % of prod-1 free");
    dash.must_see("68%  17 of 25 MB");
    let done = fleet::line(9, Some(2), Stream::Engine, LogLevel::Success, "clone database 25 MB");
    lines(&mut dash, vec![done], 9);
    dash.must_see("✔ 3/7   clone database");
    dash.must_see("27 ms  25 MB");
    assert!(!dash.sees("68%"));
    let begun = fleet::line(10, Some(3), Stream::Engine, LogLevel::Begin, "clone filestore");
    let failed = fleet::line(
        11,
        Some(3),
        Stream::Engine,
        LogLevel::Error,
        "clone filestore: disk full (free some)",
    );
    lines(&mut dash, vec![begun, failed], 11);
    dash.must_see("✖ 4/7   clone filestore");
    dash.must_see("clone filestore: disk full (free some)");
}

#[test]
fn another_jobs_late_lines_are_not_shown() {
    let mut dash = with(1, 3);
    dash.answer(Answer::LogLines {
        job: JobId(7),
        lines: said(4, 5),
        end: 5,
    });
    assert!(!dash.sees("line number 4"));
}

#[test]
fn long_lines_scroll_sideways() {
    let mut dash = with(1, 1);
    let long = format!("{}the end", "x".repeat(150));
    lines(
        &mut dash,
        vec![fleet::line(2, None, Stream::Stdout, LogLevel::Info, &long)],
        2,
    );
    assert!(!dash.sees("the end"));
    dash.press("right right right right");
    dash.must_see("the end");
    dash.must_see("column 64");
}
