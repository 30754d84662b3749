//! Compares what we decode with what the format's reference library decodes, right after indexing.
//!
//! A variable whose bits differ is refused. What the library cannot judge is served and marked so.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use thermocline_model::{
    ArrayBytes, ChunkRef, ChunkTable, Dataset, Group, Note, Place, Refusal, Variable, Verification,
};
use tracing::error;

use crate::format::{Format, Indexed, ReadAt, ReferenceError, ReferenceReader, Region, Source};
use crate::manifest::{List, list_of, listed};
use crate::read::decode_chunk;
use crate::reference::References;
use crate::{Error, Result};

/// How much is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyLevel {
    /// Nothing.
    Off,
    /// Of every variable the first, the last and eight other chunks; all of them below 1 MiB.
    #[default]
    Sample,
    /// Everything.
    Full,
}

/// Chunks compared besides the first and the last.
const N_SAMPLES: u64 = 8;

/// Largest grid of which every position is compared, written or not: a file may claim any number of them.
const MAX_ENUMERATED: u64 = 1 << 20;

/// Variables of which all chunks are compared, in stored bytes.
const SMALL_BYTES: u64 = 1 << 20;

/// Compares the values of every variable, refuses those that differ, and records the outcome.
///
/// # Errors
/// [`crate::ErrorKind::Refused`] when the reference library says that the whole object is damaged.
pub fn verify(
    format: &dyn Format,
    references: &dyn References,
    source: &Source<'_>,
    indexed: &mut Indexed,
    level: VerifyLevel,
) -> Result<()> {
    if level == VerifyLevel::Off {
        let reason = "verification is switched off".to_owned();
        retain(&mut indexed.dataset.root, "", &mut |_, variable| {
            variable.verification = Verification::Unverified { reason: reason.clone() };
            true
        });
        return Ok(());
    }
    let mut reference = match references.open(format, source) {
        Ok(reference) => Ok(reference),
        Err(ReferenceError::Refused(reason)) => return Err(Error::refused(reason)),
        Err(ReferenceError::Unable(reason)) => Err(reason),
    };
    let mut root = std::mem::take(&mut indexed.dataset.root);
    let mut comparison = Comparison { format, source, indexed, level, opened: Vec::new() };
    let mut outcomes = Vec::new();
    retain(&mut root, "", &mut |_, variable| {
        outcomes.push(match &mut reference {
            Ok(reference) => comparison.compare(reference.as_mut(), variable),
            Err(reason) => Outcome::Unable(reason.clone()),
        });
        true
    });
    indexed.dataset.root = root;
    record(indexed, outcomes);
    Ok(())
}

/// What comparing one variable gave.
enum Outcome {
    Equal { n_chunks: u64 },
    Unable(String),
    Different(String),
}

/// Records the outcomes of all variables, which are in the order of [`retain`].
fn record(indexed: &mut Indexed, outcomes: Vec<Outcome>) {
    let Dataset { root, objects, refusals, notes } = &mut indexed.dataset;
    let object = objects.first().map(|object| object.href.as_str());
    let mut outcomes = outcomes.into_iter();
    retain(root, "", &mut |path, variable| {
        match outcomes.next() {
            Some(Outcome::Equal { n_chunks }) => variable.verification = Verification::Verified { n_chunks },
            Some(Outcome::Unable(reason)) => {
                notes.push(Note { path: path.to_owned(), note: format!("not verified: {reason}") });
                variable.verification = Verification::Unverified { reason };
            }
            Some(Outcome::Different(reason)) => {
                error!(variable = %path, object, %reason, "variable refused by verification");
                let (path, dtype) = (path.to_owned(), format!("{:?}", variable.dtype));
                refusals.push(Refusal { path, reason, dtype, shape: std::mem::take(&mut variable.shape) });
                return false;
            }
            None => {}
        }
        true
    });
}

/// Visits every variable with its path, groups in depth-first order, and leaves out those that `keep` refuses.
fn retain(group: &mut Group, path: &str, keep: &mut dyn FnMut(&str, &mut Variable) -> bool) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    group.variables.retain_mut(|variable| keep(&below(&variable.name), variable));
    for child in &mut group.groups {
        let path = below(&child.name);
        retain(child, &path, keep);
    }
}

struct Comparison<'a> {
    format: &'a dyn Format,
    source: &'a Source<'a>,
    indexed: &'a Indexed,
    level: VerifyLevel,
    opened: Vec<Option<Arc<dyn ReadAt>>>,
}

