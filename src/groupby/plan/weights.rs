//! What values are weighted by.
//!
//! | `weights` | made of |
//! |---|---|
//! | `coslat` | the cosine of the latitudes |
//! | `days_in_month` | the lengths of the months that the times lie in |
//! | `cellarea` | the variable that `cell_measures` names as `area`; without it, of latitudes and longitudes along a dimension each, the exact areas of their cells |
//! | a name | that variable |
//!
//! # Source
//! CF Conventions 1.11, sections 4.1, 4.2, 7.1 (bounds) and 7.2 (cell measures).

mod area;

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Labels, TimeAxis};
use thermocline_model::Variable;
use thermocline_model::cf::{Axis, DateTime, Grid, Horizontal, Scope, TimeUnits, along, is_in_radians};

use super::named::{find, group_of, shown};
use super::{coordinate, numbers};
use crate::{Failure, Request, Weights};

/// Most weights of a stored variable that are looked up while planning.
const MAX_KNOWN: u64 = 1 << 20;

/// Most degrees by which latitudes may lie beyond the poles for their rounding.
const BEYOND_POLES: f64 = 1e-3;

/// Weights along some axes of the variable. A value whose weight is NaN does not count.
#[derive(Debug, Clone)]
pub struct AxisWeights {
    /// The axes of the variable that they lie along, in the order of their own dimensions; at least one.
    pub axes: Vec<usize>,
    /// The weights over the whole lengths of these axes, in C order.
    pub values: WeightValues,
}

/// Where weights come from.
#[derive(Debug, Clone)]
pub enum WeightValues {
    /// Known from coordinates.
    Known(Arc<[f64]>),
    /// The variable at this path from the root, decoded.
    Stored(String),
}

/// The weights of a request: the product of all of these. Blocking: reads coordinates that are kept with the index.
///
/// # Errors
/// [`Failure::Mistake`] naming `weights` if the dataset does not have what they are made of.
pub(super) fn of(
    manifest: &Manifest,
    path: &str,
    variable: &Variable,
    request: &Request,
) -> Result<Vec<AxisWeights>, Failure> {
    let Some(weights) = &request.options.weights else { return Ok(Vec::new()) };
    let group = group_of(path);
    let scope = Scope::at(&manifest.dataset.root, group);
    let scope = scope.ok_or_else(|| wrong(format!("there is no group {group:?}")))?;
    let weighing = Weighing { manifest, group, variable, scope };
    match weights {
        Weights::CosLat => Ok(vec![weighing.cosines()?]),
        Weights::DaysInMonth => Ok(vec![weighing.days_in_month(request)?]),
        Weights::CellArea => weighing.areas(),
        Weights::Variable(name) => Ok(vec![weighing.named(name)?]),
    }
}

fn wrong(detail: impl std::fmt::Display) -> Failure {
    Failure::mistake_among(
        format!("weights: {detail}"),
        ["none", "coslat", "cellarea", "days_in_month", "the name of a variable"],
    )
}

struct Weighing<'w> {
    manifest: &'w Manifest,
    group: &'w str,
    variable: &'w Variable,
    scope: Scope<'w>,
}

impl<'w> Weighing<'w> {
    /// The axes of the variable that the dimensions of another are.
    fn axes(&self, other: &Variable) -> Result<Vec<usize>, Failure> {
        let dims = along(self.variable);
        let of = along(other);
        let axes: Option<Vec<usize>> =
            of.iter().map(|dim| dims.iter().position(|known| known == dim)).collect();
        let fits = |axes: &Vec<usize>| {
            let lens = axes.iter().zip(&other.shape);
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            !axes.is_empty()
                && sorted.len() == axes.len()
                && lens.into_iter().all(|(axis, len)| self.variable.shape.get(*axis) == Some(len))
        };
        axes.filter(fits).ok_or_else(|| {
            wrong(format!(
                "{:?} lies along {of:?}, which are not dimensions of {:?}: {dims:?}",
                shown(&other.name),
                self.variable.name
            ))
        })
    }

