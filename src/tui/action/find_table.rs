//! The table's lines about pages, finding and sorting.

use super::line::line;
use super::{Action, ActionId as Id, Group, Place};

const LISTS: &[Place] = &Place::LISTS;
const ALL: &[Place] = &Place::ALL;
/// Where digits mean pages.
const PANES: &[Place] = &Place::PANES;
const SERVERS: &[Place] = &[Place::Servers];
const JOBS_TOO: &[Place] = &[Place::Instances, Place::Templates, Place::Jobs];
const STATED: &[Place] = &[
    Place::Servers,
    Place::Instances,
    Place::Templates,
    Place::Jobs,
    Place::Alerts,
];
const AGED: &[Place] = &[
    Place::Servers,
    Place::Instances,
    Place::Templates,
    Place::Jobs,
    Place::Audit,
    Place::Alerts,
];
const COUNTED: &[Place] = &[
    Place::Servers,
    Place::Instances,
    Place::Templates,
    Place::Plans,
    Place::Customers,
    Place::Alerts,
];

/// Pages, finding, sorting.
pub(super) const FIND: &[Action] = &[
    find(
        line(
            Id::Palette,
            "palette",
            &[":"],
            ALL,
            "go",
            "finds pages, actions, servers, instances, jobs and views by name; `:jobs /state=failed` filters the page too",
        ),
        9,
    ),
    find(
        line(
            Id::SortPicker,
            "sort",
            &["S"],
            LISTS,
            "sort",
            "picks the column to sort by",
        ),
        13,
    ),
    find(
        line(
            Id::Columns,
            "columns",
            &["w"],
            LISTS,
            "columns",
            "chooses which columns are shown, and where",
        ),
        0,
    ),
    find(
        line(
            Id::SortFlip,
            "sort-flip",
            &["I"],
            LISTS,
            "flip",
            "turns the order round",
        ),
        0,
    ),
    find(
        line(
            Id::Views,
            "views",
            &["b"],
            ALL,
            "views",
            "the views you named: a page with its filter, order and columns; saves this one",
        ),
        0,
    ),
    sort(
        Id::SortName,
        "sort-name",
        &["N"],
        LISTS,
        "sorts by name; again: the other way round",
    ),
    sort(
        Id::SortState,
        "sort-state",
        &["E"],
        STATED,
        "sorts by state, what needs a hand first",
    ),
    sort(
        Id::SortAge,
        "sort-age",
        &["A"],
        AGED,
        "sorts by age; servers by when they were checked",
    ),
    sort(
        Id::SortCount,
        "sort-count",
        &["C"],
        COUNTED,
        "sorts servers by capacity, instances by customer, others by how many instances they have",
    ),
    sort(
        Id::SortHealth,
        "sort-health",
        &["H"],
        SERVERS,
        "sorts by health, the worst first",
    ),
    sort(
        Id::SortLength,
        "sort-length",
        &["L"],
        &[Place::Servers, Place::Jobs, Place::Plans],
        "sorts servers by latency, jobs by how long they took, plans by their users",
    ),
    sort(
        Id::SortPlan,
        "sort-plan",
        &["P"],
        &[Place::Servers, Place::Instances],
        "sorts instances by plan, servers by taken places",
    ),
    sort(
        Id::SortSize,
        "sort-size",
        &["Z"],
        &[Place::Instances, Place::Templates, Place::Plans],
        "sorts by size",
    ),
    sort(Id::SortServer, "sort-server", &["V"], JOBS_TOO, "sorts by server"),
    sort(
        Id::SortDatabase,
        "sort-database",
        &["D"],
        &[Place::Instances, Place::Templates],
        "sorts by database",
    ),
    line(
        Id::GoBack,
        "go-back",
        &["["],
        ALL,
        "back",
        "to where one was before, with its selection and filter",
    ),
    line(Id::GoForward, "go-forward", &["]"], ALL, "forward", "forth again"),
    line(
        Id::ServersPane,
        "servers-pane",
        &["1"],
        PANES,
        "servers",
        "to the servers",
    ),
    line(
        Id::InstancesPane,
        "instances-pane",
        &["2"],
        PANES,
        "instances",
        "to the selected server's instances",
    ),
    line(Id::LogPane, "log-pane", &["3"], PANES, "log", "to the log"),
    line(
        Id::TemplatesList,
        "templates-list",
        &["4"],
        PANES,
        "templates",
        "to the templates",
    ),
    line(Id::JobsList, "jobs-list", &["5"], PANES, "jobs", "to the jobs"),
    Action {
        footer: 14,
        ..line(
            Id::NextList,
            "next-list",
            &["}"],
            LISTS,
            "view",
            "to the next page: fleet, all instances, templates, jobs, plans, customers, what happened, alerts",
        )
    },
    line(
        Id::AllInstances,
        "all-instances",
        &["9"],
        PANES,
        "all instances",
        "to the instances of all servers in one list",
    ),
    line(Id::PlansList, "plans-list", &["7"], PANES, "plans", "to the plans"),
    line(
        Id::CustomersList,
        "customers-list",
        &["8"],
        PANES,
        "customers",
        "to the customers",
    ),
    line(
        Id::AuditList,
        "audit-list",
        &["6"],
        PANES,
        "what happened",
        "to what happened: who did what, on what, from what to what, refused attempts too",
    ),
    Action {
        footer: 8,
        group: Group::Look,
        ..line(
            Id::Happened,
            "happened",
            &["h"],
            ALL,
            "happened",
            "what happened to what is selected, and who did it",
        )
    },
];

const fn find(action: Action, footer: u8) -> Action {
    Action {
        group: Group::Find,
        footer,
        ..action
    }
}

const fn sort(
    id: Id,
    name: &'static str,
    keys: &'static [&'static str],
    places: &'static [Place],
    help: &'static str,
) -> Action {
    find(line(id, name, keys, places, "sort", help), 0)
}
