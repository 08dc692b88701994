//! Forms: derived names, validation as one types, the plan, sending.

use super::{Dash, fleet};
use vigie::domain::instance::InstanceState;
use vigie::domain::job::JobState;
use vigie::domain::{InstanceId, JobId, Problem, SafeText, SecretRef, ServerId};
use vigie::tui::model::{
    Act, Answer, Delta, Effect, Ended, Expected, InstanceDraft, Layer, PlanPreview, SecretField, TemplateWork,
};

const SIZE: (u16, u16) = (120, 40);

fn plan_asked(dash: &mut Dash) -> (u64, InstanceDraft) {
    let effects = dash.effects();
    match effects.as_slice() {
        [Effect::PlanInstance { seq, draft }] => (*seq, (**draft).clone()),
        other => panic!("{other:?}"),
    }
}

fn plan(mut draft: InstanceDraft) -> PlanPreview {
    draft.server = Some(ServerId(2));
    let steps = fleet::job(1, JobState::Queued, 0).steps;
    PlanPreview {
        url: SafeText::new("https://client-evry.example.org"),
        steps: steps.into_iter().map(|step| step.planned).collect(),
        passed_over: vec![(ServerId(1), SafeText::new("4 % free, 10 % needed"))],
        notes: vec![SafeText::new("cloned through PostgreSQL")],
        warnings: vec![SafeText::new("database management is open to the world")],
        expected: Expected {
            server: Some((ServerId(2), 3)),
            template: None,
        },
        draft,
    }
}

#[test]
fn a_new_instance_from_its_name_to_the_confirmed_plan() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 n");
    dash.must_see("new instance");
    dash.must_see("shop on prod-2");
    dash.enter("Client Évry");
    dash.must_see("client-evry");
    dash.must_see("client_evry");
    assert!(dash.effects().is_empty(), "the plan waits until the typing rests");
    dash.wait(160);
    let (seq, draft) = plan_asked(&mut dash);
    assert_eq!(draft.subdomain.as_ref().unwrap().as_str(), "client-evry");
    assert_eq!(draft.server, None, "by placement");
    assert_eq!(draft.admin_password, SecretField::Keep);
    dash.answer(Answer::Plan {
        seq,
        result: Ok(Box::new(plan(draft.clone()))),
    });
    dash.must_see("✔ on prod-2: 7 steps, https://client-evry.example.org");
    dash.must_see("passed over: 1");
    dash.must_see("▲ database management is open to the world");
    dash.must_see("· cloned through PostgreSQL");
    dash.must_see("clone database");
    dash.press("enter");
    dash.must_see("[ Create… ]");
    dash.press("enter");
    dash.must_see("Create instance Client Évry on prod-2?");
    dash.must_see("[ Cancel ]");
    dash.wait(400).press("tab enter");
    let Effect::Act { ticket, act } = dash.effect() else {
        panic!()
    };
    let Act::CreateInstance { draft: sent, expected } = act else {
        panic!("{act:?}")
    };
    assert_eq!(
        expected.server,
        Some((ServerId(2), 3)),
        "the versions that the plan was made on"
    );
    assert_eq!(sent.server, Some(ServerId(2)));
    dash.must_see("saving…");
    // Refused: nothing that was typed is lost, and the reason is on the form.
    dash.answer(Answer::Ended {
        ticket,
        result: Err(Problem::new("taken", "database name \"client_evry\" is taken already").hint("choose another")),
    });
    dash.must_see("is taken already");
    dash.must_see("choose another");
    dash.must_see("Client Évry");
    // The plan is made anew before it can be sent again.
    dash.wait(10);
    let (seq, draft) = plan_asked(&mut dash);
    dash.answer(Answer::Plan {
        seq,
        result: Ok(Box::new(plan(draft))),
    });
    dash.press("enter").wait(400).press("y");
    let Effect::Act { ticket, .. } = dash.effect() else {
        panic!()
    };
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(Ended {
            text: SafeText::new("Client Évry is being created: job 50"),
            job: Some(JobId(50)),
            ..Ended::default()
        })),
    });
    assert!(dash.model.layers.is_empty(), "the form is done");
    assert_eq!(dash.effect(), Effect::FollowLog(JobId(50)));
    // Its row is selected as soon as the registry tells of it.
    dash.answer(Answer::Delta(Box::new(Delta {
        jobs: vec![fleet::job(50, JobState::Queued, 0)],
        instances: vec![fleet::instance(9050, 2, "Client Évry", InstanceState::Provisioning)],
        ..Delta::default()
    })));
    assert_eq!(dash.model.lists.instance(), Some(InstanceId(9050)));
    dash.must_see("instances(prod-2)");
}

#[test]
fn a_plan_for_what_was_typed_before_is_dropped() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 n").enter("One").wait(160);
    let (seq, draft) = plan_asked(&mut dash);
    dash.enter("x");
    dash.answer(Answer::Plan {
        seq,
        result: Ok(Box::new(plan(draft.clone()))),
    });
    dash.must_see("planning…");
    dash.wait(160);
    let (newer, _) = plan_asked(&mut dash);
    assert!(newer > seq);
    // Nor when it comes later still: a newer one is asked for, and its answer is waited for.
    dash.answer(Answer::Plan {
        seq,
        result: Ok(Box::new(plan(draft))),
    });
    dash.must_see("planning…");
    let problem = Problem::new("nowhere", "No available server found").hint("prod-1: 4 % free");
    dash.answer(Answer::Plan {
        seq: newer,
        result: Err(problem),
    });
    dash.must_see("✖ No available server found");
    dash.press("enter enter");
    dash.must_see("the plan is refused");
    assert!(dash.effects().is_empty());
}

