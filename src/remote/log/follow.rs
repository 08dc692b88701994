//! Keeps up with a file: the kernel tells when it or its folder is touched; what came is counted in
//! the background. Where the kernel can't tell (a network file system), it is looked at now and then.

use super::chain::Look;
use super::{Inner, Store, index};
use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a file is looked at that the kernel says nothing of.
const POLL: Duration = Duration::from_millis(500);
/// The shortest time between two looks: a file that is written to all the time.
const REST: Duration = Duration::from_millis(25);
/// How often the count of lines is told while a large file is counted.
const TELL: Duration = Duration::from_millis(100);

/// Starts following; it ends when the guard is dropped.
pub(super) fn start(path: &Path, inner: &Arc<Inner>) -> DropGuard {
    let stop = CancellationToken::new();
    let (weak, path, stopped) = (Arc::downgrade(inner), path.to_owned(), stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = follow(weak, path, stopped.clone()) => {}
        }
    });
    stop.drop_guard()
}

fn watch(path: &Path, touched: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let name = path.file_name()?.to_owned();
    let touched = Arc::clone(touched);
    let tell = move |event: notify::Result<notify::Event>| {
        let ours = match &event {
            Ok(event) => {
                !event.kind.is_access()
                    && event
                        .paths
                        .iter()
                        .any(|path| path.file_name() == Some(name.as_os_str()))
            }
            Err(_) => true,
        };
        if ours {
            touched.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(tell).ok()?;
    watcher.watch(&folder, RecursiveMode::NonRecursive).ok()?;
    // A file behind a link is written to elsewhere.
    let real = std::fs::canonicalize(path).ok()?;
    if real.parent() != Some(&folder) {
        let _ = watcher.watch(&real, RecursiveMode::NonRecursive);
    }
    on_this_machine(path).then_some(watcher)
}

/// Whether the kernel sees every write to a file: not on file systems that others write to.
fn on_this_machine(path: &Path) -> bool {
    const NETWORK: [u64; 5] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x517b, 0x6573_5546];
    rustix::fs::statfs(path).is_ok_and(|fs| {
        let kind = (fs.f_type as u64) & 0xffff_ffff;
        !NETWORK.contains(&kind)
    })
}

async fn follow(inner: Weak<Inner>, path: PathBuf, stop: CancellationToken) {
    let touched = Arc::new(Notify::new());
    let watcher = {
        let touched = Arc::clone(&touched);
        // Looking at a file's folder may wait for a disk.
        tokio::task::spawn_blocking(move || watch(&path, &touched)).await
    };
    let watcher = watcher.ok().flatten();
    let opened_at = inner.upgrade().map_or(0, |inner| inner.store.bytes().end());
    loop {
        let Some(this) = inner.upgrade() else { return };
        let stopped = stop.clone();
        let looked = tokio::task::spawn_blocking(move || look(&this, opened_at, &stopped)).await;
        if looked.is_err() {
            return;
        }
        if watcher.is_some() {
            touched.notified().await;
            tokio::time::sleep(REST).await;
        } else {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Takes in what came, and counts its lines.
fn look(inner: &Inner, opened_at: u64, stop: &CancellationToken) {
    let Store::File(chain) = &inner.store else { return };
    match chain.look() {
        Ok(Look::Same | Look::Grown | Look::Rotated | Look::Truncated) => {}
        Err(error) => tracing::warn!(path = inner.path, %error, "the log can't be looked at"),
    }
    let mut buffer = Vec::new();
    let mut told = std::time::Instant::now();
    tell(inner);
    loop {
        let before = inner.index().done();
        let counted = index::step(|with| with(&mut inner.index()), chain, &mut buffer);
        match counted {
            Ok(Some(new)) => {
                if before >= opened_at {
                    inner.status.send_if_modified(|status| {
                        status.new_lines += new;
                        false
                    });
                }
                if told.elapsed() >= TELL {
                    told = std::time::Instant::now();
                    tell(inner);
                }
                if stop.is_cancelled() {
                    return;
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(path = inner.path, %error, "the log can't be counted");
                break;
            }
        }
    }
    tell(inner);
}

fn tell(inner: &Inner) {
    let (lines, counted) = {
        let index = inner.index();
        (index.lines(), index.done())
    };
    let bytes = inner.store.bytes();
    let (start, end) = (bytes.start(), bytes.end());
    inner.status.send_if_modified(|status| {
        let changed = status.start != start || status.end != end || status.counted != counted;
        status.start = start;
        status.end = end;
        status.lines = lines;
        status.counted = counted;
        changed
    });
}
