//! The terms of a selection in one group.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use thermocline_model::Variable;
use thermocline_model::cf::{Horizontal, Scope, along};

use super::super::coordinate::Coordinate;
use super::super::grammar::{Pick, Slice};
use super::super::horizontal::{BoundingBox, Boxed, in_box};
use super::super::indices::Indices;
use super::super::mask::Mask;
use super::super::times::TimeAxis;
use super::super::{Selection, Target, Term};
use super::picks::{Along, in_positions, labelled, positions, ranged, sliced};
use super::variables::Chosen;
use super::{ResolvedAxis, ResolvedVariable, empty};
use crate::manifest::Manifest;
use crate::{Error, Result};

/// The variables that are selected of in one group, with what was looked up for them.
pub(super) struct InGroup<'m> {
    manifest: &'m Manifest,
    scope: Scope<'m>,
    pub(super) variables: Vec<&'m Chosen<'m>>,
    along: BTreeMap<String, Along>,
    masks: Vec<Arc<Mask>>,
    /// Latitudes and longitudes, if a box is selected.
    horizontals: Vec<&'m Variable>,
    boxed: HashMap<(*const Variable, *const Variable), Result<Boxed, String>>,
    /// True if one of the variables has latitudes and longitudes, when a box is selected.
    pub(super) has_horizontal: bool,
}

impl<'m> InGroup<'m> {
    /// The group at a path, with the variables that are selected of.
    pub(super) fn new(
        manifest: &'m Manifest,
        path: &str,
        variables: Vec<&'m Chosen<'m>>,
        selection: &Selection,
    ) -> Result<Self> {
        let scope = Scope::at(&manifest.dataset.root, path);
        let scope = scope.ok_or_else(|| Error::internal(format!("no group {path:?}")))?;
        let horizontals = match selection.bounding_box {
            Some(_) => Horizontal::candidates(&scope),
            None => Vec::new(),
        };
        let (along, masks, boxed) = (BTreeMap::new(), Vec::new(), HashMap::new());
        Ok(Self { manifest, scope, variables, along, masks, horizontals, boxed, has_horizontal: false })
    }

    /// The dimensions of its variables.
    pub(super) fn dims(&self) -> impl Iterator<Item = &'m str> + '_ {
        self.variables.iter().flat_map(|chosen| along(chosen.variable)).map(String::as_str)
    }

    fn len_of(&self, dim: &str) -> Option<u64> {
        let mut lens =
            self.variables.iter().flat_map(|chosen| chosen.variable.dims.iter().zip(&chosen.variable.shape));
        lens.find(|(name, _)| *name == dim).map(|(_, len)| *len)
    }

    /// Looks one term up; `false` if its name is not known here.
    pub(super) fn apply(&mut self, term: &Term) -> Result<bool> {
        let name = match &term.target {
            Target::Time if self.len_of("time").is_none() => self.time_dim()?.unwrap_or("time"),
            target => target.name(),
        };
        if let Some(len) = self.len_of(name) {
            let found = match self.scope.index_of(name) {
                Some(index) => self.in_index(name, len, index, &term.pick)?,
                None => in_positions(name, len, &term.pick)?,
            };
            self.restrict(name.to_owned(), found)?;
            return Ok(true);
        }
        let is_over = |variable: &&Variable| {
            let dims = along(variable);
            !dims.is_empty() && dims.iter().all(|dim| self.len_of(dim).is_some())
        };
        let Some(variable) = self.scope.variable(name).filter(is_over) else { return Ok(false) };
        if matches!(term.pick, Pick::Position(_) | Pick::Positions(_)) {
            let dims = along(variable).join(", ");
            return Err(Error::invalid_input(format!(
                "{name} is no dimension; positions are those of {dims}"
            )));
        }
        self.in_coordinate(variable, &term.pick)?;
        Ok(true)
    }

