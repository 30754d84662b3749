//! Looking a selection up in the coordinates of a dataset.

mod variables;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use thermocline_model::Variable;

use super::coordinate::Coordinate;
use super::grammar::{Method, Pick, Slice};
use super::horizontal::{Boxed, Horizontal, in_box};
use super::indices::Indices;
use super::labels::{Named, UpperEnd};
use super::mask::Mask;
use super::scope::{Scope, along};
use super::times::TimeAxis;
use super::{Selection, Target, Term};
use crate::manifest::{Manifest, blocking};
use crate::{Error, Result};

use variables::{Chosen, choose};

/// A selection as positions in the variables of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The variables that are selected of, with what of them is selected.
    pub variables: Vec<ResolvedVariable>,
}

/// What is selected of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedVariable {
    /// Path of the variable.
    pub path: String,
    /// Its axes in order.
    pub axes: Vec<ResolvedAxis>,
    /// Cells that are selected besides, over two or more of its axes each.
    pub masks: Vec<Arc<Mask>>,
}

/// What is selected along an axis of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedAxis {
    /// Name of the dimension.
    pub dim: String,
    /// Length of the dimension.
    pub len: u64,
    /// The positions; `None` if the selection does not name the dimension, which is to say all of them.
    pub indices: Option<Arc<Indices>>,
    /// True if one label or position was named, which drops the dimension as xarray does.
    pub is_single: bool,
}

/// Looks a selection up in the coordinates of a dataset; `variables` are names or paths in the selected group, none
/// of them means all of it.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] for names, values and positions that the dataset does not have, naming those that it
/// has, and for a selection that is empty; [`crate::ErrorKind::NotFound`] for a variable that does not exist.
pub async fn resolve(
    manifest: &Arc<Manifest>,
    selection: &Selection,
    variables: &[String],
) -> Result<Resolved> {
    let (manifest, selection, variables) = (Arc::clone(manifest), selection.clone(), variables.to_vec());
    blocking(move || resolve_blocking(&manifest, &selection, &variables)).await
}

/// The same as [`resolve`]. Blocking.
pub(super) fn resolve_blocking(
    manifest: &Manifest,
    selection: &Selection,
    variables: &[String],
) -> Result<Resolved> {
    let chosen = choose(manifest, selection, variables)?;
    let mut groups = Vec::new();
    for group in chosen.groups() {
        groups.push(InGroup::new(manifest, group, &chosen)?);
    }
    for term in &selection.terms {
        let mut is_known = false;
        for group in &mut groups {
            is_known |= group.apply(term)?;
        }
        if !is_known {
            return Err(unknown(term.target.name(), &groups));
        }
    }
    let mut resolved = Vec::new();
    let mut left_out = None;
    for group in &mut groups {
        for variable in group.variables.clone() {
            match group.resolved(variable, selection)? {
                Ok(variable) => resolved.push(variable),
                Err(empty) if chosen.are_named() => return Err(empty),
                Err(empty) => left_out = left_out.or(Some(empty)),
            }
        }
    }
    if selection.bounding_box.is_some() && !groups.iter().any(|group| group.has_horizontal) {
        return Err(Error::invalid_input(
            "bbox: no selected variable has latitudes and longitudes; select by its dimensions",
        ));
    }
    match left_out {
        Some(empty) if resolved.is_empty() => Err(empty),
        _ => Ok(Resolved { variables: resolved }),
    }
}

fn unknown(name: &str, groups: &[InGroup<'_>]) -> Error {
    let mut names: Vec<&str> = groups.iter().flat_map(InGroup::dims).collect();
    names.sort_unstable();
    names.dedup();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::invalid_input(format!(
        "no selected variable has a dimension or coordinate {name:?}; dimensions are {names}"
    ))
}

/// Positions along a dimension.
#[derive(Debug, Clone)]
struct Along {
    len: u64,
    indices: Indices,
    is_single: bool,
}

/// The variables that are selected of in one group, with what was looked up for them.
struct InGroup<'m> {
    manifest: &'m Manifest,
    scope: Scope<'m>,
    variables: Vec<&'m Chosen<'m>>,
    along: BTreeMap<String, Along>,
    masks: Vec<Arc<Mask>>,
    boxed: HashMap<(*const Variable, *const Variable), Option<Boxed>>,
    has_horizontal: bool,
}

