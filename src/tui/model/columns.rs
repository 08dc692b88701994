//! Which columns of a list fit, and how wide they are.

use super::find::{Field, fields};
use super::orders::Shown;
use super::tabs::ListId;

/// The columns of a list as they are chosen, or those it has by itself.
pub fn columns_of(list: ListId, shown: &Shown) -> Vec<&'static Field> {
    match &shown.columns {
        Some(columns) => columns.clone(),
        None => own_columns(list),
    }
}

/// The columns that a list has by itself.
fn own_columns(list: ListId) -> Vec<&'static Field> {
    fields(list)
        .iter()
        // Beside its server an instance's server says nothing.
        .filter(|field| field.rank > 0 && !(list == ListId::Here && field.name == "server"))
        .collect()
}

/// The columns that fit into so many of the screen, with a blank between each, and how wide each is.
/// `natural`: how wide a column's content is, where that is known.
pub fn fit(
    list: ListId,
    shown: &Shown,
    width: u16,
    natural: impl Fn(&Field) -> Option<u16>,
) -> Vec<(&'static Field, u16)> {
    let chosen = shown.columns.is_some();
    let mut columns = columns_of(list, shown);
    let limits = |field: &Field| {
        let (least, most) = field.width;
        match natural(field) {
            Some(natural) => (least.min(natural.max(4)), natural.clamp(least.min(4), most)),
            None => (least, most),
        }
    };
    let needed = |columns: &[&Field]| -> u16 {
        let blanks = u16::try_from(columns.len().saturating_sub(1)).unwrap_or(u16::MAX);
        columns
            .iter()
            .map(|field| limits(field).0)
            .fold(blanks, u16::saturating_add)
    };
    while columns.len() > 1 && needed(&columns) > width {
        // What was chosen goes from the right; else what matters least.
        let worst = if chosen {
            columns.len() - 1
        } else {
            let most = columns.iter().map(|field| field.rank).max().unwrap_or(0);
            columns
                .iter()
                .rposition(|field| field.rank == most)
                .unwrap_or(columns.len() - 1)
        };
        columns.remove(worst.max(1));
    }
    let mut left = width.saturating_sub(needed(&columns));
    let mut widths: Vec<(&'static Field, u16)> = columns
        .into_iter()
        .map(|field| (field, limits(field).0.min(width)))
        .collect();
    // What is left over is dealt out a little at a time, to what matters most first, so that no column
    // is cut while another has more than it needs.
    let mut order: Vec<usize> = (0..widths.len()).collect();
    order.sort_by_key(|at| widths.get(*at).map_or(0, |(field, _)| field.rank));
    let mut dealt = true;
    while dealt && left > 0 {
        dealt = false;
        for at in &order {
            if let Some((field, wide)) = widths.get_mut(*at) {
                let more = limits(field).1.saturating_sub(*wide).min(left).min(4);
                *wide += more;
                left -= more;
                dealt |= more > 0;
            }
        }
    }
    widths
}

/// The list of columns, open to choose from.
#[derive(Debug)]
pub struct ColumnPicker {
    /// Whose.
    pub list: ListId,
    /// Whether Enter sorts; else it shows and hides.
    pub sorting: bool,
    /// All columns, those that are shown first, in their order; whether each is shown.
    pub fields: Vec<(&'static Field, bool)>,
    /// Which is selected.
    pub at: usize,
}

impl ColumnPicker {
    /// Over a list.
    pub fn new(list: ListId, shown: &Shown, sorting: bool) -> Self {
        let columns = columns_of(list, shown);
        let mut all: Vec<(&'static Field, bool)> = columns.iter().map(|field| (*field, true)).collect();
        let rest = fields(list).iter().filter(|field| !columns.contains(field));
        all.extend(rest.map(|field| (field, false)));
        let sorted = shown
            .sort
            .and_then(|sort| all.iter().position(|(field, _)| *field == sort.field));
        Self {
            list,
            sorting,
            fields: all,
            at: sorted.filter(|_| sorting).unwrap_or(0),
        }
    }

    /// The columns that are shown, in their order.
    pub fn chosen(&self) -> Vec<&'static Field> {
        self.fields
            .iter()
            .filter(|(_, shown)| *shown)
            .map(|(field, _)| *field)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_never_take_more_than_there_is_and_the_first_stays() {
        for list in ListId::ALL {
            let lists = super::super::Lists::default();
            let shown = lists.shown(list);
            for width in 0..220 {
                let columns = fit(list, shown, width, |_| None);
                let sum: u16 = columns.iter().map(|(_, wide)| *wide).sum();
                let blanks = u16::try_from(columns.len() - 1).unwrap();
                assert!(sum + blanks <= width.max(sum), "{list:?} {width}");
                assert!(columns.len() == 1 || sum + blanks <= width, "{list:?} {width}");
                assert_eq!(columns[0].0, &fields(list)[0]);
            }
        }
    }
}
