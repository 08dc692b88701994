//! The registry itself.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RegistryVerb {
    /// Make the registry in the database of --registry or the settings, with its group roles; as its owner
    Init,
    /// Bring the registry's schema forward to what this vigie knows; as its owner
    Migrate,
    /// Where the registry is, as whom one reaches it, what is in it, and what is odd about it
    Status,
    /// Copy a registry into an empty one, and compare every row: from a file to PostgreSQL, or back
    Copy(CopyArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CopyArgs {
    /// What is copied: a file, or postgres://…; the configured registry when not given
    #[arg(long, value_name = "REGISTRY")]
    pub(in crate::cli) from: Option<String>,
    /// Where to: a file that isn't there yet, or postgres://… (made ready by `vigie registry init`)
    #[arg(long, value_name = "REGISTRY")]
    pub(in crate::cli) to: String,
    /// Look at both sides, say what would be copied, change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}
