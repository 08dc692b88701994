//! The lists: their frames, columns and rows. Only visible rows are made.

use super::Pen;
use super::cells::{BAR, Table, places, target};
use super::text;
use crate::tui::action::ActionId;
use crate::tui::model::{ListId, Pane, Row, Tab, fit};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// The page's list.
pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let (store, lists) = (&pen.model.store, &pen.model.lists);
    let list = lists.tab.list();
    let (number, name) = pen.tab_name();
    let mut right = pen.count(list);
    if let (ListId::Here, true, Some(server)) = (
        list,
        lists.shown(list).filter.is_empty(),
        lists.servers.selected.and_then(|id| store.server(id)),
    ) {
        let word = if pen.layout.list.width < 42 { "" } else { " places" };
        right = format!(
            "{}{} of {}{word}",
            pen.marked(list),
            server.instance_count,
            server.spec.max_instances
        );
    }
    let title = pen.name(Pane::List, &number, &name);
    let inside = pen.pane(frame, pen.layout.list, Some(Pane::List), title, &right);
    if lists.len(list, store) == 0 {
        pen.empty(frame, inside, nothing(pen, list));
        return;
    }
    rows(pen, frame, list, Pane::List, inside);
}

/// The heading and the visible rows of a list.
pub(super) fn rows(pen: &Pen<'_>, frame: &mut Frame<'_>, list: ListId, pane: Pane, inside: Rect) {
    let (store, lists) = (&pen.model.store, &pen.model.lists);
    let shown = lists.shown(list);
    let height = pen.layout.rows(pane);
    let all = lists.rows(list, store);
    let visible: Vec<Row<'_>> = all
        .iter()
        .skip(lists.offset(list))
        .take(height)
        .filter_map(|at| store.row(list, *at))
        .collect();
    // The servers' columns are as wide as what is in them; others would move as one scrolls.
    let mut longest = 0;
    let mut count = 5;
    for row in &visible {
        if let Row::Server(server) = row {
            longest = longest.max(text::width(server.spec.code.as_str()));
            count = count.max(places(server).len());
        }
    }
    let count = count.min(11);
    let narrow = |wide: usize| u16::try_from(wide).unwrap_or(u16::MAX);
    let table = Table {
        list,
        columns: fit(list, shown, inside.width.saturating_sub(2), |field| {
            match (list, field.name) {
                (ListId::Servers, "code") => Some(narrow(longest.max(6))),
                (ListId::Servers, "capacity") => Some(narrow(count) + BAR),
                _ => None,
            }
        }),
        filter: &shown.filter,
        count,
    };
    let mut lines: Vec<Line<'static>> = Vec::with_capacity(height + 1);
    if usize::from(inside.height) > height {
        lines.push(table.head(pen, inside.width));
    }
    let selected = match pane {
        Pane::Servers => lists.servers.selected.map(crate::tui::model::Target::Server),
        _ => pen.model.selected_in(list),
    };
    for row in visible {
        let (under, sign) = pen.under(pane, selected == Some(target(row)));
        let mut line = pen.row(inside.width);
        line.text(sign, pen.style(Token::Accent));
        if pen.model.marks.has(list, crate::tui::model::row_id(&row)) {
            line.text(pen.glyphs.mark, pen.style(Token::Accent));
        } else if pen.model.attention.is_changed(target(row)) {
            line.text(pen.glyphs.changed, pen.style(Token::Info));
        } else {
            line.gap(1);
        }
        table.row(pen, row, &mut line);
        lines.push(line.line(under));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

fn nothing(pen: &Pen<'_>, list: ListId) -> Vec<Line<'static>> {
    if let Some(lines) = pen.unread() {
        return lines;
    }
    if list == ListId::Audit {
        return super::audit::nothing(pen);
    }
    if list == ListId::Alerts && pen.model.lists.whole(list, &pen.model.store) == 0 {
        return super::story::nothing(pen);
    }
    let (store, dim) = (&pen.model.store, pen.style(Token::Dim));
    let awaited = store.partly.is_some() && store.partly != pen.model.lists.servers.selected;
    if awaited && matches!(list, ListId::Here | ListId::All) {
        return vec![Line::styled(" Reading…", dim)];
    }
    let strong = pen.style(Token::Strong);
    let filter = &pen.model.lists.shown(list).filter;
    let all = pen.model.lists.whole(list, store);
    if !filter.is_empty() {
        let mut lines = vec![
            Line::styled(
                format!(" Nothing here passes /{}", crate::domain::SafeText::new(filter.text())),
                dim,
            ),
            pen.press(ActionId::Back, "clears the filter"),
        ];
        if list == ListId::Here && store.instance_count() > all {
            lines.push(pen.press(ActionId::AllInstances, "looks through all servers' instances"));
        }
        return lines;
    }
    match pen.model.lists.tab {
        Tab::Here | Tab::All if store.servers.is_empty() => vec![
            Line::styled(" First steps", strong),
            Line::raw(""),
            first(pen, "a server", Some(ActionId::ServersPane), ActionId::New),
            first(pen, "in service", None, ActionId::Activate),
            first(pen, "a template", Some(ActionId::TemplatesList), ActionId::New),
            first(pen, "an instance", Some(ActionId::InstancesPane), ActionId::New),
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
        Tab::Jobs | Tab::Audit | Tab::Alerts => vec![Line::styled(" No job has run yet.", dim)],
        Tab::Plans => vec![
            Line::styled(" No plan yet: what instances are sold as.", dim),
            Line::styled("  vigie plan add CODE --name NAME  adds one", dim),
        ],
        Tab::Customers => vec![Line::styled(
            " No customer yet: the first instance for one adds it.",
            dim,
        )],
    }
}

/// A first step: what comes of it, and its keys as they are bound.
fn first(pen: &Pen<'_>, what: &str, page: Option<ActionId>, key: ActionId) -> Line<'static> {
    let keys = pen.model.keymap();
    let there = page.map_or_else(String::new, |page| format!("{}, then ", keys.key_of(page)));
    let line = format!(" {what:<11} {there}{}", keys.key_of(key));
    Line::styled(line, pen.style(Token::Dim))
}
