//! Cells of the result that are computed together.

use std::ops::Range;

use super::layout::Layout;

/// A box of cells within the kept positions of one column of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slab {
    /// Number of its column.
    pub(super) column: usize,
    /// Ordinals along each kept axis, in the order of the axes.
    pub(super) kept: Vec<Range<u64>>,
    /// Codes of each of [`Layout::groups`].
    pub(super) groups: Vec<Range<u64>>,
}

/// How cells are numbered in the state of a slab.
#[derive(Debug, Clone)]
pub(super) struct Numbering {
    /// How far apart the cells of neighbours along each kept axis are.
    pub(super) kept: Vec<usize>,
    /// The same of neighbouring groups of each of [`Layout::groups`].
    pub(super) groups: Vec<usize>,
}

fn n_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().fold(1, |n, range| n.saturating_mul(range.end.saturating_sub(range.start)))
}

/// Strides of a box in C order, the last of which is `last`.
fn strides_of(ranges: &[Range<u64>], last: usize) -> Vec<usize> {
    let mut strides = vec![last; ranges.len()];
    let mut stride = last;
    for (at, range) in strides.iter_mut().zip(ranges).rev() {
        *at = stride;
        stride = stride.saturating_mul((range.end - range.start) as usize);
    }
    strides
}

impl Slab {
    pub(super) fn n_kept(&self) -> u64 {
        n_of(&self.kept)
    }

    pub(super) fn n_groups(&self) -> u64 {
        n_of(&self.groups)
    }

    pub(super) fn n_cells(&self) -> u64 {
        self.n_kept().saturating_mul(self.n_groups())
    }

    /// Neighbours in a chunk are neighbours among the cells: positions vary fastest where the innermost axis is kept,
    /// else groups do.
    pub(super) fn numbering(&self, layout: &Layout) -> Numbering {
        let is_kept_inside = layout
            .innermost()
            .and_then(|axis| layout.axes.get(axis))
            .is_none_or(super::layout::Axis::is_kept);
        let (kept, groups) = match is_kept_inside {
            true => (1, self.n_kept() as usize),
            false => (self.n_groups() as usize, 1),
        };
        Numbering { kept: strides_of(&self.kept, kept), groups: strides_of(&self.groups, groups) }
    }

    /// The group of each grouper that a cell is of.
    pub(super) fn groups_of(&self, numbering: &Numbering, cell: usize) -> Vec<u64> {
        let along = self.groups.iter().zip(&numbering.groups);
        along
            .map(|(range, stride)| {
                let n = (range.end - range.start).max(1);
                range.start + (cell / (*stride).max(1)) as u64 % n
            })
            .collect()
    }

    /// Cut in two along a kept axis or a grouper, whatever is there: the outermost kept axis first. `None` for one cell.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        let cut = |ranges: &[Range<u64>]| ranges.iter().position(|range| range.end - range.start > 1);
        if let Some(axis) = cut(&self.kept) {
            return self.cut(|slab| slab.kept.get_mut(axis));
        }
        let longest = self.groups.iter().enumerate().max_by_key(|(_, range)| range.end - range.start);
        self.halves_of_group(longest?.0)
    }

    /// Cut in two along a grouper; `None` for one group.
    pub(super) fn halves_of_group(&self, group: usize) -> Option<(Self, Self)> {
        self.groups.get(group).filter(|range| range.end - range.start > 1)?;
        self.cut(|slab| slab.groups.get_mut(group))
    }

    fn cut(&self, of: impl Fn(&mut Self) -> Option<&mut Range<u64>>) -> Option<(Self, Self)> {
        let (mut first, mut second) = (self.clone(), self.clone());
        let range = of(&mut first)?;
        let middle = range.start + (range.end - range.start) / 2;
        range.end = middle;
        of(&mut second)?.start = middle;
        Some((first, second))
    }
}

/// The next position of a box in C order; false after the last.
pub(super) fn advance(at: &mut [u64], ranges: &[Range<u64>]) -> bool {
    for (at, range) in at.iter_mut().zip(ranges).rev() {
        *at += 1;
        if *at < range.end {
            return true;
        }
        *at = range.start;
    }
    false
}
