//! Dedicated instances: a customer's own Odoo on a server, made and removed over its shell.

mod account;
mod conf;
mod database;
mod finish;
mod modules;
mod preflight;
mod record;
mod remove;
mod service;
mod shell;
mod site;
mod source;

use crate::jobs::step::Step;

/// The steps that make one, in order.
pub(super) fn create_steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(preflight::Preflight),
        Box::new(preflight::Reserve),
        Box::new(database::Database),
        Box::new(account::Account),
        Box::new(source::Source),
        Box::new(source::Environment),
        Box::new(conf::Conf),
        Box::new(modules::Modules),
        Box::new(service::Service),
        Box::new(service::Health),
        Box::new(record::Record),
        Box::new(site::Site),
        Box::new(service::Public),
        Box::new(finish::Tracking),
        Box::new(finish::Activate),
    ]
}

/// The steps that remove one, in order.
pub(super) fn delete_steps() -> Vec<Box<dyn Step>> {
    remove::steps()
}
