//! Derived chunks and values: stored chunks are read, decoded, put together and encoded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use thermocline_codec::{
    ChunkSpec, decode, encode, fill_chunk, fixed_to_text, join_chars, region, spare, swap_byte_order,
};
use thermocline_model::{ArrayBytes, ChunkRef, ChunkTable, DataType, Object, Place, StringPadding, Variable};

use super::etag::{self, Tag};
use super::online::Online;
use super::stored::count_read;
use super::{ChunkForm, Found, Reader, Wanted, Work};
use crate::bytes::is_same_object;
use crate::bytes::watch::ColdNotes;
use crate::format::{Region, Source};
use crate::manifest::{ChunkObjects, Manifest, blocking};
use crate::{Error, ErrorKind, Result};

/// Stored chunks that are read ahead of decoding.
const READ_AHEAD: usize = 4;

/// What an element of text is taken to need in memory, in bytes.
const TEXT_BYTES: u64 = 64;

/// Memory that values of a shape take, in bytes.
pub(super) fn decoded_bytes(variable: &Variable, shape: &[u64]) -> Result<u64> {
    let element = variable.dtype.len_bytes().map_or(TEXT_BYTES, |len| len.max(1) as u64);
    shape.iter().try_fold(element, |product, length| product.checked_mul(*length)).ok_or_else(|| {
        Error::new(ErrorKind::TooLarge, format!("a part of {:?} exceeds 2^64 bytes", variable.name))
    })
}

/// Memory that gathering `len_bytes` of a variable takes: the result and the chunks read ahead.
pub(super) fn work_bytes(variable: &Variable, len_bytes: u64) -> Result<u64> {
    let chunk_bytes = decoded_bytes(variable, &variable.storage.chunk_shape)?;
    Ok(len_bytes.saturating_add(chunk_bytes.saturating_mul(READ_AHEAD as u64)))
}

/// Refuses a region that is not inside the variable's shape.
pub(super) fn check_region(variable: &Variable, region: &Region) -> Result<()> {
    let rank = variable.shape.len();
    let is_inside = region.start.len() == rank
        && region.shape.len() == rank
        && region
            .start
            .iter()
            .zip(&region.shape)
            .zip(&variable.shape)
            .all(|((start, len), length)| start.checked_add(*len).is_some_and(|end| end <= *length));
    if is_inside {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "elements {:?} from {:?} lie outside {:?} of shape {:?}",
        region.shape, region.start, variable.name, variable.shape
    )))
}

/// The stored chunks that overlap a region, with their indices in the stored grid.
fn covering(variable: &Variable, region: &Region) -> Result<Vec<Vec<u64>>> {
    let rank = variable.shape.len();
    if region.start.len() != rank || region.shape.len() != rank {
        return Err(Error::internal(format!("a region of {:?} has another rank", variable.name)));
    }
    Ok(stored_grid(variable)?.covering(&region.start, &region.shape))
}

/// A tag of the stored chunks below a region; `Ok(None)` if none of them was ever written.
pub(super) fn covering_tag(
    table: &ChunkTable,
    objects: &[Object],
    variable: &Variable,
    region: &Region,
) -> Result<Option<Tag>> {
    let grid = stored_grid(variable)?;
    let chunks: Vec<Option<ChunkRef>> = covering(variable, region)?
        .iter()
        .map(|index| grid.linear(index).and_then(|linear| table.get(linear)))
        .collect();
    let is_written = chunks.iter().any(Option::is_some);
    Ok(is_written.then(|| etag::of_chunks(objects, chunks.into_iter())))
}

/// Numbers of the objects that the stored chunks below a region are read from, each once, in ascending order.
pub(super) async fn objects_below(
    manifest: &Arc<Manifest>,
    variable: &Variable,
    region: &Region,
) -> Result<Vec<u32>> {
    let (table, grid) = (manifest.table(variable).await?, stored_grid(variable)?);
    let mut objects = ChunkObjects::default();
    for index in covering(variable, region)? {
        if let Some(chunk) = grid.linear(&index).and_then(|linear| table.get(linear)) {
            objects.add(&chunk);
        }
    }
    objects.numbers(manifest).await
}

