//! The values of a field on the cells of a grid.

/// Decoded values: packed ones unpacked, missing ones NaN.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Stored with 32 bits.
    F32(Vec<f32>),
    /// Everything else.
    F64(Vec<f64>),
}

impl Values {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a position; NaN beyond the end.
    pub fn get(&self, position: usize) -> f64 {
        match self {
            Self::F32(values) => values.get(position).map_or(f64::NAN, |value| f64::from(*value)),
            Self::F64(values) => values.get(position).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Which cells of a grid have values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cells {
    /// All of them, in C order.
    All,
    /// Those of some rows and columns: for each row and column of the grid its place among those that are there, or
    /// [`Cells::ABSENT`].
    Lattice {
        /// For each row of the grid.
        rows: Vec<u32>,
        /// For each column of the grid.
        columns: Vec<u32>,
        /// How many columns are there.
        n_columns: u32,
    },
}

impl Cells {
    /// Marks a row or column that was not read.
    pub const ABSENT: u32 = u32::MAX;
}

/// Values on the cells of a grid. A cell's number is `row × columns of the grid + column`; one-dimensional grids have
/// one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The values of the cells that are there.
    pub values: Values,
    /// Which they are.
    pub cells: Cells,
    /// Columns of the grid.
    pub n_columns: u32,
}

impl Field {
    /// The value of a cell; NaN if it is missing, absent or no cell.
    pub fn value(&self, cell: u32) -> f64 {
        match &self.cells {
            Cells::All => self.values.get(cell as usize),
            Cells::Lattice { rows, columns, n_columns } => {
                let (row, column) = (cell / self.n_columns.max(1), cell % self.n_columns.max(1));
                let found = rows.get(row as usize).zip(columns.get(column as usize));
                match found {
                    Some((row, column)) if *row != Cells::ABSENT && *column != Cells::ABSENT => {
                        self.values.get(*row as usize * *n_columns as usize + *column as usize)
                    }
                    _ => f64::NAN,
                }
            }
        }
    }
}

/// What is known of all selected values of a field, shown or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Values that are there.
    pub n_valid: u64,
    /// Missing values.
    pub n_missing: u64,
    /// The smallest finite value; NaN if there is none.
    pub min: f64,
    /// The smallest finite value above 0, where a logarithm begins; NaN if there is none.
    pub min_positive: f64,
    /// The largest finite value; NaN if there is none.
    pub max: f64,
    /// Mean of the finite values, each with the same weight; NaN if there is none.
    pub mean: f64,
}
