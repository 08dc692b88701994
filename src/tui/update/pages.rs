//! From page to page, and back.

use super::{act, find, flash, follow, resettle, select};
use crate::tui::action::Place;
use crate::tui::model::{Effect, ListId, Model, NoticeLevel, Now, Pane, Spot, Tab, Target};

/// Goes on from here: what is left can be gone back to.
pub(super) fn leave(model: &mut Model) {
    let here = model.spot();
    model.trail.leave(here);
}

/// Gives a pane the focus, on the page that has it.
pub(super) fn focus(model: &mut Model, pane: Pane) -> Vec<Effect> {
    if model.only_log {
        return super::log::next_file(model);
    }
    let there = match pane {
        Pane::Servers => model.lists.tab == Tab::Here,
        Pane::Log => model.lists.tab.page().log,
        Pane::List => true,
    };
    if !there {
        model.lists.tab = Tab::Here;
    }
    model.focus = pane;
    resettle(model);
    Vec::new()
}

/// Shows a page's list.
pub(super) fn show(model: &mut Model, tab: Tab) -> Vec<Effect> {
    if model.only_log {
        return Vec::new();
    }
    model.lists.tab = tab;
    let effects = focus(model, Pane::List);
    match (tab, model.lists.jobs.selected) {
        (Tab::Jobs, Some(job)) => follow(model, job),
        (Tab::Audit, _) => super::audit::refresh(model),
        _ => effects,
    }
}

/// The pane so many after this one, of those that the page has.
pub(super) fn step(model: &Model, by: usize) -> Pane {
    let page = model.lists.tab.page();
    let there = |pane: &Pane| match pane {
        Pane::Servers => page.tab == Tab::Here,
        Pane::List => true,
        Pane::Log => page.log,
    };
    let panes: Vec<Pane> = Pane::ALL.into_iter().filter(there).collect();
    let at = panes.iter().position(|pane| *pane == model.focus).unwrap_or(0);
    let by = if by == 1 { 1 } else { panes.len() - 1 };
    panes.get((at + by) % panes.len()).copied().unwrap_or(Pane::List)
}

/// Back, or forth again.
pub(super) fn turn(model: &mut Model, back: bool, now: &Now) -> Vec<Effect> {
    let here = model.spot();
    match model.trail.turn(here, back) {
        Some(spot) => restore(model, spot, now),
        None => {
            flash(model, now, NoticeLevel::Info, "there is no other place to go to", None);
            Vec::new()
        }
    }
}

fn restore(model: &mut Model, spot: Spot, now: &Now) -> Vec<Effect> {
    model.lists.tab = spot.tab;
    model.focus = spot.focus;
    let mut effects = Vec::new();
    if let Some((list, text)) = &spot.filter
        && model.lists.shown(*list).filter.text() != text
    {
        effects.extend(find::set_text(model, *list, text, now));
    }
    if let Some(target) = spot.target {
        effects.extend(select(model, target, now));
    }
    resettle(model);
    super::server_selected(model, now);
    if let (Place::Jobs | Place::Log, Some(Target::Job(job))) = (model.place(), spot.target) {
        effects.extend(follow(model, job));
    }
    effects
}

/// Goes to something by its id, to the page that shows it best; a filter that hides it is cleared.
pub(super) fn go_to(model: &mut Model, target: Target, now: &Now) -> Vec<Effect> {
    leave(model);
    let (tab, pane) = match target {
        Target::Server(_) | Target::Fleet => (Tab::Here, Pane::Servers),
        Target::Instance(_) => (Tab::Here, Pane::List),
        Target::Template(_) => (Tab::Templates, Pane::List),
        Target::Job(_) => (Tab::Jobs, Pane::List),
        Target::Plan(_) => (Tab::Plans, Pane::List),
        Target::Customer(_) => (Tab::Customers, Pane::List),
        Target::Audit(_) => (Tab::Audit, Pane::List),
        Target::Alert(_) => (Tab::Alerts, Pane::List),
    };
    model.lists.tab = tab;
    model.focus = pane;
    let mut effects = select(model, target, now);
    if model.current_target() != Some(target) {
        let mut hidden = vec![ListId::Servers];
        hidden.extend(model.lists.list(model.place()));
        for list in hidden {
            if !model.lists.shown(list).filter.is_empty() {
                effects.extend(find::set_text(model, list, "", now));
            }
        }
        effects.extend(select(model, target, now));
    }
    super::server_selected(model, now);
    if let Target::Job(job) = target {
        effects.extend(follow(model, job));
    }
    effects
}

/// The instances of a plan or customer: all instances, filtered by it.
pub(super) fn instances_of(model: &mut Model, target: Target, now: &Now) -> Vec<Effect> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let text = match target {
        Target::Plan(id) => model.store.plan(id).map(|plan| format!("plan={}", quoted(&plan.code))),
        Target::Customer(id) => model
            .store
            .customer(id)
            .map(|customer| format!("customer={}", quoted(customer.name.as_str()))),
        _ => None,
    };
    let Some(text) = text else { return Vec::new() };
    leave(model);
    let mut effects = show(model, Tab::All);
    effects.extend(find::set_text(model, ListId::All, &text, now));
    effects.extend(act::go(model, crate::tui::model::Move::Top, now));
    effects
}
