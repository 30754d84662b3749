//! Bytes of a file for the parsers: small reads go through blocks that are kept, nodes of indexes are
//! read exactly and, from stores far away, several at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use thermocline_core::format::ReadAt;
use thermocline_core::{Error, ErrorKind, Result};

/// Metadata of one object is mostly within one of these.
const BLOCK_BYTES: u64 = 16 << 10;

/// Blocks that are kept: 16 MiB.
const MAX_BLOCKS: usize = 1024;

/// Reads under way at once in a store far away.
const N_PARALLEL: usize = 16;

/// Ranges that are closer than this are read as one from a store far away.
const MERGE_BYTES: u64 = 512;

/// Longest merged read.
const MAX_MERGED_BYTES: u64 = 1 << 20;

/// A file from its superblock on: addresses count from there.
pub(crate) struct FileBytes {
    object: Arc<dyn ReadAt>,
    base: u64,
    /// The address at which the file ends.
    end: u64,
    blocks: Mutex<Blocks>,
    /// What the store said last, for callers that only learn that a read failed.
    failure: Mutex<Option<Error>>,
}

#[derive(Default)]
struct Blocks {
    by_number: HashMap<u64, Bytes>,
    order: VecDeque<u64>,
}

impl Blocks {
    fn keep(&mut self, number: u64, block: Bytes) {
        if self.by_number.insert(number, block).is_none() {
            self.order.push_back(number);
        }
        while self.order.len() > MAX_BLOCKS {
            if let Some(oldest) = self.order.pop_front() {
                self.by_number.remove(&oldest);
            }
        }
    }
}

impl FileBytes {
    pub(crate) fn new(object: Arc<dyn ReadAt>, base: u64, end: u64) -> Self {
        Self { object, base, end, blocks: Mutex::default(), failure: Mutex::default() }
    }

    pub(crate) fn object(&self) -> &Arc<dyn ReadAt> {
        &self.object
    }

    /// Where address 0 lies in the object.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes from address 0 to the end of the file, as its superblock tells it.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.end
    }

    /// True for an object behind an address. Its path is not asked for: what lends one keeps a copy in a cache there.
    fn is_far(&self) -> bool {
        self.object.object().href.contains("://")
    }

    /// Fails unless all of a range lies inside the object.
    pub(crate) fn check(&self, address: u64, len_bytes: u64) -> Result<()> {
        match address.checked_add(len_bytes) {
            Some(end) if end <= self.len_bytes() => Ok(()),
            _ => Err(Error::corrupt(format!(
                "{len_bytes} bytes at {address} lie beyond the end of the file ({} bytes)",
                self.len_bytes()
            ))),
        }
    }

    /// Bytes of metadata, through the blocks that are kept.
    pub(crate) fn read(&self, address: u64, len: usize) -> Result<Bytes> {
        self.check(address, len as u64)?;
        if len == 0 {
            return Ok(Bytes::new());
        }
        if len as u64 >= 4 * BLOCK_BYTES {
            return self.read_exactly(address, len);
        }
        let first = address / BLOCK_BYTES;
        let last = (address + len as u64 - 1) / BLOCK_BYTES;
        let start = (address - first * BLOCK_BYTES) as usize;
        if first == last {
            let block = self.block(first)?;
            return slice(&block, start, len);
        }
        let mut joined = BytesMut::with_capacity(((last - first + 1) * BLOCK_BYTES) as usize);
        for number in first..=last {
            joined.extend_from_slice(&self.block(number)?);
        }
        slice(&joined.freeze(), start, len)
    }

    /// Bytes as they are asked for, without keeping them.
    pub(crate) fn read_exactly(&self, address: u64, len: usize) -> Result<Bytes> {
        self.check(address, len as u64)?;
        self.object.read_at(self.base + address, len)
    }

    /// Up to `len` bytes: fewer where the file ends before.
    pub(crate) fn read_up_to(&self, address: u64, len: usize) -> Result<Bytes> {
        let left = self.len_bytes().saturating_sub(address);
        self.read(address, len.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn block(&self, number: u64) -> Result<Bytes> {
        if let Some(block) = self.blocks.lock().by_number.get(&number) {
            return Ok(block.clone());
        }
        let start = number * BLOCK_BYTES;
        let len = BLOCK_BYTES.min(self.len_bytes().saturating_sub(start));
        let block = self.read_exactly(start, len as usize)?;
        self.blocks.lock().keep(number, block.clone());
        Ok(block)
    }

    /// Reads many small ranges; from a store far away merged and several at a time. The answers keep the order.
    pub(crate) fn read_many(&self, ranges: &[(u64, usize)]) -> Result<Vec<Bytes>> {
        for (address, len) in ranges {
            self.check(*address, *len as u64)?;
        }
        if !self.is_far() || ranges.len() < 2 {
            return ranges.iter().map(|(address, len)| self.read_exactly(*address, *len)).collect();
        }
        let merged = merge(ranges);
        let read = self.read_parallel(&merged)?;
        let pick = |(address, len): &(u64, usize)| {
            let found = merged.partition_point(|(start, _)| start <= address).saturating_sub(1);
            match (merged.get(found), read.get(found)) {
                (Some((start, _)), Some(bytes)) => slice(bytes, (address - start) as usize, *len),
                _ => Err(Error::internal("a merged read lost a range")),
            }
        };
        ranges.iter().map(pick).collect()
    }

    fn read_parallel(&self, ranges: &[(u64, usize)]) -> Result<Vec<Bytes>> {
        let next = AtomicUsize::new(0);
        let answers: Vec<Mutex<Option<Result<Bytes>>>> = ranges.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..N_PARALLEL.min(ranges.len()) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let (Some((address, len)), Some(answer)) = (ranges.get(number), answers.get(number))
                        else {
                            return;
                        };
                        *answer.lock() = Some(self.read_exactly(*address, *len));
                    }
                });
            }
        });
        answers
            .into_iter()
            .map(|answer| {
                answer.into_inner().unwrap_or_else(|| Err(Error::internal("a parallel read was not made")))
            })
            .collect()
    }

    /// Reads the blocks at these addresses ahead, if the file is far away.
    pub(crate) fn prefetch(&self, addresses: &[u64]) {
        if !self.is_far() {
            return;
        }
        let mut numbers: Vec<u64> = addresses.iter().map(|address| address / BLOCK_BYTES).collect();
        numbers.sort_unstable();
        numbers.dedup();
        {
            let blocks = self.blocks.lock();
            numbers.retain(|number| {
                !blocks.by_number.contains_key(number) && number * BLOCK_BYTES < self.len_bytes()
            });
        }
        numbers.truncate(MAX_BLOCKS / 2);
        let ranges: Vec<(u64, usize)> = numbers
            .iter()
            .map(|number| {
                let start = number * BLOCK_BYTES;
                (start, BLOCK_BYTES.min(self.len_bytes() - start) as usize)
            })
            .collect();
        // What fails here fails again where it is needed, and is reported there.
        if let Ok(read) = self.read_many(&ranges) {
            let mut blocks = self.blocks.lock();
            for (number, block) in numbers.into_iter().zip(read) {
                blocks.keep(number, block);
            }
        }
    }

    /// What the store said when a read through [`hdf5_reader::Storage`] failed; `message` if it said nothing.
    pub(crate) fn explain(&self, message: &hdf5_reader::error::Error) -> Error {
        match self.failure.lock().take() {
            Some(error) if !is_fault_of_file(&error) => error,
            _ => Error::corrupt(message.to_string()),
        }
    }
}

