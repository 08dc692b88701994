//! What must hold whatever happens: nothing is done unasked, the selection stays on its object, what is drawn
//! stays inside and is harmless.

use crossterm::event::{Event, KeyEventKind};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;
use vigie::tui::model::{
    Act, Answer, Answered, BulkField, Button, Effect, FormKind, Layer, ListId, Message, Model, Target, TemplateWork,
    act_on,
};

/// Keys that come sooner after a question's opening decide nothing.
const CALM: Duration = Duration::from_millis(300);

/// What lay on top before a message, as far as it may lead to a deed.
#[derive(Debug)]
pub(super) enum Top {
    Nothing,
    Confirm {
        answered: Answered,
        may_go: bool,
        /// Enter would do it, not close it.
        go: bool,
        typed: Option<String>,
        opened: Duration,
    },
    Command {
        targets: Vec<Target>,
        argv: Vec<Vec<String>>,
        go: bool,
        opened: Duration,
    },
    /// The plan of a bulk: what it will do, where Enter or `y` begins it.
    Bulk {
        acts: Vec<Act>,
        may_go: bool,
        typed: String,
        go: bool,
        opened: Duration,
    },
    Form(FormKind),
    Other,
}

impl Top {
    pub(super) fn of(model: &Model) -> Self {
        match model.layers.last() {
            None => Self::Nothing,
            Some(Layer::Confirm(confirm)) => Self::Confirm {
                answered: confirm.answered.clone(),
                may_go: confirm.may_go(),
                go: confirm.button == Button::Go,
                typed: confirm.typed.as_ref().map(|(_, input)| input.value().to_owned()),
                opened: confirm.opened,
            },
            Some(Layer::Command(dialog)) => Self::Command {
                targets: dialog.targets.iter().map(|(target, ..)| *target).collect(),
                argv: dialog.built().unwrap_or_default(),
                go: dialog.go && dialog.at >= dialog.fields.len(),
                opened: dialog.opened,
            },
            Some(Layer::Bulk(dialog)) => Self::Bulk {
                acts: dialog
                    .plan
                    .going()
                    .filter_map(|line| act_on(dialog.plan.verb, &line.item))
                    .collect(),
                may_go: dialog.may_go() && dialog.plan.to_type().is_none_or(|name| name == dialog.typed.value()),
                typed: dialog.typed.value().to_owned(),
                go: dialog.focus == BulkField::Go,
                opened: dialog.opened,
            },
            Some(Layer::Form(form)) => Self::Form(form.kind.clone()),
            Some(_) => Self::Other,
        }
    }
}

/// How a deed has to have been asked for.
enum Asked {
    /// By any key.
    Key,
    /// By a form.
    Form,
    /// By a question that was answered with yes.
    Question,
}

fn must_be(act: &Act) -> Asked {
    match act {
        Act::Test(_) | Act::Check(_) | Act::CheckAll | Act::Activate { .. } | Act::RetryJob(_) => Asked::Key,
        Act::TemplateJob {
            work: TemplateWork::CreateDatabase,
            ..
        } => Asked::Key,
        Act::Command(run) if !run.changes => Asked::Key,
        Act::AddServer(_) | Act::EditServer { .. } | Act::AddTemplate(_) => Asked::Form,
        Act::Deactivate { .. }
        | Act::Maintain { .. }
        | Act::DeleteServer { .. }
        | Act::DeleteTemplate { .. }
        | Act::DeleteInstance { .. }
        | Act::ForgetInstance { .. }
        | Act::CreateInstance { .. }
        | Act::CancelJob(_)
        | Act::TemplateJob { .. }
        | Act::Command(_) => Asked::Question,
    }
}

/// Its target's version as the store has it.
fn version(model: &Model, act: &Act) -> Option<(Option<i64>, i64)> {
    let store = &model.store;
    let server = |id| store.server(id).map(|server| server.version);
    Some(match act {
        Act::Deactivate { server: id, version }
        | Act::Maintain { server: id, version }
        | Act::DeleteServer { server: id, version } => (server(*id), *version),
        Act::DeleteTemplate { template, version } | Act::TemplateJob { template, version, .. } => {
            (store.template(*template).map(|t| t.version), *version)
        }
        Act::DeleteInstance { instance, version } | Act::ForgetInstance { instance, version } => {
            (store.instance(*instance).map(|row| row.version), *version)
        }
        _ => return None,
    })
}

