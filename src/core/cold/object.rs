//! What an object is called: one name, however it was spelt.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// Longest path of an object, in bytes.
const MAX_PATH_BYTES: usize = 4096;

/// Names an object: the declared root below which it lies, and its path there.
///
/// The path has no empty, `.` or `..` part, so that one object has one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    root: Arc<str>,
    path: Arc<str>,
}

impl ObjectId {
    /// The object at a path below a root; empty and `.` parts of the path are dropped.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a path with `..`, a NUL, nothing in it, or more than 4096 bytes.
    ///
    /// ```
    /// use thermocline_core::cold::ObjectId;
    /// assert_eq!(ObjectId::new("cmip6", "a//./b.nc").unwrap().path(), "a/b.nc");
    /// assert!(ObjectId::new("cmip6", "a/../b.nc").is_err());
    /// ```
    pub fn new(root: impl Into<Arc<str>>, path: &str) -> Result<Self> {
        if path.len() > MAX_PATH_BYTES {
            return Err(Error::invalid_input(format!("a path has more than {MAX_PATH_BYTES} bytes")));
        }
        if path.contains('\0') {
            return Err(Error::invalid_input(format!("the path {path:?} contains a NUL")));
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(Error::invalid_input(format!("the path {path:?} contains \"..\"")));
        }
        if parts.is_empty() {
            return Err(Error::invalid_input(format!("the path {path:?} names no object")));
        }
        Ok(Self { root: root.into(), path: parts.join("/").into() })
    }

    /// Name of the root.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Path below the root, without a slash at either end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for ObjectId {
    /// `root:path`, for logs and messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.root, self.path)
    }
}

/// An object of a cold store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColdObject {
    /// Its name.
    pub id: ObjectId,
    /// Its absolute path or URL in the archive.
    pub href: Arc<str>,
}
