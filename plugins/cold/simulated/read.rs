//! Bytes of staged copies.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use thermocline_core::cold::files::ArchiveFile;
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, ErrorKind, Result};

use crate::library::Key;
use crate::{Shared, busy};

/// Largest range that is read at once.
const MAX_RANGE_BYTES: u64 = 1 << 30;

impl Shared {
    /// Exactly the bytes of `range`, if the file is staged and in the state `version`. Blocking.
    pub(crate) fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        let id = &object.id;
        let Some(copy) = self.at_present().library.copy(&Key::of(id)) else {
            return Err(Error::new(busy(self.config.poll_every), format!("{id} is not staged")));
        };
        let file = self.files.find_blocking(object).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(ErrorKind::Lost, format!("{id} is gone")),
            _ => error,
        })?;
        check(id, &file, version)?;
        let n_bytes = range.end.checked_sub(range.start).filter(|_| range.end <= file.len_bytes());
        let Some(n_bytes) = n_bytes.filter(|n_bytes| *n_bytes <= MAX_RANGE_BYTES) else {
            let text = format!("{id} has {} bytes, {range:?} is asked for", file.len_bytes());
            return Err(Error::corrupt(text));
        };
        let unreadable =
            |cause| Error::new(busy(self.config.poll_every), format!("cannot read {id}")).with_source(cause);
        let mut bytes = vec![0; usize::try_from(n_bytes).unwrap_or_default()];
        let open = File::open(&file.path).map_err(unreadable)?;
        open.read_exact_at(&mut bytes, range.start).map_err(unreadable)?;
        // What was read bit by bit must all be of one state.
        let metadata = open.metadata().map_err(unreadable)?;
        check(id, &ArchiveFile { metadata, ..file }, version)?;
        if copy.is_corrupt {
            self.damage(id, file.metadata.len(), range.start, &mut bytes);
        }
        Ok(bytes.into())
    }

    fn damage(&self, id: &ObjectId, len_bytes: u64, start: u64, bytes: &mut [u8]) {
        let wrong_bit = self.rules.faults.wrong_bit(id) % len_bytes.saturating_mul(8).max(1);
        let place = (wrong_bit / 8).checked_sub(start).and_then(|place| usize::try_from(place).ok());
        if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
            *byte ^= 1 << (wrong_bit % 8);
        }
    }
}

fn check(id: &ObjectId, file: &ArchiveFile, version: &str) -> Result<()> {
    if file.version() == version {
        return Ok(());
    }
    let kind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };
    Err(Error::new(kind, format!("{id} is not in the state {version} any more")))
}
