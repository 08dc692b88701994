//! Dedicated instances from the shell.

use super::{Desk, Done};
use crate::cli::args::InstanceCreate;
use crate::cli::{show, show_dedicated};
use crate::domain::Problem;
use crate::domain::dedicated::{DnsMethod, Purpose, TlsMethod};
use crate::ops::{DedicatedPlan, DedicatedRequest};
use serde_json::Value;

fn method<T>(what: &str, word: Option<&str>, of: fn(&str) -> Option<T>, known: &[&str]) -> Result<Option<T>, Problem> {
    let Some(word) = word else { return Ok(None) };
    of(word).map(Some).ok_or_else(|| {
        Problem::new("usage", format!("--{what} {word:?}: no such method"))
            .hint(format!("one of: {}", known.join(", ")))
    })
}

pub(super) async fn create(desk: &Desk<'_>, args: InstanceCreate) -> Done {
    let tls: Vec<&str> = TlsMethod::ALL.iter().map(|one| one.word()).collect();
    let dns: Vec<&str> = DnsMethod::ALL.iter().map(|one| one.word()).collect();
    let tls = method("tls", args.own.tls.as_deref(), TlsMethod::of, &tls)?;
    let dns = method("dns", args.own.dns.as_deref(), DnsMethod::of, &dns)?;
    let server = desk.ops.server(args.server.as_deref().unwrap_or_default()).await?.id;
    let plan = match &args.plan {
        Some(word) => Some(desk.ops.plan(word).await?.id),
        None => None,
    };
    let admin_password = super::instance::administrator(desk, &args).await?;
    let planned = desk
        .ops
        .plan_dedicated(DedicatedRequest {
            name: args.name,
            server,
            purpose: Purpose::of(&args.own.purpose).unwrap_or(Purpose::Production),
            tls,
            dns,
            version: args.own.odoo,
            source: args.own.source,
            branch: args.own.branch,
            customer: args.customer,
            plan,
            admin_login: args.admin_login,
            admin_password,
        })
        .await?;
    if args.job.dry_run {
        return desk.shell.result(&plan_json(&planned), || plan_text(&planned));
    }
    let job = desk.ops.create_dedicated(planned).await?;
    desk.queued(job, args.job.wait).await
}

fn plan_json(plan: &DedicatedPlan) -> Value {
    let mut json = show::job_plan(&plan.job);
    super::instance::planned_json(&mut json, &plan.spec, plan.customer.as_ref(), &plan.server);
    json["dedicated"] = plan.spec.dedicated().map(show_dedicated::dedicated).unwrap_or_default();
    json
}

fn plan_text(plan: &DedicatedPlan) -> String {
    let spec = &plan.spec;
    let mut lines = vec![
        ("name", spec.name.to_string()),
        ("URL", spec.url.clone()),
        ("database", spec.database_name.to_string()),
        ("login", spec.admin_login.clone()),
        ("server", plan.server.spec.code.to_string()),
    ];
    if let Some(customer) = &plan.customer {
        lines.insert(1, ("customer", customer.to_string()));
    }
    lines.extend(show_dedicated::pairs(spec.dedicated()));
    let mut text = crate::cli::table::card(&lines);
    text.push('\n');
    text.push_str(&show::job_plan_text(&plan.job));
    text.push_str("nothing was changed\n");
    text
}
