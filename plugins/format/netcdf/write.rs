//! Writes NetCDF-4 files through libnetcdf.

use std::path::Path;

use thermocline_core::write::{ArraySource, ArrayWriter};
use thermocline_core::{Error, Result};

/// Writes NetCDF-4 files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Netcdf4Writer;

impl ArrayWriter for Netcdf4Writer {
    fn media_type(&self) -> &'static str {
        "application/netcdf"
    }

    fn extension(&self) -> &'static str {
        "nc"
    }

    fn write(&self, _source: &dyn ArraySource, _to: &Path) -> Result<()> {
        Err(Error::internal("NetCDF-4 is not written yet"))
    }
}
