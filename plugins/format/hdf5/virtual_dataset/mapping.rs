//! One mapping of a virtual dataset: which elements of a source are which of its own.

use std::ops::Range;

use thermocline_core::format::Region;
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, Codec};

use super::convert::Conversion;
use super::selection::Selection;
use crate::array::Array;
use crate::mapping::{Dialect, Values, leaves};
use crate::neighbours::Neighbourhood;
use crate::opened::Opened;
use crate::values::n_elements;

/// Which elements of a source are which of a virtual dataset.
pub(super) struct Mapping {
    /// Number of the source.
    pub(super) source: usize,
    pub(super) from: Selection,
    pub(super) to: Selection,
}

/// Fails unless the selections have the same number of elements, unbound ones aside.
pub(super) fn check_shapes(from: &Selection, to: &Selection, source_rank: usize) -> Result<()> {
    if from.rank() != source_rank {
        return Err(Error::corrupt("a mapping of another rank than its source"));
    }
    let (from, to) = (from.squeezed(), to.squeezed());
    let agrees = from.len() == to.len()
        && from
            .iter()
            .zip(&to)
            .all(|(from, to)| from.is_unlimited || to.is_unlimited || from.len() == to.len());
    if agrees {
        return Ok(());
    }
    Err(Error::unsupported("a virtual dataset whose parts have another shape than their sources"))
}

/// Fails where values would have to be converted in a way that only the library does.
pub(super) fn check_type(source: &Opened, array: &Array) -> Result<()> {
    let mut wanted = leaves(&array.datatype, Dialect::Hdf5).into_iter().filter_map(|leaf| leaf.values.ok());
    wanted.try_for_each(|values| source_values(source, &values).map(|_| ()))
}

/// What is read of a virtual dataset.
pub(super) struct Reading<'r, 'a> {
    pub(super) values: &'r Values,
    /// The region without the axes inside elements, cut to the array's shape.
    pub(super) outer: &'r Region,
    pub(super) region: &'r Region,
    /// Most bytes that may be read of one source.
    pub(super) limit: u64,
    pub(super) around: &'r Neighbourhood<'a>,
}

impl Mapping {
    /// True if some of a region comes from its source.
    pub(super) fn touches(&self, region: &Region) -> bool {
        self.to.positions(region).is_some()
    }

    /// Copies what the mapping gives of a region.
    pub(super) fn read(
        &self,
        source: &Opened,
        read: &Reading<'_, '_>,
        answer: &mut ArrayBytes,
    ) -> Result<()> {
        let Reading { values, region, .. } = *read;
        let shape = source.array.shape().unwrap_or_default();
        let mut from = self.from.clone();
        from.bind(shape)?;
        check_shapes(&from, &self.to, shape.len())?;
        let Some(wanted) = self.to.positions(read.outer) else { return Ok(()) };
        // Positions in the selections agree axis by axis, axes of one element left aside.
        let mut rest = wanted
            .iter()
            .zip(self.to.axes())
            .filter(|(_, axis)| !axis.is_single())
            .map(|(range, _)| range.clone());
        let mut picked = Vec::new();
        for axis in from.axes() {
            let range = if axis.is_single() { 0..1 } else { rest.next().unwrap_or(0..0) };
            picked.push(range.start..range.end.min(axis.len()));
        }
        if picked.iter().any(Range::is_empty) {
            return Ok(());
        }
        let (source_values, conversion) = source_values(source, values)?;
        let bounds = from.bounds(&picked);
        let mut source_region = bounds.clone();
        for length in &values.inner_shape {
            source_region.start.push(0);
            source_region.shape.push(*length);
        }
        n_elements(&source_region.shape, values.dtype.len_bytes().unwrap_or(24), read.limit)?;
        let read = source.read(&source_values, None, &source_region, read.around)?;
        let read = match (conversion, read) {
            (Some(conversion), ArrayBytes::Fixed(bytes)) => ArrayBytes::Fixed(conversion.convert(&bytes)?),
            (_, read) => read,
        };
        self.scatter(&from, values, &read, &bounds, &picked, &wanted, region, answer)
    }