/// True for what is wrong with the file itself; everything else (a store that does not answer) must
/// not be mistaken for it.
pub(crate) fn is_fault_of_file(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt
            | ErrorKind::Unsupported
            | ErrorKind::TooLarge
            | ErrorKind::Refused
            | ErrorKind::InvalidInput
            | ErrorKind::NotFound
    )
}

fn slice(bytes: &Bytes, start: usize, len: usize) -> Result<Bytes> {
    match start.checked_add(len) {
        Some(end) if end <= bytes.len() => Ok(bytes.slice(start..end)),
        _ => {
            Err(Error::corrupt(format!("a read gave {} bytes, {len} at {start} were expected", bytes.len())))
        }
    }
}

/// Ranges in ascending order, near ones joined.
fn merge(ranges: &[(u64, usize)]) -> Vec<(u64, usize)> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<(u64, usize)> = Vec::new();
    for (address, len) in sorted {
        if let Some((start, total)) = merged.last_mut() {
            let end = *start + *total as u64;
            let wanted = (address + len as u64).max(end) - *start;
            if address <= end + MERGE_BYTES && (wanted <= MAX_MERGED_BYTES || address < end) {
                *total = wanted as usize;
                continue;
            }
        }
        merged.push((address, len));
    }
    merged
}

impl hdf5_reader::Storage for FileBytes {
    fn len(&self) -> u64 {
        self.len_bytes()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<hdf5_reader::StorageBuffer> {
        match self.read(offset, len) {
            Ok(bytes) => hdf5_reader::StorageBuffer::from_shared_owner(Arc::new(bytes), 0, len),
            Err(error) => {
                let answer = hdf5_reader::error::Error::Other(error.to_string());
                *self.failure.lock() = Some(error);
                Err(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_merged_and_far_ones_are_not() {
        let merged = merge(&[(100_000, 10), (0, 100), (150, 100), (50, 20)]);
        assert_eq!(merged, vec![(0, 250), (100_000, 10)]);
    }

    #[test]
    fn merged_reads_stay_below_a_mebibyte() {
        let ranges: Vec<(u64, usize)> = (0..1000).map(|i| (i * 4096, 4096)).collect();
        assert!(merge(&ranges).iter().all(|(_, len)| *len as u64 <= MAX_MERGED_BYTES));
    }
}
