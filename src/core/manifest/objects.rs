//! From chunks to the objects that they are read from.

use std::collections::BTreeSet;
use std::sync::Arc;

use thermocline_model::{ChunkRef, Place};

use super::{Manifest, blocking};
use crate::{Error, Result};

/// Bytes of a number in a list of objects.
const NUMBER_BYTES: usize = 4;

/// The objects that some chunks are read from.
#[derive(Debug, Default)]
pub struct ChunkObjects {
    numbers: BTreeSet<u32>,
    lists: BTreeSet<List>,
}

/// Place and length of a list of objects in the inline bytes.
pub(crate) type List = (u64, u32);

/// The list of the further objects that a chunk is decoded from, if it is from more than one.
pub(crate) fn list_of(chunk: &ChunkRef) -> Option<List> {
    matches!(chunk.part.place, Place::Assembled(_)).then_some((chunk.offset, chunk.len_bytes))
}

/// The numbers in the bytes of a list.
///
/// # Errors
/// [`crate::ErrorKind::Internal`] for bytes that are none, or name an object beyond `n_objects`.
pub(crate) fn listed(bytes: &[u8], n_objects: usize) -> Result<Vec<u32>> {
    let (numbers, rest) = bytes.as_chunks::<NUMBER_BYTES>();
    let numbers: Vec<u32> = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
    if !rest.is_empty() || numbers.iter().any(|number| *number as usize >= n_objects) {
        return Err(Error::internal("a list of the objects of a chunk is none"));
    }
    Ok(numbers)
}

impl ChunkObjects {
    /// Adds those of a chunk.
    pub fn add(&mut self, chunk: &ChunkRef) {
        self.numbers.extend(chunk.part.place.object());
        self.lists.extend(list_of(chunk));
    }

    /// Their numbers, ascending.
    ///
    /// # Errors
    /// Those of reading what is kept with the manifest.
    pub async fn numbers(self, manifest: &Arc<Manifest>) -> Result<Vec<u32>> {
        let Self { mut numbers, lists } = self;
        if !lists.is_empty() {
            let manifest = Arc::clone(manifest);
            let listed =
                blocking(move || lists.into_iter().map(|list| manifest.listed_blocking(list)).collect());
            let listed: Vec<Vec<u32>> = listed.await?;
            numbers.extend(listed.into_iter().flatten());
        }
        Ok(numbers.into_iter().collect())
    }
}

impl Manifest {
    /// The numbers in a list of objects. Blocking.
    pub(crate) fn listed_blocking(&self, (offset, len_bytes): List) -> Result<Vec<u32>> {
        let bytes = self.inline_blocking(offset, len_bytes as usize)?;
        listed(&bytes, self.dataset.objects.len())
    }
}
