//! The signs on the screen, and what stands for them where only ASCII is drawn.

use ratatui::symbols::border;

/// The signs on the screen.
pub(super) struct Glyphs {
    pub(super) good: &'static str,
    pub(super) warning: &'static str,
    pub(super) bad: &'static str,
    pub(super) draft: &'static str,
    pub(super) maintenance: &'static str,
    pub(super) unknown: &'static str,
    pub(super) done: &'static str,
    pub(super) failed: &'static str,
    pub(super) waiting: &'static str,
    pub(super) selected: &'static str,
    pub(super) mark: &'static str,
    pub(super) focus: &'static str,
    pub(super) full: &'static str,
    pub(super) empty: &'static str,
    pub(super) cut: &'static str,
    pub(super) dot: &'static str,
    pub(super) dash: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) crumb: &'static str,
    pub(super) on: &'static str,
    pub(super) changed: &'static str,
    pub(super) spinner: &'static [&'static str],
    pub(super) levels: [&'static str; 8],
    pub(super) border: border::Set<'static>,
}

static UNICODE: Glyphs = Glyphs {
    good: "●",
    warning: "▲",
    bad: "✖",
    draft: "○",
    maintenance: "◑",
    unknown: "?",
    done: "✔",
    failed: "✖",
    waiting: "·",
    selected: "▸",
    mark: "◆",
    focus: "▶",
    full: "▓",
    empty: "░",
    cut: "…",
    dot: "·",
    dash: "–",
    up: "↑",
    down: "↓",
    crumb: "›",
    on: "✔",
    changed: "•",
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    border: border::PLAIN,
};

static ASCII: Glyphs = Glyphs {
    good: "*",
    warning: "!",
    bad: "X",
    draft: "o",
    maintenance: "%",
    unknown: "?",
    done: "+",
    failed: "X",
    waiting: ".",
    selected: ">",
    mark: "+",
    focus: ">",
    full: "#",
    empty: ".",
    cut: "~",
    dot: "-",
    dash: "-",
    up: "^",
    down: "v",
    crumb: ">",
    on: "x",
    changed: "'",
    spinner: &["|", "/", "-", "\\"],
    levels: ["_", ".", "-", "=", "+", "*", "#", "@"],
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
};

impl Glyphs {
    pub(super) fn of(ascii: bool) -> &'static Self {
        if ascii { &ASCII } else { &UNICODE }
    }
}