/// What a plan that was begun by this message does: it goes on by itself as its parts end.
pub(super) fn begun(message: &Message, top: &Top, model: &Model, mono: Duration) -> Vec<Act> {
    let Top::Bulk {
        acts, may_go, opened, ..
    } = top
    else {
        return Vec::new();
    };
    if !matches!(model.layers.last(), Some(Layer::Receipts { .. })) {
        return Vec::new();
    }
    let pressed = matches!(message, Message::Input(Event::Key(key)) if key.kind == KeyEventKind::Press);
    assert!(pressed && mono >= *opened + CALM, "a plan was begun by {message:?}");
    assert!(*may_go, "a plan was begun that may not: {top:?}");
    acts.clone()
}

/// Whether an effect may follow this message, where this lay on top and this was approved before.
pub(super) fn judge(effect: &Effect, message: &Message, top: &Top, approved: &[Act], model: &Model, mono: Duration) {
    let key = match message {
        Message::Input(Event::Key(key)) if key.kind != KeyEventKind::Release => Some(key),
        _ => None,
    };
    match effect {
        Effect::Act { act, .. } | Effect::ActWith { act, .. } if !approved.contains(act) => {
            let key = key.unwrap_or_else(|| panic!("{act:?} without a key: {message:?}"));
            match must_be(act) {
                Asked::Key => {}
                // Where a guard asks for more, its question comes after the form.
                Asked::Form if matches!(top, Top::Confirm { .. }) => {
                    by_question(act, top, key.kind == KeyEventKind::Press, mono);
                }
                Asked::Form => match (act, top) {
                    (Act::AddServer(_), Top::Form(FormKind::NewServer))
                    | (Act::AddTemplate(_), Top::Form(FormKind::NewTemplate)) => {}
                    (
                        Act::EditServer { server, version, .. },
                        Top::Form(FormKind::EditServer {
                            server: id,
                            version: seen,
                            ..
                        }),
                    ) if (server, version) == (id, seen) => {}
                    other => panic!("a record is written without its form: {other:?}"),
                },
                Asked::Question => by_question(act, top, key.kind == KeyEventKind::Press, mono),
            }
            if let Some((now, sent)) = version(model, act) {
                assert_eq!(now, Some(sent), "{act:?} on what has changed meanwhile");
            }
        }
        Effect::Enter(_) | Effect::Suspend | Effect::SwitchProfile | Effect::CancelTask(_) | Effect::Copy(_) => {
            assert!(key.is_some(), "{effect:?} without a key: {message:?}");
        }
        Effect::Lend(_) => assert!(
            matches!(message, Message::Answer(Answer::Lend(_) | Answer::Ended { .. })),
            "the terminal was lent unasked: {message:?}"
        ),
        Effect::Quit => assert!(
            key.is_some() || matches!(message, Message::Notice(vigie::tui::model::Notice::Terminate)),
            "quit by {message:?}"
        ),
        _ => {}
    }
}

fn by_question(act: &Act, top: &Top, pressed: bool, mono: Duration) {
    match top {
        Top::Confirm {
            answered,
            may_go,
            typed,
            opened,
            ..
        } => {
            assert!(*may_go, "{act:?} though the question was not answered");
            assert!(
                pressed && mono >= *opened + CALM,
                "{act:?} by the key that opened its question"
            );
            assert!(
                !act.is_destructive() || typed.is_some(),
                "{act:?} without its name typed"
            );
            match (answered, act) {
                (Answered::Act(asked), act) => assert_eq!(asked, act, "another deed than was asked about"),
                (Answered::Create(_), Act::CreateInstance { .. }) => {}
                other => panic!("another deed than was asked about: {other:?}"),
            }
        }
        Top::Command {
            targets,
            argv,
            go,
            opened,
        } => {
            let Act::Command(run) = act else {
                panic!("{act:?} by a command's dialog")
            };
            assert!(
                *go && mono >= *opened + CALM,
                "{run:?} by the key that opened its dialog"
            );
            assert!(
                targets.contains(&run.target) && argv.contains(&run.argv),
                "{run:?} is not what was shown: {argv:?}"
            );
        }
        other => panic!("{act:?} without its question: {other:?}"),
    }
}

