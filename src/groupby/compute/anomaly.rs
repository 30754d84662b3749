//! The second pass of anomalies: every value of the source minus the value of its group.

use std::collections::HashMap;
use std::ops::Range;

use thermocline_core::Result;
use thermocline_core::read::OwnedChunk;
use thermocline_model::ArrayBytes;

use super::accumulate::{Accumulating, Task, is_single};
use super::layout::{Axis, Layout};
use super::slab::{Numbering, Slab};
use super::walk::cell_of_code;
use crate::kernel::{Lane, LaneBuffer};
use crate::{NO_GROUP, Plan, ResultDim};

/// Most values that are written at once.
const RUN: usize = 2048;

/// A position of an axis within a chunk.
#[derive(Clone, Copy)]
struct Item {
    at: usize,
    /// What it adds to the number of its cell; `None` for one of no group.
    cell: Option<usize>,
    /// What it adds to its place in the output.
    to: usize,
}

/// Ordinals of an axis that the box of the result has.
pub(super) fn asked(plan: &Plan, layout: &Layout, part: &[Range<u64>], number: usize) -> Option<Range<u64>> {
    let axis = layout.axes.get(number)?;
    let dim = plan.dims.iter().position(|dim| *dim == ResultDim::Axis(number));
    Some(match dim.and_then(|dim| part.get(dim)) {
        Some(along) => axis.positions.ordinals(along, axis.is_reversed),
        None => 0..axis.positions.n(),
    })
}

/// The chunks of a pass that lie in the box of the result.
pub(super) fn chunks_of(task: &Task, chunks: &[(u64, u32)]) -> Vec<u64> {
    let layout = &task.layout;
    let along: Vec<Vec<u64>> = (0..layout.axes.len())
        .map(|number| {
            let ordinals = asked(&task.plan, layout, &task.part, number).unwrap_or(0..0);
            let axis = layout.axes.get(number);
            let pieces =
                axis.map(|axis| axis.positions.pieces(&ordinals, axis.chunk_len)).unwrap_or_default();
            pieces.into_iter().map(|(chunk, _)| chunk).collect()
        })
        .collect();
    let n_chunks: Vec<u64> = layout.axes.iter().map(|axis| axis.n_chunks.max(1)).collect();
    let mut index = vec![0; n_chunks.len()];
    let linear = chunks.iter().map(|(linear, _)| *linear);
    linear
        .filter(|linear| {
            super::passes::index_of(&n_chunks, *linear, &mut index);
            index.iter().zip(&along).all(|(index, along)| along.binary_search(index).is_ok())
        })
        .collect()
}

/// Writes the anomalies of a chunk.
///
/// # Errors
/// Those of decoding.
pub(super) fn subtract(of: &Accumulating, kept: &HashMap<usize, Vec<f64>>, chunk: &OwnedChunk) -> Result<()> {
    let task = &of.task;
    task.check()?;
    task.count(chunk);
    let decoded = chunk.decoded();
    for (number, slab) in of.slabs_of(decoded.linear) {
        let Some(cells) = kept.get(&number) else { continue };
        let numbering = slab.numbering(&task.layout);
        let subtraction = Subtraction { task, slab, numbering: &numbering, cells, values: decoded.values };
        subtraction.run(decoded.index)?;
    }
    Ok(())
}

struct Subtraction<'s> {
    task: &'s Task,
    slab: &'s Slab,
    numbering: &'s Numbering,
    cells: &'s [f64],
    values: &'s ArrayBytes,
}

/// Room for a run.
#[derive(Default)]
struct Room {
    lane: LaneBuffer,
    bytes: Vec<u8>,
}

