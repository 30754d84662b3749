//! Walks over the elements of a chunk in runs that kernels take.
//!
//! The innermost axis of a chunk is the run, joined with its neighbours as far as they lie one after another in the chunk and
//! among the cells alike. Kept axes are walked outside and reduced ones inside, in blocks, so that the cells of a block stay
//! in the cache while members are added to them. Where runs are cut does not depend on which cells or groups are asked for:
//! the same values are added up in the same way.

use std::ops::Range;

use thermocline_core::Result;
use thermocline_model::ArrayBytes;

use super::layout::{Axis, Becomes, Layout};
use super::slab::{Numbering, Slab};
use crate::NO_GROUP;
use crate::kernel::{Lane, LaneBuffer, LaneDecoder, RunWeights, State, Target};

/// Most values of a run.
const RUN: usize = 2048;

/// Shortest runs of members of one group, on average, that are handed over one by one.
const SHORT_RUN: usize = 8;

/// What a slab is accumulated into.
pub(super) struct Work {
    pub(super) state: State,
    /// How many members each cell was given, where that decides whether it is empty.
    pub(super) n_members: Option<Vec<u32>>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    cells: Vec<u32>,
    weights: Vec<f64>,
    lane: LaneBuffer,
}

impl Work {
    pub(super) fn new(state: State, n_members: Option<Vec<u32>>) -> Self {
        Self { state, n_members, scratch: Scratch::default() }
    }
}

/// Positions of an axis within a chunk, with what each adds to the number of a cell.
struct Loop {
    axis: usize,
    is_kept: bool,
    items: Vec<(usize, usize)>,
    /// Elements between neighbours along it.
    stride: usize,
}

/// The innermost elements.
struct Inner {
    axis: usize,
    target: Along,
    /// How much each element adds to the offsets in joints, weights, and to the rank.
    joints: Vec<usize>,
    weights: Vec<usize>,
    rank: u64,
}

/// To which cells elements one after another go.
enum Along {
    /// Kept: element `start + i` to cell `i * stride`.
    Cells { start: usize, n: usize, stride: usize },
    /// Element `start + i` to `cells[i]`.
    Table { start: usize, cells: Vec<u32>, is_kept: bool },
    /// Each piece to one cell.
    Pieces(Vec<(Range<usize>, usize)>),
}

/// Where a run stands.
#[derive(Clone)]
struct At {
    element: usize,
    cell: usize,
    rank: u64,
    joints: Vec<usize>,
    weights: Vec<usize>,
}

/// Adds the members of a slab that are in a chunk to its state.
///
/// # Errors
/// A chunk that is shorter than its shape.
pub(super) fn accumulate(
    layout: &Layout,
    slab: &Slab,
    decoder: &LaneDecoder,
    (index, values): (&[u64], &ArrayBytes),
    work: &mut Work,
) -> Result<()> {
    let numbering = slab.numbering(layout);
    let walk = Walk::new(layout, slab, &numbering, index);
    let Some((mut walk, at)) = walk else { return Ok(()) };
    let mut sink = Sink { layout, slab, numbering: &numbering, decoder, values, work };
    match walk.inner.blocks() {
        Some(blocks) => {
            for block in blocks {
                walk.block = Some(block);
                walk.descend(0, at.clone(), &mut sink)?;
            }
            Ok(())
        }
        None => walk.descend(0, at, &mut sink),
    }
}

/// The nest of loops over a chunk.
struct Walk<'w> {
    layout: &'w Layout,
    loops: Vec<Loop>,
    inner: Inner,
    /// The part of the innermost elements that is walked; `None` for all, one after another.
    block: Option<Range<usize>>,
}

