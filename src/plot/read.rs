//! Reads what a picture needs of a variable, chunk by chunk, and no more than that is kept.

use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::ResolvedVariable;
use thermocline_render::{Cancel, CellMap, Field, Grid, Statistics, Values};

use crate::{Placement, Plotter};

/// Which cells a picture shows.
#[derive(Debug, Clone, Copy)]
pub enum Needs<'m> {
    /// All that are selected.
    All,
    /// Those of the pixels.
    Pixels(&'m CellMap),
}

/// What is wanted of a variable besides the values of the cells shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Smallest, largest and mean value of all that is selected: every selected chunk is read.
    pub statistics: bool,
    /// These quantiles of all that is selected, between 0 and 1, as numpy's linear ones.
    pub quantiles: Option<[f64; 2]>,
}

/// Positions along the axes of a variable that are not drawn, and which axes are.
#[derive(Debug, Clone)]
pub struct Axes<'r> {
    /// What the request selects; one position of each axis that is not drawn.
    pub selected: &'r ResolvedVariable,
    /// The axes that are drawn: rows and columns, or one.
    pub drawn: &'r [usize],
}

/// Values of a field with what is known of all that is selected.
#[derive(Debug, Clone)]
pub struct ReadField {
    /// The values, on the cells of the grid. Cells that are not selected are missing.
    pub field: Arc<Field>,
    /// Of all that is selected, if wanted.
    pub statistics: Option<Statistics>,
    /// The wanted quantiles; NaN without values.
    pub quantiles: Option<[f64; 2]>,
    /// Chunks that the picture is made of.
    pub n_chunks: u64,
    /// Bytes that were read from the source, 0 if everything was in memory.
    pub bytes_read: u64,
}

/// Values along one or two axes, in C order, with the positions that were selected along them.
#[derive(Debug, Clone)]
pub struct ReadSeries {
    /// The values, decoded.
    pub values: Values,
    /// Positions along each drawn axis.
    pub positions: Vec<Vec<u64>>,
    /// Chunks that were read.
    pub n_chunks: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
}

impl Plotter {
    /// The grid of a placement with its search structure: made once for each dataset revision and key, and kept.
    ///
    /// # Errors
    /// Coordinates that cannot be read, or are no grid.
    pub async fn grid(
        &self,
        manifest: &Arc<Manifest>,
        path: &str,
        placement: &Placement,
    ) -> Result<Arc<Grid>> {
        let _ = (manifest, path, placement);
        Err(thermocline_core::Error::unsupported("no grids yet"))
    }

    /// Values of a field on its grid: of the chunks that hold a needed cell, or of all selected ones if statistics are
    /// wanted. Decoded fields are kept.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::TooLarge`] beyond `max_read_bytes`, naming the estimate and what would help; those of
    /// reading.
    pub async fn read_field(
        &self,
        manifest: &Arc<Manifest>,
        axes: &Axes<'_>,
        needs: Needs<'_>,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<ReadField> {
        let _ = (manifest, axes, needs, wanted, cancel);
        Err(thermocline_core::Error::unsupported("no fields yet"))
    }

    /// Values along one or two axes as an array.
    ///
    /// # Errors
    /// Those of [`Plotter::read_field`].
    pub async fn read_series(
        &self,
        manifest: &Arc<Manifest>,
        axes: &Axes<'_>,
        cancel: &Cancel,
    ) -> Result<ReadSeries> {
        let _ = (manifest, axes, cancel);
        Err(thermocline_core::Error::unsupported("no series yet"))
    }
}
