//! Colours, room, the mouse, the clipboard, and programs that are lent the terminal.

use super::{act, flash, log, pages, resettle};
use crate::tui::action::{ActionId, Found, Key};
use crate::tui::model::{
    Arrange, Effect, Enter, FieldPicker, Layer, Lend, Model, Move, NoticeLevel, Now, Pane, Subject,
};
use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// Most bytes that are copied: 100,000 as they are encoded, which the stricter terminals still take.
pub(super) const COPY_MAX: usize = 74_994;
/// Rows that a step of the wheel goes.
const WHEEL: isize = 3;

/// Does what is of this room.
pub(super) fn perform(model: &mut Model, id: ActionId, now: &Now) -> Option<Vec<Effect>> {
    use ActionId as Id;
    Some(match id {
        Id::CopyName => {
            let name = model.current_target().and_then(|target| model.label(target));
            match name {
                Some(name) => {
                    let what = format!("{name:?}");
                    copy(model, name, &what, now)
                }
                None => Vec::new(),
            }
        }
        Id::CopyField => pick(model),
        Id::ZoomIn if !model.only_log => {
            if model.home.wide {
                model.zoom = true;
            } else {
                model.home.wide = true;
            }
            resettle(model);
            Vec::new()
        }
        Id::ZoomOut if !model.only_log => {
            if model.zoom {
                (model.zoom, model.home.wide) = (false, true);
            } else {
                model.home.wide = false;
            }
            resettle(model);
            Vec::new()
        }
        Id::ZoomIn | Id::ZoomOut => Vec::new(),
        Id::Arrange => arrange(model, now),
        Id::Compact => {
            model.home.compact = !model.home.compact;
            resettle(model);
            if !model.home.compact && model.layout().compact {
                flash(
                    model,
                    now,
                    NoticeLevel::Info,
                    "this screen has room for one pane only",
                    None,
                );
            }
            Vec::new()
        }
        Id::Theme => super::palette::open_with(model, "theme "),
        Id::Mouse => {
            model.home.mouse = !model.home.mouse;
            let text = if model.home.mouse {
                "the mouse selects and scrolls; with Shift it is the terminal's"
            } else {
                "the mouse is the terminal's again"
            };
            flash(model, now, NoticeLevel::Info, text, None);
            Vec::new()
        }
        Id::EditConfig => vec![Effect::Enter(Enter::Config)],
        Id::Shell => match model.current_server() {
            Some(server) => vec![Effect::Enter(Enter::Shell(server))],
            None => Vec::new(),
        },
        Id::Psql => match model.lists.instance() {
            Some(instance) => vec![Effect::Enter(Enter::Psql(instance))],
            None => Vec::new(),
        },
        _ => return None,
    })
}

/// Puts a text into the terminal's clipboard, where terminals take so much.
pub(super) fn copy(model: &mut Model, text: String, what: &str, now: &Now) -> Vec<Effect> {
    if text.len() > COPY_MAX {
        let said = format!(
            "{what}: {} kB, terminals take {} kB at most: nothing was copied",
            text.len() / 1000,
            COPY_MAX / 1000
        );
        flash(model, now, NoticeLevel::Warning, said, None);
        return Vec::new();
    }
    flash(model, now, NoticeLevel::Success, format!("{what} copied"), None);
    vec![Effect::Copy(text)]
}

/// Uses a theme from now on.
pub(super) fn use_theme(model: &mut Model, name: String, now: &Now) {
    let text = format!("theme {name}");
    let hint = Some(format!("[screen] theme = {name:?} keeps it"));
    model.home.theme = name;
    flash(model, now, NoticeLevel::Info, text, hint);
}

fn arrange(model: &mut Model, now: &Now) -> Vec<Effect> {
    if model.only_log {
        return Vec::new();
    }
    let list = model.lists.tab.list();
    let next = model.lists.shown(list).arrange.next();
    model.lists.set_arrange(list, next);
    // A pane that the page no longer shows can't have the focus.
    if next == Arrange::Bare && model.focus == Pane::Log {
        model.focus = Pane::List;
    }
    resettle(model);
    flash(
        model,
        now,
        NoticeLevel::Info,
        format!("arranged: {}", next.said()),
        None,
    );
    super::memory::page(model, list)
}

