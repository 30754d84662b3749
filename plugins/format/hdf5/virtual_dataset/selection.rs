//! Regular selections of elements: along each axis blocks at even distances.

use std::collections::BTreeSet;
use std::ops::Range;

use thermocline_core::format::Region;
use thermocline_core::{Error, Result};

use crate::cursor::Cursor;

/// A regular selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    /// `None` until it is bound: all elements of the array.
    axes: Option<Vec<Axis>>,
    is_empty: bool,
}

/// The selected indices along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    start: u64,
    stride: u64,
    block: u64,
    /// Number of selected indices.
    len: u64,
    /// True if the file gives no end.
    pub(super) is_unlimited: bool,
}

impl Axis {
    /// Number of selected indices.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// True if there is one index, and never more.
    pub(super) fn is_single(&self) -> bool {
        self.len == 1 && !self.is_unlimited
    }

    /// The index at a position of the selection.
    pub(super) fn index(&self, position: u64) -> u64 {
        self.start + (position / self.block) * self.stride + position % self.block
    }

    /// Where the first `n` selected indices end.
    pub(super) fn end(&self, n: u64) -> Result<u64> {
        let Some(last) = n.checked_sub(1) else { return Ok(0) };
        let end = (last / self.block).checked_mul(self.stride).and_then(|blocks| {
            self.start.checked_add(blocks)?.checked_add(last % self.block)?.checked_add(1)
        });
        end.ok_or_else(|| Error::corrupt("a selection beyond 2^64"))
    }

    /// The block of that number alone.
    fn nth_block(&self, number: u64) -> Result<Self> {
        let start = number.checked_mul(self.stride).and_then(|blocks| self.start.checked_add(blocks));
        let start = start.filter(|start| start.checked_add(self.block).is_some());
        let start = start.ok_or_else(|| Error::corrupt("a selection beyond 2^64"))?;
        Ok(Self { start, stride: self.block, block: self.block, len: self.block, is_unlimited: false })
    }

    /// The number of selected indices below `index`.
    pub(super) fn n_below(&self, index: u64) -> u64 {
        let Some(behind) = index.checked_sub(self.start) else { return 0 };
        let whole = (behind / self.stride).saturating_mul(self.block);
        whole.saturating_add((behind % self.stride).min(self.block)).min(self.len)
    }
}

