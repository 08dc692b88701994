//! What is said of a dedicated instance when it is made.

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "A dedicated instance")]
pub(in crate::cli) struct DedicatedArgs {
    /// A customer's own Odoo on its own domain, not a database on the server's: the name is its label
    #[arg(long, requires = "server", conflicts_with_all = ["template", "subdomain", "database", "url"])]
    pub(in crate::cli) dedicated: bool,
    /// What it is for
    #[arg(long, value_parser = ["prod", "dev"], default_value = "prod", hide_default_value = true)]
    pub(in crate::cli) purpose: String,
    /// Where its certificate comes from: none (plain HTTP), file
    #[arg(long, value_name = "METHOD", requires = "dedicated")]
    pub(in crate::cli) tls: Option<String>,
    /// Who makes its name known: none (you do), cloudflare
    #[arg(long, value_name = "METHOD", requires = "dedicated")]
    pub(in crate::cli) dns: Option<String>,
    /// Odoo's version, such as 16 or 19e
    #[arg(long, value_name = "VERSION", requires = "dedicated")]
    pub(in crate::cli) odoo: Option<String>,
    /// Odoo's source: a folder or tarball on the server, or a repository
    #[arg(long, value_name = "PATH|URL", requires = "dedicated")]
    pub(in crate::cli) source: Option<String>,
    /// The branch or tag of a repository
    #[arg(long, value_name = "NAME", requires = "dedicated")]
    pub(in crate::cli) branch: Option<String>,
}
