//! The end of a new instance: what operators read on the server, and its place in the registry.

use super::shell::{At, at, build, database, literal, mark};
use crate::domain::dedicated::{DedicatedFacts, Purpose};
use crate::domain::instance::InstanceState;
use crate::domain::names::RemotePath;
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::host::Owner;
use async_trait::async_trait;

/// The list of ports that are taken.
const PORTS: &str = "puertos_ocupados_odoo.txt";

/// Adds lines to a list that others write as well, or takes them out of it, under a lock. Its arguments:
/// `add` or `remove`, the file, the lines. A list is replaced whole, with its owner and mode.
const LIST: &str = r#"
set -eu
what=$1 file=$2
shift 2
if [ ! -e "$file" ]; then
    [ "$what" = add ] || exit 0
    : >> "$file"
fi
exec 9< "$file"
flock -w 30 9
next=$(mktemp -- "$file.vigie-XXXXXX")
trap 'rm -f -- "$next"' EXIT
cp -p -- "$file" "$next"
for line in "$@"; do
    if [ "$what" = add ]; then
        grep -qxF -e "$line" -- "$next" || printf '%s\n' "$line" >> "$next"
    else
        grep -vxF -e "$line" -- "$next" > "$next.less" || true
        cat -- "$next.less" > "$next"
        rm -f -- "$next.less"
    fi
done
cat -- "$next" > "$file"
"#;

/// The list of the instances of a purpose.
fn list_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Production => "prod-instances.txt",
        Purpose::Development => "dev-instances.txt",
    }
}

/// Keeps the operators' lists in `folder`.
pub(super) async fn keep_lists(cx: &Cx, at: &At, folder: &RemotePath, what: &str) -> Result<(), StepError> {
    let names = at.names();
    let list = format!("{folder}/{}", list_of(at.spec.purpose));
    at.change(cx, &["sh", "-c", LIST, "vigie", what, &list, names.instance.as_str()])
        .await?;
    let (ports, http, gevent) = (
        format!("{folder}/{PORTS}"),
        at.spec.ports.http.to_string(),
        at.spec.ports.gevent.to_string(),
    );
    at.change(cx, &["sh", "-c", LIST, "vigie", what, &ports, &http, &gevent])
        .await?;
    Ok(())
}

pub(super) struct Tracking;

fn summary(cx: &Cx, at: &At, mark: &str) -> Result<String, StepError> {
    let (names, spec) = (at.names(), cx.world.instance_spec()?);
    let lines = [
        ("Instancia", names.instance.to_string()),
        ("Nombre", spec.name.to_string()),
        ("Dominio", names.domain.clone()),
        ("URL", spec.url.clone()),
        ("Base de datos", names.database.to_string()),
        ("Usuario", names.user.clone()),
        ("Puerto HTTP", at.spec.ports.http.to_string()),
        ("Puerto gevent", at.spec.ports.gevent.to_string()),
        ("Servicio", names.unit.clone()),
        ("Carpeta", at.spec.folder.to_string()),
        ("Odoo", at.spec.series.0.to_string()),
        ("Certificado", at.spec.tls.word().to_owned()),
        ("DNS", at.spec.dns.word().to_owned()),
        ("Estado", format!("systemctl status {}", names.unit)),
        ("Log", format!("journalctl -u {} -n 50 --no-pager", names.unit)),
    ];
    let body: String = lines.iter().map(|(what, value)| format!("{what}: {value}\n")).collect();
    Ok(format!("# {mark}\n{body}"))
}

#[async_trait]
impl Step for Tracking {
    fn name(&self) -> &'static str {
        "tracking"
    }
    fn title(&self) -> &'static str {
        "write it down on the server"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        let info = at.path("info-instancia.txt")?;
        Ok(Planned::on(match &build(cx)?.tracking {
            Some(folder) => format!("{info}; {} and {PORTS} in {folder}", list_of(at.spec.purpose)),
            None => info.to_string(),
        }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let text = summary(cx, &at, &mark)?;
        let file = at.path("info-instancia.txt")?;
        at.host
            .write(&file, text.as_bytes(), Owner::Named("root", &at.names().user), 0o640)
            .await?;
        if let Some(folder) = &build(cx)?.tracking {
            keep_lists(cx, &at, folder, "add").await?;
        }
        Ok(Outcome::default())
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if let Some(folder) = &build(cx)?.tracking {
            keep_lists(cx, &at(cx)?, folder, "remove").await?;
        }
        Ok(Outcome::default())
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        let folder = build(cx).ok()?.tracking.as_ref()?;
        Some(Leftover {
            what: format!(
                "its lines in {folder}/{} and {folder}/{PORTS}",
                list_of(at.spec.purpose)
            ),
            remove: format!("take {} and its ports out of them", at.names().instance),
        })
    }
}

pub(super) struct Activate;

#[async_trait]
impl Step for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }
    fn title(&self) -> &'static str {
        "activate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(cx.world.instance_spec()?.url.as_str()))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Its effect is in the registry, in the transaction of its record: in doubt it isn't there.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let Some(id) = cx.spec.instance_id() else {
            return Ok(Outcome::default());
        };
        let (at, mark) = (at(cx)?, mark(cx)?);
        let sql = format!("SELECT pg_database_size({})", literal(database(&at).as_str()));
        let size_bytes = at.psql(cx, "postgres", &sql, false).await?.parse().ok();
        let facts = DedicatedFacts {
            mark: Some(mark),
            ..DedicatedFacts::default()
        };
        Ok(Outcome::default()
            .then(Consequence::DedicatedFacts(id, facts))
            .then(Consequence::InstanceFacts {
                id,
                database_oid: None,
                database_uuid: None,
                size_bytes,
            })
            .then(Consequence::InstanceState(id, InstanceState::Active)))
    }
}
