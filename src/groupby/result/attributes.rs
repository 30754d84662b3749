//! Attributes of the result: those of the source, but for what would be false.

use thermocline_model::{Attribute, Attributes, DataType, Number, NumberType, Variable};

use crate::plan::group_of;
use crate::{Action, Plan};

/// Attributes that say how values of the source are stored, which those of the result are not.
const ENCODING: [&str; 8] = [
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "_Unsigned",
    "_Encoding",
    "_ARRAY_DIMENSIONS",
    "coordinates",
];

/// Which type xarray makes of stored numbers: `bool`, or `timedelta64[ns]` of what has a unit of time.
const DTYPE: &str = "dtype";

/// Attributes that say in which range stored values lie, in the type in which they are stored.
const RANGES: [&str; 4] = ["valid_range", "valid_min", "valid_max", "actual_range"];

/// Attributes of the dataset that the result has too.
const OF_DATASET: [&str; 6] = ["title", "institution", "source", "license", "Conventions", "references"];

/// Attributes of the source's group, else of the root, and one more line of history.
pub(super) fn of_dataset(plan: &Plan) -> Attributes {
    let root = &plan.manifest.dataset.root;
    let group = root.group(group_of(&plan.path)).unwrap_or(root);
    let found = |name: &str| group.attrs.get(name).or_else(|| root.attrs.get(name)).cloned();
    let mut attrs = Attributes::new();
    for name in OF_DATASET {
        if let Some(value) = found(name) {
            attrs.set(name, value);
        }
    }
    let line = format!("thermocline groupby {}", plan.canonical_path());
    let history = match found("history") {
        Some(Attribute::Text(before)) if !before.is_empty() => format!("{before}\n{line}"),
        Some(Attribute::Texts(before)) if !before.is_empty() => format!("{}\n{line}", before.join("\n")),
        _ => line,
    };
    attrs.set("history", Attribute::Text(history));
    attrs
}

/// Attributes of a variable that stays, decoded: none that say how it was stored.
pub(super) fn decoded(attrs: &Attributes) -> Attributes {
    let is_packed = ["scale_factor", "add_offset"].iter().any(|name| attrs.get(name).is_some());
    // Booleans are some already, while spans of time stay numbers.
    let is_boolean = attrs.text(DTYPE) == Some("bool");
    let is_false = |name: &str| {
        ENCODING.contains(&name) || (is_packed && RANGES.contains(&name)) || (is_boolean && name == DTYPE)
    };
    let kept = attrs.iter().filter(|(name, _)| !is_false(name));
    kept.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Attributes of the result's variable.
pub(super) fn of_variable(plan: &Plan, source: &Variable) -> Attributes {
    let mut attrs = decoded(&source.attrs);
    let has_other_values = !plan.request.options.anomaly
        && matches!(
            plan.request.action,
            Action::Count
                | Action::Any
                | Action::All
                | Action::Var
                | Action::Std
                | Action::Prod
                | Action::Sum
        );
    if has_other_values || plan.request.options.anomaly {
        for name in RANGES {
            attrs.remove(name);
        }
    }
    if plan.request.options.anomaly {
        return attrs;
    }
    if matches!(plan.request.action, Action::Count | Action::Any | Action::All | Action::Var | Action::Prod) {
        attrs.remove(DTYPE);
    }
    match plan.request.action {
        Action::Count | Action::Any | Action::All => {
            attrs.remove("standard_name");
            attrs.remove("calendar");
            attrs.set("units", Attribute::Text("1".to_owned()));
        }
        Action::Var => {
            if let Some(units) = attrs.text("units").map(squared) {
                attrs.set("units", Attribute::Text(units));
            }
        }
        Action::Prod => {
            attrs.remove("units");
        }
        _ => {}
    }
    attrs
}

/// The square of units: `K2`, `(m s-1)2`.
fn squared(units: &str) -> String {
    let units = units.trim();
    match units {
        "" | "1" => units.to_owned(),
        simple if simple.chars().all(char::is_alphabetic) => format!("{simple}2"),
        compound => format!("({compound})2"),
    }
}

/// The same attributes with NaN for what is missing, of floats.
pub(super) fn with_fill(mut attrs: Attributes, dtype: &DataType) -> Attributes {
    if let Some(number) = NumberType::of(dtype).filter(|number| number.is_float()) {
        attrs.set("_FillValue", Attribute::number(number, Number::Float(f64::NAN)));
    }
    attrs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_of_compound_units_are_in_brackets() {
        for (units, expected) in
            [("K", "K2"), ("m s-1", "(m s-1)2"), ("1", "1"), ("%", "(%)2"), ("m2", "(m2)2")]
        {
            assert_eq!(squared(units), expected);
        }
    }
}
