//! The plan of a bulk while it is looked at, and bulks at work with their receipts.

mod own;
mod receipts;

pub use own::{Own, told_of_all};
pub use receipts::{PlanLine, ReceiptLine, WIDE, WORD, name_columns, receipts_room};

use super::effect::{Target, Ticket};
use super::fleet::Store;
use super::tabs::ListId;
use super::{Act, Model, TemplateWork, Written};
use crate::domain::bulk::{Facts, Item, Limits, Plan, Run, Thing, Verb};
use crate::domain::guard::Consent;
use crate::domain::job::JobState;
use crate::domain::{InstanceId, JobId, ServerId, TemplateId};
use std::collections::BTreeMap;
use std::time::Duration;
use tui_input::Input;

/// What has the focus in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BulkField {
    /// At most so many.
    Limit,
    /// So many at once.
    AtOnce,
    /// An end after so many failures.
    StopAfter,
    /// Why it is done.
    Reason,
    /// The name or number that has to be typed.
    Typed,
    /// The button that changes nothing.
    Cancel,
    /// The one that begins.
    Go,
}

/// The plan of a bulk, open. Its items are frozen as they were seen.
#[derive(Debug, Clone)]
pub struct BulkDialog {
    /// Those it is for.
    pub items: Vec<Item>,
    /// The operator's own command that runs on them.
    pub own: Option<Own>,
    /// What will be done, to whom, and who is passed over.
    pub plan: Plan,
    /// How many of them the list doesn't show.
    pub hidden: usize,
    /// The list whose marks they are.
    pub list: Option<ListId>,
    /// The limit as typed.
    pub limit: Input,
    /// How many at once, as typed.
    pub at_once: Input,
    /// After how many failures it stops, as typed; empty: never.
    pub stop_after: Input,
    /// The reason as typed.
    pub reason: Input,
    /// The name or number as typed.
    pub typed: Input,
    /// What has the focus.
    pub focus: BulkField,
    /// The first visible line of the plan.
    pub scroll: usize,
    /// What changed since it was opened: nothing is begun then.
    pub stale: Vec<String>,
    /// When it was opened: keys that come with the one that opened it decide nothing.
    pub opened: Duration,
}

/// What is done to so many, as a question's beginning.
fn title(verb: Verb, own: Option<&Own>, count: usize, one: Option<Thing>) -> String {
    own.map_or_else(|| verb.of(count), |own| own.title(count, one))
}

impl BulkDialog {
    /// What is done to how many.
    pub fn title(&self) -> String {
        let one = self.items.first().map(|item| item.thing);
        title(self.plan.verb, self.own.as_ref(), self.plan.count(), one)
    }

    /// What is done, in a word.
    pub fn word(&self) -> &str {
        self.own
            .as_ref()
            .map_or(self.plan.verb.word(), |own| own.command.name.as_str())
    }

    /// Whether it is one command with all of them.
    pub fn is_once(&self) -> bool {
        self.own.as_ref().is_some_and(Own::is_once)
    }

    /// What can have the focus now, in order.
    pub fn fields(&self) -> Vec<BulkField> {
        use BulkField as F;
        let mut fields = vec![F::Limit];
        if !self.is_once() {
            fields.extend([F::AtOnce, F::StopAfter]);
        }
        if self.plan.demands.reason {
            fields.push(F::Reason);
        }
        if self.plan.to_type().is_some() {
            fields.push(F::Typed);
        }
        fields.extend([F::Cancel, F::Go]);
        fields
    }

    /// What the operator gives.
    pub fn consent(&self) -> Consent {
        let typed = self.typed.value().trim();
        Consent {
            typed: (!typed.is_empty()).then(|| typed.to_owned()),
            reason: Consent::reason_of(self.reason.value()),
            bulk: u32::try_from(self.plan.count()).unwrap_or(u32::MAX),
        }
    }

    /// Whether nothing more is asked behind what has the focus.
    pub fn is_last(&self) -> bool {
        let fields = self.fields();
        let last = fields.iter().rposition(|field| *field < BulkField::Cancel);
        last == fields.iter().position(|field| *field == self.focus)
    }

