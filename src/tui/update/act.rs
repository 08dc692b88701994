//! What each action of the table does.

use super::{ask, follow, form, log, resettle, server_selected};
use crate::domain::health::HealthStatus;
use crate::domain::job::JobState;
use crate::tui::action::{ActionId, Place};
use crate::tui::model::{
    Act, Asked, Effect, Layer, Model, Move, NoticeLevel, Now, Pane, Subject, Tab, Target, TemplateWork, Ticket,
    is_problem,
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
        Id::NextPane => focus(model, step(model.focus, 1)),
        Id::PreviousPane => focus(model, step(model.focus, 2)),
        Id::ServersPane => focus(model, Pane::Servers),
        Id::InstancesPane => show(model, Tab::Here),
        Id::TemplatesList => show(model, Tab::Templates),
        Id::JobsList => show(model, Tab::Jobs),
        Id::AuditList => happened(model, None),
        Id::Happened => match about(model) {
            Some(object) => happened(model, Some(object)),
            None => Vec::new(),
        },
        Id::LogPane => focus(model, Pane::Log),
        Id::NextList => {
            let tab = if model.focus == Pane::List {
                model.lists.tab.next()
            } else {
                model.lists.tab
            };
            show(model, tab)
        }
        Id::NextProblem => next_problem(model, now),
        Id::Open => open(model, now),
        Id::Back => back(model),
        Id::Zoom if model.only_log => Vec::new(),
        Id::Zoom => {
            model.zoom = !model.zoom;
            resettle(model);
            Vec::new()
        }
        Id::Help => push(model, Layer::Help { scroll: 0 }),
        Id::Filter => {
            let text = match model.place() {
                Place::Log => model
                    .log
                    .search
                    .as_ref()
                    .map(|p| p.text().to_owned())
                    .unwrap_or_default(),
                place => model.lists.filter(place).text().to_owned(),
            };
            let layer = Layer::Typing {
                input: Input::new(text.clone()),
                before: text,
            };
            push(model, layer)
        }
        Id::SearchNext | Id::SearchPrevious => log::search(model, id == Id::SearchPrevious, now),
        Id::Describe => describe(model),
        Id::Log => show_log(model),
        Id::Redraw => vec![Effect::LoadFleet],
        Id::Suspend => vec![Effect::Suspend],
        // Handled before the table is asked; here for settings that bind it to something else.
        Id::Interrupt => Vec::new(),
        Id::Quit => quit(model, now),
        Id::New => form::open_new(model, now),
        Id::Edit => form::open_edit(model),
        Id::Again => again(model, now),
        id => log::perform(model, id, now).unwrap_or_else(|| change(model, id, now)),
    }
}

fn step(pane: Pane, by: usize) -> Pane {
    let at = Pane::ALL.iter().position(|p| *p == pane).unwrap_or(0);
    Pane::ALL[(at + by) % Pane::ALL.len()]
}

fn focus(model: &mut Model, pane: Pane) -> Vec<Effect> {
    if model.only_log {
        return log::next_file(model);
    }
    model.focus = pane;
    resettle(model);
    Vec::new()
}

fn show(model: &mut Model, tab: Tab) -> Vec<Effect> {
    model.lists.tab = tab;
    let effects = focus(model, Pane::List);
    match tab {
        Tab::Jobs => follow_selected(model),
        Tab::Audit => model.lists.audit.refresh(),
        _ => effects,
    }
}

/// Shows what happened: all of it, or to one object.
fn happened(model: &mut Model, object: Option<(String, String)>) -> Vec<Effect> {
    model.lists.tab = Tab::Audit;
    focus(model, Pane::List);
    model.lists.audit.about(object)
}