pub(super) fn stored_grid(variable: &Variable) -> Result<thermocline_model::ChunkGrid> {
    variable.stored_grid().ok_or_else(|| Error::internal(format!("{:?} has no chunk grid", variable.name)))
}

impl Reader {
    /// A derived chunk from the cache, or made once however many ask for it.
    pub(super) async fn derived_bytes(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
        wanted: &Wanted,
        tag: Tag,
    ) -> Result<Bytes> {
        let make = async {
            let made = match wanted.found {
                Found::Filled => self.filled_chunk(variable, form).await,
                _ => self.derive(manifest, variable, form, index).await,
            };
            made.map_err(Arc::new)
        };
        let is_anew = self.decodes_anew(manifest, variable).await?;
        if !is_anew && let Some(bytes) = self.cache.get(&tag.0).await {
            return Ok(bytes);
        }
        // Before the work that others share: how long one of them waits is nobody else's business.
        let _online = match wanted.found {
            Found::Filled => Online::default(),
            _ => self.keep_online(manifest, variable, &form.region(variable, index)).await?,
        };
        if is_anew {
            return make.await.map_err(|error| error.shared());
        }
        self.cache.try_get_with(tag.0, make).await.map_err(|error: Arc<Arc<Error>>| error.shared())
    }

    /// True if a chunk that the format decodes may be another one at the next reading.
    pub(super) async fn decodes_anew(&self, manifest: &Arc<Manifest>, variable: &Variable) -> Result<bool> {
        let mut formats = self.formats.iter();
        if !formats.any(|format| format.id() == manifest.format && format.decodes_anew()) {
            return Ok(false);
        }
        let table = manifest.table(variable).await?;
        Ok(table.parts().iter().any(|part| part.place.is_decoded_by_format()))
    }