    /// The dimension of time of its variables, by its coordinate.
    fn time_dim(&self) -> Result<Option<&'m str>> {
        let mut dims: Vec<&'m str> =
            self.dims().filter(|dim| self.scope.index_of(dim).is_some_and(is_time)).collect();
        dims.sort_unstable();
        dims.dedup();
        match dims.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            several => Err(Error::invalid_input(format!(
                "several dimensions are times: {}; name one of them",
                several.join(", ")
            ))),
        }
    }

    fn in_index(&self, name: &str, len: u64, index: &Variable, pick: &Pick) -> Result<Along> {
        if let Some(found) = positions(name, len, pick)? {
            return Ok(found);
        }
        if let Pick::PathRange { lo, hi } = pick
            && (name == "time" || TimeAxis::is_time(&index.attrs))
            && let (Ok(start), Ok(stop)) = (lo.parse(), hi.parse())
        {
            return sliced(name, len, &Slice { start: Some(start), stop: Some(stop), step: 1 });
        }
        if along(index).len() != 1 || index.shape.first() != Some(&len) {
            let found = index.shape.first().copied().unwrap_or_default();
            return Err(Error::invalid_input(format!(
                "{name} has {found} labels and {len} positions; select by isel="
            )));
        }
        let coordinate = Coordinate::read(self.manifest, index)?;
        let (indices, is_single) = labelled(&coordinate, pick)?;
        Ok(Along::new(len, indices, is_single))
    }

    /// Selects by a coordinate that is no index.
    fn in_coordinate(&mut self, variable: &Variable, pick: &Pick) -> Result<()> {
        let coordinate = Coordinate::read(self.manifest, variable)?;
        match (coordinate.dims.as_slice(), coordinate.shape.as_slice()) {
            ([dim], [len]) => {
                let (indices, is_single) = labelled(&coordinate, pick)?;
                self.restrict(dim.clone(), Along::new(*len, indices, is_single))
            }
            (dims, shape) => {
                let cells = ranged(&coordinate, pick)?.ok_or_else(|| {
                    let dims = dims.join(", ");
                    Error::invalid_input(format!(
                        "{} has the dimensions {dims}: only a range of it can be selected, as {}=lo:hi",
                        coordinate.name, coordinate.name
                    ))
                })?;
                self.masks.push(Arc::new(Mask::new(dims.to_vec(), shape.to_vec(), &cells)));
                Ok(())
            }
        }
    }

    /// Takes what is found of a dimension together with what was found before.
    fn restrict(&mut self, dim: String, found: Along) -> Result<()> {
        let both = match self.along.get(&dim) {
            None => found,
            Some(before) if before.len == found.len => {
                let is_single = before.is_single || found.is_single;
                Along::new(found.len, before.indices.intersection(&found.indices), is_single)
            }
            Some(before) => {
                let (a, b) = (before.len, found.len);
                return Err(Error::invalid_input(format!(
                    "coordinates of {dim} have {a} and {b} labels; select by isel="
                )));
            }
        };
        self.along.insert(dim, both);
        Ok(())
    }

    /// What is selected of a variable.
    pub(super) fn resolved(&mut self, chosen: &Chosen<'m>, selection: &Selection) -> Result<Outcome> {
        let variable = chosen.variable;
        let mut masks = self.masks.clone();
        masks.retain(|mask| mask.dims().iter().all(|dim| variable.dims.contains(dim)));
        let mut touched: HashSet<&str> =
            masks.iter().flat_map(|mask| mask.dims()).map(String::as_str).collect();
        touched.extend(
            self.along.keys().map(String::as_str).filter(|dim| variable.dims.iter().any(|own| own == dim)),
        );
        let mut n_restricted = touched.len();
        let mut within = Vec::new();
        if let Some(bounding_box) = &selection.bounding_box
            && let Some(horizontal) = Horizontal::of(variable, &self.scope, &self.horizontals)
        {
            touched.extend(
                along(horizontal.latitude).iter().chain(along(horizontal.longitude)).map(String::as_str),
            );
            n_restricted = touched.len();
            self.has_horizontal = true;
            match self.in_box(bounding_box, &horizontal)? {
                Ok(Boxed::Dims(dims)) => within = dims,
                Ok(Boxed::Cells(mask)) => masks.push(mask),
                Err(outside) => {
                    return Ok(Outcome { n_restricted, resolved: Err(Error::invalid_input(outside)) });
                }
            }
        }
        let axes = variable.dims.iter().zip(&variable.shape).map(|(dim, len)| self.axis(dim, *len, &within));
        let axes = axes.collect::<Result<_>>()?;
        let resolved = ResolvedVariable { path: chosen.path.clone(), axes, masks: merged(masks) };
        let resolved = if resolved.is_empty_of_cells()? { Err(empty(&resolved)) } else { Ok(resolved) };
        Ok(Outcome { n_restricted, resolved })
    }

    /// What is selected along an axis, by its dimension and by what a box has `within`.
    fn axis(&self, dim: &str, len: u64, within: &[(String, u64, Arc<Indices>)]) -> Result<ResolvedAxis> {
        let along = self.along.get(dim);
        let within = within.iter().find(|(name, ..)| name == dim);
        let mut lens = along.map(|along| along.len).into_iter().chain(within.map(|(_, len, _)| *len));
        if let Some(other) = lens.find(|other| *other != len) {
            return Err(Error::invalid_input(format!(
                "{dim} has {len} positions and {other} in its coordinate; select by isel="
            )));
        }
        let indices = match (along, within) {
            (Some(along), Some((_, _, within))) => Some(Arc::new(along.indices.intersection(within))),
            (Some(along), None) => Some(Arc::clone(&along.indices)),
            (None, within) => within.map(|(_, _, within)| Arc::clone(within)),
        };
        let is_single = along.is_some_and(|along| along.is_single);
        Ok(ResolvedAxis { dim: dim.to_owned(), len, indices, is_single })
    }

    /// What a box selects of a grid; the inner error says where the grid lies, if that is nothing.
    fn in_box(&mut self, bounding_box: &BoundingBox, grid: &Horizontal<'m>) -> Result<Result<Boxed, String>> {
        let key = (std::ptr::from_ref(grid.latitude), std::ptr::from_ref(grid.longitude));
        if let Some(found) = self.boxed.get(&key) {
            return Ok(found.clone());
        }
        let latitude = Coordinate::read(self.manifest, grid.latitude)?;
        let longitude = Coordinate::read(self.manifest, grid.longitude)?;
        let with_attrs = (&longitude, &grid.longitude.attrs);
        let found = in_box(bounding_box, (&latitude, &grid.latitude.attrs), with_attrs)?;
        let found = found.ok_or_else(|| {
            format!("no cell lies in bbox={bounding_box}; {}, {}", latitude.extent(), longitude.extent())
        });
        self.boxed.insert(key, found.clone());
        Ok(found)
    }
}

/// What became of one variable.
pub(super) struct Outcome {
    /// How many of its dimensions the selection is about.
    pub(super) n_restricted: usize,
    /// What is selected of it; an error if that is nothing.
    pub(super) resolved: Result<ResolvedVariable>,
}

/// One mask for each grid.
fn merged(masks: Vec<Arc<Mask>>) -> Vec<Arc<Mask>> {
    let mut merged: Vec<Arc<Mask>> = Vec::new();
    for mask in masks {
        let both = merged.iter_mut().find_map(|other| Some((mask.intersection(other)?, other)));
        match both {
            Some((both, other)) => *other = Arc::new(both),
            None => merged.push(mask),
        }
    }
    merged
}

fn is_time(variable: &Variable) -> bool {
    TimeAxis::is_time(&variable.attrs)
        || variable.attrs.text("standard_name") == Some("time")
        || variable.attrs.text("axis") == Some("T")
}