    /// Whether it may begin.
    pub fn may_go(&self) -> bool {
        self.stale.is_empty() && self.plan.may_begin(&self.consent()).is_ok()
    }

    /// The line of text that has the focus.
    pub fn focused(&mut self) -> Option<&mut Input> {
        match self.focus {
            BulkField::Limit => Some(&mut self.limit),
            BulkField::AtOnce => Some(&mut self.at_once),
            BulkField::StopAfter => Some(&mut self.stop_after),
            BulkField::Reason => Some(&mut self.reason),
            BulkField::Typed => Some(&mut self.typed),
            BulkField::Cancel | BulkField::Go => None,
        }
    }

    /// How it goes, as typed; what is no number is as if nothing was typed.
    pub fn limits(&self) -> Limits {
        let number = |input: &Input| input.value().trim().parse::<usize>().ok().filter(|n| *n > 0);
        Limits {
            limit: number(&self.limit),
            at_once: number(&self.at_once).unwrap_or(1).min(AT_ONCE_MOST),
            stop_after: number(&self.stop_after),
        }
    }
}

/// So many at once at most.
pub const AT_ONCE_MOST: usize = 16;

/// A bulk that was begun.
#[derive(Debug, Clone)]
pub struct BulkRun {
    /// Numbers it.
    pub id: u64,
    /// How it stands.
    pub run: Run,
    /// The operator's own command that runs.
    pub own: Option<Own>,
    /// What it wrote, with the names of what it ran on.
    pub outputs: Vec<(String, Written)>,
    /// What the operator gave.
    pub consent: Consent,
    /// Those that run, by their tickets.
    pub tickets: BTreeMap<Ticket, usize>,
}

/// The action on one of many.
pub fn act_on(verb: Verb, item: &Item) -> Option<Act> {
    let version = item.version;
    Some(match (verb, item.thing) {
        (Verb::Test, Thing::Server(id)) => Act::Test(id),
        (Verb::Check, Thing::Server(id)) => Act::Check(id),
        (Verb::Activate, Thing::Server(server)) => Act::Activate { server, version },
        (Verb::Deactivate, Thing::Server(server)) => Act::Deactivate { server, version },
        (Verb::Maintain, Thing::Server(server)) => Act::Maintain { server, version },
        (Verb::DeleteServer, Thing::Server(server)) => Act::DeleteServer { server, version },
        (Verb::DeleteInstance, Thing::Instance(instance)) if item.facts.is_forgotten() => {
            Act::ForgetInstance { instance, version }
        }
        (Verb::DeleteInstance, Thing::Instance(instance)) => Act::DeleteInstance { instance, version },
        (Verb::CancelJob, Thing::Job(job)) => Act::CancelJob(job),
        (Verb::RetryJob, Thing::Job(job)) => Act::RetryJob(job),
        (Verb::CreateDatabase, Thing::Template(template)) => Act::TemplateJob {
            template,
            version,
            work: TemplateWork::CreateDatabase,
        },
        (Verb::Adopt, Thing::Template(template)) => Act::TemplateJob {
            template,
            version,
            work: TemplateWork::Adopt,
        },
        (Verb::Thaw, Thing::Template(template)) => Act::TemplateJob {
            template,
            version,
            work: TemplateWork::Thaw,
        },
        (Verb::DeleteTemplate, Thing::Template(template)) => Act::DeleteTemplate { template, version },
        _ => return None,
    })
}

/// What something is on the screen.
pub fn target_of(thing: Thing) -> Target {
    match thing {
        Thing::Server(id) => Target::Server(id),
        Thing::Instance(id) => Target::Instance(id),
        Thing::Template(id) => Target::Template(id),
        Thing::Job(id) => Target::Job(id),
    }
}

