//! Where one was: for going back and forth, and for the line that says where one is.

use super::Model;
use super::dialog::{Layer, Subject};
use super::effect::Target;
use super::layout::Pane;
use super::story::StoryKind;
use super::tabs::{ListId, Tab};

/// Places kept.
const KEPT: usize = 50;

/// A place one was at.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// The page.
    pub tab: Tab,
    /// The pane.
    pub focus: Pane,
    /// What was selected there.
    pub target: Option<Target>,
    /// The filter of its list.
    pub filter: Option<(ListId, String)>,
}

/// Places before and after this one.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    back: Vec<Spot>,
    forward: Vec<Spot>,
}

impl Trail {
    /// One goes on from here.
    pub fn leave(&mut self, from: Spot) {
        self.forward.clear();
        if self.back.last() != Some(&from) {
            self.back.push(from);
        }
        if self.back.len() > KEPT {
            self.back.remove(0);
        }
    }

    /// Back (or forth) from here: to where.
    pub fn turn(&mut self, here: Spot, back: bool) -> Option<Spot> {
        let (from, to) = if back {
            (&mut self.back, &mut self.forward)
        } else {
            (&mut self.forward, &mut self.back)
        };
        // A place that looks like this one would be a key press without an answer.
        let there = loop {
            let there = from.pop()?;
            if there != here {
                break there;
            }
        };
        to.push(here);
        Some(there)
    }

    /// Whether there is a place before.
    pub fn has_back(&self) -> bool {
        !self.back.is_empty()
    }

    /// Whether there is a place after.
    pub fn has_forward(&self) -> bool {
        !self.forward.is_empty()
    }
}

impl Model {
    /// Where one is.
    pub fn spot(&self) -> Spot {
        let list = self.lists.list(self.place());
        Spot {
            tab: self.lists.tab,
            focus: self.focus,
            target: self.current_target(),
            filter: list.map(|list| (list, self.lists.shown(list).filter.text().to_owned())),
        }
    }

    /// Where one is, from the page inwards, in words.
    pub fn crumbs(&self) -> Vec<String> {
        let mut crumbs = vec![self.lists.tab.page().name.to_owned()];
        if self.lists.tab == Tab::Here
            && self.focus == Pane::List
            && let Some(server) = self.lists.servers.selected
        {
            crumbs.push(self.store.server_code(server).to_owned());
        }
        if self.focus == Pane::Log {
            crumbs.push("log".to_owned());
        }
        crumbs.extend(self.current_target().and_then(|target| self.label(target)));
        for layer in &self.layers {
            crumbs.push(
                match layer {
                    Layer::Help { .. } => "help",
                    Layer::Config { .. } => "configuration",
                    Layer::Command(_) | Layer::Written { .. } => "command",
                    Layer::Describe { subject, .. } => match subject {
                        // A job's log may lie elsewhere than its row.
                        Subject::Job(_) => "job",
                        _ => "description",
                    },
                    Layer::Report { .. } => "test",
                    Layer::Story(story) => match story.kind {
                        StoryKind::Why => "why",
                        StoryKind::Timeline => "timeline",
                    },
                    Layer::Confirm(_) => "question",
                    Layer::Form(_) => "form",
                    _ => continue,
                }
                .to_owned(),
            );
        }
        crumbs
    }

    /// What something is called; `None` where it is gone.
    pub fn label(&self, target: Target) -> Option<String> {
        let store = &self.store;
        match target {
            Target::Fleet => None,
            Target::Server(id) => store.server(id).map(|server| server.spec.code.to_string()),
            Target::Template(id) => store.template(id).map(|template| template.spec.code.to_string()),
            Target::Instance(id) => store.instance(id).map(|row| row.subdomain().to_owned()),
            Target::Job(id) => Some(format!("job {id}")),
            Target::Plan(id) => store
                .plan(id)
                .map(|plan| crate::domain::SafeText::new(&plan.code).to_string()),
            Target::Audit(id) => store
                .audit_row(id)
                .map(|row| crate::domain::SafeText::new(&row.label).to_string()),
            Target::Alert(id) => self
                .attention
                .board
                .alert(id)
                .map(|alert| format!("{} · {}", alert.kind.title(), alert.label)),
            Target::Customer(id) => store.customer(id).map(|customer| customer.name.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(tab: Tab) -> Spot {
        Spot {
            tab,
            focus: Pane::List,
            target: None,
            filter: None,
        }
    }

    #[test]
    fn back_and_forth_and_a_new_way_forgets_the_old_one() {
        let mut trail = Trail::default();
        trail.leave(spot(Tab::Here));
        trail.leave(spot(Tab::Jobs));
        assert_eq!(trail.turn(spot(Tab::Plans), true), Some(spot(Tab::Jobs)));
        assert_eq!(trail.turn(spot(Tab::Jobs), true), Some(spot(Tab::Here)));
        assert_eq!(trail.turn(spot(Tab::Here), true), None);
        assert_eq!(trail.turn(spot(Tab::Here), false), Some(spot(Tab::Jobs)));
        trail.leave(spot(Tab::Jobs));
        assert!(!trail.has_forward() && trail.has_back());
        for n in 0..200 {
            trail.leave(spot(if n % 2 == 0 { Tab::All } else { Tab::Jobs }));
        }
        assert_eq!(trail.back.len(), KEPT);
    }
}
