//! What the lists show: which rows, in which order, after their filters. Kept beside the store and
//! made anew when it, a filter or an order changes, so that a frame costs its visible rows only. What
//! takes long is a [`Request`]: a task carries it out, and the rows stay as they are until it answers.

pub use super::tabs::{ListId, PAGES, PageDef, Tab};

use super::Now;
use super::audit::AuditList;
use super::find::{Base, Field, Filter, Found, Passed, Request, Sort};
use super::fleet::Store;
use super::layout::Arrange;
use super::list::{ListState, Move};
use crate::domain::alert::AlertId;
use crate::domain::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
use crate::tui::action::Place;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Lists of so many rows are looked through at once: it takes less than handing them over.
const INLINE: usize = 2_500;
/// After changes of the registry a large list is looked through at most so often.
const CALM: Duration = Duration::from_millis(200);

/// How a list is shown: its filter, order and columns, and the rows that follow from it.
#[derive(Debug)]
pub struct Shown {
    /// The filter in force.
    pub filter: Arc<Filter>,
    /// The order; `None`: the list's own.
    pub sort: Option<Sort>,
    /// The columns, in their order; `None`: those that fit.
    pub columns: Option<Vec<&'static Field>>,
    /// How its page is arranged.
    pub arrange: Arrange,
    rows: Option<Arc<Vec<u32>>>,
    base: Option<Base>,
    passed: Option<Passed>,
    seq: u64,
    /// A task looks.
    busy: bool,
    asked_at: Duration,
    /// When it is to be looked through again because the registry changed.
    due: Option<Duration>,
}

impl Shown {
    fn new(list: ListId) -> Self {
        Self {
            filter: Arc::new(Filter::none(list)),
            sort: None,
            columns: None,
            arrange: Arrange::Usual,
            rows: None,
            base: None,
            passed: None,
            seq: 0,
            busy: false,
            asked_at: Duration::ZERO,
            due: None,
        }
    }

    /// Whether the rows are those of an older filter or order: a task looks for them.
    pub fn is_looking(&self) -> bool {
        self.busy
    }

    /// Whether it is shown otherwise than at first.
    pub fn is_own(&self) -> bool {
        self.filter.is_empty() && self.sort.is_none() && self.columns.is_none()
    }
}

/// The lists: selections, filters, and the rows that they show.
#[derive(Debug)]
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
    /// The plans.
    pub plans: ListState<PlanId>,
    /// The customers.
    pub customers: ListState<CustomerId>,
    /// What happened.
    pub audit: AuditList,
    /// The alerts.
    pub alerts: ListState<AlertId>,
    shown: [Shown; ListId::ALL.len()],
    here_server: Option<ServerId>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            tab: Tab::default(),
            servers: ListState::default(),
            here: ListState::default(),
            all: ListState::default(),
            templates: ListState::default(),
            jobs: ListState::default(),
            plans: ListState::default(),
            customers: ListState::default(),
            audit: AuditList::default(),
            alerts: ListState::default(),
            shown: ListId::ALL.map(Shown::new),
            here_server: None,
        }
    }
}

/// Does something with a list's state, its rows' count, and which id stands in a row.
macro_rules! with_list {
    ($self:ident, $list:expr, $store:ident, |$state:ident, $len:ident, $id_at:ident| $do:expr) => {{
        let rows = $self.shown[$list.index()].rows.clone();
        let rows: Cow<'_, [u32]> = match &rows {
            Some(rows) => Cow::Borrowed(rows.as_slice()),
            None => $store.order($list, $self.here_server),
        };
        let $len = rows.len();
        let at = |row: usize| rows.get(row).map(|at| *at as usize);
        macro_rules! of {
            ($field:ident, $items:ident) => {{
                let $id_at = |row: usize| at(row).and_then(|at| $store.$items.get(at)).map(|item| item.id);
                let $state = &mut $self.$field;
                $do
            }};
        }
        let instance = |row: usize| {
            rows.get(row)
                .and_then(|slot| $store.instance_in(*slot))
                .map(|row| row.id)
        };
        match $list {
            ListId::Servers => of!(servers, servers),
            ListId::Templates => of!(templates, templates),
            ListId::Jobs => of!(jobs, jobs),
            ListId::Plans => of!(plans, plans),
            ListId::Customers => of!(customers, customers),
            ListId::Alerts => {
                let $id_at = |row: usize| at(row).and_then(|at| $store.alerts().get(at)).map(|row| row.id);
                let $state = &mut $self.alerts;
                $do
            }
            ListId::Audit => {
                let $id_at = |row: usize| at(row).and_then(|at| $store.audit().get(at)).map(|row| row.id);
                let $state = &mut $self.audit.state;
                $do
            }
            ListId::Here => {
                let ($state, $id_at) = (&mut $self.here, instance);
                $do
            }
            ListId::All => {
                let ($state, $id_at) = (&mut $self.all, instance);
                $do
            }
        }
    }};
}

