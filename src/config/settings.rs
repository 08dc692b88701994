//! Every setting, its type and its default. `config.example.toml` says the same in words; a test
//! compares the two.

use super::alerts::Alerts;
use super::dedicated::Dedicated;
use super::screen::{Ascii, Colours, Keys, ReadyKeys};
use super::value::{Bounded, KeyText, PathText, Percent, PlaceText, SecretText, Span, optional};
use crate::domain::capacity::Thresholds;
use crate::domain::command::OwnCommand;
use crate::domain::guard::Rule;
use crate::domain::health::HealthRules;
use crate::domain::names::DEFAULT_RESERVED;
use crate::domain::{HostName, SafeText};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All settings, in the sections of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where things lie.
    pub paths: Paths,
    /// Reaching a registry that is a database.
    pub registry: RegistrySettings,
    /// What the fleet is, and its rules.
    pub fleet: Fleet,
    /// Making dedicated instances.
    pub dedicated: Dedicated,
    /// Looking at servers.
    pub checks: Checks,
    /// Time limits of outside calls.
    pub limits: Limits,
    /// Running jobs.
    pub worker: WorkerSettings,
    /// How long history is kept.
    pub retention: Retention,
    /// The dashboard.
    pub screen: Screen,
    /// When the operator is called, and how.
    pub alerts: Alerts,
    /// The program's own log.
    pub log: Log,
    /// Keys by action, in place of the defaults.
    pub keys: BTreeMap<String, Keys>,
    /// Rules on changes: what is forbidden, what is asked before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guard: Vec<Rule>,
    /// The operator's own commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<OwnCommand>,
}

/// Where things lie; empty: the platform's own place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// Folder of the registry, the key file and the logs.
    pub data_dir: PathText,
    /// The registry's file, or its database's address.
    pub registry: PlaceText,
    /// The keys that seal secrets: a file, or `command:ARGV…`.
    pub key_file: KeyText,
    /// Folder of the program's own log.
    pub log_dir: PathText,
    /// Folder of the operator's own themes.
    pub themes_dir: PathText,
    /// Where the worker writes the audit's anchors.
    pub audit_anchors: PathText,
    /// Certificates trusted besides the system's, PEM.
    pub extra_ca: PathText,
}

/// Reaching a registry that is a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Where its password comes from: `env:`, `file:` or `command:`. Empty: `PGPASSWORD`, then `~/.pgpass`.
    pub password: SecretText,
    /// At most so many connections of one process.
    pub connections: Bounded<2, 100>,
    /// How changes are heard of: `auto`, `poll`, or the address of the database itself beside a pooler.
    pub listen: String,
}

/// What the fleet is, and its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fleet {
    /// What the header calls the fleet.
    pub name: SafeText,
    /// Whether nothing is changed until it is unlocked for a while.
    pub read_only: bool,
    /// Domain below which instances get their address; none: instances are reached at their server's URL.
    #[serde(with = "optional")]
    pub root_domain: Option<HostName>,
    /// Names that no instance may have.
    pub reserved_names: Vec<String>,
    /// Login of a new instance's administrator.
    pub admin_login: String,
    /// Free share that a server needs to be given an instance.
    pub provision_free_percent: Percent,
    /// Free share that a placement search asks for.
    pub placement_free_percent: Percent,
    /// Share of places taken from which a server is a warning.
    pub alert_used_percent: Percent,
}

/// Looking at servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    /// Time between two checks of a server.
    pub interval: Span,
    /// Time limit of one check in all.
    pub timeout: Span,
    /// Attempts of one check, a short while apart, before it counts as failed.
    pub attempts: Bounded<1, 10>,
    /// Checks at once.
    pub concurrency: Bounded<1, 256>,
    /// Checks of many servers begin spread over this time.
    pub jitter: Span,
    /// An answer that took longer is slow.
    pub slow: Span,
    /// Failed checks in a row before a server is offline.
    pub failures_before_offline: Bounded<1, 100>,
    /// A check older than this is shown with its age.
    pub stale_after: Span,
}

/// Time limits of outside calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// To connect: name, TCP and TLS together.
    pub connect: Span,
    /// A call that only reads.
    pub call: Span,
    /// Odoo's creation of a database.
    pub create_database: Span,
    /// Odoo's duplication, renaming and removal of one.
    pub change_database: Span,
    /// Installing modules through Odoo.
    pub install_modules: Span,
    /// PostgreSQL's cloning of a database.
    pub clone: Span,
    /// Copying or removing a filestore.
    pub copy_files: Span,
}

