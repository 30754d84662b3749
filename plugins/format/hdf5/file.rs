//! An HDF5 file that is open: its bytes, its superblock and what is shared between its objects.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hdf5_reader::fractal_heap::{FractalHeap, FractalHeapDirectBlockCache};
use parking_lot::Mutex;
use thermocline_core::format::{Limits, ReadAt};
use thermocline_core::{Error, Result};

use crate::cursor::{Cursor, Sizes};
use crate::global_heap::GlobalHeaps;
use crate::header::{Message, ObjectHeader, kind};
use crate::storage::FileBytes;
use crate::superblock::Superblock;

/// Objects in a fractal heap that one lookup may return.
const MAX_HEAP_OBJECT_BYTES: usize = 64 << 20;

/// An open file.
pub(crate) struct File {
    pub(crate) bytes: FileBytes,
    pub(crate) superblock: Superblock,
    pub(crate) limits: Limits,
    pub(crate) global_heaps: GlobalHeaps,
    /// How many virtual datasets led here.
    pub(crate) nesting: usize,
    heaps: Mutex<HashMap<u64, Arc<Heap>>>,
    /// Heaps of shared messages: a mask of message kinds and the address of the heap.
    shared_heaps: Vec<(u16, u64)>,
}

/// A fractal heap with the blocks that were read.
struct Heap {
    heap: FractalHeap,
    blocks: Mutex<FractalHeapDirectBlockCache>,
}

impl File {
    /// Opens a file and checks that it is whole.
    pub(crate) fn open(object: Arc<dyn ReadAt>, limits: &Limits) -> Result<Self> {
        let superblock = Superblock::read(object.as_ref())?;
        let bytes = FileBytes::new(object, superblock.base, superblock.end);
        let mut file = Self {
            bytes,
            superblock,
            limits: limits.clone(),
            global_heaps: GlobalHeaps::default(),
            nesting: 0,
            heaps: Mutex::default(),
            shared_heaps: Vec::new(),
        };
        if let Some(extension) = file.superblock.extension {
            file.read_extension(extension)?;
        }
        Ok(file)
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.superblock.sizes
    }

    fn read_extension(&mut self, address: u64) -> Result<()> {
        let header = ObjectHeader::read(self, address)
            .map_err(|error| Error::refused(format!("the superblock extension cannot be read: {error}")))?;
        if header.find(kind::DRIVER_INFO).is_some() {
            return Err(Error::refused(
                "the file is one part of a family or multi-file set, which needs all its parts",
            ));
        }
        self.check_extension(&header)
            .map_err(|error| Error::refused(format!("the superblock extension is damaged: {error}")))?;
        if let Some(message) = header.find(kind::BTREE_K) {
            let mut cursor = Cursor::new(&message.body, self.sizes());
            cursor.skip(1)?;
            self.superblock.chunk_tree_k = usize::from(cursor.u16()?);
        }
        if let Some(message) = header.find(kind::SHARED_MESSAGE_TABLE) {
            self.shared_heaps = self.read_shared_message_table(message)?;
        }
        Ok(())
    }

    /// Checks messages that nothing here needs, but whose damage tells that the file is damaged.
    fn check_extension(&self, header: &ObjectHeader) -> Result<()> {
        if let Some(message) = header.find(kind::FILE_SPACE_INFO) {
            let mut cursor = Cursor::new(&message.body, self.sizes());
            let version = cursor.u8()?;
            let strategy = cursor.u8()?;
            // One free-space manager for each kind of memory, or each kind of page.
            let n_managers = match version {
                0 => {
                    cursor.length()?;
                    if strategy == 1 { 6 } else { 0 }
                }
                _ => {
                    let persists = cursor.u8()? != 0;
                    cursor.length()?;
                    cursor.length()?;
                    cursor.skip(2)?;
                    cursor.address()?;
                    if persists { 12 } else { 0 }
                }
            };
            (0..n_managers).try_for_each(|_| cursor.address().map(|_| ()))?;
        }
        if let Some(message) = header.find(kind::CACHE_IMAGE) {
            let mut cursor = Cursor::new(&message.body, self.sizes());
            cursor.skip(1)?;
            if let Some(address) = cursor.address()? {
                self.bytes.check(address, cursor.length()?)?;
            }
        }
        Ok(())
    }

