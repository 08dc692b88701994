//! Where everything stands on a screen of a given size: one answer for `view`, which draws it, and
//! `update`, which needs to know how many rows a page has.

use super::tabs::{PageDef, Tab};
use ratatui::layout::Rect;

/// Below this many columns or rows only one pane is shown at a time.
const NARROW: u16 = 80;
const LOW: u16 = 24;

/// One of the three panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pane {
    /// The servers.
    #[default]
    Servers,
    /// Instances, templates or jobs.
    List,
    /// The log.
    Log,
}

impl Pane {
    /// In the order of Tab.
    pub const ALL: [Self; 3] = [Self::Servers, Self::List, Self::Log];
}

/// How a page's panes are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Arrange {
    /// The lists over the log.
    #[default]
    Usual,
    /// The lists on the left, the log on the right; on pages without one the detail.
    Beside,
    /// Nothing but lists.
    Bare,
}

impl Arrange {
    /// The next one, around.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Usual => Self::Beside,
            Self::Beside => Self::Bare,
            Self::Bare => Self::Usual,
        }
    }

    /// Its name, as it is remembered; the usual one has none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Usual => None,
            Self::Beside => Some("beside"),
            Self::Bare => Some("lists"),
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Beside, Self::Bare]
            .into_iter()
            .find(|arrange| arrange.name() == Some(name))
    }

    /// As it is said.
    pub fn said(self) -> &'static str {
        match self {
            Self::Usual => "as usual",
            Self::Beside => "side by side",
            Self::Bare => "nothing but lists",
        }
    }
}

/// How much room panes are to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// The pane in focus has the whole screen.
    pub zoom: bool,
    /// It has more than the others.
    pub wide: bool,
    /// One pane at a time, whatever the screen.
    pub compact: bool,
    /// How the page is arranged.
    pub arrange: Arrange,
}

/// So many hundredths of something.
fn share(of: u16, hundredths: u32) -> u16 {
    u16::try_from(u32::from(of) * hundredths / 100).unwrap_or(of)
}

/// Where everything stands; empty rectangles are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The header.
    pub header: Rect,
    /// The servers, with their frame.
    pub servers: Rect,
    /// What is known of the selected row.
    pub detail: Rect,
    /// The page's list; on the fleet's page the selected server's instances.
    pub list: Rect,
    /// The log.
    pub log: Rect,
    /// Keys, and how things ended.
    pub footer: Rect,
    /// Whether only one pane is shown, for want of room.
    pub compact: bool,
}

/// From this many columns on a page's detail stands beside its list.
const BESIDE: u16 = 132;
/// The same where it was asked for.
const BESIDE_ASKED: u16 = 100;

/// Lays the screen out. `footer` is how many rows the bottom asks for.
pub fn layout(size: (u16, u16), page: &PageDef, focus: Pane, room: Room, servers: usize, footer: u16) -> Layout {
    let (width, height) = size;
    let Room {
        zoom, wide, arrange, ..
    } = room;
    let mut out = Layout {
        compact: room.compact || width < NARROW || height < LOW,
        ..Layout::default()
    };
    if width == 0 || height == 0 {
        return out;
    }
    let header = u16::from(height > 2);
    let footer = footer.min(height.saturating_sub(header + 3)).max(u16::from(height > 1));
    let body = height - header - footer;
    out.header = Rect::new(0, 0, width, header);
    out.footer = Rect::new(0, header + body, width, footer);
    let whole = Rect::new(0, header, width, body);
    // Where the page shows no log, one that has the focus has the screen.
    if out.compact || zoom || (focus == Pane::Log && arrange == Arrange::Bare) {
        match focus {
            Pane::Servers if zoom && body >= 16 && width >= NARROW => {
                let detail = 9;
                out.servers = Rect::new(0, header, width, body - detail);
                out.detail = Rect::new(0, header + body - detail, width, detail);
            }
            Pane::Servers => out.servers = whole,
            Pane::List => out.list = whole,
            Pane::Log => out.log = whole,
        }
        return out;
    }
    let wanted = u16::try_from(servers).unwrap_or(u16::MAX).saturating_add(3);
    if arrange == Arrange::Beside && page.log {
        let hundredths = match (wide, focus) {
            (true, Pane::Log) => 64,
            (true, _) => 30,
            (false, _) => 48,
        };
        let left = width - share(width, hundredths);
        out.log = Rect::new(left, header, width - left, body);
        let top = match page.tab {
            Tab::Here if wide && focus == Pane::List => wanted.clamp(5, share(body, 25).max(5)),
            Tab::Here => wanted.clamp(5, share(body, 45).max(5)),
            _ => 0,
        };
        out.servers = Rect::new(0, header, if top > 0 { left } else { 0 }, top);
        out.list = Rect::new(0, header + top, left, body - top);
        return out;
    }
    let log = match (page.log && arrange != Arrange::Bare, page.tab) {
        (false, _) => 0,
        (true, _) if wide && focus == Pane::Log => share(body, 65),
        (true, _) if wide => 6,
        (true, Tab::Jobs) => share(body, 40).clamp(7, 24),
        (true, _) => share(body, 30).clamp(6, 18),
    };
    let top = body - log;
    out.log = Rect::new(0, header + top, width, log);
    if page.tab != Tab::Here {
        if arrange == Arrange::Bare || (wide && focus == Pane::List) {
            out.list = Rect::new(0, header, width, top);
            return out;
        }
        let beside = width >= BESIDE || (arrange == Arrange::Beside && width >= BESIDE_ASKED);
        if beside {
            let left = share(width, 62).min(width - 50);
            out.list = Rect::new(0, header, left, top);
            out.detail = Rect::new(left, header, width - left, top);
            return out;
        }
        // A list with fewer rows than that is no list.
        let detail = (top * 2 / 5).min(12).min(top.saturating_sub(8));
        let detail = if detail < 4 { 0 } else { detail };
        out.list = Rect::new(0, header, width, top - detail);
        out.detail = Rect::new(0, header + top - detail, width, detail);
        return out;
    }
    let left = match (wide, focus) {
        (true, Pane::Servers) => share(width, 66),
        (true, Pane::List) => share(width, 30).max(26),
        _ => share(width, 46).clamp(36, 84),
    };
    let detail = if arrange == Arrange::Bare {
        0
    } else {
        let detail_max = if top >= 22 { 11 } else { 9 };
        top.saturating_sub(wanted.max(5))
            .clamp((top * 2 / 5).min(6), detail_max.min(top))
    };
    out.servers = Rect::new(0, header, left, top - detail);
    out.detail = Rect::new(0, header + top - detail, left, detail);
    out.list = Rect::new(left, header, width - left, top);
    out
}

impl Layout {
    /// A pane's place.
    pub fn pane(&self, pane: Pane) -> Rect {
        match pane {
            Pane::Servers => self.servers,
            Pane::List => self.list,
            Pane::Log => self.log,
        }
    }

    /// How many rows of a list a pane shows: inside its frame, below the columns' names.
    pub fn rows(&self, pane: Pane) -> usize {
        let inside = self.pane(pane).height.saturating_sub(2);
        let heading = u16::from(pane != Pane::Log && inside > 3);
        usize::from(inside - heading)
    }
}
