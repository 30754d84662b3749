//! What will be computed: dimensions, type and cost of the result, from metadata and coordinates alone.
//!
//! | Module | |
//! |---|---|
//! | [`named`] | the variable, and the names that the request selects by |
//! | [`source`] | its decoded type, and the type of the result |
//! | [`axes`] | what becomes of its axes, and the dimensions of the result |
//! | [`members`] | how few members a cell of the result has |
//! | [`weights`] | what the values are weighted by |
//! | [`chunks`] | the chunks of the lazy result |
//! | [`kept`] | coordinates that were read, kept with the dataset |

mod axes;
mod chunks;
mod kept;
mod members;
mod named;
mod source;
mod weights;

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thermocline_core::Error;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::select::{Indices, Mask, Resolved, resolve};
use thermocline_model::cf::TimeUnits;
use thermocline_model::{DataType, Variable};

use crate::engine::{Engine, EngineSettings};
use crate::groups::{Factor, GroupLabels, factors};
use crate::{Action, Failure, Request};

pub(crate) use kept::{coordinate, numbers, raw};
pub(crate) use named::{find, group_of};
pub use weights::{AxisWeights, WeightValues};

/// Counted up whenever the same request gives other bytes.
const RESULT_VERSION: u32 = 2;

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
    /// What the values are weighted by: the product of these, one weight for each value; none without weights.
    pub weights: Vec<AxisWeights>,
    /// Units and calendar of the result where its values are times.
    pub time_units: Option<TimeUnits>,
}

impl Engine {
    /// Looks a request up in a dataset. Reads metadata and coordinates that are kept with the index.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`] for variables and coordinates that do not exist; [`Failure::Mistake`] for what
    /// the dataset does not have; [`Failure::Impossible`] for actions that the values do not have; [`Failure::TooLarge`] for
    /// more groups than [`EngineSettings::max_groups`].
    pub async fn plan(&self, manifest: &Arc<Manifest>, request: Request) -> Result<Plan, Failure> {
        let path = named::variable(manifest, request.group(), &request.variable)?;
        named::check_selecting(manifest, &request, &path)?;
        // Names are looked up from the root, whatever group is selected.
        let resolved = resolve(manifest, &request.selection, &[format!("/{path}")]).await;
        let resolved = resolved.map_err(Failure::of_selection)?;
        let (manifest, settings) = (Arc::clone(manifest), self.settings.clone());
        // Labels are kept with the index, in a file: reading them blocks.
        blocking(move || Ok(planned(manifest, path, request, &resolved, &settings))).await?
    }
}

fn planned(
    manifest: Arc<Manifest>,
    path: String,
    request: Request,
    resolved: &Resolved,
    settings: &EngineSettings,
) -> Result<Plan, Failure> {
    let gone = || Error::internal(format!("variable {path:?} of the plan is gone"));
    let variable = manifest.dataset.root.variable(&path).ok_or_else(gone)?;
    let selected = resolved.variables.first().ok_or_else(gone)?;
    let source = Source::of(variable)?;
    source.check(&request, &path)?;
    let mut axes = axes::of(variable, selected)?;
    let factors = factors(&manifest, &path, &request, resolved, settings.max_groups)?;
    axes::reduce(&mut axes, &factors, &request)?;
    check_groups(&axes, &factors, &request, settings)?;
    let masks = selected.masks.clone();
    let (dims, shape) = axes::result_dims(&axes, &factors, &request)?;
    check_name(&variable.name, &factors, &request)?;
    check_quantile(&axes, &dims, &factors, &request)?;
    let least = source.least_members(&request);
    let has_empty = members::fewest(&axes, &factors, &masks, least)? < least;
    let dtype = source.result(&request, has_empty);
    let weights = weights::of(&manifest, &path, variable, &request)?;
    let time_units = source.time_units(variable).filter(|_| request.action != Action::Count);
    let mut plan = Plan {
        request,
        source,
        axes,
        masks,
        factors,
        dims,
        shape,
        dtype,
        has_empty,
        chunk_shape: Vec::new(),
        weights,
        time_units,
        path,
        manifest: Arc::clone(&manifest),
    };
    plan.chunk_shape = chunks::shape_of(&plan, variable, settings.max_chunk_bytes);
    Ok(plan)
}

