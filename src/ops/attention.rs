//! Calling the operator's own command when something went wrong.

use super::{Answer, Ops};
use crate::domain::alert::Ring;
use crate::remote::hook;
use serde_json::json;

impl Ops {
    /// Runs the command of the settings with what a call is about; nothing where none is set.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub async fn call_command(&self, ring: &Ring) -> Answer<()> {
        let alerts = &self.settings().alerts;
        let Some(worst) = ring.alerts.first() else {
            return Ok(());
        };
        if alerts.command.is_empty() {
            return Ok(());
        }
        let profile = self.settings().fleet.name.to_string();
        let env = [
            ("VIGIE_PROFILE", profile.clone()),
            ("VIGIE_ALERT_COUNT", ring.count.to_string()),
            ("VIGIE_ALERT_KIND", worst.kind.word().to_owned()),
            ("VIGIE_ALERT_SEVERITY", worst.kind.severity().word().to_owned()),
            ("VIGIE_ALERT_NAME", worst.label.to_string()),
            ("VIGIE_ALERT_TEXT", ring.text().to_string()),
        ];
        let all: Vec<_> = ring
            .alerts
            .iter()
            .map(|alert| {
                json!({
                    "kind": alert.kind, "severity": alert.kind.severity(), "name": alert.label, "text": alert.text,
                    "object": alert.subject.map(crate::domain::explain::Subject::object),
                    "raised_at": alert.raised_at, "times": alert.times,
                })
            })
            .collect();
        let told = json!({
            "profile": profile, "at": ring.at, "count": ring.count, "text": ring.text(), "alerts": all,
        });
        hook::tell(
            &alerts.command,
            &env,
            format!("{told}\n").as_bytes(),
            alerts.command_timeout.0,
        )
        .await
    }
}
