//! Real hosts: a Debian system with systemd, sshd, nginx and PostgreSQL, built once into a cache folder and
//! booted by systemd-nspawn on a copy that is thrown away, at an address of its own.
//!
//! A host ends with the value, or with this process, however that ends.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use vigie::domain::server::{DbTls, ServerSpec, SshAccess};
use vigie::domain::{Code, HostName, SafeText};
use vigie::remote::host::Host;
use vigie::remote::secrets::Keyring;
use vigie::remote::{Limits, Remote};

/// What is on a host besides the least that Debian is.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,nftables,curl,ca-certificates,procps,\
                        nginx,postgresql,python3,python3-venv";

const BASE: &str = include_str!("base.sh");
const KEEPER: &str = include_str!("keeper.sh");

/// A host that runs.
pub(crate) struct Lab {
    keeper: Child,
    dir: PathBuf,
    name: String,
    address: Ipv4Addr,
}

/// The host that tests share which leave it as it is for the others. `None`: left out here.
pub(crate) fn shared() -> Option<&'static Lab> {
    static SHARED: OnceLock<Option<Lab>> = OnceLock::new();
    SHARED.get_or_init(own).as_ref()
}

/// A host of the test's own. `None`: left out here, which is said, and is a failure where
/// `VIGIE_REQUIRE_HOSTS` is set.
pub(crate) fn own() -> Option<Lab> {
    if let Some(why) = lacking() {
        let text = format!("LEFT OUT: tests on real hosts: {why}\n");
        // Past the capture of what tests print: who reads only the summary is to see it as well.
        let _ = std::io::stderr().write_all(text.as_bytes());
        let required = std::env::var_os("VIGIE_REQUIRE_HOSTS").is_some_and(|v| !v.is_empty() && v != "0");
        assert!(!required, "VIGIE_REQUIRE_HOSTS is set: {why}");
        return None;
    }
    Some(Lab::boot(&base()))
}

/// What is missing here to run hosts.
fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can boot them".to_owned());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == "ID=debian") {
        return Some("this is not Debian".to_owned());
    }
    let there = |program: &&str| {
        let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        folders.iter().any(|folder| Path::new(folder).join(program).exists())
    };
    let needed = [
        "debootstrap",
        "systemd-nspawn",
        "unshare",
        "nsenter",
        "ip",
        "ssh",
        "ssh-keygen",
    ];
    let missing: Vec<&str> = needed.into_iter().filter(|program| !there(program)).collect();
    match missing.is_empty() {
        true => None,
        false => Some(format!("missing: {} (`make needs` installs it)", missing.join(", "))),
    }
}

fn suite() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.expect("the name of this machine's Debian")
        .trim_matches('"')
        .to_owned()
}

