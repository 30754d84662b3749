//! Values as libhdf5 reads them: stored elements without conversion, from which the same codecs pick values.

use std::ffi::{CStr, CString, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::Arc;

use hdf5_sys::h5::{H5get_libversion, H5open, herr_t, hsize_t};
use hdf5_sys::h5d::{H5Dclose, H5Dget_space, H5Dget_type, H5Dopen2, H5Dread, H5Dvlen_reclaim};
use hdf5_sys::h5e::{H5E_DEFAULT, H5E_direction_t, H5E_error2_t, H5Eclear2, H5Eset_auto2, H5Ewalk2};
use hdf5_sys::h5f::{H5F_ACC_RDONLY, H5Fclose, H5Fopen};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5P_CLS_DATASET_ACCESS, H5P_CLS_FILE_ACCESS, H5P_DEFAULT, H5Pclose, H5Pcreate, H5Pset_efile_prefix,
    H5Pset_fapl_core, H5Pset_file_image,
};
use hdf5_sys::h5s::{
    H5S_seloper_t, H5Sclose, H5Screate_simple, H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims,
    H5Sselect_hyperslab,
};
use hdf5_sys::h5t::{H5Tclose, H5Tget_size, H5Tis_variable_str};
use thermocline_codec::{ChunkSpec, decode, fill_chunk, region::copy_box};
use thermocline_core::Result as CoreResult;
use thermocline_core::format::{OpenOther, ReadAt, ReferenceError, ReferenceReader, Region, Source};
use thermocline_model::{ArrayBytes, DataType, Variable};

use crate::array::Array;
use crate::cursor::text;
use crate::files::Files;
use crate::header::ObjectHeader;
use crate::mapping::{Dialect, Values, leaves};
use crate::neighbours::Neighbourhood;
use crate::source_path::SourcePath;
use crate::values::n_elements;

/// Largest object far away that is fetched to be opened in memory.
const MAX_IMAGE_BYTES: u64 = 64 << 20;

/// Opens the source through libhdf5.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
    let file = match source.object.local_path() {
        Some(path) => {
            let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| unable("a path with a NUL"))?;
            LibraryFile::open(&path)?
        }
        None => {
            let len = source.object.object().len_bytes;
            if len > MAX_IMAGE_BYTES {
                return Err(unable(format!(
                    "{len} bytes far away are too many to be fetched for verification"
                )));
            }
            let image = source.object.read_at(0, len as usize).map_err(|error| unable(error.to_string()))?;
            LibraryFile::open_image(&image)?
        }
    };
    let limits = source.limits.clone();
    Ok(Box::new(Reader { file, object: Arc::clone(&source.object), limits, last: None }))
}

/// Version of the library.
pub(super) fn version() -> String {
    let [mut major, mut minor, mut release]: [c_uint; 3] = [0; 3];
    // SAFETY: The three numbers outlive the call, which only writes to them.
    unsafe { H5get_libversion(&raw mut major, &raw mut minor, &raw mut release) };
    format!("{major}.{minor}.{release}")
}

fn unable(reason: impl Into<String>) -> ReferenceError {
    ReferenceError::Unable(reason.into())
}

/// Nothing else is opened: links to other files are not verified.
struct NoOthers;

impl OpenOther for NoOthers {
    fn open(&self, _name: &str) -> CoreResult<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }

    fn list(&self, _prefix: &str) -> CoreResult<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

/// Runs `work` as the only user of the library, with its printing switched off.
fn exclusively<T>(work: impl FnOnce() -> T) -> T {
    let _guard = hdf5_sys::LOCK.lock();
    // SAFETY: the lock is held; H5open and H5Eset_auto2 take no pointers that must live on.
    unsafe {
        H5open();
        H5Eset_auto2(H5E_DEFAULT, None, ptr::null_mut());
        H5Eclear2(H5E_DEFAULT);
    }
    work()
}