    #[expect(clippy::too_many_arguments, reason = "two arrays, and where the mapping lies in both")]
    fn scatter(
        &self,
        from: &Selection,
        values: &Values,
        read: &ArrayBytes,
        bounds: &Region,
        picked: &[Range<u64>],
        wanted: &[Range<u64>],
        region: &Region,
        answer: &mut ArrayBytes,
    ) -> Result<()> {
        let n_inner = values.inner_shape.iter().product::<u64>() as usize;
        let size = values.dtype.len_bytes().unwrap_or(1) * n_inner;
        let counts: Vec<u64> = picked.iter().map(|range| range.end - range.start).collect();
        let mut at = vec![0_u64; counts.len()];
        let outer_shape: Vec<u64> = region.shape.iter().take(self.to.rank()).copied().collect();
        loop {
            let at_source = from
                .axes()
                .iter()
                .zip(picked)
                .zip(&at)
                .map(|((axis, range), at)| axis.index(range.start + at));
            let element =
                linear(at_source.zip(&bounds.start).map(|(index, start)| index - start), &bounds.shape);
            let mut rest =
                at.iter().zip(from.axes()).filter(|(_, axis)| !axis.is_single()).map(|(at, _)| *at);
            let to = self.to.axes().iter().zip(wanted).map(|(axis, range)| {
                let offset = if axis.is_single() { 0 } else { rest.next().unwrap_or(0) };
                axis.index(range.start + offset)
            });
            let to: Vec<u64> = to.zip(&region.start).map(|(index, start)| index - start).collect();
            let to = linear(to.into_iter(), &outer_shape);
            copy_element(read, element, answer, to, size)?;
            if !advance(&mut at, &counts) {
                return Ok(());
            }
        }
    }
}

fn linear(position: impl Iterator<Item = u64>, shape: &[u64]) -> usize {
    position.zip(shape).fold(0, |sum, (position, length)| sum * length + position) as usize
}

fn advance(position: &mut [u64], counts: &[u64]) -> bool {
    for (position, count) in position.iter_mut().zip(counts).rev() {
        *position += 1;
        if *position < *count {
            return true;
        }
        *position = 0;
    }
    false
}

fn copy_element(from: &ArrayBytes, at: usize, to: &mut ArrayBytes, target: usize, size: usize) -> Result<()> {
    let outside = || Error::internal("a mapping leads outside its arrays");
    match (from, to) {
        (ArrayBytes::Fixed(from), ArrayBytes::Fixed(to)) => {
            let from = from.get(at * size..(at + 1) * size).ok_or_else(outside)?;
            to.get_mut(target * size..(target + 1) * size).ok_or_else(outside)?.copy_from_slice(from);
        }
        (ArrayBytes::Texts(from), ArrayBytes::Texts(to)) => {
            to.get_mut(target).ok_or_else(outside)?.clone_from(from.get(at).ok_or_else(outside)?);
        }
        _ => return Err(Error::unsupported("a virtual dataset of another type than its source")),
    }
    Ok(())
}

/// How the source's elements become values of the virtual dataset: as they are, or by converting numbers.
fn source_values(source: &Opened, wanted: &Values) -> Result<(Values, Option<Conversion>)> {
    let found: Vec<Values> = leaves(&source.array.datatype, Dialect::Hdf5)
        .into_iter()
        .filter_map(|leaf| leaf.values.ok())
        .filter(|values| values.inner_shape == wanted.inner_shape && !values.may_be_inexact)
        .collect();
    let same = found.iter().find(|values| values.dtype == wanted.dtype && values.codecs == wanted.codecs);
    if let Some(same) = same {
        return Ok((same.clone(), None));
    }
    if let [values] = found.as_slice()
        && wanted.codecs.is_empty()
        && !values.codecs.iter().any(|codec| matches!(codec, Codec::Member { .. }))
        && let Some(conversion) = Conversion::new(&values.dtype, &wanted.dtype)
    {
        return Ok((values.clone(), Some(conversion)));
    }
    Err(Error::unsupported(format!(
        "a virtual dataset of another type than its source, {}",
        source.array.datatype.words()
    )))
}
