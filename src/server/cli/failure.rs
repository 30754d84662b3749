//! Why a command ended without doing what it was asked.

use std::fmt;
use std::process::ExitCode;

use crate::config::Mistakes;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration has mistakes.
    Config(Mistakes),
    /// What was asked makes no sense.
    Usage(String),
    /// Something that was tried did not work.
    Failed(String),
}

impl Failure {
    /// 2 for what the user has to write differently, 1 for the rest.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }

    /// A failure of something outside, with its cause.
    pub(crate) fn because(what: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {cause}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(mistakes) => mistakes.fmt(f),
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Config(mistakes)
    }
}

impl From<thermocline_core::Error> for Failure {
    fn from(error: thermocline_core::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
