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
    /// One sum a chunk: added up in the order of the chunks, they give the same mean in every run.
    folds: Mutex<Vec<(u64, Fold)>>,
    row_flags: Option<Vec<bool>>,
    column_flags: Option<Vec<bool>>,
}

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

    fn take<R: Real>(&mut self, values: &[R]) {
        for value in values.iter().map(|value| value.to_f64()) {
            if value.is_nan() {
                self.n_missing += 1;
                continue;
            }
            self.n_valid += 1;
            if value.is_finite() {
                self.n_finite += 1;
                self.min = if value < self.min { value } else { self.min };
                self.max = if value > self.max { value } else { self.max };
                let is_least = value > 0.0 && value < self.min_positive;
                self.min_positive = if is_least { value } else { self.min_positive };
                self.sum += value;
            }
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
    pub(super) fn new(
        cut: Arc<Cut>,
        decoder: Decoder,
        lattice: Lattice,
        output: Output,
        cancel: Cancel,
    ) -> Self {
        let n_values = lattice.n_values() as usize;
        let values = if decoder.is_single() {
            Values::F32(vec![f32::NAN; n_values])
        } else {
            Values::F64(vec![f64::NAN; n_values])
        };
        let (row_flags, column_flags) = (cut.rows.flags(), cut.columns.flags());
        let folds = Mutex::default();
        Self {
            cut,
            decoder,
            lattice,
            output,
            cancel,
            values: Mutex::new(values),
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
        see(&self.block::<f64>(bytes, &rows, &columns)?);
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
        Ok(())
    }

    /// The values of a chunk's rows and columns; those that are not selected are NaN.
    fn block<R: Put>(&self, bytes: &[u8], rows: &Span<'_>, columns: &Span<'_>) -> Result<Vec<R>> {
        let short = || Error::corrupt("a chunk has fewer elements than its shape");
        let size = self.decoder.element_size();
        let base = self.cut.base();
        let mut block = vec![R::NAN; rows.len * columns.len];
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
        let mut fold = Fold::NONE;
        fold.take(block);
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
}

impl Put for f32 {
    fn of(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::F32(values) => Some(values),
            Values::F64(_) => None,
        }
    }
}

impl Put for f64 {
    fn of(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::F64(values) => Some(values),
            Values::F32(_) => None,
        }
    }
}
