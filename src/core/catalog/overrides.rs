//! What a catalog entry changes of a dataset: the group, the variables, the attributes.
//!
//! The index keeps what the source says; these changes are made whenever a manifest is, so that an
//! edited entry needs no new indexing.

use std::collections::{HashMap, HashSet};

use thermocline_model::{
    Attribute, Attributes, Dataset, Dimension, Group, Note, Number, NumberType, Variable,
};

use super::{AttributeOverride, DatasetSpec};
use crate::{Error, Result};

/// Attributes whose values name other variables.
///
/// # Source
/// CF Conventions 1.11, appendix A, the attributes of type "variable name".
const NAMING_ATTRIBUTES: &[&str] = &[
    "coordinates",
    "bounds",
    "climatology",
    "grid_mapping",
    "cell_measures",
    "ancillary_variables",
    "formula_terms",
    "geometry",
    "mesh",
    "node_coordinates",
    "face_coordinates",
    "edge_coordinates",
    "face_node_connectivity",
    "edge_node_connectivity",
    "face_edge_connectivity",
];

/// The dataset as its entry wants it.
///
/// # Errors
/// [`crate::ErrorKind::Refused`] when the group does not exist or a value does not fit its variable.
pub(super) fn apply(mut dataset: Dataset, spec: &DatasetSpec) -> Result<Dataset> {
    if let Some(group) = &spec.group {
        dataset = at_group(dataset, group)?;
    }
    if let Some(names) = &spec.variables {
        keep(&mut dataset, names);
    }
    if !spec.exclude_variables.is_empty() {
        exclude(&mut dataset, &spec.exclude_variables);
    }
    for change in spec.attributes.iter() {
        set_attribute(&mut dataset, change)?;
    }
    Ok(dataset)
}

/// Makes a group the root. Dimensions that its parents define stay known in it.
fn at_group(dataset: Dataset, path: &str) -> Result<Dataset> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let Dataset { mut root, objects, refusals, notes } = dataset;
    let mut inherited: Vec<Dimension> = Vec::new();
    for (depth, name) in names.iter().enumerate() {
        inherit(&mut inherited, std::mem::take(&mut root.dims));
        let position = root.groups.iter().position(|group| group.name == *name);
        let Some(position) = position else {
            let known: Vec<&str> = root.groups.iter().take(50).map(|group| group.name.as_str()).collect();
            let parent = names.get(..depth).unwrap_or_default().join("/");
            return Err(Error::refused(format!(
                "group {path:?} does not exist: \"/{parent}\" has the groups {known:?}"
            )));
        };
        root = root.groups.swap_remove(position);
    }
    inherit(&mut inherited, std::mem::take(&mut root.dims));
    root.name = String::new();
    root.dims = inherited;
    let below = names.join("/");
    let relative = |path: &str| relative(path, &below);
    let refusals = refusals
        .into_iter()
        .filter_map(|mut refusal| {
            refusal.path = relative(&refusal.path)?;
            Some(refusal)
        })
        .collect();
    let notes = notes
        .into_iter()
        .filter_map(|note| Some(Note { path: relative(&note.path)?, note: note.note }))
        .collect();
    Ok(Dataset { root, objects, refusals, notes })
}

/// Adds the dimensions of an inner group: the innermost of one name counts.
fn inherit(inherited: &mut Vec<Dimension>, inner: Vec<Dimension>) {
    inherited.retain(|outer| inner.iter().all(|dimension| dimension.name != outer.name));
    inherited.extend(inner);
}

fn relative(path: &str, below: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    if below.is_empty() {
        return Some(path.to_owned());
    }
    let rest = path.strip_prefix(below)?;
    match rest.chars().next() {
        None => Some(String::new()),
        Some('/') => Some(rest.trim_start_matches('/').to_owned()),
        Some('@') => Some(rest.to_owned()),
        Some(_) => None,
    }
}

/// Keeps the variables that are named, and whatever they need to be understood: their coordinate
/// variables, and what their attributes name.
fn keep(dataset: &mut Dataset, names: &[String]) {
    let wanted: HashSet<&str> = names.iter().map(|name| name.trim_start_matches('/')).collect();
    let kept = closure(&dataset.root, &wanted);
    let refused: HashSet<&str> = dataset.refusals.iter().map(|refusal| refusal.path.as_str()).collect();
    let missing: Vec<Note> = names
        .iter()
        .map(|name| name.trim_start_matches('/'))
        .filter(|name| !kept.contains(*name) && !refused.contains(name))
        .map(|name| Note {
            path: name.to_owned(),
            note: "the catalog asks for this variable, but the source does not have it".to_owned(),
        })
        .collect();
    dataset.notes.extend(missing);
    retain(&mut dataset.root, "", &|path| kept.contains(path));
    dataset.refusals.retain(|refusal| wanted.contains(refusal.path.as_str()));
}

fn closure(root: &Group, wanted: &HashSet<&str>) -> HashSet<String> {
    let all: HashMap<String, &Variable> = root.variables_below().into_iter().collect();
    let mut kept: HashSet<String> = HashSet::new();
    let mut open: Vec<String> =
        wanted.iter().filter(|path| all.contains_key(**path)).map(|path| (*path).to_owned()).collect();
    while let Some(path) = open.pop() {
        let Some(variable) = all.get(&path) else { continue };
        let group = path.rsplit_once('/').map_or("", |(group, _)| group);
        let names = variable.dims.iter().map(String::as_str).chain(named_in_attributes(variable));
        open.extend(
            names.filter_map(|name| find_upwards(&all, group, name)).filter(|path| !kept.contains(path)),
        );
        kept.insert(path);
    }
    kept
}

