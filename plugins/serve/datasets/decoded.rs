//! A group as xarray decodes it: which variables are coordinates, which types values get, which
//! attributes remain.
//!
//! # Source
//! xarray 2026.9, `conventions.py` (`decode_cf_variables`), `coding/variables.py`, `coding/times.py`.

use std::collections::{HashMap, HashSet};

use thermocline_model::{Attribute, Attributes, DataType, Group, Variable};

mod dtype;
pub(crate) mod times;

use dtype::Kind;
pub(crate) use dtype::{name_of, typestr};
use times::Ends;

/// A variable after decoding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DecodedVariable {
    /// Name in its group.
    pub(crate) name: String,
    /// Names of the axes: without that of characters that were joined.
    pub(crate) dims: Vec<String>,
    /// Lengths of the axes.
    pub(crate) shape: Vec<u64>,
    /// Type as numpy prints it.
    pub(crate) dtype: String,
    /// Attributes that decoding left.
    pub(crate) attrs: Attributes,
    /// True for coordinates.
    pub(crate) is_coord: bool,
}

/// A group after decoding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DecodedGroup {
    /// Variables in the order of the file.
    pub(crate) variables: Vec<DecodedVariable>,
    /// Dimensions that variables use, in the order of their first use.
    pub(crate) dims: Vec<(String, u64)>,
    /// Attributes of the group.
    pub(crate) attrs: Attributes,
}

impl DecodedGroup {
    /// Decodes a group. `ends` holds first and last values of the times that are known.
    pub(crate) fn new(group: &Group, ends: &HashMap<String, Ends>) -> Self {
        let encoded = with_bounds_attributes(group);
        let stackable = stackable_dims(group);
        let mut named = HashSet::new();
        let mut variables: Vec<DecodedVariable> = encoded
            .iter()
            .map(|(variable, attrs)| {
                let is_stackable = variable.dtype == DataType::Char
                    && variable.dims.last().is_some_and(|dim| stackable.contains(dim.as_str()));
                let mut decoded = decode(variable, attrs.clone(), is_stackable, ends.get(&variable.name));
                if let Some(coordinates) = decoded.attrs.remove("coordinates") {
                    named.extend(words(&coordinates));
                }
                decoded
            })
            .collect();
        let mut attrs = group.attrs.clone();
        if let Some(Attribute::Text(_)) = attrs.get("coordinates") {
            named.extend(attrs.remove("coordinates").iter().flat_map(words));
        }
        let dims = dims_of(&variables);
        named.extend(dims.iter().map(|(name, _)| name.clone()));
        for variable in &mut variables {
            variable.is_coord = named.contains(&variable.name);
        }
        Self { variables, dims, attrs }
    }

    /// Coordinates, in the order of the file.
    pub(crate) fn coords(&self) -> impl Iterator<Item = &DecodedVariable> {
        self.variables.iter().filter(|variable| variable.is_coord)
    }

    /// Variables that are no coordinates, in the order of the file.
    pub(crate) fn data_vars(&self) -> impl Iterator<Item = &DecodedVariable> {
        self.variables.iter().filter(|variable| !variable.is_coord)
    }
}

/// Each variable with its attributes; bounds of times get `units` and `calendar` of their times.
fn with_bounds_attributes(group: &Group) -> Vec<(&Variable, Attributes)> {
    let mut encoded: Vec<_> =
        group.variables.iter().map(|variable| (variable, variable.attrs.clone())).collect();
    let numbers: HashMap<&str, usize> = numbered(group).collect();
    for time in &group.variables {
        let Some(units) = time.attrs.text("units").filter(|units| units.contains("since")) else { continue };
        let Some(bounds) = time.attrs.text("bounds").and_then(|name| numbers.get(name)) else { continue };
        let Some((_, attrs)) = encoded.get_mut(*bounds) else { continue };
        let calendar = time.attrs.get("calendar").cloned();
        for (name, value) in [("units", Some(Attribute::Text(units.to_owned()))), ("calendar", calendar)] {
            if let (None, Some(value)) = (attrs.get(name), value) {
                attrs.set(name, value);
            }
        }
    }
    encoded
}

fn numbered(group: &Group) -> impl Iterator<Item = (&str, usize)> {
    group.variables.iter().enumerate().map(|(number, variable)| (variable.name.as_str(), number))
}

/// Dimensions along which characters may be joined: no variable has the name, and whatever uses it are
/// characters that have it last.
fn stackable_dims(group: &Group) -> HashSet<&str> {
    let mut stackable: HashSet<&str> = HashSet::new();
    for variable in group.variables.iter().filter(|variable| variable.dtype == DataType::Char) {
        stackable.extend(variable.dims.last().map(String::as_str));
    }
    for variable in &group.variables {
        stackable.remove(variable.name.as_str());
        let n_others =
            variable.dims.len() - usize::from(variable.dtype == DataType::Char && !variable.dims.is_empty());
        for dim in variable.dims.iter().take(n_others) {
            stackable.remove(dim.as_str());
        }
    }
    stackable
}

/// The steps of `decode_cf_variable`, in their order.
fn decode(
    variable: &Variable,
    mut attrs: Attributes,
    is_stackable: bool,
    ends: Option<&Ends>,
) -> DecodedVariable {
    let (mut dims, mut shape) = (variable.dims.clone(), variable.shape.clone());
    let mut kind = Kind::of(&variable.dtype);
    if is_stackable {
        dims.pop();
        kind = Kind::Bytes(shape.pop().unwrap_or(1).max(1));
    }
    if matches!(kind, Kind::Bytes(_)) && attrs.remove("_Encoding").is_some() {
        kind = Kind::Object;
    }
    kind = kind.masked_and_scaled(&mut attrs);
    let dtype = times::timedelta(&mut attrs)
        .or_else(|| times::datetime(&mut attrs, ends).map(str::to_owned))
        .or_else(|| is_bool(&mut attrs).then(|| "bool".to_owned()))
        .unwrap_or_else(|| kind.to_string());
    DecodedVariable { name: variable.name.clone(), dims, shape, dtype, attrs, is_coord: false }
}

/// True, and the attribute gone, where xarray wrote a boolean as a byte.
fn is_bool(attrs: &mut Attributes) -> bool {
    let is_bool = attrs.text("dtype") == Some("bool");
    is_bool && attrs.remove("dtype").is_some()
}

fn words(attribute: &Attribute) -> Vec<String> {
    attribute.as_text().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Dimensions by their first use. xarray puts variables of the name of their only dimension last.
fn dims_of(variables: &[DecodedVariable]) -> Vec<(String, u64)> {
    let (indexes, others): (Vec<_>, Vec<_>) = variables
        .iter()
        .partition(|variable| variable.dims.as_slice() == std::slice::from_ref(&variable.name));
    let mut dims: Vec<(String, u64)> = Vec::new();
    let mut known = HashSet::new();
    let in_order = others.into_iter().chain(indexes);
    for (name, length) in in_order.flat_map(|variable| variable.dims.iter().zip(&variable.shape)) {
        if known.insert(name.as_str()) {
            dims.push((name.clone(), *length));
        }
    }
    dims
}

#[cfg(test)]
mod tests;
