//! What the documentation says is what the program does.

use vigie::tui::action::markdown_table;

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

/// What stands between two marks of the README.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let after = text.split_once(begin).unwrap_or_else(|| panic!("{begin} is missing")).1;
    after
        .split_once(end)
        .unwrap_or_else(|| panic!("{end} is missing"))
        .0
        .trim()
}

#[test]
fn the_readme_lists_the_keys_as_they_are() {
    let table = markdown_table();
    let listed = between(README, "<!-- keys -->", "<!-- /keys -->");
    assert_eq!(listed, table.trim(), "paste this in its place:\n{table}");
}

#[test]
fn the_readme_explains_the_refusals_in_the_words_that_operators_see() {
    for message in [
        "Cannot activate server. Connection test failed",
        "No available server found",
        "Server is offline",
        "Cannot deactivate server while it has instances",
        "Cannot delete server while it has instances",
    ] {
        assert!(README.contains(message), "{message} is not explained");
    }
}

#[test]
fn the_map_names_every_room() {
    let rooms = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("src");
    for room in rooms.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        let name = room.file_name().to_string_lossy().into_owned();
        assert!(ARCHITECTURE.contains(&format!("{name}/")), "{name}/ is not on the map");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for text in [README, ARCHITECTURE] {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
            assert!(std::path::Path::new(&path).exists(), "{target} leads nowhere");
        }
    }
}