    fn path_of(&self, other: &Variable) -> Result<String, Failure> {
        let found = find(&self.manifest.dataset.root, self.group, &other.name);
        found.map(|(path, _)| path).ok_or_else(|| wrong(format!("there is no {:?}", shown(&other.name))))
    }

    /// Coordinates that `coordinates` names, then those of the dimensions.
    fn coordinates(&self) -> Vec<&'w Variable> {
        let text = self.variable.attrs.text("coordinates").unwrap_or_default();
        let named = text.split_whitespace().take(256).filter_map(|name| self.scope.named(name));
        let of_dims = along(self.variable).iter().filter_map(|dim| self.scope.index_of(dim));
        named.chain(of_dims).collect()
    }

    /// The degrees of a latitude or longitude; NaN where they are missing.
    fn degrees(&self, place: &Variable) -> Result<Vec<f64>, Failure> {
        let read = numbers(self.manifest, &self.path_of(place)?, place)?;
        let degrees = numbers_of(&read.labels);
        let degrees = degrees.ok_or_else(|| wrong(format!("{:?} holds no numbers", place.name)))?;
        if !is_in_radians(&place.name, &place.attrs) {
            return Ok(degrees);
        }
        Ok(degrees.into_iter().map(f64::to_degrees).collect())
    }

    fn latitudes(&self, latitude: &Variable) -> Result<Vec<f64>, Failure> {
        let degrees = self.degrees(latitude)?;
        if degrees.iter().any(|degrees| degrees.abs() > 90.0 + BEYOND_POLES) {
            return Err(wrong(format!("{:?} reaches beyond the poles", latitude.name)));
        }
        Ok(degrees)
    }

    fn cosines(&self) -> Result<AxisWeights, Failure> {
        let latitude = self.latitude().ok_or_else(|| {
            wrong(format!(
                "coslat needs latitudes along the dimensions of {:?}, which has none",
                self.variable.name
            ))
        })?;
        let axes = self.axes(latitude)?;
        let cosines = self.latitudes(latitude)?.into_iter().map(|degrees| degrees.to_radians().cos());
        Ok(AxisWeights { axes, values: WeightValues::Known(cosines.collect()) })
    }

    /// The surest latitude along dimensions of the variable.
    fn latitude(&self) -> Option<&'w Variable> {
        let others = Horizontal::candidates(&self.scope);
        let of_grid = Horizontal::of(self.variable, &self.scope, &others).map(|degrees| degrees.latitude);
        let candidates = of_grid.into_iter().chain(self.coordinates()).chain(others);
        let known = candidates
            .filter(|candidate| self.axes(candidate).is_ok())
            .filter_map(|candidate| Axis::Latitude.evidence(candidate).map(|evidence| (evidence, candidate)));
        known.min_by_key(|(evidence, _)| *evidence).map(|(_, latitude)| latitude)
    }

    fn days_in_month(&self, request: &Request) -> Result<AxisWeights, Failure> {
        let by = request.groupers.iter().filter_map(|grouper| self.scope.named(&grouper.coordinate));
        let is_time = |candidate: &&Variable| {
            matches!(TimeUnits::of(&candidate.attrs), Some(Ok(_))) && self.axes(candidate).is_ok()
        };
        let time = by.chain(self.coordinates()).find(is_time).ok_or_else(|| {
            wrong(format!(
                "days_in_month needs times along a dimension of {:?}, which has none",
                self.variable.name
            ))
        })?;
        let read = coordinate(self.manifest, &self.path_of(time)?, time)?;
        let Labels::Times { ticks, axis } = &read.labels else {
            return Err(wrong(format!("{:?} holds no times", time.name)));
        };
        let days = |ticks: &i64| match DateTime::from_ticks(axis.calendar(), *ticks) {
            Ok(date) if *ticks != TimeAxis::MISSING => f64::from(date.days_in_month()),
            _ => f64::NAN,
        };
        let days = ticks.iter().map(days).collect();
        Ok(AxisWeights { axes: self.axes(time)?, values: WeightValues::Known(days) })
    }

    fn areas(&self) -> Result<Vec<AxisWeights>, Failure> {
        let measures = self.variable.attrs.text("cell_measures").unwrap_or_default();
        let mut words = measures.split_whitespace().take(64).skip_while(|word| *word != "area:").skip(1);
        if let Some(area) = words.next().filter(|name| self.scope.named(name).is_some()) {
            return Ok(vec![self.named(area)?]);
        }
        let grid = Grid::of(self.variable, &self.scope, &Horizontal::candidates(&self.scope));
        let degrees = grid.degrees.filter(|_| !grid.is_mesh);
        let regular = degrees.filter(|degrees| {
            degrees.latitude.dims.len() == 1
                && degrees.longitude.dims.len() == 1
                && degrees.latitude.dims != degrees.longitude.dims
        });
        let Horizontal { latitude, longitude } = regular.ok_or_else(|| {
            wrong(format!(
                "cellarea needs an area in cell_measures, or latitudes and longitudes along a dimension each; {:?} has \
                 neither",
                self.variable.name
            ))
        })?;
        let bands = area::bands(&latitude.name, &self.latitudes(latitude)?, self.bounds(latitude)?)?;
        let widths = area::widths(&longitude.name, &self.degrees(longitude)?, self.bounds(longitude)?)?;
        let along_axes = |place, values: Vec<f64>| {
            Ok(AxisWeights { axes: self.axes(place)?, values: WeightValues::Known(values.into()) })
        };
        [along_axes(latitude, bands), along_axes(longitude, widths)].into_iter().collect()
    }

    /// The two ends of each cell along a coordinate in degrees; `None` if it has no bounds.
    fn bounds(&self, place: &Variable) -> Result<Option<Vec<[f64; 2]>>, Failure> {
        let named = place.attrs.text("bounds").and_then(|name| self.scope.named(name.trim()));
        let Some(bounds) = named.filter(|bounds| bounds.shape.len() == 2) else { return Ok(None) };
        if bounds.shape.first() != place.shape.first() || bounds.shape.get(1) != Some(&2) {
            return Ok(None);
        }
        let read = numbers(self.manifest, &self.path_of(bounds)?, bounds)?;
        let Some(ends) = numbers_of(&read.labels) else { return Ok(None) };
        // Bounds without units have those of what they bound.
        let factor = if is_in_radians(&place.name, &place.attrs) { 1.0_f64.to_degrees() } else { 1.0 };
        let (pairs, _) = ends.as_chunks::<2>();
        Ok(Some(pairs.iter().map(|[low, high]| [low * factor, high * factor]).collect()))
    }

    fn named(&self, name: &str) -> Result<AxisWeights, Failure> {
        let found = find(&self.manifest.dataset.root, self.group, name);
        let (path, weights) =
            found.ok_or_else(|| wrong(format!("there is no variable {:?}", shown(name))))?;
        if !weights.dtype.is_number() || TimeUnits::of(&weights.attrs).is_some() {
            return Err(wrong(format!("{:?} holds no numbers to weight by", shown(name))));
        }
        let axes = self.axes(weights)?;
        let is_small = weights.n_elements().is_some_and(|n| n <= MAX_KNOWN);
        let known = if is_small { numbers(self.manifest, &path, weights).ok() } else { None };
        let known = known.and_then(|read| numbers_of(&read.labels));
        let values = known.map_or(WeightValues::Stored(path), |known| WeightValues::Known(known.into()));
        Ok(AxisWeights { axes, values })
    }
}

fn numbers_of(labels: &Labels) -> Option<Vec<f64>> {
    match labels {
        Labels::Floats { values, .. } => Some(values.clone()),
        Labels::Integers { values, above } => {
            Some(values.iter().map(|value| (i128::from(*value) + above) as f64).collect())
        }
        Labels::Times { .. } | Labels::Texts(_) => None,
    }
}
