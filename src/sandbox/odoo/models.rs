//! The models a stand-in has: which fields, and where in the database they stand.

/// How a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it stands; an empty text is told from none, numbers and flags are what they are.
    Plain,
    /// An id, shown with the name of what it points to in that table.
    Link(&'static str),
    /// Never read: always empty.
    Hidden,
}

/// One field: its name, the SQL it is read by (of the row `t`), and whether `write` takes it.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) kind: Kind,
    /// The statement that writes it, with `$1` the value and `$2` the ids.
    pub(super) write: Option<&'static str>,
}

/// One model.
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    pub(super) order: &'static str,
    /// Archived rows are only found when asked for.
    pub(super) archives: bool,
    pub(super) fields: &'static [Field],
}

const fn read(name: &'static str, sql: &'static str) -> Field {
    Field {
        name,
        sql,
        kind: Kind::Plain,
        write: None,
    }
}

const fn link(name: &'static str, sql: &'static str, table: &'static str) -> Field {
    Field {
        name,
        sql,
        kind: Kind::Link(table),
        write: None,
    }
}

const fn both(name: &'static str, sql: &'static str, write: &'static str) -> Field {
    Field {
        name,
        sql,
        kind: Kind::Plain,
        write: Some(write),
    }
}

const USER_PARTNER: &str = "(SELECT p.name FROM res_partner p WHERE p.id = t.partner_id)";
const USER_EMAIL: &str = "(SELECT p.email FROM res_partner p WHERE p.id = t.partner_id)";
const USER_LANG: &str = "(SELECT p.lang FROM res_partner p WHERE p.id = t.partner_id)";

const MODELS: &[Model] = &[
    Model {
        name: "res.users",
        table: "res_users",
        order: "(SELECT p.name FROM res_partner p WHERE p.id = t.partner_id), t.login",
        archives: true,
        fields: &[
            read("id", "t.id"),
            both("login", "t.login", "UPDATE res_users SET login = $1 WHERE id = ANY($2)"),
            both(
                "name",
                USER_PARTNER,
                "UPDATE res_partner SET name = $1, display_name = $1 WHERE id IN (SELECT partner_id FROM res_users WHERE id = ANY($2))",
            ),
            both(
                "email",
                USER_EMAIL,
                "UPDATE res_partner SET email = $1 WHERE id IN (SELECT partner_id FROM res_users WHERE id = ANY($2))",
            ),
            both(
                "lang",
                USER_LANG,
                "UPDATE res_partner SET lang = $1 WHERE id IN (SELECT partner_id FROM res_users WHERE id = ANY($2))",
            ),
            both(
                "active",
                "t.active",
                "UPDATE res_users SET active = $1::text::boolean WHERE id = ANY($2)",
            ),
            both(
                "signature",
                "t.signature",
                "UPDATE res_users SET signature = $1 WHERE id = ANY($2)",
            ),
            read("share", "t.share"),
            link("company_id", "t.company_id", "res_company"),
            link("partner_id", "t.partner_id", "res_partner"),
            Field {
                name: "password",
                sql: "t.password",
                kind: Kind::Hidden,
                write: Some("UPDATE res_users SET password = $1 WHERE id = ANY($2)"),
            },
        ],
    },
    Model {
        name: "res.company",
        table: "res_company",
        order: "t.sequence, t.name",
        archives: true,
        fields: &[
            read("id", "t.id"),
            both(
                "name",
                "t.name",
                "WITH c AS (UPDATE res_company SET name = $1 WHERE id = ANY($2) RETURNING partner_id) \
                 UPDATE res_partner SET name = $1, display_name = $1 WHERE id IN (SELECT partner_id FROM c)",
            ),
            both(
                "email",
                "t.email",
                "UPDATE res_company SET email = $1 WHERE id = ANY($2)",
            ),
            both(
                "phone",
                "t.phone",
                "UPDATE res_company SET phone = $1 WHERE id = ANY($2)",
            ),
            link("partner_id", "t.partner_id", "res_partner"),
        ],
    },
    Model {
        name: "res.partner",
        table: "res_partner",
        order: "t.display_name",
        archives: true,
        fields: &[
            read("id", "t.id"),
            both(
                "name",
                "t.name",
                "UPDATE res_partner SET name = $1, display_name = $1 WHERE id = ANY($2)",
            ),
            both(
                "email",
                "t.email",
                "UPDATE res_partner SET email = $1 WHERE id = ANY($2)",
            ),
            both("lang", "t.lang", "UPDATE res_partner SET lang = $1 WHERE id = ANY($2)"),
            read("active", "t.active"),
            read("is_company", "t.is_company"),
        ],
    },
    Model {
        name: "ir.config_parameter",
        table: "ir_config_parameter",
        order: "t.key",
        archives: false,
        fields: &[
            read("id", "t.id"),
            read("key", "t.key"),
            both(
                "value",
                "t.value",
                "UPDATE ir_config_parameter SET value = $1 WHERE id = ANY($2)",
            ),
        ],
    },
    Model {
        name: "ir.module.module",
        table: "ir_module_module",
        order: "t.application DESC, t.sequence, t.name",
        archives: false,
        fields: &[
            read("id", "t.id"),
            read("name", "t.name"),
            read("state", "t.state"),
            read("latest_version", "t.latest_version"),
            // Odoo's names are crossed: this is the version on disk.
            read("installed_version", "'16.0.1.0'::text"),
            read("shortdesc", "t.shortdesc ->> 'en_US'"),
            read("application", "t.application"),
            read("sequence", "t.sequence"),
        ],
    },
    Model {
        name: "ir.attachment",
        table: "ir_attachment",
        order: "t.id DESC",
        archives: false,
        fields: &[
            read("id", "t.id"),
            read("name", "t.name"),
            read("store_fname", "t.store_fname"),
            read("checksum", "t.checksum"),
            read("file_size", "t.file_size"),
            read("mimetype", "t.mimetype"),
        ],
    },
    Model {
        name: "res.lang",
        table: "res_lang",
        order: "t.active DESC, t.name",
        archives: true,
        fields: &[
            read("id", "t.id"),
            read("name", "t.name"),
            read("code", "t.code"),
            read("active", "t.active"),
        ],
    },
    Model {
        name: "ir.mail_server",
        table: "ir_mail_server",
        order: "t.id",
        archives: true,
        fields: &[
            read("id", "t.id"),
            read("name", "t.name"),
            read("smtp_host", "t.smtp_host"),
            both(
                "active",
                "t.active",
                "UPDATE ir_mail_server SET active = $1::text::boolean WHERE id = ANY($2)",
            ),
        ],
    },
];

/// The model of this name.
pub(super) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

impl Model {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
