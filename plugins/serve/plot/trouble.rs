//! Why there is no picture, as an answer.

use thermocline_http::Problem;
use thermocline_http::problem::UNDRAWABLE;
use thermocline_plot::Failure;

/// Why there is no picture: it cannot be planned or drawn.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) Failure);

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl Trouble {
    /// The same trouble for another who waited for the same picture.
    pub(crate) fn shared(&self) -> Self {
        Self(match &self.0 {
            Failure::Mistake { detail, allowed } => {
                Failure::Mistake { detail: detail.clone(), allowed: allowed.clone() }
            }
            Failure::Undrawable(detail) => Failure::Undrawable(detail.clone()),
            Failure::Core(error) => Failure::Core(error.shared()),
            Failure::Cancelled => Failure::Cancelled,
        })
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble.0 {
            Failure::Mistake { detail, allowed } => {
                let problem = Self::invalid_input(detail);
                if allowed.is_empty() { problem } else { problem.with_allowed(allowed) }
            }
            Failure::Undrawable(detail) => Self::new(&UNDRAWABLE, detail),
            Failure::Core(error) => Self::for_metadata(error),
            Failure::Cancelled => Self::unavailable("the plot was called off"),
        }
    }
}

/// The answer of a request that cannot be planned.
pub(crate) fn problem(failure: Failure) -> Problem {
    Trouble(failure).into()
}
