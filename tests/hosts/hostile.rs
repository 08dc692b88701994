//! Arguments arrive byte for byte, whatever a shell or systemd would make of them.

use crate::lab::shared;
use crate::units::{LIMIT, fresh, is_gone, step};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use vigie::domain::RemotePath;
use vigie::remote::host::Run;

/// As many hostile words as asked for, those first that are known to have hurt others.
fn words(count: usize) -> Vec<String> {
    let known = [
        "",
        " ",
        "-",
        "--",
        "-n",
        "--help",
        "$",
        "$$",
        "$$$",
        "$HOME",
        "${HOME}",
        "$(id)",
        "`id`",
        "%",
        "%%",
        "%n",
        "%H",
        "\\",
        "\\\\",
        "\\n",
        "\n",
        "\r\n",
        "\t",
        "'",
        "''",
        "\"",
        "'\"'\"'",
        "*",
        "?",
        "~",
        "~root",
        "!",
        "!!",
        "#",
        ";",
        "&",
        "|",
        "<",
        ">",
        "a=b",
        "A B",
        "\u{1b}[2J",
        "\u{202e}",
        "é",
        "\u{7f}",
        "x;x",
        ";",
        "{a,b}",
        "[a]",
        "\u{feff}",
        "@",
        "+",
        ":",
        "-- ;",
        "\u{1}",
        "${",
        "$}",
        "$$HOME",
        "$ HOME",
        "%{",
        "\\$HOME",
        "$\\HOME",
        "\\x41",
        "\"$HOME\"",
    ];
    let seed = std::env::var("VIGIE_SOAK_SEED")
        .ok()
        .and_then(|s| s.parse::<u64>().ok())
        .unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let any = "[^\\x00]{0,60}|[-$`'\"\\\\!*?~#&;|<>(){}\\[\\] \\n\\t%=@A]{1,30}|(\\$\\{?[A-Z$]{0,3}\\}?|%[a-zA-Z%]|\\\\[^\\x00]){1,8}";
    let any = proptest::string::string_regex(any).unwrap();
    let random = std::iter::repeat_with(|| any.new_tree(&mut runner).unwrap().current());
    known.into_iter().map(str::to_owned).chain(random).take(count).collect()
}

/// What Unicode keeps for inside programs.
fn no_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

fn received(bytes: &[u8]) -> Vec<String> {
    let mut parts: Vec<String> = bytes
        .split(|b| *b == 0)
        .map(|part| String::from_utf8(part.to_vec()).unwrap())
        .collect();
    parts.pop();
    parts
}

async fn by_ssh(count: usize) {
    let Some(lab) = shared() else { return };
    for user in ["plain", "deploy"] {
        let host = lab.host(user);
        for chunk in words(count).chunks(100) {
            let mut argv = vec!["printf", "%s\\0"];
            argv.extend(chunk.iter().map(String::as_str));
            let run = Run {
                as_root: user == "deploy",
                ..Run::reading(&argv, LIMIT)
            };
            let output = host.run(&run, &|_, _| {}).await.unwrap();
            assert_eq!(received(&output.stdout), chunk, "{user}");
        }
        let nul = host
            .run(&Run::reading(&["echo", "a\0b"], LIMIT), &|_, _| {})
            .await
            .unwrap_err();
        assert!(!nul.is_transient() && nul.to_string().contains("NUL"), "{nul}");
    }
}

async fn by_unit(count: usize) {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy").as_root();
    // systemd takes no text with code points that are no characters: said, and nothing begun.
    for odd in ["\u{fdd0}", "a\u{ffff}"] {
        let unit = fresh("refused");
        let argv = ["touch", "/srv/begun", odd];
        let error = host.start_unit(&step(&unit, &argv)).await.unwrap_err();
        assert!(
            error.to_string().contains("U+FFFF") || error.to_string().contains("U+FDD0"),
            "{error}"
        );
        assert!(
            !error.is_transient() && !error.is_in_doubt() && is_gone(lab, &unit),
            "{error}"
        );
    }
    let mut all = words(count);
    all.retain(|word| !word.chars().any(no_character));
    for chunk in all.chunks(200) {
        let unit = fresh("hostile");
        let file = RemotePath::parse(&format!("/srv/{}", unit.name())).unwrap();
        let mut argv = vec![
            "sh",
            "-c",
            "f=$1; shift; printf '%s\\0' \"$@\" > \"$f\"",
            "sh",
            file.as_str(),
        ];
        argv.extend(chunk.iter().map(String::as_str));
        host.start_unit(&step(&unit, &argv)).await.unwrap();
        let mut said = Vec::new();
        let lines = std::sync::Mutex::new(&mut said);
        let take = |_, line: vigie::domain::SafeText| lines.lock().unwrap().push(line.to_string());
        let state = host.follow_unit(&unit, &mut 0, LIMIT, &take).await.unwrap();
        assert!(state.is_success(), "{state:?} {said:?}");
        assert_eq!(received(&host.read(&file, 1 << 20).await.unwrap().unwrap()), chunk);
        host.remove_file(&file).await.unwrap();
        host.forget_unit(&unit).await.unwrap();
    }
}

#[tokio::test]
async fn hostile_arguments_arrive_through_ssh_and_sudo() {
    by_ssh(600).await;
}

#[tokio::test]
async fn hostile_arguments_arrive_through_systemd_run() {
    by_unit(600).await;
}

#[tokio::test]
#[ignore = "long: make soak"]
async fn soak_hostile_arguments_arrive() {
    by_ssh(10_000).await;
    by_unit(10_000).await;
    println!("I2: 10000 hostile arguments by ssh, by ssh and sudo, and by systemd-run: 0 differ");
}
