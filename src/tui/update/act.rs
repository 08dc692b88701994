//! What each action of the table does.

use super::{ask, bulk, find, follow, form, lock, log, marks, pages, resettle, server_selected};
use crate::domain::guard::{Consent, UNLOCK_USUAL};
use crate::domain::health::HealthStatus;
use crate::domain::job::JobState;
use crate::tui::action::{ActionId, Place, bulk_verb};
use crate::tui::model::{
    Act, Asked, Effect, Layer, ListId, Model, Move, NoticeLevel, Now, PAGES, Pane, StoryKind, Subject, Tab, Target,
    TemplateWork, Ticket, fields, is_problem,
};
use tui_input::Input;

/// Does an allowed action.
pub(super) fn perform(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    use ActionId as Id;
    match id {
        Id::Down => go(model, Move::Rows(1), now),
        Id::Up => go(model, Move::Rows(-1), now),
        Id::PageDown => go(model, Move::HalfPages(2), now),
        Id::PageUp => go(model, Move::HalfPages(-2), now),
        Id::HalfDown => go(model, Move::HalfPages(1), now),
        Id::HalfUp => go(model, Move::HalfPages(-1), now),
        Id::Top => go(model, Move::Top, now),
        Id::Bottom => go(model, Move::Bottom, now),
        Id::ScrollLeft | Id::ScrollRight => sideways(model, id == Id::ScrollRight),
        Id::NextPane => pages::focus(model, pages::step(model, 1)),
        Id::PreviousPane => pages::focus(model, pages::step(model, 2)),
        Id::ServersPane => to(model, |model| pages::focus(model, Pane::Servers)),
        Id::LogPane => to(model, |model| pages::focus(model, Pane::Log)),
        Id::AuditList => {
            pages::leave(model);
            super::audit::about(model, None, now)
        }
        Id::Happened => match super::audit::object(model) {
            Some(object) => {
                pages::leave(model);
                super::audit::about(model, Some(object), now)
            }
            None => Vec::new(),
        },
        Id::NextList => {
            let tab = if model.focus == Pane::List {
                model.lists.tab.next()
            } else {
                model.lists.tab
            };
            to(model, |model| pages::show(model, tab))
        }
        Id::NextProblem => next_problem(model, now),
        Id::Open => open(model, now),
        Id::Back => back(model, now),
        Id::GoBack | Id::GoForward => pages::turn(model, id == Id::GoBack, now),
        Id::SortFlip => find::flip(model, now),
        Id::Palette => super::palette::open(model),
        Id::SortPicker | Id::Columns => super::columns::open(model, id == Id::SortPicker),
        Id::Views => super::views::open(model),
        Id::Zoom if model.only_log => Vec::new(),
        Id::Zoom => {
            model.zoom = !model.zoom;
            resettle(model);
            Vec::new()
        }
        Id::Help => push(model, Layer::Help { scroll: 0 }),
        Id::Config => push(model, Layer::Config { scroll: 0 }),
        Id::Profile => super::palette::open_with(model, "profile "),
        Id::Filter => match model.lists.list(model.place()) {
            Some(list) => {
                find::open(model, list);
                Vec::new()
            }
            None => {
                let text = model
                    .log
                    .search
                    .as_ref()
                    .map(|p| p.text().to_owned())
                    .unwrap_or_default();
                let layer = Layer::Typing {
                    input: Input::new(text.clone()),
                    before: text,
                };
                push(model, layer)
            }
        },
        Id::SearchNext | Id::SearchPrevious => log::search(model, id == Id::SearchPrevious, now),
        Id::Describe => describe(model),
        Id::Explain => super::story::open(model, StoryKind::Why, now),
        Id::Timeline => super::story::open(model, StoryKind::Timeline, now),
        Id::Acknowledge | Id::Snooze | Id::Mute => super::attention::perform(model, id, now),
        Id::Log => show_log(model),
        Id::Redraw => vec![Effect::LoadFleet],
        Id::Suspend => vec![Effect::Suspend],
        // Handled before the table is asked; here for settings that bind it to something else.
        Id::Interrupt => Vec::new(),
        Id::Quit => quit(model, now),
        Id::New => form::open_new(model, now),
        Id::Edit => form::open_edit(model),
        Id::Again => again(model, now),
        Id::Mark | Id::MarkRange | Id::MarkAll | Id::MarkInvert | Id::Unmark => marks::perform(model, id, now),
        Id::Receipts => bulk::receipts(model),
        Id::Unlock => lock::unlock(model, UNLOCK_USUAL, now),
        Id::LockAgain => lock::lock(model, now),
        // A page's key is in the table of pages, a column's in that of columns.
        _ => match PAGES.iter().find(|page| page.action == id) {
            Some(page) => to(model, |model| pages::show(model, page.tab)),
            None if is_sort(id) => find::sort_key(model, id, now),
            None => super::home::perform(model, id, now)
                .or_else(|| log::perform(model, id, now))
                .unwrap_or_else(|| change(model, id, now)),
        },
    }
}

