//! The second pane: instances, templates, jobs. Only visible rows are made.

use super::Pen;
use crate::domain::instance::InstanceState;
use crate::domain::job::{Job, JobState};
use crate::domain::template::{Template, TemplateState};
use crate::tui::action::{ActionId, Place};
use crate::tui::model::{InstanceRow, Pane, Tab, Target, age, size, took, when};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let (store, lists) = (&pen.model.store, &pen.model.lists);
    let (number, name) = pen.tab_name();
    let (shown, all) = match lists.tab {
        Tab::Here | Tab::All => (lists.instance_rows(store).len(), lists.instances_unfiltered(store)),
        Tab::Templates => (lists.template_rows().len(), store.templates.len()),
        Tab::Jobs => (lists.job_rows().len(), store.jobs.len()),
        Tab::Audit => (lists.audit.shown().len(), lists.audit.len()),
    };
    let filter = lists.filter(lists.tab.place()).text().to_owned();
    let mut right = pen.count(shown, all, &filter);
    if let (Tab::Here, true, Some(server)) = (
        lists.tab,
        filter.is_empty(),
        lists.servers.selected.and_then(|id| store.server(id)),
    ) {
        right = format!("{} of {} places", server.instance_count, server.spec.max_instances);
    }
    if lists.tab == Tab::Audit {
        right = super::audit::count(pen);
    }
    let title = pen.name(Pane::List, number, &name);
    let inside = pen.pane(frame, pen.layout.list, Some(Pane::List), title, &right);
    if shown == 0 {
        pen.empty(frame, inside, nothing(pen, all, &filter));
        return;
    }
    let rows = pen.layout.rows(Pane::List);
    let heading = usize::from(inside.height) > rows;
    let mut lines: Vec<Line<'static>> = Vec::with_capacity(rows + 1);
    match lists.tab {
        Tab::Here | Tab::All => {
            let columns = Instances::of(inside.width, lists.tab == Tab::All);
            if heading {
                lines.push(columns.head(pen, inside));
            }
            let offset = if lists.tab == Tab::All {
                lists.all.offset
            } else {
                lists.here.offset
            };
            let visible = lists.instance_rows(store).iter().skip(offset).take(rows);
            lines.extend(
                visible
                    .filter_map(|slot| store.instance_in(*slot))
                    .map(|row| columns.row(pen, row, inside)),
            );
        }
        Tab::Templates => {
            if heading {
                lines.push(template_head(pen, inside));
            }
            let visible = lists.template_rows().iter().skip(lists.templates.offset).take(rows);
            lines.extend(
                visible
                    .filter_map(|at| store.templates.get(*at as usize))
                    .map(|template| template_row(pen, template, inside)),
            );
        }
        Tab::Jobs => {
            if heading {
                lines.push(job_head(pen, inside));
            }
            let visible = lists.job_rows().iter().skip(lists.jobs.offset).take(rows);
            lines.extend(
                visible
                    .filter_map(|at| store.jobs.get(*at as usize))
                    .map(|job| job_row(pen, job, inside)),
            );
        }
        Tab::Audit => lines = super::audit::lines(pen, inside.width, heading, rows),
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// Columns of the instances; 0: not shown.
struct Instances {
    name: usize,
    server: usize,
    subdomain: usize,
    plan: usize,
    state: usize,
    size: usize,
    database: usize,
    customer: usize,
    age: usize,
}

impl Instances {
    fn of(width: u16, all: bool) -> Self {
        let mut left = usize::from(width).saturating_sub(2);
        let mut take = |wanted: usize, needs: usize| {
            let given = if left >= needs { wanted.min(left) } else { 0 };
            left = left.saturating_sub(if given > 0 { given + 1 } else { 0 });
            given
        };
        let state = take(12, 24);
        let name = take(if width >= 100 { 24 } else { 16 }, 1);
        let server = if all { take(10, 10) } else { 0 };
        let size = take(7, 7);
        let subdomain = take(if width >= 100 { 20 } else { 13 }, 13);
        let plan = take(if width >= 90 { 10 } else { 8 }, 7);
        let customer = take(18, 18);
        let database = take(20, 20);
        let age = take(12, 12);
        // What is left over goes to the name, which is what one looks for.
        Self {
            name: name + left.min(20),
            server,
            subdomain,
            plan,
            state,
            size,
            database,
            customer,
            age,
        }
    }

    fn head(&self, pen: &Pen<'_>, inside: Rect) -> Line<'static> {
        let dim = pen.style(Token::Dim);
        let mut row = pen.row(inside.width);
        row.gap(2).cell("name", self.name, dim);
        for (title, columns) in [
            ("server", self.server),
            ("subdomain", self.subdomain),
            ("plan", self.plan),
            ("customer", self.customer),
            ("database", self.database),
            ("created", self.age),
            ("state", self.state),
        ] {
            if columns > 0 {
                row.cell(title, columns, dim);
            }
        }
        if self.size > 0 {
            row.right("size", self.size, dim);
        }
        row.line(dim)
    }

    fn row(&self, pen: &Pen<'_>, instance: &InstanceRow, inside: Rect) -> Line<'static> {
        let (store, lists) = (&pen.model.store, &pen.model.lists);
        let (under, sign) = pen.under(Pane::List, lists.instance() == Some(instance.id));
        let filter = lists.filter(Place::Instances);
        let (text, dim, hit) = (pen.style(Token::Text), pen.style(Token::Dim), pen.style(Token::Match));
        let mut row = pen.row(inside.width);
        row.text(sign, pen.style(Token::Accent)).gap(1);
        row.found(instance.name(), self.name, pen.style(Token::Strong), filter, hit);
        if self.server > 0 {
            row.cell(store.server_code(instance.server), self.server, text);
        }
        if self.subdomain > 0 {
            row.found(instance.subdomain(), self.subdomain, text, filter, hit);
        }
        if self.plan > 0 {
            let plan = instance.plan.and_then(|id| store.plan(id));
            row.cell(plan.map_or("", |plan| plan.code.as_str()), self.plan, dim);
        }
        if self.customer > 0 {
            let customer = instance.customer.and_then(|id| store.customer(id));
            row.cell(customer.map_or("", |c| c.name.as_str()), self.customer, dim);
        }
        if self.database > 0 {
            row.found(instance.database(), self.database, dim, filter, hit);
        }
        if self.age > 0 {
            row.cell(&age(instance.created_at, pen.now), self.age, dim);
        }
        let (words, token) = state(pen, instance);
        row.cell(&words, self.state, pen.style(token));
        if self.size > 0 {
            row.right(&instance.size_bytes.map(size).unwrap_or_default(), self.size, dim);
        }
        row.line(under)
    }
}

/// An instance's state; while a job works on it, how far that is.
fn state(pen: &Pen<'_>, instance: &InstanceRow) -> (String, Token) {
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
    let (glyph, token) = match instance.state {
        InstanceState::Active => (glyphs.good, Token::Good),
        InstanceState::Draft => (glyphs.draft, Token::Dim),
        InstanceState::Suspended => (glyphs.maintenance, Token::Warning),
        InstanceState::Failed => (glyphs.bad, Token::Bad),
        InstanceState::Provisioning | InstanceState::Deleting => (glyphs.warning, Token::Warning),
    };
    (format!("{glyph} {}", instance.state.word()), token)
}

/// How far a job is, in a word.
fn progress(pen: &Pen<'_>, job: &Job) -> (String, Token) {
    let (done, all) = job.progress();
    if job.waits_for_key.is_some() {
        return (format!("{} no key", pen.glyphs.waiting), Token::Warning);
    }
    match job.state {
        JobState::Queued => (format!("{} queued", pen.glyphs.waiting), Token::Dim),
        JobState::Undoing => (format!("{} undoing", pen.spinner()), Token::Warning),
        _ => (format!("{} {}/{all}", pen.spinner(), (done + 1).min(all)), Token::Info),
    }
}

fn template_head(pen: &Pen<'_>, inside: Rect) -> Line<'static> {
    let dim = pen.style(Token::Dim);
    let mut row = pen.row(inside.width);
    row.gap(2)
        .cell("code", 14, dim)
        .cell("state", 11, dim)
        .cell("server", 10, dim);
    row.right("used", 5, dim)
        .cell("database", 22, dim)
        .cell("language", 8, dim)
        .text("name", dim);
    row.line(dim)
}

fn template_row(pen: &Pen<'_>, template: &Template, inside: Rect) -> Line<'static> {
    let (store, lists) = (&pen.model.store, &pen.model.lists);
    let (under, sign) = pen.under(Pane::List, lists.templates.selected == Some(template.id));
    let filter = lists.filter(Place::Templates);
    let (text, dim, hit) = (pen.style(Token::Text), pen.style(Token::Dim), pen.style(Token::Match));
    let job = store.job_of_template(template.id).filter(|job| !job.state.is_over());
    let (state, token) = match (job, template.state) {
        _ if pen.model.busy(Target::Template(template.id)).is_some() => {
            (format!("{} asking", pen.spinner()), Token::Info)
        }
        (Some(job), _) => progress(pen, job),
        (None, TemplateState::Ready) => (format!("{} ready", pen.glyphs.good), Token::Good),
        (None, TemplateState::Failed) => (format!("{} failed", pen.glyphs.bad), Token::Bad),
        (None, TemplateState::Creating) => (format!("{} creating", pen.glyphs.warning), Token::Warning),
        (None, TemplateState::Draft) => (format!("{} draft", pen.glyphs.draft), Token::Dim),
    };
    let spec = &template.spec;
    let mut row = pen.row(inside.width);
    row.text(sign, pen.style(Token::Accent)).gap(1);
    row.found(spec.code.as_str(), 14, pen.style(Token::Strong), filter, hit);
    row.cell(&state, 11, pen.style(token));
    row.found(store.server_code(spec.server_id), 10, text, filter, hit);
    row.right(&template.instance_count.to_string(), 5, text);
    row.found(spec.template_database.as_str(), 22, dim, filter, hit);
    row.cell(&spec.language, 8, dim).text(spec.name.as_str(), dim);
    row.line(under)
}

fn job_head(pen: &Pen<'_>, inside: Rect) -> Line<'static> {
    let dim = pen.style(Token::Dim);
    let mut row = pen.row(inside.width);
    row.gap(2)
        .right("job", 5, dim)
        .cell("state", 11, dim)
        .cell("asked", 10, dim);
    row.text("what", dim);
    row.line(dim)
}

fn job_row(pen: &Pen<'_>, job: &Job, inside: Rect) -> Line<'static> {
    let lists = &pen.model.lists;
    let (under, sign) = pen.under(Pane::List, lists.jobs.selected == Some(job.id));
    let filter = lists.filter(Place::Jobs);
    let glyphs = pen.glyphs;
    let (state, token) = match job.state {
        JobState::Done => (format!("{} done", glyphs.done), Token::Good),
        JobState::Failed => (format!("{} failed", glyphs.failed), Token::Bad),
        JobState::Stuck => (format!("{} stuck", glyphs.failed), Token::Bad),
        JobState::Cancelled => (format!("{} cancelled", glyphs.warning), Token::Warning),
        JobState::Queued | JobState::Running | JobState::Undoing => progress(pen, job),
    };
    let mut row = pen.row(inside.width);
    row.text(sign, pen.style(Token::Accent)).gap(1);
    row.right(&job.id.to_string(), 5, pen.style(Token::Strong));
    row.cell(&state, 11, pen.style(token));
    let asked = if pen.now.wall.as_second() - job.created_at.as_second() < 20 * 3600 {
        when(job.created_at, pen.now)
            .chars()
            .rev()
            .take(8)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect()
    } else {
        age(job.created_at, pen.now)
    };
    row.cell(&asked, 10, pen.style(Token::Dim));
    let length = match (job.started_at, job.finished_at) {
        (Some(from), Some(to)) => {
            let ms = u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0);
            format!("  {}", took(ms))
        }
        _ => job.waits().map(|waits| format!("  {waits}")).unwrap_or_default(),
    };
    let room = row.left().saturating_sub(super::text::width(&length) + 1);
    row.found(
        job.title.as_str(),
        room,
        pen.style(Token::Text),
        filter,
        pen.style(Token::Match),
    );
    row.text(length.trim_start(), pen.style(Token::Dim));
    row.line(under)
}

fn nothing(pen: &Pen<'_>, all: usize, filter: &str) -> Vec<Line<'static>> {
    if pen.model.lists.tab == Tab::Audit {
        return super::audit::nothing(pen);
    }
    let (store, dim) = (&pen.model.store, pen.style(Token::Dim));
    let strong = pen.style(Token::Strong);
    if all > 0 || !filter.is_empty() {
        let mut lines = vec![
            Line::styled(
                format!(" Nothing here passes /{}", crate::domain::SafeText::new(filter)),
                dim,
            ),
            pen.press(ActionId::Back, "clears the filter"),
        ];
        if pen.model.lists.tab == Tab::Here && store.instance_count() > all {
            lines.push(pen.press(ActionId::NextList, "looks through all servers' instances"));
        }
        return lines;
    }
    if store.read_at.is_none() {
        return vec![Line::styled(" Reading…", dim)];
    }
    match pen.model.lists.tab {
        Tab::Here | Tab::All if store.servers.is_empty() => vec![
            Line::styled(" First steps", strong),
            Line::raw(""),
            Line::styled(" a server    1, then n", dim),
            Line::styled(" in service  aa", dim),
            Line::styled(" a template  4, then n", dim),
            Line::styled(" an instance 2, then n", dim),
        ],
        Tab::Here | Tab::All if store.ready_templates().next().is_none() => vec![
            Line::styled(" No instance, and no template is ready to make one from.", dim),
            pen.press(ActionId::TemplatesList, "goes to the templates"),
        ],
        Tab::Here | Tab::All => vec![
            Line::styled(" No instance yet.", dim),
            pen.press(ActionId::New, "makes one"),
        ],
        Tab::Templates => vec![
            Line::styled(" No template yet: instances are cloned from one.", dim),
            pen.press(ActionId::New, "makes one"),
        ],
        Tab::Jobs | Tab::Audit => vec![Line::styled(" No job has run yet.", dim)],
    }
}
