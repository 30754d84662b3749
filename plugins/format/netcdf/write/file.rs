//! A file that is being written: calls of libnetcdf, each under its lock.

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::{Path, PathBuf};

use netcdf_sys as nc;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::DataType;

use super::values::Values;

/// Names of attributes and dimensions that NetCDF-4 keeps to itself.
const RESERVED: [&str; 8] = [
    "CLASS",
    "DIMENSION_LIST",
    "NAME",
    "REFERENCE_LIST",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_nc3_strict",
];

/// A type of NetCDF's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NcType(nc::nc_type);

impl NcType {
    pub(super) const BYTE: Self = Self(nc::NC_BYTE);
    pub(super) const CHAR: Self = Self(nc::NC_CHAR);
    pub(super) const SHORT: Self = Self(nc::NC_SHORT);
    pub(super) const INT: Self = Self(nc::NC_INT);
    pub(super) const INT64: Self = Self(nc::NC_INT64);
    pub(super) const UBYTE: Self = Self(nc::NC_UBYTE);
    pub(super) const USHORT: Self = Self(nc::NC_USHORT);
    pub(super) const UINT: Self = Self(nc::NC_UINT);
    pub(super) const UINT64: Self = Self(nc::NC_UINT64);
    pub(super) const FLOAT: Self = Self(nc::NC_FLOAT);
    pub(super) const DOUBLE: Self = Self(nc::NC_DOUBLE);
    pub(super) const STRING: Self = Self(nc::NC_STRING);

    /// The type that stores elements of a type; `None` if there is none.
    pub(super) fn of(dtype: &DataType) -> Option<Self> {
        Some(match dtype {
            DataType::Bool | DataType::Int { size: 1, .. } => Self::BYTE,
            DataType::Int { size: 2, .. } => Self::SHORT,
            DataType::Int { size: 4, .. } => Self::INT,
            DataType::Int { size: 8, .. } => Self::INT64,
            DataType::UInt { size: 1, .. } => Self::UBYTE,
            DataType::UInt { size: 2, .. } => Self::USHORT,
            DataType::UInt { size: 4, .. } => Self::UINT,
            DataType::UInt { size: 8, .. } => Self::UINT64,
            DataType::Float { size: 4, .. } => Self::FLOAT,
            DataType::Float { size: 8, .. } => Self::DOUBLE,
            DataType::Char => Self::CHAR,
            DataType::String | DataType::FixedString { .. } => Self::STRING,
            _ => return None,
        })
    }

    /// Size of an element in bytes, `None` of texts.
    pub(super) fn len_bytes(self) -> Option<usize> {
        Some(match self {
            Self::BYTE | Self::UBYTE | Self::CHAR => 1,
            Self::SHORT | Self::USHORT => 2,
            Self::INT | Self::UINT | Self::FLOAT => 4,
            Self::INT64 | Self::UINT64 | Self::DOUBLE => 8,
            _ => return None,
        })
    }
}

/// A file that is being written; removed when it is dropped before it is closed.
pub(super) struct File {
    ncid: Option<c_int>,
    path: PathBuf,
}

