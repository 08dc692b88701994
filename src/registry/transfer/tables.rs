//! What a registry consists of, the same in every store: what is copied from one to another, and what is
//! left behind and why. A table or column of a store that is not declared here fails a test.

/// A column's type, as a copy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// Text.
    Text,
    /// A time, to the microsecond.
    Time,
    /// JSON, equal where it means the same.
    Json,
    /// JSON of which every letter counts.
    Letters,
}

/// A table that is copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that tell rows apart, in which order they are read.
    pub key: &'static [&'static str],
    /// The columns that are copied.
    pub columns: &'static [(&'static str, Kind)],
    /// The columns that are not: made by the store, or about this store only.
    pub left: &'static [&'static str],
    /// Whether the store numbers its rows, and never gives a number out again.
    pub numbered: bool,
    /// Whether every registry has its one row from the beginning: it is replaced.
    pub single: bool,
}

impl Table {
    /// Where the key's columns are among the copied ones.
    pub fn key_at(&self) -> Vec<usize> {
        let at = |key: &&str| self.columns.iter().position(|(name, _)| name == key);
        self.key.iter().filter_map(at).collect()
    }
}

use Kind::{Bool, Int, Json, Letters, Text, Time};

const PLAIN: Table = Table {
    name: "",
    key: &["id"],
    columns: &[],
    left: &[],
    numbered: true,
    single: false,
};

