//! The manual page: the grammar, the keys and the settings, from the tables that the program itself uses.

use super::args::Cli;
use crate::config::documentation;
use crate::domain::Problem;
use crate::tui::action::{ACTIONS, Place, parse_sequence, show_sequence};
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The page, in roff.
///
/// # Errors
/// When it can't be made.
pub(super) fn page() -> Result<String, Problem> {
    let command = Cli::command();
    let mut out = Vec::new();
    let made = write(&Man::new(command.clone()), &command, &mut out);
    made.map_err(|error| Problem::new("man", format!("the page can't be made: {error}")))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn write(man: &Man, command: &clap::Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    let mut page = Roff::new();
    page.control("SH", ["VERBS"]);
    verbs(command, "", &mut page);
    page.control("SH", ["KEYS"]);
    for action in ACTIONS {
        let keys: Vec<String> = action
            .keys
            .iter()
            .filter_map(|keys| parse_sequence(keys).ok())
            .map(|keys| show_sequence(&keys))
            .collect();
        let places: Vec<&str> = action.places.iter().map(|place| place.word()).collect();
        let places = if action.places.len() == Place::ALL.len() {
            "everywhere".to_owned()
        } else {
            places.join(", ")
        };
        page.control("TP", []);
        page.text([bold(keys.join(" ")), roman(format!("  ({}; {places})", action.name))]);
        page.text([roman(action.help)]);
    }
    page.control("SH", ["CONFIGURATION"]);
    page.text([roman(
        "Later wins: the file, then VIGIE_* variables, then the profile, then arguments. `vigie config show --origin` says what holds and from where.",
    )]);
    for section in documentation() {
        page.control("SS", [format!("[{}]", section.name).as_str()]);
        if !section.about.is_empty() {
            page.text([roman(section.about.as_str())]);
        }
        for setting in section.settings {
            page.control("TP", []);
            page.text([bold(format!("{} = {}", setting.key, setting.default))]);
            page.text([roman(setting.about)]);
        }
    }
    page.control("SH", ["ENVIRONMENT"]);
    for (name, setting) in crate::config::ENVIRONMENT {
        page.control("TP", []);
        page.text([bold(name)]);
        page.text([roman(setting)]);
    }
    page.control("SH", ["EXIT STATUS"]);
    page.text([roman(
        "0: done. 1: refused or failed, with the reason on standard error. 2: usage.",
    )]);
    page.to_writer(out)
}

/// Every verb with what it does, below each other.
fn verbs(command: &clap::Command, above: &str, page: &mut Roff) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("{above}{}", verb.get_name());
        if verb.has_subcommands() {
            verbs(verb, &format!("{name} "), page);
            continue;
        }
        page.control("TP", []);
        page.text([bold(format!("vigie {name}"))]);
        page.text([roman(verb.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
}
