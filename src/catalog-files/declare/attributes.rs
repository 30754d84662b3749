//! The attributes that an entry sets and removes.

use thermocline_core::catalog::AttributeOverride;
use thermocline_model::{Attribute, Number, NumberType};

use crate::node::{Node, Value};

/// All changes, those of the root group first.
pub(super) fn attributes(node: &Node) -> Vec<AttributeOverride> {
    let global = node.get("global").map(Node::entries).unwrap_or_default();
    let global = global.iter().map(|entry| (None, entry));
    let variables = node.get("variables").map(Node::entries).unwrap_or_default();
    let variables = variables
        .iter()
        .flat_map(|variable| variable.node.entries().iter().map(|entry| (Some(variable.key.clone()), entry)));
    global
        .chain(variables)
        .filter_map(|(variable, entry)| {
            Some(AttributeOverride { variable, name: entry.key.clone(), value: attribute(&entry.node)? })
        })
        .collect()
}

/// The value of an attribute, `Some(None)` for one that is to be removed; `None` if it cannot be one.
pub(crate) fn attribute(node: &Node) -> Option<Option<Attribute>> {
    Some(Some(match &node.value {
        Value::Null => return Some(None),
        Value::Text(text) => Attribute::Text(text.clone()),
        Value::List(items) if !items.is_empty() && items.iter().all(|item| item.text().is_some()) => {
            Attribute::Texts(node.texts())
        }
        Value::List(items) => {
            let numbers = items.iter().map(number).collect::<Option<Vec<_>>>()?;
            let is_float = numbers.iter().any(|(dtype, _)| dtype.is_float());
            let dtype = if is_float { NumberType::F64 } else { NumberType::I64 };
            let values = numbers
                .into_iter()
                .map(|(_, value)| if is_float { Number::Float(value.as_f64()) } else { value })
                .collect::<Vec<_>>();
            Attribute::Numbers { dtype, shape: vec![values.len() as u64], values }
        }
        Value::Map(_) => return None,
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
            let (dtype, value) = number(node)?;
            Attribute::number(dtype, value)
        }
    }))
}

fn number(node: &Node) -> Option<(NumberType, Number)> {
    match node.value {
        Value::Bool(value) => Some((NumberType::Bool, Number::Integer(i128::from(value)))),
        Value::Integer(value) => Some((NumberType::I64, Number::Integer(i128::from(value)))),
        Value::Float(value) => Some((NumberType::F64, Number::Float(value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_their_kinds() {
        let text =
            "{global: {t: x, gone: null, n: 1, f: 1.5, l: [1, 2.5], s: [a, b]}, variables: {v: {k: true}}}";
        let changes = attributes(&crate::yaml::parse(text).unwrap());
        let of = |name: &str| changes.iter().find(|change| change.name == name).unwrap().clone();
        assert_eq!(of("gone").value, None);
        assert_eq!(of("n").value, Some(Attribute::number(NumberType::I64, Number::Integer(1))));
        assert_eq!(of("f").value, Some(Attribute::number(NumberType::F64, Number::Float(1.5))));
        assert_eq!(
            of("l").value,
            Some(Attribute::Numbers {
                dtype: NumberType::F64,
                shape: vec![2],
                values: vec![Number::Float(1.0), Number::Float(2.5)]
            })
        );
        assert_eq!(of("s").value, Some(Attribute::Texts(vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(of("k").variable.as_deref(), Some("v"));
    }
}
