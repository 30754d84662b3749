//! The name of a cached file: one for each state of each object.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::cold::{ColdObject, ObjectId, ObjectStatus};

/// Bytes of the hash of the object's name.
const OBJECT_BYTES: usize = 16;

/// Bytes of the hash of the object's state.
const VERSION_BYTES: usize = 8;

/// Names one state of one object: its file in the cache has this name.
///
/// Hashes, because paths of objects may be longer than a file name may be, may differ only in ways that a
/// file system does not see, and may name what is a folder of another object's path. An object that is
/// replaced has another key: bytes of two states never meet in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    object: [u8; OBJECT_BYTES],
    version: [u8; VERSION_BYTES],
}

impl CacheKey {
    /// The key of an object of that version and size.
    ///
    /// ```
    /// use thermocline_core::cold::ObjectId;
    /// use thermocline_core::staging::cache::CacheKey;
    ///
    /// let object = ObjectId::new("cmip6", "tas.nc").unwrap();
    /// let key = CacheKey::new(&object, "1700000000000000000", 42);
    /// assert_ne!(key, CacheKey::new(&object, "1700000000000000001", 42));
    /// assert_eq!(CacheKey::parse(&key.to_string()), Some(key));
    /// ```
    pub fn new(id: &ObjectId, version: &str, len_bytes: u64) -> Self {
        Self {
            object: first(&hash(&[id.root().as_bytes(), id.path().as_bytes()])),
            version: first(&hash(&[version.as_bytes(), &len_bytes.to_le_bytes()])),
        }
    }

    /// The key of an object in the state that its store told of.
    pub fn of(object: &ColdObject, status: &ObjectStatus) -> Self {
        Self::new(&object.id, &status.version, status.len_bytes)
    }

    /// What the keys of all states of an object have in common, and those of no other.
    pub fn object(&self) -> [u8; OBJECT_BYTES] {
        self.object
    }

    /// The key that is written like this; `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        let (object, version) = name.split_once('-')?;
        Some(Self { object: from_hex(object)?, version: from_hex(version)? })
    }

    /// The first byte of the hash: the sub-folder in which the file lies.
    pub(super) fn folder(&self) -> u8 {
        let [first, ..] = self.object;
        first
    }
}

impl fmt::Display for CacheKey {
    /// 32 hexadecimal digits of the object, a hyphen, 16 of the version.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.object {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-")?;
        for byte in self.version {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// SHA-256 of parts, each preceded by its length, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update((part.len() as u64).to_le_bytes());
        sha256.update(part);
    }
    sha256.finalize().into()
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(hash) {
        *to = *from;
    }
    bytes
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if text.len() != 2 * N || !text.bytes().all(is_lower_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(root: &str, path: &str, version: &str, len_bytes: u64) -> CacheKey {
        CacheKey::new(&ObjectId::new(root, path).unwrap(), version, len_bytes)
    }

    #[test]
    fn each_state_of_each_object_has_a_name_of_its_own() {
        let keys = [
            key("a", "b/c", "1", 1),
            key("a", "b/d", "1", 1),
            key("ab", "c", "1", 1),
            key("a", "b", "1", 1),
            key("a", "b/c", "2", 1),
            key("a", "b/c", "1", 2),
            key("a", "b/c", "11", 0),
        ];
        for (position, one) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == one), Some(position));
        }
    }

    #[test]
    fn only_names_of_this_form_are_keys() {
        let name = key("a", "b", "1", 1).to_string();
        assert_eq!(name.len(), 49);
        let upper = name.to_uppercase();
        for wrong in ["", "-", "lost+found", &name[1..], &format!("{name}0"), &upper, &name.replace('-', "_")]
        {
            assert_eq!(CacheKey::parse(wrong), None, "{wrong}");
        }
    }
}