impl Selection {
    /// Reads a serialized selection.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        let kind = cursor.u32()?;
        let version = cursor.u32()?;
        match (kind, version) {
            (0, 1) => {
                cursor.skip(8)?;
                Ok(Self { axes: None, is_empty: true })
            }
            (3, 1) => {
                cursor.skip(8)?;
                Ok(Self { axes: None, is_empty: false })
            }
            (2, 1) => Self::parse_blocks(cursor),
            (2, 2 | 3) => Self::parse_regular(cursor, version),
            (1, _) => Err(Error::unsupported("a virtual dataset of single points")),
            _ => Err(Error::unsupported(format!("a selection of type {kind} and version {version}"))),
        }
    }

    /// Version 1 lists blocks, of which most lists are regular.
    fn parse_blocks(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.skip(8)?;
        let rank = cursor.u32()? as usize;
        let n_blocks = cursor.u32()? as usize;
        if rank == 0 || rank > 32 {
            return Err(Error::corrupt(format!("a selection of {rank} axes")));
        }
        let mut blocks: Vec<BTreeSet<(u64, u64)>> = vec![BTreeSet::new(); rank];
        for _ in 0..n_blocks {
            let starts = cursor.take(4 * rank)?;
            let ends = cursor.take(4 * rank)?;
            for ((axis, start), end) in
                blocks.iter_mut().zip(starts.chunks_exact(4)).zip(ends.chunks_exact(4))
            {
                axis.insert((number(start), number(end)));
            }
        }
        // Distinct blocks that are as many as all combinations of their sides are all combinations.
        let n_combined = blocks.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.len()));
        if n_combined != Some(n_blocks) {
            return Err(Error::unsupported(format!("a virtual dataset of {n_blocks} irregular blocks")));
        }
        let axes = blocks.into_iter().map(|axis| regular(&axis.into_iter().collect::<Vec<_>>()));
        Ok(Self { axes: Some(axes.collect::<Result<_>>()?), is_empty: false })
    }

    fn parse_regular(cursor: &mut Cursor<'_>, version: u32) -> Result<Self> {
        let flags = cursor.u8()?;
        let width = if version == 2 {
            cursor.skip(4)?;
            8
        } else {
            usize::from(cursor.u8()?)
        };
        let rank = cursor.u32()? as usize;
        if flags & 1 == 0 || rank > 32 || !matches!(width, 2 | 4 | 8) {
            return Err(Error::unsupported("a virtual dataset of irregular blocks"));
        }
        let unlimited = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let mut axes = Vec::with_capacity(rank);
        for _ in 0..rank {
            let start = cursor.uint(width)?;
            let stride = cursor.uint(width)?;
            let count = cursor.uint(width)?;
            let block = cursor.uint(width)?;
            let is_unlimited = count == unlimited || block == unlimited;
            let (block, len) = match (count == unlimited, block == unlimited) {
                (_, true) => (u64::MAX, u64::MAX),
                (true, false) => (block, u64::MAX),
                (false, false) => {
                    let len =
                        count.checked_mul(block).ok_or_else(|| Error::corrupt("a selection beyond 2^64"))?;
                    (block, len)
                }
            };
            if stride == 0 || block == 0 || (stride < block && count > 1 && block != u64::MAX) {
                return Err(Error::corrupt("a selection of overlapping blocks"));
            }
            axes.push(Axis {
                start,
                stride: stride.max(if count == 1 { block } else { 1 }),
                block,
                len,
                is_unlimited,
            });
        }
        Ok(Self { axes: Some(axes), is_empty: false })
    }

    /// Gives a selection of all elements, or of none, the axes of its array.
    pub(super) fn give_axes(&mut self, shape: &[u64]) {
        let all = |length: &u64| Axis {
            start: 0,
            stride: (*length).max(1),
            block: (*length).max(1),
            len: if self.is_empty { 0 } else { *length },
            is_unlimited: false,
        };
        self.axes.get_or_insert_with(|| shape.iter().map(all).collect());
    }

    /// The axis on which the selection has no end, if there is one.
    pub(super) fn unlimited(&self) -> Option<usize> {
        self.axes().iter().position(|axis| axis.is_unlimited)
    }

    /// The selection with only the block of that number along an axis.
    pub(super) fn nth_block(&self, axis: usize, number: u64) -> Result<Self> {
        let mut selection = self.clone();
        if let Some(axis) = selection.axes.as_mut().and_then(|axes| axes.get_mut(axis)) {
            *axis = axis.nth_block(number)?;
        }
        Ok(selection)
    }

    /// Fits the selection to the shape of its array.
    pub(super) fn bind(&mut self, shape: &[u64]) -> Result<()> {
        self.give_axes(shape);
        let Some(axes) = &mut self.axes else { return Ok(()) };
        if axes.len() != shape.len() {
            return Err(Error::corrupt("a selection of another rank than its array"));
        }
        for (axis, length) in axes.iter_mut().zip(shape) {
            let fits = axis.n_below(*length);
            if axis.is_unlimited {
                axis.len = fits;
            }
            axis.block = axis.block.min((*length).max(1));
            axis.stride = axis.stride.max(axis.block);
        }
        Ok(())
    }

    pub(super) fn axes(&self) -> &[Axis] {
        self.axes.as_deref().unwrap_or_default()
    }

    pub(super) fn rank(&self) -> usize {
        self.axes().len()
    }

    /// The axes along which there is more than one index.
    pub(super) fn squeezed(&self) -> Vec<Axis> {
        self.axes().iter().filter(|axis| !axis.is_single()).copied().collect()
    }

    /// The positions along each axis that lie in a region; `None` if there are none.
    pub(super) fn positions(&self, region: &Region) -> Option<Vec<Range<u64>>> {
        let ranges: Vec<Range<u64>> = self
            .axes()
            .iter()
            .zip(region.start.iter().zip(&region.shape))
            .map(|(axis, (start, len))| axis.n_below(*start)..axis.n_below(start.saturating_add(*len)))
            .collect();
        let is_empty = self.is_empty || ranges.iter().any(Range::is_empty);
        (!is_empty).then_some(ranges)
    }

    /// The smallest region that holds these positions.
    pub(super) fn bounds(&self, positions: &[Range<u64>]) -> Region {
        let ends = self.axes().iter().zip(positions);
        let ends: Vec<(u64, u64)> = ends
            .map(|(axis, range)| (axis.index(range.start), axis.index(range.end.max(1) - 1) + 1))
            .collect();
        Region {
            start: ends.iter().map(|(start, _)| *start).collect(),
            shape: ends.iter().map(|(start, end)| end.saturating_sub(*start)).collect(),
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
}

/// Blocks along one axis, each from its first index to its last, in ascending order.
fn regular(blocks: &[(u64, u64)]) -> Result<Axis> {
    let irregular = || Error::unsupported("a virtual dataset of irregular blocks");
    let (start, end) = *blocks.first().ok_or_else(irregular)?;
    let block = end.checked_sub(start).ok_or_else(irregular)? + 1;
    let stride = blocks.get(1).map_or(Some(block), |(second, _)| second.checked_sub(start));
    let stride = stride.filter(|stride| *stride >= block).ok_or_else(irregular)?;
    let is_regular = blocks.iter().enumerate().all(|(number, (first, last))| {
        let expected = start + number as u64 * stride;
        *first == expected && *last == expected + block - 1
    });
    if !is_regular {
        return Err(irregular());
    }
    Ok(Axis { start, stride, block, len: blocks.len() as u64 * block, is_unlimited: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_third_pair() -> Axis {
        Axis { start: 1, stride: 3, block: 2, len: 6, is_unlimited: false }
    }

    #[test]
    fn positions_and_indices_agree() {
        let axis = every_third_pair();
        let indices: Vec<u64> = (0..6).map(|position| axis.index(position)).collect();
        assert_eq!(indices, [1, 2, 4, 5, 7, 8]);
        let below: Vec<u64> = (0..10).map(|index| axis.n_below(index)).collect();
        assert_eq!(below, [0, 0, 1, 2, 2, 3, 4, 4, 5, 6]);
    }

    #[test]
    fn lists_of_blocks_are_regular_or_refused() {
        assert_eq!(regular(&[(1, 2), (4, 5), (7, 8)]).unwrap(), every_third_pair());
        assert!(regular(&[(1, 2), (4, 5), (8, 9)]).is_err());
        assert!(regular(&[(1, 2), (4, 4)]).is_err());
        assert!(regular(&[(3, 2)]).is_err());
    }

    #[test]
    fn a_region_picks_positions() {
        let selection = Selection { axes: Some(vec![every_third_pair()]), is_empty: false };
        let region = Region { start: vec![2], shape: vec![4] };
        assert_eq!(selection.positions(&region), Some(std::iter::once(1..4).collect()));
        assert_eq!(
            selection.bounds(std::slice::from_ref(&(1..4))),
            Region { start: vec![2], shape: vec![4] }
        );
        assert_eq!(selection.positions(&Region { start: vec![3], shape: vec![1] }), None);
    }
}
