//! Virtual datasets: arrays whose values lie in parts of other arrays.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, IV.A.2.m "virtual storage" and III.E.2 "global heap block for virtual
//! datasets"; serialized selections as in VIII.C. Regular selections are read; lists of points and of
//! irregular blocks are refused.

mod convert;
mod extent;
mod mapping;
mod numbered;
mod selection;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_codec::{fill_chunk, region::copy_box};
use thermocline_core::format::Region;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::ArrayBytes;

use crate::array::Array;
use crate::cursor::{Cursor, text};
use crate::file::File;
use crate::files::Files;
use crate::fill::stored_fill;
use crate::global_heap::HeapId;
use crate::mapping::Values;
use crate::neighbours::{Neighbour, Neighbourhood, changed};
use crate::opened::Opened;
use crate::values::n_elements;
use extent::Extent;
use mapping::{Mapping, Reading, check_shapes, check_type};
use numbered::{is_numbered, numbered};
use selection::Selection;

/// Most mappings of one array.
const MAX_MAPPINGS: usize = 100_000;

/// Virtual datasets of virtual datasets.
const MAX_NESTING: usize = 4;

/// Source arrays that stay open between reads.
const MAX_OPEN_SOURCES: usize = 64;

/// The mappings of a virtual dataset.
pub(crate) struct Mappings {
    /// The present shape of the array: it may grow with its sources.
    pub(crate) shape: Vec<u64>,
    mappings: Vec<Mapping>,
    sources: Vec<SourceArray>,
    /// True if neither the shape nor which sources there are depends on the sources.
    is_fixed: bool,
    /// Open sources by number, the latest last.
    open: Mutex<Vec<(usize, Arc<Opened>)>>,
}

/// Which sources are opened at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// All, for their shapes, and for the files that they name in turn.
    Opened,
    /// None, where their files are enough: each is opened when a part of it is read.
    Named,
}

/// An array that parts of a virtual dataset come from.
struct SourceArray {
    name: SourceName,
    state: SourceState,
    /// The files that it was found in, or was not.
    found: Vec<Neighbour>,
}

/// What is known of a source.
enum SourceState {
    /// It has this shape.
    Opened(Vec<u64>),
    /// Its file exists.
    Named,
    /// It does not exist: its parts read as fill.
    Missing,
}

impl SourceArray {
    fn shape(&self) -> Option<&[u64]> {
        match &self.state {
            SourceState::Opened(shape) => Some(shape),
            SourceState::Named | SourceState::Missing => None,
        }
    }

    fn is_missing(&self) -> bool {
        matches!(self.state, SourceState::Missing)
    }

    /// True if it depends on no other file than the one that its name tells.
    fn is_direct(&self) -> bool {
        self.found.len() == usize::from(self.name.file != ".")
    }
}

/// File and path of a source, as the mapping names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SourceName {
    file: String,
    path: String,
}

impl SourceName {
    /// The name of the source with that number.
    fn numbered(&self, number: u64) -> Result<Self> {
        Ok(Self { file: numbered(&self.file, number)?, path: numbered(&self.path, number)? })
    }
}

/// What looking at the sources of an array needs.
struct Looking<'l, 'a> {
    sources: Sources,
    file: &'l Arc<File>,
    array: &'l Array,
    around: &'l Neighbourhood<'a>,
    /// Numbers of those that were looked at.
    numbers: HashMap<SourceName, usize>,
}

