//! The rules of the house, held against the source: who may know whom, who may read the clock, and
//! what is nowhere to be found. Each rule is tried on planted lines as well, so that none can sleep.

mod rules;
mod source;

use rules::faults;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder with one of these endings, by its path from the project's root.
fn files(below: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                let name = path.strip_prefix(root()).expect("below the root");
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((name.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_source_keeps_the_rules() {
    let all = files("src", &[".rs"]);
    assert!(all.len() > 50, "the source was not found");
    let mut wrong: Vec<String> = Vec::new();
    for (path, text) in &all {
        wrong.extend(faults(path, text));
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_speaks_of_places_that_are_not_the_projects() {
    let mut all = files("src", &[".rs", ".sql"]);
    all.extend(files("tests", &[".rs", ".md"]));
    for single in [
        "README.md",
        "ARCHITECTURE.md",
        "Makefile",
        "config.example.toml",
        "Cargo.toml",
    ] {
        let text = std::fs::read_to_string(root().join(single)).unwrap_or_default();
        all.push((single.to_owned(), text));
    }
    let wrong: Vec<String> = all
        .iter()
        .filter(|(path, _)| !path.starts_with("tests/it/arch"))
        .flat_map(|(path, text)| rules::strangers(path, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The contract is asked of every method that a store has: one that is added is tried on every store.
#[test]
fn the_contract_calls_every_method_of_the_registry() {
    let source = std::fs::read_to_string(root().join("src/registry/mod.rs")).expect("the trait");
    let (_, body) = source.split_once("pub trait Registry").expect("the trait");
    let body = body.split_once("\n}\n").expect("its end").0;
    let methods: Vec<&str> = body
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
            name.split(['(', '<']).next()
        })
        .collect();
    assert!(methods.len() > 40, "{methods:?}");
    // The contract's own modules: those that its list names, and what they share.
    let list = std::fs::read_to_string(root().join("tests/it/registry/contract.rs")).expect("the list");
    let calls: String = files("tests/it/registry", &[".rs"])
        .into_iter()
        .filter(|(path, _)| list.contains(path.rsplit('/').next().expect("a name")))
        .map(|(_, text)| text)
        .collect();
    let missing: Vec<&&str> = methods
        .iter()
        .filter(|name| !calls.contains(&format!(".{name}(")))
        .collect();
    assert!(missing.is_empty(), "no contract test calls {missing:?}");
}

fn told(path: &str, text: &str) -> String {
    faults(path, text).join("\n")
}

#[test]
fn a_forbidden_arrow_is_found_however_it_is_written() {
    for (path, line) in [
        ("src/domain/names.rs", "use crate::registry::Registry;"),
        ("src/domain/names.rs", "    let x = crate::config::parse();"),
        ("src/config/load.rs", "use crate::ops::Ops;"),
        ("src/registry/mod.rs", "use crate::remote::Remote;"),
        ("src/registry/sqlite/db.rs", "use super::super::super::jobs::plan;"),
        ("src/remote/mod.rs", "use crate::jobs::Tools;"),
        ("src/jobs/mod.rs", "use crate::ops::Ops;"),
        ("src/jobs/mod.rs", "use crate::{domain::Code, ops::Ops};"),
        ("src/ops/mod.rs", "use crate::tui::model::Model;"),
        ("src/ops/mod.rs", "use crate::cli::main;"),
        ("src/tui/model/mod.rs", "use crate::ops::Ops;"),
        ("src/tui/model/mod.rs", "use super::view::view;"),
        ("src/tui/model/log.rs", "use super::super::update::update;"),
        ("src/tui/update/mod.rs", "use crate::tui::view::view;"),
        ("src/tui/update/mod.rs", "use crate::registry::Change;"),
        ("src/tui/view/mod.rs", "use crate::tui::task::Mailbox;"),
        ("src/tui/action/mod.rs", "use crate::tui::model::Model;"),
        ("src/tui/theme/mod.rs", "use crate::{\n    tui::model::Model,\n};"),
        ("src/tui/run.rs", "use crate::ops::Ops;"),
        ("src/tui/term/mod.rs", "use crate::tui::model::Model;"),
        ("src/tui/task/mod.rs", "use crate::remote::Remote;"),
    ] {
        assert!(told(path, line).contains("may not know"), "{path}: {line}");
    }
    for (path, line) in [
        (
            "src/ops/mod.rs",
            "use crate::{config::Settings, domain::Code, jobs, registry::Op, remote::Remote};",
        ),
        ("src/tui/task/mod.rs", "use crate::ops::Ops;"),
        ("src/tui/view/mod.rs", "use crate::tui::model::Model;"),
        ("src/tui/view/list.rs", "use super::super::theme::Theme;"),
        ("src/cli/mod.rs", "use crate::tui::dashboard;"),
        ("src/domain/names.rs", "// crate::registry is told about this"),
        ("src/domain/names.rs", "let text = \"crate::registry\";"),
        ("src/domain/names.rs", "use super::text::SafeText;"),
        ("src/domain/tests.rs", "use crate::registry::Registry;"),
        (
            "src/domain/names.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::registry::Registry;\n}\n",
        ),
    ] {
        assert_eq!(told(path, line), "", "{path}: {line}");
    }
}

#[test]
fn what_is_nowhere_allowed_is_found() {
    for (path, line, what) in [
        ("src/ops/mod.rs", "    let x = y.unwrap();", "unwrap"),
        ("src/ops/mod.rs", "    let x = y.expect(\"z\");", "expect"),
        ("src/ops/mod.rs", "    panic!(\"z\");", "panic"),
        ("src/cli/mod.rs", "    println!(\"z\");", "print"),
        ("src/cli/mod.rs", "    eprintln!(\"z\");", "print"),
        ("src/tui/view/mod.rs", "    cell.set_symbol(text);", "set_symbol"),
        (
            "src/ops/mod.rs",
            "#[cfg(test)]\nmod tests;\nfn f() { y.unwrap(); }",
            "unwrap",
        ),
        (
            "src/ops/mod.rs",
            "#[cfg(test)]\nmod tests {\n    fn f() { y.unwrap(); }\n}\nfn g() { y.unwrap(); }",
            ":5:",
        ),
        ("src/ops/mod.rs", "static NAME: Mutex<u8> = x;", "static"),
        ("src/ops/mod.rs", "static mut NAME: u8 = 1;", "static"),
    ] {
        assert!(told(path, line).contains(what), "{path}: {line}: {}", told(path, line));
    }
    for (path, line) in [
        ("src/ops/mod.rs", "// y.unwrap()"),
        ("src/ops/mod.rs", "    y.unwrap_or_default(); y.expect_err(x)"),
        ("src/ops/mod.rs", "    say(\"panic!(\");"),
        ("src/ops/tests.rs", "    y.unwrap();"),
        ("src/tui/term/keys_tests.rs", "    y.unwrap();"),
        ("src/ops/mod.rs", "static NAMES: [&str; 1] = [\"a\"];"),
    ] {
        assert_eq!(told(path, line), "", "{path}: {line}");
    }
}

#[test]
fn a_clock_read_away_from_the_edges_is_found() {
    for line in [
        "Timestamp::now()",
        "std::time::Instant::now()",
        "SystemTime::now()",
        "jiff::Zoned::now()",
    ] {
        for path in [
            "src/domain/health.rs",
            "src/tui/update/mod.rs",
            "src/tui/view/mod.rs",
            "src/config/load.rs",
        ] {
            assert!(told(path, line).contains("clock"), "{path}: {line}");
        }
        for path in [
            "src/ops/mod.rs",
            "src/registry/sqlite/db.rs",
            "src/tui/run.rs",
            "src/cli/mod.rs",
        ] {
            assert_eq!(told(path, line), "", "{path}: {line}");
        }
    }
}

#[test]
fn what_rooms_may_not_do_themselves_is_found() {
    for (path, line) in [
        ("src/domain/names.rs", "use tokio::sync::mpsc;"),
        ("src/domain/names.rs", "std::fs::read(x)"),
        ("src/domain/names.rs", "std::env::var(x)"),
        ("src/domain/names.rs", "getrandom::u64()"),
        ("src/tui/model/mod.rs", "use tokio::sync::mpsc;"),
        ("src/tui/update/mod.rs", "async fn f() {}"),
        ("src/tui/view/mod.rs", "std::fs::read(x)"),
    ] {
        assert!(told(path, line).contains("pure"), "{path}: {line}");
    }
}

#[test]
fn a_file_that_is_too_long_is_found() {
    let long = "let x = 1;\n".repeat(501);
    assert!(told("src/ops/mod.rs", &long).contains("501 lines"));
    assert_eq!(told("src/ops/tests.rs", &long), "");
    assert_eq!(told("src/ops/mod.rs", &"let x = 1;\n".repeat(500)), "");
}

#[test]
fn a_strangers_place_is_found() {
    for line in [
        concat!("see ", env!("CARGO_MANIFEST_DIR"), "/x"),
        "https://registry.somewhere.net/index",
        "http://203.0.113.7/x",
        "as issue #12 says",
    ] {
        assert!(!rules::strangers("src/x.rs", line).is_empty(), "{line}");
    }
    for line in [
        "https://odoo1.example.org/web",
        "http://127.0.0.1:8069",
        "http://[::1]:80",
        "https://{subdomain}.{root}",
        "starts with http:// or https://",
    ] {
        assert!(rules::strangers("src/x.rs", line).is_empty(), "{line}");
    }
}