/// What the library says of its last failure.
///
/// A version or a filter that it does not know tells that it is too old, not that the file is damaged.
fn failure(what: &str) -> ReferenceError {
    let mut messages: Vec<String> = Vec::new();
    // SAFETY: called under the lock; `collect` gets the vector that outlives the call.
    unsafe {
        H5Ewalk2(
            H5E_DEFAULT,
            H5E_direction_t::H5E_WALK_UPWARD,
            Some(collect),
            ptr::from_mut(&mut messages).cast(),
        );
    }
    let message = format!("{what}: {}", messages.join(", "));
    let words = message.to_lowercase();
    let is_unable = [
        "version",
        "unknown",
        "not registered",
        "not available",
        "unsupported",
        "not supported",
        "unable to lock",
        "permission",
        "out of memory",
        "memory allocation failed",
        "external file",
        "unable to open external",
        "class",
        "invalid selection type",
        "no appropriate function for conversion path",
    ];
    if is_unable.iter().any(|sign| words.contains(sign)) {
        return ReferenceError::Unable(message);
    }
    ReferenceError::Refused(message)
}

unsafe extern "C" fn collect(_n: c_uint, error: *const H5E_error2_t, messages: *mut c_void) -> herr_t {
    // SAFETY: the library passes a valid record, and the vector that `failure` gave it.
    unsafe {
        if let (Some(error), Some(messages)) = (error.as_ref(), messages.cast::<Vec<String>>().as_mut())
            && !error.desc.is_null()
            && messages.len() < 12
        {
            messages.push(CStr::from_ptr(error.desc).to_string_lossy().into_owned());
        }
    }
    0
}

/// An identifier of the library that is closed when it goes out of use.
struct Id {
    id: hid_t,
    close: unsafe fn(hid_t) -> herr_t,
}

impl Id {
    fn new(id: hid_t, close: unsafe fn(hid_t) -> herr_t, what: &str) -> Result<Self, ReferenceError> {
        if id < 0 { Err(failure(what)) } else { Ok(Self { id, close }) }
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        exclusively(|| {
            // SAFETY: the identifier is valid and not used after this.
            unsafe { (self.close)(self.id) };
        });
    }
}

macro_rules! closer {
    ($name:ident, $close:ident) => {
        unsafe fn $name(id: hid_t) -> herr_t {
            // SAFETY: the caller gives an identifier of this kind.
            unsafe { $close(id) }
        }
    };
}

closer!(close_file, H5Fclose);
closer!(close_dataset, H5Dclose);
closer!(close_type, H5Tclose);
closer!(close_space, H5Sclose);
closer!(close_list, H5Pclose);

struct LibraryFile {
    id: Id,
}

impl LibraryFile {
    fn open(path: &CStr) -> Result<Self, ReferenceError> {
        exclusively(|| {
            // SAFETY: the path ends with a NUL.
            let id = unsafe { H5Fopen(path.as_ptr(), H5F_ACC_RDONLY, H5P_DEFAULT) };
            Ok(Self { id: Id::new(id, close_file, "libhdf5 cannot open the file")? })
        })
    }

    fn open_image(image: &[u8]) -> Result<Self, ReferenceError> {
        exclusively(|| {
            // SAFETY: the library copies the image.
            let access = unsafe { H5Pcreate(*H5P_CLS_FILE_ACCESS) };
            let access = Id::new(access, close_list, "libhdf5 has no access list")?;
            // SAFETY: the list is valid, the image is copied before the call returns.
            let id = unsafe {
                if H5Pset_fapl_core(access.id, 1 << 16, 0) < 0
                    || H5Pset_file_image(access.id, image.as_ptr().cast_mut().cast(), image.len()) < 0
                {
                    return Err(unable("libhdf5 cannot open a file in memory"));
                }
                H5Fopen(c"image".as_ptr(), H5F_ACC_RDONLY, access.id)
            };
            Ok(Self { id: Id::new(id, close_file, "libhdf5 cannot open the file")? })
        })
    }
}

/// Reads arrays of one file.
struct Reader {
    file: LibraryFile,
    object: Arc<dyn ReadAt>,
    limits: thermocline_core::format::Limits,
    last: Option<Dataset>,
}

/// The array that was read last.
struct Dataset {
    path: String,
    id: Id,
    datatype: Id,
    array: Array,
}

