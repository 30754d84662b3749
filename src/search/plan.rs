//! Where the rows of a changed table come from.

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A row of the table before.
    Old(u32),
    /// One of those that are added.
    New(u32),
}

/// Where all rows come from, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Origin>,
    /// The new row of each old one; `None` for those that are gone.
    pub(crate) moved: Vec<Option<u32>>,
    /// The row of each that is added.
    pub(crate) added: Vec<u32>,
}

impl Plan {
    /// Of a table of `n_old` rows without those in `gone` (sorted), with new ones before the old rows at `places`
    /// (sorted; several at one place keep their order).
    pub(crate) fn new(n_old: u32, gone: &[u32], places: &[u32]) -> Self {
        let n_rows = (n_old as usize).saturating_sub(gone.len()) + places.len();
        let mut plan = Self {
            rows: Vec::with_capacity(n_rows),
            moved: vec![None; n_old as usize],
            added: Vec::with_capacity(places.len()),
        };
        let mut gone = gone.iter().copied().peekable();
        let mut old = 0;
        let mut keep_until = |plan: &mut Self, end: u32| {
            while old < end {
                if gone.next_if_eq(&old).is_none() {
                    if let Some(moved) = plan.moved.get_mut(old as usize) {
                        *moved = Some(plan.rows.len() as u32);
                    }
                    plan.rows.push(Origin::Old(old));
                }
                old += 1;
            }
        };
        for (position, place) in places.iter().enumerate() {
            keep_until(&mut plan, *place);
            plan.added.push(plan.rows.len() as u32);
            plan.rows.push(Origin::New(position as u32));
        }
        keep_until(&mut plan, n_old);
        plan
    }

    /// A column of numbers after the change.
    pub(crate) fn gather<T: Copy + Default>(&self, old: &[T], new: impl Fn(usize) -> T) -> Vec<T> {
        let value = |origin: &Origin| match *origin {
            Origin::Old(row) => old.get(row as usize).copied().unwrap_or_default(),
            Origin::New(position) => new(position as usize),
        };
        self.rows.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Origin::{New, Old};

    #[test]
    fn rows_go_and_come_where_they_belong() {
        let plan = Plan::new(4, &[1], &[0, 2, 2, 4]);
        assert_eq!(plan.rows, [New(0), Old(0), New(1), New(2), Old(2), Old(3), New(3)]);
        assert_eq!(plan.moved, [Some(1), None, Some(4), Some(5)]);
        assert_eq!(plan.added, [0, 2, 3, 6]);
        assert_eq!(plan.gather(&[10, 11, 12, 13], |new| new), [0, 10, 1, 2, 12, 13, 3]);
    }
}
