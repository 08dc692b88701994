//! The parts together, in one binary.

mod config;
