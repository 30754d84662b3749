//! Compares what a format reads with what its reference library reads, chunk by chunk.
//!
//! The core's verification does the same for a server, sampling large variables. This is another judge, so that
//! tests can tell what the reader gets wrong from what verification keeps from being served.

use thermocline_core::Result;
use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_core::reference::References;
use thermocline_model::{ArrayBytes, ChunkGrid, ChunkTable, Variable};

use crate::files::decode_one;

/// Most chunks of one variable that are compared: a damaged file may claim any number.
const MAX_CHUNKS: usize = 4096;

/// Largest chunk that is compared, in bytes: a damaged file may claim any size.
const MAX_CHUNK_BYTES: u64 = 64 << 20;

/// What comparing a variable gave; of several chunks the last of these counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// Every bit is the library's.
    Equal,
    /// Some chunk is an error with the format, whatever the library says.
    Failing(String),
    /// The library cannot judge some chunk.
    NotJudged(String),
    /// The library refuses what the format reads without an error.
    OnlyOurs(String),
    /// Both read some chunk without an error, and not the same values.
    Different(String),
}

/// Judges every variable of an indexed source, by its path.
pub fn judge(
    format: &dyn Format,
    references: &dyn References,
    source: &Source<'_>,
    indexed: &Indexed,
) -> Vec<(String, Judgement)> {
    let mut reference = references.open(format, source);
    let variables = indexed.dataset.root.variables_below().into_iter();
    variables
        .map(|(path, variable)| {
            let judged = judge_variable(format, &mut reference, source, (indexed, variable));
            (path, judged)
        })
        .collect()
}

type Reference<'a> = std::result::Result<Box<dyn ReferenceReader + 'a>, ReferenceError>;

fn judge_variable(
    format: &dyn Format,
    reference: &mut Reference<'_>,
    source: &Source<'_>,
    (indexed, variable): (&Indexed, &Variable),
) -> Judgement {
    let table = indexed.tables.get(variable.storage.table as usize);
    let (Some(table), Some(grid)) = (table, variable.stored_grid()) else {
        return Judgement::Failing("it has no chunk table".to_owned());
    };
    let mut worst = Judgement::Equal;
    for linear in positions(table, &grid) {
        let region = clip(variable, grid.start(&grid.index(linear)));
        if !fits(variable, &variable.storage.chunk_shape) {
            worst = worst.max(Judgement::NotJudged(format!("the chunk at {:?} is too large", region.start)));
            continue;
        }
        let ours = ours(format, source, (indexed, variable), (table, linear), &region);
        let theirs = match reference {
            Ok(reference) => reference.read(variable, &variable.dtype, &region),
            Err(error) => Err(error.clone()),
        };
        worst = worst.max(compare(&ours, &theirs, &region));
    }
    worst
}

fn compare(
    ours: &Result<ArrayBytes>,
    theirs: &std::result::Result<ArrayBytes, ReferenceError>,
    region: &Region,
) -> Judgement {
    let start = &region.start;
    match (ours, theirs) {
        (Err(error), _) => Judgement::Failing(format!("{start:?}: {error}")),
        (Ok(ours), Ok(theirs)) if ours == theirs => Judgement::Equal,
        (Ok(_), Ok(_)) => Judgement::Different(format!("{start:?}")),
        (Ok(_), Err(ReferenceError::Refused(reason))) => Judgement::OnlyOurs(format!("{start:?}: {reason}")),
        (Ok(_), Err(ReferenceError::Unable(reason))) => Judgement::NotJudged(reason.clone()),
    }
}

/// Every position of a small grid; of a large one those that are written, as many as there may be, and the ends.
fn positions(table: &ChunkTable, grid: &ChunkGrid) -> Vec<u64> {
    let n_chunks = grid.n_chunks();
    if n_chunks <= MAX_CHUNKS as u64 {
        return (0..n_chunks).collect();
    }
    let written = table.iter().map(|(linear, _)| linear).filter(|linear| *linear < n_chunks);
    let mut positions: Vec<u64> = written.take(MAX_CHUNKS).chain([0, n_chunks - 1]).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// The format's values of the part of a chunk inside the variable's shape.
fn ours(
    format: &dyn Format,
    source: &Source<'_>,
    (indexed, variable): (&Indexed, &Variable),
    (table, linear): (&ChunkTable, u64),
    region: &Region,
) -> Result<ArrayBytes> {
    let n_elements = region.shape.iter().product::<u64>();
    let n_elements = usize::try_from(n_elements).unwrap_or(usize::MAX);
    let mut values = thermocline_codec::fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
    let Some(chunk) = table.get(linear) else { return Ok(values) };
    let whole = decode_one(format, source, indexed, variable, (&region.start, &chunk))?;
    let origin = vec![0; region.shape.len()];
    thermocline_codec::region::copy_box(
        &whole,
        &variable.storage.chunk_shape,
        &origin,
        &mut values,
        &region.shape,
        &origin,
        &region.shape,
        variable.dtype.len_bytes().unwrap_or(1),
    )?;
    Ok(values)
}

fn clip(variable: &Variable, start: Vec<u64>) -> Region {
    let axes = start.iter().zip(&variable.storage.chunk_shape).zip(&variable.shape);
    let shape = axes.map(|((start, chunk), length)| (*chunk).min(length.saturating_sub(*start))).collect();
    Region { start, shape }
}

fn fits(variable: &Variable, shape: &[u64]) -> bool {
    let size = variable.dtype.len_bytes().unwrap_or(1).max(1) as u64;
    let len_bytes = shape.iter().try_fold(size, |product, length| product.checked_mul(*length));
    len_bytes.is_some_and(|len_bytes| len_bytes <= MAX_CHUNK_BYTES)
}
