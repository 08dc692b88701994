//! Who may do what: one declaration. From it come the registry's GRANTs, the matrix that tests try
//! against a live database, and what the dashboard greys out, with its words.
//!
//! Where a store has no roles of its own (one file), everything is allowed: the file's permissions
//! are the boundary there.

#[rustfmt::skip]
mod tables;

pub use tables::{CALLS, Cell, Granted, TABLES, Table, Verb, cells, granted};

use super::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A group role of the shared registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads all but secrets.
    User,
    /// Also changes and acts, but creates and deletes no servers and templates.
    Manager,
    /// Reads, and writes what a worker process finds out and does.
    Worker,
    /// Manager and worker; also creates and deletes servers and templates.
    Admin,
    /// Owns the tables: makes and upgrades them. In no other role, and no other is in it.
    Owner,
}

impl Role {
    /// All of them, lesser ones first.
    pub const ALL: [Self; 5] = [Self::User, Self::Manager, Self::Worker, Self::Admin, Self::Owner];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "saas_user",
            Self::Manager => "saas_manager",
            Self::Worker => "saas_worker",
            Self::Admin => "saas_admin",
            Self::Owner => "saas_owner",
        }
    }

    /// The roles it is a member of by itself.
    pub fn member_of(self) -> &'static [Self] {
        match self {
            Self::User | Self::Owner => &[],
            Self::Manager | Self::Worker => &[Self::User],
            Self::Admin => &[Self::Manager, Self::Worker],
        }
    }

    /// Whether it is that role, or a member of it.
    pub fn is(self, other: Self) -> bool {
        self == other || self.member_of().iter().any(|role| role.is(other))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything that somebody can do with the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    /// Read everything but secrets.
    Read,
    /// Have it written down that one was refused.
    AuditRefusal,
    /// Use servers' and instances' secrets: to test, to plan, to act.
    UseSecrets,
    /// Test a server's connection, keeping nothing.
    TestServer,
    /// Check a server and keep the result.
    KeepCheck,
    /// Write a server down.
    AddServer,
    /// Change what is written down about one.
    EditServer,
    /// Put one in service.
    ActivateServer,
    /// Put one in maintenance.
    MaintainServer,
    /// Take one out of service.
    DeactivateServer,
    /// Remove one.
    DeleteServer,
    /// Write a template down.
    AddTemplate,
    /// Remove one.
    RemoveTemplate,
    /// Queue the making of a template's database.
    CreateTemplateDatabase,
    /// Queue the taking of an existing database as a template.
    AdoptTemplate,
    /// Queue the thawing of one.
    ThawTemplate,
    /// Queue the making of an instance.
    CreateInstance,
    /// Queue the removing of one.
    DeleteInstance,
    /// Remove the record of one of which nothing is left.
    ForgetInstance,
    /// Hand an instance's or template's password out, into a file of one's own.
    HandOutPassword,
    /// Ask a job to stop.
    CancelJob,
    /// Run one again.
    RetryJob,
    /// Add a plan.
    AddPlan,
    /// Add a customer.
    AddCustomer,
    /// Seal all secrets of the registry anew.
    RotateSecrets,
    /// Run jobs, as a worker does.
    Work,
    /// Delete old history.
    Prune,
    /// Run a command of one's own that changes something.
    RunCommand,
    /// Make and upgrade the registry's tables.
    Migrate,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::Read,
        Self::AuditRefusal,
        Self::UseSecrets,
        Self::TestServer,
        Self::KeepCheck,
        Self::AddServer,
        Self::EditServer,
        Self::ActivateServer,
        Self::MaintainServer,
        Self::DeactivateServer,
        Self::DeleteServer,
        Self::AddTemplate,
        Self::RemoveTemplate,
        Self::CreateTemplateDatabase,
        Self::AdoptTemplate,
        Self::ThawTemplate,
        Self::CreateInstance,
        Self::DeleteInstance,
        Self::ForgetInstance,
        Self::HandOutPassword,
        Self::CancelJob,
        Self::RetryJob,
        Self::AddPlan,
        Self::AddCustomer,
        Self::RotateSecrets,
        Self::Work,
        Self::Prune,
        Self::RunCommand,
        Self::Migrate,
    ];

    /// The least roles that may, any of them; the first is the one that an operator is told.
    pub fn needs(self) -> &'static [Role] {
        match self {
            Self::Read | Self::AuditRefusal | Self::RunCommand => &[Role::User],
            Self::UseSecrets | Self::TestServer | Self::HandOutPassword => &[Role::Manager, Role::Worker],
            Self::EditServer
            | Self::ActivateServer
            | Self::MaintainServer
            | Self::DeactivateServer
            | Self::CreateTemplateDatabase
            | Self::AdoptTemplate
            | Self::ThawTemplate
            | Self::CreateInstance
            | Self::DeleteInstance
            | Self::ForgetInstance
            | Self::CancelJob
            | Self::RetryJob
            | Self::AddPlan
            | Self::AddCustomer => &[Role::Manager],
            Self::KeepCheck | Self::Work | Self::Prune => &[Role::Worker],
            Self::AddServer | Self::DeleteServer | Self::AddTemplate | Self::RemoveTemplate | Self::RotateSecrets => {
                &[Role::Admin]
            }
            Self::Migrate => &[Role::Owner],
        }
    }

    /// What it is, as it follows "to": `add a server`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "read the registry",
            Self::AuditRefusal => "write a refusal down",
            Self::UseSecrets => "use secrets",
            Self::TestServer => "test a server",
            Self::KeepCheck => "check a server and keep the result",
            Self::AddServer => "add a server",
            Self::EditServer => "change a server",
            Self::ActivateServer => "activate a server",
            Self::MaintainServer => "put a server in maintenance",
            Self::DeactivateServer => "deactivate a server",
            Self::DeleteServer => "delete a server",
            Self::AddTemplate => "add a template",
            Self::RemoveTemplate => "remove a template",
            Self::CreateTemplateDatabase => "create a template's database",
            Self::AdoptTemplate => "adopt a template",
            Self::ThawTemplate => "thaw a template",
            Self::CreateInstance => "create an instance",
            Self::DeleteInstance => "delete an instance",
            Self::ForgetInstance => "forget an instance",
            Self::HandOutPassword => "hand a password out",
            Self::CancelJob => "cancel a job",
            Self::RetryJob => "retry a job",
            Self::AddPlan => "add a plan",
            Self::AddCustomer => "add a customer",
            Self::RotateSecrets => "rotate the secrets' key",
            Self::Work => "run jobs",
            Self::Prune => "delete old history",
            Self::RunCommand => "run a command that changes something",
            Self::Migrate => "make or upgrade the registry",
        }
    }

    /// Whether this role may.
    pub fn is_for(self, role: Role) -> bool {
        self.needs().iter().any(|needed| role.is(*needed))
    }
}

