//! What of the source stays: coordinates that do not depend on a reduced dimension, their bounds, grid mappings and meshes.
//!
//! # Source
//! xarray's `decode_cf`: coordinates are those of dimensions and those that an attribute `coordinates` names, whichever
//! variable has it. Latitudes and longitudes that say so themselves are among them here.

use std::collections::HashSet;

use thermocline_core::{ErrorKind, Result};
use thermocline_model::cf::{Grid, Horizontal, NAMING_COORDINATES, Scope, along};
use thermocline_model::{Group, Variable};

use super::attributes;
use super::column::{Column, cut, variable};
use super::stored::stored;
use crate::Plan;
use crate::plan::{find, group_of};

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 256;

/// Bounds and meshes of all coordinates together are left out beyond this, in bytes.
const MAX_DESCRIBING_BYTES: u64 = 64 << 20;

/// What stays, without what `made` replaces.
pub(super) fn columns(plan: &Plan, source: &Variable, made: &[Column]) -> Result<Vec<Column>> {
    let staying = Staying { plan, source, root: &plan.manifest.dataset.root, group: group_of(&plan.path) };
    let mut taken: HashSet<String> = made.iter().map(|column| column.variable.name.clone()).collect();
    taken.extend(plan.dims.iter().map(|dim| plan.dim_name(dim).to_owned()).filter(|name| {
        // The coordinate of a dimension that stays is not taken by the groups.
        !plan.axes.iter().any(|axis| axis.dim == *name)
    }));
    taken.insert(source.name.clone());
    let mut columns: Vec<Column> = Vec::new();
    for (path, coordinate) in staying.coordinates() {
        if taken.insert(coordinate.name.clone())
            && let Some(column) = staying.column(&path, coordinate, Part::Coordinate)?
        {
            columns.push(column);
        }
    }
    let mut room = MAX_DESCRIBING_BYTES;
    for (path, describing, part) in staying.describing(&columns) {
        let size = describing.dtype.len_bytes().unwrap_or(16) as u64;
        let Some(left) = describing.n_elements().and_then(|n| room.checked_sub(n.checked_mul(size)?)) else {
            continue;
        };
        if taken.insert(describing.name.clone())
            && let Some(column) = staying.column(&path, describing, part)?
        {
            room = left;
            columns.push(column);
        }
    }
    let names: HashSet<String> =
        made.iter().chain(&columns).map(|column| column.variable.name.clone()).collect();
    for column in &mut columns {
        for attribute in ["bounds", "climatology"] {
            let is_gone = column.variable.attrs.text(attribute).is_some_and(|bounds| !names.contains(bounds));
            if is_gone {
                column.variable.attrs.remove(attribute);
            }
        }
    }
    Ok(columns)
}

/// What a variable that stays is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Coordinate,
    /// Bounds and grid mappings: decoded like coordinates.
    Describing,
    /// Numbers of nodes: as they are stored, for they are integers that may be missing.
    Connectivity,
}

struct Staying<'p> {
    plan: &'p Plan,
    source: &'p Variable,
    root: &'p Group,
    group: &'p str,
}

impl<'p> Staying<'p> {
    fn named(&self, name: &str) -> Option<(String, &'p Variable)> {
        find(self.root, self.group, name)
    }

    /// Coordinates of the source: those of its dimensions first.
    fn coordinates(&self) -> Vec<(String, &'p Variable)> {
        let dims = along(self.source);
        let mut found: Vec<(String, &Variable)> = Vec::new();
        let is_index =
            |(_, index): &(String, &Variable), dim: &String| matches!(along(index), [only] if only == dim);
        found.extend(dims.iter().filter_map(|dim| self.named(dim).filter(|index| is_index(index, dim))));
        let Some(scope) = Scope::at(self.root, self.group) else { return found };
        let of_group = self.root.group(self.group).and_then(|group| group.attrs.text("coordinates"));
        let texts = [self.source].into_iter().chain(scope.variables());
        let texts = texts.filter_map(|variable| variable.attrs.text("coordinates")).chain(of_group);
        for name in texts.flat_map(|text| text.split_whitespace().take(MAX_NAMES)) {
            found.extend(self.named(name));
        }
        let grid = Grid::of(self.source, &scope, &Horizontal::candidates(&scope));
        if let Some(degrees) = grid.degrees {
            found.extend(
                [degrees.latitude, degrees.longitude].iter().filter_map(|place| self.named(&place.name)),
            );
        }
        let mut seen = HashSet::new();
        found.retain(|(path, coordinate)| {
            along(coordinate).iter().all(|dim| dims.contains(dim)) && seen.insert(path.clone())
        });
        found
    }

