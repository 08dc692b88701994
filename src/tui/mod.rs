//! The dashboard: a model, what changes it, what draws it, and the loop around them.

pub mod term;
