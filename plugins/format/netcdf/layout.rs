//! Where the values of each variable lie, computed from shapes alone.
//!
//! # Specification
//! "The NetCDF Classic Format Specification", "Computing File Offsets" and "Note on vsize".

use thermocline_core::{Error, Result};

use crate::header::{Header, HeaderVariable};

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
    /// header, or the file ends before its data.
    pub(crate) fn new(header: &Header, file_len_bytes: u64) -> Result<Self> {
        let mut variables = Vec::new();
        for variable in &header.variables {
            variables.push(one_record(header, variable)?);
        }
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
            check_extent(layout, variable, file_len_bytes)?;
        }
        Ok(Self { n_records, variables })
    }
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
    Ok(VariableLayout { shape, begin: variable.begin, len_bytes, record_stride: is_record.then_some(0) })
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
    let has_values = layout.shape.iter().all(|axis| *axis > 0);
    match layout.end() {
        Some(end) if end <= file_len_bytes || !has_values => Ok(()),
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
