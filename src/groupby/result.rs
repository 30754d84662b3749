//! The result as a dataset: dimensions, coordinates, attributes, and a manifest that every reader of datasets understands.

use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_model::{ArrayBytes, Group};

use crate::Plan;

/// A result as a dataset of its own, with or without the values of the variable.
#[derive(Debug, Clone)]
pub struct Described {
    /// One group: the variable, its coordinates, bounds and whatever else they name. Attributes as the files have them,
    /// encoding attributes of the source left out; `coordinates` names the auxiliary coordinates; floats have the fill NaN.
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
    pub fn of(_plan: &Plan) -> Result<Self> {
        Err(thermocline_core::Error::internal("results are not described yet"))
    }

    /// The values of everything but the variable.
    pub fn values_of(&self, name: &str) -> Option<&Arc<ArrayBytes>> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// A manifest in memory over the result: chunks of everything but the variable are inline, those of the variable too if
    /// `values` are given (little-endian, C order), else they are absent from its chunk table and must be computed. Its
    /// revision is the entity tag of the plan; its spec is that of the source.
    ///
    /// # Errors
    /// Values that do not fit the variable's shape.
    pub fn manifest(&self, _plan: &Plan, _values: Option<&ArrayBytes>) -> Result<Arc<Manifest>> {
        Err(thermocline_core::Error::internal("results have no manifest yet"))
    }
}
