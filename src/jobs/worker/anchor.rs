//! Writes the newest audit row's hash down outside of the registry, once an hour, so that a tail that
//! was cut off, or a chain that was written anew, shows.

use crate::domain::audit::Anchor;
use crate::registry::{Registry, RegistryError, anchors};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often; how long at most a row can be cut off unseen.
const EVERY: Duration = Duration::from_secs(3_600);
/// One call of the registry, or of the disk.
const LIMIT: Duration = Duration::from_secs(20);

/// Anchors until `end` fires.
pub(super) async fn run(registry: Arc<dyn Registry>, path: PathBuf, end: CancellationToken) {
    loop {
        let wait = match once(registry.as_ref(), &path).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "the audit was not anchored");
                EVERY / 12
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Adds an anchor if the last one is an hour old and the audit went on since; the answer is when to
/// look again.
pub(super) async fn once(registry: &dyn Registry, path: &Path) -> Result<Duration, RegistryError> {
    let file = path.to_owned();
    let known = blocking(move || anchors::read(&file)).await?;
    let now = Timestamp::now();
    if let Some(last) = known.last() {
        let age = now.duration_since(last.at);
        // One from the future is a clock that was set back: not waited for.
        if !age.is_negative() && age < SignedDuration::try_from(EVERY).unwrap_or(SignedDuration::MAX) {
            return Ok(EVERY.saturating_sub(age.unsigned_abs()));
        }
    }
    let head = tokio::time::timeout(LIMIT, registry.audit_head())
        .await
        .unwrap_or_else(|_| Err(late()))?;
    if let Some(head) = head
        && known.last().is_none_or(|last| last.hash != head.hash)
    {
        let (file, anchor) = (path.to_owned(), Anchor { at: now, ..head });
        blocking(move || anchors::append(&file, &anchor)).await?;
    }
    Ok(EVERY)
}

fn late() -> RegistryError {
    RegistryError::Store {
        what: "no answer in time".to_owned(),
        transient: true,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::time::timeout(LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(answer)) => answer,
        _ => Err(late()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SafeText;
    use crate::domain::audit::{Actor, Break};
    use crate::registry::Op;
    use crate::registry::sqlite::Sqlite;

    async fn act(registry: &dyn Registry, name: &str) {
        let op = Op {
            reason: None,
            id: name.to_owned(),
            at: Timestamp::now(),
            actor: Actor {
                os_user: "marie".to_owned(),
                host: "desk".to_owned(),
                via: "cli".to_owned(),
            },
        };
        registry.customer_named(&op, &SafeText::new(name)).await.unwrap();
    }

    #[tokio::test]
    async fn the_newest_row_is_anchored_once_an_hour_and_a_cut_tail_shows() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("registry.db");
        let registry = Sqlite::open(&db).unwrap();
        let path = dir.path().join("x.anchors");
        assert_eq!(once(&registry, &path).await.unwrap(), EVERY, "nothing happened yet");
        assert_eq!(anchors::read(&path).unwrap(), []);
        for name in ["a", "b", "c"] {
            act(&registry, name).await;
        }
        once(&registry, &path).await.unwrap();
        act(&registry, "d").await;
        assert!(once(&registry, &path).await.unwrap() <= EVERY, "not yet an hour");
        let known = anchors::read(&path).unwrap();
        assert_eq!(known.iter().map(|a| a.id).collect::<Vec<_>>(), [3]);
        // An hour ago: the next one is due.
        let old = Anchor {
            at: known[0].at - SignedDuration::from_hours(1),
            ..known[0].clone()
        };
        std::fs::write(&path, format!("{old}\n")).unwrap();
        once(&registry, &path).await.unwrap();
        let known = anchors::read(&path).unwrap();
        assert_eq!(known.iter().map(|a| a.id).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(registry.verify_audit(&known).await.unwrap().broken, None);
        // Whoever may write the file cuts the tail off, and tidies up behind it.
        let conn = rusqlite::Connection::open(&db).unwrap();
        conn.execute_batch(
            "DROP TRIGGER saas_audit_kept; DELETE FROM saas_audit WHERE id = 4;
             UPDATE saas_audit_head SET last_id = 3, hash = (SELECT hash FROM saas_audit WHERE id = 3)",
        )
        .unwrap();
        assert_eq!(
            registry.verify_audit(&[]).await.unwrap().broken,
            None,
            "by itself it shows nothing"
        );
        let verdict = registry.verify_audit(&known).await.unwrap();
        assert!(
            matches!(
                verdict.broken,
                Some(Break::Cut {
                    last: 3,
                    anchored: 4,
                    ..
                })
            ),
            "{verdict:?}"
        );
    }
}
