//! The dimensions of a variable: what they measure, and their labels.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Coordinate, Labels, TimeAxis};
use thermocline_model::Variable;
use thermocline_model::cf::{Axis, DateTime, Scope, along};
use thermocline_render::text::typeset_units;

use crate::placement::axis_of;

/// Most labels of a coordinate that are kept with the manifest between plots.
const MAX_KEPT_LABELS: usize = 1 << 20;

/// Most significant digits of a number in a text.
const N_DIGITS: i32 = 7;

/// A dimension of the plotted variable.
#[derive(Debug, Clone)]
pub struct Dim {
    /// Its name.
    pub name: String,
    /// Its length.
    pub len: u64,
    /// What it measures, if known.
    pub axis: Option<Axis>,
    /// Its labels; `None` if it has none, or none that are kept with the index.
    pub coordinate: Option<Arc<Coordinate>>,
    /// Names of the features along it (CF `cf_role`), of a dimension without labels.
    pub names: Option<Arc<Coordinate>>,
    /// Name for people, of the coordinate.
    pub long_name: Option<String>,
    /// Units of the labels as the file writes them; none of times.
    pub units: Option<String>,
    /// True for depths and pressures, whose axes run downwards.
    pub is_downwards: bool,
}

/// Coordinates that were read, kept with the manifest.
#[derive(Default)]
struct Kept(Mutex<HashMap<String, Arc<Coordinate>>>);

impl Dim {
    /// The dimensions of a variable of a group. Blocking: reads coordinates, which are kept with the index.
    pub(crate) fn of_variable(manifest: &Manifest, group: &str, variable: &Variable) -> Vec<Self> {
        let scope = Scope::at(&manifest.dataset.root, group);
        let lens = variable.shape.iter();
        let dims = along(variable).iter().zip(lens);
        let axis = |name: &str| axis_of(variable, scope.as_ref()?, name);
        dims.map(|(name, len)| Self { axis: axis(name), ..Self::of(manifest, scope.as_ref(), name, *len) })
            .collect()
    }

    fn of(manifest: &Manifest, scope: Option<&Scope<'_>>, name: &str, len: u64) -> Self {
        let found = scope.and_then(|scope| {
            let index = scope.index_of(name)?;
            Some((index, format!("{}/{name}", scope.group_of_dim(name))))
        });
        let nameless = Self {
            name: name.to_owned(),
            len,
            axis: None,
            coordinate: None,
            names: None,
            long_name: None,
            units: None,
            is_downwards: false,
        };
        let Some((index, path)) = found else {
            return Self { names: scope.and_then(|scope| feature_names(manifest, scope, name)), ..nameless };
        };
        let coordinate =
            kept(manifest, &path, index).filter(|coordinate| coordinate.labels.len() as u64 == len);
        let is_time = coordinate.as_ref().is_some_and(|found| matches!(found.labels, Labels::Times { .. }));
        let text =
            |attribute: &str| index.attrs.text(attribute).map(str::trim).filter(|text| !text.is_empty());
        let long_name =
            text("long_name").or_else(|| text("standard_name")).map(|name| name.replace('_', " "));
        Self {
            coordinate,
            long_name,
            units: text("units").filter(|_| !is_time).map(str::to_owned),
            is_downwards: is_downwards(index),
            ..nameless
        }
    }

    /// The label of a position as people read it: a date, a number with its units, a text; the position itself without
    /// labels.
    pub fn text(&self, position: u64) -> String {
        let label = self.label(position);
        if let Some(text) = self.degrees(&label).or_else(|| self.name_at(position)) {
            return text;
        }
        match self.told_units() {
            // Months are counted from the first of a year: 7 is July.
            Some(units) if label.is_number && units == "month" => format!("month {}", label.text),
            Some(units) if label.is_number => format!("{} {units}", label.text),
            _ if self.has_dates() => spaced(&label.text),
            _ => label.text,
        }
    }

