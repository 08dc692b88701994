//! The dashboard. One owner of state ([`model::Model`]), one place that changes it
//! ([`update::update`], synchronous, without IO), one that draws it ([`view::view`], which only
//! reads). What has to happen outside is an [`model::Effect`], plain data that a task executor
//! carries out and answers with an [`model::Answer`].
//!
//! Downwards only: `action` and `theme` know the domain; `model` knows `action`; `update` knows
//! both; `view` reads all of them and nobody reads `view`.

pub mod action;
pub mod dashboard;
pub mod model;
pub mod run;
pub mod task;
pub mod term;
pub mod theme;
pub mod update;
pub mod view;
