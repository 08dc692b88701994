//! The grammar of `vigie view`.

use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// Files, or commands in quotes that begin with `!`
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<String>,
    /// On this server's machine, through its shell access
    #[arg(long, value_name = "SERVER")]
    pub(super) on: Option<String>,
}
