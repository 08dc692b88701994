//! A home for one test, and the binary in it.

use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error that standard error holds as JSON.
    pub(crate) fn error(&self) -> Value {
        let mut value: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let fields: Vec<String> = value["error"]
            .as_object()
            .map(|o| o.keys().cloned().collect())
            .unwrap_or_default();
        assert_eq!(fields, ["code", "hint", "message"], "{self:?}");
        value["error"].take()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// A home folder that goes with the value.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    said: Mutex<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            variables: vec![("VIGIE_WORKER_AUTOSTART".to_owned(), "false".to_owned())],
            said: Mutex::default(),
        }
    }

    /// A home with these variables set, and a worker started when one is needed.
    #[allow(dead_code, reason = "one of the two binaries that share this file starts workers")]
    pub(crate) fn with_workers(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: variables.iter().map(owned).collect(),
            ..Self::new()
        }
    }

    /// Everything that runs have printed so far.
    #[allow(dead_code, reason = "one of the two binaries that share this file looks at it")]
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("no panic while it was held").clone()
    }

    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }

    fn prepare(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "xterm-256color")
            .env("USER", "ada")
            .env("VIGIE", env!("CARGO_BIN_EXE_vigie"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        // `VIGIE` is for the scripts of these tests; the program does not read it.
        command
    }

    /// The binary, to be given more.
    pub(crate) fn vigie(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepare(env!("CARGO_BIN_EXE_vigie"));
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.heard(self.vigie(arguments).output().expect("a run").into())
    }

    fn heard(&self, ran: Ran) -> Ran {
        let mut said = self.said.lock().expect("no panic while it was held");
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
        ran
    }

    /// A run that is done.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    /// A run that is refused or fails: code 1, a reason on standard error.
    pub(crate) fn fails(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?} says no reason");
        ran
    }

    /// A run with something on its standard input.
    pub(crate) fn stdin(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut child = self
            .vigie(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a run");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("writing");
        drop(pipe);
        let ran = self.heard(child.wait_with_output().expect("a run").into());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    #[allow(dead_code, reason = "one of the two binaries that share this file uses it")]
    /// A line of bash, with the binary as `$VIGIE`.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        self.prepare("bash").args(["-c", line]).output().expect("bash").into()
    }

    pub(crate) fn chmod(&self, path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// Every file and folder below the home, with its mode.
    pub(crate) fn walk(&self) -> Vec<(PathBuf, u32)> {
        let mut all = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let meta = std::fs::symlink_metadata(&path).expect("metadata");
                all.push((path.clone(), meta.permissions().mode() & 0o777));
                if meta.is_dir() {
                    folders.push(path);
                }
            }
        }
        all
    }

    /// Which files below the home hold these bytes.
    pub(crate) fn holding(&self, needle: &str) -> Vec<PathBuf> {
        let files = self
            .walk()
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| path.is_file());
        files
            .filter(|path| {
                let bytes = std::fs::read(path).expect("reading");
                bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
            })
            .collect()
    }
}