/// Something as a store has it; `None` where it hasn't.
pub fn item_of(store: &Store, thing: Thing) -> Option<Item> {
    let code = |id: ServerId| store.server(id).map(|server| server.spec.code.to_string());
    let (name, server, version, facts) = match thing {
        Thing::Server(id) => {
            let server = store.server(id)?;
            let facts = Facts::Server {
                intent: server.intent,
                observed: server.track.observed,
                instances: server.instance_count,
            };
            (server.spec.code.to_string(), code(id), server.version, facts)
        }
        Thing::Instance(id) => {
            let row = store.instance(id)?;
            let stuck = store
                .job_of_instance(id)
                .is_some_and(|job| job.state == JobState::Stuck);
            let facts = Facts::Instance {
                state: row.state,
                stuck,
            };
            (row.subdomain().to_owned(), code(row.server), row.version, facts)
        }
        Thing::Template(id) => {
            let template = store.template(id)?;
            let facts = Facts::Template {
                state: template.state,
                instances: template.instance_count,
            };
            let server = code(template.spec.server_id);
            (template.spec.code.to_string(), server, template.version, facts)
        }
        Thing::Job(id) => {
            let job = store.job(id)?;
            let facts = Facts::Job {
                state: job.state,
                cancel_requested: job.cancel_requested,
            };
            (format!("job {id}"), code(job.spec.server_id()), 0, facts)
        }
    };
    Some(Item {
        thing,
        name,
        server,
        version,
        facts,
        busy: None,
        barred: None,
    })
}

impl Model {
    /// How many are marked where one stands.
    pub fn marked(&self) -> usize {
        self.lists.list(self.place()).map_or(0, |list| self.marks.count(list))
    }

    /// What `verb` is done to, of the marked ones of a list; and how many of them the list doesn't show.
    pub fn marked_things(&self, list: ListId, verb: Verb) -> (Vec<Thing>, usize) {
        let (ids, hidden) = self.marks.in_order(list, &self.lists, &self.store);
        let job_of = |thing: Thing, job: Option<JobId>| job.map_or(thing, Thing::Job);
        let of_jobs = matches!(verb, Verb::CancelJob | Verb::RetryJob);
        let things = ids.into_iter().map(|id| match list {
            ListId::Servers => Thing::Server(ServerId(id)),
            ListId::Templates => {
                let (id, thing) = (TemplateId(id), Thing::Template(TemplateId(id)));
                match of_jobs {
                    true => job_of(thing, self.store.job_of_template(id).map(|job| job.id)),
                    false => thing,
                }
            }
            ListId::Jobs => Thing::Job(JobId(id)),
            _ => {
                let (id, thing) = (InstanceId(id), Thing::Instance(InstanceId(id)));
                match verb {
                    Verb::Test | Verb::Check => self.store.instance(id).map_or(thing, |row| Thing::Server(row.server)),
                    _ if of_jobs => job_of(thing, self.store.job_of_instance(id).map(|job| job.id)),
                    _ => thing,
                }
            }
        });
        (things.collect(), hidden)
    }

    /// Something as it is seen now; `None` where it is gone.
    pub fn bulk_item(&self, thing: Thing) -> Option<Item> {
        let busy = self.busy(target_of(thing)).map(|asked| asked.verb.clone());
        item_of(&self.store, thing).map(|item| Item { busy, ..item })
    }

    /// Whether a read-only profile may be changed now.
    pub fn is_unlocked(&self) -> bool {
        self.unlocked.is_some()
    }

    /// How long it still may be.
    pub fn unlocked_for(&self, now: &super::Now) -> Option<Duration> {
        let (mono, wall) = self.unlocked?;
        let by_wall = Duration::try_from(wall.duration_since(now.wall)).unwrap_or_default();
        Some(mono.saturating_sub(now.mono).min(by_wall))
    }

    /// What the badge says of it: minutes, in the last minute seconds; the same as milliseconds; and when
    /// it says something else.
    pub fn unlock_badge(&self, now: &super::Now) -> Option<(String, u64, Duration)> {
        let left = self.unlocked_for(now)?;
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let unit = if millis > 60_000 { 60_000 } else { 1_000 };
        let shown = millis.div_ceil(unit);
        let next = Duration::from_millis(millis - shown.saturating_sub(1) * unit);
        let word = if unit == 60_000 { "m" } else { "s" };
        Some((format!("{shown}{word}"), shown * unit, now.mono + next))
    }
}
