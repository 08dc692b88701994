//! Where everything stands on a screen of a given size: one answer for `view`, which draws it, and
//! `update`, which needs to know how many rows a page has.

use ratatui::layout::Rect;

/// Below this many columns or rows only one pane is shown at a time.
const NARROW: u16 = 72;
const LOW: u16 = 19;

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

/// Where everything stands; empty rectangles are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The header.
    pub header: Rect,
    /// The servers, with their frame.
    pub servers: Rect,
    /// The selected server's detail.
    pub detail: Rect,
    /// Instances, templates or jobs.
    pub list: Rect,
    /// The log.
    pub log: Rect,
    /// Keys, and how things ended.
    pub footer: Rect,
    /// Whether only one pane is shown, for want of room.
    pub compact: bool,
}

/// Lays the screen out. `footer` is how many rows the bottom asks for.
pub fn layout(size: (u16, u16), focus: Pane, zoom: bool, servers: usize, footer: u16) -> Layout {
    let (width, height) = size;
    let mut out = Layout {
        compact: width < NARROW || height < LOW,
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
    if out.compact || zoom {
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
    let log = (body * 3 / 10).clamp(6, 18);
    let top = body - log;
    let left = (width * 46 / 100).clamp(36, 84);
    let wanted = u16::try_from(servers).unwrap_or(u16::MAX).saturating_add(3);
    let detail_max = if top >= 22 { 11 } else { 9 };
    let detail = top
        .saturating_sub(wanted.max(5))
        .clamp((top * 2 / 5).min(6), detail_max.min(top));
    out.servers = Rect::new(0, header, left, top - detail);
    out.detail = Rect::new(0, header + top - detail, left, detail);
    out.list = Rect::new(left, header, width - left, top);
    out.log = Rect::new(0, header + top, width, log);
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
