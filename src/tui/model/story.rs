//! Why something is as it is, and what happened to it: pages of lines, each of which can be gone to
//! where it is about something.

use super::Now;
use super::page::{Tone, broken};
use crate::domain::explain::{Explanation, Link, Severity, Subject};
use crate::domain::timeline::Event;
use crate::domain::{Problem, SafeText};
use jiff::Timestamp;
use tui_input::Input;

/// Columns of the widest story.
const WIDEST: u16 = 140;

/// Which story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoryKind {
    /// Why it is as it is.
    Why,
    /// What happened to it.
    Timeline,
}

/// What of it is here.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is being read.
    Reading,
    /// It could not be read.
    Failed(Problem),
    /// Why it is as it is.
    Why(Box<Explanation>),
    /// What happened to it, the newest first.
    Timeline(Vec<Event>),
}

/// A page of lines that can be gone to.
#[derive(Debug)]
pub struct Story {
    /// Which.
    pub kind: StoryKind,
    /// About what.
    pub subject: Subject,
    /// What that is called.
    pub label: SafeText,
    /// Names the question; an answer to another is dropped.
    pub seq: u64,
    /// What is here.
    pub told: Told,
    /// When it was read.
    pub as_of: Option<Timestamp>,
    /// The selected line.
    pub at: usize,
    /// The first visible row.
    pub top: usize,
    /// Only lines with all of these words.
    pub filter: Input,
    /// Whether that is being typed.
    pub typing: bool,
}

/// A line of a story, before it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryLine {
    /// Columns before it.
    pub indent: usize,
    /// Its sign.
    pub sign: Sign,
    /// When.
    pub at: Option<Timestamp>,
    /// What.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// Where it leads.
    pub link: Option<Link>,
}

/// The sign before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// How much a finding or event matters.
    Severity(Severity),
    /// Something to do.
    Advice,
    /// None.
    None,
}

/// A row of a story as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryRow {
    /// Which line it is of.
    pub line: usize,
    /// Whether it is that line's first.
    pub first: bool,
    /// What stands in it.
    pub text: SafeText,
}

impl Story {
    /// A story that is being read.
    pub fn new(kind: StoryKind, subject: Subject, label: &str, seq: u64) -> Self {
        Self {
            kind,
            subject,
            label: SafeText::new(label),
            seq,
            told: Told::Reading,
            as_of: None,
            at: 0,
            top: 0,
            filter: Input::default(),
            typing: false,
        }
    }

    /// Its lines, those that the filter lets through.
    pub fn lines(&self) -> Vec<StoryLine> {
        let all = match &self.told {
            Told::Reading => vec![plain("reading the evidence…", Tone::Dim)],
            Told::Failed(problem) => {
                let mut lines = vec![plain(&problem.message, Tone::Bad)];
                lines.extend(problem.hint.as_ref().map(|hint| plain(hint, Tone::Plain)));
                return lines;
            }
            Told::Why(explanation) => why(explanation),
            Told::Timeline(events) if events.is_empty() => {
                return vec![plain("nothing is known to have happened to it", Tone::Dim)];
            }
            Told::Timeline(events) => events.iter().map(event).collect(),
        };
        let words: Vec<String> = self.filter.value().split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            return all;
        }
        let passes = |line: &StoryLine| {
            let text = line.text.to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let found: Vec<StoryLine> = all.into_iter().filter(passes).collect();
        if found.is_empty() {
            return vec![plain("no line has these words; Esc clears them", Tone::Dim)];
        }
        found
    }

    /// Columns inside its frame, on a screen of so many.
    pub fn columns(screen: u16) -> usize {
        usize::from(Self::width(screen).saturating_sub(2))
    }

    /// Columns with its frame, on a screen of so many.
    pub fn width(screen: u16) -> u16 {
        if screen < 60 {
            screen
        } else {
            screen.saturating_sub(2).min(WIDEST)
        }
    }

