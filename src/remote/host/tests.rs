use super::*;
use crate::domain::job::{Mark, Stream};
use crate::domain::{DbName, JobId, RemotePath, SafeText};
use crate::remote::testing::{remote, spec};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex as Shared;
use std::time::{Duration, Instant};

fn here() -> (Host, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Host::local(&remote(&folder)), folder)
}

fn path(path: &Path) -> RemotePath {
    RemotePath::parse(path.to_str().unwrap()).unwrap()
}

fn quiet(_: Stream, _: SafeText) {}

fn run<'a>(argv: &'a [&'a str]) -> Run<'a> {
    Run::reading(argv, Duration::from_secs(20))
}

#[tokio::test]
async fn lines_come_as_they_are_written_and_can_not_drive_a_terminal() {
    let (host, _folder) = here();
    let lines = Shared::new(Vec::new());
    let script = "printf 'one\\n\\033[2Jtwo\\r\\n'; echo err >&2; printf tail; exit 3";
    let output = host
        .run(&run(&["sh", "-c", script]), &|stream, line| {
            lines.lock().unwrap().push((stream, line.to_string()))
        })
        .await
        .unwrap();
    assert_eq!((output.code, output.stderr.as_str()), (Some(3), "err"));
    let lines = lines.into_inner().unwrap();
    let of = |wanted| {
        lines
            .iter()
            .filter(|(s, _)| *s == wanted)
            .map(|(_, l)| l.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Stream::Stdout), ["one", "␛[2Jtwo", "tail"]);
    assert_eq!(of(Stream::Stderr), ["err"]);
    let error = host.must(&run(&["sh", "-c", script]), &quiet).await.unwrap_err();
    assert!(
        error.to_string().contains("exit status 3") && error.to_string().ends_with("err"),
        "{error}"
    );
}

#[tokio::test]
async fn a_line_without_end_and_an_output_without_end_are_cut() {
    let (host, _folder) = here();
    let longest = Shared::new(0);
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last";
    let lines = Shared::new(Vec::new());
    let output = host
        .run(&run(&["sh", "-c", script]), &|_, line| {
            let mut longest = longest.lock().unwrap();
            *longest = line.as_str().len().max(*longest);
            lines.lock().unwrap().push(line.to_string().len());
        })
        .await
        .unwrap();
    assert_eq!(output.stdout.len(), 1 << 20);
    assert!(longest.into_inner().unwrap() < 9_000);
    assert_eq!(lines.into_inner().unwrap().last(), Some(&4));
}

#[tokio::test]
async fn a_command_gets_its_standard_input_and_nothing_else() {
    let (host, _folder) = here();
    let with = Run {
        stdin: Some(b"given"),
        ..run(&["cat"])
    };
    assert_eq!(host.run(&with, &quiet).await.unwrap().text(), "given");
    assert_eq!(host.run(&run(&["cat"]), &quiet).await.unwrap().text(), "");
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_its_children() {
    let (host, folder) = here();
    let pids = folder.path().join("pids");
    let script = format!("sleep 1000 & echo $! > {}; wait", pids.display());
    let argv = ["sh", "-c", script.as_str()];
    let slow = Run {
        limit: Duration::from_millis(500),
        ..run(&argv)
    };
    let begun = Instant::now();
    let error = host.run(&slow, &quiet).await.unwrap_err();
    assert!(matches!(error, RemoteError::Deadline { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    let pid = std::fs::read_to_string(&pids).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(begun.elapsed() < Duration::from_secs(8), "its child lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let (host, _folder) = here();
    let error = host.run(&run(&["no-such-program"]), &quiet).await.unwrap_err();
    assert!(
        error.to_string().contains("no-such-program can't be started"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn arguments_arrive_byte_for_byte(args in proptest::collection::vec("[^\\x00]{0,40}", 1..6)) {
        let (host, _folder) = here();
        let mut argv = vec!["printf", "%s\\0"];
        argv.extend(args.iter().map(String::as_str));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let output = runtime.block_on(host.run(&run(&argv), &quiet)).unwrap();
        let got: Vec<_> = output.stdout.split(|b| *b == 0).map(|b| String::from_utf8_lossy(b).into_owned()).collect();
        prop_assert_eq!(&got[..got.len() - 1], &args[..]);
    }
}

#[tokio::test]
async fn a_file_is_written_whole_with_its_mode_and_leaves_nothing_beside_it() {
    let (host, folder) = here();
    let file = folder.path().join("conf ig'$x");
    for (content, mode) in [("first", 0o600), ("second, longer", 0o640)] {
        host.write(&path(&file), content.as_bytes(), Owner::Maker, mode)
            .await
            .unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, mode);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = path(&folder.path().join("absent/file"));
    assert!(host.write(&nowhere, b"x", Owner::Maker, 0o600).await.is_err());
    assert_eq!(
        host.read_file(&path(&file)).await.unwrap().as_deref(),
        Some(b"second, longer".as_slice())
    );
    assert_eq!(host.read_file(&nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn a_new_name_that_is_taken_is_not_replaced() {
    let (host, folder) = here();
    let [from, to, free] = ["from", "to", "free"].map(|n| folder.path().join(n));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("theirs"), "x").unwrap();
    let taken = host.rename_no_replace(&path(&from), &path(&to)).await.unwrap_err();
    assert!(
        matches!(taken, RemoteError::Host(HostError::Stranger { .. })),
        "{taken}"
    );
    assert!(from.exists() && to.join("theirs").exists());
    assert!(host.copy_tree_reflink(&path(&from), &path(&to)).await.is_err());
    host.rename_no_replace(&path(&from), &path(&free)).await.unwrap();
    assert!(!from.exists() && free.exists());
}

fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

fn mark(job: i64, nonce: &str) -> Mark {
    Mark {
        job: JobId(job),
        nonce: nonce.to_owned(),
    }
}

/// A data folder whose database `tpl` has a filestore.
fn with_filestore(folder: &Path) -> Filestore {
    let store = folder.join("data/filestore/tpl/ab");
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(store.join("ab12"), "content").unwrap();
    std::fs::set_permissions(store.join("ab12"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let keep = tempfile::tempdir().unwrap();
    Filestore::new(Host::local(&remote(&keep)), &path(&folder.join("data"))).unwrap()
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.join("data/filestore"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_filestore_is_copied_marked_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_filestore(folder.path());
    let (tpl, new, ours) = (db("tpl"), db("new"), mark(7, "abc"));
    assert!(store.exists(&tpl).await.unwrap() && !store.exists(&new).await.unwrap());
    assert_eq!(store.clone_to(&tpl, &new, &ours).await.unwrap(), StoreClone::Now);
    let copied = folder.path().join("data/filestore/new/ab/ab12");
    assert_eq!(std::fs::read_to_string(&copied).unwrap(), "content");
    let (from, to) = (folder.path().join("data/filestore/tpl/ab/ab12"), copied);
    let (from, to) = (std::fs::metadata(from).unwrap(), std::fs::metadata(to).unwrap());
    assert_eq!(
        (from.mode(), from.uid(), from.mtime()),
        (to.mode(), to.uid(), to.mtime())
    );
    assert!(store.bytes(&new).await.unwrap() >= 7);
    assert!(store.is_marked(&new, &ours).await.unwrap() && !store.is_marked(&tpl, &ours).await.unwrap());
    assert_eq!(entries(folder.path()), ["new", "tpl"]);
    // Twice is once; undone twice is undone.
    assert_eq!(store.clone_to(&tpl, &new, &ours).await.unwrap(), StoreClone::Already);
    assert!(store.undo(&new, &ours).await.unwrap());
    assert!(!store.undo(&new, &ours).await.unwrap());
    assert_eq!(entries(folder.path()), ["tpl"]);
    assert_eq!(
        store.clone_to(&db("absent"), &new, &ours).await.unwrap(),
        StoreClone::NoSource
    );
    assert_eq!(store.bytes(&new).await.unwrap(), 0);
}

#[tokio::test]
async fn a_filestore_that_is_not_ours_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_filestore(folder.path());
    let (tpl, theirs, ours) = (db("tpl"), db("theirs"), mark(7, "abc"));
    store.clone_to(&tpl, &theirs, &mark(7, "abcd")).await.unwrap();
    for target in [&theirs, &tpl] {
        let undo = store.undo(target, &ours).await.unwrap_err();
        assert!(matches!(undo, RemoteError::Host(HostError::Stranger { .. })), "{undo}");
        let clone = store.clone_to(&tpl, target, &ours).await.unwrap_err();
        assert!(
            matches!(clone, RemoteError::Host(HostError::Stranger { .. })),
            "{clone}"
        );
    }
    assert!(folder.path().join("data/filestore/theirs/ab/ab12").exists());
    assert_eq!(entries(folder.path()), ["theirs", "tpl"]);
}

#[tokio::test]
async fn what_a_crash_left_half_copied_or_half_removed_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_filestore(folder.path());
    let (tpl, new, ours) = (db("tpl"), db("new"), mark(7, "abc"));
    // Killed while it copied: a part of it under the one-time name, without a mark.
    let aside = folder.path().join("data/filestore/.vigie-7-abc");
    std::fs::create_dir_all(aside.join("ab")).unwrap();
    assert!(!store.undo(&new, &ours).await.unwrap());
    assert_eq!(entries(folder.path()), ["tpl"]);
    // And when it goes on instead.
    std::fs::create_dir_all(aside.join("zz/stale")).unwrap();
    assert_eq!(store.clone_to(&tpl, &new, &ours).await.unwrap(), StoreClone::Now);
    assert!(!folder.path().join("data/filestore/new/zz").exists());
    // Killed while an instance was deleted.
    assert!(store.remove(&new, &ours).await.unwrap());
    std::fs::create_dir_all(&aside).unwrap();
    assert!(store.remove(&new, &ours).await.unwrap());
    assert_eq!(entries(folder.path()), ["tpl"]);
}

#[tokio::test]
async fn a_read_only_handle_changes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_filestore(folder.path()));
    let keep = tempfile::tempdir().unwrap();
    let host = Host::local(&remote(&keep).read_only());
    let store = Filestore::new(host.clone(), &path(&folder.path().join("data"))).unwrap();
    let (tpl, new, ours) = (db("tpl"), db("new"), mark(7, "abc"));
    let file = path(&folder.path().join("file"));
    let writing = Run {
        writes: true,
        ..run(&["true"])
    };
    let refused = [
        store.clone_to(&tpl, &new, &ours).await.err(),
        store.undo(&tpl, &ours).await.err(),
        store.remove(&tpl, &ours).await.err(),
        host.write(&file, b"x", Owner::Maker, 0o600).await.err(),
        host.rename_no_replace(&file, &file).await.err(),
        host.copy_tree_reflink(&file, &file).await.err(),
        host.run(&writing, &quiet).await.err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(RemoteError::WriteRefused { .. })), "{error:?}");
    }
    assert_eq!(entries(folder.path()), ["tpl"]);
    assert!(store.exists(&tpl).await.unwrap(), "reading is allowed");
}

#[test]
fn a_machine_elsewhere_needs_ssh() {
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    assert!(remote.host(&spec("http://127.0.0.1:8069")).unwrap().is_local());
    let error = remote.host(&spec("https://odoo1.example.org")).err().unwrap();
    assert!(matches!(error, RemoteError::NotConfigured { .. }), "{error}");
}
