//! What is cut out of a variable: positions along the drawn axes, one along each of the others, and the chunks of both.

use std::sync::Arc;

use thermocline_core::read::Decoder;
use thermocline_core::select::{Indices, Mask};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::Variable;
use thermocline_render::{CellMap, Cells, NO_CELL};

use super::Axes;
use super::kept::Key;

/// Most chunks of a field.
const MAX_CHUNKS: u64 = 1 << 22;

/// Most cells of a field; they are numbered with 32 bits.
const MAX_CELLS: u64 = 1 << 31;

/// A drawn axis.
#[derive(Debug)]
pub(super) struct Line {
    /// The axis of the variable; `None` for the one row of fields of one dimension.
    pub(super) axis: Option<usize>,
    /// Its length.
    pub(super) len: usize,
    /// Length of a chunk along it.
    pub(super) chunk_len: usize,
    /// Which positions are selected; `None` for all.
    pub(super) selected: Option<Arc<Indices>>,
}

/// A part of a variable that is drawn.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) rows: Line,
    pub(super) columns: Line,
    /// Positions along all axes; those along drawn ones do not count.
    positions: Vec<u64>,
    chunk_shape: Vec<u64>,
    counts: Vec<u64>,
    /// Which cells are selected besides, row by row.
    mask: Option<Bits>,
    value_bytes: u64,
    n_chunks: u64,
}

/// The chunks and cells of a picture.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) chunks: Vec<u64>,
    pub(super) lattice: Lattice,
    /// Names this part of the field.
    pub(super) key: Key,
}

/// The rows and columns whose values are gathered.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    pub(super) rows: Slots,
    pub(super) columns: Slots,
}

/// Positions along an axis that have a place in the result.
#[derive(Debug, Clone)]
pub(super) enum Slots {
    /// All of so many, in order.
    All(usize),
    /// For each position its place, or [`Cells::ABSENT`].
    Some { of: Vec<u32>, n: usize },
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(n) => *n,
            Self::Some { n, .. } => *n,
        }
    }

    pub(super) fn at(&self, position: usize) -> Option<usize> {
        match self {
            Self::All(n) => (position < *n).then_some(position),
            Self::Some { of, .. } => {
                of.get(position).filter(|slot| **slot != Cells::ABSENT).map(|slot| *slot as usize)
            }
        }
    }

    fn of_flags(flags: &[bool]) -> Self {
        let mut n = 0;
        let slot = |flag: &bool| {
            if !flag {
                return Cells::ABSENT;
            }
            n += 1;
            n - 1
        };
        let of: Vec<u32> = flags.iter().map(slot).collect();
        if n as usize == of.len() { Self::All(of.len()) } else { Self::Some { of, n: n as usize } }
    }

    /// Places in the order in which positions are to be taken.
    fn in_order(len: usize, positions: &[u64]) -> Self {
        let mut of = vec![Cells::ABSENT; len];
        for (slot, position) in positions.iter().enumerate() {
            if let Some(at) = usize::try_from(*position).ok().and_then(|position| of.get_mut(position)) {
                *at = slot as u32;
            }
        }
        Self::Some { of, n: positions.len() }
    }

    fn into_cells(self) -> Vec<u32> {
        match self {
            Self::All(n) => (0..n as u32).collect(),
            Self::Some { of, .. } => of,
        }
    }
}

impl Lattice {
    pub(super) fn n_values(&self) -> u64 {
        self.rows.len() as u64 * self.columns.len() as u64
    }

    /// As fields say it.
    pub(super) fn into_cells(self) -> Cells {
        match (&self.rows, &self.columns) {
            (Slots::All(_), Slots::All(_)) => Cells::All,
            _ => Cells::Lattice {
                n_columns: self.columns.len() as u32,
                rows: self.rows.into_cells(),
                columns: self.columns.into_cells(),
            },
        }
    }
}

impl Line {
    fn new(variable: &Variable, axes: &Axes<'_>, axis: usize) -> Result<Self> {
        let too_long =
            || Error::new(ErrorKind::TooLarge, format!("an axis of {:?} is too long", variable.name));
        let small = |len: Option<&u64>| len.and_then(|len| usize::try_from(*len).ok()).ok_or_else(too_long);
        let selected = axes.selected.axes.get(axis).and_then(|axis| axis.indices.clone());
        Ok(Self {
            axis: Some(axis),
            len: small(variable.shape.get(axis))?,
            chunk_len: small(variable.storage.chunk_shape.get(axis))?.max(1),
            selected,
        })
    }

