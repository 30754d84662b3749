//! A finished result as what writes files sees it.

use std::sync::Arc;

use thermocline_core::write::ArraySource;
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, Group};

use super::Grouped;

impl ArraySource for Grouped {
    fn root(&self) -> &Group {
        &self.described.root
    }

    fn values(&self, variable: &str) -> Result<Arc<ArrayBytes>> {
        if variable == self.described.variable {
            return Ok(Arc::clone(&self.values));
        }
        let values = self.described.values_of(variable).cloned();
        values.ok_or_else(|| Error::internal(format!("{variable:?} has no values")))
    }
}
