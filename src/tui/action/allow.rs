//! When an action is allowed, and why not: one answer for keys, menu, footer and help. What the
//! registry or the life cycle would refuse anyway is said here before the key is pressed; they
//! still decide.

use super::{ActionId, Keymap, Place, action};
use crate::domain::alert::AlertState;
use crate::domain::bulk::Verb;
use crate::domain::guard::Guard;
use crate::domain::instance::InstanceState;
use crate::domain::job::JobState;
use crate::domain::rights::{Deed, Rights};
use crate::domain::server::{Intent, Observed, Server};
use crate::domain::template::{Template, TemplateState};

/// What is known of the job in question.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts {
    /// Where it is.
    pub state: JobState,
    /// Whether it was asked to stop.
    pub cancel_requested: bool,
}

/// Where one stands, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Where.
    pub place: Place,
    /// The keys, for what is said of them.
    pub keys: &'a Keymap,
    /// What the operator may do, as the registry says.
    pub rights: &'a Rights,
    /// What guards the changes.
    pub guard: &'a Guard,
    /// Whether a read-only profile is unlocked.
    pub unlocked: bool,
    /// The code of the server that the selected thing is or is on.
    pub on_server: Option<&'a str>,
    /// How many are marked where one stands.
    pub marked: usize,
    /// Whether something was done to many.
    pub receipts: bool,
    /// The selected server; for an instance, its server.
    pub server: Option<&'a Server>,
    /// The selected instance's state.
    pub instance: Option<InstanceState>,
    /// The selected template.
    pub template: Option<&'a Template>,
    /// The newest job of what is selected, the selected job, or the log's.
    pub job: Option<JobFacts>,
    /// What is being done to the selected thing by this dashboard.
    pub busy: Option<&'a str>,
    /// How many servers there are; `None` before the fleet has been read.
    pub servers: Option<usize>,
    /// How many of them are not as they should be.
    pub problems: usize,
    /// How many templates are ready.
    pub ready_templates: usize,
    /// Whether something failed that can be tried again.
    pub can_try_again: bool,
    /// Whether something is selected where one stands.
    pub selected: bool,
    /// Whether there is a place to go back to, and one to go forth to.
    pub trail: (bool, bool),
    /// Whether an order was chosen.
    pub sorted: bool,
    /// Whether a log is shown.
    pub log: bool,
    /// Whether the log is searched.
    pub searched: bool,
    /// Whether a file or a command's output is shown in place of a job's log.
    pub file: bool,
    /// How many lines of the log are marked.
    pub marks: usize,
    /// Whether anything of the log is hidden by filters.
    pub filtered: bool,
    /// Whether there is nothing but a log.
    pub only_log: bool,
    /// Whether what is selected can be explained, and has a history.
    pub told: bool,
    /// Where the selected alert is.
    pub alert: Option<AlertState>,
}

/// What an action does to the registry, where it does anything beyond reading it.
pub fn deed(id: ActionId, place: Place) -> Option<Deed> {
    use ActionId as Id;
    Some(match (id, place) {
        (Id::Activate, _) => Deed::ActivateServer,
        (Id::Deactivate, _) => Deed::DeactivateServer,
        (Id::Maintenance, _) => Deed::MaintainServer,
        (Id::Delete, Place::Instances) => Deed::DeleteInstance,
        (Id::Delete, Place::Templates) => Deed::RemoveTemplate,
        (Id::Delete, _) => Deed::DeleteServer,
        (Id::Retry, _) => Deed::RetryJob,
        (Id::CancelJob, _) => Deed::CancelJob,
        (Id::CreateDatabase, _) => Deed::CreateTemplateDatabase,
        (Id::Adopt, _) => Deed::AdoptTemplate,
        (Id::Thaw, _) => Deed::ThawTemplate,
        (Id::New, Place::Servers) => Deed::AddServer,
        (Id::New, Place::Templates) => Deed::AddTemplate,
        (Id::New, _) => Deed::CreateInstance,
        (Id::Edit, _) => Deed::EditServer,
        (Id::Shell, _) => Deed::EditServer,
        (Id::Psql, _) => Deed::HandOutPassword,
        (Id::Test, _) => Deed::TestServer,
        (Id::Check | Id::CheckAll, _) => Deed::KeepCheck,
        _ => return None,
    })
}

