//! How a dedicated instance looks from the shell.

use crate::domain::dedicated::DedicatedSpec;
use serde_json::{Value, json};

/// As JSON, with the registry's own field names.
pub(super) fn dedicated(d: &DedicatedSpec) -> Value {
    json!({
        "purpose": d.purpose.word(),
        "domain": d.names.domain,
        "odoo_series": d.series.0,
        "http_port": d.ports.http,
        "gevent_port": d.ports.gevent,
        "unit": d.names.unit,
        "os_user": d.names.user,
        "folder": d.folder,
        "tls": d.tls.word(),
        "dns": d.dns.word(),
        "dns_record": d.facts.dns_record,
        "certificate_end": d.facts.certificate_end,
    })
}

/// As lines of the instance's card.
pub(super) fn pairs(d: Option<&DedicatedSpec>) -> Vec<(&'static str, String)> {
    let Some(d) = d else { return Vec::new() };
    let end = d.facts.certificate_end;
    vec![
        ("kind", format!("dedicated, {}", d.purpose.word())),
        ("domain", d.names.domain.clone()),
        ("Odoo", d.series.0.to_string()),
        (
            "ports",
            format!("{} (HTTP), {} (websocket)", d.ports.http, d.ports.gevent),
        ),
        ("unit", d.names.unit.clone()),
        ("system user", d.names.user.clone()),
        ("folder", d.folder.to_string()),
        ("certificate", d.tls.word().to_owned()),
        ("until", end.map(|end| end.to_string()).unwrap_or_default()),
        ("DNS", d.dns.word().to_owned()),
    ]
}
