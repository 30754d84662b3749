//! Gathers values of decoded chunks on a lattice, and folds the statistics of all that is selected.

use parking_lot::Mutex;
use std::sync::Arc;

use thermocline_core::read::{DecodedChunk, Decoder, Real, Visited};
use thermocline_core::{Error, Result};
use thermocline_model::ArrayBytes;
use thermocline_render::{Cancel, Field, Statistics, Values};

use super::check;
use super::cut::{Cut, Lattice, Line};

/// What is wanted of the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// The values of the lattice.
    Values,
    /// These, and the statistics of everything that is selected.
    Whole,
}

/// What was gathered.
pub(super) struct Gathered {
    pub(super) field: Field,
    /// Of what was seen; of everything selected, if all chunks were.
    pub(super) statistics: Statistics,
    pub(super) visited: Visited,
}

/// Takes chunks from several threads.
pub(super) struct Store {
    cut: Arc<Cut>,
    decoder: Decoder,
    lattice: Lattice,
    output: Output,
    cancel: Cancel,
    values: Mutex<Values>,
    /// Blocks of chunks that were taken, to be used again: fresh memory costs a page fault every 4 KiB.
    blocks: Mutex<Vec<Values>>,
    /// One sum a chunk: added up in the order of the chunks, they give the same mean in every run.
    folds: Mutex<Vec<(u64, Fold)>>,
    row_flags: Option<Vec<bool>>,
    column_flags: Option<Vec<bool>>,
}

/// Values that are folded side by side, each into sums of its own: a processor takes several at once.
const LANES: usize = 8;

/// Counts, extremes and sum of some values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fold {
    n_valid: u64,
    n_missing: u64,
    n_finite: u64,
    min: f64,
    max: f64,
    min_positive: f64,
    sum: f64,
}

/// The folds of every eighth value, from the first, second … on.
struct Lanes {
    n_missing: [u64; LANES],
    n_finite: [u64; LANES],
    min: [f64; LANES],
    max: [f64; LANES],
    min_positive: [f64; LANES],
    sum: [f64; LANES],
}

impl Lanes {
    const NONE: Self = Self {
        n_missing: [0; LANES],
        n_finite: [0; LANES],
        min: [f64::INFINITY; LANES],
        max: [f64::NEG_INFINITY; LANES],
        min_positive: [f64::INFINITY; LANES],
        sum: [0.0; LANES],
    };

    /// Without branches: what does not count is replaced by what changes nothing.
    #[inline(always)]
    fn take(&mut self, lane: usize, value: f64) {
        let is_finite = value.abs() < f64::INFINITY;
        let low = if is_finite { value } else { f64::INFINITY };
        let high = if is_finite { value } else { f64::NEG_INFINITY };
        let least = if low > 0.0 { low } else { f64::INFINITY };
        self.n_missing[lane] += u64::from(value.is_nan());
        self.n_finite[lane] += u64::from(is_finite);
        self.min[lane] = if low < self.min[lane] { low } else { self.min[lane] };
        self.max[lane] = if high > self.max[lane] { high } else { self.max[lane] };
        self.min_positive[lane] =
            if least < self.min_positive[lane] { least } else { self.min_positive[lane] };
        self.sum[lane] += if is_finite { value } else { 0.0 };
    }
}

impl Fold {
    const NONE: Self = Self {
        n_valid: 0,
        n_missing: 0,
        n_finite: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        min_positive: f64::INFINITY,
        sum: 0.0,
    };