fn pick(model: &mut Model) -> Vec<Effect> {
    let Some(subject) = model.current_target().and_then(Subject::of) else {
        return Vec::new();
    };
    model.layers.push(Layer::Fields(Box::new(FieldPicker {
        subject,
        instance: None,
        at: 0,
        offset: 0,
    })));
    match subject {
        Subject::Instance(id) => vec![Effect::LoadInstance(id)],
        _ => Vec::new(),
    }
}

/// Keys for the field picker.
pub(super) fn fields_key(model: &mut Model, key: Key, now: &Now) -> Vec<Effect> {
    let found = model.keymap().find(model.place(), &[key]);
    let height = crate::tui::model::picker_rows(model.size.1);
    let fields = match model.layers.last() {
        Some(Layer::Fields(picker)) => model.fields_to_copy(picker, now),
        _ => return Vec::new(),
    };
    let Some(Layer::Fields(picker)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let last = fields.len().saturating_sub(1);
    picker.at = match (key.code, found) {
        (KeyCode::Esc | KeyCode::Char('q'), _) | (_, Found::Action(ActionId::CopyField | ActionId::Back)) => {
            model.layers.pop();
            return Vec::new();
        }
        (KeyCode::Enter, _) | (_, Found::Action(ActionId::CopyName)) => {
            let chosen = fields.get(picker.at.min(last)).cloned();
            model.layers.pop();
            return match chosen {
                Some((label, value)) => copy(model, value.to_string(), &label, now),
                None => Vec::new(),
            };
        }
        (KeyCode::Down, _) | (_, Found::Action(ActionId::Down)) => picker.at.saturating_add(1),
        (KeyCode::Up, _) | (_, Found::Action(ActionId::Up)) => picker.at.saturating_sub(1),
        (_, Found::Action(ActionId::PageDown | ActionId::HalfDown)) => picker.at.saturating_add(height),
        (_, Found::Action(ActionId::PageUp | ActionId::HalfUp)) => picker.at.saturating_sub(height),
        (_, Found::Action(ActionId::Top)) => 0,
        (_, Found::Action(ActionId::Bottom)) => last,
        _ => picker.at,
    }
    .min(last);
    let top = picker.at.saturating_sub(height.saturating_sub(1));
    picker.offset = picker.offset.clamp(top, picker.at);
    Vec::new()
}

/// A click selects and focuses, the wheel scrolls what is under it; nothing is opened or done.
pub(super) fn mouse(model: &mut Model, event: MouseEvent, now: &Now) -> Vec<Effect> {
    if !model.wants_mouse() {
        return Vec::new();
    }
    model.mark_dirty();
    let wheel = match event.kind {
        MouseEventKind::ScrollDown => WHEEL,
        MouseEventKind::ScrollUp => -WHEEL,
        MouseEventKind::Down(MouseButton::Left) => 0,
        _ => return Vec::new(),
    };
    if !model.layers.is_empty() {
        return Vec::new();
    }
    let layout = model.layout();
    let at = Position::new(event.column, event.row);
    let Some(pane) = Pane::ALL.into_iter().find(|pane| layout.pane(*pane).contains(at)) else {
        return Vec::new();
    };
    let before = model.focus;
    if wheel != 0 {
        // Where one looks is not where one stands: the focus stays.
        model.focus = pane;
        let effects = match pane {
            Pane::Log => log::scroll(model, Move::Rows(wheel)),
            _ => act::go(model, Move::Rows(wheel), now),
        };
        model.focus = before;
        resettle(model);
        return effects;
    }
    model.pending.clear();
    let mut effects = if before == pane {
        Vec::new()
    } else {
        act::to(model, |model| pages::focus(model, pane))
    };
    let area = layout.pane(pane);
    let heading = area
        .height
        .saturating_sub(2)
        .saturating_sub(u16::try_from(layout.rows(pane)).unwrap_or(0));
    let first = area.y + 1 + heading;
    let inside = event.row >= first && event.row + 1 < area.y + area.height;
    if let (true, Some(list)) = (inside && pane != Pane::Log, model.lists.list(model.place())) {
        let (offset, row) = model.lists.position(list);
        let wanted = offset + usize::from(event.row - first);
        if wanted < model.lists.len(list, &model.store) {
            let by = isize::try_from(wanted).unwrap_or(0) - isize::try_from(row).unwrap_or(0);
            effects.extend(act::go(model, Move::Rows(by), now));
        }
    }
    effects
}

/// A program is ready to be lent the terminal.
pub(super) fn lend(lend: Box<Lend>) -> Vec<Effect> {
    vec![Effect::Lend(lend)]
}
