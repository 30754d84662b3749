//! Errors of this plugin: problem documents that also carry what STAC calls an error.
//!
//! # Specification
//! STAC API 1.0.0, section "Error Handling" (OGC API Features, `exception`): `code` and `description`.

use axum::response::{IntoResponse, Response};
use thermocline_core::Error;
use thermocline_http::Problem;

/// A problem with STAC's `code` and `description`.
#[derive(Debug)]
pub(crate) struct StacProblem(pub(crate) Problem);

/// What a parser of requests gives.
pub(crate) type Parsed<T> = Result<T, StacProblem>;

impl StacProblem {
    /// The request makes no sense: 400.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self(Problem::invalid_input(detail))
    }

    /// What the path names does not exist: 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self(Problem::not_found(detail))
    }

    /// Names what would have been right.
    pub(crate) fn with_allowed<T: Into<String>>(self, allowed: impl IntoIterator<Item = T>) -> Self {
        Self(self.0.with_allowed(allowed))
    }
}

impl From<Problem> for StacProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Error> for StacProblem {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for StacProblem {
    fn into_response(self) -> Response {
        let code = self.0.status.as_str().to_owned();
        let description = self.0.detail().into_owned();
        self.0.with_field("code", code).with_field("description", description).into_response()
    }
}
