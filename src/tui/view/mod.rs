//! Draws the model. Only reads; what a frame costs is its visible rows.

mod audit;
mod bulk;
mod cells;
mod command;
mod detail;
mod find;
mod footer;
mod form;
mod glyphs;
mod header;
mod home;
mod lists;
mod log;
mod log_layers;
mod log_text;
mod popup;
mod servers;
mod story;
mod text;

use super::action::ActionId;
use super::model::{Layer, Layout, ListId, Model, Now, Pane, Tab};
use super::theme::{Theme, Token};
use glyphs::Glyphs;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use text::Row;

/// What everything here draws with.
struct Pen<'a> {
    model: &'a Model,
    theme: &'a Theme,
    now: &'a Now,
    glyphs: &'static Glyphs,
    layout: Layout,
}

/// Draws the whole screen.
pub fn view(model: &Model, theme: &Theme, now: &Now, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return;
    }
    let pen = Pen {
        model,
        theme,
        now,
        glyphs: Glyphs::of(model.settings.ascii),
        layout: model.layout(),
    };
    // A size that the model doesn't know yet: the resize is on its way, and drawing outside would panic.
    let fits = |rect: Rect| rect.intersection(area) == rect;
    let layout = &pen.layout;
    if ![
        layout.header,
        layout.servers,
        layout.detail,
        layout.list,
        layout.log,
        layout.footer,
    ]
    .into_iter()
    .all(fits)
    {
        return;
    }
    frame.render_widget(Block::new().style(pen.base()), area);
    header::draw(&pen, frame);
    if !layout.servers.is_empty() {
        servers::draw(&pen, frame);
    }
    if !layout.detail.is_empty() {
        detail::draw(&pen, frame);
    }
    if !layout.list.is_empty() {
        lists::draw(&pen, frame);
    }
    if !layout.log.is_empty() {
        log::draw(&pen, frame);
    }
    footer::draw(&pen, frame);
    for layer in &model.layers {
        match layer {
            Layer::Command(dialog) => command::draw(&pen, dialog, frame),
            Layer::Form(form) => form::draw(&pen, form, frame),
            Layer::Confirm(confirm) => form::confirm(&pen, confirm, frame),
            Layer::Story(story) => story::draw(&pen, story, frame),
            Layer::Bulk(dialog) => bulk::plan(&pen, dialog, frame),
            Layer::Receipts { id, scroll } => {
                if let Some(run) = model.runs.iter().find(|run| run.id == *id) {
                    bulk::receipts(&pen, run, *scroll, frame);
                }
            }
            Layer::Palette(palette) => find::palette(&pen, palette, frame),
            Layer::Columns(picker) => find::columns(&pen, picker, frame),
            Layer::Views(views) => find::views(&pen, views, frame),
            Layer::Fields(picker) => home::fields(&pen, picker, frame),
            Layer::LogFilters(filters) => log_layers::filters(&pen, filters, frame),
            Layer::LogPrompt(prompt) => log_layers::prompt(&pen, prompt, frame),
            Layer::Typing { .. } | Layer::Find(_) => {}
            page => popup::page(&pen, page, frame),
        }
    }
    if model.layers.is_empty() && model.menu_stands(now) {
        popup::menu(&pen, frame);
    }
    if model.settings.ascii {
        text::only_ascii(frame.buffer_mut());
    }
}

