//! The grammar of `vigie explain` and `vigie timeline`.

use clap::{Args, Subcommand};

/// What is explained, or has a history.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum SubjectArg {
    /// A server
    Server {
        /// Its code
        code: String,
    },
    /// A template
    Template {
        /// Its code
        code: String,
    },
    /// An instance
    Instance {
        /// Its subdomain, database or name
        name: String,
    },
    /// A job
    Job {
        /// Its number
        number: i64,
    },
}

/// What `vigie explain` explains.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(subcommand)]
    pub(super) subject: SubjectArg,
}

/// Whose history `vigie timeline` shows.
#[derive(Debug, Args)]
pub(super) struct TimelineArgs {
    #[command(subcommand)]
    pub(super) subject: SubjectArg,
    /// Not older than this: so long ago (2h), or a time (2026-11-21, "2026-11-21 18:00")
    #[arg(long, value_name = "TIME", global = true)]
    pub(super) since: Option<String>,
    /// At most so many events
    #[arg(long, default_value_t = 200, global = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: u32,
}
