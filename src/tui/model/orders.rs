//! What the lists show: which rows, in which order, after their filters. Kept beside the store and
//! made anew when it or a filter changes, so that a frame costs its visible rows only.

use super::audit::AuditList;
use super::filter::Filter;
use super::fleet::Store;
use super::list::{ListState, Move};
use crate::domain::{InstanceId, JobId, ServerId, TemplateId};
use crate::tui::action::Place;

/// What the second pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// The selected server's instances.
    #[default]
    Here,
    /// All instances.
    All,
    /// Templates.
    Templates,
    /// Jobs.
    Jobs,
    /// What happened.
    Audit,
}

impl Tab {
    /// What it is as a place.
    pub fn place(self) -> Place {
        match self {
            Self::Here | Self::All => Place::Instances,
            Self::Templates => Place::Templates,
            Self::Jobs => Place::Jobs,
            Self::Audit => Place::Audit,
        }
    }

    /// The next one, around.
    pub fn next(self) -> Self {
        match self {
            Self::Here => Self::All,
            Self::All => Self::Templates,
            Self::Templates => Self::Jobs,
            Self::Jobs => Self::Audit,
            Self::Audit => Self::Here,
        }
    }
}

/// The instances that pass a filter, kept while it stands.
#[derive(Debug, Default)]
struct Matches {
    filter: Filter,
    slots: Vec<u32>,
    kept: bool,
}

impl Matches {
    fn make(&mut self, store: &Store, order: &[u32], filter: &Filter, may_narrow: bool) {
        if filter.is_empty() {
            *self = Self::default();
            return;
        }
        let pass = |slot: &u32| {
            store
                .instance_in(*slot)
                .is_some_and(|row| filter.passes(row.lower(), row.state.word()))
        };
        if may_narrow && self.kept && filter.narrows(&self.filter) {
            self.slots.retain(pass);
        } else {
            self.slots = order.iter().filter(|slot| pass(slot)).copied().collect();
        }
        self.filter = filter.clone();
        self.kept = true;
    }
}

/// The lists: selections, filters, and the rows that they show.
#[derive(Debug, Default)]
pub struct Lists {
    /// What the second pane shows.
    pub tab: Tab,
    /// The servers.
    pub servers: ListState<ServerId>,
    /// The selected server's instances.
    pub here: ListState<InstanceId>,
    /// All instances.
    pub all: ListState<InstanceId>,
    /// The templates.
    pub templates: ListState<TemplateId>,
    /// The jobs.
    pub jobs: ListState<JobId>,
    /// What happened.
    pub audit: AuditList,
    server_rows: Vec<u32>,
    template_rows: Vec<u32>,
    job_rows: Vec<u32>,
    here_matches: Matches,
    all_matches: Matches,
    here_server: Option<ServerId>,
}

impl Lists {
    /// The places in [`Store::servers`] of those shown.
    pub fn server_rows(&self) -> &[u32] {
        &self.server_rows
    }

    /// The places in [`Store::templates`] of those shown.
    pub fn template_rows(&self) -> &[u32] {
        &self.template_rows
    }

    /// The places in [`Store::jobs`] of those shown.
    pub fn job_rows(&self) -> &[u32] {
        &self.job_rows
    }

    /// The slots of the instances shown.
    pub fn instance_rows<'a>(&'a self, store: &'a Store) -> &'a [u32] {
        let (matches, order) = match self.tab {
            Tab::All => (&self.all_matches, store.all()),
            _ => (
                &self.here_matches,
                self.here_server.map_or(&[] as &[u32], |server| store.of_server(server)),
            ),
        };
        if matches.kept { &matches.slots } else { order }
    }

    /// How many instances there are before the filter.
    pub fn instances_unfiltered(&self, store: &Store) -> usize {
        match self.tab {
            Tab::All => store.all().len(),
            _ => self.here_server.map_or(0, |server| store.of_server(server).len()),
        }
    }