/// Whether an action is refused whatever is selected: one's role may not.
///
/// # Errors
/// `needs saas_admin: you are saas_manager (role ana)`.
pub fn rightful(id: ActionId, on: &Situation<'_>) -> Result<(), String> {
    deed(id, on.place).map_or(Ok(()), |deed| on.rights.check(deed))
}

/// What an action does to many, where it can be done to many.
pub fn bulk_verb(id: ActionId, place: Place) -> Option<Verb> {
    use ActionId as Id;
    Some(match (id, place) {
        (Id::Test, Place::Servers | Place::Instances) => Verb::Test,
        (Id::Check, Place::Servers | Place::Instances) => Verb::Check,
        (Id::Activate, Place::Servers) => Verb::Activate,
        (Id::Deactivate, Place::Servers) => Verb::Deactivate,
        (Id::Maintenance, Place::Servers) => Verb::Maintain,
        (Id::Delete, Place::Servers) => Verb::DeleteServer,
        (Id::Delete, Place::Instances) => Verb::DeleteInstance,
        (Id::Delete, Place::Templates) => Verb::DeleteTemplate,
        (Id::CancelJob, Place::Instances | Place::Templates | Place::Jobs) => Verb::CancelJob,
        (Id::Retry, Place::Instances | Place::Templates | Place::Jobs) => Verb::RetryJob,
        (Id::CreateDatabase, Place::Templates) => Verb::CreateDatabase,
        (Id::Adopt, Place::Templates) => Verb::Adopt,
        (Id::Thaw, Place::Templates) => Verb::Thaw,
        _ => return None,
    })
}

/// What guards refuse whatever is given with it. Of many the plan tells of each.
fn guarded(id: ActionId, on: &Situation<'_>, many: bool) -> Result<(), String> {
    let Some(deed) = deed(id, on.place) else { return Ok(()) };
    let server = on.on_server.filter(|_| !many);
    on.guard
        .refuses(deed, server, on.unlocked)
        .map_err(|problem| match problem.code.as_str() {
            "read_only" => "read-only (`:unlock 10m`)".to_owned(),
            _ => problem.message,
        })
}