/// What the one who is connected may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The group roles one is in, without those that another of them implies; none where the store
    /// has no roles.
    pub roles: Vec<Role>,
    /// The role one is connected as; empty where the store has no roles.
    pub db_role: String,
    may: BTreeSet<Deed>,
}

impl Default for Rights {
    fn default() -> Self {
        Self::everything()
    }
}

impl Rights {
    /// Everything: the store has no roles.
    pub fn everything() -> Self {
        Self {
            roles: Vec::new(),
            db_role: String::new(),
            may: Deed::ALL.into(),
        }
    }

    /// What the database says: the roles `member` is in, and the deeds whose every cell is granted.
    /// A deed also needs its role, for the database's own guards ask for that.
    pub fn learned(db_role: String, roles: &[Role], granted: impl IntoIterator<Item = Deed>) -> Self {
        let may = granted
            .into_iter()
            .filter(|deed| roles.iter().any(|role| deed.is_for(*role)))
            .collect();
        let implied = |role: &Role| roles.iter().any(|other| other != role && other.is(*role));
        Self {
            roles: roles.iter().copied().filter(|role| !implied(role)).collect(),
            db_role,
            may,
        }
    }

    /// What a member of this role may, as declared.
    pub fn of(role: Role, db_role: &str) -> Self {
        Self::learned(db_role.to_owned(), &[role], Deed::ALL)
    }

