//! The first minutes: `vigie init` by flags, and the manual page.

use super::Home;
use serde_json::json;

/// Answers every request as an Odoo that says its version.
fn odoo() -> (std::thread::JoinHandle<()>, String) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let thread = std::thread::spawn(move || {
        for stream in listener.incoming().take(200) {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 8192];
            let _ = stream.read(&mut request);
            let body = r#"{"jsonrpc":"2.0","id":1,"result":{"server_version":"16.0","server_version_info":[16,0,0,"final",0,""],"server_serie":"16.0","protocol_version":1}}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (thread, url)
}

#[test]
fn init_tests_the_server_and_writes_everything_or_nothing() {
    let home = Home::new();
    let config = home.path("new/config.toml");
    let name = config.display().to_string();
    // Nobody answers there: nothing is written.
    let nobody = ["init", "--config", &name, "--code", "a", "--url", "http://127.0.0.1:1"];
    let ran = home.fails(&nobody);
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert!(!config.exists());
    assert_eq!(home.ok(&["server", "list", "--json"]).json(), json!([]));
    // Without a terminal what it needs has to be given.
    let ran = home.run(&["init", "--config", &name]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("--code CODE --url URL"), "{}", ran.stderr);
    assert!(!config.exists());
    // A code that is none: refused before anything is written.
    home.fails(&[
        "init",
        "--config",
        &name,
        "--code",
        "A b",
        "--url",
        "http://127.0.0.1:1",
        "--anyway",
    ]);
    assert!(!config.exists());
    let (_thread, url) = odoo();
    let ran = home.ok(&[
        "init", "--config", &name, "--code", "a", "--url", &url, "--fleet", "mine", "--json",
    ]);
    assert_eq!(ran.json()["server"]["code"], "a");
    assert_eq!(ran.json()["config_written"], true);
    let text = std::fs::read_to_string(&config).expect("the file");
    assert!(text.contains("\nname = \"mine\"\n"), "{text}");
    // Later defaults hold: nothing else is fixed in it, and it is right.
    let set = text
        .lines()
        .filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
    assert_eq!(set.collect::<Vec<_>>(), ["name = \"mine\""]);
    home.ok(&["config", "check", "--config", &name]);
    // The same code again: refused, and the file stays as it is.
    let before = std::fs::read(&config).expect("the file");
    home.fails(&["init", "--config", &name, "--code", "a", "--url", &url]);
    assert_eq!(std::fs::read(&config).expect("the file"), before);
    let other = home.path("other.toml").display().to_string();
    home.fails(&["init", "--config", &other, "--code", "a", "--url", &url]);
    assert!(
        !home.path("other.toml").exists(),
        "what it wrote a moment ago went with the refusal"
    );
}

#[test]
fn the_manual_has_the_verbs_the_keys_and_the_settings() {
    let page = Home::new().ok(&["man"]).stdout;
    assert!(page.contains(".TH vigie 1"), "{page}");
    for text in [
        "vigie server add",
        "vigie config check",
        "go\\-back",
        "alert_used_percent = 90",
        "VIGIE_PROFILE",
        "EXIT STATUS",
    ] {
        let plain = page.replace("\\-", "-");
        assert!(plain.contains(&text.replace("\\-", "-")), "{text} is not in the manual");
    }
}