impl ReferenceReader for Reader {
    fn read(
        &mut self,
        variable: &Variable,
        dtype: &DataType,
        region: &Region,
    ) -> Result<ArrayBytes, ReferenceError> {
        let SourcePath { path, suffix, .. } = SourcePath::parse(&variable.storage.source_path);
        if path.starts_with('/') {
            return Err(unable("it lies in another file, behind an external link"));
        }
        self.open_dataset(&path)?;
        let dataset = self.last.as_ref().ok_or_else(|| unable("no array is open"))?;
        let leaf =
            leaves(&dataset.array.datatype, Dialect::Hdf5).into_iter().find(|leaf| leaf.suffix == suffix);
        let values = leaf.and_then(|leaf| leaf.values.ok());
        let mut values = values.ok_or_else(|| unable(format!("{path:?} has no member {suffix:?}")))?;
        values.dtype = dtype.clone();
        dataset.region(&values, variable, region, self.limits.chunk_bytes)
    }
}

impl Reader {
    fn open_dataset(&mut self, path: &str) -> Result<(), ReferenceError> {
        if self.last.as_ref().is_some_and(|last| last.path == path) {
            return Ok(());
        }
        self.last = None;
        let mut array = self.describe(path).map_err(|error| unable(error.to_string()))?;
        let name = CString::new(path).map_err(|_| unable("a name with a NUL"))?;
        let (id, datatype) = exclusively(|| {
            // SAFETY: all identifiers are valid, all texts end with a NUL.
            unsafe {
                let access =
                    Id::new(H5Pcreate(*H5P_CLS_DATASET_ACCESS), close_list, "libhdf5 has no access list")?;
                H5Pset_efile_prefix(access.id, c"${ORIGIN}".as_ptr());
                let what = "libhdf5 cannot open the array";
                let id = Id::new(H5Dopen2(self.file.id.id, name.as_ptr(), access.id), close_dataset, what)?;
                let datatype = Id::new(H5Dget_type(id.id), close_type, "libhdf5 cannot read the type")?;
                Ok((id, datatype))
            }
        })?;
        if array.grows_with_sources() {
            let shape = present_shape(&id, array.shape().map_or(0, <[u64]>::len))?;
            array.reshape(&shape).map_err(|error| unable(error.to_string()))?;
        }
        self.last = Some(Dataset { path: path.to_owned(), id, datatype, array });
        Ok(())
    }

    /// The description of the array, as this crate reads it: which member has which place.
    fn describe(&self, path: &str) -> CoreResult<Array> {
        let around = Neighbourhood::new(&NoOthers, &self.object.object().href);
        let mut files = Files::new(Arc::clone(&self.object), &around, &self.limits)?;
        let found = files.resolve(0, path)?;
        let found =
            found.ok_or_else(|| thermocline_core::Error::corrupt(format!("{path:?} is not in the file")))?;
        let file = files.get(0)?;
        let header = ObjectHeader::read(file, found.identity.1)?;
        Array::read(file, found.identity.1, &header)
    }
}

/// The shape of an array as the library finds it now.
fn present_shape(dataset: &Id, rank: usize) -> Result<Vec<u64>, ReferenceError> {
    exclusively(|| {
        let mut shape: Vec<hsize_t> = vec![0; rank];
        // SAFETY: under the lock; the identifiers are valid, and the list has the rank that the library tells.
        unsafe {
            let space = Id::new(H5Dget_space(dataset.id), close_space, "libhdf5 cannot read the shape")?;
            if usize::try_from(H5Sget_simple_extent_ndims(space.id)) != Ok(rank) {
                return Err(ReferenceError::Refused("libhdf5 finds another number of axes".to_owned()));
            }
            H5Sget_simple_extent_dims(space.id, shape.as_mut_ptr(), ptr::null_mut());
        }
        Ok(shape)
    })
}

