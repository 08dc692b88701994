//! What a role may not is greyed, and says which role it needs.

use super::{Dash, fleet};
use vigie::domain::ServerId;
use vigie::domain::rights::{Rights, Role};
use vigie::tui::action::{ACTIONS, Group, Situation, deed, rightful};
use vigie::tui::model::{Act, Effect, Fleet};

const SIZE: (u16, u16) = (120, 35);

fn as_role(role: Role) -> Dash {
    let mut dash = Dash::new(SIZE);
    dash.load(Fleet {
        rights: Rights::of(role, "ana"),
        ..fleet::picture()
    });
    dash
}

#[test]
fn a_role_that_may_not_is_told_so_before() {
    let mut dash = as_role(Role::User);
    for keys in ["a m", "n", "e", "t", "r", "4 n", "2 a x"] {
        dash.press("1").press(keys);
        assert!(dash.effects().is_empty() && dash.model.layers.is_empty(), "{keys}");
        dash.must_see("you are saas_user (role ana)");
    }
    let mut dash = as_role(Role::Manager);
    for keys in ["1 n", "1 j j j a x", "4 n"] {
        dash.press(keys);
        assert!(dash.effects().is_empty() && dash.model.layers.is_empty(), "{keys}");
        dash.must_see("needs saas_admin: you are saas_manager (role ana)");
    }
    dash.press("1 g t");
    let effect = dash.effect();
    assert!(
        matches!(
            effect,
            Effect::Act {
                act: Act::Test(ServerId(1)),
                ..
            }
        ),
        "testing is allowed: {effect:?}"
    );
}

#[test]
fn what_a_role_may_not_is_grey_in_footer_menu_and_help() {
    let mut dash = as_role(Role::Manager);
    dash.must_see("n new server");
    dash.press("a").wait(400);
    dash.must_see("needs saas_admin: you are saas_manager (role ana)");
    dash.press("esc ?");
    dash.must_see("not now: needs saas_admin");
}

/// The one declaration decides, in the dashboard too: an action is refused to a role by name exactly
/// where its deed is not among what the role may.
#[test]
fn what_is_greyed_is_what_the_declaration_denies() {
    for role in Role::ALL {
        let rights = Rights::of(role, "ana");
        let dash = as_role(role);
        for action in ACTIONS {
            for place in action.places {
                let situation = Situation {
                    place: *place,
                    ..dash.model.situation()
                };
                let said = rightful(action.id, &situation);
                let may = deed(action.id, *place).is_none_or(|deed| rights.may(deed));
                assert_eq!(said.is_ok(), may, "{role} {} {place:?}", action.name);
                // What changes something has a deed.
                if action.group == Group::Act {
                    assert!(deed(action.id, *place).is_some(), "{}", action.name);
                }
            }
        }
    }
}
