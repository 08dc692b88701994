//! What is remembered from one start to the next: how each list is shown, named views, filters used.

use super::find::{Filter, Sort, field};
use super::layout::Arrange;
use super::orders::Shown;
use super::tabs::ListId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a list is shown, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Its filter as typed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// The column it is sorted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Whether the most comes first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub descending: bool,
    /// Its columns, where they were chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// How its page is arranged, where not as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrange: Option<String>,
}

/// A named view: a list, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedView {
    /// The list's name.
    pub list: String,
    /// How it is shown.
    #[serde(flatten)]
    pub look: Look,
}

/// Everything remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// How lists are shown, by their names.
    pub lists: BTreeMap<String, Look>,
    /// Named views.
    pub views: BTreeMap<String, NamedView>,
    /// Filters used, by the lists' names, the newest last.
    pub recent: BTreeMap<String, Vec<String>>,
}

/// One change of what is remembered: other dashboards' changes stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remember {
    /// How a list is shown, and its filters used.
    List {
        /// Its name.
        list: String,
        /// How it is shown.
        look: Look,
        /// Filters used, the newest last.
        recent: Vec<String>,
    },
    /// A named view.
    View(String, NamedView),
    /// A named view is forgotten.
    Forget(String),
}

impl Remembered {
    /// Takes a change in.
    pub fn take(&mut self, change: Remember) {
        match change {
            Remember::List { list, look, recent } => {
                if look == Look::default() {
                    self.lists.remove(&list);
                } else {
                    self.lists.insert(list.clone(), look);
                }
                if !recent.is_empty() {
                    self.recent.insert(list, recent);
                }
            }
            Remember::View(name, view) => {
                self.views.insert(name, view);
            }
            Remember::Forget(name) => {
                self.views.remove(&name);
            }
        }
    }
}

impl Look {
    /// How a list is shown now.
    pub fn of(shown: &Shown) -> Self {
        Self {
            filter: shown.filter.text().to_owned(),
            sort: shown.sort.map(|sort| sort.field.name.to_owned()),
            descending: shown.sort.is_some_and(|sort| sort.descending),
            columns: shown
                .columns
                .as_ref()
                .map(|columns| columns.iter().map(|field| field.name.to_owned()).collect()),
            arrange: shown.arrange.name().map(str::to_owned),
        }
    }

    /// Shows a list so. What in it is not right any more is left out, and said.
    ///
    /// # Errors
    /// What was left out; the rest is done.
    pub fn show(&self, list: ListId, shown: &mut Shown) -> Result<(), String> {
        let mut wrong = Vec::new();
        shown.filter = Arc::new(Filter::new(list, &self.filter).unwrap_or_else(|error| {
            wrong.push(format!("its filter {:?}: {error}", self.filter));
            Filter::none(list)
        }));
        let mut named = |name: &String| {
            let found = field(list, name);
            if found.is_none() {
                wrong.push(format!("no column is called {name:?}"));
            }
            found
        };
        shown.sort = self.sort.as_ref().and_then(&mut named).map(|field| Sort {
            field,
            descending: self.descending,
        });
        let columns: Option<Vec<_>> = self
            .columns
            .as_ref()
            .map(|columns| columns.iter().filter_map(&mut named).collect());
        shown.columns = columns.filter(|columns| !columns.is_empty());
        shown.arrange = self.arrange.as_deref().and_then(Arrange::named).unwrap_or_default();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("; "))
        }
    }
}
