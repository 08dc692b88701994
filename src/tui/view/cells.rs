//! What stands in a list's columns: by itself what the column's value is; states, capacities and
//! healths with their signs.

use super::servers::{health, state_word};
use super::text::Row as Line;
use super::{Pen, text};
use crate::domain::instance::InstanceState;
use crate::domain::job::{Job, JobState};
use crate::domain::server::{Server, ServerState};
use crate::domain::template::{Template, TemplateState};
use crate::tui::model::{Column, Filter, InstanceRow, ListId, Row, Target, Value, age, size, took, when};
use crate::tui::theme::Token;
use ratatui::style::Style;

/// Columns of a bar, with the blank behind it.
pub(super) const BAR: u16 = 11;

/// A list as it is drawn.
pub(super) struct Table<'a> {
    pub(super) list: ListId,
    pub(super) columns: Vec<(&'static Column, u16)>,
    pub(super) filter: &'a Filter,
    /// Columns of the widest count of places.
    pub(super) count: usize,
}

/// What a row is, for selection.
pub(super) fn target(row: Row<'_>) -> Target {
    match row {
        Row::Server(server) => Target::Server(server.id),
        Row::Instance(instance) => Target::Instance(instance.id),
        Row::Template(template) => Target::Template(template.id),
        Row::Job(job) => Target::Job(job.id),
        Row::Plan(plan) => Target::Plan(plan.id),
        Row::Customer(customer) => Target::Customer(customer.id),
        Row::Audit(entry) => Target::Audit(entry.id),
        Row::Alert(row) => Target::Alert(row.id),
    }
}