/// Refuses more groups than may be, and none at all.
fn check_groups(
    axes: &[ResultAxis],
    factors: &[Factor],
    request: &Request,
    settings: &EngineSettings,
) -> Result<(), Failure> {
    if let Some(none) = factors.iter().find(|factor| factor.n_groups() == 0) {
        return Err(Failure::mistake(format!(
            "no selected position has a label of {:?}, so there are no groups",
            none.coordinate
        )));
    }
    let groups = n_groups(factors);
    if groups <= settings.max_groups {
        return Ok(());
    }
    let kept = axes.iter().filter(|axis| axis.is_kept).map(ResultAxis::n_selected);
    let n_cells = kept.fold(groups, u64::saturating_mul);
    let estimate = Estimate { groups, result_bytes: n_cells.saturating_mul(8), ..Estimate::default() };
    Err(Failure::TooLarge {
        detail: format!(
            "{} has {groups} groups, more than {}; select less of it, or group by a coarser label",
            request.grouper_text(),
            settings.max_groups
        ),
        estimate: Box::new(estimate),
    })
}

/// Refuses a variable of the name that a coordinate of its result has.
fn check_name(name: &str, factors: &[Factor], request: &Request) -> Result<(), Failure> {
    let is_made = |factor: &Factor| {
        let has_bounds = matches!(factor.labels, GroupLabels::Intervals { .. });
        factor.name == name
            || (has_bounds && name.strip_suffix("_bnds").is_some_and(|bounded| factor.name == bounded))
    };
    let is_quantile = !request.options.q.is_empty() && name == axes::QUANTILE;
    if is_quantile || factors.iter().any(is_made) {
        return Err(Failure::mistake(format!(
            "variable {name:?} cannot be grouped by {}: a coordinate of the result has its name",
            request.grouper_text()
        )));
    }
    Ok(())
}

/// Refuses a dimension of the name that the coordinate of quantiles has.
fn check_quantile(
    axes: &[ResultAxis],
    dims: &[ResultDim],
    factors: &[Factor],
    request: &Request,
) -> Result<(), Failure> {
    let is_quantile = |dim: &ResultDim| match dim {
        ResultDim::Axis(axis) => axes.get(*axis).is_some_and(|axis| axis.dim == axes::QUANTILE),
        ResultDim::Group(factor) => factors.get(*factor).is_some_and(|factor| factor.name == axes::QUANTILE),
        ResultDim::Quantile => false,
    };
    if request.options.q.is_empty() || !dims.iter().any(is_quantile) {
        return Ok(());
    }
    Err(Failure::mistake(format!(
        "the result of {:?} would have a dimension and a coordinate {:?} that are not the same",
        request.grouper_text(),
        axes::QUANTILE
    )))
}

fn n_groups(factors: &[Factor]) -> u64 {
    factors.iter().fold(1, |n, factor| n.saturating_mul(factor.n_groups() as u64))
}

impl Plan {
    /// The variable.
    pub fn variable(&self) -> Option<&Variable> {
        self.manifest.dataset.root.variable(&self.path)
    }

    /// How many groups the result has, of all factors together.
    pub fn n_groups(&self) -> u64 {
        n_groups(&self.factors)
    }

    /// How many cells the result has; saturates.
    pub fn n_cells(&self) -> u64 {
        self.shape.iter().fold(1, |n, len| n.saturating_mul(*len))
    }

    /// Size of the result's values in bytes; texts count as 16 each. Saturates.
    pub fn result_bytes(&self) -> u64 {
        self.n_cells().saturating_mul(self.dtype.len_bytes().unwrap_or(16) as u64)
    }

    /// Name of a dimension of the result.
    pub fn dim_name(&self, dim: &ResultDim) -> &str {
        match dim {
            ResultDim::Axis(axis) => self.axes.get(*axis).map_or("", |axis| &axis.dim),
            ResultDim::Group(factor) => self.factors.get(*factor).map_or("", |factor| &factor.name),
            ResultDim::Quantile => axes::QUANTILE,
        }
    }

    /// Entity tag of the result without quotes: a hash of dataset revision, canonical request and version of the kernels.
    pub fn etag(&self) -> String {
        let mut hash = Sha256::new();
        let version = RESULT_VERSION.to_string();
        let id = self.manifest.id.to_string();
        for text in [&id, &self.manifest.revision.0, &self.path, &self.request.canonical(), &version] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let digest = hash.finalize();
        digest.iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The path of the result below the root of the server, percent-encoded:
    /// `/datasets/era5/groupby/tas/time.month/mean`.
    pub fn canonical_path(&self) -> String {
        format!("/datasets/{}/groupby/{}", self.manifest.id, self.request.canonical())
    }
}

#[cfg(test)]
mod tests;
