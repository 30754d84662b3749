//! Global heaps: where texts of any length and the mappings of virtual datasets lie.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, III.E.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::{Error, Result};

use crate::cursor::Cursor;
use crate::file::File;

/// Bytes of collections that are kept.
const MAX_KEPT_BYTES: usize = 32 << 20;

/// Longest collection that is read.
const MAX_COLLECTION_BYTES: usize = 1 << 30;

/// A collection that was read: its bytes and where its objects lie in them.
struct Collection {
    bytes: Bytes,
    objects: HashMap<u16, Range<usize>>,
}

/// The collections that were read last.
#[derive(Default)]
pub(crate) struct GlobalHeaps {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_address: HashMap<u64, Arc<Collection>>,
    order: VecDeque<u64>,
    len_bytes: usize,
}

impl Kept {
    fn keep(&mut self, address: u64, collection: &Arc<Collection>) {
        if self.by_address.insert(address, Arc::clone(collection)).is_none() {
            self.order.push_back(address);
            self.len_bytes += collection.bytes.len();
        }
        while self.len_bytes > MAX_KEPT_BYTES && self.order.len() > 1 {
            if let Some(oldest) = self.order.pop_front().and_then(|oldest| self.by_address.remove(&oldest)) {
                self.len_bytes -= oldest.bytes.len();
            }
        }
    }
}

/// Where an object of a global heap lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeapId {
    /// Address of the collection.
    pub(crate) collection: u64,
    /// Number of the object in it.
    pub(crate) index: u32,
}

impl File {
    /// The bytes of an object in a global heap.
    pub(crate) fn global_object(&self, id: HeapId) -> Result<Bytes> {
        let known = self.global_heaps.kept.lock().by_address.get(&id.collection).cloned();
        let collection = match known {
            Some(collection) => collection,
            None => {
                let collection = Arc::new(self.read_collection(id.collection)?);
                self.global_heaps.kept.lock().keep(id.collection, &collection);
                collection
            }
        };
        let index = u16::try_from(id.index).ok();
        let range = index.and_then(|index| collection.objects.get(&index)).cloned();
        let range = range.ok_or_else(|| {
            Error::corrupt(format!("object {} is not in the global heap at {}", id.index, id.collection))
        })?;
        Ok(collection.bytes.slice(range))
    }

    fn read_collection(&self, address: u64) -> Result<Collection> {
        let head_len = 8 + self.sizes().length;
        let head = self.bytes.read(address, head_len)?;
        let mut cursor = Cursor::new(&head, self.sizes());
        cursor.expect(b"GCOL")?;
        let version = cursor.u8()?;
        if version != 1 {
            return Err(Error::unsupported(format!("global heap version {version}")));
        }
        cursor.skip(3)?;
        let len = cursor.length_usize()?;
        if len < head_len || len > MAX_COLLECTION_BYTES {
            return Err(Error::corrupt(format!("a global heap of {len} bytes")));
        }
        let bytes = self.bytes.read(address, len)?;
        let objects = self.find_objects(&bytes, head_len)?;
        Ok(Collection { bytes, objects })
    }

    fn find_objects(&self, bytes: &Bytes, head_len: usize) -> Result<HashMap<u16, Range<usize>>> {
        let mut objects = HashMap::new();
        let mut cursor = Cursor::new(bytes, self.sizes());
        cursor.skip(head_len)?;
        while cursor.remaining() >= 8 + self.sizes().length {
            let index = cursor.u16()?;
            cursor.skip(6)?;
            let len = cursor.length_usize()?;
            if index == 0 {
                break;
            }
            let start = cursor.position();
            cursor.skip(len)?;
            objects.insert(index, start..start + len);
            let padding = len.wrapping_neg() % 8;
            cursor.skip(padding.min(cursor.remaining()))?;
        }
        Ok(objects)
    }
}
