//! The registry's tables, column by column: who reads them, and what each deed writes.

use super::{Deed, Role};
use std::collections::BTreeSet;

/// What a statement does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads columns.
    Select,
    /// Gives columns of new rows; others take their defaults.
    Insert,
    /// Changes columns.
    Update,
    /// Removes rows.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// As SQL writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns that whoever reads may read.
    pub open: &'static [&'static str],
    /// Columns that hold secrets (sealed, or where to find them): for those who act.
    pub secret: &'static [&'static str],
}

impl Table {
    const fn open(name: &'static str, open: &'static [&'static str]) -> Self {
        Self {
            name,
            open,
            secret: &[],
        }
    }

    /// All of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.open.iter().chain(self.secret).copied()
    }
}

/// What a deed needs of one table. For [`Verb::Delete`] there are no columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Which table.
    pub table: &'static str,
    /// What it does there.
    pub verb: Verb,
    /// To which columns.
    pub columns: &'static [&'static str],
}

/// All tables. One that is missing here, or a column, fails a test.
pub const TABLES: &[Table] = &[
    Table {
        name: "saas_server",
        open: &[
            "id", "version", "name", "code", "description", "server_url", "server_ip", "port", "ssh_host",
            "ssh_user", "ssh_port", "ssh_identity", "db_host", "db_port", "db_user", "db_tls", "data_dir",
            "max_instances", "cpu_cores", "memory_gb", "disk_gb", "intent", "observed", "health_status",
            "health_reason", "health_hint", "health_failures", "last_check_date", "last_success_date", "latency_ms",
            "odoo_version", "check_claimed_at", "created_at", "instance_count", "state", "available_capacity",
        ],
        secret: &["db_password", "master_password"],
    },
    Table {
        name: "saas_template",
        open: &[
            "id", "version", "name", "code", "server_id", "template_database", "base_modules", "language", "state",
            "database_oid", "size_bytes", "admin_login", "odoo_version", "frozen", "instance_count", "created_at",
        ],
        secret: &["admin_password"],
    },
    Table::open("saas_schema", &["one", "version", "migrated_at"]),
    Table::open("saas_plan", &["id", "code", "name", "max_users", "max_storage_gb"]),
    Table::open("saas_customer", &["id", "name", "email"]),
    Table {
        name: "saas_instance",
        open: &[
            "id", "version", "name", "customer_id", "plan_id", "template_id", "server_id", "database_name",
            "subdomain", "url", "admin_login", "state", "database_oid", "database_uuid", "size_bytes", "created_at",
        ],
        secret: &["admin_password"],
    },
    Table::open(
        "saas_dedicated",
        &[
            "instance_id", "host_id", "held", "purpose", "label", "domain", "odoo_series", "http_port", "gevent_port",
            "unit", "os_user", "folder", "tls", "dns", "mark", "dns_record", "certificate_end",
        ],
    ),
    Table::open(
        "saas_health_check",
        &[
            "id", "server_id", "check_date", "status", "reason", "latency_ms", "answered", "report",
        ],
    ),
    Table {
        name: "saas_job",
        open: &[
            "id", "kind", "spec", "title", "state", "server_id", "template_id", "instance_id", "worker", "token",
            "lease_boot", "lease_until", "waits_for_key", "attempt", "cancel_requested", "asked_by", "created_at",
            "started_at", "finished_at", "result", "problem", "reservations", "log_end",
        ],
        // What is known of a template, and so its password, may be in these, sealed.
        secret: &["consequences", "before"],
    },
    Table {
        name: "saas_job_step",
        open: &[
            "job_id", "step", "name", "title", "detail", "pivot", "state", "started_at", "finished_at", "problem",
        ],
        // A template's new password is in the record of the step that made it, sealed.
        secret: &["data"],
    },
    Table::open(
        "saas_job_log",
        &[
            "job_id", "seq", "at", "step", "stream", "level", "text", "took_ms", "progress_done", "progress_total",
        ],
    ),
    Table::open("saas_reservation", &["key", "job_id", "label", "exclusive"]),
    Table::open("saas_worker", &["id", "boot", "started_at", "seen_at"]),
    Table::open(
        "saas_audit",
        &[
            "id", "at", "op_id", "os_user", "host", "via", "action", "object", "label", "from_values", "to_values",
            "refused", "db_role", "hash",
        ],
    ),
    Table::open("saas_audit_head", &["id", "last_id", "hash", "own_xid"]),
    Table::open("saas_operation", &["op_id", "action", "subject", "outcome", "at"]),
    Table::open("saas_change", &["seq", "xid", "entity", "entity_id", "at"]),
    Table::open("saas_change_mark", &["xid", "at"]),
    Table::open("saas_schema", &["one", "version", "migrated_at"]),
];