/// All tables, those first that others refer to.
pub static TABLES: [Table; 14] = [
    Table {
        name: "saas_server",
        columns: &[
            ("id", Int),
            ("version", Int),
            ("name", Text),
            ("code", Text),
            ("description", Text),
            ("server_url", Text),
            ("server_ip", Text),
            ("port", Int),
            ("ssh_host", Text),
            ("ssh_user", Text),
            ("ssh_port", Int),
            ("ssh_identity", Text),
            ("db_host", Text),
            ("db_port", Int),
            ("db_user", Text),
            ("db_password", Text),
            ("db_tls", Text),
            ("master_password", Text),
            ("data_dir", Text),
            ("max_instances", Int),
            ("cpu_cores", Int),
            ("memory_gb", Int),
            ("disk_gb", Int),
            ("intent", Text),
            ("observed", Text),
            ("health_status", Text),
            ("health_reason", Text),
            ("health_hint", Text),
            ("health_failures", Int),
            ("last_check_date", Time),
            ("last_success_date", Time),
            ("latency_ms", Int),
            ("odoo_version", Text),
            ("check_claimed_at", Time),
            ("created_at", Time),
            ("instance_count", Int),
        ],
        // Computed from the others.
        left: &["state", "available_capacity"],
        ..PLAIN
    },
    Table {
        name: "saas_template",
        columns: &[
            ("id", Int),
            ("version", Int),
            ("name", Text),
            ("code", Text),
            ("server_id", Int),
            ("template_database", Text),
            ("base_modules", Json),
            ("language", Text),
            ("state", Text),
            ("database_oid", Int),
            ("size_bytes", Int),
            ("admin_login", Text),
            ("admin_password", Text),
            ("odoo_version", Text),
            ("frozen", Bool),
            ("instance_count", Int),
            ("created_at", Time),
        ],
        ..PLAIN
    },
    Table {
        name: "saas_plan",
        columns: &[
            ("id", Int),
            ("code", Text),
            ("name", Text),
            ("max_users", Int),
            ("max_storage_gb", Int),
        ],
        ..PLAIN
    },
    Table {
        name: "saas_customer",
        columns: &[("id", Int), ("name", Text), ("email", Text)],
        ..PLAIN
    },
    Table {
        name: "saas_instance",
        columns: &[
            ("id", Int),
            ("version", Int),
            ("name", Text),
            ("customer_id", Int),
            ("plan_id", Int),
            ("template_id", Int),
            ("server_id", Int),
            ("database_name", Text),
            ("subdomain", Text),
            ("url", Text),
            ("admin_login", Text),
            ("admin_password", Text),
            ("state", Text),
            ("database_oid", Int),
            ("database_uuid", Text),
            ("size_bytes", Int),
            ("created_at", Time),
        ],
        ..PLAIN
    },
    Table {
        name: "saas_dedicated",
        key: &["instance_id"],
        columns: &[
            ("instance_id", Int),
            ("host_id", Int),
            ("held", Bool),
            ("purpose", Text),
            ("label", Text),
            ("domain", Text),
            ("odoo_series", Int),
            ("http_port", Int),
            ("gevent_port", Int),
            ("unit", Text),
            ("os_user", Text),
            ("folder", Text),
            ("tls", Text),
            ("dns", Text),
            ("mark", Text),
            ("dns_record", Text),
            ("certificate_end", Time),
        ],
        numbered: false,
        ..PLAIN
    },
    Table {
        name: "saas_health_check",
        columns: &[
            ("id", Int),
            ("server_id", Int),
            ("check_date", Time),
            ("status", Text),
            ("reason", Text),
            ("latency_ms", Int),
            ("answered", Bool),
            ("report", Json),
        ],
        ..PLAIN
    },
    Table {
        name: "saas_job",
        columns: &[
            ("id", Int),
            ("kind", Text),
            ("spec", Json),
            ("title", Text),
            ("state", Text),
            ("server_id", Int),
            ("template_id", Int),
            ("instance_id", Int),
            ("token", Int),
            ("waits_for_key", Text),
            ("attempt", Int),
            ("cancel_requested", Bool),
            ("asked_by", Text),
            ("created_at", Time),
            ("started_at", Time),
            ("finished_at", Time),
            ("result", Json),
            ("problem", Json),
            ("reservations", Json),
            ("consequences", Json),
            ("before", Json),
            ("log_end", Int),
        ],
        // The lease: nobody has one while a registry is copied.
        left: &["worker", "lease_boot", "lease_until_ms", "lease_until"],
        ..PLAIN
    },
    Table {
        name: "saas_job_step",
        key: &["job_id", "step"],
        columns: &[
            ("job_id", Int),
            ("step", Int),
            ("name", Text),
            ("title", Text),
            ("detail", Text),
            ("pivot", Bool),
            ("state", Text),
            ("data", Json),
            ("started_at", Time),
            ("finished_at", Time),
            ("problem", Json),
        ],
        numbered: false,
        ..PLAIN
    },
    Table {
        name: "saas_job_log",
        key: &["job_id", "seq"],
        columns: &[
            ("job_id", Int),
            ("seq", Int),
            ("at", Time),
            ("step", Int),
            ("stream", Text),
            ("level", Text),
            ("text", Text),
            ("took_ms", Int),
            ("progress_done", Int),
            ("progress_total", Int),
        ],
        numbered: false,
        ..PLAIN
    },
    Table {
        name: "saas_reservation",
        key: &["key", "job_id"],
        columns: &[("key", Text), ("job_id", Int), ("label", Text), ("exclusive", Bool)],
        numbered: false,
        ..PLAIN
    },
    Table {
        name: "saas_audit",
        columns: &[
            ("id", Int),
            ("at", Time),
            ("op_id", Text),
            ("db_role", Text),
            ("os_user", Text),
            ("host", Text),
            ("via", Text),
            ("action", Text),
            ("object", Text),
            ("label", Text),
            ("from_values", Letters),
            ("to_values", Letters),
            ("refused", Text),
            ("hash", Text),
        ],
        // Its numbers have no gaps: the chain's head says which comes next.
        numbered: false,
        ..PLAIN
    },
    Table {
        name: "saas_audit_head",
        columns: &[("id", Int), ("last_id", Int), ("hash", Text)],
        left: &["own_xid"],
        numbered: false,
        single: true,
        ..PLAIN
    },
    Table {
        name: "saas_operation",
        key: &["op_id", "action", "subject"],
        columns: &[
            ("op_id", Text),
            ("action", Text),
            ("subject", Text),
            ("outcome", Int),
            ("at", Time),
        ],
        numbered: false,
        ..PLAIN
    },
];

/// Tables that are not copied: processes that are alive here, and what only the followers of this store
/// need.
pub const LEFT: [&str; 4] = ["saas_worker", "saas_change", "saas_change_mark", "saas_schema"];