fn is_sort(id: ActionId) -> bool {
    ListId::ALL
        .iter()
        .any(|list| fields(*list).iter().any(|field| field.sort == Some(id)))
}

/// Goes somewhere else, and remembers where that was gone from.
pub(super) fn to(model: &mut Model, go: impl FnOnce(&mut Model) -> Vec<Effect>) -> Vec<Effect> {
    let before = model.spot();
    let effects = go(model);
    let after = model.spot();
    if (before.tab, before.focus) != (after.tab, after.focus) {
        model.trail.leave(before);
    }
    effects
}

fn push(model: &mut Model, layer: Layer) -> Vec<Effect> {
    model.layers.push(layer);
    Vec::new()
}

fn follow_selected(model: &mut Model) -> Vec<Effect> {
    match model.lists.jobs.selected {
        Some(job) => follow(model, job),
        None => Vec::new(),
    }
}

pub(super) fn go(model: &mut Model, to: Move, now: &Now) -> Vec<Effect> {
    let place = model.place();
    let Some(list) = model.lists.list(place) else {
        return log::scroll(model, to);
    };
    let rows = model.rows();
    let Model { lists, store, .. } = model;
    let (changed, request) = lists.go(list, to, store, rows, now);
    if changed && place == Place::Servers {
        server_selected(model, now);
    }
    let mut effects = find::asked(request);
    if changed && place == Place::Jobs {
        effects.extend(follow_selected(model));
    }
    effects.extend(super::audit::at_the_end(model));
    marks::moved(model);
    effects
}

fn sideways(model: &mut Model, right: bool) -> Vec<Effect> {
    if model.focus == Pane::Log && model.log.wrap {
        return Vec::new();
    }
    if model.focus == Pane::Log {
        let left = model.log.left;
        model.log.left = if right {
            (left + 16).min(8192)
        } else {
            left.saturating_sub(16)
        };
        return Vec::new();
    }
    if model.lists.tab != Tab::Here {
        return Vec::new();
    }
    pages::focus(model, if right { Pane::List } else { Pane::Servers })
}

fn open(model: &mut Model, now: &Now) -> Vec<Effect> {
    match model.place() {
        Place::Servers if model.store.servers.is_empty() => form::open_new(model, now),
        Place::Servers => to(model, |model| pages::show(model, Tab::Here)),
        Place::Instances | Place::Templates | Place::Audit => describe(model),
        Place::Alerts => super::attention::open(model, now),
        Place::Jobs => show_log(model),
        Place::Plans | Place::Customers => match model.current_target() {
            Some(target) => pages::instances_of(model, target, now),
            None => Vec::new(),
        },
        Place::Log | Place::WholeLog if model.only_log => Vec::new(),
        Place::Log | Place::WholeLog => {
            model.zoom = !model.zoom;
            resettle(model);
            Vec::new()
        }
    }
}

/// Selects the next server that is not as it should be, outages before warnings where one begins.
fn next_problem(model: &mut Model, now: &Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    if !model.lists.shown(ListId::Servers).filter.is_empty() {
        effects.extend(find::set_text(model, ListId::Servers, "", now));
    }
    let Model { lists, store, .. } = model;
    let count = store.servers.len();
    let selected = lists.servers.selected;
    let from = store.servers.iter().position(|s| Some(s.id) == selected).unwrap_or(0);
    let on_one = store.servers.get(from).is_some_and(is_problem);
    let worst = store
        .servers
        .iter()
        .position(|server| is_problem(server) && server.track.status == HealthStatus::Critical);
    let next = (1..=count)
        .map(|n| (from + n) % count)
        .find(|at| store.servers.get(*at).is_some_and(is_problem));
    let found = if on_one { next } else { worst.or(next) };
    if let Some(id) = found.and_then(|at| store.servers.get(at)).map(|server| server.id) {
        effects.extend(to(model, |model| pages::focus(model, Pane::Servers)));
        effects.extend(super::select(model, Target::Server(id), now));
        server_selected(model, now);
    }
    effects
}

