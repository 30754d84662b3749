//! Why there is no plot, and what would have been right.

use thermocline_core::{Error, ErrorKind};

/// Why there is no plot.
#[derive(Debug)]
pub enum Failure {
    /// A word that does not exist, or a number that makes no sense (400). `allowed` names what would have been right.
    Mistake {
        /// What is wrong, naming the culprit.
        detail: String,
        /// What would have been right; empty where that is no list.
        allowed: Vec<String>,
    },
    /// The variable cannot be drawn so: texts, too few dimensions (422).
    Undrawable(String),
    /// Whatever keeps the data from being read; [`ErrorKind::TooLarge`] for too many pixels or bytes,
    /// [`ErrorKind::NotStaged`] for cold objects.
    Core(Error),
    /// Nobody waits for it any more.
    Cancelled,
}

impl Failure {
    /// A mistake in the request without a list of what is allowed.
    pub fn mistake(detail: impl Into<String>) -> Self {
        Self::Mistake { detail: detail.into(), allowed: Vec::new() }
    }

    /// More than a limit allows.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::Core(Error::new(ErrorKind::TooLarge, detail))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<thermocline_render::Error> for Failure {
    fn from(error: thermocline_render::Error) -> Self {
        use thermocline_render::Error as Drawing;
        match error {
            Drawing::Invalid(detail) => Self::mistake(detail),
            Drawing::TooLarge(detail) => Self::too_large(detail),
            Drawing::Cancelled => Self::Cancelled,
            Drawing::Encode(detail) => Self::Core(Error::internal(detail)),
        }
    }
}
