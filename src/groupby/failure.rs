//! Why there is no result, and what would have been right.

use thermocline_core::{Error, ErrorKind};

use crate::Estimate;

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// A word that does not exist, or a number that makes no sense (400). `allowed` names what would have been right.
    Mistake {
        /// What is wrong, naming the culprit.
        detail: String,
        /// What would have been right; empty where that is no list.
        allowed: Vec<String>,
    },
    /// The action is not defined for the values (422): texts, undecodable times, integers beyond 64 bits.
    Impossible(String),
    /// More than a limit allows (413).
    TooLarge {
        /// Which limit, and which option narrows the request.
        detail: String,
        /// What it would cost.
        estimate: Box<Estimate>,
    },
    /// Whatever keeps the data from being read; [`ErrorKind::NotFound`] for variables and coordinates that do not exist,
    /// [`ErrorKind::NotStaged`] for cold objects.
    Core(Error),
}

impl Failure {
    /// A mistake in the request without a list of what is allowed.
    pub fn mistake(detail: impl Into<String>) -> Self {
        Self::Mistake { detail: detail.into(), allowed: Vec::new() }
    }

    /// A mistake in the request with what would have been right.
    pub fn mistake_among(
        detail: impl Into<String>,
        allowed: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::Mistake { detail: detail.into(), allowed: allowed.into_iter().map(Into::into).collect() }
    }

    /// The same failure for another who waited for the same result.
    #[must_use]
    pub fn shared(&self) -> Self {
        match self {
            Self::Mistake { detail, allowed } => {
                Self::Mistake { detail: detail.clone(), allowed: allowed.clone() }
            }
            Self::Impossible(detail) => Self::Impossible(detail.clone()),
            Self::TooLarge { detail, estimate } => {
                Self::TooLarge { detail: detail.clone(), estimate: estimate.clone() }
            }
            Self::Core(error) => Self::Core(error.shared()),
        }
    }

    /// What a selection says of itself is a mistake of the request; the rest is not.
    pub(crate) fn of_selection(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidInput => Self::mistake(error.to_string()),
            _ => Self::Core(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}