/// One level back: the flash, the filter, the zoom, the focus; never out of the program.
fn back(model: &mut Model, now: &Now) -> Vec<Effect> {
    let place = model.place();
    let list = model.lists.list(place);
    let filtered = list.filter(|list| !model.lists.shown(*list).filter.is_empty());
    if let Some(list) = list.filter(|list| model.marks.count(*list) > 0) {
        model.marks.clear(list);
    } else if model.flash.is_some() {
        model.flash = None;
        resettle(model);
    } else if place == Place::Log && model.log.search.is_some() {
        model.log.search = None;
        model.log.hit = None;
    } else if place == Place::Log && model.only_log {
        return if model.log.following() {
            Vec::new()
        } else {
            log::to_end(model)
        };
    } else if let Some(list) = filtered {
        find::remember(model, list);
        let mut effects = find::set_text(model, list, "", now);
        effects.extend(super::memory::page(model, list));
        return effects;
    } else if place == Place::Audit && model.lists.audit.object.is_some() {
        return super::audit::about(model, None, now);
    } else if model.zoom {
        model.zoom = false;
        resettle(model);
    } else if place == Place::Log && !model.log.following() {
        return log::to_end(model);
    } else {
        let to_list = model.focus == Pane::Log;
        return to(model, |model| {
            pages::focus(model, if to_list { Pane::List } else { Pane::Servers })
        });
    }
    Vec::new()
}

pub(super) fn describe(model: &mut Model) -> Vec<Effect> {
    let Some(subject) = model.current_target().and_then(Subject::of) else {
        return Vec::new();
    };
    model.layers.push(Layer::Describe {
        subject,
        instance: None,
        scroll: 0,
    });
    match subject {
        Subject::Instance(id) => vec![Effect::LoadInstance(id)],
        _ => Vec::new(),
    }
}

fn show_log(model: &mut Model) -> Vec<Effect> {
    let Some(job) = model.current_job() else {
        return log::prompt(model);
    };
    let mut effects = to(model, |model| pages::focus(model, Pane::Log));
    effects.extend(follow(model, job));
    effects
}

fn quit(model: &mut Model, now: &Now) -> Vec<Effect> {
    if model.zoom && !model.only_log {
        model.zoom = false;
        resettle(model);
        return Vec::new();
    }
    // The fleet's page is the first one: from any other `q` goes there.
    if model.lists.tab != Tab::Here {
        return to(model, |model| pages::show(model, Tab::Here));
    }
    let at_work = model.store.jobs.iter().filter(|job| !job.state.is_over()).count();
    if at_work == 0 && model.asked.is_empty() {
        return vec![Effect::Quit];
    }
    ask::quit(model, at_work, now);
    Vec::new()
}

fn again(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(act) = model.failed.clone() else {
        return Vec::new();
    };
    begin(model, act, now)
}

/// Asks before an action where that is to be, or starts it.
fn begin(model: &mut Model, act: Act, now: &Now) -> Vec<Effect> {
    let demands = ask::demands(model, &act);
    if ask::needs_question(&act) || demands.asks() || demands.deny.is_some() {
        ask::act(model, act, now);
        return Vec::new();
    }
    start(model, act, Consent::default(), now).1
}

/// Starts an action, which is seen at once: on its row and on the last line.
pub(super) fn start(model: &mut Model, act: Act, consent: Consent, now: &Now) -> (Ticket, Vec<Effect>) {
    let ticket = model.new_ticket();
    let verb = verb(model, &act);
    super::flash(model, now, NoticeLevel::Info, format!("{verb}…"), None);
    model.failed = None;
    model.asked.insert(
        ticket,
        Asked {
            act: act.clone(),
            verb,
            progress: None,
        },
    );
    let effect = if consent == Consent::default() {
        Effect::Act { ticket, act }
    } else {
        Effect::ActWith {
            ticket,
            act,
            consent: Box::new(consent),
        }
    };
    (ticket, vec![effect])
}

