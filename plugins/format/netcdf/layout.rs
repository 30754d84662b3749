//! Where the values of each variable lie, computed from shapes alone.
//!
//! # Specification
//! "The NetCDF Classic Format Specification", "Computing File Offsets" and "Note on vsize".

use thermocline_core::{Error, Result};

use crate::header::{Header, HeaderVariable, Version};

/// Where the values of one variable lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariableLayout {
    /// Lengths of the axes; the record axis has its present length.
    pub(crate) shape: Vec<u64>,
    /// First byte of the values.
    pub(crate) begin: u64,
    /// Bytes of the array, or of one record, without padding.
    pub(crate) len_bytes: u64,
    /// Bytes from one record to the next; `None` for a variable of fixed size.
    pub(crate) record_stride: Option<u64>,
    /// True if the file ends before the first value.
    pub(crate) is_unwritten: bool,
}

impl VariableLayout {
    /// True if all values lie one after another.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.record_stride.is_none_or(|stride| stride == self.len_bytes)
    }

    /// Bytes of all values, without padding.
    pub(crate) fn total_bytes(&self) -> Option<u64> {
        match self.record_stride {
            None => Some(self.len_bytes),
            Some(_) => self.len_bytes.checked_mul(self.shape.first().copied().unwrap_or(0)),
        }
    }

    fn has_values(&self) -> bool {
        self.shape.iter().all(|axis| *axis > 0)
    }

    /// The byte after the last value; `begin` if there are none.
    fn end(&self) -> Option<u64> {
        let Some(stride) = self.record_stride else {
            return self.begin.checked_add(self.len_bytes);
        };
        match self.shape.first() {
            None | Some(0) => Some(self.begin),
            Some(n) => (n - 1).checked_mul(stride)?.checked_add(self.begin)?.checked_add(self.len_bytes),
        }
    }
}

/// Where all values of a file lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of records.
    pub(crate) n_records: u64,
    /// One for each variable of the header, in its order.
    pub(crate) variables: Vec<VariableLayout>,
}

impl Layout {
    /// Computes the layout of a file of `file_len_bytes`.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Refused`] when shapes are impossible, a variable begins inside the
    /// header or before the end of another, or the file ends in the midst of its data.
    pub(crate) fn new(header: &Header, file_len_bytes: u64) -> Result<Self> {
        let mut variables = Vec::new();
        for variable in &header.variables {
            variables.push(one_record(header, variable)?);
        }
        check_sizes(header, &variables)?;
        check_order(header, &variables)?;
        let stride = record_stride(&variables)?;
        for layout in variables.iter_mut().filter(|layout| layout.record_stride.is_some()) {
            layout.record_stride = Some(stride);
        }
        let n_records = header.n_records.unwrap_or_else(|| count_records(&variables, file_len_bytes));
        for (layout, variable) in variables.iter_mut().zip(&header.variables) {
            if layout.record_stride.is_some()
                && let Some(len) = layout.shape.first_mut()
            {
                *len = n_records;
            }
            layout.is_unwritten = layout.has_values() && layout.begin >= file_len_bytes;
            check_extent(layout, variable, file_len_bytes)?;
        }
        Ok(Self { n_records, variables })
    }
}

/// The largest array, or part of a record, that another may follow.
///
/// # Source
/// "The NetCDF Classic Format Specification", "Computing File Offsets"; libnetcdf's `NC_check_vlens`.
fn max_len_bytes(version: Version) -> u64 {
    match version {
        Version::Classic => (1 << 31) - 4,
        Version::Offset64 => (1 << 32) - 4,
        Version::Data64 => (1 << 63) - 4,
    }
}

/// Refuses sizes that the variant of the format does not allow: only one variable may exceed the limit,
/// and it must be the last one, of fixed size only where there are no records.
fn check_sizes(header: &Header, variables: &[VariableLayout]) -> Result<()> {
    let max = max_len_bytes(header.version);
    let has_records = variables.iter().any(|layout| layout.record_stride.is_some());
    for is_record in [false, true] {
        let of_kind = |(layout, _): &(&VariableLayout, _)| layout.record_stride.is_some() == is_record;
        let mut large = variables.iter().zip(&header.variables).filter(of_kind).peekable();
        while let Some((layout, variable)) = large.next() {
            let is_last = large.peek().is_none() && (is_record || !has_records);
            if layout.len_bytes > max && (!is_last || header.version == Version::Data64) {
                return Err(Error::refused(format!(
                    "{} claims {} bytes, the format allows {max} there",
                    words(variable),
                    layout.len_bytes
                )));
            }
        }
    }
    Ok(())
}

