//! What verbs take that can be done to many.

use clap::Args;

/// How something is done to many.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "For many")]
pub(in crate::cli) struct Many {
    /// All that pass a filter, written as in the dashboard: 'state=offline -prod-1'
    #[arg(long, value_name = "FILTER")]
    pub(in crate::cli) filter: Option<String>,
    /// At most so many; the others are passed over
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) limit: Option<u32>,
    /// So many at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(in crate::cli) at_once: Option<u32>,
    /// After so many failures no more are begun; 0: whatever fails
    #[arg(long, value_name = "N")]
    pub(in crate::cli) stop_after: Option<u32>,
}

impl Many {
    /// Whether it is about many, with so many named.
    pub(in crate::cli) fn is_meant(&self, named: usize) -> bool {
        named != 1
            || self.filter.is_some()
            || self.limit.is_some()
            || self.at_once.is_some()
            || self.stop_after.is_some()
    }
}

/// Those that a verb is for.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Codes {
    /// Which: by code, of jobs by number; of several a receipt for each is printed
    #[arg(required_unless_present = "filter", value_name = "CODE")]
    pub(in crate::cli) codes: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) many: Many,
    /// Print the plan (who, and who is passed over and why), change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

impl Codes {
    /// The one that is named, where it is about one alone.
    pub(in crate::cli) fn alone(&self) -> Option<&str> {
        match self.codes.as_slice() {
            [one] if !self.many.is_meant(1) && !self.dry_run => Some(one),
            _ => None,
        }
    }
}
