//! Marking rows.

use super::flash;
use crate::tui::action::ActionId;
use crate::tui::model::{Effect, ListId, Model, Move, NoticeLevel, Now, Target, shown_ids};

fn id_of(target: Target) -> Option<i64> {
    Some(match target {
        Target::Server(id) => id.0,
        Target::Instance(id) => id.0,
        Target::Template(id) => id.0,
        Target::Job(id) => id.0,
        _ => return None,
    })
}

/// Where one stands, and the id that is selected there.
fn here(model: &Model) -> Option<(ListId, i64)> {
    let list = model.lists.list(model.place())?;
    Some((list, model.selected_in(list).and_then(id_of)?))
}

pub(super) fn perform(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    let Some(list) = model.lists.list(model.place()) else {
        return Vec::new();
    };
    let shown = |model: &Model| shown_ids(list, &model.lists, &model.store);
    match id {
        ActionId::Mark => {
            let ranging = model.marks.range().is_some();
            if let Some((list, selected)) = here(model) {
                if ranging {
                    model.marks.end();
                    return Vec::new();
                }
                model.marks.toggle(list, selected);
                // The next row is at hand, as when files are picked.
                return super::act::go(model, Move::Rows(1), now);
            }
        }
        ActionId::MarkRange if model.marks.range() == Some(list) => model.marks.end(),
        ActionId::MarkRange => {
            if let Some((list, selected)) = here(model) {
                model.marks.begin(list, selected);
            }
        }
        ActionId::MarkAll => {
            let ids = shown(model);
            let text = format!("{} marked: all that is shown", ids.len());
            model.marks.add(list, ids);
            flash(model, now, NoticeLevel::Info, text, None);
        }
        ActionId::MarkInvert => {
            let ids = shown(model);
            model.marks.invert(list, ids);
        }
        _ => model.marks.clear(list),
    }
    model.mark_dirty();
    Vec::new()
}

/// The selection moved: a range goes with it.
pub(super) fn moved(model: &mut Model) {
    let Some(ranging) = model.marks.range() else { return };
    match here(model) {
        Some((list, selected)) if list == ranging => {
            let ids = shown_ids(list, &model.lists, &model.store);
            model.marks.stretch(selected, &ids);
        }
        _ => model.marks.end(),
    }
}

/// Marks of what is gone go with it, and that is said.
pub(super) fn settle(model: &mut Model, now: &Now) {
    let gone = model.marks.settle(&model.store);
    if gone > 0 {
        let text = match gone {
            1 => "what a mark stood on is gone: it is marked no more".to_owned(),
            many => format!("what {many} marks stood on is gone: it is marked no more"),
        };
        flash(model, now, NoticeLevel::Warning, text, None);
    }
}
