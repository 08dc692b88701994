//! The grammar of `vigie audit`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What `vigie audit` shows.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    pub(super) verb: Option<AuditVerb>,
    #[command(flatten)]
    pub(super) list: AuditListArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Rows, the newest first; also without this word
    List(AuditListArgs),
    /// Look through the whole audit: whether a row was changed, deleted, added or moved
    Verify {
        /// The file of anchors to compare with, in place of the one that this machine's worker writes
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
}

/// Which rows.
#[derive(Debug, Args)]
pub(super) struct AuditListArgs {
    /// Not older than this: so long ago (2h), or a time (2026-11-21, "2026-11-21 18:00")
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Older than this
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// By this user of the operating system, or this role of the database
    #[arg(long, value_name = "NAME")]
    pub(super) who: Option<String>,
    /// From this machine
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// Through this: dashboard, cli, worker, sql
    #[arg(long, value_name = "WORD")]
    pub(super) via: Option<String>,
    /// Whose action begins so: server., job.cancel
    #[arg(long, value_name = "PREFIX")]
    pub(super) action: Option<String>,
    /// On this: server:prod-1, instance:acme, job:42
    #[arg(long, value_name = "KIND:NAME")]
    pub(super) object: Option<String>,
    /// Refused attempts only
    #[arg(long)]
    pub(super) refused: bool,
    /// With this text anywhere
    #[arg(long)]
    pub(super) text: Option<String>,
    /// Only rows before this number: the next page
    #[arg(long, value_name = "NO")]
    pub(super) before: Option<i64>,
    /// At most so many rows
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Go on with new rows as they come, the oldest first
    #[arg(long)]
    pub(super) follow: bool,
}