impl Table<'_> {
    /// The columns' names, with the order's sign.
    pub(super) fn head(&self, pen: &Pen<'_>, width: u16) -> ratatui::text::Line<'static> {
        let dim = pen.style(Token::Dim);
        let sort = pen.model.lists.shown(self.list).sort;
        let mut row = pen.row(width);
        row.gap(2);
        for (field, wide) in &self.columns {
            let wide = usize::from(*wide);
            let sorted = sort.filter(|sort| sort.field == *field);
            let (title, style) = match sorted {
                Some(sort) => {
                    let sign = if sort.descending {
                        pen.glyphs.down
                    } else {
                        pen.glyphs.up
                    };
                    (
                        format!("{}{sign}", text::cut(field.title, wide.saturating_sub(1), "").0),
                        pen.style(Token::Accent),
                    )
                }
                // A heading that is cut says nothing.
                None if field.name == "capacity" && wide < 8 => ("taken".to_owned(), dim),
                None => (field.title.to_owned(), dim),
            };
            if field.is_right() && field.name != "capacity" {
                row.right(&title, wide, style);
            } else {
                row.cell(&title, wide, style);
            }
        }
        row.line(dim)
    }

    /// One row's cells.
    pub(super) fn row(&self, pen: &Pen<'_>, row: Row<'_>, line: &mut Line) {
        for (at, (field, wide)) in self.columns.iter().enumerate() {
            self.cell(pen, row, field, usize::from(*wide), at == 0, line);
        }
    }

    fn cell(&self, pen: &Pen<'_>, row: Row<'_>, field: &Column, wide: usize, first: bool, line: &mut Line) {
        let sign = |line: &mut Line, (words, token): (String, Token)| {
            line.found(&words, wide, pen.style(token), self.filter, pen.style(Token::Match));
        };
        match (field.name, row) {
            ("state", Row::Instance(instance)) => return sign(line, instance_state(pen, instance)),
            ("state", Row::Template(template)) => return sign(line, template_state(pen, template)),
            ("state", Row::Alert(row)) => return sign(line, super::story::state(pen, row)),
            ("state", Row::Job(job)) => return sign(line, job_state(pen, job)),
            ("state", Row::Server(server)) => {
                let token = match server.state() {
                    ServerState::Active => Token::Text,
                    ServerState::Maintenance => Token::Info,
                    ServerState::Offline => Token::Bad,
                    ServerState::Draft | ServerState::Disabled => Token::Dim,
                };
                return sign(line, (state_word(server.state(), wide).to_owned(), token));
            }
            ("capacity", Row::Server(server)) => return self.capacity(pen, server, wide, line),
            ("health", Row::Server(server)) => {
                let (glyph, words, token) = health(pen, server, wide.saturating_sub(2));
                return sign(line, (format!("{glyph} {words}"), token));
            }
            ("version", Row::Server(server)) => {
                let version = server.track.version.as_ref().map_or("", |version| version.as_str());
                line.cell(version, wide, pen.style(Token::Dim));
                return;
            }
            ("age", Row::Audit(entry)) => {
                line.cell(&super::audit::when(entry, wide, pen.now), wide, pen.style(Token::Dim));
                return;
            }
            ("what", Row::Audit(entry)) => {
                let (glyph, token) = super::audit::sign(pen, entry);
                let what = crate::domain::SafeText::new(&entry.action);
                return sign(line, (format!("{glyph} {what}"), token));
            }
            // Where it is narrow, who matters more than from where.
            ("who", Row::Audit(entry)) if wide <= 12 => {
                let who = crate::domain::SafeText::new(&entry.actor.os_user);
                return sign(line, (who.to_string(), Token::Text));
            }
            ("change", Row::Audit(entry)) if entry.refused.is_some() => {
                let what = crate::domain::SafeText::new(&entry.change());
                return sign(line, (what.to_string(), Token::Bad));
            }
            // What kind of thing it is about is said by the rest: which one it is matters more.
            ("title", Row::Job(job)) if text::width(job.title.as_str()) > wide => {
                let title = job
                    .title
                    .as_str()
                    .replacen(" instance ", " ", 1)
                    .replacen(" template ", " ", 1);
                return sign(line, (title, Token::Text));
            }
            ("age", Row::Job(job)) => {
                line.cell(&asked(pen, job), wide, pen.style(Token::Dim));
                return;
            }
            _ => {}
        }
        let style = pen.style(match (first, field.name) {
            (true, _) => Token::Strong,
            (
                false,
                "server" | "subdomain" | "title" | "name" | "instances" | "used" | "job" | "who" | "on" | "change",
            ) => Token::Text,
            _ => Token::Dim,
        });
        plain(pen, (field.get)(&pen.model.store, row), wide, style, self.filter, line);
    }

    fn capacity(&self, pen: &Pen<'_>, server: &Server, wide: usize, line: &mut Line) {
        let full = pen.fullness(server.instance_count, server.spec.max_instances);
        let count = self.count.min(wide);
        let bar = wide.saturating_sub(count + 1);
        if bar >= 3 {
            let share = f64::from(server.instance_count) / f64::from(server.spec.max_instances.max(1));
            pen.bar(line, bar, share, full);
            line.gap(1);
        } else {
            line.gap(wide - count);
        }
        let quiet = full == pen.style(Token::BarFull);
        line.right(
            &places(server),
            count,
            if quiet { pen.style(Token::Text) } else { full },
        );
    }
}

/// Taken and all places.
pub(super) fn places(server: &Server) -> String {
    format!("{}/{}", server.instance_count, server.spec.max_instances)
}

fn plain(pen: &Pen<'_>, value: Value<'_>, wide: usize, style: Style, filter: &Filter, line: &mut Line) {
    match value {
        Value::None => line.cell("", wide, style),
        Value::Text(text) => line.found(text, wide, style, filter, pen.style(Token::Match)),
        Value::Made(text) => line.found(&text, wide, style, filter, pen.style(Token::Match)),
        Value::Number(number) => line.right(&format!("{number}"), wide, style),
        Value::Percent(share) => line.right(&format!("{share:.0}%"), wide, style),
        Value::Bytes(bytes) => line.right(&size(bytes), wide, style),
        Value::Millis(ms) => line.right(&took(ms), wide, style),
        Value::Time(at) => line.cell(&age(at, pen.now), wide, style),
    };
}

