//! Names of datasets.

use std::fmt;

/// Longest id accepted, in bytes: it becomes one URL segment and one file name.
const MAX_LEN_BYTES: usize = 200;

/// The name of a dataset: one path segment of its URLs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetId(String);

/// Why a text cannot name a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDatasetId {
    /// The text that was offered.
    pub id: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for InvalidDatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be a dataset id: it {}", self.id, self.reason)
    }
}

impl std::error::Error for InvalidDatasetId {}

impl DatasetId {
    /// Accepts any text that can be one URL segment: not empty, at most 200 bytes, without `/`
    /// and control characters, and neither `.` nor `..`.
    ///
    /// # Errors
    /// [`InvalidDatasetId`] naming what is wrong.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidDatasetId> {
        let id = id.into();
        let reason = if id.is_empty() {
            "is empty"
        } else if id.len() > MAX_LEN_BYTES {
            "is longer than 200 bytes"
        } else if id == "." || id == ".." {
            "is a relative path"
        } else if id.contains('/') {
            "contains a slash"
        } else if id.chars().any(char::is_control) {
            "contains a control character"
        } else {
            return Ok(Self(id));
        };
        Err(InvalidDatasetId { id, reason })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_dots_and_spaces_are_accepted() {
        for id in ["era5.t2m", "icon-esm-er.hist-1950.v20240618", "a b", "é"] {
            assert!(DatasetId::new(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn what_cannot_be_one_url_segment_is_refused() {
        for id in ["", ".", "..", "a/b", "a\nb", &"x".repeat(201)] {
            assert!(DatasetId::new(id).is_err(), "{id}");
        }
    }
}
