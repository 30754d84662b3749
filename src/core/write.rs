//! Writing arrays as files of a format: answers to whoever wants a file.

use std::path::Path;
use std::sync::Arc;

use thermocline_model::{ArrayBytes, Group};

use crate::Result;

/// A group of arrays that are in memory or can be had.
pub trait ArraySource: Send + Sync {
    /// The group: dimensions follow from the shapes of its variables; storage says nothing.
    fn root(&self) -> &Group;

    /// All values of a variable of the group, in the type and byte order of the variable, C order.
    ///
    /// # Errors
    /// Whatever keeps them from being there.
    fn values(&self, variable: &str) -> Result<Arc<ArrayBytes>>;
}

/// Writes files of one format. Blocking.
pub trait ArrayWriter: Send + Sync {
    /// Media type of its files.
    fn media_type(&self) -> &'static str;

    /// Extension of its files, without the dot.
    fn extension(&self) -> &'static str;

    /// Writes a new file: the same source gives the same bytes. A file that was begun and not finished is removed.
    ///
    /// # Errors
    /// Names and types that the format does not have; a file that cannot be written.
    fn write(&self, source: &dyn ArraySource, to: &Path) -> Result<()>;
}
