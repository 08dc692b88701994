//! Dedicated instances: a customer's own Odoo on a server, made and removed over its shell.

use crate::jobs::step::Step;

/// The steps that make one, in order.
pub(super) fn create_steps() -> Vec<Box<dyn Step>> {
    Vec::new()
}

/// The steps that remove one, in order.
pub(super) fn delete_steps() -> Vec<Box<dyn Step>> {
    Vec::new()
}