/// A profile that is read-only and not unlocked changes nothing.
pub(super) fn lock_holds(effect: &Effect, locked: bool) {
    if let (true, Effect::Act { act, .. } | Effect::ActWith { act, .. }) = (locked, effect) {
        let looks = matches!(act, Act::Test(_) | Act::Check(_) | Act::CheckAll);
        let runs = matches!(act, Act::Command(run) if !run.changes);
        assert!(looks || runs, "{act:?} in a read-only profile");
    }
}

/// A paste types no name, and answers nothing.
pub(super) fn paste_changed_nothing(before: &Top, after: &Top) {
    if let Top::Bulk { typed, go, .. } = before {
        let Top::Bulk {
            typed: now, go: button, ..
        } = after
        else {
            panic!("a paste closed a plan: {before:?}")
        };
        assert_eq!((typed, go), (now, button), "a paste typed into a plan");
    }
    if let Top::Confirm { typed, go, .. } = before {
        let Top::Confirm {
            typed: now, go: button, ..
        } = after
        else {
            panic!("a paste closed a question: {before:?}")
        };
        assert_eq!((typed, go), (now, button), "a paste typed into a question");
    }
}

/// What is selected in every list.
pub(super) type Selected = [Option<Target>; ListId::ALL.len()];

pub(super) fn selected(model: &Model) -> Selected {
    ListId::ALL.map(|list| model.selected_in(list))
}

fn rows(model: &Model, list: ListId) -> Vec<Target> {
    use vigie::tui::model::Row;
    let rows = model.lists.rows(list, &model.store);
    rows.iter()
        .map(|at| match model.store.row(list, *at) {
            Some(Row::Server(server)) => Target::Server(server.id),
            Some(Row::Instance(row)) => Target::Instance(row.id),
            Some(Row::Template(template)) => Target::Template(template.id),
            Some(Row::Job(job)) => Target::Job(job.id),
            Some(Row::Plan(plan)) => Target::Plan(plan.id),
            Some(Row::Customer(customer)) => Target::Customer(customer.id),
            Some(Row::Audit(entry)) => Target::Audit(entry.id),
            Some(Row::Alert(alert)) => Target::Alert(alert.id),
            None => panic!("{list:?} shows a row that is not there"),
        })
        .collect()
}

/// The selection is on a row that is there, and where nobody moved it, on the object it was on.
pub(super) fn selection_holds(model: &Model, before: &Selected, moved: bool, what: &Message) {
    let server_before = before[0];
    for (at, list) in ListId::ALL.into_iter().enumerate() {
        // A task looks for its rows: they are what they were, until it answers.
        if list.is_instances() && model.store.instance_count() > 2_500 {
            continue;
        }
        let rows = rows(model, list);
        let now = model.selected_in(list);
        match now {
            Some(target) => assert!(
                rows.contains(&target),
                "{list:?}: {target:?} is selected and not there, after {what:?}"
            ),
            None => assert!(
                rows.is_empty(),
                "{list:?}: nothing is selected of {}, after {what:?}",
                rows.len()
            ),
        }
        let same_server = list != ListId::Here || model.selected_in(ListId::Servers) == server_before;
        if !moved
            && same_server
            && let Some(was) = before[at]
            && rows.contains(&was)
        {
            assert_eq!(now, Some(was), "{list:?}: the selection was lost after {what:?}");
        }
    }
}

/// Every cell is harmless, and none reaches over the edge.
pub(super) fn frame_is_whole(buffer: &ratatui::buffer::Buffer) {
    let area = buffer.area;
    for y in 0..area.height {
        for x in 0..area.width {
            let symbol = buffer[(x, y)].symbol();
            let wide = u16::try_from(symbol.width()).unwrap_or(u16::MAX);
            assert!(x + wide <= area.width, "{symbol:?} at {x},{y} reaches over the edge");
            assert!(
                !symbol.chars().any(is_harmful),
                "{symbol:?} at {x},{y} would reach the terminal"
            );
        }
    }
}

/// Controls, and what turns or hides what stands beside it.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200c}' | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2028}'..='\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