fn named_in_attributes(variable: &Variable) -> impl Iterator<Item = &str> {
    NAMING_ATTRIBUTES
        .iter()
        .filter_map(|name| variable.attrs.text(name))
        .flat_map(|text| text.split_whitespace().map(|word| word.trim_end_matches(':')))
}

/// The path of the nearest variable of that name: in the group or in one of its parents.
fn find_upwards(all: &HashMap<String, &Variable>, group: &str, name: &str) -> Option<String> {
    let mut group = group;
    loop {
        let path = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        if all.contains_key(&path) {
            return Some(path);
        }
        if group.is_empty() {
            return None;
        }
        group = group.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
}

fn exclude(dataset: &mut Dataset, names: &[String]) {
    let names: HashSet<&str> = names.iter().map(|name| name.trim_start_matches('/')).collect();
    retain(&mut dataset.root, "", &|path| !names.contains(path));
    dataset.refusals.retain(|refusal| !names.contains(refusal.path.as_str()));
}

fn retain(group: &mut Group, path: &str, is_kept: &dyn Fn(&str) -> bool) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    group.variables.retain(|variable| is_kept(&join(&variable.name)));
    for child in &mut group.groups {
        let path = join(&child.name);
        retain(child, &path, is_kept);
    }
}

fn set_attribute(dataset: &mut Dataset, change: &AttributeOverride) -> Result<()> {
    let Some(path) = change.variable.as_deref().map(|path| path.trim_start_matches('/')) else {
        set(&mut dataset.root.attrs, change, change.value.clone());
        return Ok(());
    };
    let Some(variable) = variable_mut(&mut dataset.root, path) else {
        let note =
            format!("the catalog changes attribute {:?} of this variable, but it is not served", change.name);
        dataset.notes.push(Note { path: path.to_owned(), note });
        return Ok(());
    };
    let value = match &change.value {
        Some(value) => Some(fitting(variable, &change.name, value).ok_or_else(|| {
            Error::refused(format!(
                "the catalog's value of attribute {:?} cannot be a {:?}, the type of variable {path:?}",
                change.name, variable.dtype
            ))
        })?),
        None => None,
    };
    set(&mut variable.attrs, change, value);
    Ok(())
}

fn set(attrs: &mut Attributes, change: &AttributeOverride, value: Option<Attribute>) {
    match value {
        Some(value) => attrs.set(&change.name, value),
        None => {
            attrs.remove(&change.name);
        }
    }
}

fn variable_mut<'a>(root: &'a mut Group, path: &str) -> Option<&'a mut Variable> {
    let (group, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = root;
    for part in group.split('/').filter(|part| !part.is_empty()) {
        at = at.groups.iter_mut().find(|child| child.name == part)?;
    }
    at.variables.iter_mut().find(|variable| variable.name == name)
}

/// A value in the type that the attribute must have: `_FillValue` that of the variable (NUG,
/// "_FillValue"), a changed one that of the file where it is exact. `None` if it cannot be one.
fn fitting(variable: &Variable, name: &str, value: &Attribute) -> Option<Attribute> {
    if name == "_FillValue" || name == "missing_value" {
        if !variable.dtype.is_number() {
            return matches!(value, Attribute::Text(_)).then(|| value.clone());
        }
        return convert(value, NumberType::of(&variable.dtype)?);
    }
    let as_before = match variable.attrs.get(name) {
        Some(Attribute::Numbers { dtype, .. }) => convert(value, *dtype),
        _ => None,
    };
    Some(as_before.unwrap_or_else(|| value.clone()))
}

fn convert(value: &Attribute, dtype: NumberType) -> Option<Attribute> {
    let Attribute::Numbers { shape, values, .. } = value else { return None };
    let values = values.iter().map(|value| convert_number(*value, dtype)).collect::<Option<Vec<_>>>()?;
    Some(Attribute::Numbers { dtype, shape: shape.clone(), values })
}

fn convert_number(value: Number, dtype: NumberType) -> Option<Number> {
    match (value, dtype.is_float()) {
        // A decimal fraction becomes the nearest number of the type, as every writer does it.
        (Number::Float(value), true) => nearest_float(value, dtype),
        (Number::Integer(value), true) => {
            let float = value as f64;
            (float as i128 == value).then_some(float).and_then(|float| nearest_float(float, dtype))
        }
        (Number::Integer(value), false) => fits(value, dtype).then_some(Number::Integer(value)),
        (Number::Float(value), false) => {
            let whole = value as i128;
            (whole as f64 == value && fits(whole, dtype)).then_some(Number::Integer(whole))
        }
    }
}

fn nearest_float(value: f64, dtype: NumberType) -> Option<Number> {
    let nearest = match dtype {
        NumberType::F32 => f64::from(value as f32),
        // Half precision has no conversion here: whole numbers up to 2048 and non-finite ones are exact.
        NumberType::F16 if value.is_finite() && (value.fract() != 0.0 || value.abs() > 2048.0) => {
            return None;
        }
        _ => value,
    };
    (nearest.is_finite() == value.is_finite()).then_some(Number::Float(nearest))
}

fn fits(value: i128, dtype: NumberType) -> bool {
    match dtype {
        NumberType::I8 => i8::try_from(value).is_ok(),
        NumberType::I16 => i16::try_from(value).is_ok(),
        NumberType::I32 => i32::try_from(value).is_ok(),
        NumberType::I64 => i64::try_from(value).is_ok(),
        NumberType::U8 => u8::try_from(value).is_ok(),
        NumberType::U16 => u16::try_from(value).is_ok(),
        NumberType::U32 => u32::try_from(value).is_ok(),
        NumberType::U64 => u64::try_from(value).is_ok(),
        NumberType::Bool => (0..=1).contains(&value),
        NumberType::F16 | NumberType::F32 | NumberType::F64 => false,
    }
}

#[cfg(test)]
mod tests;
