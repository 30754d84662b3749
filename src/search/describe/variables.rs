//! The variables of a dataset, as the STAC extension `datacube` has them.

use thermocline_model::cf::along;
use thermocline_model::{Attribute, DataType, Number, NumberType, Variable};

use super::attributes::text;
use super::tree::{Placed, Tree};
use crate::summary::{CubeVariable, VariableRole};

/// Data variables, then what describes them.
pub(super) fn of(tree: &Tree<'_>) -> Vec<CubeVariable> {
    let data = tree.data.iter().map(|data| variable(&data.placed, VariableRole::Data));
    let auxiliary = tree.auxiliary.iter().map(|placed| variable(placed, VariableRole::Auxiliary));
    data.chain(auxiliary).collect()
}

fn variable(placed: &Placed<'_>, role: VariableRole) -> CubeVariable {
    let variable = placed.variable;
    let dims = along(variable);
    CubeVariable {
        name: placed.path.clone(),
        role,
        dimensions: dims.iter().map(|dim| placed.dim_path(dim)).collect(),
        shape: variable.shape.iter().take(dims.len()).copied().collect(),
        unit: text(&variable.attrs, "units"),
        long_name: text(&variable.attrs, "long_name"),
        standard_name: text(&variable.attrs, "standard_name"),
        dtype: dtype(&variable.dtype),
        nodata: nodata(variable),
    }
}

/// A type as numpy names it.
fn dtype(dtype: &DataType) -> String {
    match dtype {
        DataType::Bool => "bool".to_owned(),
        DataType::Int { size, .. } => format!("int{}", u32::from(*size) * 8),
        DataType::UInt { size, .. } => format!("uint{}", u32::from(*size) * 8),
        DataType::Float { size, .. } => format!("float{}", u32::from(*size) * 8),
        DataType::Char => "S1".to_owned(),
        DataType::FixedString { len, .. } => format!("S{len}"),
        DataType::String => "str".to_owned(),
        DataType::Compound { .. } => "void".to_owned(),
    }
}

/// `_FillValue`, if it is a number that JSON holds exactly. That of `float32` is the shortest that reads as the same.
fn nodata(variable: &Variable) -> Option<f64> {
    match variable.attrs.get("_FillValue")? {
        Attribute::Numbers { dtype, values, .. } => match (dtype, values.first()?) {
            (NumberType::F32 | NumberType::F16, Number::Float(value)) => shortest(*value),
            (_, Number::Float(value)) => value.is_finite().then_some(*value),
            (_, Number::Integer(value)) => {
                let float = *value as f64;
                (float as i128 == *value).then_some(float)
            }
        },
        Attribute::Text(_) | Attribute::Texts(_) => None,
    }
}

/// The number with the fewest digits that is the same as `f32`.
pub(super) fn shortest(value: f64) -> Option<f64> {
    let single = value as f32;
    let text = format!("{single:e}");
    text.parse().ok().filter(|value: &f64| value.is_finite() && *value as f32 == single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_is_written_as_people_do() {
        assert_eq!(shortest(f64::from(1e20_f32)), Some(1e20));
        assert_eq!(shortest(f64::from(-9.99e8_f32)), Some(-9.99e8));
        assert_eq!(shortest(f64::NAN), None);
        assert_eq!(shortest(f64::INFINITY), None);
    }
}
