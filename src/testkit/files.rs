//! Files of this machine, opened as the core opens them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use thermocline_core::bytes::{ObjectOpener, ObjectSettings, Objects, Root};
use thermocline_core::format::{Format, Indexed, Limits, ReadAt, Region, Source};
use thermocline_core::read::decode_chunk;
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, ChunkRef, Place, Variable};

/// A file with its directory as the only root.
pub struct LocalFile {
    objects: Arc<Objects>,
    href: String,
    object: Arc<dyn ReadAt>,
    limits: Limits,
}

impl LocalFile {
    /// Opens a file. `runtime` is only used for objects in stores.
    ///
    /// # Errors
    /// When the file or its directory does not exist.
    pub fn open(path: &Path, runtime: &tokio::runtime::Handle) -> anyhow::Result<Self> {
        let path = path.canonicalize().with_context(|| path.display().to_string())?;
        let root = Root::directory(path.parent().context("a file has a directory")?)?;
        // Nobody writes to the files of a test, however young they are.
        let settings = ObjectSettings { settled_after: Duration::ZERO, ..ObjectSettings::default() };
        let objects = Objects::new(vec![root], settings, runtime.clone());
        let href = path.to_str().context("a path in UTF-8")?.to_owned();
        let object = objects.open(&href)?;
        Ok(Self { objects, href, object, limits: Limits::default() })
    }

    /// Calls `work` with the file as a format's source.
    pub fn with_source<T>(&self, work: impl FnOnce(&Source<'_>) -> T) -> T {
        let others = self.objects.others(&self.href);
        work(&Source { object: Arc::clone(&self.object), others: others.as_ref(), limits: &self.limits })
    }
}

/// Decodes every stored chunk of every variable, one result each: what a server would send, or its error.
pub fn decode_all(
    format: &dyn Format,
    source: &Source<'_>,
    indexed: &Indexed,
) -> Vec<(String, Vec<u64>, Result<ArrayBytes>)> {
    let mut decoded = Vec::new();
    for (path, variable) in indexed.dataset.root.variables_below() {
        let Some(grid) = variable.stored_grid() else { continue };
        let Some(table) = indexed.tables.get(variable.storage.table as usize) else { continue };
        for (linear, chunk) in table.iter().take_while(|(linear, _)| *linear < grid.n_chunks()) {
            let index = grid.index(linear);
            let values = decode_one(format, source, indexed, variable, (&grid.start(&index), &chunk));
            decoded.push((path.clone(), index, values));
        }
    }
    decoded
}

/// One stored chunk, decoded: `start` is its first element.
pub(crate) fn decode_one(
    format: &dyn Format,
    source: &Source<'_>,
    indexed: &Indexed,
    variable: &Variable,
    (start, chunk): (&[u64], &ChunkRef),
) -> Result<ArrayBytes> {
    let len_bytes = chunk.len_bytes as usize;
    let stored = match chunk.part.place {
        Place::Format(_) | Place::Assembled(_) => {
            let region = Region { start: start.to_vec(), shape: variable.storage.chunk_shape.clone() };
            return format.decode(source, variable, &region);
        }
        Place::Object(0) => source.object.read_at(chunk.offset, len_bytes)?.to_vec(),
        Place::Object(number) => {
            let missing = || Error::corrupt(format!("no object {number}"));
            let object = indexed.dataset.objects.get(number as usize).ok_or_else(missing)?;
            let object = source.others.open(&object.href)?.ok_or_else(missing)?;
            object.read_at(chunk.offset, len_bytes)?.to_vec()
        }
        Place::Inline => {
            let start = usize::try_from(chunk.offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(len_bytes);
            let bytes = indexed.inline.get(start..end);
            bytes.ok_or_else(|| Error::internal("an inline chunk lies outside the inline bytes"))?.to_vec()
        }
    };
    decode_chunk(variable, chunk, &stored, source.limits.chunk_bytes)
}