    /// The selected instance, where instances are shown.
    pub fn instance(&self) -> Option<InstanceId> {
        match self.tab {
            Tab::Here => self.here.selected,
            Tab::All => self.all.selected,
            Tab::Templates | Tab::Jobs | Tab::Audit => None,
        }
    }

    /// The filter of a place.
    pub fn filter(&self, place: Place) -> &Filter {
        match (place, self.tab) {
            (Place::Servers | Place::Log | Place::WholeLog, _) => &self.servers.filter,
            (Place::Instances, Tab::All) => &self.all.filter,
            (Place::Instances, _) => &self.here.filter,
            (Place::Templates, _) => &self.templates.filter,
            (Place::Jobs, _) => &self.jobs.filter,
            (Place::Audit, _) => &self.audit.state.filter,
        }
    }

    /// Sets the filter of a place, and what follows from it.
    pub fn set_filter(&mut self, place: Place, text: &str, store: &Store, rows: (usize, usize)) {
        let filter = Filter::new(text);
        match (place, self.tab) {
            (Place::Servers | Place::Log | Place::WholeLog, _) => self.servers.filter = filter,
            (Place::Instances, Tab::All) => self.all.filter = filter,
            (Place::Instances, _) => self.here.filter = filter,
            (Place::Templates, _) => self.templates.filter = filter,
            (Place::Jobs, _) => self.jobs.filter = filter,
            (Place::Audit, _) => self.audit.state.filter = filter,
        }
        match place {
            Place::Audit => self.audit.settle(rows.1),
            Place::Instances => self.instances_changed(store, rows.1, true),
            _ => self.changed(store, rows, false),
        }
    }

