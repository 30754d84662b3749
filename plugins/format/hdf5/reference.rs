//! The reference library, if it is built in.

#[cfg(feature = "libhdf5")]
mod library;

use thermocline_core::format::{ReferenceError, ReferenceReader, Source};

/// Name and version of the library.
pub(crate) fn libraries() -> Vec<(&'static str, String)> {
    #[cfg(feature = "libhdf5")]
    return vec![("libhdf5", library::version())];
    #[cfg(not(feature = "libhdf5"))]
    Vec::new()
}

/// Opens a file through libhdf5.
#[cfg(feature = "libhdf5")]
pub(crate) fn open(source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
    library::open(source)
}

/// Says that the library is not there.
#[cfg(not(feature = "libhdf5"))]
pub(crate) fn open(_source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
    Err(ReferenceError::Unable("libhdf5 is not built in".to_owned()))
}