impl Lists {
    /// How a list is shown.
    pub fn shown(&self, list: ListId) -> &Shown {
        &self.shown[list.index()]
    }

    /// Arranges a list's page.
    pub fn set_arrange(&mut self, list: ListId, arrange: Arrange) {
        if let Some(shown) = self.shown.get_mut(list.index()) {
            shown.arrange = arrange;
        }
    }

    /// The list in which one stands; `None` in the log.
    pub fn list(&self, place: Place) -> Option<ListId> {
        match place {
            Place::Log | Place::WholeLog => None,
            Place::Servers => Some(ListId::Servers),
            Place::Instances if self.tab != Tab::All => Some(ListId::Here),
            place => PAGES
                .iter()
                .find(|page| page.place == place && page.tab != Tab::Here)
                .map(|page| page.list),
        }
    }

    /// A list's rows, as [`Store::row`] takes them.
    pub fn rows<'a>(&'a self, list: ListId, store: &'a Store) -> Cow<'a, [u32]> {
        match &self.shown(list).rows {
            Some(rows) => Cow::Borrowed(rows.as_slice()),
            None => store.order(list, self.here_server),
        }
    }

    /// How many rows a list shows.
    pub fn len(&self, list: ListId, store: &Store) -> usize {
        match &self.shown(list).rows {
            Some(rows) => rows.len(),
            None => self.whole(list, store),
        }
    }

    /// How many rows a list has before its filter.
    pub fn whole(&self, list: ListId, store: &Store) -> usize {
        store.count(list, self.here_server)
    }

    /// The first visible row of a list.
    pub fn offset(&self, list: ListId) -> usize {
        match list {
            ListId::Servers => self.servers.offset,
            ListId::Here => self.here.offset,
            ListId::All => self.all.offset,
            ListId::Templates => self.templates.offset,
            ListId::Jobs => self.jobs.offset,
            ListId::Plans => self.plans.offset,
            ListId::Customers => self.customers.offset,
            ListId::Audit => self.audit.state.offset,
            ListId::Alerts => self.alerts.offset,
        }
    }

    /// The selected instance, where instances are shown.
    pub fn instance(&self) -> Option<InstanceId> {
        match self.tab {
            Tab::Here => self.here.selected,
            Tab::All => self.all.selected,
            _ => None,
        }
    }

    /// The filter of a place; `None` in the log.
    pub fn filter(&self, place: Place) -> Option<&Arc<Filter>> {
        self.list(place).map(|list| &self.shown(list).filter)
    }

    /// Sets how a list is shown. What comes back is to be carried out as a task.
    pub fn show(
        &mut self,
        list: ListId,
        change: impl FnOnce(&mut Shown),
        store: &Arc<Store>,
        heights: (usize, usize),
        now: &Now,
    ) -> Vec<Request> {
        change(&mut self.shown[list.index()]);
        let mut requests = Vec::from_iter(self.ask(list, store, now));
        self.settle(store, heights);
        requests.extend(self.follow_server(store, heights, now));
        requests
    }

    /// Looks through a list: at once where that is quick, else by the request that comes back.
    fn ask(&mut self, list: ListId, store: &Arc<Store>, now: &Now) -> Option<Request> {
        let server = self.here_server.filter(|_| list == ListId::Here);
        let shown = &mut self.shown[list.index()];
        shown.seq += 1;
        shown.due = None;
        shown.asked_at = now.mono;
        let request = Request {
            list,
            seq: shown.seq,
            store: Arc::clone(store),
            server,
            filter: Arc::clone(&shown.filter),
            sort: shown.sort,
            now: now.clone(),
            base: shown.base.clone(),
            passed: shown.passed.clone(),
        };
        if request.is_quick(INLINE) {
            if let Some(found) = request.run(&|| false) {
                self.take(found);
            }
            return None;
        }
        shown.busy = true;
        Some(request)
    }

    fn take(&mut self, found: Found) {
        let shown = &mut self.shown[found.list.index()];
        shown.busy = false;
        shown.rows = found.rows;
        shown.base = Some(found.base);
        shown.passed = found.passed;
    }

    /// A task's answer; one to an older question means nothing.
    pub fn found(&mut self, found: Found, store: &Arc<Store>, heights: (usize, usize), now: &Now) -> Option<Request> {
        if self.shown(found.list).seq != found.seq {
            return None;
        }
        self.take(found);
        self.settle(store, heights);
        self.follow_server(store, heights, now)
    }