/// The built system, made where there is none. One process builds, others wait for it.
fn base() -> PathBuf {
    let cache = match std::env::var_os("VIGIE_HOSTS_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("hosts"),
    };
    std::fs::create_dir_all(&cache).unwrap();
    let suite = suite();
    let mut hash = DefaultHasher::new();
    (PACKAGES, BASE, &suite).hash(&mut hash);
    let base = cache.join(format!("{suite}-{:016x}", hash.finish()));
    let lock = std::fs::File::create(cache.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    if !base.exists() {
        let aside = cache.join("building");
        let _ = std::fs::remove_dir_all(&aside);
        let script = cache.join("base.sh");
        program(&script, BASE);
        let built = Command::new(&script)
            .arg(&aside)
            .args([&suite, PACKAGES])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [built.stdout, built.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let tail: Vec<&str> = said.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        assert!(built.status.success(), "a host can't be built:\n{}", tail.join("\n"));
        std::fs::rename(&aside, &base).unwrap();
        forget_old(&cache);
    }
    // When it was last wanted.
    std::fs::write(base.with_extension("used"), "").unwrap();
    base
}

/// Removes systems that nobody wanted for a week: each change of what is on a host makes another.
fn forget_old(cache: &Path) {
    for used in std::fs::read_dir(cache).unwrap().flatten().map(|entry| entry.path()) {
        let age = used
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if used.extension().is_some_and(|e| e == "used") && age.is_some_and(|age| age.as_secs() > 7 * 86_400) {
            let _ = std::fs::remove_dir_all(used.with_extension(""));
            let _ = std::fs::remove_file(used);
        }
    }
}

fn program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Waits for a condition, at most a minute.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "a minute passed: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Lab {
    fn boot(base: &Path) -> Self {
        let id: [u8; 16] = *uuid::Uuid::new_v4().as_bytes();
        let name = format!("vg{:02x}{:02x}{:02x}", id[0], id[1], id[2]);
        // Addresses that are kept for measuring networks: nobody's machines have them.
        let number = u32::from_be_bytes([0, 0, id[3], id[4]]) % 32_768;
        let net = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number * 4;
        let (ours, address) = (Ipv4Addr::from(net + 1), Ipv4Addr::from(net + 2));
        let dir = std::env::temp_dir().join(format!("vigie-host-{name}"));
        std::fs::create_dir(&dir).unwrap();
        let key = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(dir.join("id"))
            .status();
        assert!(key.unwrap().success());
        let keeper = dir.join("keeper.sh");
        program(&keeper, KEEPER);
        let keeper = Command::new(keeper)
            .args([base.as_os_str(), dir.as_os_str()])
            .args([&name, &ours.to_string(), &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("keeper.log")).unwrap())
            .spawn()
            .unwrap();
        let mut lab = Self {
            keeper,
            dir,
            name,
            address,
        };
        lab.wait_until_up();
        lab.vouch();
        lab
    }

    /// Until systemd has started everything and sshd answers.
    fn wait_until_up(&mut self) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.keeper.try_wait().unwrap() {
                panic!("the host ended ({status}): {}", self.told());
            }
            let up = self.leader().is_some() && {
                let state = self.inside(&["systemctl", "is-system-running"]);
                matches!(state.stdout.trim_ascii(), b"running" | b"degraded")
            };
            if up && self.sshd_answers() {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "the host does not come up: {}",
                self.told()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let failed = self.inside(&["systemctl", "--failed", "--plain", "--no-legend"]);
        assert!(failed.stdout.trim_ascii().is_empty(), "{failed:?}");
    }

    pub(crate) fn sshd_answers(&self) -> bool {
        let address = SocketAddr::new(self.ip(), 22);
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else {
            return false;
        };
        let mut banner = [0; 4];
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    fn told(&self) -> String {
        let of = |name: &str| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        format!("{}\n{}", of("keeper.log"), of("console"))
    }

    /// The process that is the host's first, by the name that stands in a file there.
    fn leader(&self) -> Option<u32> {
        let first = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            let mut ids = ids.split_whitespace();
            (ids.clone().count() >= 3 && ids.next_back() == Some("1")).then_some(())?;
            let its = Path::new("/proc").join(pid.to_string()).join("root");
            let name = std::fs::read_to_string(its.join("etc/lab-name")).ok()?;
            let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (name.trim() == self.name && program.trim() == "systemd").then_some(pid)
        };
        let processes = std::fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find_map(first)
    }

    /// What it is called, here and in the names of what it uses.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command on the host as root, not by ssh: to see and to break what ssh is to cope with.
    pub(crate) fn inside(&self, argv: &[&str]) -> Output {
        let leader = self.leader().expect("a host that runs").to_string();
        Command::new("nsenter")
            .args(["-t", &leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"])
            .args(argv)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// As [`Lab::inside`], for a command that must succeed; what it printed.
    pub(crate) fn must(&self, argv: &[&str]) -> String {
        let output = self.inside(argv);
        assert!(output.status.success(), "{argv:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// As [`Lab::must`], for a line of shell.
    pub(crate) fn sh(&self, script: &str) -> String {
        self.must(&["sh", "-c", script])
    }

    /// Where its files are seen from here.
    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.leader().expect("a host that runs")))
    }

    /// Its address.
    pub(crate) fn ip(&self) -> IpAddr {
        IpAddr::V4(self.address)
    }

    /// Starts the machine anew, and waits until it is up.
    pub(crate) fn reboot(&mut self) {
        let before = self.leader();
        self.inside(&["systemctl", "reboot"]);
        until("the host goes down", || self.leader() != before);
        self.wait_until_up();
    }

    /// Where ssh's own files for this host are.
    pub(crate) fn ssh_dir(&self) -> &Path {
        &self.dir
    }

    /// Writes the host's keys into known_hosts, and the configuration that names it.
    pub(crate) fn vouch(&self) {
        let keys = self.sh("cat /etc/ssh/ssh_host_*_key.pub");
        let lines: String = keys.lines().map(|key| format!("{} {key}\n", self.address)).collect();
        self.know(&lines);
    }

    /// Writes known_hosts, and the configuration that names it.
    pub(crate) fn know(&self, known_hosts: &str) {
        let known = self.dir.join("known_hosts");
        std::fs::write(&known, known_hosts).unwrap();
        let text = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nUpdateHostKeys no\n",
            known.display()
        );
        std::fs::write(self.dir.join("ssh_config"), text).unwrap();
    }

    /// How the program gets there as this account.
    pub(crate) fn access(&self, user: &str) -> SshAccess {
        SshAccess {
            host: HostName::parse(&self.address.to_string()).unwrap(),
            user: Some(user.to_owned()),
            port: None,
            identity: Some(self.dir.join("id").display().to_string()),
        }
    }

    /// The server's record.
    pub(crate) fn spec(&self, user: &str) -> ServerSpec {
        ServerSpec {
            name: SafeText::new("Lab"),
            code: Code::parse("lab").unwrap(),
            description: SafeText::new(""),
            server_url: "https://lab.example.org".parse().unwrap(),
            server_ip: None,
            port: None,
            ssh: Some(self.access(user)),
            db_host: None,
            db_port: 5432,
            db_user: None,
            db_password: None,
            db_tls: DbTls::Disable,
            master_password: None,
            data_dir: None,
            max_instances: 10,
            cpu_cores: None,
            memory_gb: None,
            disk_gb: None,
        }
    }

    /// What handles are made from, with these limits.
    pub(crate) fn remote(&self, limits: Limits) -> Remote {
        let keyring = Keyring::new(self.dir.join("no-keys"));
        let remote = Remote::new(keyring, limits, None).unwrap();
        remote.with_ssh_config(self.dir.join("ssh_config"))
    }

    /// The program's own way there, as this account, on a connection of its own.
    pub(crate) fn host(&self, user: &str) -> Host {
        self.host_with(user, Limits::default())
    }

    /// As [`Lab::host`], with these limits.
    pub(crate) fn host_with(&self, user: &str, limits: Limits) -> Host {
        self.remote(limits).host(&self.spec(user)).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The end of its input is the keeper's end, and the host's.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
