//! `vigie config`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigVerb {
    /// Tell every mistake with its line; ends with 1 where there is one
    Check,
    /// What holds now, as the file would say it
    Show {
        /// And where each value comes from: default, line, profile, environment, argument
        #[arg(long)]
        origin: bool,
    },
    /// The JSON schema of the file, for editors
    Schema,
}
