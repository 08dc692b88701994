//! Completions: what the registry has, soon or not at all.

use super::NOBODY;
use super::home::Home;
use std::time::{Duration, Instant};

fn fleet() -> Home {
    let home = Home::new();
    for (code, port) in [("prod-1", 1), ("prod-2", 2), ("test-1", 3)] {
        let url = format!("http://127.0.0.1:{port}");
        home.ok(&["server", "add", code, "--url", &url, "--max-instances", "5"]);
    }
    home.ok(&[
        "template",
        "add",
        "restaurant",
        "--server",
        "prod-1",
        "--database",
        "template_restaurant",
    ]);
    home.ok(&["plan", "add", "gold", "--name", "Gold"]);
    home
}

/// What bash offers behind these words; the last one is being typed.
fn offered(home: &Home, words: &str) -> Vec<String> {
    let line = format!(
        "mkdir -p bin && ln -sf \"$VIGIE\" bin/vigie && PATH=\"$PWD/bin:$PATH\" && \
         source <(vigie completions bash) && COMP_WORDS=({words}) && COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) && \
         _vigie_asks vigie \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\" && \
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let ran = home.shell(&format!("cd \"$HOME\" && {line}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_offers_what_the_registry_has() {
    let home = fleet();
    assert_eq!(offered(&home, "vigie server show ''"), ["prod-1", "prod-2", "test-1"]);
    assert_eq!(
        offered(&home, "vigie server deactivate test-1 prod-"),
        ["prod-1", "prod-2"]
    );
    assert_eq!(offered(&home, "vigie --json server remove --yes t"), ["test-1"]);
    assert_eq!(offered(&home, "vigie template adopt ''"), ["restaurant"]);
    assert_eq!(offered(&home, "vigie instance create --template r"), ["restaurant"]);
    assert_eq!(offered(&home, "vigie instance create --plan ''"), ["gold"]);
    assert_eq!(offered(&home, "vigie explain server test"), ["test-1"]);
    // All else is as clap has it.
    let flags = offered(&home, "vigie server show --");
    assert!(flags.iter().any(|flag| flag == "--json"), "{flags:?}");
    let verbs = offered(&home, "vigie server main");
    assert_eq!(verbs, ["maintenance"]);
}

#[test]
fn what_is_asked_is_the_registry_that_is_named() {
    let home = fleet();
    let other = home.path("other.db").display().to_string();
    home.ok(&[
        "--registry",
        &other,
        "server",
        "add",
        "elsewhere",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
    ]);
    assert_eq!(
        offered(&home, &format!("vigie --registry {other} server show ''")),
        ["elsewhere"]
    );
}

#[test]
fn completing_makes_nothing_and_says_nothing_where_there_is_nothing() {
    let home = Home::new();
    let none = home.path("none.db");
    let ran = home.ok(&["--registry", &none.display().to_string(), "complete", "servers"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(!none.exists());
    let broken = home.path("broken.toml");
    std::fs::write(&broken, "[fleet\n").unwrap();
    let ran = home.ok(&["--config", &broken.display().to_string(), "complete", "jobs"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn a_registry_that_hangs_keeps_no_shell_waiting() {
    // It takes connections and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("postgres://u@{}/fleet?sslmode=disable", listener.local_addr().unwrap());
    let home = Home::new();
    let began = Instant::now();
    let ran = home.ok(&["--registry", &address, "complete", "servers"]);
    assert_eq!(ran.stdout, "");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Whether a shell is installed; says so where it isn't.
fn installed(shell: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(shell).exists()));
    if !found {
        println!("NOT RUN: completions in {shell}, which is not installed");
    }
    found
}

#[test]
fn zsh_takes_the_script_where_it_is_installed() {
    if !installed("zsh") {
        return;
    }
    let home = Home::new();
    let ran = home.shell(
        "cd \"$HOME\" && \"$VIGIE\" completions zsh > _vigie && zsh -n _vigie && \
         zsh -fc 'autoload -Uz compinit && compinit -u -D && source ./_vigie && print $+functions[_vigie] $_comps[vigie]'",
    );
    assert_eq!((ran.code, ran.stdout.trim()), (0, "1 _vigie"), "{ran:?}");
}

#[test]
fn fish_offers_verbs_and_what_the_registry_has_where_it_is_installed() {
    if !installed("fish") {
        return;
    }
    let home = fleet();
    let ran = home.shell(
        "cd \"$HOME\" && mkdir -p bin && ln -sf \"$VIGIE\" bin/vigie && PATH=\"$PWD/bin:$PATH\" && \
         vigie completions fish > vigie.fish && fish --no-execute vigie.fish && fish --no-config -c 'source vigie.fish
             complete -C \"vigie server ma\"
             complete -C \"vigie job --js\"
             complete -C \"vigie server deactivate prod-\"'",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let offered: Vec<&str> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(offered, ["maintenance", "--json", "prod-1", "prod-2"], "{ran:?}");
}
