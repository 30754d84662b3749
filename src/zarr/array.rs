//! One array of a view.

use serde_json::Value;
use thermocline_core::read::{AbsentChunk, ChunkForm};
use thermocline_model::{ByteOrder, ChunkGrid, DataType, Dataset, Group, StringPadding, Variable};

use crate::View;
use crate::codecs::{derived_codecs, is_expressible, without_checksum};
use crate::fill::Fill;

/// Where a variable stands in the tree of its dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Numbers of the groups on the way, outermost first.
    pub(crate) groups: Vec<usize>,
    /// Number of the variable in the last of them.
    pub(crate) variable: usize,
}

/// How a variable appears in a view.
#[derive(Debug, Clone, PartialEq)]
pub struct ZarrArray {
    /// Path below the root group, without a leading slash.
    pub path: String,
    /// Names of the axes.
    pub dims: Vec<String>,
    /// The grid of chunks, in the view's shape.
    pub grid: ChunkGrid,
    /// How chunks are to be read.
    pub form: ChunkForm,
    /// True if characters were joined along their last axis.
    pub is_joined: bool,
    pub(crate) fill: Fill,
    pub(crate) position: Position,
}

impl ZarrArray {
    /// How `variable` of `group` appears in `view`; `None` if it cannot.
    pub(crate) fn new(
        view: View,
        path: String,
        group: &Group,
        variable: &Variable,
        position: Position,
    ) -> Option<Self> {
        let dtype = wire_type(view, &variable.dtype)?;
        let is_joined = dtype == DataType::String && has_text_axis(group, variable);
        let n_axes = variable.shape.len() - usize::from(is_joined);
        let served = variable.storage.served_chunk_shape.get(..n_axes)?.to_vec();
        let grid = ChunkGrid::new(variable.shape.get(..n_axes)?.to_vec(), served.clone())?;
        let fill = Fill::new(view, variable, &dtype);
        let codecs = stored_codecs(view, variable, &dtype, &grid).unwrap_or_else(|| derived_codecs(&dtype));
        let form = ChunkForm { dtype, chunk_shape: served, codecs, absent: fill.absent };
        let dims = variable.dims.get(..n_axes)?.to_vec();
        Some(Self { path, dims, grid, form, is_joined, fill, position })
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[u64] {
        self.grid.shape()
    }

    /// The variable in the dataset that the array was made from.
    pub fn variable<'a>(&self, dataset: &'a Dataset) -> Option<&'a Variable> {
        group_at(&dataset.root, &self.position.groups)?.variables.get(self.position.variable)
    }

    /// True if the array document's `fill_value` says what absent chunks hold.
    pub fn has_absent_chunks(&self) -> bool {
        self.form.absent == AbsentChunk::Absent
    }

    /// The `fill_value` of the array document.
    pub fn fill_value(&self) -> &Value {
        &self.fill.value
    }
}

/// The group that a list of numbers leads to.
pub(crate) fn group_at<'a>(root: &'a Group, groups: &[usize]) -> Option<&'a Group> {
    groups.iter().try_fold(root, |group, number| group.groups.get(*number))
}

/// True for characters whose last axis is nothing but the length of texts: no variable of the group that
/// is no text has it, and none has it elsewhere than last. The rule by which xarray joins characters.
fn has_text_axis(group: &Group, variable: &Variable) -> bool {
    let Some(axis) = variable.dims.last().filter(|_| variable.dtype == DataType::Char) else { return false };
    group.variables.iter().filter(|other| other.dims.contains(axis)).all(|other| {
        let is_text = matches!(other.dtype, DataType::Char | DataType::FixedString { .. });
        is_text && other.dims.last() == Some(axis)
    })
}

/// Type of the elements in the view; `None` for what the view has no type for.
fn wire_type(view: View, dtype: &DataType) -> Option<DataType> {
    Some(match dtype {
        DataType::Compound { .. } => return None,
        DataType::Char if view.is_v2() => DataType::Char,
        // NumPy's `S` is padded with NULs; texts with another padding are cleaned.
        DataType::FixedString { len, utf8: false, .. } if view.is_v2() && *len > 0 => {
            DataType::FixedString { len: *len, padding: StringPadding::NullPadded, utf8: false }
        }
        dtype if dtype.is_text() => DataType::String,
        dtype => dtype.clone(),
    })
}

/// The declared chain, if stored chunks can be sent as they are.
fn stored_codecs(
    view: View,
    variable: &Variable,
    dtype: &DataType,
    grid: &ChunkGrid,
) -> Option<Vec<thermocline_model::Codec>> {
    let declared = variable.storage.encodings.first()?;
    let is_whole = variable.storage.served_chunk_shape == variable.storage.chunk_shape;
    if !is_whole || *dtype != variable.dtype || declared.dtype != variable.dtype {
        return None;
    }
    let n_bytes = dtype.len_bytes().and_then(|size| grid.chunk_len()?.checked_mul(size as u64));
    let codecs = without_checksum(&declared.codecs);
    is_expressible(view, codecs, dtype, n_bytes).then(|| codecs.to_vec())
}

/// The `dtype` of a format 2 document: numpy's type string, `<f4`, `|S4`, `|O`.
pub fn v2_dtype(dtype: &DataType) -> String {
    let order = match dtype.byte_order() {
        Some(ByteOrder::Little) => '<',
        Some(ByteOrder::Big) => '>',
        None => '|',
    };
    match dtype {
        DataType::Bool => "|b1".to_owned(),
        DataType::Int { size, .. } => format!("{order}i{size}"),
        DataType::UInt { size, .. } => format!("{order}u{size}"),
        DataType::Float { size, .. } => format!("{order}f{size}"),
        DataType::Char => "|S1".to_owned(),
        DataType::FixedString { len, .. } => format!("|S{len}"),
        DataType::String => "|O".to_owned(),
        DataType::Compound { size, .. } => format!("|V{size}"),
    }
}

/// The `data_type` of a format 3 document.
pub(crate) fn v3_data_type(dtype: &DataType) -> String {
    match dtype {
        DataType::Bool => "bool".to_owned(),
        DataType::Int { size, .. } => format!("int{}", u32::from(*size) * 8),
        DataType::UInt { size, .. } => format!("uint{}", u32::from(*size) * 8),
        DataType::Float { size, .. } => format!("float{}", u32::from(*size) * 8),
        DataType::Char | DataType::FixedString { .. } | DataType::String => "string".to_owned(),
        DataType::Compound { size, .. } => format!("r{}", size * 8),
    }
}
