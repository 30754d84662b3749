//! Entity tags: hashes of what determines the bytes, equal on every machine and after every restart.

use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use thermocline_model::{ChunkRef, Object, ObjectIdentity, Place, Variable};
use twox_hash::XxHash3_128;

use super::ChunkForm;
use crate::manifest::Revision;

/// An entity tag: wide enough that two chunks never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag(pub(super) u128);

impl Tag {
    /// The tag as text, without quotes.
    pub(super) fn text(self) -> String {
        // One digit at a time: formatting so wide a number takes longer than finding the chunk.
        let digit = |place: u32| char::from_digit((self.0 >> (4 * place)) as u32 & 15, 16).unwrap_or('0');
        (0..32).rev().map(digit).collect()
    }
}

/// Feeds what is hashed to the wide hash.
struct Wide(XxHash3_128);

impl Wide {
    fn new(seed: u64) -> Self {
        Self(XxHash3_128::with_seed(seed))
    }

    fn tag(self) -> Tag {
        Tag(self.0.finish_128())
    }
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish_128() as u64
    }
}

/// Tag of a stored chunk: identity of its object, range.
pub(super) fn stored(objects: &[Object], chunk: &ChunkRef, revision: &Revision) -> Tag {
    let mut hash = Wide::new(1);
    hash_chunk(&mut hash, objects, chunk);
    if chunk.part.place == Place::Inline {
        revision.0.hash(&mut hash);
    }
    hash.tag()
}

/// Tag of bytes themselves.
pub(super) fn of_bytes(bytes: &[u8]) -> Tag {
    let mut hash = Wide::new(4);
    hash.write(bytes);
    hash.tag()
}

/// Tag of the stored chunks that a derived chunk is made of; `None` stands for one never written.
pub(super) fn of_chunks(objects: &[Object], chunks: impl Iterator<Item = Option<ChunkRef>>) -> Tag {
    let mut hash = Wide::new(2);
    for chunk in chunks {
        chunk.is_some().hash(&mut hash);
        if let Some(chunk) = chunk {
            hash_chunk(&mut hash, objects, &chunk);
        }
    }
    hash.tag()
}

/// Tag of a derived chunk: the stored chunks it is made of, how they are decoded, how it is encoded.
///
/// Two members of a compound are made of the same stored chunks: only their encodings tell them apart.
pub(super) fn derived(
    made_of: Tag,
    revision: &Revision,
    variable: &Variable,
    linear: u64,
    form: &ChunkForm,
) -> Tag {
    let mut hash = Wide::new(3);
    (made_of.0, &revision.0, linear).hash(&mut hash);
    (&variable.dtype, &variable.shape, &variable.fill).hash(&mut hash);
    let storage = &variable.storage;
    (&storage.encodings, &storage.chunk_shape, storage.table, &storage.source_path).hash(&mut hash);
    variable.attrs.text("_Encoding").hash(&mut hash);
    (&form.dtype, &form.chunk_shape, &form.codecs).hash(&mut hash);
    hash.tag()
}

fn hash_chunk(hash: &mut Wide, objects: &[Object], chunk: &ChunkRef) {
    (chunk.part, chunk.offset, chunk.len_bytes).hash(hash);
    let Some(number) = chunk.part.place.object() else { return };
    if let Some(object) = objects.get(number as usize) {
        (&object.href, object.len_bytes, &object.identity).hash(hash);
    }
}

/// When an object was modified, if its store says.
pub(super) fn modified(object: &Object) -> Option<SystemTime> {
    match object.identity {
        ObjectIdentity::Modified { mtime_ns, .. } => {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(mtime_ns).ok()?))
        }
        ObjectIdentity::ETag(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_written_in_32_digits() {
        for number in [0, 0xa5, u128::MAX, 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978] {
            assert_eq!(Tag(number).text(), format!("{number:032x}"));
        }
    }
}