    /// The axis of fields of one dimension that they do not have.
    fn none() -> Self {
        Self { axis: None, len: 1, chunk_len: 1, selected: None }
    }

    fn n_chunks(&self) -> usize {
        self.len.div_ceil(self.chunk_len)
    }

    /// Which positions are selected; `None` for all.
    pub(super) fn flags(&self) -> Option<Vec<bool>> {
        let selected = self.selected.as_ref()?;
        let mut flags = vec![false; self.len];
        for position in selected.iter() {
            if let Some(flag) = usize::try_from(position).ok().and_then(|at| flags.get_mut(at)) {
                *flag = true;
            }
        }
        Some(flags)
    }

    /// Which chunks hold one of the flagged positions, `None` being all.
    fn chunk_flags(&self, flags: Option<&[bool]>) -> Vec<bool> {
        match flags {
            None => vec![true; self.n_chunks()],
            Some(flags) => flags.chunks(self.chunk_len).map(|chunk| chunk.contains(&true)).collect(),
        }
    }
}

impl Cut {
    /// # Errors
    /// [`ErrorKind::Internal`] for an axis that is neither drawn nor at one position; [`ErrorKind::TooLarge`].
    pub(super) fn new(variable: &Variable, axes: &Axes<'_>) -> Result<Self> {
        let decoder = Decoder::of(variable);
        let decoder =
            decoder.ok_or_else(|| Error::unsupported(format!("{:?} has no numbers", variable.name)))?;
        let grid = variable.stored_grid();
        let grid = grid.ok_or_else(|| Error::internal(format!("{:?} has no chunk grid", variable.name)))?;
        let (rows, columns) = match axes.drawn {
            [] => (Line::none(), Line::none()),
            [column] => (Line::none(), Line::new(variable, axes, *column)?),
            [row, column] if row != column => {
                (Line::new(variable, axes, *row)?, Line::new(variable, axes, *column)?)
            }
            _ => return Err(Error::internal("a field has one or two axes")),
        };
        let mut positions = vec![0; variable.shape.len()];
        for (axis, position) in positions.iter_mut().enumerate() {
            if axes.drawn.contains(&axis) {
                continue;
            }
            let len = variable.shape.get(axis).copied().unwrap_or(0);
            let chosen = axes.selected.axes.get(axis).and_then(|axis| axis.indices.as_ref());
            let only = match chosen {
                Some(indices) if indices.len() == 1 => indices.first(),
                None if len == 1 => Some(0),
                _ => None,
            };
            *position = only.filter(|only| *only < len).ok_or_else(|| {
                let dim = variable.dims.get(axis).map(String::as_str).unwrap_or_default();
                Error::invalid_input(format!("select one position of {dim:?}: it is not drawn"))
            })?;
        }
        let n_cells = rows.len as u64 * columns.len as u64;
        if n_cells > MAX_CELLS {
            let message = format!("{n_cells} cells of {:?} exceed {MAX_CELLS}", variable.name);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut cut = Self {
            rows,
            columns,
            positions,
            chunk_shape: variable.storage.chunk_shape.clone(),
            counts: grid.counts().collect(),
            mask: None,
            value_bytes: if decoder.is_single() { 4 } else { 8 },
            n_chunks: 0,
        };
        cut.n_chunks = cut.count_chunks();
        for mask in &axes.selected.masks {
            cut.restrict(variable, mask);
        }
        Ok(cut)
    }

    /// Only the cells of a mask are selected.
    fn restrict(&mut self, variable: &Variable, mask: &Mask) {
        let axes: Option<Vec<usize>> =
            mask.dims().iter().map(|dim| variable.dims.iter().position(|other| other == dim)).collect();
        let Some(axes) = axes else { return };
        let n_cells = self.rows.len * self.columns.len;
        let mut bits = Bits::none(n_cells);
        for (position, last) in mask.rows() {
            let ranges = position.iter().map(|at| *at..*at + 1).chain([last]);
            let (mut rows, mut columns, mut is_met) = (0..self.rows.len, 0..self.columns.len, true);
            for (axis, range) in axes.iter().zip(ranges) {
                let clipped = |len: usize| {
                    let clip = |at: u64| usize::try_from(at).unwrap_or(len).min(len);
                    clip(range.start)..clip(range.end)
                };
                if Some(*axis) == self.rows.axis {
                    rows = clipped(self.rows.len);
                } else if Some(*axis) == self.columns.axis {
                    columns = clipped(self.columns.len);
                } else {
                    is_met &= self.positions.get(*axis).is_some_and(|at| range.contains(at));
                }
            }
            if is_met {
                rows.for_each(|row| bits.set(row * self.columns.len + columns.start, columns.len()));
            }
        }
        match &mut self.mask {
            Some(mask) => mask.keep(&bits),
            None => self.mask = Some(bits),
        }
    }

    /// True if the mask has a cell.
    pub(super) fn has(&self, row: usize, column: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask.has(row * self.columns.len + column))
    }