impl Dataset {
    fn region(
        &self,
        values: &Values,
        variable: &Variable,
        region: &Region,
        max_bytes: u64,
    ) -> Result<ArrayBytes, ReferenceError> {
        let shape = self.array.shape().ok_or_else(|| unable("a null dataspace"))?;
        let rank = shape.len();
        if region.shape.get(rank..) != Some(values.inner_shape.as_slice()) {
            return Err(unable("a part of elements"));
        }
        let start: Vec<u64> = region.start.iter().take(rank).copied().collect();
        let inside: Vec<u64> = start
            .iter()
            .zip(&region.shape)
            .zip(shape)
            .map(|((start, len), length)| (*len).min(length.saturating_sub(*start)))
            .collect();
        let size = self.array.datatype.size;
        let n = n_elements(&inside, size, max_bytes).map_err(|error| unable(error.to_string()))?;
        let mut full = inside.clone();
        full.extend(&values.inner_shape);
        let read = if n == 0 {
            fill_chunk(&values.dtype, None, 0)
        } else {
            self.stored(values, &start, &inside, n, &full, max_bytes)?
        };
        if full == region.shape {
            return Ok(read);
        }
        // Records that the variable lacks in the file.
        let total = n_elements(&region.shape, values.dtype.len_bytes().unwrap_or(24), max_bytes)
            .map_err(|error| unable(error.to_string()))?;
        let mut padded = fill_chunk(&values.dtype, variable.fill.as_ref(), total);
        let zeros = vec![0; full.len()];
        let element = values.dtype.len_bytes().unwrap_or(1);
        copy_box(&read, &full, &zeros, &mut padded, &region.shape, &zeros, &full, element)
            .map_err(|error| unable(error.to_string()))?;
        Ok(padded)
    }

    /// Reads elements as they are stored and picks the values.
    fn stored(
        &self,
        values: &Values,
        start: &[u64],
        shape: &[u64],
        n: usize,
        full: &[u64],
        max_bytes: u64,
    ) -> Result<ArrayBytes, ReferenceError> {
        exclusively(|| {
            // SAFETY: under the lock; identifiers are valid, slices have the rank that the library is asked about,
            // and the buffer has the size of all elements in the type that is read.
            unsafe {
                let space = Id::new(H5Dget_space(self.id.id), close_space, "libhdf5 cannot read the shape")?;
                if usize::try_from(H5Sget_simple_extent_ndims(space.id)) != Ok(start.len()) {
                    return Err(ReferenceError::Refused("libhdf5 finds another number of axes".to_owned()));
                }
                let starts: Vec<hsize_t> = start.to_vec();
                let counts: Vec<hsize_t> = shape.to_vec();
                let memory = H5Screate_simple(shape.len() as i32, counts.as_ptr(), ptr::null());
                let memory = Id::new(memory, close_space, "libhdf5 cannot make a shape")?;
                if !start.is_empty()
                    && H5Sselect_hyperslab(
                        space.id,
                        H5S_seloper_t::H5S_SELECT_SET,
                        starts.as_ptr(),
                        ptr::null(),
                        counts.as_ptr(),
                        ptr::null(),
                    ) < 0
                {
                    return Err(ReferenceError::Refused("libhdf5 finds another shape".to_owned()));
                }
                let element = H5Tget_size(self.datatype.id);
                let is_text = H5Tis_variable_str(self.datatype.id) > 0;
                if element == 0 || (!is_text && element != self.array.datatype.size) {
                    return Err(unable("elements have another size in memory"));
                }
                let len = n.checked_mul(element).filter(|len| *len as u64 <= max_bytes.saturating_mul(2));
                let len = len.ok_or_else(|| unable("too many elements"))?;
                // Pointers need their alignment; the vector of words has it.
                let mut buffer = vec![0_u64; len.div_ceil(8)];
                let target: *mut c_void = buffer.as_mut_ptr().cast();
                if H5Dread(self.id.id, self.datatype.id, memory.id, space.id, H5P_DEFAULT, target) < 0 {
                    return Err(failure("libhdf5 cannot read"));
                }
                let bytes = std::slice::from_raw_parts(target.cast::<u8>(), len);
                if is_text {
                    let pointers = std::slice::from_raw_parts(target.cast::<*const std::ffi::c_char>(), n);
                    let texts = pointers.iter().map(|pointer| match pointer.is_null() {
                        true => String::new(),
                        false => text(CStr::from_ptr(*pointer).to_bytes()).0,
                    });
                    let texts = texts.collect();
                    H5Dvlen_reclaim(self.datatype.id, memory.id, H5P_DEFAULT, target);
                    return Ok(ArrayBytes::Texts(texts));
                }
                let spec = ChunkSpec { dtype: &values.dtype, shape: full, max_bytes };
                let picked = decode(&values.codecs, 0, bytes, &spec);
                // Frees texts of other members of a record; does nothing for other types.
                H5Dvlen_reclaim(self.datatype.id, memory.id, H5P_DEFAULT, target);
                picked.map_err(|error| unable(error.to_string()))
            }
        })
    }
}