    async fn derive(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Bytes> {
        let region = form.region(variable, index);
        let len_bytes = decoded_bytes(variable, &region.shape)?;
        if len_bytes > self.settings.limits.chunk_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("a chunk of {len_bytes} bytes exceeds {}", self.settings.limits.chunk_bytes),
            ));
        }
        let work = self.reserve(work_bytes(variable, len_bytes.saturating_mul(2))?).await?;
        let max_bytes = self.settings.limits.chunk_bytes;
        if let Some((chunk, stored)) = self.only_stored(manifest, variable, form, index).await? {
            let (form, variable) = (form.clone(), variable.clone());
            let encode = move || {
                let values = decode_chunk(&variable, &chunk, &stored, max_bytes)?;
                drop(stored);
                encode_as(&form, &variable, values, &region, max_bytes)
            };
            return self.compute(&work, encode).await;
        }
        let values = self.gather(manifest, variable, &region, &work).await?;
        let (form, variable) = (form.clone(), variable.clone());
        self.compute(&work, move || encode_as(&form, &variable, values, &region, max_bytes)).await
    }

    /// The one stored chunk that has just the elements of a chunk on the wire, with its bytes, if it is so.
    async fn only_stored(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<(ChunkRef, Bytes)>> {
        if !form.is_one_stored_chunk(variable) {
            return Ok(None);
        }
        let table = manifest.table(variable).await?;
        let chunk = form.linear(variable, index).and_then(|linear| table.get(linear));
        match chunk.filter(|chunk| !chunk.part.place.is_decoded_by_format()) {
            Some(chunk) => {
                Ok(Some((chunk, self.raw_bytes(manifest, &manifest.dataset.objects, &chunk).await?)))
            }
            None => Ok(None),
        }
    }

    /// Runs work that only computes, on as many threads at once as there are processors.
    async fn compute<T: Send + 'static>(
        &self,
        work: &Work,
        compute: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let processor = Arc::clone(&self.processors).acquire_owned().await;
        let processor =
            processor.map_err(|cause| Error::internal("the processors are closed").with_source(cause))?;
        let work = work.clone();
        // Both stay taken until the work ends, also when nobody waits for it any more.
        blocking(move || {
            let _taken = (work, processor);
            compute()
        })
        .await
    }

    /// Values of a region in the stored type; elements beyond the variable's shape are fill.
    pub(super) async fn gather(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        region: &Region,
        work: &Work,
    ) -> Result<ArrayBytes> {
        let table = manifest.table(variable).await?;
        let grid = stored_grid(variable)?;
        let n_elements = n_elements(&region.shape)?;
        let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
        let chunks = covering(variable, region)?.into_iter().filter_map(|index| {
            let chunk = table.get(grid.linear(&index)?)?;
            Some((index, chunk))
        });
        let shared = Arc::new(variable.clone());
        let mut decoded = stream::iter(chunks)
            .map(|(index, chunk)| {
                let variable = Arc::clone(&shared);
                async move {
                    let values = self.decode_stored(manifest, variable, &index, chunk, work).await?;
                    Ok::<_, Error>((index, values))
                }
            })
            .buffered(READ_AHEAD);
        while let Some((index, chunk)) = decoded.try_next().await? {
            place(&chunk, &grid.start(&index), variable, &mut values, region)?;
        }
        Ok(values)
    }

    /// The values of one stored chunk: exactly `chunk_shape` elements.
    async fn decode_stored(
        &self,
        manifest: &Arc<Manifest>,
        variable: Arc<Variable>,
        index: &[u64],
        chunk: ChunkRef,
        work: &Work,
    ) -> Result<ArrayBytes> {
        if let Place::Format(number) | Place::Assembled(number) = chunk.part.place {
            return self.decode_by_format(manifest, variable, index, number, work).await;
        }
        let stored = self.raw_bytes(manifest, &manifest.dataset.objects, &chunk).await?;
        let max_bytes = self.settings.limits.chunk_bytes;
        self.compute(work, move || decode_chunk(&variable, &chunk, &stored, max_bytes)).await
    }

    pub(super) async fn decode_by_format(
        &self,
        manifest: &Arc<Manifest>,
        variable: Arc<Variable>,
        index: &[u64],
        number: u32,
        work: &Work,
    ) -> Result<ArrayBytes> {
        let object = manifest.dataset.objects.get(number as usize).cloned();
        let object =
            object.ok_or_else(|| Error::internal(format!("no object {number} in {}", manifest.id)))?;
        let format = self.formats.iter().find(|format| format.id() == manifest.format).cloned();
        let format = format.ok_or_else(|| Error::internal(format!("no format {:?}", manifest.format)))?;
        let chunk_shape = variable.storage.chunk_shape.clone();
        let start = index.iter().zip(&chunk_shape).map(|(i, length)| i * length).collect();
        let region = Region { start, shape: chunk_shape };
        let (opener, limits) = (Arc::clone(&self.opener), self.settings.limits.clone());
        let (work, href) = (work.clone(), object.href.clone());
        let (decoded, of) = (Arc::clone(&variable), region.clone());
        let values = blocking(move || {
            let _taken = work;
            let notes = ColdNotes::default();
            let opened = notes.on(opener.open(&object.href)?);
            check_unchanged(&object, Some(opened.object()))?;
            let others = notes.on_others(opener.others(&object.href));
            let source = Source { object: opened, others: others.as_ref(), limits: &limits };
            let values = notes.judge(format.decode(&source, &variable, &region))?;
            // What was written meanwhile shows in size or time.
            check_unchanged(&object, opener.stat(&object.href)?.as_ref())?;
            Ok(values)
        });
        let values = values.await?;
        count_read(decoded_bytes(&decoded, &of.shape)?);
        if self.note_read(&href) {
            let numbers = objects_below(manifest, &decoded, &of).await?;
            let read = numbers.iter().filter_map(|number| manifest.dataset.objects.get(*number as usize));
            self.note_read_by_name(read.map(|object| object.href.as_str().into()).collect()).await;
        }
        Ok(values)
    }

    async fn filled_chunk(&self, variable: &Variable, form: &ChunkForm) -> Result<Bytes> {
        let mut shape = form.chunk_shape.clone();
        if form.joins(variable) {
            shape.extend(variable.shape.last());
        }
        let work = self.reserve(decoded_bytes(variable, &shape)?).await?;
        let values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements(&shape)?);
        let region = Region { start: vec![0; shape.len()], shape };
        let (form, variable) = (form.clone(), variable.clone());
        let max_bytes = self.settings.limits.chunk_bytes;
        self.compute(&work, move || encode_as(&form, &variable, values, &region, max_bytes)).await
    }
}

