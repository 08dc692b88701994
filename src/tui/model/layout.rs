//! Where everything stands on a screen of a given size: one answer for `view`, which draws it, and
//! `update`, which needs to know how many rows a page has.

use super::tabs::{PageDef, Tab};
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

/// Lays the screen out. `footer` is how many rows the bottom asks for.
pub fn layout(size: (u16, u16), page: &PageDef, focus: Pane, zoom: bool, servers: usize, footer: u16) -> Layout {
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
    let log = match (page.log, page.tab) {
        (false, _) => 0,
        (true, Tab::Jobs) => (body * 4 / 10).clamp(7, 24),
        (true, _) => (body * 3 / 10).clamp(6, 18),
    };
    let top = body - log;
    out.log = Rect::new(0, header + top, width, log);
    if page.tab != Tab::Here {
        if width >= BESIDE {
            let left = (width * 62 / 100).min(width - 50);
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
    let left = (width * 46 / 100).clamp(36, 84);
    let wanted = u16::try_from(servers).unwrap_or(u16::MAX).saturating_add(3);
    let detail_max = if top >= 22 { 11 } else { 9 };
    let detail = top
        .saturating_sub(wanted.max(5))
        .clamp((top * 2 / 5).min(6), detail_max.min(top));
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