/// What operators write down about a server.
const SERVER: &[&str] = &[
    "name", "code", "description", "server_url", "server_ip", "port", "ssh_host", "ssh_user", "ssh_port",
    "ssh_identity", "db_host", "db_port", "db_user", "db_password", "db_tls", "master_password", "data_dir",
    "max_instances", "cpu_cores", "memory_gb", "disk_gb",
];
/// What checks find out about it.
const OBSERVED: &[&str] = &[
    "observed", "health_status", "health_reason", "health_hint", "health_failures", "last_check_date",
    "last_success_date", "latency_ms", "odoo_version", "check_claimed_at",
];

const fn insert(table: &'static str, columns: &'static [&'static str]) -> Cell {
    Cell {
        table,
        verb: Verb::Insert,
        columns,
    }
}

const fn update(table: &'static str, columns: &'static [&'static str]) -> Cell {
    Cell {
        table,
        verb: Verb::Update,
        columns,
    }
}

const fn delete(table: &'static str) -> Cell {
    Cell {
        table,
        verb: Verb::Delete,
        columns: &[],
    }
}

/// An audit row: who is not the writer's to say. The store fills in the rest.
const AUDIT: Cell = insert(
    "saas_audit",
    &[
        "at", "op_id", "os_user", "host", "via", "action", "object", "label", "from_values", "to_values", "refused",
    ],
);
const OPERATION: Cell = insert("saas_operation", &["op_id", "action", "subject", "outcome", "at"]);
const RESERVE: Cell = insert("saas_reservation", &["key", "job_id", "label", "exclusive"]);
const RESERVE_AGAIN: Cell = update("saas_reservation", &["exclusive"]);
const RELEASE: Cell = delete("saas_reservation");
const INSTANCE_STATE: Cell = update("saas_instance", &["state", "version"]);
const TEMPLATE_STATE: Cell = update("saas_template", &["state", "version"]);
/// Nothing of a template is a manager's to change; but who queues a job holds its row meanwhile, and
/// that needs leave to change some column.
const TEMPLATE_HELD: Cell = update("saas_template", &["version"]);
const SERVER_INTENT: Cell = update("saas_server", &["intent", "version"]);
const NEW_JOB: Cell = insert(
    "saas_job",
    &[
        "kind", "spec", "title", "server_id", "template_id", "instance_id", "asked_by", "created_at",
        "reservations", "consequences", "before",
    ],
);
const NEW_STEPS: Cell = insert("saas_job_step", &["job_id", "step", "name", "title", "detail", "pivot"]);
const NEW_CUSTOMER: Cell = insert("saas_customer", &["name", "email"]);

/// What a deed needs of the tables; reading is [`Deed::Read`]'s and [`Deed::UseSecrets`]'.
/// Which *rows* and which *transitions* of state, the guards in the database say.
pub fn cells(deed: Deed) -> Vec<Cell> {
    let select = |of: fn(&Table) -> &'static [&'static str]| {
        let readable = TABLES.iter().filter(|table| !of(table).is_empty());
        readable
            .map(|table| Cell {
                table: table.name,
                verb: Verb::Select,
                columns: of(table),
            })
            .collect()
    };
    let change = |cells: &[Cell]| [cells, &[OPERATION, AUDIT]].concat();
    let queue = |cells: &[Cell]| [&[NEW_JOB, NEW_STEPS, RESERVE, RESERVE_AGAIN, TEMPLATE_HELD, OPERATION, AUDIT], cells].concat();
    match deed {
        Deed::Read => select(|table| table.open),
        Deed::AuditRefusal | Deed::RunCommand => vec![AUDIT],
        Deed::UseSecrets | Deed::TestServer | Deed::HandOutPassword => select(|table| table.secret),
        Deed::KeepCheck => vec![
            update("saas_server", OBSERVED),
            insert(
                "saas_health_check",
                &[
                    "server_id", "check_date", "status", "reason", "latency_ms", "answered", "report",
                ],
            ),
        ],
        Deed::AddServer => change(&[insert("saas_server", SERVER), insert("saas_server", &["created_at"])]),
        Deed::EditServer => change(&[update("saas_server", SERVER), update("saas_server", &["version"])]),
        Deed::ActivateServer | Deed::MaintainServer | Deed::DeactivateServer => change(&[SERVER_INTENT]),
        Deed::DeleteServer => change(&[delete("saas_server"), delete("saas_instance")]),
        Deed::AddTemplate => change(&[insert(
            "saas_template",
            &[
                "name", "code", "server_id", "template_database", "base_modules", "language", "created_at",
            ],
        )]),
        Deed::RemoveTemplate => change(&[delete("saas_template")]),
        // What becomes of the row itself is the job's doing, and so the worker's.
        Deed::CreateTemplateDatabase | Deed::AdoptTemplate | Deed::ThawTemplate | Deed::DeleteInstance => queue(&[]),
        Deed::CreateInstance => queue(&[
            insert(
                "saas_instance",
                &[
                    "name", "customer_id", "plan_id", "template_id", "server_id", "database_name", "subdomain",
                    "url", "admin_login", "admin_password", "state", "created_at",
                ],
            ),
            insert(
                "saas_dedicated",
                &[
                    "instance_id", "host_id", "purpose", "label", "domain", "odoo_series", "http_port",
                    "gevent_port", "unit", "os_user", "folder", "tls", "dns",
                ],
            ),
            INSTANCE_STATE,
            NEW_CUSTOMER,
        ]),
        Deed::ForgetInstance => change(&[delete("saas_instance")]),
        Deed::CancelJob => change(&[
            update("saas_job", &["state", "cancel_requested", "finished_at", "worker", "waits_for_key"]),
            RELEASE,
            INSTANCE_STATE,
        ]),
        Deed::RetryJob => change(&[
            update(
                "saas_job",
                &[
                    "state", "attempt", "worker", "lease_boot", "lease_until", "waits_for_key", "cancel_requested",
                    "started_at", "finished_at", "result", "problem", "before",
                ],
            ),
            update(
                "saas_job_step",
                &["state", "data", "started_at", "finished_at", "problem"],
            ),
            RESERVE,
            RESERVE_AGAIN,
            INSTANCE_STATE,
            TEMPLATE_HELD,
        ]),
        Deed::AddPlan => change(&[insert("saas_plan", &["code", "name", "max_users", "max_storage_gb"])]),
        Deed::AddCustomer => change(&[NEW_CUSTOMER]),
        Deed::RotateSecrets => change(&[
            update("saas_server", &["db_password", "master_password"]),
            update("saas_template", &["admin_password"]),
            update("saas_instance", &["admin_password"]),
            update("saas_job", &["spec", "result", "consequences", "before"]),
            update("saas_job_step", &["data"]),
        ]),
        Deed::Work => vec![
            update(
                "saas_job",
                &[
                    "state", "worker", "token", "lease_boot", "lease_until", "waits_for_key", "started_at",
                    "finished_at", "result", "problem", "log_end",
                ],
            ),
            update(
                "saas_job_step",
                &["state", "data", "started_at", "finished_at", "problem"],
            ),
            insert(
                "saas_job_log",
                &[
                    "job_id", "seq", "at", "step", "stream", "level", "text", "took_ms", "progress_done",
                    "progress_total",
                ],
            ),
            RELEASE,
            INSTANCE_STATE,
            update("saas_instance", &["database_oid", "database_uuid", "size_bytes"]),
            delete("saas_instance"),
            update("saas_dedicated", &["mark", "dns_record", "certificate_end"]),
            TEMPLATE_STATE,
            update(
                "saas_template",
                &[
                    "database_oid", "size_bytes", "admin_login", "admin_password", "odoo_version", "frozen",
                ],
            ),
            insert("saas_worker", &["id", "boot", "started_at", "seen_at"]),
            update("saas_worker", &["boot", "started_at", "seen_at"]),
            delete("saas_worker"),
            AUDIT,
        ],
        Deed::Prune => vec![
            delete("saas_health_check"),
            delete("saas_job_log"),
            delete("saas_operation"),
            delete("saas_worker"),
            delete("saas_change"),
            insert("saas_change_mark", &["xid"]),
            delete("saas_change_mark"),
            // Rows that are about to go are held, and that needs leave to change some column.
            update("saas_health_check", &["id"]),
            update("saas_operation", &["at"]),
        ],
        Deed::Migrate => Vec::new(),
    }
}

/// Functions that clients call by themselves, and the least role that may. Others are for triggers, and
/// nobody's to call.
pub const CALLS: &[(&str, Role)] = &[("saas_job_claim", Role::Worker)];

/// A cell of the matrix: table, verb, and column (none for a delete).
pub type Granted = (&'static str, Verb, Option<&'static str>);

/// What a role is granted: its own with those of the roles it is in.
pub fn granted(role: Role) -> BTreeSet<Granted> {
    let mut all = BTreeSet::new();
    for deed in Deed::ALL.into_iter().filter(|deed| deed.is_for(role)) {
        for cell in cells(deed) {
            if cell.verb == Verb::Delete {
                all.insert((cell.table, cell.verb, None));
            }
            all.extend(cell.columns.iter().map(|column| (cell.table, cell.verb, Some(*column))));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_of_a_declared_column() {
        for deed in Deed::ALL {
            for cell in cells(deed) {
                let table = TABLES.iter().find(|table| table.name == cell.table);
                let table = table.unwrap_or_else(|| panic!("{deed:?}: no table {}", cell.table));
                assert_eq!(cell.columns.is_empty(), cell.verb == Verb::Delete, "{deed:?} {cell:?}");
                for column in cell.columns {
                    assert!(
                        table.columns().any(|c| c == *column),
                        "{deed:?}: {}.{column}",
                        cell.table
                    );
                }
            }
        }
    }

    #[test]
    fn the_rules_that_matter_most() {
        let may = |role, table, verb, column| granted(role).contains(&(table, verb, column));
        for (role, reads) in [(Role::User, false), (Role::Manager, true), (Role::Worker, true)] {
            for table in TABLES {
                for secret in table.secret {
                    assert_eq!(
                        may(role, table.name, Verb::Select, Some(*secret)),
                        reads,
                        "{role} {secret}"
                    );
                }
            }
        }
        for role in Role::ALL {
            // Nobody changes the audit, or says who he is in it.
            assert!(!may(role, "saas_audit", Verb::Delete, None));
            for column in ["id", "db_role", "hash"] {
                assert!(!may(role, "saas_audit", Verb::Insert, Some(column)), "{role}");
            }
            assert!(
                !granted(role)
                    .iter()
                    .any(|(t, v, _)| *t == "saas_audit" && *v == Verb::Update)
            );
            // What operators intend and what checks observe have different writers.
            let (intent, observed) = (
                may(role, "saas_server", Verb::Update, Some("intent")),
                may(role, "saas_server", Verb::Update, Some("observed")),
            );
            assert_eq!(intent, role.is(Role::Manager), "{role}");
            assert_eq!(observed, role.is(Role::Worker), "{role}");
            assert_eq!(
                may(role, "saas_job", Verb::Update, Some("token")),
                role.is(Role::Worker)
            );
        }
        assert!(
            granted(Role::User)
                .iter()
                .all(|(t, v, _)| *v == Verb::Select || *t == "saas_audit")
        );
        assert!(granted(Role::Owner).is_empty(), "the owner needs no grants");
    }
}
