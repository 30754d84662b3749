//! Stored bytes of chunks, as they lie in objects or with the manifest.

use std::ops::Range;

use bytes::Bytes;
use thermocline_codec::fletcher32;
use thermocline_model::{ChunkRef, Object, Place};

use super::Reader;
use super::form::CHECKSUM_BYTES;
use crate::manifest::Manifest;
use crate::{Error, Result};

impl Reader {
    /// The stored bytes of a chunk, its checksum verified and cut off if it has one.
    pub(super) async fn stored_bytes(
        &self,
        manifest: &Manifest,
        objects: &[Object],
        chunk: &ChunkRef,
        is_summed: bool,
    ) -> Result<Bytes> {
        let bytes = self.raw_bytes(manifest, objects, chunk).await?;
        if !is_summed {
            return Ok(bytes);
        }
        fletcher32::verify(&bytes)?;
        let n_bytes = bytes.len().saturating_sub(CHECKSUM_BYTES as usize);
        Ok(bytes.slice(..n_bytes))
    }

    /// Bytes of an object.
    pub(super) async fn read_object(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.bytes.read(object, range).await?;
        count_read(bytes.len() as u64);
        if self.note_read(&object.href) {
            self.note_read_by_name(vec![object.href.as_str().into()]).await;
        }
        Ok(bytes)
    }

    /// The stored bytes of a chunk, all of them.
    pub(super) async fn raw_bytes(
        &self,
        manifest: &Manifest,
        objects: &[Object],
        chunk: &ChunkRef,
    ) -> Result<Bytes> {
        match chunk.part.place {
            Place::Inline => manifest.inline(chunk.offset, chunk.len_bytes as usize).await,
            Place::Object(number) => {
                let object = objects.get(number as usize).ok_or_else(|| {
                    Error::internal(format!("a chunk of {} names object {number}", manifest.id))
                })?;
                let end = chunk.offset.checked_add(u64::from(chunk.len_bytes));
                let end = end.ok_or_else(|| Error::corrupt("a chunk ends beyond 2^64 bytes"))?;
                self.read_object(object, chunk.offset..end).await
            }
            Place::Format(_) | Place::Assembled(_) => {
                Err(Error::internal("a chunk without bytes was asked for its bytes"))
            }
        }
    }
}

/// Counts bytes that were read from objects; of chunks that only their format decodes, the decoded ones.
pub(super) fn count_read(len_bytes: u64) {
    metrics::counter!("thermocline_read_bytes_total").increment(len_bytes);
}