impl Subtraction<'_> {
    fn run(&self, index: &[u64]) -> Result<()> {
        let layout = &self.task.layout;
        let innermost = layout.innermost().unwrap_or(layout.axes.len().saturating_sub(1));
        let mut along: Vec<Vec<Item>> = Vec::new();
        let mut kept = 0;
        for (number, axis) in layout.axes.iter().enumerate() {
            let span = axis.span(index.get(number).copied().unwrap_or(u64::MAX));
            along.push(self.items(number, axis, &span, kept));
            kept += usize::from(axis.is_kept());
        }
        if along.iter().any(Vec::is_empty) {
            return Ok(());
        }
        let inner = match along.get_mut(innermost) {
            Some(items) => std::mem::replace(items, vec![Item { at: 0, cell: Some(0), to: 0 }]),
            None => vec![Item { at: 0, cell: Some(0), to: 0 }],
        };
        let runs = runs_of(&inner);
        let ranges: Vec<Range<u64>> = along.iter().map(|items| 0..items.len() as u64).collect();
        let mut at = vec![0_u64; along.len()];
        let mut room = Room::default();
        loop {
            let items: Vec<Item> =
                at.iter().zip(&along).filter_map(|(at, items)| items.get(*at as usize).copied()).collect();
            for run in &runs {
                self.write(
                    index,
                    (innermost, &items),
                    inner.get(run.clone()).unwrap_or_default(),
                    &mut room,
                )?;
            }
            if !super::slab::advance(&mut at, &ranges) {
                return Ok(());
            }
        }
    }

    /// Positions of an axis that are in the box and in the slab.
    fn items(&self, number: usize, axis: &Axis, span: &Range<u64>, kept: usize) -> Vec<Item> {
        let layout = &self.task.layout;
        let Some(asked) = asked(&self.task.plan, layout, &self.task.part, number) else { return Vec::new() };
        let stride = self.task.output.of_axes.get(number).copied().unwrap_or(0);
        let to = |ordinal: u64| match axis.is_reversed {
            true => (asked.end - 1 - ordinal) as usize * stride,
            false => (ordinal - asked.start) as usize * stride,
        };
        let within = axis.positions.within(span);
        let mut items = Vec::new();
        if axis.is_kept() {
            let (Some(own), Some(step)) = (self.slab.kept.get(kept), self.numbering.kept.get(kept)) else {
                return items;
            };
            let ordinals = own.start.max(within.start)..own.end.min(within.end);
            axis.positions.each(&ordinals, |position, ordinal| {
                let cell = Some((ordinal - own.start) as usize * step);
                items.push(Item { at: (position - span.start) as usize, cell, to: to(ordinal) });
            });
            return items;
        }
        let codes = layout.codes_along(axis, span);
        let ordinals = asked.start.max(within.start)..asked.end.min(within.end);
        axis.positions.each(&ordinals, |position, ordinal| {
            let at = (position - span.start) as usize;
            let cell =
                codes.get(at).and_then(|code| cell_of_code(layout, self.slab, self.numbering, axis, *code));
            items.push(Item { at, cell, to: to(ordinal) });
        });
        items
    }

    fn cell_of_group(&self, group: usize, of: u64) -> Option<usize> {
        let range = self.slab.groups.get(group)?;
        range
            .contains(&of)
            .then(|| (of - range.start) as usize * self.numbering.groups.get(group).copied().unwrap_or(0))
    }

    /// What groupers and masks over several axes add to the number of a cell.
    fn cell_of_joints(&self, positions: &[usize]) -> Option<usize> {
        let mut cell = 0;
        for joint in &self.task.layout.joints {
            let at: usize =
                positions.iter().zip(&joint.strides).map(|(position, stride)| position * stride).sum();
            let code = *joint.codes.get(at)?;
            cell += match joint.group {
                Some(group) => self.cell_of_group(group, u64::from(code))?,
                None if code == NO_GROUP => return None,
                None => 0,
            };
        }
        Some(cell)
    }

    /// Writes values one after another, but for those whose group is not among those of the slab, or that have none.
    fn write(
        &self,
        index: &[u64],
        (innermost, outer): (usize, &[Item]),
        run: &[Item],
        room: &mut Room,
    ) -> Result<()> {
        let layout = &self.task.layout;
        let Some(first) = run.first() else { return Ok(()) };
        let mut element = 0;
        let mut positions = Vec::with_capacity(outer.len());
        for (number, (axis, item)) in layout.axes.iter().zip(outer).enumerate() {
            let at = if number == innermost { first.at } else { item.at };
            element = element * axis.chunk_len as usize + at;
            positions.push(axis.span(index.get(number).copied().unwrap_or(0)).start as usize + at);
        }
        let to: usize = outer.iter().map(|item| item.to).sum::<usize>() + first.to;
        let cell: Option<usize> = outer.iter().map(|item| item.cell).sum();
        let Room { lane, bytes } = room;
        let lane = self.task.decoder.decode(self.values, element, run.len(), lane)?;
        let is_single = is_single(&self.task.plan.dtype);
        bytes.clear();
        let mut next = to;
        let step = run.get(1).map_or(0, |second| second.to.wrapping_sub(first.to));
        let mut begun = to;
        for (i, item) in run.iter().enumerate() {
            if let Some(position) = positions.get_mut(innermost) {
                *position += usize::from(i > 0);
            }
            let of_joints = if layout.joints.is_empty() { Some(0) } else { self.cell_of_joints(&positions) };
            let cell =
                cell.zip(item.cell).zip(of_joints).map(|((outer, inner), joints)| outer + inner + joints);
            match cell.and_then(|cell| self.cells.get(cell)) {
                Some(of_group) => push(is_single, number_at(lane, i) - of_group, bytes),
                None => {
                    self.task.output.write(begun, step, bytes)?;
                    bytes.clear();
                    begun = next.wrapping_add(step);
                }
            }
            next = next.wrapping_add(step);
        }
        self.task.output.write(begun, step, bytes)
    }
}

fn push(is_single: bool, anomaly: f64, bytes: &mut Vec<u8>) {
    match is_single {
        true => bytes.extend((anomaly as f32).to_le_bytes()),
        false => bytes.extend(anomaly.to_le_bytes()),
    }
}

/// Neighbours in the chunk, not too many at once.
fn runs_of(items: &[Item]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for piece in items.chunk_by(|a, b| b.at == a.at + 1) {
        let end = start + piece.len();
        runs.extend((start..end).step_by(RUN).map(|first| first..(first + RUN).min(end)));
        start = end;
    }
    runs
}

fn number_at(lane: Lane<'_>, at: usize) -> f64 {
    let number = match lane {
        Lane::Single(values) => values.get(at).map(|value| f64::from(*value)),
        Lane::Double(values) => values.get(at).copied(),
        Lane::Int(values) => values.get(at).map(|value| *value as f64),
        Lane::UInt(values) => values.get(at).map(|value| *value as f64),
        Lane::Text(_) => None,
    };
    number.unwrap_or(f64::NAN)
}
