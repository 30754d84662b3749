//! Opens NetCDF-3 files: classic (CDF-1), 64-bit offset (CDF-2) and 64-bit data (CDF-5). Writes NetCDF-4 files.
//!
//! # Serves
//! Every variable as byte ranges of the file, big-endian as it is stored, but for small records that lie
//! between those of other variables: a chunk of many is gathered when it is asked for.
//!
//! | variable | stored chunks | route |
//! |---|---|---|
//! | fixed size, up to 16 MiB | one | ranges |
//! | fixed size, larger | whole rows of 4–16 MiB | ranges |
//! | records of 32 KiB and more | one a record | ranges |
//! | smaller records, not interleaved with other variables | as a variable of fixed size | ranges |
//! | smaller records, interleaved, 1 MiB in all at most | one, kept with the manifest | inline |
//! | smaller records, interleaved, larger | about 1 MiB, fewer records where they lie far apart | derived |
//!
//! # Writes
//! NetCDF-4 files of arrays that are in memory, through libnetcdf: [`writer`].
//!
//! # Specification
//! <https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html>, "The NetCDF Classic
//! Format Specification", with the 64-bit offset and 64-bit data variants; NetCDF User's Guide, Appendix
//! B, for default fill values and the layout of a single record variable.
//!
//! # Limits
//! A file that ends before its header says is refused as a whole: libnetcdf reads the missing bytes as
//! zeros, which nobody could tell from data. Attributes are typed as in the file, except that an array
//! of one number is a scalar and NULs in texts are dropped, as netCDF4-python does.

mod attributes;
mod chunks;
mod decode;
mod gather;
mod header;
mod index;
mod layout;
#[cfg(feature = "libhdf5")]
mod reference;
#[cfg(feature = "libhdf5")]
mod write;

use thermocline_core::Result;
use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_model::{ArrayBytes, Variable};

/// Writes NetCDF-4 files; `None` where libnetcdf is not built in.
pub fn writer() -> Option<std::sync::Arc<dyn thermocline_core::write::ArrayWriter>> {
    #[cfg(feature = "libhdf5")]
    return Some(std::sync::Arc::new(write::Netcdf4Writer));
    #[cfg(not(feature = "libhdf5"))]
    None
}

/// The NetCDF-3 family of formats.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetcdfFormat;

impl Format for NetcdfFormat {
    fn id(&self) -> &'static str {
        "netcdf"
    }

    fn sniff(&self, head: &[u8], _name: &str) -> bool {
        header::Version::of(head).is_some()
    }

    #[cfg(feature = "libhdf5")]
    fn libraries(&self) -> Vec<(&'static str, String)> {
        vec![("libnetcdf", reference::version())]
    }

    fn index_version(&self) -> u32 {
        2
    }

    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        index::index(source)
    }

    fn decode(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
        decode::decode(source, variable, region)
    }

    #[cfg(feature = "libhdf5")]
    fn reference(&self, source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        reference::open(source)
    }

    #[cfg(not(feature = "libhdf5"))]
    fn reference(&self, _source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("libnetcdf is not built in".to_owned()))
    }
}
