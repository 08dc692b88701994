//! A host that nobody vouched for, or that shows another key than is known, is refused before anything is sent.

use crate::lab::shared;
use std::process::Command;
use std::time::Duration;
use vigie::remote::RemoteError;
use vigie::remote::host::{HostError, KeyFault, Run};

/// The fingerprint of a public key's file, as ssh-keygen prints it.
fn fingerprint(public: &str) -> String {
    let file = std::env::temp_dir().join(format!("vigie-key-{}.pub", uuid::Uuid::new_v4().simple()));
    std::fs::write(&file, public).unwrap();
    let printed = Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    printed.split_whitespace().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn an_unknown_and_a_changed_key_are_refused_with_their_fingerprints() {
    let Some(lab) = shared() else { return };
    let folder = std::env::temp_dir().join(format!("vigie-keys-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(folder.join("other"))
        .status();
    assert!(made.unwrap().success());
    let other = std::fs::read_to_string(folder.join("other.pub")).unwrap();
    let own = lab.sh("cat /etc/ssh/ssh_host_ed25519_key.pub");
    let (own_print, other_print) = (fingerprint(&own), fingerprint(&other));
    let remote = |known: &str| {
        let file = folder.join("known_hosts");
        std::fs::write(&file, known).unwrap();
        let config = folder.join("config");
        let text = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nHostKeyAlgorithms ssh-ed25519\n",
            file.display()
        );
        std::fs::write(&config, text).unwrap();
        lab.remote(vigie::remote::Limits::default()).with_ssh_config(config)
    };
    let ip = lab.ip();
    let marker = "/srv/reached-by-an-unknown-key";
    let argv = ["touch", marker];
    let touch = Run::writing(&argv, Duration::from_secs(20));
    let tried = |known: String| {
        let host = remote(&known).host(&lab.spec("root")).unwrap();
        async move { host.run(&touch, &|_, _| {}).await }
    };
    let unknown = tried(String::new()).await.unwrap_err();
    match &unknown {
        RemoteError::Host(HostError::HostKey { host, shown, fault, .. }) => {
            assert_eq!((host.as_str(), fault), (ip.to_string().as_str(), &KeyFault::Unknown));
            assert!(shown.contains(&own_print), "{shown}");
        }
        other => panic!("{other}"),
    }
    let problem = unknown.problem();
    assert!(
        problem.message.contains(&own_print) && problem.code == "host_key",
        "{}",
        problem.message
    );
    assert!(!unknown.is_transient(), "asking again changes nothing");
    let hint = unknown.hint().unwrap();
    assert!(hint.contains("console") && hint.contains("ssh"), "{hint}");

    for known in [
        format!("{ip} {other}"),
        format!("# first\n\n{ip},lab.example.org {other}"),
    ] {
        let changed = tried(known).await.unwrap_err();
        let text = changed.to_string();
        assert!(
            text.contains("has changed") && text.contains(&own_print) && text.contains(&other_print),
            "{text}"
        );
        assert!(matches!(
            &changed,
            RemoteError::Host(HostError::HostKey {
                fault: KeyFault::Changed { .. },
                ..
            })
        ));
        assert!(changed.hint().unwrap().contains("ssh-keygen -R"));
    }
    let revoked = tried(format!("@revoked {ip} {own}\n")).await.unwrap_err();
    assert!(revoked.to_string().contains("revoked"), "{revoked}");
    assert!(
        !lab.root().join(marker.trim_start_matches('/')).exists(),
        "nothing was sent"
    );
    tried(format!("{ip} {own}\n")).await.unwrap();
    assert!(lab.root().join(marker.trim_start_matches('/')).exists());
    lab.sh(&format!("rm {marker}"));
    std::fs::remove_dir_all(&folder).unwrap();
}
