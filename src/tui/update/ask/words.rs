//! The words of questions.

use crate::tui::model::{Act, Model, Seen, TemplateWork};

/// What is different from what was seen, field by field.
pub(super) fn difference(was: &Seen, is: &Seen) -> Vec<String> {
    let mut parts = Vec::new();
    let mut word = |name: &str, a: &str, b: &str| {
        if a != b {
            parts.push(format!("{name} {a} → {b}"));
        }
    };
    let (before, after) = match (was, is) {
        (Seen::Server(a), Seen::Server(b)) => {
            word("state", a.state().word(), b.state().word());
            (serde_json::to_value(&a.spec), serde_json::to_value(&b.spec))
        }
        (Seen::Template(a), Seen::Template(b)) => {
            word("state", a.state.word(), b.state.word());
            (serde_json::to_value(&a.spec), serde_json::to_value(&b.spec))
        }
        (Seen::Instance(a), Seen::Instance(b)) => {
            word("state", a.state.word(), b.state.word());
            word("name", a.name(), b.name());
            word("subdomain", a.subdomain(), b.subdomain());
            word("database", a.database(), b.database());
            return parts;
        }
        (Seen::Job(a), Seen::Job(b)) => {
            word("state", a.word(), b.word());
            return parts;
        }
        _ => return parts,
    };
    let (Ok(serde_json::Value::Object(before)), Ok(serde_json::Value::Object(after))) = (before, after) else {
        return parts;
    };
    for (name, new) in &after {
        let old = before.get(name).unwrap_or(&serde_json::Value::Null);
        if old == new {
            continue;
        }
        // Where a secret comes from is nothing to show.
        if name.contains("password") || new.is_object() {
            parts.push(name.clone());
        } else {
            parts.push(format!("{name} {old} → {new}"));
        }
    }
    parts
}

/// What is asked before an action: the question, what it means, the button.
pub(super) fn question(model: &Model, act: &Act, name: &str) -> (String, Vec<String>, &'static str) {
    let instances = |n: u32| match n {
        0 => "It hosts no instance.".to_owned(),
        1 => "Its instance stays as it is.".to_owned(),
        n => format!("Its {n} instances stay as they are."),
    };
    match act {
        Act::Deactivate { .. } => (
            format!("Take server {name} out of service?"),
            vec!["It takes no new instances, and is no longer checked.".to_owned()],
            "Deactivate",
        ),
        Act::Maintain { server, .. } => {
            let count = model.store.server(*server).map_or(0, |server| server.instance_count);
            let lines = vec![
                instances(count),
                "New ones go elsewhere until it is activated.".to_owned(),
            ];
            (format!("Put server {name} in maintenance?"), lines, "Maintenance")
        }
        Act::Command(run) => (
            format!("Run {} on {name}?", run.name),
            vec![crate::domain::command::Typed(&run.argv).to_string()],
            "Run",
        ),
        Act::DeleteServer { .. } => (
            format!("Delete server {name} from the registry?"),
            vec!["Its history goes with it. The machine itself is not touched.".to_owned()],
            "Delete",
        ),
        Act::DeleteTemplate { template, .. } => {
            let database = model
                .store
                .template(*template)
                .map(|template| template.spec.template_database.to_string())
                .unwrap_or_default();
            (
                format!("Delete template {name} from the registry?"),
                vec![format!("Its database {database} is not touched.")],
                "Delete",
            )
        }
        Act::DeleteInstance { instance, .. } => {
            let row = model.store.instance(*instance);
            let server = row.map_or("?", |row| model.store.server_code(row.server));
            let database = row.map_or("?", |row| row.database());
            let customer = row
                .and_then(|row| row.customer())
                .and_then(|id| model.store.customer(id))
                .map(|customer| format!(" of {}", customer.name))
                .unwrap_or_default();
            let lines = vec![
                format!("Its database {database} and its files are deleted from {server}."),
                "This can't be undone.".to_owned(),
            ];
            (
                format!("Delete instance {name}{customer} on {server}?"),
                lines,
                "Delete",
            )
        }
        Act::ForgetInstance { .. } => (
            format!("Remove the record of instance {name}?"),
            vec!["It has no database: nothing else is left of it.".to_owned()],
            "Remove",
        ),
        Act::CancelJob(id) => {
            let title = model
                .store
                .job(*id)
                .map(|job| job.title.to_string())
                .unwrap_or_default();
            let lines = vec!["What it has done so far is undone, newest first.".to_owned()];
            (format!("Cancel {name}, {title}?"), lines, "Cancel the job")
        }
        Act::TemplateJob {
            work: TemplateWork::Adopt,
            ..
        } => (
            format!("Adopt the database of template {name}?"),
            vec!["It is frozen: nobody can connect to it until it is thawed.".to_owned()],
            "Adopt",
        ),
        Act::TemplateJob { .. } => (
            format!("Thaw template {name}?"),
            vec!["No instance can be made from it until it is adopted again.".to_owned()],
            "Thaw",
        ),
        Act::Activate { .. } => (
            format!("Put server {name} in service?"),
            vec!["Its connection is tested first.".to_owned()],
            "Activate",
        ),
        Act::RetryJob(_) => (format!("Run {name} again?"), Vec::new(), "Retry"),
        Act::AddServer(_) => (format!("Add server {name}?"), Vec::new(), "Add"),
        Act::EditServer { .. } => (format!("Change server {name}?"), Vec::new(), "Change"),
        Act::AddTemplate(_) => (format!("Add template {name}?"), Vec::new(), "Add"),
        _ => (format!("Go on with {name}?"), Vec::new(), "Go on"),
    }
}