/// Refuses variables that begin before the one defined before them ends; records follow all others.
///
/// # Source
/// libnetcdf's `NC_check_voffs`.
fn check_order(header: &Header, variables: &[VariableLayout]) -> Result<()> {
    let mut end = 0;
    for is_record in [false, true] {
        for (layout, variable) in variables.iter().zip(&header.variables) {
            if layout.record_stride.is_some() != is_record {
                continue;
            }
            if layout.begin < end {
                return Err(Error::refused(format!(
                    "{} begins at byte {}, before byte {end} where the one before it ends",
                    words(variable),
                    layout.begin
                )));
            }
            end =
                layout.begin.saturating_add(layout.len_bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX));
        }
    }
    Ok(())
}

fn words(variable: &HeaderVariable) -> String {
    format!("variable {:?}", String::from_utf8_lossy(&variable.name))
}

/// The layout of a fixed variable, or of the first record of a record variable.
fn one_record(header: &Header, variable: &HeaderVariable) -> Result<VariableLayout> {
    let mut shape = Vec::with_capacity(variable.dimension_ids.len());
    for id in &variable.dimension_ids {
        let dimension = usize::try_from(*id).ok().and_then(|id| header.dimensions.get(id));
        shape.push(dimension.map_or(0, |dimension| dimension.len));
    }
    let is_record = shape.first() == Some(&0);
    let fixed = shape.get(usize::from(is_record)..).unwrap_or_default();
    if fixed.contains(&0) {
        return Err(Error::refused(format!(
            "{} has the record dimension elsewhere than first",
            words(variable)
        )));
    }
    let len_bytes = fixed.iter().try_fold(variable.kind.len_bytes(), |len, axis| len.checked_mul(*axis));
    let len_bytes =
        len_bytes.ok_or_else(|| Error::refused(format!("{} claims shape {shape:?}", words(variable))))?;
    if variable.begin < header.len_bytes {
        return Err(Error::refused(format!(
            "{} begins at byte {}, inside the header of {} bytes",
            words(variable),
            variable.begin,
            header.len_bytes
        )));
    }
    Ok(VariableLayout {
        shape,
        begin: variable.begin,
        len_bytes,
        record_stride: is_record.then_some(0),
        is_unwritten: false,
    })
}

/// Bytes from one record to the next: every variable's part is padded to four bytes, unless there is
/// only one record variable.
fn record_stride(variables: &[VariableLayout]) -> Result<u64> {
    let mut records = variables.iter().filter(|layout| layout.record_stride.is_some());
    if let (Some(only), None) = (records.next(), records.next()) {
        return Ok(only.len_bytes);
    }
    let records = variables.iter().filter(|layout| layout.record_stride.is_some());
    records
        .map(|layout| layout.len_bytes.checked_next_multiple_of(4))
        .try_fold(0_u64, |sum, padded| sum.checked_add(padded?))
        .ok_or_else(|| Error::refused("a record has more than 2^64 bytes"))
}

/// How many whole records a file holds whose header leaves their number open.
fn count_records(variables: &[VariableLayout], file_len_bytes: u64) -> u64 {
    let whole_records = |layout: &VariableLayout| {
        let stride = layout.record_stride.filter(|stride| *stride > 0)?;
        let first_end = layout.begin.saturating_add(layout.len_bytes);
        Some(file_len_bytes.checked_sub(first_end).map_or(0, |rest| rest / stride + 1))
    };
    variables.iter().filter_map(whole_records).min().unwrap_or(0)
}

fn check_extent(layout: &VariableLayout, variable: &HeaderVariable, file_len_bytes: u64) -> Result<()> {
    if layout.is_unwritten || !layout.has_values() {
        return Ok(());
    }
    match layout.end() {
        Some(end) if end <= file_len_bytes => Ok(()),
        Some(end) => Err(Error::refused(format!(
            "the file is truncated: {} needs bytes up to {end}, the file has {file_len_bytes}",
            words(variable)
        ))),
        None => Err(Error::refused(format!(
            "the file is truncated: {} of shape {:?} would need more than 2^64 bytes, the file has {file_len_bytes}",
            words(variable),
            layout.shape
        ))),
    }
}

#[cfg(test)]
mod tests;