impl Mappings {
    /// Reads the mappings and looks at their sources.
    pub(crate) fn open(
        file: &Arc<File>,
        array: &Array,
        at: Option<HeapId>,
        (around, sources): (&Neighbourhood<'_>, Sources),
    ) -> Result<Self> {
        let stored = array.shape().unwrap_or_default();
        let mut found = Self {
            shape: stored.to_vec(),
            mappings: Vec::new(),
            sources: Vec::new(),
            is_fixed: true,
            open: Mutex::default(),
        };
        let Some(at) = at.filter(|at| at.collection != 0) else { return Ok(found) };
        let bytes = file.global_object(at)?;
        let parsed = parse(&mut Cursor::new(&bytes, file.sizes()))?;
        found.is_fixed = parsed.iter().all(is_fixed);
        let sources = if found.is_fixed { sources } else { Sources::Opened };
        let mut looking = Looking { sources, file, array, around, numbers: HashMap::new() };
        let mut extent = Extent::new(stored.len());
        let mut cold = None;
        for (name, from, mut to) in parsed {
            to.give_axes(stored);
            let added = if is_numbered(&name.file) || is_numbered(&name.path) {
                let axis = to.unlimited();
                let axis =
                    axis.ok_or_else(|| Error::corrupt("a mapping with an end, of numbered sources"))?;
                extent.grow(axis);
                found.add_numbered(&mut looking, &name, &from, (&to, axis))
            } else {
                let source = found.add_source(&mut looking, name.numbered(0)?);
                source.and_then(|source| found.add_mapping(Mapping { source, from, to }))
            };
            match added {
                // All that have to be recalled are asked for before any is waited for.
                Err(error) if error.kind() == ErrorKind::NotStaged => cold = cold.or(Some(error)),
                added => added?,
            }
        }
        if let Some(cold) = cold {
            return Err(cold);
        }
        for Mapping { source, from, to } in &found.mappings {
            extent.add(from, to, found.source(*source)?.shape())?;
        }
        found.shape = extent.shape(stored);
        found.bind()?;
        Ok(found)
    }

    fn add_mapping(&mut self, mapping: Mapping) -> Result<()> {
        if self.mappings.len() >= MAX_MAPPINGS {
            return Err(Error::corrupt(format!("more than {MAX_MAPPINGS} mappings of a virtual dataset")));
        }
        self.mappings.push(mapping);
        Ok(())
    }

    /// Adds a mapping of one block from each source, up to the first that does not exist.
    fn add_numbered(
        &mut self,
        looking: &mut Looking<'_, '_>,
        name: &SourceName,
        from: &Selection,
        (to, axis): (&Selection, usize),
    ) -> Result<()> {
        for number in 0.. {
            let source = self.add_source(looking, name.numbered(number)?)?;
            if self.source(source)?.is_missing() {
                return Ok(());
            }
            self.add_mapping(Mapping { source, from: from.clone(), to: to.nth_block(axis, number)? })?;
        }
        Ok(())
    }

    /// Fits the selections to the shapes of their arrays.
    fn bind(&mut self) -> Result<()> {
        for Mapping { source, from, to } in &mut self.mappings {
            to.bind(&self.shape)?;
            if let Some(shape) = self.sources.get(*source).and_then(SourceArray::shape) {
                from.bind(shape)?;
                check_shapes(from, to, shape.len())?;
            }
        }
        Ok(())
    }

    /// Looks at a source, once, and returns its number.
    fn add_source(&mut self, looking: &mut Looking<'_, '_>, name: SourceName) -> Result<usize> {
        if let Some(number) = looking.numbers.get(&name) {
            return Ok(*number);
        }
        let part = looking.around.part();
        let number = self.sources.len();
        let state = match looking.sources {
            Sources::Named => name_source(&name, &part)?,
            Sources::Opened => match open_source(looking.file, &name, &part)? {
                Some(opened) => {
                    check_type(&opened, looking.array)?;
                    let shape = opened.array.shape().unwrap_or_default().to_vec();
                    self.keep(number, Arc::new(opened));
                    SourceState::Opened(shape)
                }
                None => SourceState::Missing,
            },
        };
        looking.numbers.insert(name.clone(), number);
        self.sources.push(SourceArray { name, state, found: part.found() });
        Ok(number)
    }

    fn keep(&self, number: usize, opened: Arc<Opened>) {
        let mut open = self.open.lock();
        if open.len() >= MAX_OPEN_SOURCES {
            open.remove(0);
        }
        open.push((number, opened));
    }

    fn source(&self, number: usize) -> Result<&SourceArray> {
        self.sources.get(number).ok_or_else(|| Error::internal(format!("no source {number}")))
    }

    /// A source, open in the state in which it was found; `None` if it does not exist.
    fn opened(
        &self,
        number: usize,
        file: &Arc<File>,
        around: &Neighbourhood<'_>,
    ) -> Result<Option<Arc<Opened>>> {
        if let Some((_, opened)) = self.open.lock().iter().find(|(open, _)| *open == number) {
            return Ok(Some(Arc::clone(opened)));
        }
        let source = self.source(number)?;
        if source.is_missing() {
            return Ok(None);
        }
        let part = around.part();
        let opened = open_source(file, &source.name, &part)?;
        if part.found() != source.found {
            return Err(changed(&source.name.file));
        }
        let opened = match (opened, &source.state) {
            (Some(opened), _) => Arc::new(opened),
            // Its file is there, and has no such array.
            (None, SourceState::Named) => return Ok(None),
            (None, _) => return Err(changed(&source.name.file)),
        };
        self.keep(number, Arc::clone(&opened));
        Ok(Some(opened))
    }

    /// Fails if the files of a source are not in the state in which they were found.
    fn check(&self, sources: &BTreeSet<usize>, around: &Neighbourhood<'_>) -> Result<()> {
        sources.iter().try_for_each(|number| around.check(&self.source(*number)?.found))
    }

    /// True if the files that the mappings name are all that the values depend on: their states are known without
    /// opening any, and those of a region are enough to read it.
    pub(crate) fn is_direct(&self) -> bool {
        self.is_fixed && self.sources.iter().all(SourceArray::is_direct)
    }

    /// How many mappings there are.
    pub(crate) fn n_mappings(&self) -> usize {
        self.mappings.len()
    }

    /// The files of the sources that a region is read from.
    pub(crate) fn files_of(&self, region: &Region) -> impl Iterator<Item = &Neighbour> {
        let touched: BTreeSet<usize> = self
            .mappings
            .iter()
            .filter(|mapping| mapping.touches(region))
            .map(|mapping| mapping.source)
            .collect();
        touched.into_iter().filter_map(|number| self.sources.get(number)).flat_map(|source| &source.found)
    }

    /// What is odd about the sources.
    pub(crate) fn note(&self) -> Option<String> {
        let used: BTreeSet<usize> = self.mappings.iter().map(|mapping| mapping.source).collect();
        let used = used.into_iter().filter_map(|number| self.sources.get(number));
        let missing = used.filter(|source| source.is_missing());
        let mut files = missing.map(|source| source.name.file.as_str());
        let first = files.next()?;
        let others = match files.count() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        Some(format!("parts of it read as fill: its source in {first}{others} does not exist"))
    }

    /// Values of a region of the virtual dataset.
    pub(crate) fn read(
        &self,
        opened: &Opened,
        values: &Values,
        beyond: Option<&ArrayBytes>,
        region: &Region,
        around: &Neighbourhood<'_>,
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
        let touched = self.mappings.iter().filter(|mapping| mapping.touches(&outer));
        let touched: Vec<&Mapping> = touched.collect();
        let sources: BTreeSet<usize> = touched.iter().map(|mapping| mapping.source).collect();
        self.check(&sources, around)?;
        for mapping in touched {
            if let Some(source) = self.opened(mapping.source, &opened.file, around)? {
                let read = Reading { values, outer: &outer, region, limit, around };
                mapping.read(&source, &read, &mut answer)?;
            }
        }
        self.check(&sources, around)?;
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

/// A mapping as it is stored: source, what of it, and where to.
type Parsed = (SourceName, Selection, Selection);

fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<Parsed>> {
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("virtual dataset mappings of version {version}")));
    }
    let n = cursor.length()?;
    if n > MAX_MAPPINGS as u64 {
        return Err(Error::corrupt(format!("{n} mappings of a virtual dataset")));
    }
    let mut mappings = Vec::new();
    for _ in 0..n {
        let file = text(cursor.until_nul()?).0;
        let path = text(cursor.until_nul()?).0;
        let from = Selection::parse(cursor)?;
        let to = Selection::parse(cursor)?;
        mappings.push((SourceName { file, path }, from, to));
    }
    Ok(mappings)
}