    /// True if cells are selected by more than rows and columns.
    pub(super) fn is_masked(&self) -> bool {
        self.mask.is_some()
    }

    /// Bytes of a decoded value.
    pub(super) fn value_bytes(&self) -> u64 {
        self.value_bytes
    }

    /// Bytes of the whole field.
    pub(super) fn field_bytes(&self) -> u64 {
        (self.rows.len as u64 * self.columns.len as u64).saturating_mul(self.value_bytes)
    }

    /// All rows and columns.
    pub(super) fn whole_lattice(&self) -> Lattice {
        Lattice { rows: Slots::All(self.rows.len), columns: Slots::All(self.columns.len) }
    }

    /// No cells at all.
    pub(super) fn empty_lattice(&self) -> Lattice {
        Lattice { rows: Slots::All(0), columns: Slots::All(0) }
    }

    /// The selected rows and columns in the order of the selection, with their positions along each drawn axis.
    pub(super) fn selected_lattice(&self) -> Result<(Lattice, Vec<Vec<u64>>)> {
        let mut positions = Vec::new();
        let mut slots = |line: &Line| {
            let chosen: Vec<u64> = match &line.selected {
                Some(indices) => indices.iter().collect(),
                None => (0..line.len as u64).collect(),
            };
            let slots = match &line.selected {
                Some(_) => Slots::in_order(line.len, &chosen),
                None => Slots::All(line.len),
            };
            if line.axis.is_some() {
                positions.push(chosen);
            }
            slots
        };
        let lattice = Lattice { rows: slots(&self.rows), columns: slots(&self.columns) };
        Ok((lattice, positions))
    }

    /// How many chunks hold a selected cell, masks aside.
    pub(super) fn n_chunks(&self) -> u64 {
        self.n_chunks
    }

    /// True if so many of its chunks write every value of a lattice.
    pub(super) fn fills(&self, lattice: &Lattice, n_chunks: usize) -> bool {
        let is_whole = matches!((&lattice.rows, &lattice.columns), (Slots::All(_), Slots::All(_)))
            && (lattice.rows.len(), lattice.columns.len()) == (self.rows.len, self.columns.len);
        is_whole && n_chunks == self.rows.n_chunks() * self.columns.n_chunks()
    }

    /// Memory for what is known of each row and column.
    pub(super) fn index_bytes(&self) -> u64 {
        8 * (self.rows.len as u64 + self.columns.len as u64)
    }

    fn count_chunks(&self) -> u64 {
        let count = |line: &Line| match &line.selected {
            None => line.n_chunks() as u64,
            Some(indices) => {
                let mut before = None;
                let chunk_len = line.chunk_len as u64;
                indices.iter().map(|at| at / chunk_len).filter(|at| before.replace(*at) != Some(*at)).count()
                    as u64
            }
        };
        count(&self.rows).saturating_mul(count(&self.columns))
    }

    /// Positions of all selected chunks in C order of the stored grid.
    pub(super) fn chunks(&self) -> Result<Vec<u64>> {
        let rows = self.rows.chunk_flags(self.rows.flags().as_deref());
        let columns = self.columns.chunk_flags(self.columns.flags().as_deref());
        self.chunks_of(&rows, &columns, |_, _| true)
    }