    /// True if the labels of positions need no name: dates, degrees, numbers with units of an axis.
    pub(super) fn speaks_for_itself(&self, position: u64) -> bool {
        let is_number = self.label(position).is_number;
        self.has_dates() || is_number && self.axis.is_some() && self.told_units().is_some()
    }

    /// Units that say more than the name of the dimension does.
    fn told_units(&self) -> Option<String> {
        let units = self.units.as_deref()?.trim().to_ascii_lowercase();
        let name = self.name.to_ascii_lowercase();
        let is_count = matches!(units.trim_end_matches('s'), "level" | "layer" | "count" | "index" | "1");
        let is_name = units.trim_end_matches('s') == name.trim_end_matches('s');
        let units = self.units.as_deref().map(typeset_units).filter(|units| !units.is_empty());
        let is_month = units.as_deref() == Some("month");
        units.filter(|_| !is_count && (!is_name || is_month))
    }

    fn has_dates(&self) -> bool {
        self.coordinate.as_ref().is_some_and(|found| matches!(found.labels, Labels::Times { .. }))
    }

    /// The name of the feature at a position, of a dimension without labels of its own.
    fn name_at(&self, position: u64) -> Option<String> {
        let at = usize::try_from(position).ok()?;
        match &self.names.as_ref()?.labels {
            Labels::Texts(texts) => {
                texts.get(at).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
            }
            _ => None,
        }
    }

    /// The label of a position as a query writes it: `isel`'s position without labels.
    pub fn value(&self, position: u64) -> String {
        self.label(position).text
    }

    /// Degrees of latitude and longitude as people write them: `45.5°N`, `100°W`.
    fn degrees(&self, label: &Label) -> Option<String> {
        let is_degrees =
            self.units.as_deref().is_some_and(|units| units.to_ascii_lowercase().starts_with("degree"));
        let value = label.text.parse::<f64>().ok().filter(|value| value.is_finite() && label.is_number)?;
        let (value, [positive, negative]) = match self.axis {
            Some(Axis::Latitude) if is_degrees => (value, ["N", "S"]),
            // Turning by whole turns must not lengthen the number.
            Some(Axis::Longitude) if is_degrees && (180.0..=540.0).contains(&value) => {
                (value - 360.0, ["E", "W"])
            }
            Some(Axis::Longitude) if is_degrees => (value, ["E", "W"]),
            _ => return None,
        };
        let side = match value {
            _ if value == 0.0 || (self.axis == Some(Axis::Longitude) && value.abs() == 180.0) => "",
            _ if value < 0.0 => negative,
            _ => positive,
        };
        let size = (value.abs() * 1e6).round() / 1e6;
        Some(format!("{size}°{side}"))
    }

    fn label(&self, position: u64) -> Label {
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        let found = self.coordinate.as_ref().and_then(|coordinate| label_at(&coordinate.labels, at));
        found.unwrap_or_else(|| Label { text: position.to_string(), is_number: false })
    }

    /// The labels as numbers, in the order of the dimension; `None` of texts and without labels. Times are microseconds
    /// of their calendar.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match &self.coordinate.as_ref()?.labels {
            Labels::Floats { values, .. } => Some(values.clone()),
            Labels::Integers { values, above } => {
                Some(values.iter().map(|value| (i128::from(*value) + above) as f64).collect())
            }
            Labels::Times { ticks, .. } => {
                let number = |tick: &i64| if *tick == TimeAxis::MISSING { f64::NAN } else { *tick as f64 };
                Some(ticks.iter().map(number).collect())
            }
            Labels::Texts(_) => None,
        }
    }

    /// True for a dimension of time.
    pub fn is_time(&self) -> bool {
        self.axis == Some(Axis::Time)
    }

    /// True for latitudes, longitudes and the axes of a plane.
    pub fn is_horizontal(&self) -> bool {
        matches!(self.axis, Some(Axis::Latitude | Axis::Longitude | Axis::ProjectedX | Axis::ProjectedY))
    }

    /// Name and units for an axis of a figure.
    pub fn title(&self) -> String {
        let name = self.long_name.clone().unwrap_or_else(|| self.name.replace('_', " "));
        match self.units.as_deref().map(typeset_units).filter(|units| !units.is_empty()) {
            Some(units) => format!("{name} [{units}]"),
            None => name,
        }
    }
}