    fn of<R: Real>(values: &[R]) -> Self {
        let (groups, rest) = values.as_chunks::<LANES>();
        let mut lanes = Lanes::NONE;
        for group in groups {
            for (lane, value) in group.iter().enumerate() {
                lanes.take(lane, value.to_f64());
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            lanes.take(lane, value.to_f64());
        }
        let n_missing = lanes.n_missing.iter().sum();
        Self {
            n_valid: values.len() as u64 - n_missing,
            n_missing,
            n_finite: lanes.n_finite.iter().sum(),
            min: lanes.min.into_iter().fold(f64::INFINITY, f64::min),
            max: lanes.max.into_iter().fold(f64::NEG_INFINITY, f64::max),
            min_positive: lanes.min_positive.into_iter().fold(f64::INFINITY, f64::min),
            sum: lanes.sum.iter().sum(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.n_valid += other.n_valid;
        self.n_missing += other.n_missing;
        self.n_finite += other.n_finite;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.min_positive = self.min_positive.min(other.min_positive);
        self.sum += other.sum;
    }

    fn statistics(&self) -> Statistics {
        let Self { n_valid, n_missing, n_finite, min, max, min_positive, sum } = *self;
        let of_finite = |value: f64| if n_finite > 0 { value } else { f64::NAN };
        let mean = of_finite(sum / n_finite as f64);
        let min_positive = if min_positive.is_finite() { min_positive } else { f64::NAN };
        Statistics { n_valid, n_missing, min: of_finite(min), max: of_finite(max), min_positive, mean }
    }
}

/// One of the two drawn axes inside a chunk.
struct Span<'l> {
    line: &'l Line,
    /// First position along the axis.
    start: usize,
    /// How many positions of it the chunk has inside the variable.
    len: usize,
    /// Elements between neighbours.
    stride: usize,
}

impl Store {
    /// `values` are as many as the lattice has, of the decoder's type; where no chunk has a cell they stay as they are.
    pub(super) fn new(
        cut: Arc<Cut>,
        decoder: Decoder,
        (lattice, values): (Lattice, Values),
        output: Output,
        cancel: Cancel,
    ) -> Self {
        let (row_flags, column_flags) = (cut.rows.flags(), cut.columns.flags());
        let folds = Mutex::default();
        Self {
            cut,
            decoder,
            lattice,
            output,
            cancel,
            values: Mutex::new(values),
            blocks: Mutex::default(),
            folds,
            row_flags,
            column_flags,
        }
    }

    /// Takes what a chunk has.
    ///
    /// # Errors
    /// Being called off; a chunk that is not as large as its shape.
    pub(super) fn take(&self, chunk: &DecodedChunk<'_>) -> Result<()> {
        check(&self.cancel)?;
        if self.decoder.is_single() { self.take_as::<f32>(chunk) } else { self.take_as::<f64>(chunk) }
    }

    /// The values of a chunk, those that are not selected NaN.
    ///
    /// # Errors
    /// Those of [`Store::take`].
    pub(super) fn values_of(&self, chunk: &DecodedChunk<'_>, mut see: impl FnMut(&[f64])) -> Result<()> {
        check(&self.cancel)?;
        let ArrayBytes::Fixed(bytes) = chunk.values else {
            return Err(Error::internal("a chunk of numbers has texts"));
        };
        let (rows, columns) =
            (self.span(&self.cut.rows, chunk.index), self.span(&self.cut.columns, chunk.index));
        let block = self.block::<f64>(bytes, &rows, &columns)?;
        see(&block);
        self.blocks.lock().push(f64::into_values(block));
        Ok(())
    }

    fn span<'l>(&self, line: &'l Line, index: &[u64]) -> Span<'l> {
        let at = line.axis.and_then(|axis| index.get(axis)).copied().unwrap_or(0) as usize;
        let start = at.saturating_mul(line.chunk_len).min(line.len);
        Span { line, start, len: line.chunk_len.min(line.len - start), stride: self.cut.stride(line) }
    }

    fn take_as<R: Put>(&self, chunk: &DecodedChunk<'_>) -> Result<()> {
        let ArrayBytes::Fixed(bytes) = chunk.values else {
            return Err(Error::internal("a chunk of numbers has texts"));
        };
        let (rows, columns) =
            (self.span(&self.cut.rows, chunk.index), self.span(&self.cut.columns, chunk.index));
        let block = self.block::<R>(bytes, &rows, &columns)?;
        if self.output == Output::Whole {
            self.folds.lock().push((chunk.linear, self.fold(&block, &rows, &columns)));
        }
        let mut values = self.values.lock();
        let Some(target) = R::of(&mut values) else { return Err(Error::internal("values of another type")) };
        let n_columns = self.lattice.columns.len();
        for row in 0..rows.len {
            let Some(slot) = self.lattice.rows.at(rows.start + row) else { continue };
            let Some(line) = block.get(row * columns.len..(row + 1) * columns.len) else { continue };
            let Some(target) = target.get_mut(slot * n_columns..(slot + 1) * n_columns) else { continue };
            if let super::cut::Slots::All(_) = self.lattice.columns {
                if let Some(target) = target.get_mut(columns.start..columns.start + columns.len) {
                    target.copy_from_slice(line);
                }
                continue;
            }
            for (at, value) in line.iter().enumerate() {
                let slot = self.lattice.columns.at(columns.start + at);
                if let Some(target) = slot.and_then(|slot| target.get_mut(slot)) {
                    *target = *value;
                }
            }
        }
        drop(values);
        self.blocks.lock().push(R::into_values(block));
        Ok(())
    }