/// What is being done, as it is said: `checking prod-1`.
fn verb(model: &Model, act: &Act) -> String {
    let target = ask::label(model, act.target());
    match act {
        Act::Test(_) => format!("testing {target}"),
        Act::Check(_) => format!("checking {target}"),
        Act::CheckAll => format!("checking all {} servers", model.store.servers.len()),
        Act::Activate { .. } => format!("testing and activating {target}"),
        Act::Deactivate { .. } => format!("deactivating {target}"),
        Act::Maintain { .. } => format!("putting {target} in maintenance"),
        Act::DeleteServer { .. } | Act::DeleteTemplate { .. } | Act::DeleteInstance { .. } => {
            format!("deleting {target}")
        }
        Act::ForgetInstance { .. } => format!("removing the record of {target}"),
        Act::AddServer(draft) => format!("adding server {}", draft.spec.code),
        Act::EditServer { .. } => format!("saving {target}"),
        Act::AddTemplate(draft) => format!("adding template {}", draft.spec.code),
        Act::TemplateJob { work, .. } => match work {
            TemplateWork::CreateDatabase => format!("queueing the creation of {target}'s database"),
            TemplateWork::Adopt => format!("queueing the adoption of {target}"),
            TemplateWork::Thaw => format!("queueing the thawing of {target}"),
        },
        Act::CreateInstance { draft, .. } => format!("queueing the creation of {}", draft.name),
        Act::Command(run) => format!("running {} on {target}", run.name),
        Act::RetryJob(_) => format!("queueing {target} again"),
        Act::CancelJob(_) => format!("asking {target} to stop"),
    }
}

fn change(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    // What is marked is meant, not what the cursor happens to stand on.
    if let (Some(list), Some(verb)) = (model.lists.list(model.place()), bulk_verb(id, model.place()))
        && model.marks.count(list) > 0
    {
        return bulk::open_marked(model, list, verb, now);
    }
    match make(model, id) {
        Some(act) => begin(model, act, now),
        None => Vec::new(),
    }
}

/// The action on what is selected, with its id and version as they are seen now.
fn make(model: &Model, id: ActionId) -> Option<Act> {
    use ActionId as Id;
    let server = || model.current_server().and_then(|id| model.store.server(id));
    let template = || model.lists.templates.selected.and_then(|id| model.store.template(id));
    let work = |work| {
        template().map(|template| Act::TemplateJob {
            template: template.id,
            version: template.version,
            work,
        })
    };
    match id {
        Id::Test => server().map(|server| Act::Test(server.id)),
        Id::Check => server().map(|server| Act::Check(server.id)),
        Id::CheckAll => Some(Act::CheckAll),
        Id::Activate => server().map(|server| Act::Activate {
            server: server.id,
            version: server.version,
        }),
        Id::Deactivate => server().map(|server| Act::Deactivate {
            server: server.id,
            version: server.version,
        }),
        Id::Maintenance => server().map(|server| Act::Maintain {
            server: server.id,
            version: server.version,
        }),
        Id::CreateDatabase => work(TemplateWork::CreateDatabase),
        Id::Adopt => work(TemplateWork::Adopt),
        Id::Thaw => work(TemplateWork::Thaw),
        Id::Retry => model.current_job().map(Act::RetryJob),
        Id::CancelJob => model.current_job().map(Act::CancelJob),
        Id::Delete => delete(model),
        _ => None,
    }
}

fn delete(model: &Model) -> Option<Act> {
    use crate::domain::instance::InstanceState as S;
    match model.place() {
        Place::Servers => model
            .lists
            .servers
            .selected
            .and_then(|id| model.store.server(id))
            .map(|server| Act::DeleteServer {
                server: server.id,
                version: server.version,
            }),
        Place::Templates => model
            .lists
            .templates
            .selected
            .and_then(|id| model.store.template(id))
            .map(|template| Act::DeleteTemplate {
                template: template.id,
                version: template.version,
            }),
        Place::Instances => model
            .lists
            .instance()
            .and_then(|id| model.store.instance(id))
            .map(|row| {
                let (instance, version) = (row.id, row.version);
                let stuck = model
                    .store
                    .job_of_instance(instance)
                    .is_some_and(|job| job.state == JobState::Stuck);
                match row.state {
                    S::Failed | S::Draft if !stuck => Act::ForgetInstance { instance, version },
                    _ => Act::DeleteInstance { instance, version },
                }
            }),
        Place::Jobs | Place::Plans | Place::Customers | Place::Audit | Place::Alerts | Place::Log | Place::WholeLog => {
            None
        }
    }
}