impl<'m> InGroup<'m> {
    fn new(
        manifest: &'m Manifest,
        path: &'m str,
        chosen: &'m variables::ChosenVariables<'m>,
    ) -> Result<Self> {
        let scope = Scope::at(&manifest.dataset.root, path);
        let scope = scope.ok_or_else(|| Error::internal(format!("no group {path:?}")))?;
        let variables = chosen.in_group(path).collect();
        let (along, masks, boxed) = (BTreeMap::new(), Vec::new(), HashMap::new());
        Ok(Self { manifest, scope, variables, along, masks, boxed, has_horizontal: false })
    }

    /// The dimensions of its variables.
    fn dims(&self) -> impl Iterator<Item = &'m str> + '_ {
        self.variables.iter().flat_map(|chosen| along(chosen.variable)).map(String::as_str)
    }

    fn len_of(&self, dim: &str) -> Option<u64> {
        let mut lens =
            self.variables.iter().flat_map(|chosen| chosen.variable.dims.iter().zip(&chosen.variable.shape));
        lens.find(|(name, _)| *name == dim).map(|(_, len)| *len)
    }

    /// Looks one term up; `false` if its name is not known here.
    fn apply(&mut self, term: &Term) -> Result<bool> {
        let name = match &term.target {
            Target::Time if self.len_of("time").is_none() => self.time_dim()?,
            target => Some(target.name()),
        };
        let Some(name) = name else { return Ok(false) };
        if let Some(len) = self.len_of(name) {
            let found = match self.scope.index_of(name) {
                Some(index) => self.in_index(name, len, index, &term.pick)?,
                None => in_positions(name, len, &term.pick)?,
            };
            self.restrict(name.to_owned(), found)?;
            return Ok(true);
        }
        let is_over = |variable: &&Variable| {
            variable.name == name
                && !along(variable).is_empty()
                && along(variable).iter().all(|dim| self.len_of(dim).is_some())
        };
        let coordinate = self.scope.variables().find(is_over);
        let Some(variable) = coordinate else { return Ok(false) };
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
            && (name == "time" || TimeAxis::of(&index.attrs).is_some())
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
        Ok(Along { len, indices, is_single })
    }

