//! Why there is no picture, as an answer.

use std::time::Duration;

use thermocline_http::Problem;
use thermocline_http::problem::{TIMEOUT, UNDRAWABLE};
use thermocline_plot::Failure;

/// Why there is no picture.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It cannot be planned or drawn.
    Failed(Failure),
    /// It took longer than a plot may.
    TooSlow(Duration),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Trouble {
    /// The same trouble for another who waited for the same picture.
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::TooSlow(limit) => Self::TooSlow(*limit),
            Self::Failed(failure) => Self::Failed(match failure {
                Failure::Mistake { detail, allowed } => {
                    Failure::Mistake { detail: detail.clone(), allowed: allowed.clone() }
                }
                Failure::Undrawable(detail) => Failure::Undrawable(detail.clone()),
                Failure::Core(error) => Failure::Core(error.shared()),
                Failure::Cancelled => Failure::Cancelled,
            }),
        }
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failed(Failure::Mistake { detail, allowed }) => {
                let problem = Self::invalid_input(detail);
                if allowed.is_empty() { problem } else { problem.with_allowed(allowed) }
            }
            Trouble::Failed(Failure::Undrawable(detail)) => Self::new(&UNDRAWABLE, detail),
            Trouble::Failed(Failure::Core(error)) => Self::for_metadata(error),
            Trouble::Failed(Failure::Cancelled) => Self::unavailable("the plot was called off"),
            Trouble::TooSlow(limit) => Self::new(
                &TIMEOUT,
                format!(
                    "the plot was not drawn within {} s: ask for less, or a smaller picture",
                    limit.as_secs()
                ),
            ),
        }
    }
}

/// The answer of a request that cannot be planned.
pub(crate) fn problem(failure: Failure) -> Problem {
    Trouble::Failed(failure).into()
}
