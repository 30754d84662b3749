//! What the axes of a variable stand for.

use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_model::cf::{Axis, Horizontal, Scope};
use thermocline_model::{DataType, Variable};

use super::{Found, Placement, scope_of};

/// What an axis of a variable stands for: which position is drawn by default, and how a section lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AxisRole {
    /// Time; the last step is drawn unless another one is asked for.
    Time,
    /// Height, depth, pressure, levels.
    Vertical,
    /// Rows of the map.
    Row,
    /// Columns of the map.
    Column,
    /// All cells of a map of one dimension.
    Cells,
    /// Anything else.
    Other,
}

impl AxisRole {
    /// True for an axis of the map.
    pub fn is_horizontal(self) -> bool {
        matches!(self, Self::Row | Self::Column | Self::Cells)
    }
}

/// What each axis of a variable stands for, in their order.
///
/// # Errors
/// Those of [`Placement::of`].
pub fn axis_roles(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Vec<AxisRole>> {
    let scope = scope_of(&manifest.dataset.root, path)?;
    let found = Found::of(variable, &scope, &Horizontal::candidates(&scope));
    let placement = found.map(|found| found.placement(&manifest.dataset.root, variable));
    Ok(roles_within(variable, &scope, placement.as_ref()))
}

/// What a dimension of a variable measures: time or the vertical by its coordinate or one along it alone that the variable
/// names, else what its coordinate measures.
pub(crate) fn axis_of(variable: &Variable, scope: &Scope<'_>, dim: &str) -> Option<Axis> {
    let mut first = [Axis::Time, Axis::Vertical].into_iter();
    let found = first.find(|axis| measures(variable, scope, dim, *axis));
    found.or_else(|| Axis::of(scope.index_of(dim)?))
}

pub(super) fn roles_within(
    variable: &Variable,
    scope: &Scope<'_>,
    placement: Option<&Placement>,
) -> Vec<AxisRole> {
    let role = |(axis, dim): (usize, &String)| {
        // The dimension of a trajectory is both: its places are along time.
        match placement {
            Some(map) if map.row_axis == Some(axis) => AxisRole::Row,
            Some(map) if map.column_axis == axis && map.row_axis.is_some() => AxisRole::Column,
            Some(map) if map.column_axis == axis => AxisRole::Cells,
            _ => match axis_of(variable, scope, dim) {
                Some(Axis::Time) => AxisRole::Time,
                Some(Axis::Vertical) => AxisRole::Vertical,
                _ => AxisRole::Other,
            },
        }
    };
    variable.dims.iter().enumerate().map(role).collect()
}

/// True if the coordinate of a dimension, or one along it alone that the variable names, measures an axis. Dimensions
/// without any coordinate go by their own name.
fn measures(variable: &Variable, scope: &Scope<'_>, dim: &str, axis: Axis) -> bool {
    let is_axis = |coordinate: &Variable| axis.evidence(coordinate).is_some();
    if let Some(index) = scope.index_of(dim) {
        return Axis::of(index) == Some(axis) || is_axis(index);
    }
    let names = variable.attrs.text("coordinates").unwrap_or_default().split_whitespace().take(256);
    let mut named =
        names.filter_map(|name| scope.named(name)).filter(|named| *named.dims == [dim.to_owned()]);
    if named.any(is_axis) {
        return true;
    }
    let bare = dim.to_ascii_lowercase();
    match axis {
        Axis::Time => bare == "time" || is_text_time(scope, dim),
        _ => matches!(
            bare.as_str(),
            "lev" | "level" | "plev" | "depth" | "height" | "bottom_top" | "bottom_top_stag"
        ),
    }
}

/// True for a dimension whose steps are texts of dates, as `Times` of WRF.
fn is_text_time(scope: &Scope<'_>, dim: &str) -> bool {
    let times = scope.variable("Times");
    times.is_some_and(|times| {
        times.dtype == DataType::Char && times.dims.first().is_some_and(|first| first == dim)
    })
}
