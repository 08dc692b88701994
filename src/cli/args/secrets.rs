//! Secrets of a team.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SecretsVerb {
    /// Seal a value with the newest key, and print what to give where a reference is asked for
    Seal {
        /// Read the value from standard input, in place of asking for it on the terminal
        #[arg(long)]
        stdin: bool,
    },
    /// Where each secret is used, and which key sealed it; never a value
    ShowReferences {
        /// Only what this key sealed
        #[arg(long, value_name = "ID")]
        key: Option<String>,
        /// Only what can't be opened here
        #[arg(long)]
        missing: bool,
    },
    /// Make a new key, and seal every value of the registry anew with it
    Rotate {
        /// Where the keys come from a command: write their next text to this new file, for your vault
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
        /// Take the older keys away, once nothing is sealed with them any more
        #[arg(long)]
        forget_old: bool,
    },
}
