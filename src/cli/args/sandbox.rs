//! `vigie sandbox`.

use crate::sandbox::Scale;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct SandboxArgs {
    /// The fleet's folder, kept between runs; below your data folder when not given
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// A real Odoo's odoo-bin, in place of the stand-ins
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) odoo_bin: Option<PathBuf>,
    /// Keep the registry in PostgreSQL, with a login and a configuration file for every role, as a team has it
    #[arg(long)]
    pub(in crate::cli) shared: bool,
    /// No fleet, but a registry of this size (1000x100000), to see how the dashboard does on a large one
    #[arg(long, value_name = "SERVERSxINSTANCES", conflicts_with_all = ["odoo_bin", "shared"])]
    pub(in crate::cli) generate: Option<Scale>,
    /// Open no dashboard: print the path of the fleet's configuration file, and run until told to stop
    #[arg(long)]
    pub(in crate::cli) no_tui: bool,
}
