use super::*;

#[test]
fn all_built_in_themes_parse_and_say_everything() {
    for (at, (_, token)) in TOKENS.iter().enumerate() {
        assert_eq!(*token as usize, at, "TOKENS is in the enum's order");
    }
    for (name, text) in SOURCES {
        let theme = Theme::parse(name, text).unwrap();
        assert_eq!(theme.name(), name);
        let table: toml::Table = toml::from_str(text).unwrap();
        for (token, _) in TOKENS {
            assert!(table.contains_key(*token), "{name} says nothing about {token}");
        }
    }
    assert_eq!(SOURCES.map(|(name, _)| name), Theme::BUILT_IN);
}

/// States must stay apart from each other and from plain text where there is any colour.
#[test]
fn states_look_different() {
    for name in ["dark", "light", "high-contrast"] {
        let theme = Theme::built_in(name).unwrap();
        for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
            let theme = theme.for_depth(depth);
            let tokens = [Token::Good, Token::Warning, Token::Bad];
            let looks: std::collections::BTreeSet<String> =
                tokens.iter().map(|t| format!("{:?}", theme.style(*t).fg)).collect();
            assert_eq!(looks.len(), tokens.len(), "{name} {depth:?}: {looks:?}");
        }
    }
}

#[test]
fn without_colour_there_is_none() {
    for name in Theme::BUILT_IN {
        let theme = Theme::built_in(name).unwrap().for_depth(Depth::None);
        for (_, token) in TOKENS {
            let style = theme.style(*token);
            for color in [style.fg, style.bg].into_iter().flatten() {
                assert_eq!(color, Color::Reset, "{name} {token:?}");
            }
        }
        let selected = theme.style(Token::Selected);
        assert!(
            selected.add_modifier.contains(Modifier::REVERSED),
            "the selection is still seen"
        );
    }
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, expected) in [
        ("text = \"#12345\"", "line 1: text: \"#12345\" is no colour"),
        ("\ntext = \"#1234é\"", "line 2"),
        ("good = 3", "good: a text such as"),
        (
            "\n\nnot-a-token = \"red\"",
            "line 3: \"not-a-token\" is not one of: text",
        ),
        ("inherits = \"solar\"", "not one of: dark, light"),
        ("text = \"red blue\"", "\"blue\" is not one of: bold"),
        ("text = \"red on\"", "missing"),
        ("text = ", "line 1"),
    ] {
        let error = Theme::parse("mine", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(error.starts_with("theme mine"), "{error}");
    }
    let theme = Theme::parse("mine", "inherits = \"mono\"\ngood = \"green bold\"").unwrap();
    assert_eq!(theme.style(Token::Good).fg, Some(Color::Green));
    assert_eq!(
        theme.style(Token::Bad),
        Theme::built_in("mono").unwrap().style(Token::Bad)
    );
}

#[test]
fn the_environment_says_how_many_colours() {
    let of = |no_color, color_term, term| Depth::of(no_color, color_term, term);
    assert_eq!(of(Some("1"), Some("truecolor"), Some("xterm-256color")), Depth::None);
    assert_eq!(
        of(Some(""), Some("truecolor"), Some("xterm-256color")),
        Depth::True,
        "empty is not set"
    );
    assert_eq!(of(None, None, Some("tmux-256color")), Depth::Indexed);
    assert_eq!(of(None, None, Some("linux")), Depth::Ansi);
    assert_eq!(of(None, None, Some("dumb")), Depth::None);
}
