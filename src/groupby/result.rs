//! The result as a dataset: dimensions, coordinates, attributes, and a manifest that every reader of datasets understands.
//!
//! | Module | |
//! |---|---|
//! | [`attributes`] | those of the variable and of the dataset |
//! | [`coordinates`] | what of the source stays: coordinates, their bounds, grid mappings and meshes |
//! | [`labels`] | coordinates that the groups and quantiles make |
//! | [`column`] | a variable with its values, and cutting them |
//! | [`stored`] | values of the source's coordinates, shared by results |
//! | [`memory`] | the result as a manifest in memory |
//! | [`weight`] | what a description takes in memory |
//!
//! # Limits
//! Coordinates that are not kept with the index are left out, as are bounds and meshes beyond 64 MiB of them together.

mod attributes;
mod column;
mod coordinates;
mod labels;
mod memory;
mod stored;
#[cfg(test)]
mod tests;
mod weight;

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, Attribute, Dimension, Group, Variable};

use crate::Plan;

use column::Column;
pub(crate) use weight::values_bytes;

/// A result as a dataset of its own, with or without the values of the variable.
#[derive(Debug, Clone)]
pub struct Described {
    /// One group: the coordinates, bounds and whatever else they name, and the variable, which comes last. Attributes as the
    /// files have them, encoding attributes of the source left out; `coordinates` names the auxiliary coordinates, and the
    /// variable has the `_FillValue` NaN if it holds floats; whoever decodes the result takes both away.
    /// `storage.chunk_shape` of the variable is [`Plan::chunk_shape`]; everything else is one chunk.
    pub root: Group,
    /// Name of the variable.
    pub variable: String,
    /// Names of the coordinates, as xarray tells them from other variables: dimensions and auxiliary ones.
    pub coordinates: Vec<String>,
    /// Values of everything but the variable, by name, in the type and byte order of its [`thermocline_model::Variable`].
    pub values: Vec<(String, Arc<ArrayBytes>)>,
}

impl Described {
    /// Describes the result of a plan. Blocking: reads coordinates that are kept with the index.
    ///
    /// # Errors
    /// Coordinates that cannot be read.
    pub fn of(plan: &Plan) -> Result<Self> {
        let gone = || Error::internal(format!("variable {:?} of the plan is gone", plan.path));
        let source = plan.variable().ok_or_else(gone)?;
        let mut columns = labels::columns(plan)?;
        let staying = coordinates::columns(plan, source, &columns)?;
        labels::name_ends(plan, &mut columns, &staying);
        columns.extend(staying);
        let auxiliary = columns.iter().filter(|column| column.is_auxiliary());
        let auxiliary: Vec<&str> = auxiliary.map(|column| column.variable.name.as_str()).collect();
        let mut attrs = attributes::of_variable(plan, source);
        if !auxiliary.is_empty() {
            attrs.set("coordinates", Attribute::Text(auxiliary.join(" ")));
        }
        let dims = plan.dims.iter().map(|dim| plan.dim_name(dim).to_owned()).collect();
        let mut variable =
            column::variable(&source.name, dims, plan.shape.clone(), plan.dtype.clone(), attrs);
        variable.attrs = attributes::with_fill(variable.attrs, &plan.dtype);
        variable.storage.chunk_shape.clone_from(&plan.chunk_shape);
        variable.storage.served_chunk_shape.clone_from(&plan.chunk_shape);
        Ok(Self::with(plan, variable, columns))
    }

    fn with(plan: &Plan, variable: Variable, columns: Vec<Column>) -> Self {
        let coordinates = columns.iter().filter(|column| column.is_coordinate);
        let coordinates = coordinates.map(|column| column.variable.name.clone()).collect();
        let name = variable.name.clone();
        let (mut variables, mut values) = (Vec::new(), Vec::new());
        for column in columns {
            values.push((column.variable.name.clone(), column.values));
            variables.push(column.variable);
        }
        variables.push(variable);
        for (number, variable) in (0_u32..).zip(&mut variables) {
            variable.storage.table = number;
        }
        let root = Group {
            attrs: attributes::of_dataset(plan),
            dims: dimensions(&variables),
            variables,
            ..Group::default()
        };
        Self { root, variable: name, coordinates, values }
    }

    /// The variable of the result.
    pub fn result(&self) -> Option<&Variable> {
        self.root.variables.iter().find(|variable| variable.name == self.variable)
    }

    /// The values of everything but the variable.
    pub fn values_of(&self, name: &str) -> Option<&Arc<ArrayBytes>> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// A manifest in memory over the result: chunks of everything but the variable are inline, those of the variable too if
    /// `values` are given (little-endian, C order), else they are absent from its chunk table and must be computed. Numbers
    /// are not copied: the chunks of the variable are then whole rows of them. Its revision is the entity tag of the plan;
    /// its spec is that of the source.
    ///
    /// # Errors
    /// Values that do not fit the variable's shape.
    pub fn manifest(&self, plan: &Plan, values: Option<&Arc<ArrayBytes>>) -> Result<Arc<Manifest>> {
        memory::manifest(self, plan, values)
    }

    /// Memory that it takes together with [`Described::manifest`] without values, roughly, in bytes: coordinates, bounds and
    /// meshes, attributes, names. Values that several results share count for each of them.
    pub fn len_bytes(&self) -> u64 {
        weight::len_bytes(self)
    }
}

/// Every dimension of some variables, each once.
fn dimensions(variables: &[Variable]) -> Vec<Dimension> {
    let mut dims: Vec<Dimension> = Vec::new();
    for variable in variables {
        for (name, len) in variable.dims.iter().zip(&variable.shape) {
            if !dims.iter().any(|dim| dim.name == *name) {
                dims.push(Dimension { name: name.clone(), len: *len, is_unlimited: false });
            }
        }
    }
    dims
}
