//! Where operations meet the outside world.

use super::{Answer, Ops};
use crate::domain::check::CheckReport;
use crate::domain::server::Server;
use crate::domain::{Problem, Secret, SecretRef};

fn unbuilt<T>() -> Answer<T> {
    Err(Problem::new("not_built", "this part is being built"))
}

pub(super) async fn seal(_ops: &Ops, _value: Secret) -> Answer<SecretRef> {
    unbuilt()
}

pub(super) async fn check(_ops: &Ops, _server: &Server) -> Answer<CheckReport> {
    unbuilt()
}

pub(super) async fn resolve(_ops: &Ops, _reference: &SecretRef) -> Answer<Secret> {
    unbuilt()
}

pub(super) fn new_password(_ops: &Ops) -> Answer<Secret> {
    unbuilt()
}
