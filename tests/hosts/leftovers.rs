//! A host goes with whoever started it, and leaves nothing behind.

use crate::lab::{own, until};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FILE: &str = "VIGIE_TEST_HOST_NAME_FILE";

/// What a host called so has on this machine.
fn left(name: &str) -> Vec<String> {
    let mut left = Vec::new();
    let mut there = |path: PathBuf| {
        if path.exists() {
            left.push(path.display().to_string());
        }
    };
    there(std::env::temp_dir().join(format!("vigie-host-{name}")));
    there(Path::new("/sys/class/net").join(format!("ve-{name}")));
    for group in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        there(group.path().join(format!("vigie-{name}")));
    }
    there(Path::new("/sys/fs/cgroup").join(format!("vigie-{name}")));
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(name)).map(str::to_owned));
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if memchr::memmem::find(&line, name.as_bytes()).is_some() {
            left.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
    left
}

#[test]
#[ignore = "started and killed by the test below"]
fn a_host_that_waits_to_be_killed() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let Some(lab) = own() else { return };
    std::fs::write(Path::new(&file).with_extension("new"), lab.name()).unwrap();
    std::fs::rename(Path::new(&file).with_extension("new"), file).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(300));
}

#[test]
fn nothing_is_left_of_a_host_that_is_dropped_or_whose_test_was_killed() {
    let Some(lab) = own() else { return };
    let name = lab.name().to_owned();
    assert!(
        left(&name).len() >= 3,
        "the host is looked for in the right places: {:?}",
        left(&name)
    );
    drop(lab);
    until("a host that was dropped is gone", || left(&name).is_empty());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("name");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "leftovers::a_host_that_waits_to_be_killed"])
        .env(FILE, &file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the other test has its host", || file.exists());
    let name = std::fs::read_to_string(&file).unwrap();
    assert!(left(&name).len() >= 3, "{:?}", left(&name));
    child.kill().unwrap();
    child.wait().unwrap();
    until("a host whose test was killed is gone", || left(&name).is_empty());
}
