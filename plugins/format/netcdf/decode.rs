//! Values of chunks that gather small records, which lie between those of other variables.

use std::time::Duration;

use thermocline_codec::fill_chunk;
use thermocline_codec::region::{copy_box, len_bytes};
use thermocline_core::format::{ReadAt, Region, Source};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{ArrayBytes, Variable};

use crate::attributes;
use crate::gather;
use crate::header::Header;
use crate::layout::{Layout, VariableLayout};

/// When to ask again for a file that is not what was indexed.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Values of a region of a record variable; elements beyond its shape are fill.
///
/// # Errors
/// [`ErrorKind::Changed`] when the file has no such variable any more, [`ErrorKind::TooLarge`] beyond the
/// limit of a chunk, and what reading says.
pub(crate) fn decode(source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
    let header = Header::read(source.object.as_ref(), source.limits)?;
    let layout = Layout::new(&header, source.object.object().len_bytes)?;
    decode_by(&header, &layout, source, variable, region)
}

/// The same, where the header was read already.
pub(crate) fn decode_by(
    header: &Header,
    layout: &Layout,
    source: &Source<'_>,
    variable: &Variable,
    region: &Region,
) -> Result<ArrayBytes> {
    let changed = || {
        let message = format!("variable {:?} is not what was indexed", variable.storage.source_path);
        Error::new(ErrorKind::Changed { retry_after: RETRY_AFTER }, message)
    };
    let is_it = |name: &[u8]| attributes::name(name) == variable.storage.source_path;
    let position = header.variables.iter().position(|found| is_it(&found.name)).ok_or_else(changed)?;
    let (Some(found), Some(layout)) = (header.variables.get(position), layout.variables.get(position)) else {
        return Err(changed());
    };
    if layout.is_unwritten || layout.shape != variable.shape || found.kind.data_type() != variable.dtype {
        return Err(changed());
    }
    values(source.object.as_ref(), layout, variable, region, source.limits.chunk_bytes)
}

/// Values of a region of a variable whose layout was checked.
fn values(
    object: &dyn ReadAt,
    layout: &VariableLayout,
    variable: &Variable,
    region: &Region,
    max_bytes: u64,
) -> Result<ArrayBytes> {
    let (Some(first), Some(n_records), Some(length)) =
        (region.start.first(), region.shape.first(), layout.shape.first())
    else {
        return Err(Error::internal(format!("{:?} has no records to gather", variable.name)));
    };
    let element_bytes = variable.dtype.len_bytes().unwrap_or(1);
    let end = first.saturating_add(*n_records).min(*length);
    let first = (*first).min(end);
    let region_bytes = len_bytes(&region.shape, element_bytes)?;
    let read_bytes = (end - first).saturating_mul(layout.len_bytes).max(region_bytes as u64);
    if read_bytes > max_bytes || region.start.len() != region.shape.len() {
        let message = format!("{read_bytes} bytes of {:?} at once, {max_bytes} are the most", variable.name);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let records = gather::records(object, layout, first..end)?;
    let mut read_shape = layout.shape.clone();
    if let Some(n_read) = read_shape.first_mut() {
        *n_read = end - first;
    }
    if read_shape == region.shape {
        return Ok(ArrayBytes::Fixed(records));
    }
    let n_elements = region_bytes / element_bytes.max(1);
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
    let mut from = region.start.clone();
    if let Some(start) = from.first_mut() {
        *start = 0;
    }
    let inside = read_shape.iter().zip(&from).zip(&region.shape);
    let lengths: Vec<u64> =
        inside.map(|((length, start), wanted)| (*wanted).min(length.saturating_sub(*start))).collect();
    let origin = vec![0; lengths.len()];
    let records = ArrayBytes::Fixed(records);
    copy_box(&records, &read_shape, &from, &mut values, &region.shape, &origin, &lengths, element_bytes)?;
    Ok(values)
}