/// Running jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Whether dashboard and command line start a detached worker where none is alive.
    pub autostart: bool,
    /// Jobs at once in one worker.
    pub concurrency: Bounded<1, 64>,
    /// Jobs at once on one server, over all workers; 0: no limit.
    pub per_server: Bounded<0, 64>,
    /// How long a worker holds a job without renewing it.
    pub lease: Span,
    /// How often it renews.
    pub heartbeat: Span,
    /// How long a worker that is told to stop lets the steps that run go on.
    pub drain: Span,
    /// Whether the worker checks servers when they are due.
    pub checks: bool,
}

/// How long history is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Checks.
    pub checks: Span,
    /// Jobs' logs.
    pub job_logs: Span,
}

/// The dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Screen {
    /// Its colours: a theme's name.
    pub theme: String,
    /// The keymap that `[keys]` changes.
    pub keymap: ReadyKeys,
    /// Background changes are drawn together within this time.
    pub coalesce: Span,
    /// How long the rest of a key sequence is waited for before its menu is shown.
    pub menu_delay: Span,
    /// Whether the mouse is taken; the terminal's own selecting then needs Shift.
    pub mouse: bool,
    /// Whether the terminal is asked to tell more keys apart.
    pub keyboard_protocol: bool,
    /// Whether only ASCII is drawn.
    pub ascii: Ascii,
    /// How many colours are used.
    pub colours: Colours,
    /// The pane in which the dashboard starts.
    pub start: StartPane,
}

/// A pane in which the dashboard can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartPane {
    /// The servers.
    #[default]
    Servers,
    /// The selected server's instances.
    Instances,
}

/// The program's own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How much is written.
    pub level: LogLevel,
    /// Files kept, one a day.
    pub files: Bounded<1, 366>,
}

/// How much the program writes to its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what is not as it should be.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            name: SafeText::new("fleet"),
            read_only: false,
            root_domain: None,
            reserved_names: DEFAULT_RESERVED.iter().map(|name| (*name).to_owned()).collect(),
            admin_login: "admin".to_owned(),
            provision_free_percent: Percent::new(10),
            placement_free_percent: Percent::new(20),
            alert_used_percent: Percent::new(90),
        }
    }
}
impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            password: SecretText::default(),
            connections: Bounded::new(8),
            listen: "auto".to_owned(),
        }
    }
}
impl Default for Checks {
    fn default() -> Self {
        Self {
            interval: Span::secs(15 * 60),
            timeout: Span::secs(10),
            attempts: Bounded::new(3),
            concurrency: Bounded::new(64),
            jitter: Span::secs(2),
            slow: Span::secs(2),
            failures_before_offline: Bounded::new(2),
            stale_after: Span::secs(30 * 60),
        }
    }
}
impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Span::secs(10),
            call: Span::secs(30),
            create_database: Span::secs(10 * 60),
            change_database: Span::secs(5 * 60),
            install_modules: Span::secs(30 * 60),
            clone: Span::secs(30 * 60),
            copy_files: Span::secs(60 * 60),
        }
    }
}
impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            autostart: true,
            concurrency: Bounded::new(4),
            per_server: Bounded::new(2),
            lease: Span::secs(20),
            heartbeat: Span::secs(5),
            drain: Span::secs(20),
            checks: true,
        }
    }
}
impl Default for Retention {
    fn default() -> Self {
        Self {
            checks: Span::days(30),
            job_logs: Span::days(365),
        }
    }
}
impl Default for Screen {
    fn default() -> Self {
        Self {
            theme: "dark".to_owned(),
            keymap: ReadyKeys::Default,
            coalesce: Span::ms(16),
            menu_delay: Span::ms(300),
            mouse: false,
            keyboard_protocol: false,
            ascii: Ascii::Auto,
            colours: Colours::Auto,
            start: StartPane::Servers,
        }
    }
}
impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            files: Bounded::new(7),
        }
    }
}

impl Settings {
    /// The shares that decide about a place.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            provision_free_percent: self.fleet.provision_free_percent.get(),
            placement_free_percent: self.fleet.placement_free_percent.get(),
        }
    }

    /// When a check's result counts as what.
    pub fn health_rules(&self) -> HealthRules {
        HealthRules {
            failures_before_offline: self.checks.failures_before_offline.get(),
            attempts_per_check: self.checks.attempts.get(),
            slow_ms: self.checks.slow.as_ms(),
            alert_used_percent: self.fleet.alert_used_percent.get(),
        }
    }

    /// Names no instance may have.
    pub fn reserved_names(&self) -> &[String] {
        &self.fleet.reserved_names
    }

    /// The domain below which instances get their address.
    pub fn root_domain(&self) -> Option<&str> {
        self.fleet.root_domain.as_ref().map(HostName::as_str)
    }
}