/// An instance's state; while a job works on it, how far that is.
fn instance_state(pen: &Pen<'_>, instance: &InstanceRow) -> (String, Token) {
    let glyphs = pen.glyphs;
    if pen.model.busy(Target::Instance(instance.id)).is_some() {
        return (format!("{} asking", pen.spinner()), Token::Info);
    }
    if matches!(instance.state, InstanceState::Provisioning | InstanceState::Deleting)
        && let Some(job) = pen
            .model
            .store
            .job_of_instance(instance.id)
            .filter(|job| !job.state.is_over())
    {
        return progress(pen, job);
    }
    // Its database is as it was; nobody reaches it.
    let server = pen.model.store.server(instance.server);
    let away = server.is_some_and(|server| server.state() == ServerState::Offline || server.track.database_dead());
    let (glyph, token) = match instance.state {
        InstanceState::Active if away => (glyphs.warning, Token::Warning),
        InstanceState::Active => (glyphs.good, Token::Good),
        InstanceState::Draft => (glyphs.draft, Token::Dim),
        InstanceState::Suspended => (glyphs.maintenance, Token::Warning),
        InstanceState::Failed => (glyphs.bad, Token::Bad),
        InstanceState::Provisioning | InstanceState::Deleting => (glyphs.warning, Token::Warning),
    };
    (format!("{glyph} {}", instance.state.word()), token)
}

fn template_state(pen: &Pen<'_>, template: &Template) -> (String, Token) {
    let job = pen
        .model
        .store
        .job_of_template(template.id)
        .filter(|job| !job.state.is_over());
    let glyphs = pen.glyphs;
    match (job, template.state) {
        _ if pen.model.busy(Target::Template(template.id)).is_some() => {
            (format!("{} asking", pen.spinner()), Token::Info)
        }
        (Some(job), _) => progress(pen, job),
        (None, TemplateState::Ready) => (format!("{} ready", glyphs.good), Token::Good),
        (None, TemplateState::Failed) => (format!("{} failed", glyphs.bad), Token::Bad),
        (None, TemplateState::Creating) => (format!("{} creating", glyphs.warning), Token::Warning),
        (None, TemplateState::Draft) => (format!("{} draft", glyphs.draft), Token::Dim),
    }
}

fn job_state(pen: &Pen<'_>, job: &Job) -> (String, Token) {
    let glyphs = pen.glyphs;
    match job.state {
        JobState::Done => (format!("{} done", glyphs.done), Token::Good),
        JobState::Failed => (format!("{} failed", glyphs.failed), Token::Bad),
        JobState::Stuck => (format!("{} stuck", glyphs.failed), Token::Bad),
        JobState::Cancelled => (format!("{} cancelled", glyphs.warning), Token::Warning),
        JobState::Queued | JobState::Running | JobState::Undoing => progress(pen, job),
    }
}

/// How far a job is, in a word.
fn progress(pen: &Pen<'_>, job: &Job) -> (String, Token) {
    if job.waits_for_key.is_some() {
        return (format!("{} no key", pen.glyphs.waiting), Token::Warning);
    }
    let (done, all) = job.progress();
    match job.state {
        JobState::Queued => (format!("{} queued", pen.glyphs.waiting), Token::Dim),
        JobState::Undoing => (format!("{} undoing", pen.spinner()), Token::Warning),
        _ => (format!("{} {}/{all}", pen.spinner(), (done + 1).min(all)), Token::Info),
    }
}

/// When a job was asked for: the time, or how long ago where that was yesterday.
fn asked(pen: &Pen<'_>, job: &Job) -> String {
    if pen.now.wall.as_second() - job.created_at.as_second() >= 20 * 3600 {
        return age(job.created_at, pen.now);
    }
    let text = when(job.created_at, pen.now);
    let skipped = text.chars().count().saturating_sub(8);
    text.chars().skip(skipped).collect()
}
