//! Values as libhdf5 reads them.

use thermocline_core::format::{ReferenceError, ReferenceReader, Source};

pub(super) fn open(_source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
    Err(ReferenceError::Unable("not yet".to_owned()))
}
