//! `vigie init`.

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// The first server's code: short, unique, lowercase
    #[arg(long, value_name = "CODE")]
    pub(in crate::cli) code: Option<String>,
    /// Where its Odoo answers: http:// or https://, host and port
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: Option<String>,
    /// How many instances it may host; 50 when not given
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_instances: Option<u32>,
    /// What the header calls the fleet
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) fleet: Option<String>,
    /// Domain below which instances get their address
    #[arg(long, value_name = "DOMAIN")]
    pub(in crate::cli) root_domain: Option<String>,
    /// Write the server down even if its test fails
    #[arg(long)]
    pub(in crate::cli) anyway: bool,
    /// Put it in service, when its test succeeds
    #[arg(long)]
    pub(in crate::cli) activate: bool,
    /// No server: only the configuration file
    #[arg(long, conflicts_with_all = ["code", "url", "max_instances", "activate", "anyway"])]
    pub(in crate::cli) no_server: bool,
    /// Ask nothing: what is not given has its default
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}