/// Refuses what was read of an object that is not in the state that was indexed.
fn check_unchanged(indexed: &Object, found: Option<&Object>) -> Result<()> {
    if found.is_some_and(|found| is_same_object(found, indexed)) {
        return Ok(());
    }
    let kind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };
    Err(Error::new(kind, format!("{} changed after it was indexed", indexed.href)))
}

/// The values of one stored chunk from its bytes: exactly `chunk_shape` elements.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the bytes do not decode to exactly the chunk.
pub fn decode_chunk(
    variable: &Variable,
    chunk: &ChunkRef,
    stored: &[u8],
    max_bytes: u64,
) -> Result<ArrayBytes> {
    let encoding = variable.storage.encodings.get(usize::from(chunk.part.encoding));
    let encoding =
        encoding.ok_or_else(|| Error::internal("a chunk names an encoding that does not exist"))?;
    if encoding.dtype != variable.dtype {
        return Err(Error::internal(format!("an encoding of {:?} has another type", variable.name)));
    }
    let shape = &variable.storage.chunk_shape;
    if chunk.part.is_short {
        return pad_short(variable, stored, n_elements(shape)?);
    }
    let spec = ChunkSpec { dtype: &encoding.dtype, shape, max_bytes };
    Ok(decode(&encoding.codecs, chunk.part.filter_mask, stored, &spec)?)
}

/// The first rows of a chunk, the rest fill.
fn pad_short(variable: &Variable, stored: &[u8], n_elements: usize) -> Result<ArrayBytes> {
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
    match &mut values {
        ArrayBytes::Fixed(bytes) => {
            let rows = bytes.get_mut(..stored.len());
            rows.ok_or_else(|| Error::corrupt("a short chunk is longer than a whole one"))?
                .copy_from_slice(stored);
        }
        ArrayBytes::Texts(_) => return Err(Error::internal("texts cannot be cut from a contiguous array")),
    }
    Ok(values)
}

/// Copies what a stored chunk and a region have in common, inside the variable's shape.
fn place(
    chunk: &ArrayBytes,
    chunk_start: &[u64],
    variable: &Variable,
    values: &mut ArrayBytes,
    region: &Region,
) -> Result<()> {
    let chunk_shape = &variable.storage.chunk_shape;
    let rank = chunk_shape.len();
    let (mut from, mut to, mut lengths) = (vec![0; rank], vec![0; rank], vec![0; rank]);
    let axes = chunk_start.iter().zip(chunk_shape).zip(&region.start).zip(&region.shape).zip(&variable.shape);
    for (axis, ((((chunk_start, chunk_len), start), len), length)) in axes.enumerate() {
        let first = (*chunk_start).max(*start);
        let last = (chunk_start + chunk_len).min(start + len).min(*length);
        from[axis] = first - chunk_start;
        to[axis] = first - start;
        lengths[axis] = last.saturating_sub(first);
    }
    let element_size = variable.dtype.len_bytes().unwrap_or(1);
    region::copy_box(chunk, chunk_shape, &from, values, &region.shape, &to, &lengths, element_size)?;
    Ok(())
}

pub(super) fn n_elements(shape: &[u64]) -> Result<usize> {
    let product = shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
    product
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| Error::new(ErrorKind::TooLarge, "an array has more elements than memory"))
}