    /// Rows inside its frame, on a screen of so many.
    pub fn height(screen: u16) -> usize {
        usize::from(screen.saturating_sub(4)).max(1)
    }

    /// The lines broken to fit so many columns.
    pub fn rows(lines: &[StoryLine], columns: usize, now: &Now) -> Vec<StoryRow> {
        let mut rows = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let time = line.at.map(|at| format!("{} ", time(at, now))).unwrap_or_default();
            let before = line.indent + if line.sign == Sign::None { 0 } else { 2 } + 1;
            // Where it leads is said at its end.
            let link = if line.link.is_some() { 2 } else { 0 };
            let room = columns.saturating_sub(before + link).max(8);
            for (part, text) in broken(&format!("{time}{}", line.text), room).into_iter().enumerate() {
                rows.push(StoryRow {
                    line: at,
                    first: part == 0,
                    text,
                });
            }
        }
        rows
    }

    /// Keeps the selected line on the screen.
    pub fn settle(&mut self, size: (u16, u16), now: &Now) {
        let lines = self.lines();
        self.at = self.at.min(lines.len().saturating_sub(1));
        let rows = Self::rows(&lines, Self::columns(size.0), now);
        let height = Self::height(size.1);
        let first = rows.iter().position(|row| row.line == self.at).unwrap_or(0);
        let last = rows.iter().rposition(|row| row.line == self.at).unwrap_or(0);
        if last >= self.top + height {
            self.top = last + 1 - height;
        }
        if first < self.top {
            self.top = first;
        }
        self.top = self.top.min(rows.len().saturating_sub(height));
    }

    /// Where the selected line leads.
    pub fn link(&self) -> Option<Link> {
        self.lines().get(self.at).and_then(|line| line.link)
    }
}

fn plain(text: &str, tone: Tone) -> StoryLine {
    StoryLine {
        indent: 0,
        sign: Sign::None,
        at: None,
        text: text.to_owned(),
        tone,
        link: None,
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Good => Tone::Good,
        Severity::Note => Tone::Plain,
        Severity::Warning => Tone::Warning,
        Severity::Bad => Tone::Bad,
    }
}

fn why(explanation: &Explanation) -> Vec<StoryLine> {
    let mut lines = vec![StoryLine {
        sign: Sign::Severity(explanation.severity),
        ..plain(explanation.verdict.as_str(), tone(explanation.severity))
    }];
    for finding in &explanation.findings {
        lines.push(StoryLine {
            sign: Sign::Severity(finding.severity),
            ..plain(finding.title.as_str(), tone(finding.severity))
        });
        for seen in &finding.evidence {
            lines.push(StoryLine {
                indent: 4,
                at: seen.at,
                link: seen.link,
                ..plain(seen.text.as_str(), Tone::Dim)
            });
        }
        for advice in &finding.advice {
            lines.push(StoryLine {
                indent: 2,
                sign: Sign::Advice,
                ..plain(advice, Tone::Plain)
            });
        }
    }
    // The worst finding is the verdict already where nothing stands between them.
    if let (Some(first), Some(second)) = (lines.first(), lines.get(1))
        && first.text == second.text
    {
        lines.remove(0);
    }
    lines
}

fn event(event: &Event) -> StoryLine {
    let who = event.who.as_ref().map(|who| format!(" · {who}")).unwrap_or_default();
    StoryLine {
        sign: Sign::Severity(event.severity),
        at: Some(event.at),
        link: event.link,
        ..plain(
            &format!("{:<5} {}{who}", event.source.word(), event.text),
            tone(event.severity),
        )
    }
}

/// A time of day, with the day where that is another.
fn time(at: Timestamp, now: &Now) -> String {
    let (then, today) = (at.to_zoned(now.tz.clone()), now.wall.to_zoned(now.tz.clone()));
    let format = match (then.date() == today.date(), then.year() == today.year()) {
        (true, _) => "%H:%M:%S",
        (false, true) => "%m-%d %H:%M",
        (false, false) => "%Y-%m-%d",
    };
    then.strftime(format).to_string()
}
