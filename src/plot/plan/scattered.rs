//! Which places are single ones: stations, profiles, trajectories. Nothing is known between them.

use thermocline_core::manifest::Manifest;
use thermocline_model::Variable;
use thermocline_model::cf::{Axis, Scope, along};

use super::variables::group_of;
use crate::{Placement, Places};

/// Fewest centres that are taken for those of a grid.
const FEWEST_OF_GRID: u64 = 1000;

/// Attributes of a dataset that say that it has features at places (CF 1.11, section 9, and its predecessor).
const FEATURES: [&str; 2] = ["featureType", "cdm_data_type"];

/// True if filling the space between places would invent values: the dataset says that they are features, or times or
/// names of features go with them, or they are few.
pub(super) fn is_scattered(
    manifest: &Manifest,
    path: &str,
    variable: &Variable,
    placement: &Placement,
) -> bool {
    let axis = placement.column_axis;
    let (Some(dim), Some(len)) = (along(variable).get(axis), variable.shape.get(axis)) else { return false };
    if placement.places != Places::Centres {
        return false;
    }
    let root = &manifest.dataset.root;
    let is_feature = |name: &&str| {
        let text = root.attrs.text(name).unwrap_or_default().trim();
        !text.is_empty() && !text.eq_ignore_ascii_case("grid")
    };
    // The nodes of a mesh are few in a small one, and known to be its corners.
    let is_few = *len < FEWEST_OF_GRID && variable.attrs.text("mesh").is_none();
    if is_few || FEATURES.iter().any(is_feature) {
        return true;
    }
    let group = group_of(path);
    let Some(scope) = Scope::at(root, group) else { return false };
    let goes_along = |other: &&Variable| matches!(along(other), [only] if only == dim);
    scope
        .variables()
        .filter(goes_along)
        .any(|other| other.attrs.text("cf_role").is_some() || Axis::of(other) == Some(Axis::Time))
}
