//! What a test of a server found, layer by layer.

use super::Model;
use super::page::{Page, PageLine, Tone};
use super::pages::Lines;
use super::words::took;
use crate::domain::ServerId;
use crate::domain::check::CheckReport;

pub(super) fn tested(model: &Model, id: ServerId, report: &CheckReport) -> Page {
    let mut out = Lines::new();
    match &report.failure {
        Some(failure) => {
            out.toned("result", format!("✖ {failure}"), Tone::Bad);
            out.toned("next", failure.hint(), Tone::Warning);
        }
        None => {
            let version = report
                .version
                .as_ref()
                .map(|v| format!(", Odoo {v}"))
                .unwrap_or_default();
            out.toned(
                "result",
                format!("● answers in {}{version}", took(report.latency_ms)),
                Tone::Good,
            );
        }
    }
    for warning in &report.warnings {
        out.toned("warning", format!("▲ {warning}"), Tone::Warning);
        out.toned("next", warning.hint(), Tone::Plain);
    }
    out.head("layer by layer");
    for layer in &report.layers {
        let (sign, tone) = match layer.passed {
            Some(true) => ("✔", Tone::Good),
            Some(false) => ("✖", Tone::Bad),
            None => ("·", Tone::Dim),
        };
        let took = if layer.passed.is_some() {
            took(layer.took_ms)
        } else {
            String::new()
        };
        out.toned(
            &format!("{sign} {}", layer.name),
            format!("{took:<9} {}", layer.note),
            tone,
        );
    }
    out.push(PageLine::Blank);
    out.text("A test keeps nothing; a check (r) does.", Tone::Dim);
    out.page(format!("test of {}", model.store.server_code(id)))
}
