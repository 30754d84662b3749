//! Virtual datasets: arrays whose values lie in parts of other arrays.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, IV.A.2.m "virtual storage" and III.E.2 "global heap block for virtual
//! datasets"; serialized selections as in VIII.C. Regular selections are read; lists of points and of
//! irregular blocks, and source names with `%b`, are refused.

mod selection;

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_codec::{fill_chunk, region::copy_box};
use thermocline_core::format::{OpenOther, Region};
use thermocline_core::{Error, Result};
use thermocline_model::ArrayBytes;

use crate::array::Array;
use crate::cursor::{Cursor, text};
use crate::file::File;
use crate::fill::stored_fill;
use crate::global_heap::HeapId;
use crate::mapping::{Values, leaves};
use crate::opened::Opened;
use crate::tree::Files;
use crate::values::n_elements;
use selection::Selection;

/// Most mappings of one array.
const MAX_MAPPINGS: u64 = 100_000;

/// Virtual datasets of virtual datasets.
const MAX_NESTING: usize = 4;

/// The mappings of a virtual dataset, with their sources open.
pub(crate) struct Mappings {
    mappings: Vec<Mapping>,
}

struct Mapping {
    source_file: String,
    source_path: String,
    from: Selection,
    to: Selection,
    /// `None` if the source does not exist: its part reads as fill.
    source: Option<Arc<Opened>>,
}

impl Mappings {
    /// Reads the mappings and opens their sources.
    pub(crate) fn open(
        file: &Arc<File>,
        array: &Array,
        at: Option<HeapId>,
        others: &dyn OpenOther,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Self> {
        let Some(at) = at.filter(|at| at.collection != 0) else { return Ok(Self { mappings: Vec::new() }) };
        let bytes = file.global_object(at)?;
        let shape = array.shape().unwrap_or_default();
        let mut mappings = parse(&mut Cursor::new(&bytes, file.sizes()), shape)?;
        let mut open: HashMap<(String, String), Option<Arc<Opened>>> = HashMap::new();
        for mapping in &mut mappings {
            let key = (mapping.source_file.clone(), mapping.source_path.clone());
            mapping.source = match open.get(&key) {
                Some(source) => source.clone(),
                None => {
                    let source = open_source(file, &key.0, &key.1, others, name)?;
                    open.insert(key, source.clone());
                    source
                }
            };
            if let Some(source) = &mapping.source {
                mapping.from.bind(source.array.shape().unwrap_or_default())?;
            }
            mapping.check()?;
            mapping.check_type(array)?;
        }
        Ok(Self { mappings })
    }

    /// Values of a region of the virtual dataset.
    pub(crate) fn read(
        &self,
        opened: &Opened,
        values: &Values,
        beyond: Option<&ArrayBytes>,
        region: &Region,
    ) -> Result<ArrayBytes> {
        let shape = opened.array.shape().unwrap_or_default();
        let rank = shape.len();
        let inner = values.inner_shape.as_slice();
        let is_whole = region.shape.get(rank..) == Some(inner)
            && region.start.iter().skip(rank).all(|start| *start == 0);
        if !is_whole || region.start.len() != rank + inner.len() {
            return Err(Error::internal("a part of elements of a virtual dataset"));
        }
        let limit = opened.file.limits.chunk_bytes;
        let size = values.dtype.len_bytes().unwrap_or(24);
        let n = n_elements(&region.shape, size, limit)?;
        let mut answer = fill_chunk(&values.dtype, beyond, n);
        let fill = stored_fill(&opened.file, &opened.array, values)?;
        fill_inside(&mut answer, region, shape, values, fill.as_ref())?;
        let outer = Region {
            start: region.start.iter().take(rank).copied().collect(),
            shape: region
                .start
                .iter()
                .zip(&region.shape)
                .zip(shape)
                .map(|((start, len), length)| (*len).min(length.saturating_sub(*start)))
                .collect(),
        };
        for mapping in &self.mappings {
            mapping.read(values, &outer, region, limit, &mut answer)?;
        }
        Ok(answer)
    }
}

/// Fills what lies inside the array's shape.
fn fill_inside(
    answer: &mut ArrayBytes,
    region: &Region,
    shape: &[u64],
    values: &Values,
    fill: Option<&ArrayBytes>,
) -> Result<()> {
    let lengths: Vec<u64> = region
        .start
        .iter()
        .zip(&region.shape)
        .enumerate()
        .map(|(axis, (start, len))| {
            shape.get(axis).map_or(*len, |length| (*len).min(length.saturating_sub(*start)))
        })
        .collect();
    let n = lengths.iter().product::<u64>() as usize;
    let filled = fill_chunk(&values.dtype, fill, n);
    let zeros = vec![0; lengths.len()];
    let size = values.dtype.len_bytes().unwrap_or(1);
    Ok(copy_box(&filled, &lengths, &zeros, answer, &region.shape, &zeros, &lengths, size)?)
}

fn parse(cursor: &mut Cursor<'_>, shape: &[u64]) -> Result<Vec<Mapping>> {
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("virtual dataset mappings of version {version}")));
    }
    let n = cursor.length()?;
    if n > MAX_MAPPINGS {
        return Err(Error::corrupt(format!("{n} mappings of a virtual dataset")));
    }
    let mut mappings = Vec::new();
    for _ in 0..n {
        let source_file = text(cursor.until_nul()?).0;
        let source_path = text(cursor.until_nul()?).0;
        if source_file.contains('%') || source_path.contains('%') {
            return Err(Error::unsupported(format!(
                "a virtual dataset whose sources are numbered: {source_file}"
            )));
        }
        let from = Selection::parse(cursor)?;
        let mut to = Selection::parse(cursor)?;
        to.bind(shape)?;
        mappings.push(Mapping { source_file, source_path, from, to, source: None });
    }
    Ok(mappings)
}

