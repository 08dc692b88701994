//! Row ids as types, so that a template's id can't be handed in where a server's is asked.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

row_id! {
    /// A registered server.
    ServerId,
    /// A template database.
    TemplateId,
    /// A customer's instance.
    InstanceId,
    /// A plan that instances are sold as.
    PlanId,
    /// A customer.
    CustomerId,
    /// A durable job.
    JobId,
}