impl Comparison<'_> {
    fn compare(&mut self, reference: &mut dyn ReferenceReader, variable: &Variable) -> Outcome {
        let table = self.indexed.tables.get(variable.storage.table as usize);
        let (Some(table), Some(grid)) = (table, variable.stored_grid()) else {
            return Outcome::Different("it has no chunk table".to_owned());
        };
        if let Some(reason) = self.out_of_place(table) {
            return Outcome::Unable(reason);
        }
        let mut n_compared = 0;
        let mut unable = None;
        for linear in sample(table, grid.n_chunks(), self.level) {
            let start = grid.start(&grid.index(linear));
            match self.compare_chunk(reference, variable, table.get(linear), start) {
                Ok(ChunkOutcome::Equal) => n_compared += 1,
                Ok(ChunkOutcome::BothFail) => {}
                // The library may be able to judge the next one: damage can take a filter off a chunk.
                Ok(ChunkOutcome::Unable(reason)) => unable = unable.or(Some(reason)),
                Err(reason) => return Outcome::Different(reason),
            }
        }
        unable.map_or(Outcome::Equal { n_chunks: n_compared }, Outcome::Unable)
    }

    /// Why the library would not find objects that chunks are put together from: it looks for them by their names,
    /// from where it opened the first one, and takes what it does not find for fill.
    fn out_of_place(&self, table: &ChunkTable) -> Option<String> {
        let lists: BTreeSet<List> = table.iter().filter_map(|(_, chunk)| list_of(&chunk)).collect();
        if lists.is_empty() {
            return None;
        }
        let mut numbers = BTreeSet::from([0]);
        for list in lists {
            match self.listed(list) {
                Ok(listed) => numbers.extend(listed),
                Err(error) => return Some(error.to_string()),
            }
        }
        let away = numbers.into_iter().find(|number| !self.is_in_place(*number))?;
        Some(format!("the reference library would not find {} where it looks for it", self.href(away)))
    }

    fn href(&self, number: u32) -> &str {
        self.indexed.dataset.objects.get(number as usize).map_or("", |object| object.href.as_str())
    }

    /// True if libraries may open an object where its name says that it lies. There may be more than can be open.
    fn is_in_place(&self, number: u32) -> bool {
        let object = match number {
            0 => Ok(Some(Arc::clone(&self.source.object))),
            _ => self.source.others.open(self.href(number)),
        };
        object.ok().flatten().is_some_and(|object| is_in_place(object.as_ref()))
    }

    fn listed(&self, (offset, len_bytes): List) -> Result<Vec<u32>> {
        listed(self.inline(offset, len_bytes as usize)?, self.indexed.dataset.objects.len())
    }

    fn inline(&self, offset: u64, len_bytes: usize) -> Result<&[u8]> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.checked_add(len_bytes);
        let bytes = end.and_then(|end| self.indexed.inline.get(start..end));
        bytes.ok_or_else(|| Error::internal("an inline chunk lies outside the inline bytes"))
    }

    fn compare_chunk(
        &mut self,
        reference: &mut dyn ReferenceReader,
        variable: &Variable,
        chunk: Option<ChunkRef>,
        start: Vec<u64>,
    ) -> Result<ChunkOutcome, String> {
        let region = clip(variable, start);
        if !fits(variable, &region, self.source.limits.chunk_bytes) {
            return Ok(ChunkOutcome::Unable(format!("the chunk at {:?} exceeds the limit", region.start)));
        }
        let theirs = match reference.read(variable, &variable.dtype, &region) {
            Ok(values) => Some(values),
            Err(ReferenceError::Unable(reason)) => return Ok(ChunkOutcome::Unable(reason)),
            Err(ReferenceError::Refused(_)) => None,
        };
        let ours = self.ours(variable, chunk, &region);
        match (ours, theirs) {
            (Ok(ours), Some(theirs)) if ours == theirs => Ok(ChunkOutcome::Equal),
            (Ok(_), Some(_)) => {
                Err(format!("values at {:?} differ from the reference library's", region.start))
            }
            // A damaged chunk: reading it is an error with both, and stays one when it is served.
            (Err(_), None) => Ok(ChunkOutcome::BothFail),
            (Ok(_), None) => Err(format!("the reference library refuses the chunk at {:?}", region.start)),
            (Err(error), Some(_)) => {
                Err(format!("the chunk at {:?} cannot be decoded: {error}", region.start))
            }
        }
    }

    /// Our values of a region that lies in one stored chunk.
    fn ours(&mut self, variable: &Variable, chunk: Option<ChunkRef>, region: &Region) -> Result<ArrayBytes> {
        let n_elements = region.shape.iter().product::<u64>();
        let n_elements = usize::try_from(n_elements).map_err(|cause| {
            Error::new(crate::ErrorKind::TooLarge, "a chunk has more elements than memory").with_source(cause)
        })?;
        let mut values = thermocline_codec::fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
        let Some(chunk) = chunk else { return Ok(values) };
        if chunk.part.place.is_decoded_by_format() {
            return self.format.decode(self.source, variable, region);
        }
        let stored = self.stored(&chunk)?;
        let whole = decode_chunk(variable, &chunk, &stored, self.source.limits.chunk_bytes)?;
        let origin = vec![0; region.shape.len()];
        let element_size = variable.dtype.len_bytes().unwrap_or(1);
        let chunk_shape = &variable.storage.chunk_shape;
        thermocline_codec::region::copy_box(
            &whole,
            chunk_shape,
            &origin,
            &mut values,
            &region.shape,
            &origin,
            &region.shape,
            element_size,
        )?;
        Ok(values)
    }

    fn stored(&mut self, chunk: &ChunkRef) -> Result<bytes::Bytes> {
        let len_bytes = chunk.len_bytes as usize;
        let number = match chunk.part.place {
            Place::Object(number) | Place::Format(number) | Place::Assembled(number) => number as usize,
            Place::Inline => {
                return Ok(bytes::Bytes::copy_from_slice(self.inline(chunk.offset, len_bytes)?));
            }
        };
        self.object(number)?.read_at(chunk.offset, len_bytes)
    }

    fn object(&mut self, number: usize) -> Result<Arc<dyn ReadAt>> {
        if number == 0 {
            return Ok(Arc::clone(&self.source.object));
        }
        if let Some(Some(object)) = self.opened.get(number) {
            return Ok(Arc::clone(object));
        }
        let missing = || Error::corrupt(format!("object {number} is not there"));
        let href = &self.indexed.dataset.objects.get(number).ok_or_else(missing)?.href;
        let object = self.source.others.open(href)?.ok_or_else(missing)?;
        if self.opened.len() <= number {
            self.opened.resize(number + 1, None);
        }
        if let Some(slot) = self.opened.get_mut(number) {
            *slot = Some(Arc::clone(&object));
        }
        Ok(object)
    }
}