    /// Makes everything shown anew after the store changed. `heights`: the visible rows of the
    /// servers' and the second pane. `instances`: whether what instances show changed too.
    pub fn changed(&mut self, store: &Arc<Store>, heights: (usize, usize), instances: bool, now: &Now) -> Vec<Request> {
        let mut requests = Vec::new();
        for list in ListId::ALL {
            if !list.is_instances() || instances {
                requests.extend(self.again(list, store, now));
            }
        }
        self.settle(store, heights);
        requests.extend(self.follow_server(store, heights, now));
        requests
    }

    /// Another server is selected: the list beside it is that one's.
    fn follow_server(&mut self, store: &Arc<Store>, heights: (usize, usize), now: &Now) -> Option<Request> {
        if self.here_server == self.servers.selected {
            return None;
        }
        self.here_server = self.servers.selected;
        let shown = &mut self.shown[ListId::Here.index()];
        // The other server's rows mean nothing here, whatever the answer is waited for.
        shown.rows = None;
        let request = self.ask(ListId::Here, store, now);
        self.settle(store, heights);
        request
    }

    /// Finds selections again that were set from outside.
    pub fn reselect(&mut self, store: &Arc<Store>, heights: (usize, usize), now: &Now) -> Option<Request> {
        let wanted = self.here.selected;
        // The servers first: whose instances are shown depends on them.
        let height = heights.0;
        let filtered = !self.shown(ListId::Servers).filter.is_empty();
        with_list!(self, ListId::Servers, store, |state, len, id_at| {
            state.settle(len, height, filtered, id_at);
        });
        let request = if self.here_server == self.servers.selected {
            None
        } else {
            self.here_server = self.servers.selected;
            self.shown[ListId::Here.index()].rows = None;
            self.ask(ListId::Here, store, now)
        };
        self.here.selected = wanted;
        self.settle(store, heights);
        request
    }

    /// Makes one list's rows anew after they changed.
    pub fn renew(&mut self, list: ListId, store: &Arc<Store>, heights: (usize, usize), now: &Now) -> Option<Request> {
        let request = self.again(list, store, now);
        self.settle(store, heights);
        request
    }

    /// The same question on changed rows; a large list is not asked about all the time.
    fn again(&mut self, list: ListId, store: &Arc<Store>, now: &Now) -> Option<Request> {
        let shown = &mut self.shown[list.index()];
        let large = store.count(list, self.here_server) > INLINE;
        if large && !(shown.filter.is_empty() && shown.sort.is_none()) {
            let calm = shown.asked_at + CALM;
            if shown.busy || now.mono < calm {
                shown.due = Some(calm.max(now.mono));
                return None;
            }
        }
        self.ask(list, store, now)
    }

    /// When a list is to be looked through again.
    pub fn due(&self) -> Option<Duration> {
        self.shown
            .iter()
            .filter(|shown| !shown.busy)
            .filter_map(|shown| shown.due)
            .min()
    }

    /// Looks through what is due; `minute`: also what changes with the time alone.
    pub fn when_due(&mut self, store: &Arc<Store>, heights: (usize, usize), minute: bool, now: &Now) -> Vec<Request> {
        let mut requests = Vec::new();
        for list in ListId::ALL {
            let shown = self.shown(list);
            let due = !shown.busy && shown.due.is_some_and(|due| now.mono >= due);
            if due || minute && shown.filter.is_timed() {
                self.shown[list.index()].passed = None;
                requests.extend(self.ask(list, store, now));
            }
        }
        if minute || !requests.is_empty() {
            self.settle(store, heights);
        }
        requests
    }

    /// Finds every selection again after rows or heights changed.
    pub fn settle(&mut self, store: &Store, heights: (usize, usize)) {
        for list in ListId::ALL {
            let height = if list == ListId::Servers { heights.0 } else { heights.1 };
            let filtered = !self.shown(list).filter.is_empty();
            with_list!(self, list, store, |state, len, id_at| {
                state.settle(len, height, filtered, id_at);
            });
        }
    }

    /// Moves the selection of a list. Answers whether it changed, and what is to be asked of a task.
    pub fn go(
        &mut self,
        list: ListId,
        to: Move,
        store: &Arc<Store>,
        heights: (usize, usize),
        now: &Now,
    ) -> (bool, Option<Request>) {
        let height = if list == ListId::Servers { heights.0 } else { heights.1 };
        let changed = with_list!(self, list, store, |state, len, id_at| state.go(to, len, height, id_at));
        if !changed || list != ListId::Servers {
            return (changed, None);
        }
        self.here.forget();
        (true, self.follow_server(store, heights, now))
    }
}
