//! Gathers what lies scattered over the file into contiguous bytes, with few reads.

use std::ops::Range;

use bytes::Bytes;
use thermocline_core::format::ReadAt;
use thermocline_core::{Error, Result, parallel};

use crate::layout::VariableLayout;

/// Unwanted bytes that are read along rather than asking again.
const MAX_GAP_BYTES: u64 = 64 << 10;
/// Largest read.
const MAX_READ_BYTES: u64 = 8 << 20;
/// Reads whose bytes are in memory at a time.
const MAX_READS: usize = 16;

/// A run of wanted bytes and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    offset: u64,
    len_bytes: usize,
    target: usize,
}

/// The bytes of several variables, one variable after another, each in C order without padding.
///
/// Every variable must be small enough to be kept in memory; the layout must have been checked.
pub(crate) fn gather(object: &dyn ReadAt, layouts: &[&VariableLayout]) -> Result<Vec<u8>> {
    let mut runs = Vec::new();
    let mut target = 0;
    for layout in layouts {
        target = push_runs(layout, target, &mut runs);
    }
    let mut bytes = vec![0; target];
    runs.sort_by_key(|run| run.offset);
    let batches = batches(&runs);
    for round in batches.chunks(MAX_READS) {
        let ranges: Vec<Range<u64>> = round.iter().map(|batch| span(batch)).collect();
        for ((batch, range), read) in round.iter().zip(&ranges).zip(read_all(object, &ranges)?) {
            for run in *batch {
                let from = (run.offset - range.start) as usize;
                let source = read.get(from..from + run.len_bytes);
                let into = bytes.get_mut(run.target..run.target + run.len_bytes);
                let (Some(source), Some(into)) = (source, into) else { return Err(too_few(object)) };
                into.copy_from_slice(source);
            }
        }
    }
    Ok(bytes)
}

/// The bytes of some records of one variable, one record after another without padding.
///
/// They must be few enough to be kept in memory; the layout must have been checked.
pub(crate) fn records(object: &dyn ReadAt, layout: &VariableLayout, records: Range<u64>) -> Result<Vec<u8>> {
    let stride = layout.record_stride.unwrap_or(layout.len_bytes).max(1);
    let per_read = if is_read_together(layout) { (MAX_READ_BYTES / stride).max(1) } else { 1 };
    let span_of = |first: u64| {
        let n_records = per_read.min(records.end - first);
        let start = layout.begin + first * stride;
        start..start + (n_records - 1) * stride + layout.len_bytes
    };
    let ranges: Vec<Range<u64>> =
        records.clone().step_by(usize::try_from(per_read).unwrap_or(usize::MAX)).map(span_of).collect();
    let (stride, len_bytes) = (stride as usize, layout.len_bytes as usize);
    let mut bytes = Vec::with_capacity(records.clone().count() * len_bytes);
    for round in ranges.chunks(MAX_READS) {
        for read in read_all(object, round)? {
            for record in read.chunks(stride) {
                bytes.extend_from_slice(record.get(..len_bytes).ok_or_else(|| too_few(object))?);
            }
        }
    }
    Ok(bytes)
}

/// True if reading what lies between the records of a variable is better than reading each by itself.
pub(crate) fn is_read_together(layout: &VariableLayout) -> bool {
    let stride = layout.record_stride.unwrap_or(layout.len_bytes);
    stride.saturating_sub(layout.len_bytes) <= MAX_GAP_BYTES
}

/// Reads ranges, side by side where each waits for a store.
fn read_all(object: &dyn ReadAt, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let read = |range: &Range<u64>| object.read_at(range.start, (range.end - range.start) as usize);
    if object.local_path().is_some() {
        return ranges.iter().map(read).collect();
    }
    parallel::map(ranges, read)
}

fn too_few(object: &dyn ReadAt) -> Error {
    Error::corrupt(format!("{} gave fewer bytes than asked for", object.object().href))
}

fn push_runs(layout: &VariableLayout, mut target: usize, runs: &mut Vec<Run>) -> usize {
    let len_bytes = layout.len_bytes as usize;
    let (n_runs, stride) = match layout.record_stride {
        Some(stride) => (layout.shape.first().copied().unwrap_or(0), stride),
        None => (1, 0),
    };
    for record in 0..n_runs {
        runs.push(Run { offset: layout.begin + record * stride, len_bytes, target });
        target += len_bytes;
    }
    target
}

/// Sorted runs, cut into what is read at once.
fn batches(runs: &[Run]) -> Vec<&[Run]> {
    let mut batches = Vec::new();
    let mut rest = runs;
    while !rest.is_empty() {
        let (batch, next) = rest.split_at(batch_len(rest));
        batches.push(batch);
        rest = next;
    }
    batches
}

/// The bytes from the first to the last run.
fn span(batch: &[Run]) -> Range<u64> {
    let start = batch.first().map_or(0, |run| run.offset);
    let end = batch.iter().map(|run| run.offset + run.len_bytes as u64).max();
    start..end.unwrap_or(start)
}

/// How many runs from the first one on are read at once.
fn batch_len(runs: &[Run]) -> usize {
    let Some(first) = runs.first() else {
        return 0;
    };
    let mut end = first.offset + first.len_bytes as u64;
    let follows = |run: &&Run| {
        let run_end = run.offset + run.len_bytes as u64;
        let fits =
            run.offset <= end.saturating_add(MAX_GAP_BYTES) && run_end - first.offset <= MAX_READ_BYTES;
        end = end.max(run_end);
        fits
    };
    1 + runs.iter().skip(1).take_while(follows).count()
}
