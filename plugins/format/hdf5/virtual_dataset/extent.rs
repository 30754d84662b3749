//! The present shape of virtual datasets that grow with their sources.
//!
//! # Source
//! HDF5 library, `H5Dvirtual.c`, `H5D__virtual_set_extent_unlim`, for the view "last available", which is the
//! default: along an axis without end the array reaches as far as any of its mappings has data.

use thermocline_core::{Error, Result};

use super::selection::Selection;

/// How far the mappings of a virtual dataset reach along each axis.
pub(super) struct Extent {
    ends: Vec<u64>,
    /// True for axes along which mappings have no end: their stored length does not count.
    grows: Vec<bool>,
}

impl Extent {
    pub(super) fn new(rank: usize) -> Self {
        Self { ends: vec![0; rank], grows: vec![false; rank] }
    }

    /// Takes an axis for one that grows, whether anything is mapped to it or not.
    pub(super) fn grow(&mut self, axis: usize) {
        if let Some(grows) = self.grows.get_mut(axis) {
            *grows = true;
        }
    }

    /// Adds a mapping from a source of that shape, if it exists.
    pub(super) fn add(&mut self, from: &Selection, to: &Selection, source: Option<&[u64]>) -> Result<()> {
        for (number, axis) in to.axes().iter().enumerate() {
            let mut n = axis.len();
            if axis.is_unlimited {
                self.grow(number);
                n = source.map_or(Ok(0), |shape| n_available(from, shape))?;
            }
            let end = axis.end(n)?;
            if let Some(known) = self.ends.get_mut(number) {
                *known = end.max(*known);
            }
        }
        Ok(())
    }

    /// The present shape of an array of that stored shape.
    pub(super) fn shape(&self, stored: &[u64]) -> Vec<u64> {
        let axes = stored.iter().zip(&self.ends).zip(&self.grows);
        axes.map(|((stored, end), grows)| if *grows { *end } else { *stored }).collect()
    }
}

/// How many indices a source has along the axis on which its selection has no end.
fn n_available(from: &Selection, shape: &[u64]) -> Result<u64> {
    let axes = from.axes().iter().zip(shape);
    let n = axes.filter(|(axis, _)| axis.is_unlimited).map(|(axis, length)| axis.n_below(*length)).next();
    n.ok_or_else(|| Error::corrupt("a mapping without end from a source that has one"))
}