#[test]
fn mistakes_are_told_below_the_field_as_one_types() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 n tab").enter("www");
    dash.must_see("\"www\" is reserved");
    dash.press("backspace backspace backspace").enter("Bad");
    dash.must_see("lowercase letters");
    dash.wait(200);
    assert!(dash.effects().is_empty(), "no plan is asked for what is wrong");
    dash.press("tab").enter("postgres");
    dash.must_see("\"postgres\" is reserved and can't be used as");
}

#[test]
fn a_field_typed_in_is_no_longer_derived_until_it_is_emptied() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 n")
        .enter("Ab")
        .press("tab")
        .enter("c")
        .press("shift-tab")
        .enter("d");
    dash.must_see("abc ");
    assert!(!dash.sees("abd"));
    dash.press("tab backspace backspace backspace");
    dash.must_see("abd");
}

#[test]
fn a_new_server_with_secrets_by_reference_or_typed() {
    let mut dash = Dash::picture((120, 60));
    dash.press("n").enter("Production 9").press("tab");
    dash.must_see("production-9");
    dash.press("tab").enter("ftp://x");
    dash.must_see("must start with http:// or https://");
    dash.press("ctrl-u").enter("https://odoo1.example.org");
    dash.must_see("server prod-1 has this URL already");
    dash.press("ctrl-u").enter("https://odoo9.example.org");
    dash.press("tab tab tab tab")
        .enter("odoo")
        .press("tab")
        .enter("env:DB9");
    dash.must_see("env:DB9");
    dash.press("tab tab").enter("hunter2");
    dash.must_see("•••••••");
    assert!(!dash.sees("hunter2"));
    assert!(
        !format!("{:?}", dash.model).contains("hunter2"),
        "nor in any debug output"
    );
    dash.press("enter enter");
    let effect = dash.effect();
    assert!(!format!("{effect:?}").contains("hunter2"));
    let Effect::Act {
        act: Act::AddServer(draft),
        ticket,
    } = effect
    else {
        panic!()
    };
    assert_eq!(draft.spec.code.as_str(), "production-9");
    assert_eq!(
        draft.db_password,
        SecretField::Reference(SecretRef::parse("env:DB9").unwrap())
    );
    let SecretField::Typed(typed) = &draft.master_password else {
        panic!()
    };
    assert_eq!(typed.secret().expose(), "hunter2");
    dash.press("enter y").enter("zz");
    assert!(dash.effects().is_empty(), "it is on its way: nothing more is sent");
    dash.answer(Answer::Ended {
        ticket,
        result: Ok(Box::new(Ended {
            text: SafeText::new("server production-9 added"),
            ..Ended::default()
        })),
    });
    assert!(dash.model.layers.is_empty());
    dash.must_see("✔ server production-9 added");
}

#[test]
fn editing_keeps_secrets_unless_told_and_refuses_when_changed_meanwhile() {
    let mut dash = Dash::picture((120, 60));
    dash.press("e");
    dash.must_see("edit server prod-1");
    dash.must_see("unchanged (- takes it away)");
    dash.press("enter enter");
    let Effect::Act {
        act: Act::EditServer { server, version, draft },
        ..
    } = dash.effect()
    else {
        panic!()
    };
    assert_eq!((server, version), (ServerId(1), 3));
    assert_eq!(
        draft.spec,
        dash.model.store.server(ServerId(1)).unwrap().spec,
        "nothing else changed"
    );
    assert_eq!(
        (draft.db_password, draft.master_password),
        (SecretField::Keep, SecretField::Keep)
    );

    let mut dash = Dash::picture((120, 60));
    dash.press("e");
    let mut changed = fleet::server(1, "prod-1", 50, 48);
    changed.version = 4;
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![changed],
        ..Delta::default()
    })));
    dash.press("enter enter");
    dash.must_see("the server was changed meanwhile");
    assert!(
        dash.effects()
            .iter()
            .all(|effect| !matches!(effect, Effect::Act { .. }))
    );
}

#[test]
fn a_new_template_and_its_database_at_once() {
    let mut dash = Dash::picture(SIZE);
    dash.press("4 n").enter("Été 24");
    dash.must_see("ete-24");
    dash.must_see("template_ete_24");
    dash.must_see("prod-1");
    dash.must_see("create it now");
    dash.press("enter enter");
    let Effect::Act {
        act: Act::AddTemplate(draft),
        ..
    } = dash.effect()
    else {
        panic!()
    };
    assert_eq!(draft.then, Some(TemplateWork::CreateDatabase));
    assert_eq!(draft.spec.server_id, ServerId(1));
}

#[test]
fn typed_text_is_not_lost_by_one_escape_and_a_paste_only_fills_its_field() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 n").paste("Client\u{1b}[2J\u{202e}X\nsecond line\n\n");
    dash.must_see("Client[2JX");
    dash.wait(200);
    dash.effects();
    dash.press("esc");
    dash.must_see("[ Cancel ]");
    dash.press("esc");
    assert!(dash.model.layers.is_empty());
    dash.press("2 n");
    dash.must_see("Client[2JX");
    dash.press("ctrl-u esc esc 2 n esc");
    assert!(dash.model.layers.is_empty(), "nothing typed, nothing to lose");
    assert!(!dash.model.layers.iter().any(|layer| matches!(layer, Layer::Form(_))));
}