    /// Bounds of coordinates, the grid mapping, the mesh with what it names.
    fn describing(&self, columns: &[Column]) -> Vec<(String, &'p Variable, Part)> {
        let mut found = Vec::new();
        for column in columns {
            for attribute in ["bounds", "climatology"] {
                let name = column.variable.attrs.text(attribute);
                if let Some((path, bounds)) = name.and_then(|name| self.named(name)) {
                    found.push((path, bounds, Part::Describing));
                }
            }
        }
        let mapping = self.source.attrs.text("grid_mapping").unwrap_or_default();
        for name in mapping.split_whitespace().take(MAX_NAMES) {
            if let Some((path, mapping)) = self.named(name.trim_end_matches(':'))
                && mapping.dims.is_empty()
            {
                found.push((path, mapping, Part::Describing));
            }
        }
        found.extend(self.mesh());
        found
    }

    /// The mesh of the source with what it names, if no dimension of these is reduced.
    fn mesh(&self) -> Vec<(String, &'p Variable, Part)> {
        let name = self.source.attrs.text("mesh").map(str::trim);
        let Some((path, mesh)) = name.and_then(|name| self.named(name)) else { return Vec::new() };
        let mut found = vec![(path, mesh, Part::Describing)];
        for attribute in NAMING_COORDINATES {
            let part =
                if attribute.ends_with("_connectivity") { Part::Connectivity } else { Part::Describing };
            let names = mesh.attrs.text(attribute).unwrap_or_default().split_whitespace().take(MAX_NAMES);
            found.extend(names.filter_map(|name| self.named(name)).map(|(path, named)| (path, named, part)));
        }
        if found.iter().all(|(_, variable, _)| self.does_stay(variable)) { found } else { Vec::new() }
    }

    /// True for variables that depend on no reduced dimension.
    fn does_stay(&self, variable: &Variable) -> bool {
        let is_anomaly = self.plan.request.options.anomaly;
        along(variable).iter().all(|dim| {
            let axis = self.plan.axes.iter().find(|axis| axis.dim == *dim);
            axis.is_none_or(|axis| axis.is_kept || axis.is_single || is_anomaly)
        })
    }

    /// A variable that stays with what is selected of it; `None` for one that goes, or that is not kept with the index.
    fn column(&self, path: &str, source: &Variable, part: Part) -> Result<Option<Column>> {
        if !self.does_stay(source) {
            return Ok(None);
        }
        let is_raw = part == Part::Connectivity;
        let attrs = if is_raw { source.attrs.clone() } else { attributes::decoded(&source.attrs) };
        let found = match stored(&self.plan.manifest, path, source, is_raw) {
            Ok(found) => found,
            // Whatever may be otherwise the next time is not left out: the same request gives the same result.
            Err(error) if !is_for_good(error.kind()) => return Err(error),
            Err(_) => return Ok(None),
        };
        let axis_of = |dim: &String| self.plan.axes.iter().find(|axis| axis.dim == *dim);
        let is_other = |(dim, len): (&String, &u64)| axis_of(dim).is_some_and(|axis| axis.len != *len);
        if found.dims.iter().zip(&found.shape).any(is_other) {
            return Ok(None);
        }
        let picks: Vec<Option<Vec<u64>>> = found
            .dims
            .iter()
            .map(|dim| {
                axis_of(dim).and_then(|axis| axis.indices.as_ref()).map(|indices| indices.iter().collect())
            })
            .collect();
        let size = found.dtype.len_bytes().unwrap_or(1);
        let values = cut(&found.values, size, &found.shape, &picks)?;
        let (mut dims, mut shape) = (Vec::new(), Vec::new());
        for ((dim, len), picks) in found.dims.iter().zip(&found.shape).zip(&picks) {
            if axis_of(dim).is_some_and(|axis| axis.is_single) {
                continue;
            }
            dims.push(dim.clone());
            shape.push(picks.as_ref().map_or(*len, |picks| picks.len() as u64));
        }
        let variable = variable(&source.name, dims, shape, found.dtype, attrs);
        Ok(Some(Column { variable, is_coordinate: part == Part::Coordinate, values }))
    }
}

/// True for a coordinate that is not kept with the index, or holds what has no labels: the result does without.
fn is_for_good(kind: ErrorKind) -> bool {
    use ErrorKind::{Corrupt, InvalidInput, TooLarge, Unsupported};
    matches!(kind, InvalidInput | TooLarge | Unsupported | Corrupt)
}