/// Whether an action can be used here and now.
///
/// # Errors
/// Why not, as the menu shows it beside the greyed line.
pub fn allowed(id: ActionId, on: &Situation<'_>) -> Result<(), String> {
    use ActionId as Id;
    if !action(id).places.contains(&on.place) {
        let words: Vec<&str> = action(id).places.iter().map(|place| place.word()).collect();
        return Err(format!("only in: {}", words.join(", ")));
    }
    rightful(id, on)?;
    let many = on.marked > 0 && bulk_verb(id, on.place).is_some();
    guarded(id, on, many)?;
    if many {
        // The plan tells of each what can't be done to it, and why.
        return Ok(());
    }
    let changes = matches!(
        id,
        Id::Activate
            | Id::Deactivate
            | Id::Maintenance
            | Id::Delete
            | Id::Edit
            | Id::CreateDatabase
            | Id::Adopt
            | Id::Thaw
    );
    if let (true, Some(busy)) = (changes, on.busy) {
        return Err(format!("still {busy}"));
    }
    match id {
        Id::Activate | Id::Deactivate | Id::Maintenance => server_change(id, on),
        Id::Delete => delete(on),
        Id::Edit | Id::Test | Id::Check if on.server.is_none() => Err("no server is selected".to_owned()),
        Id::Test | Id::Check => match on.busy {
            Some(busy) => Err(format!("still {busy}")),
            None => Ok(()),
        },
        Id::CheckAll if on.servers.is_none() => Err(UNREAD.to_owned()),
        Id::CheckAll if on.servers == Some(0) => Err("there is no server yet".to_owned()),
        Id::NextProblem if on.problems == 0 => Err("every server is as it should be".to_owned()),
        Id::New => new(on),
        Id::Retry | Id::CancelJob => job(id, on),
        Id::CreateDatabase | Id::Adopt | Id::Thaw => template(id, on),
        Id::Describe | Id::Happened => match on.place {
            Place::Servers => some(on.server.is_some(), "server"),
            Place::Instances => some(on.instance.is_some(), "instance"),
            Place::Templates => some(on.template.is_some(), "template"),
            Place::Jobs | Place::Log | Place::WholeLog => some(on.job.is_some(), "job"),
            Place::Plans => some(on.selected, "plan"),
            Place::Customers => some(on.selected, "customer"),
            Place::Audit => some(on.selected, "row"),
            Place::Alerts => some(on.selected, "alert"),
        },
        Id::Explain | Id::Timeline if !on.told => Err("nothing that can be explained is selected".to_owned()),
        Id::Acknowledge | Id::Snooze | Id::Mute => match on.alert {
            None => Err("no alert is selected".to_owned()),
            Some(AlertState::Cleared) if id != Id::Mute => Err("it is over already".to_owned()),
            Some(_) => Ok(()),
        },
        Id::Mark | Id::MarkRange if !on.selected => Err("nothing is selected".to_owned()),
        Id::Unmark if on.marked == 0 => Err("nothing is marked".to_owned()),
        Id::Receipts if !on.receipts => Err("nothing was done to many yet (Space marks)".to_owned()),
        Id::Unlock if !on.guard.read_only => Err("this profile is not read-only".to_owned()),
        Id::LockAgain if !on.unlocked => Err("nothing is unlocked".to_owned()),
        Id::GoBack if !on.trail.0 => Err("this is where you began".to_owned()),
        Id::GoForward if !on.trail.1 => Err("there is nothing to go forth to".to_owned()),
        Id::SortFlip if !on.sorted => Err(format!("no order was chosen yet{}", hint(on, Id::SortPicker))),
        // Where no job has worked on a server, its own log is asked for.
        Id::Log if on.job.is_none() && on.place != Place::Servers => Err("no job has worked on it lately".to_owned()),
        Id::Log if on.job.is_none() && on.server.is_none() => Err("no server is selected".to_owned()),
        Id::Shell if on.server.is_none() => Err("no server is selected".to_owned()),
        Id::Psql if on.instance.is_none() => Err("no instance is selected".to_owned()),
        Id::CopyName | Id::CopyField => some(on.selected, "row"),
        Id::EditConfig | Id::Compact | Id::ZoomIn | Id::ZoomOut if on.only_log => {
            Err("there is nothing but the log".to_owned())
        }
        Id::LogClose if !on.file => Err("no file is open".to_owned()),
        Id::LogClose if on.only_log => Err(format!("there is nothing behind it{}", hint(on, Id::Quit))),
        Id::NextMark | Id::PreviousMark if on.marks == 0 => {
            Err(format!("no line is marked yet{}", hint(on, Id::LogMark)))
        }
        Id::LogContext if !on.filtered => {
            let (filters, levels) = (hint(on, Id::LogFilters), hint(on, Id::LogLevel));
            Err(format!("nothing is hidden: filters{filters} and levels{levels} do"))
        }
        id if needs_log(id) && !on.log => Err("no log is shown".to_owned()),
        Id::SearchNext | Id::SearchPrevious if !on.searched => {
            Err(format!("nothing is searched for yet{}", hint(on, Id::Filter)))
        }
        Id::Again if !on.can_try_again => Err("nothing failed that could be tried again".to_owned()),
        _ => Ok(()),
    }
}

/// An action's key behind what is said: ` (S)`; nothing where it has none.
fn hint(on: &Situation<'_>, id: ActionId) -> String {
    match on.keys.key_in(id, on.place).as_str() {
        "" => String::new(),
        key => format!(" ({key})"),
    }
}

/// The keys to a page and its new things: `: 4, then n`.
fn way(on: &Situation<'_>, page: Place, to: ActionId) -> String {
    let (go, new) = (on.keys.key_in(to, on.place), on.keys.key_in(ActionId::New, page));
    if go.is_empty() || new.is_empty() {
        String::new()
    } else {
        format!(": {go}, then {new}")
    }
}

fn needs_log(id: ActionId) -> bool {
    use ActionId as Id;
    matches!(
        id,
        Id::LogMark | Id::LogCopy | Id::LogCopyScreen | Id::LogSave | Id::NextError | Id::PreviousError
    )
}

fn some(there: bool, what: &str) -> Result<(), String> {
    if there {
        Ok(())
    } else {
        Err(format!("no {what} is selected"))
    }
}

