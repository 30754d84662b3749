//! Coarse levels: of a variable that a dataset has in several resolutions, the one whose cells are about as large as the
//! pixels.
//!
//! Such a pyramid is a group without the variable whose subgroups `0`, `1`, … each have it, over the same dimensions and
//! with ever fewer or ever more cells. Whoever names the level, as `group=0`, gets the level; the plot of the group that
//! holds them gets the one that fits, and its canonical form names it.
//!
//! # Source
//! The layout of ndpyramid and of multiscale Zarr groups.

use thermocline_core::manifest::Manifest;
use thermocline_core::select::Selection;
use thermocline_model::{Group, Variable};

use super::variables::path_of;
use crate::{Options, Request};

/// Pixels of a picture without a size.
const USUAL_PIXELS: [f64; 2] = [1000.0, 500.0];

/// Square degrees of the whole map.
const GLOBE: f64 = 360.0 * 180.0;

/// True if a group has a variable of that name or path, or several levels of one: what plots can be asked for.
pub fn has_variable(group: &Group, name: &str) -> bool {
    group.variable(name).is_some() || level(group, name, 1.0).is_some()
}

/// The request of the level that fits its picture; `None` where there is nothing to choose.
pub(super) fn at_level(manifest: &Manifest, request: &Request) -> Option<Request> {
    let root = &manifest.dataset.root;
    let (group, name) = (request.group(), request.variable.as_str());
    if name.contains('/') || root.variable(&path_of(group, name)).is_some() {
        return None;
    }
    let level = level(root.group(group)?, name, pixels(&request.options))?;
    let path = if group.is_empty() { level } else { format!("{group}/{level}") };
    let (mut selecting, mut selection) = (vec![("group".to_owned(), path)], Selection::new());
    selecting.extend(request.selecting.iter().filter(|(name, _)| name != "group").cloned());
    for (name, value) in &selecting {
        let outcome = if name == "path" { selection.path(value) } else { selection.query(name, value) };
        outcome.ok()?;
    }
    Some(Request { selection, selecting, ..request.clone() })
}

/// Pixels over the whole map at the scale of the picture: a region shows more of them.
fn pixels(options: &Options) -> f64 {
    let [usual_width, usual_height] = USUAL_PIXELS;
    let width = options.width.map_or(usual_width, f64::from);
    let height = options.height.map_or(usual_height * width / usual_width, f64::from);
    let shown = options.extent.map_or(1.0, |[west, east, south, north]| {
        let turns = if east < west { 360.0 } else { 0.0 };
        ((east - west + turns) * (north - south) / GLOBE).clamp(f64::MIN_POSITIVE, 1.0)
    });
    width * height / shown
}

/// The level with the fewest cells that has one for each pixel, else the one with the most.
fn level(pyramid: &Group, name: &str, pixels: f64) -> Option<String> {
    let mut levels: Vec<(u64, &Group, &Variable)> = Vec::new();
    for group in &pyramid.groups {
        let number = group.name.parse().ok().filter(|number: &u64| number.to_string() == group.name);
        let variable = group.variables.iter().find(|variable| variable.name == name);
        if let (Some(number), Some(variable)) = (number, variable) {
            levels.push((number, group, variable));
        }
    }
    levels.sort_by_key(|(number, ..)| *number);
    let cells: Vec<f64> = levels.iter().map(|(_, _, variable)| n_cells(variable)).collect();
    let (_, _, first) = levels.first()?;
    let is_pyramid = levels.len() > 1
        && levels.iter().zip(0..).all(|((number, ..), expected)| *number == expected)
        && levels.iter().all(|(_, _, variable)| variable.dims == first.dims)
        && (cells.is_sorted_by(|a, b| a < b) || cells.is_sorted_by(|a, b| a > b));
    if !is_pyramid {
        return None;
    }
    let by_cells = |a: &(f64, &Group), b: &(f64, &Group)| a.0.total_cmp(&b.0);
    let all = || cells.iter().copied().zip(levels.iter().map(|(_, group, _)| *group));
    // Of the dimensions only two are drawn; the others are as long on every level.
    let others = others(&levels.iter().map(|(_, _, variable)| *variable).collect::<Vec<_>>());
    let enough = all().filter(|(cells, _)| cells / others >= pixels).min_by(by_cells);
    enough.or_else(|| all().max_by(by_cells)).map(|(_, group)| group.name.clone())
}

