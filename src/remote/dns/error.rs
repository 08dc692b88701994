//! What can go wrong with a zone's records.

use crate::domain::SafeText;
use crate::domain::check::Failure;

/// Why something about a zone's records could not be done. Carries no token.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// A name that is not below the zone: never written.
    #[error("{name} is not below the zone {zone}: only names below it are written")]
    NotInZone {
        /// The name.
        name: String,
        /// The zone.
        zone: String,
    },
    /// The API could not be asked.
    #[error("{what}: Cloudflare's API: {failure}")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Why.
        failure: Failure,
        /// Whether it would have changed something, which may have happened.
        written: bool,
    },
    /// The token sees no such zone.
    #[error("there is no zone {zone} that the token may see")]
    NoZone {
        /// The zone.
        zone: String,
    },
    /// The API refused.
    #[error("{what}: Cloudflare answers {code} (HTTP {status}): {said}")]
    Refused {
        /// What was tried.
        what: String,
        /// HTTP status.
        status: u16,
        /// The API's number.
        code: i64,
        /// What it said.
        said: SafeText,
    },
    /// More was asked than the API takes.
    #[error("{what}: Cloudflare wants fewer calls for a while")]
    TooMany {
        /// What was tried.
        what: String,
    },
    /// A record that this program did not make: never touched.
    #[error("{what}: refused: the name has a record that this job did not make ({is})")]
    Stranger {
        /// What was tried.
        what: String,
        /// What is there.
        is: SafeText,
    },
    /// A record of ours that says something else.
    #[error("{what}: its record was changed since it was made ({is})")]
    Changed {
        /// What was tried.
        what: String,
        /// What it says now.
        is: SafeText,
    },
    /// An answer that is none of the API's.
    #[error("{what}: {why}")]
    Unread {
        /// What was tried.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl DnsError {
    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TooMany { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { written, .. } => *written,
            Self::Refused { status, .. } => *status >= 500,
            Self::Unread { .. } => true,
            _ => false,
        }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stranger { .. } | Self::Changed { .. } => "taken",
            Self::NotInZone { .. } => "root_domain",
            _ => "dns",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotInZone { .. } => "mend root_domain or dns_zone in the section [dedicated]",
            Self::Unreachable { .. } => "look at this machine's way to the internet; the job can be retried",
            Self::NoZone { .. } => "give the token DNS:Edit for that zone, or mend dns_zone",
            Self::Refused {
                code: 10_000 | 9109 | 6003,
                ..
            } => "mend dns_token: it needs DNS:Edit for the zone",
            Self::Refused { .. } | Self::Unread { .. } => return None,
            Self::TooMany { .. } => "wait five minutes, then retry the job",
            Self::Stranger { .. } => "choose another name, or remove that record by hand",
            Self::Changed { .. } => "mend it by hand, or remove it",
        };
        Some(hint.to_owned())
    }
}
