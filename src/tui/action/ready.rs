//! Ready keymaps: what operators have in their fingers from elsewhere. Each says only where it differs from
//! the table. None puts a change of state on a single key.

/// A line: the action, the place (`None`: everywhere it can be used), its keys there.
pub(super) type ReadyLine = (&'static str, Option<&'static str>, &'static [&'static str]);

/// A keymap to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ready {
    /// The table's own keys.
    #[default]
    Default,
    /// As in vim: `gg`, `h` and `l` sideways, Ctrl-W for panes, Ctrl-B for pages.
    Vim,
    /// As in k9s: `0` for all, `-` for back, Shift-S and Shift-O to sort.
    K9s,
    /// As in lazygit: `<` and `>`, `,` and `.`, `h` and `l` between panes, `x` for the menu.
    Lazygit,
}

impl Ready {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Vim, Self::K9s, Self::Lazygit];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Vim => "vim",
            Self::K9s => "k9s",
            Self::Lazygit => "lazygit",
        }
    }

    /// The keymap of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ready| ready.name() == name)
    }

    pub(super) fn lines(self) -> &'static [ReadyLine] {
        match self {
            Self::Default => &[],
            Self::Vim => VIM,
            Self::K9s => K9S,
            Self::Lazygit => LAZYGIT,
        }
    }
}

const VIM: &[ReadyLine] = &[
    ("top", None, &["g g", "home"]),
    ("scroll-left", None, &["h", "left"]),
    ("scroll-right", None, &["l", "right"]),
    ("log", None, &["g l"]),
    ("happened", None, &["g h"]),
    ("next-list", None, &["g t"]),
    ("page-up", None, &["ctrl-b", "pgup"]),
    ("page-down", None, &["ctrl-f", "pgdn"]),
    ("next-pane", None, &["ctrl-w w", "tab"]),
    ("previous-pane", None, &["ctrl-w p", "shift-tab"]),
    ("zoom", None, &["ctrl-w o", "f"]),
    ("go-back", None, &["ctrl-o", "["]),
];

const K9S: &[ReadyLine] = &[
    ("go-back", None, &["-", "["]),
    ("all-instances", Some("lists"), &["0", "9"]),
    ("alerts-list", None, &["@"]),
    ("columns", None, &["ctrl-w", "w"]),
    ("sort", None, &["O"]),
    ("sort-state", None, &["S"]),
    ("next-problem", None, &["ctrl-z", "!"]),
    ("suspend", None, &["alt-z"]),
];

const LAZYGIT: &[ReadyLine] = &[
    ("menu", None, &["a", "x"]),
    ("top", None, &["<", "home"]),
    ("bottom", None, &[">", "end"]),
    ("page-up", None, &[",", "pgup"]),
    ("page-down", None, &[".", "pgdn"]),
    ("scroll-left", None, &["h", "left"]),
    ("scroll-right", None, &["l", "right"]),
    ("log", None, &["@"]),
    ("happened", None, &["i"]),
    ("check-all", None, &["R", "ctrl-r"]),
    ("again", None, &["alt-r"]),
];
