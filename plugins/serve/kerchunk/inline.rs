//! Chunks kept with the manifest, to be written into documents.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{ChunkLocation, Reader};
use thermocline_zarr::ZarrArray;

/// What a document still may hold of chunks' bytes.
#[derive(Debug)]
pub(crate) struct InlineBudget {
    /// Largest chunk, in bytes.
    chunk_bytes: u64,
    /// What is left for all of them, in bytes.
    left_bytes: u64,
}

impl InlineBudget {
    /// At most `chunk_bytes` for a chunk and `document_bytes` for all.
    pub(crate) fn new(chunk_bytes: u64, document_bytes: u64) -> Self {
        Self { chunk_bytes, left_bytes: document_bytes }
    }

    /// True, and taken off the budget, if so many bytes still fit.
    fn take(&mut self, len_bytes: u64) -> bool {
        let fits = len_bytes <= self.chunk_bytes && len_bytes <= self.left_bytes;
        if fits {
            self.left_bytes -= len_bytes;
        }
        fits
    }
}

/// The bytes of a chunk that is kept with the manifest; `Ok(None)` if it lies elsewhere or is too large.
pub(crate) async fn inline_bytes(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    array: &ZarrArray,
    (linear, location): (u64, &ChunkLocation),
    budget: &mut InlineBudget,
) -> Result<Option<Bytes>> {
    if *location != ChunkLocation::Inline {
        return Ok(None);
    }
    let Some(variable) = array.variable(&manifest.dataset) else { return Ok(None) };
    let index = array.grid.index(linear);
    let head = reader.chunk_head(manifest, variable, &array.form, &index).await?;
    let len_bytes = head.and_then(|head| head.len_bytes).unwrap_or(u64::MAX);
    if !budget.take(len_bytes) {
        return Ok(None);
    }
    Ok(reader.chunk(manifest, variable, &array.form, &index).await?.map(|chunk| chunk.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_holds_no_more_than_its_budget() {
        let mut budget = InlineBudget::new(10, 15);
        assert!(!budget.take(11), "larger than a chunk may be");
        assert!(budget.take(10));
        assert!(!budget.take(6), "more than is left");
        assert!(budget.take(5));
    }
}
