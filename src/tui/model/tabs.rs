//! The pages: one table. A new page is a line here, its columns in [`super::find`], and where its
//! rows come from in [`super::Store`]; the compiler asks for the rest.

use crate::tui::action::{ActionId, Place};

/// What the second pane shows, and so which page one is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Tab {
    /// The fleet: servers, the selected one's instances, the log.
    #[default]
    Here,
    /// All instances.
    All,
    /// Templates.
    Templates,
    /// Jobs.
    Jobs,
    /// Plans.
    Plans,
    /// Customers.
    Customers,
    /// What happened.
    Audit,
    /// Alerts.
    Alerts,
}

/// A list of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListId {
    /// The servers.
    Servers,
    /// The selected server's instances.
    Here,
    /// All instances.
    All,
    /// Templates.
    Templates,
    /// Jobs.
    Jobs,
    /// Plans.
    Plans,
    /// Customers.
    Customers,
    /// What happened.
    Audit,
    /// Alerts.
    Alerts,
}

impl ListId {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Servers,
        Self::Here,
        Self::All,
        Self::Templates,
        Self::Jobs,
        Self::Plans,
        Self::Customers,
        Self::Audit,
        Self::Alerts,
    ];

    /// Its name, as it is remembered and said.
    pub fn name(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Here => "instances",
            other => other.page().name,
        }
    }

    /// The list of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.name() == name)
    }

    /// The page it is on.
    pub fn page(self) -> &'static PageDef {
        PAGES.iter().find(|page| page.list == self).unwrap_or(&PAGES[0])
    }

    /// Where one stands in it.
    pub fn place(self) -> Place {
        match self {
            Self::Servers => Place::Servers,
            other => other.page().place,
        }
    }

    /// Whether its rows are instances.
    pub fn is_instances(self) -> bool {
        matches!(self, Self::Here | Self::All)
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// A page.
#[derive(Debug)]
pub struct PageDef {
    /// Which.
    pub tab: Tab,
    /// Its list; the fleet's second one.
    pub list: ListId,
    /// Where one stands in that list.
    pub place: Place,
    /// Its name: in `:`, in the breadcrumbs, and in what is remembered.
    pub name: &'static str,
    /// What is on it, for `:` and the help.
    pub help: &'static str,
    /// What goes there; its key is the number in the title.
    pub action: ActionId,
    /// Whether the log is below it.
    pub log: bool,
}

/// All pages, in the order in which `v` turns them.
pub static PAGES: &[PageDef] = &[
    PageDef {
        tab: Tab::Here,
        list: ListId::Here,
        place: Place::Instances,
        name: "fleet",
        help: "servers, their instances, the log",
        action: ActionId::InstancesPane,
        log: true,
    },
    PageDef {
        tab: Tab::All,
        list: ListId::All,
        place: Place::Instances,
        name: "all instances",
        help: "the instances of all servers in one list",
        action: ActionId::AllInstances,
        log: true,
    },
    PageDef {
        tab: Tab::Templates,
        list: ListId::Templates,
        place: Place::Templates,
        name: "templates",
        help: "the databases that instances are cloned from",
        action: ActionId::TemplatesList,
        log: true,
    },
    PageDef {
        tab: Tab::Jobs,
        list: ListId::Jobs,
        place: Place::Jobs,
        name: "jobs",
        help: "what is being done, what waits, what was done",
        action: ActionId::JobsList,
        log: true,
    },
    PageDef {
        tab: Tab::Plans,
        list: ListId::Plans,
        place: Place::Plans,
        name: "plans",
        help: "what instances are sold as",
        action: ActionId::PlansList,
        log: false,
    },
    PageDef {
        tab: Tab::Customers,
        list: ListId::Customers,
        place: Place::Customers,
        name: "customers",
        help: "to whom instances are sold",
        action: ActionId::CustomersList,
        log: false,
    },
    PageDef {
        tab: Tab::Audit,
        list: ListId::Audit,
        place: Place::Audit,
        name: "what happened",
        help: "who did what, on what, from what to what; refused attempts too (audit)",
        action: ActionId::AuditList,
        log: false,
    },
    PageDef {
        tab: Tab::Alerts,
        list: ListId::Alerts,
        place: Place::Alerts,
        name: "alerts",
        help: "what turned bad, and who knows of it; acknowledge, snooze, mute",
        action: ActionId::AlertsList,
        log: false,
    },
];

impl Tab {
    /// Its line in the table.
    pub fn page(self) -> &'static PageDef {
        PAGES.iter().find(|page| page.tab == self).unwrap_or(&PAGES[0])
    }

    /// What it is as a place.
    pub fn place(self) -> Place {
        self.page().place
    }

    /// Its list.
    pub fn list(self) -> ListId {
        self.page().list
    }

    /// The next one, around.
    pub fn next(self) -> Self {
        let at = PAGES.iter().position(|page| page.tab == self).unwrap_or(0);
        PAGES[(at + 1) % PAGES.len()].tab
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_and_every_list_is_in_the_table() {
        for (at, list) in ListId::ALL.into_iter().enumerate() {
            assert_eq!(list.index(), at);
            assert_eq!(ListId::by_name(list.name()), Some(list));
            assert!(!super::super::fields(list).is_empty());
        }
        for page in PAGES {
            assert_eq!(page.tab.page().name, page.name);
            assert_eq!(page.list.page().name, page.name);
        }
        assert_eq!(
            PAGES.len() + 1,
            ListId::ALL.len(),
            "the servers are on the fleet's page"
        );
    }
}
