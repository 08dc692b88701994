//! The shell adapter through a real sshd on loopback, which runs as an ordinary user. Where sshd is
//! not at /usr/sbin/sshd, `VIGIE_SSHD` says where.

use crate::databases::{remote, spec};
use crate::harness::folder;
use proptest::strategy::{Strategy, ValueTree};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vigie::domain::job::Mark;
use vigie::domain::server::SshAccess;
use vigie::domain::{DbName, HostName, JobId, RemotePath};
use vigie::remote::host::{Filestore, Host, HostError, Owner, Run, StoreClone};
use vigie::remote::{Remote, RemoteError};

struct Sshd {
    child: Child,
    dir: PathBuf,
    port: u16,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen: install openssh-client");
    assert!(made.success());
}

/// As the account that PostgreSQL's tests run as: sshd needs no root then.
fn account() -> (u32, u32, String) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let own = rustix::process::geteuid();
    let wanted = |line: &&str| {
        let fields: Vec<_> = line.split(':').collect();
        if own.is_root() {
            fields[0] == "postgres"
        } else {
            fields[2] == own.as_raw().to_string()
        }
    };
    let line = passwd.lines().find(wanted).expect("an account for sshd");
    let fields: Vec<_> = line.split(':').collect();
    (
        fields[2].parse().unwrap(),
        fields[3].parse().unwrap(),
        fields[0].to_owned(),
    )
}

fn start() -> Sshd {
    let program = std::env::var("VIGIE_SSHD").unwrap_or_else(|_| "/usr/sbin/sshd".to_owned());
    let dir = folder("sshd");
    std::fs::create_dir_all(&dir).unwrap();
    let (uid, gid, user) = account();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    keygen(&dir.join("host_key"));
    keygen(&dir.join("id"));
    std::fs::copy(dir.join("id.pub"), dir.join("authorized")).unwrap();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized\n\
         PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n",
        dir.display()
    );
    std::fs::write(dir.join("sshd_config"), config).unwrap();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap().path();
        if entry.file_name().is_some_and(|n| n != "id") && rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&entry, Some(uid), Some(gid)).unwrap();
        }
    }
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
    command
        .stderr(std::fs::File::create(dir.join("log")).unwrap())
        .stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(uid).gid(gid);
    }
    let child = command
        .spawn()
        .expect("sshd: install openssh-server, or set VIGIE_SSHD");
    let sshd = Sshd { child, dir, port, user };
    let until = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = std::fs::read_to_string(sshd.dir.join("log")).unwrap_or_default();
        assert!(Instant::now() < until, "sshd does not listen: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    sshd
}

impl Sshd {
    /// Writes the known hosts that ssh goes by.
    fn known(&self, host_key: &str) {
        let line = match host_key {
            "" => String::new(),
            key => format!("[127.0.0.1]:{} {key}\n", self.port),
        };
        std::fs::write(self.dir.join("known_hosts"), line).unwrap();
    }

    fn host(&self) -> Host {
        let config = self.dir.join("ssh_config");
        let known = self.dir.join("known_hosts");
        let text = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            known.display()
        );
        std::fs::write(&config, text).unwrap();
        let remote: Remote = remote().with_ssh_config(config);
        let mut spec = spec("https://odoo1.example.org");
        spec.ssh = Some(SshAccess {
            host: HostName::parse("127.0.0.1").unwrap(),
            user: Some(self.user.clone()),
            port: Some(self.port),
            identity: Some(self.dir.join("id").display().to_string()),
        });
        remote.host(&spec).unwrap()
    }
}

fn run<'a>(argv: &'a [&'a str], limit: Duration) -> Run<'a> {
    Run::reading(argv, limit)
}

#[tokio::test]
async fn commands_and_files_go_through_ssh_as_they_are() {
    let sshd = start();
    let limit = Duration::from_secs(20);
    let quiet = |_, _| {};
    // A host nobody vouched for, and one whose key is another than is known.
    keygen(&sshd.dir.join("other_key"));
    let other = std::fs::read_to_string(sshd.dir.join("other_key.pub")).unwrap();
    for known in ["", other.as_str()] {
        sshd.known(known);
        let error = sshd.host().run(&run(&["true"], limit), &quiet).await.unwrap_err();
        assert!(matches!(error, RemoteError::Host(HostError::HostKey { .. })), "{error}");
    }
    sshd.known(&std::fs::read_to_string(sshd.dir.join("host_key.pub")).unwrap());
    let host = sshd.host();
    assert_eq!(
        host.run(&run(&["id", "-un"], limit), &quiet).await.unwrap().text(),
        sshd.user
    );
    let status = host
        .run(&run(&["sh", "-c", "echo out; echo err >&2; exit 7"], limit), &quiet)
        .await
        .unwrap();
    assert_eq!(
        (status.code, status.text().as_str(), status.stderr.as_str()),
        (Some(7), "out", "err")
    );
    // Bytes as they were sent, whatever a shell would make of them.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let any = proptest::string::string_regex("[^\\x00]{0,40}|[-$`'\"\\\\!*?~#&;|<>(){}\\[\\] \\n\\t]{1,20}").unwrap();
    let args: Vec<String> = (0..400).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    for chunk in args.chunks(50) {
        let mut argv = vec!["printf", "%s\\0"];
        argv.extend(chunk.iter().map(String::as_str));
        let output = host.run(&run(&argv, limit), &quiet).await.unwrap();
        let got: Vec<_> = output
            .stdout
            .split(|b| *b == 0)
            .map(|b| String::from_utf8_lossy(b).into_owned())
            .collect();
        assert_eq!(&got[..got.len() - 1], chunk);
    }
    // What takes too long is ended there, too.
    let name = format!("1000.{}", std::process::id());
    let error = host
        .run(&run(&["sleep", &name], Duration::from_secs(1)), &quiet)
        .await
        .unwrap_err();
    assert!(matches!(error, RemoteError::Deadline { .. }), "{error}");
    let until = Instant::now() + Duration::from_secs(10);
    while Command::new("pgrep")
        .args(["-f", &format!("^sleep {name}")])
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .success()
    {
        assert!(Instant::now() < until, "it runs on over there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Files, by way of standard input.
    let home = PathBuf::from(host.run(&run(&["mktemp", "-d"], limit), &quiet).await.unwrap().text());
    let at = |name: &str| RemotePath::parse(home.join(name).to_str().unwrap()).unwrap();
    host.write(&at("secret"), b"canary\0bytes", Owner::Maker, 0o600)
        .await
        .unwrap();
    assert_eq!(std::fs::read(home.join("secret")).unwrap(), b"canary\0bytes");
    assert_eq!(
        std::fs::metadata(home.join("secret")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let argv = ["mkdir", "-p", at("filestore/tpl/ab").as_str()].map(str::to_owned);
    let argv: Vec<_> = argv.iter().map(String::as_str).collect();
    host.run(&run(&argv, limit), &quiet).await.unwrap();
    let store = Filestore::new(host.clone(), &at(".")).unwrap();
    let (tpl, new) = (DbName::parse("tpl").unwrap(), DbName::parse("new").unwrap());
    let mark = Mark {
        job: JobId(1),
        nonce: "n".to_owned(),
    };
    assert_eq!(store.clone_to(&tpl, &new, &mark).await.unwrap(), StoreClone::Now);
    assert!(store.undo(&new, &mark).await.unwrap());
    assert!(store.exists(&tpl).await.unwrap() && !store.exists(&new).await.unwrap());
    std::fs::remove_dir_all(&home).unwrap();
}
