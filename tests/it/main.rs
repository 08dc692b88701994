//! The parts together, in one binary.

mod arch;
mod config;
