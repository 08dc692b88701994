//! `vigie plan …`, `vigie customer …`.

use super::{Desk, Done};
use crate::cli::args::{CustomerVerb, PlanVerb};
use crate::cli::show;
use crate::cli::table::Table;
use crate::domain::instance::Plan;
use crate::domain::{PlanId, SafeText};
use serde_json::Value;

fn number(n: Option<u32>) -> String {
    n.map_or_else(|| "any".to_owned(), |n| n.to_string())
}

pub(super) async fn plan(desk: &Desk<'_>, verb: PlanVerb) -> Done {
    match verb {
        PlanVerb::List => {
            let plans = desk.ops.plans().await?;
            let json = plans.iter().map(show::plan).collect();
            desk.shell.result(&Value::Array(json), || {
                let mut table = Table::new(&["CODE", ">USERS", ">STORAGE, GB", "NAME"]);
                for p in &plans {
                    let name = p.name.to_string();
                    table.row([p.code.clone(), number(p.max_users), number(p.max_storage_gb), name]);
                }
                table.text("no plans: add one with `vigie plan add CODE`")
            })
        }
        PlanVerb::Add {
            code,
            name,
            max_users,
            max_storage_gb,
        } => {
            let plan = Plan {
                id: PlanId(0),
                name: SafeText::capped(name.as_deref().unwrap_or(&code).trim(), 200),
                code,
                max_users,
                max_storage_gb,
            };
            let plan = desk.ops.plan_add(plan).await?;
            desk.shell.result(&show::plan(&plan), || format!("{} added", plan.code))
        }
    }
}

pub(super) async fn customer(desk: &Desk<'_>, verb: CustomerVerb) -> Done {
    match verb {
        CustomerVerb::List => {
            let customers = desk.ops.customers().await?;
            let json = customers.iter().map(show::customer).collect();
            desk.shell.result(&Value::Array(json), || {
                let mut table = Table::new(&[">ID", "NAME"]);
                for c in &customers {
                    table.row([c.id.to_string(), c.name.to_string()]);
                }
                table.text("no customers: `vigie instance create … --customer NAME` adds them as they come")
            })
        }
        CustomerVerb::Add { name } => {
            let customer = desk.ops.customer_add(&name).await?;
            desk.shell.result(&show::customer(&customer), || {
                format!("{} is customer {}", customer.name, customer.id)
            })
        }
    }
}
