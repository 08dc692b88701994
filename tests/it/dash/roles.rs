//! What a role may not is greyed, and says which role it needs.

use super::{Dash, fleet};
use vigie::domain::rights::{Deed, Rights, Role};
use vigie::domain::{Problem, ServerId};
use vigie::tui::action::{ACTIONS, Group, Situation, deed, rightful};
use vigie::tui::model::{Act, Effect, Fleet, Message, Notice};

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
    for _ in 0..4 {
        if !dash.sees("not now: needs saas_admin") {
            dash.press("pgdn");
        }
    }
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

#[test]
fn a_lost_connection_is_said_with_its_age_and_what_is_known_stays() {
    let mut dash = Dash::picture((200, 50));
    let since = fleet::noon() - jiff::SignedDuration::from_secs(130);
    dash.tell(Message::Notice(Notice::LinkLost {
        problem: Problem::new("registry_lost", "PostgreSQL does not answer (10 s)"),
        since,
    }));
    // What follows from it says nothing new.
    dash.tell(Message::Notice(Notice::RegistryLost(Problem::new(
        "timeout",
        "the fleet: no answer",
    ))));
    dash.must_see("registry lost since");
    dash.must_see("(2 min ago), shown as of just now: PostgreSQL does not answer (10 s)");
    dash.must_see("shown as of");
    dash.must_see("prod-1");
    dash.tell(Message::Notice(Notice::RegistryBack));
    dash.must_see("the registry answers again");
    assert!(!dash.sees("registry lost"));
}

#[test]
fn who_one_is_and_that_no_worker_is_there_are_in_the_header() {
    let mut dash = Dash::new((200, 50));
    let mut picture = fleet::picture();
    picture.rights = Rights::of(Role::Manager, "ana");
    picture.workers = 0;
    picture.jobs.clear();
    dash.load(picture);
    dash.must_see("saas_manager (role ana)");
    assert!(!dash.sees("no worker"));
    dash.tell(Message::Notice(Notice::NoWorker(
        Rights::of(Role::Manager, "ana").require(Deed::Work).unwrap_err(),
    )));
    dash.must_see("no worker");
    dash.must_see("to run jobs needs saas_worker: you are saas_manager (role ana)");
}