    /// Selects by a coordinate that is no index.
    fn in_coordinate(&mut self, variable: &Variable, pick: &Pick) -> Result<()> {
        let coordinate = Coordinate::read(self.manifest, variable)?;
        match (coordinate.dims.as_slice(), coordinate.shape.as_slice()) {
            ([dim], [len]) => {
                let (indices, is_single) = labelled(&coordinate, pick)?;
                self.restrict(dim.clone(), Along { len: *len, indices, is_single })
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
            Some(before) if before.len == found.len => Along {
                len: found.len,
                indices: before.indices.intersection(&found.indices),
                is_single: before.is_single || found.is_single,
            },
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

    /// What is selected of a variable; the inner error if that is nothing.
    fn resolved(&mut self, chosen: &Chosen<'m>, selection: &Selection) -> Result<Result<ResolvedVariable>> {
        let variable = chosen.variable;
        let mut masks = self.masks.clone();
        let mut boxed = Vec::new();
        if let Some(bounding_box) = &selection.bounding_box
            && let Some(horizontal) = Horizontal::of(variable, &self.scope)
        {
            self.has_horizontal = true;
            match self.in_box(bounding_box, &horizontal)? {
                Some(Boxed::Dims(dims)) => boxed = dims,
                Some(Boxed::Cells(mask)) => masks.push(Arc::new(mask)),
                None => return Ok(Err(self.outside(bounding_box, &horizontal)?)),
            }
        }
        let mut axes = Vec::new();
        for (dim, len) in variable.dims.iter().zip(&variable.shape) {
            let along = self.along.get(dim);
            let within = boxed.iter().find(|(name, ..)| name == dim);
            let lens = along.map(|along| along.len).into_iter().chain(within.map(|(_, len, _)| *len));
            if let Some(other) = lens.into_iter().find(|other| other != len) {
                return Err(Error::invalid_input(format!(
                    "{dim} has {len} positions in {:?} and {other} in its coordinate; select by isel=",
                    variable.name
                )));
            }
            let indices = match (along, within) {
                (Some(along), Some((_, _, within))) => Some(along.indices.intersection(within)),
                (Some(along), None) => Some(along.indices.clone()),
                (None, within) => within.map(|(_, _, within)| within.clone()),
            };
            let is_single = along.is_some_and(|along| along.is_single);
            axes.push(ResolvedAxis {
                dim: dim.clone(),
                len: *len,
                indices: indices.map(Arc::new),
                is_single,
            });
        }
        masks.retain(|mask| mask.dims().iter().all(|dim| variable.dims.contains(dim)));
        let masks = merged(masks);
        let resolved = ResolvedVariable { path: chosen.path.clone(), axes, masks };
        Ok(if resolved.is_empty_of_cells()? { Err(empty(&resolved)) } else { Ok(resolved) })
    }

    fn in_box(
        &mut self,
        bounding_box: &super::BoundingBox,
        horizontal: &Horizontal<'m>,
    ) -> Result<Option<Boxed>> {
        let key = (std::ptr::from_ref(horizontal.latitude), std::ptr::from_ref(horizontal.longitude));
        if let Some(found) = self.boxed.get(&key) {
            return Ok(found.clone());
        }
        let latitude = Coordinate::read(self.manifest, horizontal.latitude)?;
        let longitude = Coordinate::read(self.manifest, horizontal.longitude)?;
        let latitude = (&latitude, &horizontal.latitude.attrs);
        let found = in_box(bounding_box, latitude, (&longitude, &horizontal.longitude.attrs))?;
        self.boxed.insert(key, found.clone());
        Ok(found)
    }

    fn outside(&self, bounding_box: &super::BoundingBox, horizontal: &Horizontal<'m>) -> Result<Error> {
        let latitude = Coordinate::read(self.manifest, horizontal.latitude)?.extent();
        let longitude = Coordinate::read(self.manifest, horizontal.longitude)?.extent();
        Ok(Error::invalid_input(format!("no cell lies in bbox={bounding_box}; {latitude}, {longitude}")))
    }
}

impl ResolvedVariable {
    /// Refuses masks of other lengths than the variable has; true if no cell is selected, though there are some.
    fn is_empty_of_cells(&self) -> Result<bool> {
        if self
            .axes
            .iter()
            .any(|axis| axis.len > 0 && axis.indices.as_ref().is_some_and(|indices| indices.is_empty()))
        {
            return Ok(true);
        }
        for mask in &self.masks {
            let axes: Vec<&ResolvedAxis> = mask.dims().iter().filter_map(|dim| self.axis(dim)).collect();
            if axes.iter().zip(mask.shape()).any(|(axis, len)| axis.len != *len) {
                return Err(Error::invalid_input(format!(
                    "the coordinates of {:?} have the shape {:?}, which is not its own; select by isel=",
                    self.path,
                    mask.shape()
                )));
            }
            let chosen: Vec<Option<&Indices>> = axes.iter().map(|axis| axis.indices.as_deref()).collect();
            if !mask.meets(&chosen) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The axis of a dimension.
    pub fn axis(&self, dim: &str) -> Option<&ResolvedAxis> {
        self.axes.iter().find(|axis| axis.dim == dim)
    }
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

fn empty(variable: &ResolvedVariable) -> Error {
    let shape: Vec<String> = variable.axes.iter().map(|axis| format!("{} {}", axis.dim, axis.len)).collect();
    let shape = shape.join(", ");
    Error::invalid_input(format!(
        "nothing of {:?} is in all parts of the selection; it has {shape}",
        variable.path
    ))
}

fn is_time(variable: &Variable) -> bool {
    TimeAxis::of(&variable.attrs).is_some()
        || variable.attrs.text("standard_name") == Some("time")
        || variable.attrs.text("axis") == Some("T")
}

/// What a pick of positions takes of `len`; `None` for labels.
fn positions(name: &str, len: u64, pick: &Pick) -> Result<Option<Along>> {
    match pick {
        Pick::Position(position) => one(name, len, *position).map(Some),
        Pick::Positions(slice) => sliced(name, len, slice).map(Some),
        _ => Ok(None),
    }
}

fn one(name: &str, len: u64, position: i64) -> Result<Along> {
    let found = if position < 0 {
        len.checked_sub(position.unsigned_abs())
    } else {
        Some(position.unsigned_abs()).filter(|position| *position < len)
    };
    let found = found.ok_or_else(|| {
        Error::invalid_input(format!(
            "{name} has no position {position}; it has {len}, from 0, or from -1 at its end"
        ))
    })?;
    Ok(Along { len, indices: Indices::one(found), is_single: true })
}

/// Python's `slice.indices`.
fn sliced(name: &str, len: u64, slice: &Slice) -> Result<Along> {
    let n = i128::from(len);
    let step = i128::from(slice.step);
    let (lower, upper) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let bound = |position: i64| {
        let position = i128::from(position);
        if position < 0 { (position + n).max(lower) } else { position.min(upper) }
    };
    let first = slice.start.map_or(if step > 0 { lower } else { upper }, bound);
    let stop = slice.stop.map_or(if step > 0 { upper } else { lower }, bound);
    let span = if step > 0 { stop - first } else { first - stop };
    let count = if span > 0 { (span - 1) / step.abs() + 1 } else { 0 };
    let last = first + (count - 1) * step;
    let numbers = (u64::try_from(first.min(last)), u64::try_from(count), u64::try_from(step.abs()));
    let indices = match numbers {
        (Ok(start), Ok(count), Ok(distance)) if count > 0 => Indices::strided(start, count, distance),
        _ => {
            return Err(Error::invalid_input(format!(
                "the selected positions of {name} are none; it has {len}, from 0, or from -1 at its end"
            )));
        }
    };
    let indices = if step < 0 { indices.reversed() } else { indices };
    Ok(Along { len, indices, is_single: false })
}

/// Selects along a dimension without labels: its labels are its positions, as xarray has it.
fn in_positions(name: &str, len: u64, pick: &Pick) -> Result<Along> {
    if let Some(found) = positions(name, len, pick)? {
        return Ok(found);
    }
    let no_labels =
        || Error::invalid_input(format!("{name} has no labels, only {len} positions: write isel={name}=i:j"));
    match pick {
        Pick::PathRange { lo, hi } => {
            let (start, stop) = (lo.parse().map_err(|_| no_labels())?, hi.parse().map_err(|_| no_labels())?);
            sliced(name, len, &Slice { start: Some(start), stop: Some(stop), step: 1 })
        }
        Pick::Text(label) | Pick::Label { label, method: Method::Exact, .. } => {
            one(name, len, label.parse().map_err(|_| no_labels())?)
        }
        _ => Err(no_labels()),
    }
}

/// The positions that labels name, and whether one label was named.
fn labelled(coordinate: &Coordinate, pick: &Pick) -> Result<(Indices, bool)> {
    if let Some(found) = ranged(coordinate, pick)? {
        return Ok((found, false));
    }
    let (text, method, tolerance) = match pick {
        Pick::Text(label) => (label, Method::Exact, None),
        Pick::Label { label, method, tolerance } => (label, *method, *tolerance),
        _ => return Err(Error::internal("a range was not taken as one")),
    };
    let label = coordinate.whole_label(text)?;
    let found = match method {
        Method::Exact => coordinate.exactly(text, &label)?,
        _ => coordinate.near(text, &label, method, tolerance)?,
    };
    let is_single = found.len() == 1;
    Ok((found, is_single))
}

/// The positions that a range of labels has; `None` for a pick that is no range.
fn ranged(coordinate: &Coordinate, pick: &Pick) -> Result<Option<Indices>> {
    let label = |text: &String| coordinate.whole_label(text);
    match pick {
        Pick::Range { lo, hi } => {
            let (lo, hi) = (lo.as_ref().map(label).transpose()?, hi.as_ref().map(label).transpose()?);
            coordinate.between(lo.as_ref(), hi.as_ref(), UpperEnd::Included).map(Some)
        }
        Pick::PathRange { lo, hi } => {
            let found = coordinate.between(Some(&label(lo)?), Some(&label(hi)?), UpperEnd::Excluded);
            found.map(Some)
        }
        Pick::Text(text) => match coordinate.named(text)? {
            Named::Range(lo, hi) => {
                coordinate.between(lo.as_ref(), hi.as_ref(), UpperEnd::Included).map(Some)
            }
            Named::Label(_) => Ok(None),
        },
        Pick::Position(_) | Pick::Positions(_) | Pick::Label { .. } => Ok(None),
    }
}