fn server_change(id: ActionId, on: &Situation<'_>) -> Result<(), String> {
    let Some(server) = on.server else {
        return Err("no server is selected".to_owned());
    };
    match (id, server.intent) {
        (ActionId::Activate, Intent::Active) if server.track.observed != Observed::Offline => {
            Err("it is active already".to_owned())
        }
        (ActionId::Maintenance, Intent::Maintenance) => Err("it is in maintenance already".to_owned()),
        (ActionId::Deactivate, Intent::Disabled) => Err("it is disabled already".to_owned()),
        (ActionId::Deactivate, _) if server.instance_count > 0 => {
            Err(format!("it has {} instances", server.instance_count))
        }
        _ => Ok(()),
    }
}

fn delete(on: &Situation<'_>) -> Result<(), String> {
    match on.place {
        Place::Servers => match on.server {
            None => Err("no server is selected".to_owned()),
            Some(server) if server.instance_count > 0 => Err(format!("it has {} instances", server.instance_count)),
            Some(_) => Ok(()),
        },
        Place::Instances => match on.instance {
            None => Err("no instance is selected".to_owned()),
            Some(InstanceState::Provisioning) => Err("a job is making it: cancel that first".to_owned()),
            Some(InstanceState::Deleting) => Err("a job is deleting it".to_owned()),
            Some(_) => Ok(()),
        },
        Place::Templates => match on.template {
            None => Err("no template is selected".to_owned()),
            Some(template) if template.instance_count > 0 => {
                Err(format!("{} instances were made from it", template.instance_count))
            }
            Some(template) if template.state == TemplateState::Creating => Err("a job works on it".to_owned()),
            Some(_) => Ok(()),
        },
        Place::Jobs | Place::Log | Place::WholeLog => Err("jobs are kept as history".to_owned()),
        Place::Plans | Place::Customers => Err("what was sold is kept".to_owned()),
        Place::Audit => Err("what happened stays written down".to_owned()),
        Place::Alerts => Err("alerts go by themselves, a day after they are over".to_owned()),
    }
}

/// What keys are told that come before the fleet.
const UNREAD: &str = "the fleet is still being read";

fn new(on: &Situation<'_>) -> Result<(), String> {
    match on.place {
        Place::Servers | Place::Log | Place::WholeLog => Ok(()),
        Place::Audit => Err("what happens writes itself down".to_owned()),
        Place::Alerts => Err("alerts come by themselves".to_owned()),
        Place::Plans => Err("plans are added from the shell: vigie plan add".to_owned()),
        Place::Customers => Err("customers are added with their first instance, or by vigie customer add".to_owned()),
        _ if on.servers.is_none() => Err(UNREAD.to_owned()),
        _ if on.servers == Some(0) => Err(format!(
            "there is no server yet{}",
            way(on, Place::Servers, ActionId::ServersPane)
        )),
        Place::Templates => Ok(()),
        Place::Instances | Place::Jobs if on.ready_templates == 0 => Err(format!(
            "no template is ready yet{}",
            way(on, Place::Templates, ActionId::TemplatesList)
        )),
        Place::Instances | Place::Jobs => Ok(()),
    }
}

fn job(id: ActionId, on: &Situation<'_>) -> Result<(), String> {
    let Some(job) = on.job else {
        return Err("no job is selected".to_owned());
    };
    match (id, job.state) {
        (ActionId::Retry, JobState::Failed | JobState::Cancelled | JobState::Stuck) => Ok(()),
        (ActionId::Retry, JobState::Done) => Err("its job is done".to_owned()),
        (ActionId::Retry, state) => Err(format!("its job is {}", state.word())),
        (_, state) if state.is_over() => Err(format!("its job is over ({})", state.word())),
        (_, JobState::Undoing) => Err("its job is being undone already".to_owned()),
        _ if job.cancel_requested => Err("its job was asked to stop already".to_owned()),
        _ => Ok(()),
    }
}

fn template(id: ActionId, on: &Situation<'_>) -> Result<(), String> {
    let Some(template) = on.template else {
        return Err("no template is selected".to_owned());
    };
    match (id, template.state) {
        (_, TemplateState::Creating) => Err("a job works on it".to_owned()),
        (ActionId::Thaw, TemplateState::Ready) => Ok(()),
        (ActionId::Thaw, state) => Err(format!("it is {}, not frozen", state.word())),
        (_, TemplateState::Ready) => Err("it is ready already".to_owned()),
        _ => Ok(()),
    }
}
