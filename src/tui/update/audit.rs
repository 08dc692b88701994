//! The list of what happened: what is read of it, and when.

use super::{find, pages};
use crate::domain::audit::AuditEntry;
use crate::tui::action::Place;
use crate::tui::model::{Effect, ListId, Model, Now, Tab, Target};
use std::sync::Arc;

/// Reads what is new: it is looked at, or something changed.
pub(super) fn refresh(model: &mut Model) -> Vec<Effect> {
    let filter = Arc::clone(&model.lists.shown(ListId::Audit).filter);
    let Model { lists, store, .. } = model;
    lists.audit.refresh(store.audit(), &filter)
}

/// Shows what happened: all of it, or to one object.
pub(super) fn about(model: &mut Model, object: Option<(String, String)>, now: &Now) -> Vec<Effect> {
    model.lists.tab = Tab::Audit;
    pages::focus(model, crate::tui::model::Pane::List);
    let filter = Arc::clone(&model.lists.shown(ListId::Audit).filter);
    let Model { lists, store, .. } = model;
    let mut effects = lists.audit.about(object, Arc::make_mut(store), &filter);
    effects.extend(renew(model, now));
    effects
}

/// What is selected, as the audit calls it, and its name.
pub(super) fn object(model: &Model) -> Option<(String, String)> {
    let target = model.current_target()?;
    let object = match target {
        Target::Server(id) => format!("server:{id}"),
        Target::Instance(id) => format!("instance:{id}"),
        Target::Template(id) => format!("template:{id}"),
        Target::Job(id) => format!("job:{id}"),
        Target::Plan(id) => format!("plan:{id}"),
        Target::Customer(id) => format!("customer:{id}"),
        Target::Audit(id) => {
            let row = model.store.audit_row(id)?;
            return Some((row.object.clone(), row.label.clone()));
        }
        Target::Alert(id) => model.attention.board.alert(id)?.subject?.object(),
        Target::Fleet => return None,
    };
    Some((object, super::ask::label(model, target)))
}

/// Rows that were asked for.
pub(super) fn take(model: &mut Model, seq: u64, rows: Vec<AuditEntry>, now: &Now) -> Vec<Effect> {
    let Model { lists, store, .. } = model;
    if !lists.audit.take(seq, rows, Arc::make_mut(store)) {
        return Vec::new();
    }
    let mut effects = renew(model, now);
    if let Some(target @ Target::Audit(id)) = model.wanted
        && model.store.audit_row(id).is_some()
    {
        model.wanted = None;
        effects.extend(super::select(model, target, now));
    }
    effects.extend(at_the_end(model));
    effects
}

fn renew(model: &mut Model, now: &Now) -> Vec<Effect> {
    let heights = model.rows();
    let Model { lists, store, .. } = model;
    find::asked(lists.renew(ListId::Audit, store, heights, now))
}

/// Reads on where one looks at the end of what is here.
pub(super) fn at_the_end(model: &mut Model) -> Vec<Effect> {
    if model.place() != Place::Audit {
        return Vec::new();
    }
    let height = model.rows().1;
    let filter = Arc::clone(&model.lists.shown(ListId::Audit).filter);
    let Model { lists, store, .. } = model;
    let shown = lists.len(ListId::Audit, store);
    lists.audit.at_the_end(shown, height, store.audit(), &filter)
}

/// Another filter: rows that pass it may not have been read.
pub(super) fn filter_changed(model: &mut Model) -> Vec<Effect> {
    let filter = Arc::clone(&model.lists.shown(ListId::Audit).filter);
    let Model { lists, store, .. } = model;
    lists.audit.filter_changed(store.audit(), &filter)
}