enum ChunkOutcome {
    Equal,
    BothFail,
    Unable(String),
}

/// True if libraries may open an object where its name says that it lies.
fn is_in_place(object: &dyn ReadAt) -> bool {
    let Some(path) = object.local_path() else { return false };
    let named = Path::new(&object.object().href).canonicalize();
    named.is_ok_and(|named| path.canonicalize().is_ok_and(|path| path == named))
}

/// The part of the stored chunk that begins at `start` inside the variable's shape.
pub(crate) fn clip(variable: &Variable, start: Vec<u64>) -> Region {
    let axes = start.iter().zip(&variable.storage.chunk_shape).zip(&variable.shape);
    let shape = axes.map(|((start, chunk), length)| (*chunk).min(length.saturating_sub(*start))).collect();
    Region { start, shape }
}

/// True if the values of a region are within the limit of a chunk.
fn fits(variable: &Variable, region: &Region, limit: u64) -> bool {
    let size = variable.dtype.len_bytes().unwrap_or(1).max(1) as u64;
    let len_bytes = region.shape.iter().try_fold(size, |product, length| product.checked_mul(*length));
    len_bytes.is_some_and(|len_bytes| len_bytes <= limit)
}

/// Positions of the chunks to compare, each once: never-written ones too, for their fill.
fn sample(table: &ChunkTable, n_chunks: u64, level: VerifyLevel) -> Vec<u64> {
    let is_small = table.stored_bytes() <= SMALL_BYTES && n_chunks <= 1000;
    if is_small || (level == VerifyLevel::Full && n_chunks <= MAX_ENUMERATED) {
        return (0..n_chunks).collect();
    }
    let mut chosen: Vec<u64> = [0, n_chunks.saturating_sub(1)].into();
    if level == VerifyLevel::Full {
        chosen.extend(table.iter().map(|(linear, _)| linear));
    }
    let mut state = n_chunks;
    for _ in 0..N_SAMPLES {
        // A linear congruential generator (Knuth, MMIX): the same sample at every indexing.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        chosen.push((state >> 16) % n_chunks.max(1));
    }
    // Where hardly any chunk was written, a blind choice would only ever compare fill.
    chosen.extend(table.iter().take(2).map(|(linear, _)| linear));
    chosen.sort_unstable();
    chosen.dedup();
    chosen.retain(|linear| *linear < n_chunks);
    chosen
}

#[cfg(test)]
mod tests;