    /// The highest of one's roles.
    pub fn role(&self) -> Option<Role> {
        self.roles.iter().copied().max()
    }

    /// Whether one may.
    pub fn may(&self, deed: Deed) -> bool {
        self.may.contains(&deed)
    }

    /// Whether one may change nothing at all.
    pub fn only_reads(&self) -> bool {
        !self
            .may
            .iter()
            .any(|deed| !matches!(deed, Deed::Read | Deed::AuditRefusal | Deed::RunCommand))
    }

    /// Who one is: `saas_manager (role ana)`; empty where the store has no roles.
    pub fn who(&self) -> String {
        if self.db_role.is_empty() {
            return String::new();
        }
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        match roles.as_slice() {
            [] => format!("in no role of the registry (role {})", self.db_role),
            roles => format!("{} (role {})", roles.join(" and "), self.db_role),
        }
    }

    /// # Errors
    /// Why not: `needs saas_admin: you are saas_manager (role ana)`.
    pub fn check(&self, deed: Deed) -> Result<(), String> {
        if self.may(deed) {
            return Ok(());
        }
        let needed = deed.needs().first().map_or("", |role| role.name());
        Err(format!("needs {needed}: you are {}", self.who()))
    }

    /// As [`Rights::check`], to be shown, stored and printed.
    ///
    /// # Errors
    /// Code `not_allowed`.
    pub fn require(&self, deed: Deed) -> Result<(), Problem> {
        self.check(deed).map_err(|why| {
            let needed = deed.needs().first().map_or("", |role| role.name());
            Problem::new("not_allowed", format!("to {} {why}", deed.words())).hint(format!(
                "who administers the registry can give it: GRANT {needed} TO {}",
                self.db_role
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_below_it_may_and_the_issue_is_kept() {
        for deed in Deed::ALL {
            let may = |role| Rights::of(role, "x").may(deed);
            assert!(
                !may(Role::User) || (may(Role::Manager) && may(Role::Worker)),
                "{deed:?}"
            );
            assert!(
                !(may(Role::Manager) || may(Role::Worker)) || may(Role::Admin),
                "{deed:?}"
            );
            assert!(Rights::everything().may(deed));
        }
        let manager = Rights::of(Role::Manager, "ana");
        for admins in [
            Deed::AddServer,
            Deed::DeleteServer,
            Deed::AddTemplate,
            Deed::RemoveTemplate,
        ] {
            assert_eq!(
                manager.check(admins).unwrap_err(),
                "needs saas_admin: you are saas_manager (role ana)"
            );
        }
        assert!(manager.may(Deed::CreateInstance) && manager.may(Deed::EditServer) && !manager.only_reads());
        assert!(Rights::of(Role::User, "eve").only_reads());
        assert!(
            !Rights::of(Role::Admin, "root").may(Deed::Migrate),
            "the tables are the owner's"
        );
    }

    #[test]
    fn a_granted_deed_without_its_role_is_not_allowed() {
        // Somebody granted the cells by hand: the guards in the database still ask for the role.
        let rights = Rights::learned("bob".to_owned(), &[Role::User], Deed::ALL);
        assert!(rights.only_reads());
        assert!(
            Rights::learned("bob".to_owned(), &[], Deed::ALL)
                .require(Deed::Read)
                .is_err()
        );
        let both = Rights::learned("bob".to_owned(), &[Role::User, Role::Manager, Role::Worker], Deed::ALL);
        assert_eq!(both.who(), "saas_manager and saas_worker (role bob)");
        let problem = both.require(Deed::AddServer).unwrap_err();
        assert_eq!(problem.code, "not_allowed");
        assert_eq!(
            problem.message,
            "to add a server needs saas_admin: you are saas_manager and saas_worker (role bob)"
        );
    }
}