fn n_cells(variable: &Variable) -> f64 {
    variable.shape.iter().map(|len| *len as f64).product()
}

/// The product of the lengths that all levels share.
fn others(levels: &[&Variable]) -> f64 {
    let Some((first, rest)) = levels.split_first() else { return 1.0 };
    let shared = first.shape.iter().enumerate();
    let shared = shared.filter(|(axis, len)| rest.iter().all(|level| level.shape.get(*axis) == Some(*len)));
    shared.map(|(_, len)| (*len).max(1) as f64).product()
}

#[cfg(test)]
mod tests {
    use thermocline_model::{Attributes, DataType, Storage, Verification};

    use super::*;

    fn group(name: &str, shape: [u64; 3]) -> Group {
        let variable = Variable {
            name: "tas".into(),
            dims: ["time", "y", "x"].map(str::to_owned).to_vec(),
            shape: shape.to_vec(),
            dtype: DataType::Bool,
            fill: None,
            attrs: Attributes::new(),
            storage: Storage {
                chunk_shape: shape.to_vec(),
                served_chunk_shape: shape.to_vec(),
                encodings: Vec::new(),
                table: 0,
                source_path: name.to_owned(),
            },
            verification: Verification::Unverified { reason: "made by hand".into() },
        };
        Group { name: name.to_owned(), variables: vec![variable], ..Group::default() }
    }

    fn pyramid(levels: &[(&str, [u64; 3])]) -> Group {
        Group { groups: levels.iter().map(|(name, shape)| group(name, *shape)).collect(), ..Group::default() }
    }

    #[test]
    fn the_coarsest_level_with_a_cell_for_each_pixel_is_drawn() {
        let finest_first = pyramid(&[("0", [12, 1800, 3600]), ("1", [12, 900, 1800]), ("2", [12, 450, 900])]);
        let finest_last = pyramid(&[("0", [12, 450, 900]), ("1", [12, 900, 1800]), ("2", [12, 1800, 3600])]);
        for (pixels, first, last) in
            [(100.0, "2", "0"), (900.0 * 450.0, "2", "0"), (900.0 * 451.0, "1", "1"), (1e9, "0", "2")]
        {
            assert_eq!(level(&finest_first, "tas", pixels).as_deref(), Some(first), "{pixels} pixels");
            assert_eq!(level(&finest_last, "tas", pixels).as_deref(), Some(last), "{pixels} pixels");
        }
    }

    #[test]
    fn groups_that_are_no_levels_are_not_chosen_from() {
        for levels in [
            vec![("0", [12, 90, 180])],
            vec![("ocean", [12, 90, 180]), ("land", [12, 45, 90])],
            vec![("0", [12, 90, 180]), ("2", [12, 45, 90])],
            vec![("0", [12, 90, 180]), ("1", [12, 90, 180])],
            vec![("0", [12, 90, 180]), ("01", [12, 45, 90])],
        ] {
            assert_eq!(level(&pyramid(&levels), "tas", 1e4), None, "{levels:?}");
        }
        assert_eq!(level(&pyramid(&[("0", [1, 2, 2]), ("1", [1, 1, 1])]), "pr", 1e4), None);
    }

    #[test]
    fn a_region_needs_a_finer_level_than_the_globe() {
        let globe = Options { width: Some(360), height: Some(180), ..Options::default() };
        let region = Options { extent: Some([170.0, -172.0, 0.0, 18.0]), ..globe.clone() };
        assert_eq!(pixels(&globe), 360.0 * 180.0);
        assert!((pixels(&region) / (200.0 * 360.0 * 180.0) - 1.0).abs() < 1e-9);
    }
}