impl<'w> Walk<'w> {
    /// `None` if the chunk has no member.
    fn new(layout: &'w Layout, slab: &Slab, numbering: &Numbering, index: &[u64]) -> Option<(Self, At)> {
        let mut at = At {
            element: 0,
            cell: 0,
            rank: 0,
            joints: vec![0; layout.joints.len()],
            weights: vec![0; layout.weights.len()],
        };
        let mut strides = vec![1_usize; layout.axes.len()];
        let mut stride = 1_usize;
        for (at, axis) in strides.iter_mut().zip(&layout.axes).rev() {
            *at = stride;
            stride = stride.checked_mul(usize::try_from(axis.chunk_len).ok()?)?;
        }
        let innermost = layout.innermost();
        let mut loops = Vec::new();
        let mut kept = 0;
        for (number, axis) in layout.axes.iter().enumerate() {
            let span = axis.span(*index.get(number)?);
            let origin = usize::try_from(span.start).ok()?;
            at.rank = at.rank.wrapping_add(axis.rank_of(span.start));
            for (offset, joint) in at.joints.iter_mut().zip(&layout.joints) {
                *offset += origin * joint.strides.get(number)?;
            }
            for (offset, weights) in at.weights.iter_mut().zip(&layout.weights) {
                *offset += origin * weights.strides.get(number)?;
            }
            let number_of_kept = axis.is_kept().then_some(kept);
            kept += usize::from(axis.is_kept());
            if Some(number) == innermost {
                loops.push(Loop { axis: number, is_kept: axis.is_kept(), items: Vec::new(), stride: 1 });
                continue;
            }
            let items = items_of(layout, slab, numbering, axis, (number_of_kept, &span));
            if items.is_empty() {
                return None;
            }
            loops.push(Loop { axis: number, is_kept: axis.is_kept(), items, stride: *strides.get(number)? });
        }
        let inner = inner_of(layout, slab, numbering, index, &mut loops)?;
        // Kept axes outside, reduced ones inside, each in their order.
        loops.sort_by_key(|axis| !axis.is_kept);
        Some((Self { layout, loops, inner, block: None }, at))
    }

    fn descend(&self, depth: usize, at: At, sink: &mut Sink<'_>) -> Result<()> {
        let Some(axis) = self.loops.get(depth) else { return self.runs(&at, sink) };
        let is_last = depth + 1 == self.loops.len();
        let of = self.layout.axes.get(axis.axis);
        let mut next = at.clone();
        for (position, cell) in &axis.items {
            next.element = at.element + position * axis.stride;
            next.cell = at.cell + cell;
            next.rank = at.rank.wrapping_add(of.map_or(0, |of| of.rank_step(*position as u64)));
            for ((next, at), joint) in next.joints.iter_mut().zip(&at.joints).zip(&self.layout.joints) {
                *next = at + position * joint.strides.get(axis.axis).copied().unwrap_or(0);
            }
            for ((next, at), weights) in next.weights.iter_mut().zip(&at.weights).zip(&self.layout.weights) {
                *next = at + position * weights.strides.get(axis.axis).copied().unwrap_or(0);
            }
            if is_last {
                self.runs(&next, sink)?;
            } else {
                self.descend(depth + 1, next.clone(), sink)?;
            }
        }
        Ok(())
    }