struct Label {
    text: String,
    is_number: bool,
}

fn label_at(labels: &Labels, at: usize) -> Option<Label> {
    let number = |text: String| Label { text, is_number: true };
    match labels {
        Labels::Floats { values, is_single } => {
            let value = *values.get(at)?;
            // Labels that are kept with 32 bits have no digits beyond.
            let text = if *is_single { format!("{}", value as f32) } else { short(value) };
            Some(number(text))
        }
        Labels::Integers { values, above } => {
            Some(number((i128::from(*values.get(at)?) + above).to_string()))
        }
        Labels::Times { ticks, axis } => {
            let instant = DateTime::from_ticks(axis.calendar(), *ticks.get(at)?).ok()?;
            Some(Label { text: date_text(&instant), is_number: false })
        }
        Labels::Texts(texts) => texts.get(at).map(|text| Label { text: text.clone(), is_number: false }),
    }
}

/// A number without the digits that come from its binary form, if it is one of few digits at all.
fn short(value: f64) -> String {
    let digits = format!("{value}");
    if digits.len() <= 2 * N_DIGITS as usize {
        return digits;
    }
    let rounded = format!("{value:.*e}", N_DIGITS as usize).parse::<f64>().unwrap_or(value);
    format!("{rounded}")
}

/// A date without what of it is zero.
fn date_text(instant: &DateTime) -> String {
    let text = instant.to_string();
    text.strip_suffix("T00:00:00").map(str::to_owned).unwrap_or(text)
}

/// A date and time with a space between them, without seconds that are zero.
fn spaced(text: &str) -> String {
    let Some((date, time)) = text.split_once('T') else { return text.to_owned() };
    let time = match time.strip_suffix(":00") {
        Some(short) if time.len() == "00:00:00".len() => short,
        _ => time,
    };
    format!("{date} {time}")
}

/// True for an axis that runs downwards: it says so, or it is a pressure.
fn is_downwards(index: &Variable) -> bool {
    match index.attrs.text("positive") {
        Some(positive) => positive.eq_ignore_ascii_case("down"),
        None => {
            let standard_name = index.attrs.text("standard_name").unwrap_or_default();
            let units = index.attrs.text("units").unwrap_or_default().trim();
            let is_pressure = matches!(units, "Pa" | "hPa" | "mbar" | "millibar" | "bar" | "dbar");
            Axis::of(index) == Some(Axis::Vertical) && (is_pressure || standard_name == "depth")
        }
    }
}

/// The names of the features along a dimension: texts along it alone that say `cf_role`.
fn feature_names(manifest: &Manifest, scope: &Scope<'_>, dim: &str) -> Option<Arc<Coordinate>> {
    let mut named = scope.variables().filter(|variable| variable.attrs.text("cf_role").is_some());
    let names = named.find(|variable| matches!(along(variable), [only] if only == dim))?;
    let path = format!("{}/{}", scope.group_of_dim(dim), names.name);
    kept(manifest, &path, names).filter(|found| matches!(found.labels, Labels::Texts(_)))
}

fn kept(manifest: &Manifest, path: &str, index: &Variable) -> Option<Arc<Coordinate>> {
    let kept = manifest.derived(|_| Kept::default());
    if let Some(found) = kept.0.lock().get(path) {
        return Some(Arc::clone(found));
    }
    // What cannot be read has no labels for people; selecting by it is refused where it is resolved.
    let coordinate = Arc::new(Coordinate::read(manifest, index).ok()?);
    if coordinate.labels.len() <= MAX_KEPT_LABELS {
        kept.0.lock().insert(path.to_owned(), Arc::clone(&coordinate));
    }
    Some(coordinate)
}