    /// Makes everything shown anew after the store changed. `rows`: the visible rows of the servers'
    /// and the second pane. `instances`: whether instances changed too.
    pub fn changed(&mut self, store: &Store, rows: (usize, usize), instances: bool) {
        fn kept<T>(items: &[T], filter: &Filter, text: impl Fn(&T) -> (String, &'static str)) -> Vec<u32> {
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            if filter.is_empty() {
                return (0..number(items.len())).collect();
            }
            let passes = |item: &T| {
                let (text, word) = text(item);
                filter.passes(&text.to_lowercase(), word)
            };
            let found = items.iter().enumerate().filter(|(_, item)| passes(item));
            found.map(|(at, _)| number(at)).collect()
        }
        self.server_rows = kept(&store.servers, &self.servers.filter, |server| {
            let spec = &server.spec;
            let text = format!(
                "{}\0{}\0{}\0{}\0{}",
                spec.code,
                spec.name,
                spec.server_url,
                server.track.status.word(),
                server.track.reason
            );
            (text, server.state().word())
        });
        self.template_rows = kept(&store.templates, &self.templates.filter, |template| {
            let spec = &template.spec;
            let code = store.server_code(spec.server_id);
            let text = format!("{}\0{}\0{}\0{code}", spec.code, spec.name, spec.template_database);
            (text, template.state.word())
        });
        self.job_rows = kept(&store.jobs, &self.jobs.filter, |job| {
            (format!("{}\0{}\0{}", job.id, job.title, job.asked_by), job.state.word())
        });
        let at = |rows: &[u32], row: usize| rows.get(row).map(|at| *at as usize);
        let Self {
            servers,
            server_rows,
            templates,
            template_rows,
            jobs,
            job_rows,
            ..
        } = self;
        servers.settle(server_rows.len(), rows.0, |row| {
            at(server_rows, row).and_then(|at| store.servers.get(at)).map(|s| s.id)
        });
        templates.settle(template_rows.len(), rows.1, |row| {
            at(template_rows, row)
                .and_then(|at| store.templates.get(at))
                .map(|t| t.id)
        });
        jobs.settle(job_rows.len(), rows.1, |row| {
            at(job_rows, row).and_then(|at| store.jobs.get(at)).map(|j| j.id)
        });
        self.audit.settle(rows.1);
        if instances || self.here_server != self.servers.selected {
            self.instances_changed(store, rows.1, false);
        } else {
            self.settle_instances(store, rows.1);
        }
    }

    /// Makes the instances shown anew. `may_narrow`: only a filter changed.
    fn instances_changed(&mut self, store: &Store, rows: usize, may_narrow: bool) {
        let moved = self.here_server != self.servers.selected;
        self.here_server = self.servers.selected;
        let order = self.here_server.map_or(&[] as &[u32], |server| store.of_server(server));
        // A filter is of the pane, not of a server: it stands while the selection above moves on.
        if !may_narrow || self.tab != Tab::All {
            self.here_matches
                .make(store, order, &self.here.filter, may_narrow && !moved);
        }
        if !may_narrow || self.tab == Tab::All {
            self.all_matches.make(store, store.all(), &self.all.filter, may_narrow);
        }
        self.settle_instances(store, rows);
    }

    fn settle_instances(&mut self, store: &Store, rows: usize) {
        let tab = self.tab;
        for each in [Tab::Here, Tab::All] {
            self.tab = each;
            let slots: &[u32] = {
                let lists: &Self = self;
                lists.instance_rows(store)
            };
            let id_at = |row: usize| {
                slots
                    .get(row)
                    .and_then(|slot| store.instance_in(*slot))
                    .map(|row| row.id)
            };
            let mut list = if each == Tab::Here {
                self.here.clone()
            } else {
                self.all.clone()
            };
            list.settle(slots.len(), rows, id_at);
            if each == Tab::Here {
                self.here = list;
            } else {
                self.all = list;
            }
        }
        self.tab = tab;
    }

    /// Moves the selection of a list. Answers whether it changed.
    pub fn go(&mut self, place: Place, to: Move, store: &Store, rows: (usize, usize)) -> bool {
        let at = |rows: &[u32], row: usize| rows.get(row).map(|at| *at as usize);
        match place {
            Place::Servers => {
                let order = &self.server_rows;
                let changed = self.servers.go(to, order.len(), rows.0, |row| {
                    at(order, row).and_then(|at| store.servers.get(at)).map(|s| s.id)
                });
                if changed {
                    self.here.forget();
                    self.here_matches.kept = false;
                    self.instances_changed_here(store, rows.1);
                }
                changed
            }
            Place::Templates => {
                let order = &self.template_rows;
                self.templates.go(to, order.len(), rows.1, |row| {
                    at(order, row).and_then(|at| store.templates.get(at)).map(|t| t.id)
                })
            }
            Place::Jobs => {
                let order = &self.job_rows;
                self.jobs.go(to, order.len(), rows.1, |row| {
                    at(order, row).and_then(|at| store.jobs.get(at)).map(|j| j.id)
                })
            }
            Place::Instances => {
                let mut list = if self.tab == Tab::All {
                    self.all.clone()
                } else {
                    self.here.clone()
                };
                let slots = self.instance_rows(store);
                let changed = list.go(to, slots.len(), rows.1, |row| {
                    slots
                        .get(row)
                        .and_then(|slot| store.instance_in(*slot))
                        .map(|row| row.id)
                });
                if self.tab == Tab::All {
                    self.all = list;
                } else {
                    self.here = list;
                }
                changed
            }
            Place::Audit => self.audit.go(to, rows.1),
            Place::Log | Place::WholeLog => false,
        }
    }

    /// Only the selected server changed: all instances stay as they are.
    fn instances_changed_here(&mut self, store: &Store, rows: usize) {
        self.here_server = self.servers.selected;
        let order = self.here_server.map_or(&[] as &[u32], |server| store.of_server(server));
        self.here_matches.make(store, order, &self.here.filter, false);
        let slots = if self.here_matches.kept {
            &self.here_matches.slots[..]
        } else {
            order
        };
        self.here.settle(slots.len(), rows, |row| {
            slots
                .get(row)
                .and_then(|slot| store.instance_in(*slot))
                .map(|row| row.id)
        });
    }
}