impl File {
    /// Begins a file, in place of one that is there.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let text = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| Error::invalid_input(format!("the path {path:?} contains NUL")))?;
        let mut ncid = 0;
        let guard = nc::libnetcdf_lock.lock();
        // SAFETY: `text` ends with NUL, `ncid` outlives the call, and the lock is held.
        let status = unsafe { nc::nc_create(text.as_ptr(), nc::NC_NETCDF4 | nc::NC_CLOBBER, &raw mut ncid) };
        check(status, || format!("cannot create {}", path.display()))?;
        let file = Self { ncid: Some(ncid), path: path.to_owned() };
        let mut before = 0;
        // SAFETY: the file is open, `before` outlives the call, and the lock is held.
        let status = unsafe { nc::nc_set_fill(ncid, nc::NC_NOFILL, &raw mut before) };
        let set = check(status, || format!("cannot write {}", path.display()));
        // Dropping a file takes the lock.
        drop(guard);
        set.map(|()| file)
    }

    fn ncid(&self) -> Result<c_int> {
        self.ncid.ok_or_else(|| Error::internal(format!("{} is closed", self.path.display())))
    }

    /// Defines a dimension; one of length 0 can grow.
    pub(super) fn dimension(&mut self, name: &str, len: u64) -> Result<c_int> {
        let (ncid, text) = (self.ncid()?, c_name("dimension", name)?);
        let len = usize::try_from(len)
            .map_err(|_| Error::invalid_input(format!("dimension {name:?} is too long")))?;
        let mut number = 0;
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `text` ends with NUL, `number` outlives the call, and the lock is held.
        let status = unsafe { nc::nc_def_dim(ncid, text.as_ptr(), len, &raw mut number) };
        check(status, || format!("cannot define dimension {name:?}"))?;
        Ok(number)
    }

    /// Defines a variable, little-endian.
    pub(super) fn variable(&mut self, name: &str, kind: NcType, dims: &[c_int]) -> Result<c_int> {
        let (ncid, text) = (self.ncid()?, c_name("variable", name)?);
        let n_dims = c_int::try_from(dims.len())
            .map_err(|_| Error::invalid_input(format!("variable {name:?} has too many dimensions")))?;
        let mut number = 0;
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `text` ends with NUL, `dims` has `n_dims` numbers, `number` outlives the call, and the lock is held.
        let status =
            unsafe { nc::nc_def_var(ncid, text.as_ptr(), kind.0, n_dims, dims.as_ptr(), &raw mut number) };
        check(status, || format!("cannot define variable {name:?}"))?;
        if kind.len_bytes().is_some_and(|size| size > 1) {
            // SAFETY: the variable was just defined, and the lock is held.
            let status = unsafe { nc::nc_def_var_endian(ncid, number, nc::NC_ENDIAN_LITTLE) };
            check(status, || format!("cannot define variable {name:?}"))?;
        }
        Ok(number)
    }

    /// Writes an attribute of a variable, or of the file if `variable` is `None`.
    pub(super) fn attribute(
        &mut self,
        variable: Option<c_int>,
        name: &str,
        values: &Values<'_>,
    ) -> Result<()> {
        let (ncid, text) = (self.ncid()?, c_name("attribute", name)?);
        let variable = variable.unwrap_or(nc::NC_GLOBAL);
        let pointers;
        let (kind, len, start) = match values {
            Values::Fixed { kind, bytes } => {
                (kind.0, bytes.len() / kind.len_bytes().unwrap_or(1).max(1), bytes.as_ptr().cast())
            }
            Values::Texts(texts) => {
                pointers = texts.iter().map(|text| text.as_ptr()).collect::<Vec<*const c_char>>();
                (nc::NC_STRING, texts.len(), pointers.as_ptr().cast())
            }
        };
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `start` points to `len` elements of type `kind` that outlive the call: numbers in the order of this
        // machine, or pointers to texts that end with NUL. The lock is held.
        let status = unsafe { nc::nc_put_att(ncid, variable, text.as_ptr(), kind, len, start) };
        check(status, || format!("cannot write attribute {name:?}"))
    }

    /// Ends the definitions.
    pub(super) fn end_definitions(&mut self) -> Result<()> {
        let ncid = self.ncid()?;
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: the file is open, and the lock is held.
        let status = unsafe { nc::nc_enddef(ncid) };
        check(status, || format!("cannot write {}", self.path.display()))
    }

    /// Writes all values of a variable, of which there are as many as its shape says.
    pub(super) fn put(&mut self, variable: c_int, name: &str, values: &Values<'_>) -> Result<()> {
        let ncid = self.ncid()?;
        let pointers;
        let start = match values {
            Values::Fixed { bytes, .. } => bytes.as_ptr().cast(),
            Values::Texts(texts) => {
                pointers = texts.iter().map(|text| text.as_ptr()).collect::<Vec<*const c_char>>();
                pointers.as_ptr().cast()
            }
        };
        let _guard = nc::libnetcdf_lock.lock();
        // SAFETY: `start` points to all elements of the variable, in its own type: `Values::of` compared their number with
        // the shape that the variable was defined with. The lock is held.
        let status = unsafe { nc::nc_put_var(ncid, variable, start) };
        check(status, || format!("cannot write variable {name:?}"))
    }

    /// Writes what is not written yet. The file stays.
    pub(super) fn close(mut self) -> Result<()> {
        let ncid = self.ncid()?;
        let guard = nc::libnetcdf_lock.lock();
        // SAFETY: the file is open and is not used after this; the lock is held.
        let status = unsafe { nc::nc_close(ncid) };
        drop(guard);
        self.ncid = None;
        let closed = check(status, || format!("cannot write {}", self.path.display()));
        if closed.is_err() {
            remove(&self.path);
        }
        closed
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(ncid) = self.ncid.take() {
            let guard = nc::libnetcdf_lock.lock();
            // SAFETY: the file is open and is not used after this; the lock is held.
            unsafe { nc::nc_close(ncid) };
            drop(guard);
            remove(&self.path);
        }
    }
}

/// Removes what was begun. Whoever asked for the file gets the error of writing it; a file that stays behind is cut off.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Refuses names that NetCDF does not have.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] saying which rule the name breaks.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    let starts_well = |first: char| first.is_ascii_alphanumeric() || first == '_' || !first.is_ascii();
    let reason = match name {
        "" => "it is empty",
        _ if name.len() > nc::NC_MAX_NAME as usize => "it is longer than 256 bytes",
        _ if name.contains('/') => "it has a slash",
        _ if name.contains(|letter: char| letter.is_ascii_control()) => "it has a control character",
        _ if name.ends_with(' ') => "it ends with a space",
        _ if !name.starts_with(starts_well) => {
            "it begins with neither a letter nor a digit nor an underscore"
        }
        _ if RESERVED.contains(&name) && what != "variable" => "it is reserved",
        _ => return Ok(()),
    };
    Err(Error::invalid_input(format!("NetCDF does not have the name {name:?} of a {what}: {reason}")))
}

fn c_name(what: &str, name: &str) -> Result<CString> {
    check_name(what, name)?;
    CString::new(name)
        .map_err(|_| Error::invalid_input(format!("the name {name:?} of a {what} contains NUL")))
}

/// The error of a status; the caller holds the lock.
fn check(status: c_int, what: impl Fn() -> String) -> Result<()> {
    if status == nc::NC_NOERR {
        return Ok(());
    }
    // SAFETY: `nc_strerror` gives a static text that ends with NUL for every status.
    let text = unsafe { CStr::from_ptr(nc::nc_strerror(status)) }.to_string_lossy();
    let kind = match status {
        nc::NC_EBADNAME | nc::NC_ENAMEINUSE | nc::NC_EMAXNAME | nc::NC_EBADTYPE => ErrorKind::InvalidInput,
        _ => ErrorKind::Internal,
    };
    Err(Error::new(kind, format!("{}: libnetcdf: {text}", what())))
}