impl Pen<'_> {
    fn style(&self, token: Token) -> Style {
        let style = self.theme.style(token);
        match token {
            // Its background is the screen's, not that of every word: a selected row has its own.
            Token::Text => Style { bg: None, ..style },
            _ => style,
        }
    }

    /// What lies under everything.
    fn base(&self) -> Style {
        self.theme.style(Token::Text)
    }

    fn row(&self, columns: u16) -> Row {
        Row::new(columns, self.glyphs)
    }

    fn key(&self, id: ActionId) -> String {
        let keys = self.model.keymap();
        match keys.key_in(id, self.model.key_place()) {
            key if key.is_empty() => keys.key_of(id),
            key => key,
        }
    }

    fn spinner(&self) -> &'static str {
        let at = usize::try_from(Model::spinner(self.now)).unwrap_or(0);
        let pictures = self.glyphs.spinner;
        pictures.get(at % pictures.len()).copied().unwrap_or("*")
    }

    /// A bar of this many columns, full as given, in the style of what it means.
    fn bar(&self, row: &mut Row, columns: usize, share: f64, full: Style) {
        let columns = columns.min(row.left());
        let exact = share.clamp(0.0, 1.0) * columns as f64;
        // Something is never shown as nothing, and not quite all never as all.
        let mut filled = exact.round() as usize;
        if share > 0.0 {
            filled = filled.max(1);
        }
        if share < 1.0 {
            filled = filled.min(columns.saturating_sub(1));
        }
        row.text(&self.glyphs.full.repeat(filled), full);
        row.text(&self.glyphs.empty.repeat(columns - filled), self.style(Token::BarEmpty));
    }

    /// A share of places in the style of its threshold.
    fn fullness(&self, taken: u32, places: u32) -> Style {
        let used = crate::domain::capacity::used_percent(taken, places);
        let alert = f64::from(self.model.settings.rules.alert_used_percent);
        self.style(match used {
            used if used >= 100.0 => Token::Bad,
            used if used >= alert => Token::Warning,
            _ => Token::BarFull,
        })
    }

    /// A pane's frame, with what its title says left and right; answers what is inside.
    fn pane(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        pane: Option<Pane>,
        title: Vec<Span<'static>>,
        right: &str,
    ) -> Rect {
        let focused = pane == Some(self.model.focus);
        let border = self.style(if focused { Token::Focus } else { Token::Border });
        let mut block = Block::bordered().border_set(self.glyphs.border).border_style(border);
        let room = usize::from(area.width.saturating_sub(4));
        let stale = self.stale(pane).map(|stale| match right {
            "" => stale,
            // Where not both have room, that it is old is what matters.
            right if text::width(right) + text::width(&stale) + 28 > room => stale,
            right => format!("{stale} · {right}"),
        });
        let right = stale.as_deref().unwrap_or(right);
        // A long filter is cut before it goes altogether.
        let (right, aside) = text::cut(right, room.saturating_sub(25).max(12), self.glyphs.cut);
        // What stands on the right is short and changes: the title is cut before it goes.
        let aside = if aside > 0 && aside + 20 <= room { aside + 3 } else { 0 };
        let mut head = Row::new(u16::try_from(room - aside).unwrap_or(0), self.glyphs);
        if focused {
            head.text(self.glyphs.focus, border).gap(1);
        }
        for span in title {
            head.text(&span.content, span.style);
        }
        let mut line = vec![Span::styled(" ", border)];
        line.extend(head.spans());
        line.push(Span::styled(" ", border));
        block = block.title_top(Line::from(line));
        if aside > 0 {
            let right = Line::from(Span::styled(format!(" {right} "), self.style(Token::Dim))).right_aligned();
            block = block.title_top(right);
        }
        let inside = block.inner(area);
        frame.render_widget(block, area);
        inside
    }

    /// What is said of a pane whose data may have changed since: the registry is lost, and for how long.
    fn stale(&self, pane: Option<Pane>) -> Option<String> {
        let model = self.model;
        model.lost.as_ref()?;
        let since = model.lost_since.or(model.store.read_at)?;
        // A file is read by itself.
        if model.store.read_at.is_none() || pane == Some(Pane::Log) && model.log.text.is_some() {
            return None;
        }
        let age = crate::tui::model::age(since, self.now);
        Some(match age.strip_suffix(" ago") {
            Some(age) => format!("stale {age}"),
            None => "stale".to_owned(),
        })
    }

    /// The name of a pane in its title: its number, and its name in the accent where it is in focus.
    fn name(&self, pane: Pane, number: &str, name: &str) -> Vec<Span<'static>> {
        let style = self.style(if self.model.focus == pane {
            Token::Accent
        } else {
            Token::Strong
        });
        let mut spans = vec![Span::styled(format!("{number} "), self.style(Token::Key))];
        spans.push(Span::styled(name.to_owned(), style));
        spans
    }

    /// How many rows stand in a list, with its filter.
    fn count(&self, list: ListId) -> String {
        let (lists, store) = (&self.model.lists, &self.model.store);
        let (shown, all) = (lists.len(list, store), lists.whole(list, store));
        let filter = &lists.shown(list).filter;
        // A large fleet comes in two parts: what is not there yet is not said to be nothing.
        if store.partly.is_some() && matches!(list, ListId::All | ListId::Plans | ListId::Customers) {
            return "reading…".to_owned();
        }
        if list == ListId::Audit && lists.audit.has_more() {
            return audit::count(self);
        }
        let looking = if lists.shown(list).is_looking() { "… " } else { "" };
        let looking = format!("{}{looking}", self.marked(list));
        if filter.is_empty() {
            format!("{looking}{all}")
        } else {
            let filter = crate::domain::SafeText::new(filter.text());
            format!("{looking}{shown} of {all}  /{filter}")
        }
    }

    /// How many of a list are marked, for its title.
    fn marked(&self, list: ListId) -> String {
        let ranging = if self.model.marks.range() == Some(list) {
            " (range)"
        } else {
            ""
        };
        match self.model.marks.count(list) {
            0 => String::new(),
            marked => format!("{}{marked} marked{ranging} · ", self.glyphs.mark),
        }
    }

    /// The style under a list's row, and the sign before it.
    fn under(&self, pane: Pane, selected: bool) -> (Style, &'static str) {
        match (selected, self.model.focus == pane && self.model.layers.is_empty()) {
            (true, true) => (self.style(Token::Selected), self.glyphs.selected),
            (true, false) => (self.style(Token::SelectedAway), self.glyphs.selected),
            (false, _) => (Style::new(), " "),
        }
    }

    /// Lines of text instead of rows: what is empty, and what to press.
    fn empty(&self, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
        let height = u16::try_from(lines.len()).unwrap_or(0).min(area.height);
        let top = if area.height > height + 2 { 1 } else { 0 };
        // Long lines take several rows.
        let inside = Rect::new(area.x, area.y + top, area.width, area.height - top);
        frame.render_widget(
            Paragraph::new(lines).wrap(ratatui::widgets::Wrap { trim: false }),
            inside,
        );
    }

    /// In place of everything, while nothing was read: that it is being read, or why it can't be.
    fn unread(&self) -> Option<Vec<Line<'static>>> {
        let model = self.model;
        if model.store.read_at.is_some() {
            return None;
        }
        let Some(problem) = &model.lost else {
            return Some(vec![Line::styled(" Reading…", self.style(Token::Dim))]);
        };
        let message = crate::domain::SafeText::new(&problem.message);
        let mut lines = vec![Line::styled(
            format!(" {} Nothing could be read: {message}", self.glyphs.bad),
            self.style(Token::Bad),
        )];
        if let Some(hint) = &problem.hint {
            let hint = crate::domain::SafeText::new(hint);
            lines.push(Line::styled(format!("   {hint}"), self.style(Token::Text)));
        }
        lines.push(self.press(ActionId::Redraw, "reads it again"));
        lines.push(self.press(ActionId::Profile, "goes to another profile"));
        Some(lines)
    }

    /// A line that names a key and what it does.
    fn press(&self, id: ActionId, what: &str) -> Line<'static> {
        Line::from(vec![
            Span::raw("  "),
            Span::styled(self.key(id), self.style(Token::Key)),
            Span::styled(format!("  {what}"), self.style(Token::Text)),
        ])
    }

    fn tab_name(&self) -> (String, String) {
        let page = self.model.lists.tab.page();
        let name = match page.tab {
            Tab::Here => {
                let server = self.model.lists.servers.selected;
                server.map_or_else(
                    || "instances".to_owned(),
                    |id| format!("instances({})", self.model.store.server_code(id)),
                )
            }
            Tab::Audit => audit::title(self),
            _ => page.name.to_owned(),
        };
        (self.key(page.action), name)
    }
}
