use super::depth::rgb;
use super::*;
use ratatui::style::{Color, Modifier};

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
    for name in ["dark", "light", "high-contrast", "colour-blind", "sixteen"] {
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

/// Everything that text is written in.
const WORDS: [Token; 9] = [
    Token::Text,
    Token::Dim,
    Token::Strong,
    Token::Accent,
    Token::Good,
    Token::Warning,
    Token::Bad,
    Token::Info,
    Token::Key,
];

type Rgb = (u8, u8, u8);

/// The contrast of two colours as the WCAG 2 define it: from 1 to 21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let light = |(r, g, b): Rgb| {
        let part = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.03928 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
    };
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// What is written has a contrast of 4.5 at least to what is under it: the screen, a selected row, the header,
/// a field. Where a theme leaves the screen to the terminal, it is taken for black, and for a dark grey.
#[test]
fn text_stands_out_from_what_is_under_it_in_every_theme_at_every_depth() {
    let mut low = Vec::new();
    for name in Theme::BUILT_IN.iter().filter(|name| **name != "mono") {
        for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
            let theme = Theme::built_in(name).unwrap().for_depth(depth);
            let own = theme.style(Token::Text).bg.and_then(rgb);
            let screens = own.map_or_else(|| vec![(0, 0, 0), (30, 33, 39)], |own| vec![own]);
            for screen in screens {
                let fg = |token| theme.style(token).fg.and_then(rgb).unwrap_or((208, 208, 208));
                let bg = |token| theme.style(token).bg.and_then(rgb).unwrap_or(screen);
                let mut check = |what: String, a: Rgb, b: Rgb, least: f64| {
                    if contrast(a, b) < least {
                        low.push(format!("{name} {depth:?} {what}: {:.2}", contrast(a, b)));
                    }
                };
                for token in WORDS {
                    check(format!("{token:?}"), fg(token), screen, 4.5);
                    for row in [Token::Selected, Token::SelectedAway] {
                        // A row with a colour of its own writes everything in it.
                        let own = theme.style(row).fg.and_then(rgb);
                        check(format!("{token:?} on {row:?}"), own.unwrap_or(fg(token)), bg(row), 4.5);
                    }
                    check(format!("{token:?} on Header"), fg(token), bg(Token::Header), 4.5);
                }
                for token in [
                    Token::Header,
                    Token::Match,
                    Token::Field,
                    Token::FieldFocus,
                    Token::Button,
                    Token::ButtonFocus,
                    Token::Danger,
                ] {
                    check(format!("{token:?}"), fg(token), bg(token), 4.5);
                }
                for token in [Token::Focus, Token::Popup, Token::BarFull] {
                    check(format!("{token:?}"), fg(token), screen, 3.0);
                }
            }
        }
    }
    assert!(low.is_empty(), "{low:#?}");
}

/// As eyes without one of the three kinds of cones see it (Machado, Oliveira and Fernandes, 2009).
fn seen(color: Rgb, matrix: [[f64; 3]; 3]) -> [f64; 3] {
    let (r, g, b) = color;
    let color = [f64::from(r), f64::from(g), f64::from(b)];
    matrix.map(|row| row.iter().zip(color).map(|(share, part)| share * part).sum())
}

#[test]
fn the_colour_blind_theme_tells_states_apart_whatever_cones_are_missing() {
    let eyes = [
        (
            "protan",
            [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        ),
        (
            "deutan",
            [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        ),
        (
            "tritan",
            [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
        ),
    ];
    for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
        let theme = Theme::built_in("colour-blind").unwrap().for_depth(depth);
        let color = |token| theme.style(token).fg.and_then(rgb).unwrap();
        for (eye, matrix) in eyes {
            for (a, b) in [
                (Token::Good, Token::Warning),
                (Token::Good, Token::Bad),
                (Token::Warning, Token::Bad),
            ] {
                let (x, y) = (seen(color(a), matrix), seen(color(b), matrix));
                let apart: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                assert!(apart > 55.0, "{depth:?} {eye}: {a:?} and {b:?} are {apart:.0} apart");
            }
        }
    }
}

#[test]
fn what_a_theme_says_of_few_colours_holds_there_only() {
    let theme = Theme::parse(
        "mine",
        "inherits = \"dark\"\ngood = \"#ff00ff\"\n[at-16]\nbad = \"red\"",
    )
    .unwrap();
    let at = |depth, token| theme.for_depth(depth).style(token).fg;
    assert_eq!(at(Depth::True, Token::Good), Some(Color::Rgb(255, 0, 255)));
    assert_eq!(at(Depth::Indexed, Token::Good), Some(Color::Indexed(201)));
    assert_eq!(
        at(Depth::Ansi, Token::Good),
        Some(Color::LightMagenta),
        "its own, brought near, not its parent's"
    );
    assert_eq!(at(Depth::Ansi, Token::Bad), Some(Color::Red));
    assert_ne!(at(Depth::True, Token::Bad), Some(Color::Red));
    let error = Theme::parse("mine", "good = \"red\"\n\n[at-16]\ngood = \"rde\"").unwrap_err();
    assert!(error.to_string().contains("line 4: good"), "{error}");
    let error = Theme::parse("mine", "at-16 = 3").unwrap_err();
    assert!(error.to_string().contains("line 1: at-16 is a section"), "{error}");
}

#[test]
fn a_set_has_what_was_put_into_it_and_falls_back_to_what_is_built_in() {
    let set = ThemeSet::new(Depth::Ansi);
    assert_eq!(set.names(), Theme::BUILT_IN);
    let mine = Theme::parse("mine", "good = \"#ff00ff\"").unwrap();
    set.put(&mine);
    set.put(&Theme::parse("light", "inherits = \"mono\"").unwrap());
    assert_eq!(set.names().last().map(String::as_str), Some("mine"));
    assert_eq!(set.get("mine").style(Token::Good).fg, Some(Color::LightMagenta));
    assert_eq!(set.get("light").style(Token::Good).fg, Some(Color::Reset));
    set.forget("light");
    assert_ne!(set.get("light").style(Token::Good).fg, Some(Color::Reset));
    set.forget("mine");
    assert_eq!(set.get("mine").name(), "dark");
}

#[test]
fn the_setting_comes_before_the_environment() {
    for (word, depth) in [
        ("true", Depth::True),
        ("256", Depth::Indexed),
        ("16", Depth::Ansi),
        ("none", Depth::None),
    ] {
        assert_eq!(Depth::named(word), Some(depth));
    }
    assert_eq!(Depth::named("auto"), None);
}