/// A chunk of a form from values that lie nowhere: `values` has shape `shape`, of which no length is beyond that of the
/// chunk; the rest of the chunk is fill. Takes long for large chunks.
///
/// # Errors
/// [`ErrorKind::Internal`] for values that do not have this shape; those of encoding.
pub fn encode_chunk(
    form: &ChunkForm,
    variable: &Variable,
    values: &ArrayBytes,
    shape: &[u64],
    max_bytes: u64,
) -> Result<Bytes> {
    let whole = &form.chunk_shape;
    let fits = shape.len() == whole.len() && shape.iter().zip(whole).all(|(len, whole)| len <= whole);
    if !fits || values.n_elements(&variable.dtype) != n_elements(shape)? {
        return Err(Error::internal(format!("values of {:?} do not have shape {shape:?}", variable.name)));
    }
    let region = Region { start: vec![0; whole.len()], shape: whole.clone() };
    if shape == whole {
        return encode_as(form, variable, values.clone(), &region, max_bytes);
    }
    let mut chunk = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements(whole)?);
    let (origin, size) = (vec![0; whole.len()], variable.dtype.len_bytes().unwrap_or(1));
    region::copy_box(values, shape, &origin, &mut chunk, whole, &origin, shape, size)?;
    encode_as(form, variable, chunk, &region, max_bytes)
}

/// Values in the wanted type and codecs.
fn encode_as(
    form: &ChunkForm,
    variable: &Variable,
    values: ArrayBytes,
    region: &Region,
    max_bytes: u64,
) -> Result<Bytes> {
    let values = convert(form, &variable.dtype, variable.attrs.text("_Encoding"), values, region)?;
    let spec = ChunkSpec { dtype: &form.dtype, shape: &form.chunk_shape, max_bytes };
    Ok(without_waste(encode(&form.codecs, values, &spec)?))
}

/// Bytes that are kept for long, in a buffer that is hardly larger than they are.
fn without_waste(bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() - bytes.len() <= bytes.len() / 8 {
        return Bytes::from(bytes);
    }
    let copy = Bytes::copy_from_slice(&bytes);
    spare::give(bytes);
    copy
}

fn convert(
    form: &ChunkForm,
    stored: &DataType,
    text_encoding: Option<&str>,
    values: ArrayBytes,
    region: &Region,
) -> Result<ArrayBytes> {
    if *stored == form.dtype {
        return Ok(values);
    }
    let impossible = || Error::internal(format!("no way from {stored:?} to {:?}", form.dtype));
    match (stored, &form.dtype, values) {
        (DataType::Char, DataType::String, ArrayBytes::Fixed(bytes)) => {
            let n_per_text = match (region.shape.split_last(), form.chunk_shape.len() < region.shape.len()) {
                (Some((last, _)), true) => *last,
                _ => 1,
            };
            let n_per_text = usize::try_from(n_per_text).map_err(|_| impossible())?;
            Ok(ArrayBytes::Texts(join_chars(&bytes, n_per_text, text_encoding)?))
        }
        (DataType::FixedString { len, padding, utf8 }, DataType::String, ArrayBytes::Fixed(bytes)) => {
            let texts = bytes.chunks_exact((*len).max(1)).map(|text| fixed_to_text(text, *padding, *utf8));
            Ok(ArrayBytes::Texts(texts.collect()))
        }
        (
            DataType::FixedString { len, padding, .. },
            DataType::FixedString { len: wanted, .. },
            ArrayBytes::Fixed(mut bytes),
        ) if len == wanted => {
            bytes.chunks_exact_mut((*len).max(1)).for_each(|text| clean(text, *padding));
            Ok(ArrayBytes::Fixed(bytes))
        }
        (stored, wanted, ArrayBytes::Fixed(mut bytes))
            if stored.little_endian() == wanted.little_endian() && stored.is_number() =>
        {
            swap_byte_order(&mut bytes, stored.len_bytes().unwrap_or(1));
            Ok(ArrayBytes::Fixed(bytes))
        }
        _ => Err(impossible()),
    }
}

/// Replaces what fills a fixed text up by NULs.
fn clean(text: &mut [u8], padding: StringPadding) {
    let n_bytes = match padding {
        StringPadding::NullPadded => return,
        StringPadding::NullTerminated => text.iter().position(|byte| *byte == 0).unwrap_or(text.len()),
        StringPadding::SpacePadded => text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1),
    };
    if let Some(rest) = text.get_mut(n_bytes..) {
        rest.fill(0);
    }
}