    /// The table of heaps in which object headers share messages.
    fn read_shared_message_table(&self, message: &Message) -> Result<Vec<(u16, u64)>> {
        let mut cursor = Cursor::new(&message.body, self.sizes());
        cursor.skip(1)?;
        let address = cursor.address()?.ok_or_else(|| Error::corrupt("no shared message table"))?;
        let n_indexes = usize::from(cursor.u8()?);
        let entry = 16 + 2 * self.sizes().address;
        let table = self.bytes.read(address, 4 + n_indexes * entry)?;
        let mut cursor = Cursor::new(&table, self.sizes());
        cursor.expect(b"SMTB")?;
        let mut heaps = Vec::new();
        for _ in 0..n_indexes {
            cursor.skip(2)?;
            let kinds = cursor.u16()?;
            cursor.skip(4 + 2 + 2 + 2)?;
            let _index = cursor.address()?;
            if let Some(heap) = cursor.address()? {
                heaps.push((kinds, heap));
            }
        }
        Ok(heaps)
    }

    /// The body of a message, fetched from where it is shared.
    ///
    /// # Source
    /// HDF5 File Format Specification 3.0, IV.A.2 "shared messages", versions 1 to 3.
    pub(crate) fn body(&self, message: &Message) -> Result<Bytes> {
        if message.is_shared() {
            return self.shared_body(message.kind, &message.body);
        }
        Ok(message.body.clone())
    }

    /// The heap in which messages of a kind are shared.
    pub(crate) fn shared_heap(&self, message_kind: u16) -> Result<u64> {
        let bit = 1_u16.checked_shl(u32::from(message_kind)).unwrap_or(0);
        let heap = self.shared_heaps.iter().find(|(kinds, _)| kinds & bit != 0);
        let heap = heap.map(|(_, heap)| *heap);
        heap.ok_or_else(|| Error::corrupt("a shared message of a kind that is not shared"))
    }

    /// What a reference to a shared message of a kind leads to.
    pub(crate) fn shared_body(&self, message_kind: u16, reference: &[u8]) -> Result<Bytes> {
        let mut cursor = Cursor::new(reference, self.sizes());
        let version = cursor.u8()?;
        let place = cursor.u8()?;
        match version {
            1 => cursor.skip(6)?,
            2 | 3 => {}
            version => return Err(Error::unsupported(format!("shared message version {version}"))),
        }
        if version == 3 && place == 1 {
            let id = cursor.take(8)?;
            let heap = self.shared_heap(message_kind)?;
            return self.heap_object(heap, id);
        }
        let address = cursor.address()?.ok_or_else(|| Error::corrupt("a shared message without address"))?;
        let header = ObjectHeader::read(self, address)?;
        let found = header.find(message_kind);
        let found = found.ok_or_else(|| Error::corrupt("a shared message is not where it should be"))?;
        if found.is_shared() {
            return Err(Error::corrupt("a shared message refers to another shared message"));
        }
        Ok(found.body.clone())
    }

    /// An object of the fractal heap at an address.
    pub(crate) fn heap_object(&self, heap: u64, id: &[u8]) -> Result<Bytes> {
        let known = self.heaps.lock().get(&heap).cloned();
        let opened = match known {
            Some(opened) => opened,
            None => {
                let opened = Arc::new(self.open_heap(heap)?);
                self.heaps.lock().insert(heap, Arc::clone(&opened));
                opened
            }
        };
        let sizes = self.sizes();
        let object = opened.heap.get_object_storage_cached(
            id,
            &self.bytes,
            sizes.address as u8,
            sizes.length as u8,
            &mut opened.blocks.lock(),
        );
        let object = object.map_err(|error| self.bytes.explain(&error))?;
        if object.len() > MAX_HEAP_OBJECT_BYTES {
            return Err(Error::corrupt(format!("a heap object of {} bytes", object.len())));
        }
        Ok(Bytes::from(object))
    }

    fn open_heap(&self, address: u64) -> Result<Heap> {
        let sizes = self.sizes();
        let heap =
            FractalHeap::parse_at_storage(&self.bytes, address, sizes.address as u8, sizes.length as u8);
        let heap = heap.map_err(|error| self.bytes.explain(&error))?;
        Ok(Heap { heap, blocks: Mutex::default() })
    }
}
