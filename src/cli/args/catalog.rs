//! Plans and customers.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PlanVerb {
    /// All plans
    List,
    /// Add a plan
    Add {
        /// Its code
        code: String,
        /// Display name; the code when not given
        #[arg(long)]
        name: Option<String>,
        /// Users it allows
        #[arg(long, value_name = "N")]
        max_users: Option<u32>,
        /// Storage it allows, GB
        #[arg(long, value_name = "GB")]
        max_storage_gb: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CustomerVerb {
    /// All customers
    List,
    /// Add a customer, where there is none of this name
    Add {
        /// Its name
        name: String,
    },
}
