//! Forms: opening them, the keys in them, and sending them.

use super::{act, ask, fields, flash, layer, send};
use crate::domain::guard::Consent;
use crate::tui::action::{Key, Place};
use crate::tui::model::{
    Act, Choice, Effect, FieldId, FieldKind, Form, FormKind, Layer, Model, NoticeLevel, Now, PLAN_DELAY, PlanPreview,
    PlanState, insert,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

/// The form of a new server, template or instance, by where one stands.
pub(super) fn open_new(model: &mut Model, now: &Now) -> Vec<Effect> {
    let mut form = match model.place() {
        Place::Servers | Place::Log | Place::WholeLog => fields::new_server(),
        Place::Templates => fields::new_template(model),
        Place::Instances | Place::Jobs => fields::new_instance(model),
        Place::Plans | Place::Customers | Place::Audit | Place::Alerts => return Vec::new(),
    };
    // What was typed before into the same form is there again.
    if let Some(at) = model.drafts.iter().position(|draft| draft.kind == form.kind) {
        form = *model.drafts.remove(at);
        form.focus = 0;
        form.problem = None;
        form.plan = PlanState::None;
        form.plan_due = (form.kind == FormKind::NewInstance).then_some(now.mono + PLAN_DELAY);
        flash(model, now, NoticeLevel::Info, "this is what you typed before", None);
    }
    fields::check(&mut form, model);
    model.layers.push(Layer::Form(Box::new(form)));
    model.mark_dirty();
    Vec::new()
}

/// Closes the form on top. What was typed into it is kept: it is there when it is opened again.
pub(super) fn close(model: &mut Model, now: &Now) {
    let Some(Layer::Form(form)) = model.layers.pop() else {
        return;
    };
    let typed = form
        .fields
        .iter()
        .any(|field| field.touched && !field.value().is_empty());
    // A server may be another one by then: its form is always made from what it is.
    if form.kind == FormKind::NewServer || form.kind == FormKind::NewTemplate || form.kind == FormKind::NewInstance {
        model.drafts.retain(|draft| draft.kind != form.kind);
        if typed && form.sent.is_none() {
            model.drafts.push(form);
            let key = model.keymap().key_of(crate::tui::action::ActionId::New);
            let text = format!("what was typed is kept: {key} goes on with it");
            flash(model, now, NoticeLevel::Info, text, None);
        }
    }
}

/// The form of the selected server.
pub(super) fn open_edit(model: &mut Model) -> Vec<Effect> {
    let Some(server) = model.current_server().and_then(|id| model.store.server(id)) else {
        return Vec::new();
    };
    let mut form = fields::edit_server(server);
    fields::check(&mut form, model);
    model.layers.push(Layer::Form(Box::new(form)));
    model.mark_dirty();
    Vec::new()
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let Some(Layer::Form(form)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let (cancel, submit) = (form.cancel_at(), form.submit_at());
    let on_choice = matches!(
        form.fields.get(form.focus).map(|f| &f.kind),
        Some(FieldKind::Choice { .. })
    );
    let on_button = form.focus >= cancel;
    match key.code {
        KeyCode::Esc => {
            // What was typed is not lost by one key: the first Esc goes to Cancel, the second closes.
            let typed = form.fields.iter().any(|field| field.touched);
            if typed && form.focus != cancel && form.sent.is_none() {
                leave(form);
                form.focus = cancel;
            } else {
                close(model, now);
            }
            return Vec::new();
        }
        KeyCode::Tab | KeyCode::Down => move_to(form, 1),
        KeyCode::BackTab | KeyCode::Up => move_to(form, submit),
        KeyCode::PageDown => {
            leave(form);
            form.focus = (form.focus + 5).min(submit);
        }
        KeyCode::PageUp => {
            leave(form);
            form.focus = form.focus.saturating_sub(5);
        }
        KeyCode::Left | KeyCode::Right if on_button => {
            form.focus = if form.focus == cancel { submit } else { cancel };
        }
        KeyCode::Left | KeyCode::Right if on_choice => {
            turn(form, key.code == KeyCode::Right);
            changed(model, now);
        }
        KeyCode::Char(' ') if on_choice => {
            turn(form, true);
            changed(model, now);
        }
        KeyCode::Char(c) if on_choice => {
            pick(form, c);
            changed(model, now);
        }
        KeyCode::Enter if event.kind != KeyEventKind::Press => {}
        KeyCode::Enter if form.focus == cancel => close(model, now),
        KeyCode::Enter if form.focus == submit => return submitted(model, now),
        KeyCode::Enter => next_open(form),
        _ if !on_button && form.sent.is_none() => {
            if let Some(field) = form.focused_mut() {
                let before = field.value().to_owned();
                layer::edit(&mut field.input, event);
                if field.value() != before {
                    field.touched = true;
                    field.derived = false;
                    changed(model, now);
                }
            }
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn paste(model: &mut Model, text: &str, now: &Now) {
    let Some(Layer::Form(form)) = model.layers.last_mut() else {
        return;
    };
    if form.sent.is_some() {
        return;
    }
    // Only the first line: what stands behind an end of line was not meant for one field, and a key
    // is a key only when it was pressed.
    let line = text.lines().next().unwrap_or_default();
    if let Some(field) = form.focused_mut()
        && !matches!(field.kind, FieldKind::Choice { .. })
    {
        insert(&mut field.input, line);
        field.touched = true;
        field.derived = false;
        changed(model, now);
    }
}

fn leave(form: &mut Form) {
    if let Some(field) = form.focused_mut() {
        field.touched |= !field.value().is_empty();
    }
}

fn move_to(form: &mut Form, by: usize) {
    leave(form);
    form.focus = (form.focus + by) % (form.submit_at() + 1);
}

/// To the next field that must be filled or mended, or the button that sends where none is left.
fn next_open(form: &mut Form) {
    leave(form);
    let (from, count) = (form.focus, form.fields.len());
    let open = (1..=count)
        .map(|n| (from + n) % count.max(1))
        .find(|at| form.fields.get(*at).is_some_and(|field| field.error.is_some()));
    match open {
        Some(at) => {
            if at == from {
                form.show_all = true;
            }
            form.focus = at;
        }
        None => form.focus = form.submit_at(),
    }
}

fn turn(form: &mut Form, forward: bool) {
    if let Some(field) = form.focused_mut()
        && let FieldKind::Choice { options, chosen } = &mut field.kind
    {
        let len = options.len().max(1);
        *chosen = if forward { *chosen + 1 } else { *chosen + len - 1 } % len;
        field.touched = true;
    }
}

/// The next choice that begins with a letter.
fn pick(form: &mut Form, c: char) {
    if let Some(field) = form.focused_mut()
        && let FieldKind::Choice { options, chosen } = &mut field.kind
    {
        let begins = |choice: &Choice| {
            let first = choice.label.as_str().chars().next();
            first.is_some_and(|first| first.to_lowercase().eq(c.to_lowercase()))
        };
        let len = options.len();
        let found = (1..=len)
            .map(|n| (*chosen + n) % len)
            .find(|at| options.get(*at).is_some_and(begins));
        if let Some(at) = found {
            *chosen = at;
            field.touched = true;
        }
    }
}

/// A field changed: others follow, everything is checked again, and the plan is asked for anew once
/// the typing rests.
fn changed(model: &mut Model, now: &Now) {
    let Some(Layer::Form(mut form)) = model.layers.pop() else {
        return;
    };
    form.problem = None;
    let id = form.fields.get(form.focus).map(|field| field.id);
    if let Some(id) = id {
        fields::follow(&mut form, id, model);
    }
    fields::check(&mut form, model);
    if form.kind == FormKind::NewInstance {
        let right = form.is_right();
        form.plan = if right { PlanState::Waiting } else { PlanState::None };
        form.plan_due = right.then_some(now.mono + PLAN_DELAY);
    }
    model.layers.push(Layer::Form(form));
}

fn submitted(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Form(form)) = model.layers.last_mut() else {
        return Vec::new();
    };
    if form.sent.is_some() {
        return Vec::new();
    }
    form.show_all = true;
    if let Some(at) = form.fields.iter().position(|field| field.error.is_some()) {
        form.focus = at;
        return Vec::new();
    }
    if let FormKind::EditServer { server, version, .. } = form.kind {
        let fresh = model.store.server(server).map(|server| server.version);
        if fresh != Some(version) {
            let text = "the server was changed meanwhile";
            let hint = Some("close this form, and open it again on what it is now".to_owned());
            flash(model, now, NoticeLevel::Error, text, hint);
            return Vec::new();
        }
    }
    let Some(Layer::Form(form)) = model.layers.last() else {
        return Vec::new();
    };
    let act = match form.kind {
        FormKind::NewInstance => {
            match form.plan.clone() {
                PlanState::Ready(plan) => ask::create(model, &plan, now),
                PlanState::Refused(_) => {
                    flash(
                        model,
                        now,
                        NoticeLevel::Warning,
                        "the plan is refused: mend what it says",
                        None,
                    );
                }
                PlanState::Waiting | PlanState::None => {
                    flash(
                        model,
                        now,
                        NoticeLevel::Info,
                        "the plan is being made: once more in a moment",
                        None,
                    );
                }
            }
            return Vec::new();
        }
        FormKind::NewServer => send::server_draft(form, None).map(|draft| Act::AddServer(Box::new(draft))),
        FormKind::EditServer { server, version, .. } => {
            let old = model.store.server(server).map(|server| &server.spec);
            send::server_draft(form, old).map(|draft| Act::EditServer {
                server,
                version,
                draft: Box::new(draft),
            })
        }
        FormKind::NewTemplate => send::template_draft(form).map(|draft| Act::AddTemplate(Box::new(draft))),
    };
    match act {
        Some(act) if ask::demands(model, &act).asks() => {
            ask::act(model, act, now);
            Vec::new()
        }
        Some(act) => dispatch(model, act, Consent::default(), now),
        None => Vec::new(),
    }
}

/// Sends what a form says; the form waits for its answer.
pub(super) fn dispatch(model: &mut Model, act: Act, consent: Consent, now: &Now) -> Vec<Effect> {
    let (ticket, effects) = act::start(model, act, consent, now);
    if let Some(Layer::Form(form)) = model.layers.last_mut() {
        form.sent = Some(ticket);
        form.problem = None;
    }
    effects
}

/// Sends a new instance as its plan showed it, with the secret that the form holds.
pub(super) fn send_instance(model: &mut Model, plan: PlanPreview, consent: Consent, now: &Now) -> Vec<Effect> {
    let typed = match model.layers.last() {
        Some(Layer::Form(form)) => send::secret(form, FieldId::AdminPassword),
        _ => return Vec::new(),
    };
    let mut draft = plan.draft;
    if let Some(typed) = typed {
        draft.admin_password = typed;
    }
    let act = Act::CreateInstance {
        draft: Box::new(draft),
        expected: plan.expected,
    };
    dispatch(model, act, consent, now)
}