/// True if a mapping is the same however its source is: it has no numbers, and an end.
fn is_fixed((name, from, to): &Parsed) -> bool {
    let is_numbered = is_numbered(&name.file) || is_numbered(&name.path);
    !is_numbered && from.unlimited().is_none() && to.unlimited().is_none()
}

/// Looks whether the file of a source exists.
fn name_source(name: &SourceName, around: &Neighbourhood<'_>) -> Result<SourceState> {
    around.count_source()?;
    let exists = name.file == "." || around.open(&name.file)?.is_some();
    Ok(if exists { SourceState::Named } else { SourceState::Missing })
}

/// Opens the array that a mapping names; `None` if the file or the array does not exist.
fn open_source(file: &Arc<File>, name: &SourceName, around: &Neighbourhood<'_>) -> Result<Option<Opened>> {
    if file.nesting >= MAX_NESTING {
        return Err(Error::unsupported("virtual datasets nested too deep"));
    }
    around.count_source()?;
    let (object, around) = if name.file == "." {
        (Some(Arc::clone(file.bytes.object())), around.clone())
    } else {
        (around.open(&name.file)?, around.beside(&name.file))
    };
    let Some(object) = object else { return Ok(None) };
    let mut files = Files::nested(object, &around, &file.limits, file.nesting + 1)?;
    let Some(found) = files.resolve(0, &name.path)? else { return Ok(None) };
    let source = Arc::clone(files.get(found.identity.0)?);
    let header = crate::header::ObjectHeader::read(&source, found.identity.1)?;
    let array = Array::read(&source, found.identity.1, &header)?;
    Ok(Some(Opened::open(source, array, files.neighbourhood(found.identity.0)?)?))
}
