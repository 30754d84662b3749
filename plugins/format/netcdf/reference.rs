//! Reads values through libnetcdf, to compare them with ours.

use std::ffi::{CStr, CString, c_int};
use std::path::Path;

use netcdf_sys as nc;
use thermocline_core::format::{ReferenceError, ReferenceReader, Region, Source};
use thermocline_model::{ArrayBytes, ByteOrder, DataType, Variable};

use crate::header::Header;
use crate::layout::Layout;

/// Opens a local file with libnetcdf.
///
/// libnetcdf crashes or hangs on absurd headers, so it only sees files that our own parser accepted.
pub(crate) fn open(source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
    let object = source.object.as_ref();
    let path = object.local_path().ok_or_else(|| ReferenceError::Unable("not a local file".to_owned()))?;
    let unable = |error: thermocline_core::Error| ReferenceError::Unable(error.to_string());
    let header = Header::read(object, source.limits).map_err(unable)?;
    Layout::new(&header, object.object().len_bytes).map_err(unable)?;
    if header.n_records.is_none() {
        return Err(ReferenceError::Unable(
            "libnetcdf does not count the records of a streamed file".to_owned(),
        ));
    }
    Ok(Box::new(Reference::open(path)?))
}

/// Version of the library: the first word of what it says of itself.
pub(crate) fn version() -> String {
    // SAFETY: The library returns a static text.
    let text = unsafe { CStr::from_ptr(nc::nc_inq_libvers()) }.to_string_lossy();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

struct Reference {
    ncid: c_int,
}

impl Reference {
    fn open(path: &Path) -> Result<Self, ReferenceError> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| ReferenceError::Unable("the path contains NUL".to_owned()))?;
        let mut ncid = 0;
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `path` ends with NUL, `ncid` outlives the call, and the lock is held.
        let status = unsafe { nc::nc_open(path.as_ptr(), nc::NC_NOWRITE, &raw mut ncid) };
        if status == nc::NC_NOERR {
            return Ok(Self { ncid });
        }
        Err(ReferenceError::Refused(message(status)))
    }

    /// Number and external type of a variable.
    fn variable(&self, name: &str) -> Result<(c_int, nc::nc_type), ReferenceError> {
        let name =
            CString::new(name).map_err(|_| ReferenceError::Unable("the name contains NUL".to_owned()))?;
        let (mut varid, mut kind) = (0, 0);
        // SAFETY: the pointers outlive the calls and `name` ends with NUL; the caller holds the lock.
        let status = unsafe {
            match nc::nc_inq_varid(self.ncid, name.as_ptr(), &raw mut varid) {
                nc::NC_NOERR => nc::nc_inq_vartype(self.ncid, varid, &raw mut kind),
                status => status,
            }
        };
        check(status)?;
        Ok((varid, kind))
    }

    /// The lengths of a variable's axes as libnetcdf sees them.
    fn shape(&self, varid: c_int) -> Result<Vec<u64>, ReferenceError> {
        let mut rank = 0;
        // SAFETY: `rank` outlives the call; the caller holds the lock.
        check(unsafe { nc::nc_inq_varndims(self.ncid, varid, &raw mut rank) })?;
        let mut dimids = vec![0; usize::try_from(rank).unwrap_or(0)];
        // SAFETY: `dimids` has room for as many numbers as the variable has dimensions.
        check(unsafe { nc::nc_inq_vardimid(self.ncid, varid, dimids.as_mut_ptr()) })?;
        let mut shape = Vec::new();
        for dimid in dimids {
            let mut len = 0_usize;
            // SAFETY: `len` outlives the call; the caller holds the lock.
            check(unsafe { nc::nc_inq_dimlen(self.ncid, dimid, &raw mut len) })?;
            shape.push(len as u64);
        }
        Ok(shape)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `ncid` is open and is not used after this; the lock is held.
        unsafe { nc::nc_close(self.ncid) };
    }
}

impl ReferenceReader for Reference {
    fn read(
        &mut self,
        variable: &Variable,
        dtype: &DataType,
        region: &Region,
    ) -> Result<ArrayBytes, ReferenceError> {
        let _guard = nc::libnetcdf_lock.lock();
        let (varid, kind) = self.variable(&variable.storage.source_path)?;
        let element_bytes = element_bytes(kind).filter(|bytes| dtype.len_bytes() == Some(*bytes));
        let element_bytes = element_bytes.ok_or_else(|| {
            ReferenceError::Unable(format!(
                "libnetcdf reads type {kind}, which is not comparable with {dtype:?}"
            ))
        })?;
        let shape = self.shape(varid)?;
        if shape != variable.shape {
            return Err(ReferenceError::Refused(format!("libnetcdf gives it shape {shape:?}")));
        }
        let mut bytes = vec![0_u8; buffer_len(&shape, region, element_bytes)?];
        if bytes.is_empty() {
            return Ok(ArrayBytes::Fixed(bytes));
        }
        let mut start: Vec<usize> = region.start.iter().map(|first| *first as usize).collect();
        let mut count: Vec<usize> = region.shape.iter().map(|length| *length as usize).collect();
        start.push(0);
        count.push(0);
        // SAFETY: `start` and `count` have at least the variable's rank, `bytes` has room for exactly
        // `count` elements of the variable's own type, and the lock is held.
        let status = unsafe {
            nc::nc_get_vara(self.ncid, varid, start.as_ptr(), count.as_ptr(), bytes.as_mut_ptr().cast())
        };
        check(status)?;
        reorder(&mut bytes, dtype, element_bytes);
        Ok(ArrayBytes::Fixed(bytes))
    }
}

/// Bytes of a region, which must lie inside the array.
fn buffer_len(shape: &[u64], region: &Region, element_bytes: usize) -> Result<usize, ReferenceError> {
    let outside = || ReferenceError::Unable(format!("{region:?} lies outside of shape {shape:?}"));
    if region.start.len() != shape.len() || region.shape.len() != shape.len() {
        return Err(outside());
    }
    let mut len = element_bytes;
    for ((first, count), length) in region.start.iter().zip(&region.shape).zip(shape) {
        first.checked_add(*count).filter(|end| end <= length).ok_or_else(outside)?;
        len = usize::try_from(*count).ok().and_then(|count| len.checked_mul(count)).ok_or_else(outside)?;
    }
    Ok(len)
}

/// Brings values from the order of this machine to that of `dtype`.
fn reorder(bytes: &mut [u8], dtype: &DataType, element_bytes: usize) {
    let native = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
    if dtype.byte_order().is_some_and(|order| order != native) {
        bytes.chunks_exact_mut(element_bytes).for_each(<[u8]>::reverse);
    }
}

fn element_bytes(kind: nc::nc_type) -> Option<usize> {
    Some(match kind {
        nc::NC_BYTE | nc::NC_CHAR | nc::NC_UBYTE => 1,
        nc::NC_SHORT | nc::NC_USHORT => 2,
        nc::NC_INT | nc::NC_UINT | nc::NC_FLOAT => 4,
        nc::NC_DOUBLE | nc::NC_INT64 | nc::NC_UINT64 => 8,
        _ => return None,
    })
}

fn check(status: c_int) -> Result<(), ReferenceError> {
    if status == nc::NC_NOERR { Ok(()) } else { Err(ReferenceError::Unable(message(status))) }
}

/// What libnetcdf says of a status; the caller holds the lock.
fn message(status: c_int) -> String {
    // SAFETY: `nc_strerror` gives a static text that ends with NUL for every status.
    let text = unsafe { CStr::from_ptr(nc::nc_strerror(status)) };
    format!("libnetcdf: {}", text.to_string_lossy())
}
