//! What will be computed: dimensions, type and cost of the result, from metadata and coordinates alone.

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Indices, Mask};
use thermocline_model::{DataType, Variable};

use crate::engine::Engine;
use crate::groups::Factor;
use crate::{Failure, Request};

/// The decoded type of the variable, as xarray has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// `f4`, half precision and small packed integers among them.
    Single,
    /// `f8`.
    Double,
    /// Signed integers of this many bytes, which cannot be missing.
    Int(u8),
    /// Unsigned integers of this many bytes, which cannot be missing.
    UInt(u8),
    /// Booleans.
    Bool,
    /// Instants: microseconds of the calendar of the variable's units.
    Time,
    /// Texts.
    Text,
}

/// An axis of the variable, and what becomes of it.
#[derive(Debug, Clone)]
pub struct ResultAxis {
    /// Name of the dimension.
    pub dim: String,
    /// Its whole length.
    pub len: u64,
    /// The selected positions; `None` for all.
    pub indices: Option<Arc<Indices>>,
    /// True if one label or position was named: the dimension is dropped, as by xarray's `sel` with a scalar.
    pub is_single: bool,
    /// True if it stays a dimension of the result (also of length 1 when not single); false for grouped and reduced ones.
    pub is_kept: bool,
}

impl ResultAxis {
    /// How many positions are selected along it.
    pub fn n_selected(&self) -> u64 {
        self.indices.as_ref().map_or(self.len, |indices| indices.len())
    }
}

/// A dimension of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultDim {
    /// That of an axis of the variable, by its number.
    Axis(usize),
    /// The groups of a factor, by its number.
    Group(usize),
    /// The quantiles, where there are several.
    Quantile,
}

/// What a request costs, before anything is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Stored bytes that are read from objects that are online, as often as they are read.
    pub read_bytes_online: u64,
    /// The same of objects that are not online.
    pub read_bytes_nearline: u64,
    /// Objects that have to be recalled first.
    pub n_recalls: u64,
    /// Size of the result's values.
    pub result_bytes: u64,
    /// How many groups the result has, of all factors together.
    pub groups: u64,
    /// Most memory that it takes while it is computed.
    pub memory_bytes: u64,
}

/// A diagnostic that can be computed: the request with everything looked up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The dataset.
    pub manifest: Arc<Manifest>,
    /// Path of the variable from the root.
    pub path: String,
    /// What was asked for.
    pub request: Request,
    /// The decoded type.
    pub source: Source,
    /// The axes of the variable in order.
    pub axes: Vec<ResultAxis>,
    /// Cells that are selected besides, over two or more axes each.
    pub masks: Vec<Arc<Mask>>,
    /// The groupers in order.
    pub factors: Vec<Factor>,
    /// Dimensions of the result in order.
    pub dims: Vec<ResultDim>,
    /// Lengths of these.
    pub shape: Vec<u64>,
    /// Type of the result's values, little-endian; times are `f8` or `i8` in the units of the source, texts [`DataType::String`].
    pub dtype: DataType,
    /// True if some cell of the result has no members and is NaN for that: listed groups, products, masks.
    pub has_empty: bool,
    /// Lengths of the chunks in which a lazy Zarr group offers the result.
    pub chunk_shape: Vec<u64>,
}

impl Engine {
    /// Looks a request up in a dataset. Reads metadata and coordinates that are kept with the index.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`] for variables and coordinates that do not exist; [`Failure::Mistake`] for what
    /// the dataset does not have; [`Failure::Impossible`] for actions that the values do not have.
    pub async fn plan(&self, _manifest: &Arc<Manifest>, _request: Request) -> Result<Plan, Failure> {
        Err(Failure::mistake("groupby is not planned yet"))
    }
}

impl Plan {
    /// The variable.
    pub fn variable(&self) -> Option<&Variable> {
        self.manifest.dataset.root.variable(&self.path)
    }

    /// Entity tag of the result without quotes: a hash of dataset revision, canonical request and version of the kernels.
    pub fn etag(&self) -> String {
        String::new()
    }

    /// The path of the result below the root of the server, percent-encoded:
    /// `/datasets/era5/groupby/tas/time.month/mean`.
    pub fn canonical_path(&self) -> String {
        format!("/datasets/{}/groupby/{}", self.manifest.id, self.request.canonical())
    }
}