/// Opens the array that a mapping names; `None` if the file or the array does not exist.
fn open_source(
    file: &Arc<File>,
    source_file: &str,
    source_path: &str,
    others: &dyn OpenOther,
    name: &dyn Fn(&str) -> String,
) -> Result<Option<Arc<Opened>>> {
    if file.nesting >= MAX_NESTING {
        return Err(Error::unsupported("virtual datasets nested too deep"));
    }
    let object = if source_file == "." {
        Some(Arc::clone(file.bytes.object()))
    } else {
        others.open(&name(source_file))?
    };
    let Some(object) = object else { return Ok(None) };
    let mut files = Files::nested(object, others, &file.limits, file.nesting + 1)?;
    let Some(found) = files.resolve(0, source_path)? else { return Ok(None) };
    let source = Arc::clone(files.get(found.identity.0)?);
    let header = crate::header::ObjectHeader::read(&source, found.identity.1)?;
    let array = Array::read(&source, found.identity.1, &header)?;
    let folder = name(source_file);
    let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let nested = move |other: &str| {
        if folder.is_empty() || other.starts_with('/') {
            other.to_owned()
        } else {
            format!("{folder}/{other}")
        }
    };
    Ok(Some(Arc::new(Opened::open(source, array, others, &nested)?)))
}

impl Mapping {
    /// Fails unless the selections have the same number of elements, unbound ones aside.
    fn check(&self) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        if self.from.rank() != source.array.shape().unwrap_or_default().len() {
            return Err(Error::corrupt("a mapping of another rank than its source"));
        }
        let (from, to) = (self.from.squeezed(), self.to.squeezed());
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

    /// Fails where values would have to be converted, which only the library does.
    fn check_type(&self, array: &Array) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let mut wanted = leaves(&array.datatype, false).into_iter().filter_map(|leaf| leaf.values.ok());
        wanted.try_for_each(|values| source_values(source, &values).map(|_| ()))
    }

    /// Copies what the mapping gives of `outer`, a region without the axes inside elements.
    fn read(
        &self,
        values: &Values,
        outer: &Region,
        region: &Region,
        limit: u64,
        answer: &mut ArrayBytes,
    ) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let Some(wanted) = self.to.positions(outer) else { return Ok(()) };
        // Positions in the selections agree axis by axis, axes of one element left aside.
        let mut rest = wanted
            .iter()
            .zip(self.to.axes())
            .filter(|(_, axis)| !axis.is_single())
            .map(|(range, _)| range.clone());
        let mut picked = Vec::new();
        for axis in self.from.axes() {
            let range = if axis.is_single() { 0..1 } else { rest.next().unwrap_or(0..0) };
            picked.push(range.start..range.end.min(axis.len()));
        }
        if picked.iter().any(std::ops::Range::is_empty) {
            return Ok(());
        }
        let source_values = source_values(source, values)?;
        let bounds = self.from.bounds(&picked);
        let mut source_region = bounds.clone();
        for length in &values.inner_shape {
            source_region.start.push(0);
            source_region.shape.push(*length);
        }
        n_elements(&source_region.shape, values.dtype.len_bytes().unwrap_or(24), limit)?;
        let read = source.read(&source_values, None, &source_region)?;
        self.scatter(values, &read, &bounds, &picked, &wanted, region, answer)
    }

    #[expect(clippy::too_many_arguments, reason = "two arrays, and where the mapping lies in both")]
    fn scatter(
        &self,
        values: &Values,
        read: &ArrayBytes,
        bounds: &Region,
        picked: &[std::ops::Range<u64>],
        wanted: &[std::ops::Range<u64>],
        region: &Region,
        answer: &mut ArrayBytes,
    ) -> Result<()> {
        let n_inner = values.inner_shape.iter().product::<u64>() as usize;
        let size = values.dtype.len_bytes().unwrap_or(1) * n_inner;
        let counts: Vec<u64> = picked.iter().map(|range| range.end - range.start).collect();
        let mut at = vec![0_u64; counts.len()];
        let outer_shape: Vec<u64> = region.shape.iter().take(self.to.rank()).copied().collect();
        loop {
            let from = self
                .from
                .axes()
                .iter()
                .zip(picked)
                .zip(&at)
                .map(|((axis, range), at)| axis.index(range.start + at));
            let from = linear(from.zip(&bounds.start).map(|(index, start)| index - start), &bounds.shape);
            let mut rest =
                at.iter().zip(self.from.axes()).filter(|(_, axis)| !axis.is_single()).map(|(at, _)| *at);
            let to = self.to.axes().iter().zip(wanted).map(|(axis, range)| {
                let offset = if axis.is_single() { 0 } else { rest.next().unwrap_or(0) };
                axis.index(range.start + offset)
            });
            let to: Vec<u64> = to.zip(&region.start).map(|(index, start)| index - start).collect();
            let to = linear(to.into_iter(), &outer_shape);
            copy_element(read, from, answer, to, size)?;
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

/// How the source's elements become values of the virtual dataset: only where no conversion is needed.
fn source_values(source: &Opened, wanted: &Values) -> Result<Values> {
    let found = leaves(&source.array.datatype, false).into_iter().filter_map(|leaf| leaf.values.ok()).find(
        |values| {
            values.dtype == wanted.dtype
                && values.inner_shape == wanted.inner_shape
                && values.codecs == wanted.codecs
        },
    );
    found.ok_or_else(|| {
        Error::unsupported(format!(
            "a virtual dataset of another type than its source, {}",
            source.array.datatype.words()
        ))
    })
}
