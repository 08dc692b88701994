//! `vigie complete`, for the completion scripts.

/// What is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum CompleteWhat {
    Servers,
    Templates,
    Instances,
    Jobs,
    Plans,
    Customers,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CompleteArgs {
    /// Of what
    pub(in crate::cli) what: CompleteWhat,
    /// How it begins
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub(in crate::cli) begins: String,
}