    /// The values of a chunk's rows and columns; those that are not selected are NaN.
    fn block<R: Put>(&self, bytes: &[u8], rows: &Span<'_>, columns: &Span<'_>) -> Result<Vec<R>> {
        let short = || Error::corrupt("a chunk has fewer elements than its shape");
        let size = self.decoder.element_size();
        let base = self.cut.base();
        let mut kept = self.blocks.lock().pop();
        let mut block = kept.as_mut().and_then(R::of).map(std::mem::take).unwrap_or_default();
        // Every row is decoded into below: what is left of another chunk does not stay.
        block.resize(rows.len * columns.len, R::NAN);
        let mut gathered = Vec::new();
        // The inner loop is along the axis whose elements are nearer to each other.
        let is_turned = rows.line.axis.is_some() && columns.stride > rows.stride;
        let (outer, inner) = if is_turned { (columns, rows) } else { (rows, columns) };
        let mut line = vec![R::NAN; if is_turned { inner.len } else { 0 }];
        for at in 0..outer.len {
            check(&self.cancel)?;
            let first = base + at * outer.stride;
            let stored = if inner.stride <= 1 || inner.len <= 1 {
                bytes.get(first * size..(first + inner.len) * size).ok_or_else(short)?
            } else {
                gathered.clear();
                for position in 0..inner.len {
                    let element = (first + position * inner.stride) * size;
                    gathered.extend_from_slice(bytes.get(element..element + size).ok_or_else(short)?);
                }
                &gathered
            };
            if is_turned {
                self.decoder.decode(stored, &mut line);
                let column = block.iter_mut().skip(at).step_by(columns.len.max(1));
                column.zip(&line).for_each(|(value, decoded)| *value = *decoded);
            } else if let Some(row) = block.get_mut(at * columns.len..(at + 1) * columns.len) {
                self.decoder.decode(stored, row);
            }
        }
        self.blank(&mut block, rows, columns);
        Ok(block)
    }

    /// Cells that are not selected are missing.
    fn blank<R: Put>(&self, block: &mut [R], rows: &Span<'_>, columns: &Span<'_>) {
        if self.is_everything() {
            return;
        }
        for (row, line) in block.chunks_mut(columns.len.max(1)).enumerate() {
            for (column, value) in line.iter_mut().enumerate() {
                if !self.is_selected(rows.start + row, columns.start + column) {
                    *value = R::NAN;
                }
            }
        }
    }

    fn is_everything(&self) -> bool {
        self.row_flags.is_none() && self.column_flags.is_none() && !self.cut.is_masked()
    }

    fn is_selected(&self, row: usize, column: usize) -> bool {
        let has = |flags: &Option<Vec<bool>>, at: usize| {
            flags.as_ref().is_none_or(|flags| flags.get(at).copied().unwrap_or(false))
        };
        has(&self.row_flags, row) && has(&self.column_flags, column) && self.cut.has(row, column)
    }

    fn fold<R: Put>(&self, block: &[R], rows: &Span<'_>, columns: &Span<'_>) -> Fold {
        let mut fold = Fold::of(block);
        if !self.is_everything() {
            // Cells that are not selected are neither there nor missing.
            let cells = (0..rows.len).flat_map(|row| (0..columns.len).map(move |column| (row, column)));
            let is_left_out =
                |(row, column): &(usize, usize)| !self.is_selected(rows.start + row, columns.start + column);
            fold.n_missing -= (cells.filter(is_left_out).count() as u64).min(fold.n_missing);
        }
        fold
    }

    /// What was gathered.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if a thread still gathers.
    pub(super) fn finish(self: Arc<Self>, visited: Visited) -> Result<Gathered> {
        let mut folds = std::mem::take(&mut *self.folds.lock());
        folds.sort_unstable_by_key(|(linear, _)| *linear);
        let mut all = Fold::NONE;
        folds.iter().for_each(|(_, fold)| all.add(fold));
        let values = std::mem::replace(&mut *self.values.lock(), Values::F32(Vec::new()));
        let cells = self.lattice.clone().into_cells();
        let field = Field { values, cells, n_columns: self.cut.columns.len as u32 };
        Ok(Gathered { field, statistics: all.statistics(), visited })
    }
}

/// Values of one of two types.
pub(super) trait Put: Real {
    /// The values, if they are of this type.
    fn of(values: &mut Values) -> Option<&mut Vec<Self>>;
    /// Values of this type.
    fn into_values(values: Vec<Self>) -> Values;
}

impl Put for f32 {
    fn of(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::F32(values) => Some(values),
            Values::F64(_) => None,
        }
    }

    fn into_values(values: Vec<Self>) -> Values {
        Values::F32(values)
    }
}

impl Put for f64 {
    fn of(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::F64(values) => Some(values),
            Values::F32(_) => None,
        }
    }

    fn into_values(values: Vec<Self>) -> Values {
        Values::F64(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn folding_side_by_side_counts_what_one_by_one_does(
            values in prop::collection::vec(
                prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), -4.0..4.0],
                0..40,
            ),
        ) {
            let fold = Fold::of(&values);
            let finite = || values.iter().copied().filter(|value| value.is_finite());
            prop_assert_eq!(fold.n_missing, values.iter().filter(|value| value.is_nan()).count() as u64);
            prop_assert_eq!(fold.n_valid + fold.n_missing, values.len() as u64);
            prop_assert_eq!(fold.n_finite, finite().count() as u64);
            prop_assert_eq!(fold.min, finite().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(fold.max, finite().fold(f64::NEG_INFINITY, f64::max));
            let positive = finite().filter(|value| *value > 0.0);
            prop_assert_eq!(fold.min_positive, positive.fold(f64::INFINITY, f64::min));
            prop_assert!((fold.sum - finite().sum::<f64>()).abs() < 1e-9);
        }
    }
}
