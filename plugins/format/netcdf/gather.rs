//! Gathers what lies scattered over the file into contiguous bytes, with few reads.

use thermocline_core::format::ReadAt;
use thermocline_core::{Error, Result};

use crate::layout::VariableLayout;

/// Unwanted bytes that are read along rather than asking again.
const MAX_GAP_BYTES: u64 = 64 << 10;
/// Largest read.
const MAX_READ_BYTES: u64 = 8 << 20;

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
    let mut rest = runs.as_slice();
    while let Some(first) = rest.first() {
        let n_runs = batch_len(rest);
        let (batch, next) = rest.split_at(n_runs);
        let end = batch.iter().map(|run| run.offset + run.len_bytes as u64).max().unwrap_or(first.offset);
        let read = object.read_at(first.offset, (end - first.offset) as usize)?;
        for run in batch {
            let from = (run.offset - first.offset) as usize;
            let source = read.get(from..from + run.len_bytes);
            let into = bytes.get_mut(run.target..run.target + run.len_bytes);
            let (Some(source), Some(into)) = (source, into) else {
                return Err(Error::corrupt(format!(
                    "{} gave fewer bytes than asked for",
                    object.object().href
                )));
            };
            into.copy_from_slice(source);
        }
        rest = next;
    }
    Ok(bytes)
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
