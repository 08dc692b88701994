//! The registry itself.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RegistryVerb {
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