/// What is selected, as the audit calls it, and its name.
fn about(model: &Model) -> Option<(String, String)> {
    if model.place() == Place::Audit {
        return model
            .lists
            .audit
            .selected()
            .map(|row| (row.object.clone(), row.label.clone()));
    }
    let target = model.current_target()?;
    let object = match target {
        Target::Server(id) => format!("server:{id}"),
        Target::Instance(id) => format!("instance:{id}"),
        Target::Template(id) => format!("template:{id}"),
        Target::Job(id) => format!("job:{id}"),
        Target::Fleet => return None,
    };
    Some((object, ask::label(model, target)))
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

fn go(model: &mut Model, to: Move, now: &Now) -> Vec<Effect> {
    let place = model.place();
    if place == Place::Log {
        return log::scroll(model, to);
    }
    let rows = model.rows();
    let Model { lists, store, .. } = model;
    let changed = lists.go(place, to, store, rows);
    if changed && place == Place::Servers {
        server_selected(model, now);
    }
    if changed && place == Place::Jobs {
        return follow_selected(model);
    }
    if place == Place::Audit {
        return model.lists.audit.at_the_end(rows.1);
    }
    Vec::new()
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
    focus(model, if right { Pane::List } else { Pane::Servers })
}

fn open(model: &mut Model, now: &Now) -> Vec<Effect> {
    match model.place() {
        Place::Servers if model.store.servers.is_empty() => form::open_new(model, now),
        Place::Servers => show(model, Tab::Here),
        Place::Instances | Place::Templates | Place::Audit => describe(model),
        Place::Jobs => show_log(model),
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
    let rows = model.rows();
    let Model { lists, store, .. } = model;
    if !lists.servers.filter.is_empty() {
        lists.set_filter(Place::Servers, "", store, rows);
    }
    let count = store.servers.len();
    let from = lists.servers.row();
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
        focus(model, Pane::Servers);
        super::select(model, Target::Server(id));
        server_selected(model, now);
    }
    Vec::new()
}

/// One level back: the flash, the filter, the zoom, the focus; never out of the program.
fn back(model: &mut Model) -> Vec<Effect> {
    let place = model.place();
    let rows = model.rows();
    if model.flash.is_some() {
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
    } else if place != Place::Log && !model.lists.filter(place).text().is_empty() {
        let Model { lists, store, .. } = model;
        lists.set_filter(place, "", store, rows);
        if place == Place::Audit {
            return lists.audit.filter_changed();
        }
    } else if place == Place::Audit && model.lists.audit.object.is_some() {
        return model.lists.audit.about(None);
    } else if model.zoom {
        model.zoom = false;
        resettle(model);
    } else if place == Place::Log && !model.log.following() {
        return log::to_end(model);
    } else {
        focus(
            model,
            if model.focus == Pane::Log {
                Pane::List
            } else {
                Pane::Servers
            },
        );
    }
    Vec::new()
}

fn describe(model: &mut Model) -> Vec<Effect> {
    let subject = match model.current_target() {
        Some(Target::Server(id)) => Subject::Server(id),
        Some(Target::Instance(id)) => Subject::Instance(id),
        Some(Target::Template(id)) => Subject::Template(id),
        Some(Target::Job(id)) => Subject::Job(id),
        None if model.place() == Place::Audit => match model.lists.audit.selected() {
            Some(row) => Subject::Audit(row.id),
            None => return Vec::new(),
        },
        Some(Target::Fleet) | None => return Vec::new(),
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
    focus(model, Pane::Log);
    follow(model, job)
}

fn quit(model: &mut Model, now: &Now) -> Vec<Effect> {
    if model.zoom && !model.only_log {
        model.zoom = false;
        resettle(model);
        return Vec::new();
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
    if act.is_destructive() || ask::needs_question(&act) {
        ask::act(model, act, now);
        return Vec::new();
    }
    start(model, act, now).1
}

/// Starts an action, which is seen at once: on its row and on the last line.
pub(super) fn start(model: &mut Model, act: Act, now: &Now) -> (Ticket, Vec<Effect>) {
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
    (ticket, vec![Effect::Act { ticket, act }])
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
        Act::RetryJob(_) => format!("queueing {target} again"),
        Act::CancelJob(_) => format!("asking {target} to stop"),
    }
}

fn change(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    let Some(act) = make(model, id) else {
        return Vec::new();
    };
    if ask::needs_question(&act) {
        ask::act(model, act, now);
        return Vec::new();
    }
    start(model, act, now).1
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
        Place::Jobs | Place::Audit | Place::Log | Place::WholeLog => None,
    }
}