    /// What the pixels of a picture need.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for more chunks than a field may have.
    pub(super) fn needed(&self, cells: &CellMap, field: &Key) -> Result<Needed> {
        let (n_rows, n_columns) = (self.rows.len, self.columns.len);
        let (mut rows, mut columns) = (vec![false; n_rows], vec![false; n_columns]);
        let flag = |flags: &mut Vec<bool>, at: u32| {
            if let Some(flag) = flags.get_mut(at as usize) {
                *flag = true;
            }
        };
        let mut pairs = None;
        match cells {
            CellMap::Separable { rows: used_rows, columns: used_columns, .. } => {
                used_rows.iter().filter(|row| **row != NO_CELL).for_each(|row| flag(&mut rows, *row));
                used_columns
                    .iter()
                    .filter(|column| **column != NO_CELL)
                    .for_each(|at| flag(&mut columns, *at));
            }
            CellMap::Each(cells) => {
                let width = self.columns.n_chunks();
                let mut seen = Bits::none(self.rows.n_chunks() * width);
                let mut before = NO_CELL;
                for cell in cells.iter().copied() {
                    if cell == NO_CELL || cell == before {
                        continue;
                    }
                    before = cell;
                    let (row, column) = (cell as usize / n_columns.max(1), cell as usize % n_columns.max(1));
                    flag(&mut rows, row as u32);
                    flag(&mut columns, column as u32);
                    seen.set(row / self.rows.chunk_len * width + column / self.columns.chunk_len, 1);
                }
                pairs = Some((seen, width));
            }
        }
        // What is not selected is missing: nothing of it is needed.
        for (used, line) in [(&mut rows, &self.rows), (&mut columns, &self.columns)] {
            if let Some(selected) = line.flags() {
                used.iter_mut().zip(selected).for_each(|(used, selected)| *used &= selected);
            }
        }
        let (row_chunks, column_chunks) =
            (self.rows.chunk_flags(Some(&rows)), self.columns.chunk_flags(Some(&columns)));
        let chunks = self.chunks_of(&row_chunks, &column_chunks, |row, column| {
            pairs.as_ref().is_none_or(|(seen, width)| seen.has(row * width + column))
        })?;
        let lattice = Lattice { rows: Slots::of_flags(&rows), columns: Slots::of_flags(&columns) };
        let key = field.part(&chunks, &lattice);
        Ok(Needed { chunks, lattice, key })
    }

    fn chunks_of(
        &self,
        rows: &[bool],
        columns: &[bool],
        is_needed: impl Fn(usize, usize) -> bool,
    ) -> Result<Vec<u64>> {
        let mut chunks = Vec::new();
        let mut index: Vec<u64> =
            self.positions.iter().zip(&self.chunk_shape).map(|(at, len)| at / (*len).max(1)).collect();
        let set = |line: &Line, at: usize, index: &mut Vec<u64>| {
            if let Some(position) = line.axis.and_then(|axis| index.get_mut(axis)) {
                *position = at as u64;
            }
        };
        for row in (0..rows.len()).filter(|row| rows.get(*row) == Some(&true)) {
            set(&self.rows, row, &mut index);
            for column in (0..columns.len()).filter(|column| columns.get(*column) == Some(&true)) {
                if !is_needed(row, column) {
                    continue;
                }
                set(&self.columns, column, &mut index);
                if chunks.len() as u64 >= MAX_CHUNKS {
                    let message =
                        format!("the plot needs more than {MAX_CHUNKS} chunks; ask for a smaller extent");
                    return Err(Error::new(ErrorKind::TooLarge, message));
                }
                chunks
                    .push(index.iter().zip(&self.counts).fold(0, |linear, (at, count)| linear * count + at));
            }
        }
        Ok(chunks)
    }

    /// Elements of a chunk between two neighbours along an axis; 0 for an axis that the field does not have.
    pub(super) fn stride(&self, line: &Line) -> usize {
        let Some(axis) = line.axis else { return 0 };
        self.chunk_shape.iter().skip(axis + 1).map(|len| *len as usize).product()
    }

    /// The first element of a chunk at the positions along the axes that are not drawn.
    pub(super) fn base(&self) -> usize {
        let mut base = 0;
        for (axis, (at, len)) in self.positions.iter().zip(&self.chunk_shape).enumerate() {
            let is_drawn = Some(axis) == self.rows.axis || Some(axis) == self.columns.axis;
            let within = if is_drawn { 0 } else { at % (*len).max(1) };
            base = base * *len as usize + within as usize;
        }
        base
    }
}

/// Bytes of a decoded chunk.
pub(super) fn chunk_bytes(variable: &Variable) -> u64 {
    let element = variable.dtype.len_bytes().unwrap_or(1).max(1) as u64;
    variable.storage.chunk_shape.iter().fold(element, |bytes, len| bytes.saturating_mul(*len))
}

/// A set of small numbers.
#[derive(Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn set(&mut self, start: usize, count: usize) {
        for at in start..start + count {
            if let Some(word) = self.0.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
    }

    fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }
}
