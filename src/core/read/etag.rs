//! Entity tags: hashes of what determines the bytes, equal on every machine and after every restart.

use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use thermocline_model::{ChunkRef, Object, ObjectIdentity, Place};
use twox_hash::XxHash64;

use super::ChunkForm;
use crate::manifest::Revision;

/// Tag of a stored chunk: identity of its object, range.
pub(super) fn stored(objects: &[Object], chunk: &ChunkRef, revision: &Revision) -> String {
    let mut hash = XxHash64::with_seed(1);
    hash_chunk(&mut hash, objects, chunk);
    if chunk.part.place == Place::Inline {
        revision.0.hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
}

/// Tag of the stored bytes that a derived chunk is made of.
pub(super) fn of_chunk(objects: &[Object], chunk: &ChunkRef) -> u64 {
    let mut hash = XxHash64::with_seed(2);
    hash_chunk(&mut hash, objects, chunk);
    hash.finish()
}

/// Tag of a derived chunk: what it is made of, and how.
pub(super) fn derived(tag: u64, revision: &Revision, table: u32, linear: u64, form: &ChunkForm) -> String {
    let mut hash = XxHash64::with_seed(3);
    (tag, &revision.0, table, linear).hash(&mut hash);
    (&form.dtype, &form.chunk_shape, &form.codecs).hash(&mut hash);
    format!("d{:016x}", hash.finish())
}

fn hash_chunk(hash: &mut XxHash64, objects: &[Object], chunk: &ChunkRef) {
    (chunk.part, chunk.offset, chunk.len_bytes).hash(hash);
    let (Place::Object(number) | Place::Format(number)) = chunk.part.place else { return };
    if let Some(object) = objects.get(number as usize) {
        (object.len_bytes, &object.identity).hash(hash);
    }
}

/// When the object of a place was modified, if its store says.
pub(super) fn modified(objects: &[Object], place: Place) -> Option<SystemTime> {
    let number = match place {
        Place::Object(number) | Place::Format(number) => number as usize,
        Place::Inline => 0,
    };
    match objects.get(number)?.identity {
        ObjectIdentity::Modified { mtime_ns, .. } => {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(mtime_ns).ok()?))
        }
        ObjectIdentity::ETag(_) => None,
    }
}
