//! What is remembered: told as it changes, and taken up again at the start.

use super::flash;
use crate::tui::model::{Effect, ListId, Look, Model, NamedView, NoticeLevel, Now, Remember};

/// How a list is shown is to be remembered.
pub(super) fn page(model: &Model, list: ListId) -> Vec<Effect> {
    vec![Effect::Remember(Box::new(Remember::List {
        list: list.name().to_owned(),
        look: Look::of(model.lists.shown(list)),
        recent: model.recent.get(&list).cloned().unwrap_or_default(),
    }))]
}

/// Takes up what was remembered: before anything is read.
pub(super) fn take_up(model: &mut Model, now: &Now) {
    let remembered = std::mem::take(&mut model.settings.remembered);
    let (mut wrong, mut filtered) = (Vec::new(), Vec::new());
    for (name, look) in &remembered.lists {
        let Some(list) = ListId::by_name(name) else { continue };
        let heights = model.rows();
        let Model { lists, store, .. } = model;
        // Nothing has been read yet: nothing is to be looked through.
        let mut shown = Ok(());
        let _ = lists.show(list, |this| shown = look.show(list, this), store, heights, now);
        if let Err(why) = shown {
            wrong.push(format!("{name}: {why}"));
        }
        if !lists.shown(list).filter.is_empty() {
            filtered.push(name.as_str());
        }
    }
    if !wrong.is_empty() {
        let text = format!("remembered from last time, and left out: {}", wrong.join("; "));
        flash(model, now, NoticeLevel::Warning, text, None);
    } else if !filtered.is_empty() {
        let text = format!("filtered since last time: {}", filtered.join(", "));
        let hint = Some("Esc in the list clears its filter".to_owned());
        flash(model, now, NoticeLevel::Warning, text, hint);
    }
    for (name, recent) in remembered.recent {
        if let Some(list) = ListId::by_name(&name) {
            model.recent.insert(list, recent);
        }
    }
    model.views = remembered.views;
}

/// The list in which one stands, as a view of this name.
pub(super) fn save_view(model: &mut Model, name: &str, list: ListId) -> Vec<Effect> {
    let view = NamedView {
        list: list.name().to_owned(),
        look: Look::of(model.lists.shown(list)),
    };
    model.views.insert(name.to_owned(), view.clone());
    vec![Effect::Remember(Box::new(Remember::View(name.to_owned(), view)))]
}