    /// Hands the innermost elements over.
    fn runs(&self, at: &At, sink: &mut Sink<'_>) -> Result<()> {
        let Some(cell) = sink.cell_of_joints(&self.inner, at) else { return Ok(()) };
        let base = at.cell + cell;
        match &self.inner.target {
            Along::Cells { start, n, stride } => {
                for block in self.block.clone().map_or_else(|| blocks_of(0..*n), |block| vec![block]) {
                    let first = base + block.start * stride;
                    let run = start + block.start..start + block.end;
                    sink.take(&self.inner, at, run, To::Each { first, stride: *stride })?;
                }
            }
            Along::Table { start, cells, .. } => {
                for block in self.block.clone().map_or_else(|| blocks_of(0..cells.len()), |block| vec![block])
                {
                    let run = start + block.start..start + block.end;
                    let cells = cells.get(block).unwrap_or_default();
                    sink.take(&self.inner, at, run, To::Table { first: base, cells })?;
                }
            }
            Along::Pieces(pieces) => {
                for (piece, cell) in pieces {
                    for run in blocks_of(piece.clone()) {
                        sink.take(&self.inner, at, run, To::One { cell: base + cell })?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Inner {
    /// The parts that are walked one after another where the elements stay cells; `None` where they are reduced.
    fn blocks(&self) -> Option<Vec<Range<usize>>> {
        match &self.target {
            Along::Cells { n, .. } => Some(blocks_of(0..*n)),
            Along::Table { cells, is_kept: true, .. } => Some(blocks_of(0..cells.len())),
            _ => None,
        }
    }
}

fn blocks_of(all: Range<usize>) -> Vec<Range<usize>> {
    let starts = (all.start..all.end).step_by(RUN);
    starts.map(|start| start..(start + RUN).min(all.end)).collect()
}

impl Axis {
    /// The rank of a position among the members.
    fn rank_of(&self, position: u64) -> u64 {
        let position = if self.is_reversed { self.len.saturating_sub(1) - position } else { position };
        position.wrapping_mul(self.rank_stride)
    }

    /// What some positions further add to it.
    fn rank_step(&self, positions: u64) -> u64 {
        let step = positions.wrapping_mul(self.rank_stride);
        if self.is_reversed { step.wrapping_neg() } else { step }
    }
}

/// Positions of an axis that is not the innermost, with what each adds to the number of a cell.
fn items_of(
    layout: &Layout,
    slab: &Slab,
    numbering: &Numbering,
    axis: &Axis,
    (kept, span): (Option<usize>, &Range<u64>),
) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    if let Some(kept) = kept {
        let (Some(ordinals), Some(stride)) = (slab.kept.get(kept), numbering.kept.get(kept)) else {
            return items;
        };
        axis.positions.each(ordinals, |position, ordinal| {
            items.push(((position - span.start) as usize, (ordinal - ordinals.start) as usize * stride));
        });
        return items;
    }
    for (position, code) in layout.codes_along(axis, span).into_iter().enumerate() {
        if let Some(cell) = cell_of_code(layout, slab, numbering, axis, code) {
            items.push((position, cell));
        }
    }
    items
}

/// What a code along an axis adds to the number of a cell; `None` where its group is not among those of the slab.
pub(super) fn cell_of_code(
    layout: &Layout,
    slab: &Slab,
    numbering: &Numbering,
    axis: &Axis,
    code: u32,
) -> Option<usize> {
    if code == NO_GROUP {
        return None;
    }
    let Becomes::Reduced(factors) = &axis.becomes else { return Some(0) };
    let mut rest = u64::from(code);
    let mut cell = 0;
    for group in factors.iter().rev() {
        let n = layout.groups.get(*group)?.n.max(1);
        let range = slab.groups.get(*group)?;
        let of = rest % n;
        rest /= n;
        if !range.contains(&of) {
            return None;
        }
        cell += (of - range.start) as usize * numbering.groups.get(*group)?;
    }
    Some(cell)
}

/// The innermost elements, joined with further axes as far as possible; these are taken out of the loops.
fn inner_of(
    layout: &Layout,
    slab: &Slab,
    numbering: &Numbering,
    index: &[u64],
    loops: &mut Vec<Loop>,
) -> Option<Inner> {
    let Some(number) = layout.innermost() else {
        // Chunks of one element.
        let target = Along::Pieces(vec![(0..1, 0)]);
        let (joints, weights) = (vec![0; layout.joints.len()], vec![0; layout.weights.len()]);
        return Some(Inner { axis: 0, target, joints, weights, rank: 0 });
    };
    let axis = layout.axes.get(number)?;
    loops.retain(|other| other.axis != number);
    let stride_of = |strides: &Vec<usize>, axis: usize| strides.get(axis).copied().unwrap_or(0);
    let joints: Vec<usize> = layout.joints.iter().map(|joint| stride_of(&joint.strides, number)).collect();
    let weights: Vec<usize> = layout.weights.iter().map(|table| stride_of(&table.strides, number)).collect();
    let span = axis.span(*index.get(number)?);
    let kept = layout.kept().iter().position(|kept| *kept == number);
    let mut target = match kept {
        Some(kept) => along_kept(axis, slab.kept.get(kept)?, *numbering.kept.get(kept)?, &span),
        None => along_reduced(layout, slab, numbering, axis, &span),
    }?;
    let mut inner_len = usize::try_from(axis.chunk_len).ok()?;
    let mut outer = number;
    while let Some(next) =
        (0..outer).rev().find(|axis| layout.axes.get(*axis).is_some_and(|axis| axis.chunk_len > 1))
    {
        let of = layout.axes.get(next)?;
        let are_alike = |strides: &Vec<usize>, inner: usize| stride_of(strides, next) == inner * inner_len;
        let fits = layout.joints.iter().zip(&joints).all(|(joint, inner)| are_alike(&joint.strides, *inner))
            && layout.weights.iter().zip(&weights).all(|(table, inner)| are_alike(&table.strides, *inner))
            && (of.rank_stride == 0 || (of.rank_stride == axis.rank_stride * inner_len as u64))
            && of.is_kept() == axis.is_kept()
            && (of.rank_stride == 0 || (!of.is_reversed && !axis.is_reversed));
        let found = loops.iter().position(|other| other.axis == next)?;
        let Some(joined) = joined(&target, inner_len, &loops.get(found)?.items, of).filter(|_| fits) else {
            break;
        };
        target = joined;
        loops.remove(found);
        inner_len *= usize::try_from(of.chunk_len).ok()?;
        outer = next;
    }
    Some(Inner { axis: number, target, joints, weights, rank: axis.rank_stride })
}

/// Elements that fill a chunk along their axis, joined with those of the next axis if they are one after another too.
fn joined(target: &Along, inner_len: usize, items: &[(usize, usize)], outer: &Axis) -> Option<Along> {
    let (first, last) = (items.first()?, items.last()?);
    if last.0 - first.0 + 1 != items.len() {
        return None;
    }
    let start = first.0 * inner_len;
    match target {
        Along::Cells { start: 0, n, stride } if *n == inner_len => {
            let is_even = items.iter().enumerate().all(|(i, (_, cell))| *cell == i * inner_len * stride);
            is_even.then_some(Along::Cells { start, n: items.len() * inner_len, stride: *stride })
        }
        Along::Pieces(pieces) if matches!(&outer.becomes, Becomes::Reduced(factors) if factors.is_empty()) => {
            let [(piece, 0)] = pieces.as_slice() else { return None };
            let is_whole = *piece == (0..inner_len);
            is_whole.then(|| Along::Pieces(vec![(start..start + items.len() * inner_len, 0)]))
        }
        _ => None,
    }
}

fn along_kept(axis: &Axis, ordinals: &Range<u64>, stride: usize, span: &Range<u64>) -> Option<Along> {
    let first = axis.positions.at(ordinals.start)?;
    let last = axis.positions.at(ordinals.end.checked_sub(1)?)?;
    let (start, n) = (usize::try_from(first - span.start).ok()?, usize::try_from(last - first + 1).ok()?);
    if n as u64 == ordinals.end - ordinals.start {
        return Some(Along::Cells { start, n, stride });
    }
    let mut cells = vec![NO_GROUP; n];
    axis.positions.each(ordinals, |position, ordinal| {
        if let Some(cell) = cells.get_mut((position - first) as usize) {
            *cell = narrow((ordinal - ordinals.start) as usize * stride);
        }
    });
    Some(Along::Table { start, cells, is_kept: true })
}

/// Cells of a state fit into 32 bits: see [`super::passes`].
fn narrow(cell: usize) -> u32 {
    u32::try_from(cell).unwrap_or(NO_GROUP)
}

fn along_reduced(
    layout: &Layout,
    slab: &Slab,
    numbering: &Numbering,
    axis: &Axis,
    span: &Range<u64>,
) -> Option<Along> {
    let codes = layout.codes_along(axis, span);
    let n_members = codes.iter().filter(|code| **code != NO_GROUP).count();
    let pieces: Vec<&[u32]> =
        codes.chunk_by(|a, b| a == b).filter(|piece| piece.first() != Some(&NO_GROUP)).collect();
    if n_members == 0 {
        return None;
    }
    let cell_of = |code: u32| cell_of_code(layout, slab, numbering, axis, code);
    let is_reversed = axis.is_reversed && axis.rank_stride > 0;
    if !is_reversed && n_members / pieces.len().max(1) >= SHORT_RUN {
        let mut start = 0;
        let mut found = Vec::new();
        for piece in codes.chunk_by(|a, b| a == b) {
            let range = start..start + piece.len();
            start = range.end;
            if let Some(cell) = piece.first().and_then(|code| cell_of(*code)) {
                found.push((range, cell));
            }
        }
        return (!found.is_empty()).then_some(Along::Pieces(found));
    }
    if is_reversed {
        // Kernels know members that stand later, not earlier: one by one.
        let single = |(at, code): (usize, &u32)| Some((at..at + 1, cell_of(*code)?));
        let found: Vec<_> = codes.iter().enumerate().filter_map(single).collect();
        return (!found.is_empty()).then_some(Along::Pieces(found));
    }
    let first = codes.iter().position(|code| *code != NO_GROUP)?;
    let last = codes.iter().rposition(|code| *code != NO_GROUP)?;
    let cells: Vec<u32> =
        codes.get(first..=last)?.iter().map(|code| cell_of(*code).map_or(NO_GROUP, narrow)).collect();
    let is_met = cells.iter().any(|cell| *cell != NO_GROUP);
    is_met.then_some(Along::Table { start: first, cells, is_kept: false })
}

/// To which cells the elements of a run go, masks and groupers over several axes aside.
enum To<'t> {
    Each { first: usize, stride: usize },
    One { cell: usize },
    Table { first: usize, cells: &'t [u32] },
}

/// What runs are handed to.
struct Sink<'s> {
    layout: &'s Layout,
    slab: &'s Slab,
    numbering: &'s Numbering,
    decoder: &'s LaneDecoder,
    values: &'s ArrayBytes,
    work: &'s mut Work,
}

impl Sink<'_> {
    /// What the joints that do not vary within a run add to the number of a cell; `None` for positions of no group.
    fn cell_of_joints(&self, inner: &Inner, at: &At) -> Option<usize> {
        let mut cell = 0;
        let joints = self.layout.joints.iter().zip(&at.joints).zip(&inner.joints);
        for ((joint, offset), _) in joints.filter(|(_, stride)| **stride == 0) {
            let code = *joint.codes.get(*offset)?;
            cell += self.cell_of_joint(joint.group, code)?;
        }
        Some(cell)
    }

    fn cell_of_joint(&self, group: Option<usize>, code: u32) -> Option<usize> {
        let Some(group) = group else { return (code != NO_GROUP).then_some(0) };
        let range = self.slab.groups.get(group)?;
        let of = u64::from(code);
        range
            .contains(&of)
            .then(|| (of - range.start) as usize * self.numbering.groups.get(group).copied().unwrap_or(0))
    }

    /// Decodes a run and adds it to the state.
    fn take(&mut self, inner: &Inner, at: &At, run: Range<usize>, to: To<'_>) -> Result<()> {
        let n = run.len();
        let Work { state, n_members, scratch } = &mut *self.work;
        let Scratch { cells: own, weights, lane } = scratch;
        let joints = self.layout.joints.iter().zip(&at.joints).zip(&inner.joints);
        let varying: Vec<_> = joints.filter(|(_, stride)| **stride > 0).collect();
        let is_plain = varying.is_empty() && !matches!(to, To::Each { stride, .. } if stride != 1);
        let mut first = 0;
        if !is_plain {
            own.clear();
            match &to {
                To::Each { first: base, stride } => {
                    first = *base;
                    own.extend((0..n).map(|i| narrow(i * stride)));
                }
                To::One { cell } => {
                    first = *cell;
                    own.resize(n, 0);
                }
                To::Table { first: base, cells } => {
                    first = *base;
                    own.extend_from_slice(cells);
                }
            }
            for ((joint, offset), stride) in varying {
                let (range, scale) = match joint.group {
                    Some(group) => {
                        let range = self.slab.groups.get(group).cloned().unwrap_or(0..0);
                        (range, self.numbering.groups.get(group).copied().unwrap_or(0))
                    }
                    None => (0..1, 0),
                };
                let codes = joint.codes.get(offset + run.start * stride..).unwrap_or_default();
                let codes = codes.iter().step_by(*stride).copied().chain(std::iter::repeat(NO_GROUP));
                let (low, len, scale) = (range.start as u32, (range.end - range.start) as u32, scale as u32);
                for (cell, code) in own.iter_mut().zip(codes) {
                    let of = code.wrapping_sub(low);
                    let is_member = of < len && code != NO_GROUP && *cell != NO_GROUP;
                    *cell = if is_member { cell.wrapping_add(of.wrapping_mul(scale)) } else { NO_GROUP };
                }
            }
            if own.iter().all(|cell| *cell == NO_GROUP) {
                return Ok(());
            }
        }
        let target = match &to {
            _ if !is_plain => Target::Table { first, cells: own },
            To::Each { first, .. } => Target::Each { first: *first },
            To::One { cell } => Target::One { cell: *cell },
            To::Table { first, cells } => Target::Table { first: *first, cells },
        };
        let lane: Lane<'_> = self.decoder.decode(self.values, at.element + run.start, n, lane)?;
        let of_run = run_weights(self.layout, inner, at, &run, weights);
        let rank = match inner.rank {
            0 => at.rank,
            _ => at.rank.wrapping_add(
                self.layout.axes.get(inner.axis).map_or(0, |axis| axis.rank_step(run.start as u64)),
            ),
        };
        state.take(lane, target, of_run, rank, inner.rank)?;
        if let Some(n_members) = n_members {
            count(n_members, target, n);
        }
        Ok(())
    }
}

/// The product of all weights of a run.
fn run_weights<'w>(
    layout: &'w Layout,
    inner: &Inner,
    at: &At,
    run: &Range<usize>,
    scratch: &'w mut Vec<f64>,
) -> RunWeights<'w> {
    let tables = || layout.weights.iter().zip(&at.weights).zip(&inner.weights);
    let at_one = |offset: usize, values: &[f64]| values.get(offset).copied().unwrap_or(f64::NAN);
    let common = tables().filter(|(_, stride)| **stride == 0);
    let common = common.fold(1.0, |product, ((table, offset), _)| product * at_one(*offset, &table.values));
    let mut varying = tables().filter(|(_, stride)| **stride > 0).peekable();
    if varying.peek().is_none() {
        return RunWeights::One(common);
    }
    scratch.clear();
    scratch.resize(run.len(), common);
    for ((table, offset), stride) in varying {
        let values = table.values.get(offset + run.start * stride..).unwrap_or_default();
        let values = values.iter().step_by(*stride).copied().chain(std::iter::repeat(f64::NAN));
        scratch.iter_mut().zip(values).for_each(|(product, weight)| *product *= weight);
    }
    RunWeights::Each(scratch)
}

fn count(n_members: &mut [u32], target: Target<'_>, n: usize) {
    let mut add = |cell: usize, n: u32| {
        if let Some(count) = n_members.get_mut(cell) {
            *count = count.saturating_add(n);
        }
    };
    match target {
        Target::Each { first } => (first..first + n).for_each(|cell| add(cell, 1)),
        Target::One { cell } => add(cell, u32::try_from(n).unwrap_or(u32::MAX)),
        Target::Table { first, cells } => {
            cells.iter().filter(|cell| **cell != NO_GROUP).for_each(|cell| add(first + *cell as usize, 1));
        }
    }
}
