//! Errors as answers: RFC 9457 problem documents. The only place that knows status codes.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use thermocline_core::Error;

/// An error answer: `application/problem+json`.
#[derive(Debug)]
pub struct Problem {
    /// Status of the answer.
    pub status: StatusCode,
    /// The error.
    pub error: Error,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, error }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.status.into_response()
    }
}
