//! The command line's grammar. Values that have a rule of their own (names, URLs, secret references)
//! are taken as text here and judged by the domain, so that a refused name is a refusal and is
//! audited, and so that nothing typed is echoed by the parser.

mod catalog;
mod complete;
mod config;
mod dedicated;
mod init;
mod many;
mod registry;
mod sandbox;
mod secrets;

pub(super) use catalog::{CustomerVerb, PlanVerb};
pub(super) use complete::{CompleteArgs, CompleteWhat};
pub(super) use config::ConfigVerb;
pub(super) use dedicated::DedicatedArgs;
pub(super) use init::InitArgs;
pub(super) use many::{Codes, Many};
pub(super) use registry::{CopyArgs, RegistryVerb};
pub(super) use sandbox::SandboxArgs;
pub(super) use secrets::SecretsVerb;

use super::args_audit::AuditArgs;
use super::args_explain::{ExplainArgs, TimelineArgs};
use super::args_view::ViewArgs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Watch and run a fleet of Odoo servers. Alone it opens the dashboard.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, about, max_term_width = 110, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

/// What holds for every verb.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Print JSON: an array for lists, an object otherwise; errors as {"error": {code, message, hint}}
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The configuration file, in place of config.toml in your configuration folder [env: VIGIE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The registry's file or address (postgres://…), in place of the configured one [env: VIGIE_REGISTRY]
    #[arg(long, global = true, value_name = "FILE|ADDRESS")]
    pub(super) registry: Option<PathBuf>,
    /// The profile of the configuration file; "default" for none [env: VIGIE_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Why: the audit keeps it; guards may ask for it
    #[arg(long, global = true, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// The name once more (of many their number), where a removal or a guard asks for it
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) confirm: Option<String>,
    /// Let a read-only profile be changed: by this command, or by the dashboard for so long (90s, 10m, 2h)
    #[arg(long, global = true, value_name = "TIME", value_parser = crate::domain::guard::unlock_time)]
    pub(super) unlock: Option<std::time::Duration>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Servers: add, change, check, put in and out of service
    #[command(subcommand)]
    Server(ServerVerb),
    /// Templates: the databases that instances are cloned from
    #[command(subcommand)]
    Template(TemplateVerb),
    /// Instances: one customer's Odoo each
    #[command(subcommand)]
    Instance(InstanceVerb),
    /// Plans that instances are sold as
    #[command(subcommand)]
    Plan(PlanVerb),
    /// Customers that instances are sold to
    #[command(subcommand)]
    Customer(CustomerVerb),
    /// The server where the next instance goes, and why not another
    Placement {
        /// Free share that it needs, percent; the configured one when not given
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
        min_capacity: Option<u32>,
    },
    /// Jobs: the durable work that workers run, and their logs
    #[command(subcommand)]
    Job(JobVerb),
    /// Who did what, when, refused attempts included
    Audit(AuditArgs),
    /// Why something is not healthy, from evidence, and what to do
    Explain(ExplainArgs),
    /// What happened to something: what was done, what checks saw change, its jobs and alerts
    Timeline(TimelineArgs),
    /// Secrets: seal one, see where they are used, change the key that seals them
    #[command(subcommand)]
    Secrets(SecretsVerb),
    /// The registry itself: make it in PostgreSQL, bring it forward, look at it, copy it
    #[command(subcommand)]
    Registry(RegistryVerb),
    /// Run jobs and due checks in this process, until it is told to stop
    Worker {
        /// End when there was nothing to do for so many seconds
        #[arg(long, value_name = "SECONDS")]
        idle_exit: Option<u64>,
        /// Leave the terminal and the session it was started in
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Show files as logs, and nothing else: follow, search, filter (Tab turns to the next file)
    View(ViewArgs),
    /// Start a private fleet on this machine, and open the dashboard on it
    Sandbox(SandboxArgs),
    /// The configuration: check it, see what holds and from where, its schema
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Look at everything that can be wrong here, and say what to do
    Doctor,
    /// The first steps: a configuration file, and the first server, tested
    Init(InitArgs),
    /// The manual page (`vigie man | man -l -`)
    Man,
    /// A completion script for your shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Codes, names and numbers for completion scripts: soon, or none
    #[command(hide = true)]
    Complete(CompleteArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum ServerVerb {
    /// Write a server down; it begins as a draft
    Add(ServerAdd),
    /// Change what is written down
    Edit(ServerEdit),
    /// Remove servers that host nothing
    Remove(Removals),
    /// All servers
    List {
        /// Only those in this state: draft, active, maintenance, offline, disabled
        #[arg(long)]
        state: Option<String>,
    },
    /// One server, with its last checks
    Show {
        /// Its code
        code: String,
    },
    /// Look at servers layer by layer, and keep nothing
    Test(Codes),
    /// Put servers in service, each after a test
    Activate(Codes),
    /// Take servers out of service
    Deactivate(Codes),
    /// Keep servers' instances, take no new ones
    Maintenance(Codes),
    /// Look at servers and keep the result; all of them when none is named
    Check {
        /// Their codes
        codes: Vec<String>,
        #[command(flatten)]
        many: Many,
        /// Print the plan, check nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ServerAdd {
    /// Its code: short, unique, lowercase
    pub(super) code: String,
    /// Where Odoo answers: http:// or https://, host and port
    #[arg(long, value_name = "URL")]
    pub(super) url: String,
    /// How many instances it may host
    #[arg(long, value_name = "N")]
    pub(super) max_instances: u32,
    #[command(flatten)]
    pub(super) fields: ServerFields,
    #[command(flatten)]
    pub(super) secrets: SecretArgs,
}

#[derive(Debug, Args)]
pub(super) struct ServerEdit {
    /// Its code
    pub(super) code: String,
    /// Another code
    #[arg(long, value_name = "CODE")]
    pub(super) new_code: Option<String>,
    /// Where Odoo answers
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// How many instances it may host
    #[arg(long, value_name = "N")]
    pub(super) max_instances: Option<u32>,
    #[command(flatten)]
    pub(super) fields: ServerFields,
    #[command(flatten)]
    pub(super) secrets: SecretArgs,
    /// Take a value away: ip, port, ssh, db-host, db-user, db-password, master-password, data-dir,
    /// cpu-cores, memory-gb, disk-gb, description
    #[arg(long, value_name = "FIELD")]
    pub(super) unset: Vec<String>,
}

#[derive(Debug, Default, Args)]
pub(super) struct ServerFields {
    /// Display name; the code when not given
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Free text
    #[arg(long)]
    pub(super) description: Option<String>,
    /// The machine's address, for DNS records
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ip: Option<String>,
    /// Odoo's HTTP port on the machine, where it differs from the URL's
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// Host for ssh: a name, an address, or a Host of your ssh configuration
    #[arg(long, value_name = "HOST")]
    pub(super) ssh_host: Option<String>,
    /// User for ssh
    #[arg(long, value_name = "USER")]
    pub(super) ssh_user: Option<String>,
    /// Port for ssh
    #[arg(long, value_name = "PORT")]
    pub(super) ssh_port: Option<u16>,
    /// Identity file for ssh
    #[arg(long, value_name = "FILE")]
    pub(super) ssh_identity: Option<String>,
    /// PostgreSQL's host, or the folder of its socket; without it only RPC reaches the server
    #[arg(long, value_name = "HOST")]
    pub(super) db_host: Option<String>,
    /// PostgreSQL's port, 5432 when not given
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) db_port: Option<u16>,
    /// PostgreSQL's role, the one Odoo uses
    #[arg(long, value_name = "ROLE")]
    pub(super) db_user: Option<String>,
    /// How PostgreSQL's connection is protected: disable, or verify-full
    #[arg(long, value_name = "MODE", value_parser = ["disable", "verify-full"])]
    pub(super) db_tls: Option<String>,
    /// Odoo's data_dir on the machine, below which its filestore lies
    #[arg(long, value_name = "PATH")]
    pub(super) data_dir: Option<String>,
    /// Processor cores
    #[arg(long, value_name = "N")]
    pub(super) cpu_cores: Option<u32>,
    /// Memory, GB
    #[arg(long, value_name = "GB")]
    pub(super) memory_gb: Option<u32>,
    /// Disk, GB
    #[arg(long, value_name = "GB")]
    pub(super) disk_gb: Option<u32>,
}

#[derive(Debug, Default, Args)]
pub(super) struct SecretArgs {
    /// PostgreSQL's password, by reference: env:NAME, file:PATH or command:ARGV
    #[arg(long, value_name = "REF", group = "db_password")]
    pub(super) db_password_from: Option<String>,
    /// PostgreSQL's password, read from standard input and sealed
    #[arg(long, group = "db_password", group = "stdin")]
    pub(super) db_password_stdin: bool,
    /// PostgreSQL's password, asked on the terminal and sealed
    #[arg(long, group = "db_password")]
    pub(super) db_password_prompt: bool,
    /// Odoo's master password, by reference: env:NAME, file:PATH or command:ARGV
    #[arg(long, value_name = "REF", group = "master_password")]
    pub(super) master_password_from: Option<String>,
    /// Odoo's master password, read from standard input and sealed
    #[arg(long, group = "master_password", group = "stdin")]
    pub(super) master_password_stdin: bool,
    /// Odoo's master password, asked on the terminal and sealed
    #[arg(long, group = "master_password")]
    pub(super) master_password_prompt: bool,
}

#[derive(Debug, Args)]
pub(super) struct Removals {
    #[command(flatten)]
    pub(super) whom: Codes,
    #[command(flatten)]
    pub(super) sure: Sure,
}

/// How a removal is confirmed where nobody can be asked.
#[derive(Debug, Args)]
pub(super) struct Sure {
    /// Don't ask; what a guard asks for is needed all the same
    #[arg(long, conflicts_with = "confirm")]
    pub(super) yes: bool,
}

/// What to do with the job that a verb queues.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct JobArgs {
    /// Stream the log, and end with the job's result
    #[arg(long)]
    pub(super) wait: bool,
    /// Print the plan, change nothing
    #[arg(long, conflicts_with = "wait")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateVerb {
    /// Write a template down; it begins as a draft
    Add {
        /// Its code: short, unique, lowercase
        code: String,
        /// Display name; the code when not given
        #[arg(long)]
        name: Option<String>,
        /// The code of the server that holds its database
        #[arg(long)]
        server: String,
        /// Its database; template_CODE when not given
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// Odoo's language code
        #[arg(long, default_value = "en_US")]
        language: String,
        /// A module to install, by its technical name; again for more, or separated by commas
        #[arg(
            long = "module",
            visible_alias = "modules",
            value_name = "NAME",
            value_delimiter = ','
        )]
        modules: Vec<String>,
    },
    /// Make its database through Odoo, install its modules, freeze it
    CreateDatabase(TemplateJobs),
    /// Take the database that exists already: check it and freeze it
    Adopt(TemplateJobs),
    /// Let its database be connected to again, to edit it
    Thaw(TemplateJobs),
    /// Remove its record; the database stays
    Remove(Removals),
    /// All templates
    List,
    /// One template
    Show {
        /// Its code
        code: String,
    },
    /// Hand out its administrator's password, into a new file that only you can read
    Password {
        /// Its code
        code: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

/// Templates, and what to do with the jobs.
#[derive(Debug, Args)]
pub(super) struct TemplateJobs {
    /// Their codes
    #[arg(required_unless_present = "filter")]
    pub(super) codes: Vec<String>,
    #[command(flatten)]
    pub(super) many: Many,
    #[command(flatten)]
    pub(super) job: JobArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum InstanceVerb {
    /// Clone a template for a customer
    Create(Box<InstanceCreate>),
    /// Remove instances with their databases and files
    Remove {
        /// Their subdomains, databases or names
        #[arg(required_unless_present = "filter")]
        names: Vec<String>,
        #[command(flatten)]
        many: Many,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        job: JobArgs,
    },
    /// All instances
    List {
        /// Only those on this server
        #[arg(long, value_name = "CODE")]
        server: Option<String>,
        /// Only those in this state
        #[arg(long)]
        state: Option<String>,
    },
    /// One instance
    Show {
        /// Its subdomain, database or name
        name: String,
    },
    /// Hand out its administrator's password, into a new file that only you can read
    Password {
        /// Its subdomain, database or name
        name: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct InstanceCreate {
    /// Its name
    pub(super) name: String,
    /// The template's code, or a name that several share; the only ready one when not given
    #[arg(long, value_name = "CODE")]
    pub(super) template: Option<String>,
    /// The server's code; the template's, or placement's choice when not given
    #[arg(long, value_name = "CODE")]
    pub(super) server: Option<String>,
    /// Its label; derived from the name when not given
    #[arg(long)]
    pub(super) subdomain: Option<String>,
    /// Its database; derived from the subdomain when not given
    #[arg(long, value_name = "NAME")]
    pub(super) database: Option<String>,
    /// Whose it is, by name; added when not known
    #[arg(long, value_name = "NAME")]
    pub(super) customer: Option<String>,
    /// The plan it is sold as
    #[arg(long, value_name = "CODE")]
    pub(super) plan: Option<String>,
    /// Its address; derived from the root domain or the server's URL when not given
    #[arg(long)]
    pub(super) url: Option<String>,
    /// Its administrator's login
    #[arg(long, value_name = "LOGIN")]
    pub(super) admin_login: Option<String>,
    /// Its administrator's password, by reference; made and sealed when not given
    #[arg(long, value_name = "REF", conflicts_with = "admin_password_stdin")]
    pub(super) admin_password_from: Option<String>,
    /// Its administrator's password, read from standard input and sealed
    #[arg(long)]
    pub(super) admin_password_stdin: bool,
    #[command(flatten)]
    pub(super) own: DedicatedArgs,
    #[command(flatten)]
    pub(super) job: JobArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobVerb {
    /// Jobs, the newest first
    List {
        /// Only those in this state: queued, running, undoing, done, failed, cancelled, stuck
        #[arg(long)]
        state: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// One job with its steps
    Show {
        /// Its number
        id: i64,
    },
    /// A job's log
    Log {
        /// Its number
        id: i64,
        /// Go on until the job is over, and end with its result
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop jobs and undo what they did
    Cancel {
        #[command(flatten)]
        whom: Codes,
        /// Stream the log until it is undone; of one job
        #[arg(long)]
        wait: bool,
    },
    /// Run failed, cancelled or stuck jobs again
    Retry {
        #[command(flatten)]
        whom: Codes,
        /// Stream the log, and end with the job's result; of one job
        #[arg(long)]
        wait: bool,
    },
}
