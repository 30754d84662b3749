//! What bodies of requests say.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thermocline_http::Problem;
use thermocline_http::lists::too_long;

/// The body of calls that name files of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct WrittenPaths {
    paths: Vec<String>,
}

impl WrittenPaths {
    /// The paths as they were sent.
    ///
    /// # Errors
    /// 413 for more than `limit` of them.
    pub(crate) fn within(self, limit: usize) -> Result<Vec<String>, Problem> {
        if self.paths.len() > limit { Err(too_long(limit)) } else { Ok(self.paths) }
    }
}

/// A JSON document, whatever the body is labelled as. Members that nobody here knows do not count.
///
/// # Errors
/// 400 with what is wrong, and where.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|cause| Problem::invalid_input(format!("the body cannot be read: {cause}")))
}
