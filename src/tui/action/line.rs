//! How a line of the table is written.

use super::{Action, ActionId, Danger, Group, Place};

pub(super) const fn line(
    id: ActionId,
    name: &'static str,
    keys: &'static [&'static str],
    places: &'static [Place],
    title: &'static str,
    help: &'static str,
) -> Action {
    Action {
        id,
        name,
        title,
        help,
        places,
        group: Group::Move,
        danger: Danger::None,
        keys,
        footer: 0,
    }
}

pub(super) const fn look(action: Action, footer: u8) -> Action {
    Action {
        group: Group::Look,
        footer,
        ..action
    }
}

pub(super) const fn act(action: Action, danger: Danger) -> Action {
    Action {
        group: Group::Act,
        danger,
        ..action
    }
}

pub(super) const fn program(action: Action, footer: u8) -> Action {
    Action {
        group: Group::Program,
        footer,
        ..action
    }
}
