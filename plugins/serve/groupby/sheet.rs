//! A result as a whole: its variables with decoded values, attributes as xarray leaves them.

use std::sync::Arc;

use thermocline_core::{Error, Result};
use thermocline_groupby::Described;
use thermocline_model::{ArrayBytes, Attribute, Attributes, Variable};

use crate::column::{Column, Kind};

/// Attributes that say how values are stored or which variables belong together: xarray takes them away when it decodes.
const ENCODING: [&str; 6] =
    ["_FillValue", "missing_value", "scale_factor", "add_offset", "coordinates", "_ARRAY_DIMENSIONS"];

/// A variable with its values.
#[derive(Debug, Clone)]
pub(crate) struct SheetVariable {
    /// Name.
    pub(crate) name: String,
    /// Dimensions.
    pub(crate) dims: Vec<String>,
    /// Lengths of these.
    pub(crate) shape: Vec<u64>,
    /// Attributes after decoding. Times have a `calendar` and no `units`.
    pub(crate) attrs: Attributes,
    /// Values.
    pub(crate) column: Column,
}

/// A result with its values.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// Coordinates.
    pub(crate) coords: Vec<SheetVariable>,
    /// Bounds and whatever else the coordinates and the variable name.
    pub(crate) others: Vec<SheetVariable>,
    /// The variable.
    pub(crate) main: SheetVariable,
    /// Attributes of the dataset.
    pub(crate) attrs: Attributes,
}

impl Sheet {
    /// That of a result. Decodes coordinates: not for the threads that answer requests.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for results whose parts do not fit each other.
    pub(crate) fn of(described: &Described, values_of_main: &Arc<ArrayBytes>) -> Result<Self> {
        let (mut coords, mut others, mut main) = (Vec::new(), Vec::new(), None);
        for variable in &described.root.variables {
            if variable.name == described.variable {
                main = Some(sheet_variable(described, variable, values_of_main)?);
                continue;
            }
            let values = described.values_of(&variable.name);
            let values =
                values.ok_or_else(|| Error::internal(format!("{:?} has no values", variable.name)))?;
            let decoded = sheet_variable(described, variable, values)?;
            let is_coord = described.coordinates.contains(&variable.name);
            if is_coord { coords.push(decoded) } else { others.push(decoded) }
        }
        let main = main.ok_or_else(|| Error::internal("a result has no variable"))?;
        let mut attrs = described.root.attrs.clone();
        attrs.remove("coordinates");
        Ok(Self { coords, others, main, attrs })
    }

    /// All variables, that of the result last.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &SheetVariable> {
        self.coords.iter().chain(&self.others).chain(std::iter::once(&self.main))
    }

    /// Every dimension with its length, those of the variable first.
    pub(crate) fn dims(&self) -> Vec<(&str, u64)> {
        let mut dims: Vec<(&str, u64)> = Vec::new();
        for variable in std::iter::once(&self.main).chain(self.variables()) {
            for (dim, len) in variable.dims.iter().zip(&variable.shape) {
                if !dims.iter().any(|(known, _)| known == dim) {
                    dims.push((dim, *len));
                }
            }
        }
        dims
    }

    /// The coordinate that labels a dimension.
    pub(crate) fn index(&self, dim: &str) -> Option<&SheetVariable> {
        self.coords.iter().find(|coord| coord.name == dim && coord.dims == [dim])
    }
}

fn sheet_variable(
    described: &Described,
    variable: &Variable,
    values: &Arc<ArrayBytes>,
) -> Result<SheetVariable> {
    let mut of_time = variable.attrs.clone();
    inherit_units(described, variable, &mut of_time);
    let column = Column::of(variable, &of_time, values)?;
    Ok(SheetVariable {
        name: variable.name.clone(),
        dims: variable.dims.clone(),
        shape: variable.shape.clone(),
        attrs: decoded_attrs(&variable.attrs, column.kind()),
        column,
    })
}

/// Bounds of times have the units of their times.
///
/// # Source
/// CF Conventions 1.11, section 7.1.
fn inherit_units(described: &Described, variable: &Variable, attrs: &mut Attributes) {
    if attrs.get("units").is_some() {
        return;
    }
    let bounded = |time: &&Variable| time.attrs.text("bounds") == Some(variable.name.as_str());
    let Some(time) = described.root.variables.iter().find(bounded) else { return };
    for name in ["units", "calendar"] {
        if let Some(value) = time.attrs.get(name) {
            attrs.set(name, value.clone());
        }
    }
}

/// Attributes that decoding leaves.
pub(crate) fn decoded_attrs(attrs: &Attributes, kind: Kind) -> Attributes {
    let mut decoded = attrs.clone();
    for name in ENCODING {
        decoded.remove(name);
    }
    if let Kind::Time(calendar) = kind {
        decoded.remove("units");
        if decoded.get("calendar").is_none() {
            decoded.set("calendar", Attribute::Text(calendar.name().to_owned()));
        }
    }
    decoded
}
