//! Why an object did not land, and what can be done about it.

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::{Error, ErrorKind};

/// What can be done when an object did not land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LandCause {
    /// Try again, after this time if the store named one: parts that have landed are kept.
    Retryable {
        /// When to try again.
        after: Option<Duration>,
    },
    /// The object is not in that state any more: ask for its status, and begin anew with it.
    Changed,
    /// Nothing: the store has no such object any more.
    Gone,
    /// Nothing: no copy of it is left.
    Lost,
    /// Nothing: the store will not give the bytes.
    Refused,
    /// Have it staged anew: the bytes were read twice, and had another checksum than the store has both times.
    Corrupt,
    /// Make room, then try again: the disk of the cache is full.
    NoSpace,
    /// The disk of the cache fails.
    CacheDisk,
    /// Try again: nothing came for too long.
    Stalled,
    /// Nobody wants it any more.
    Cancelled,
}

impl LandCause {
    /// True if trying again is of no use.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Gone | Self::Lost | Self::Refused)
    }

    /// True if what has landed so far is of use at the next attempt.
    pub(in crate::staging) fn keeps_parts(self) -> bool {
        match self {
            Self::Retryable { .. } | Self::NoSpace | Self::CacheDisk | Self::Stalled | Self::Cancelled => {
                true
            }
            Self::Changed | Self::Gone | Self::Lost | Self::Refused | Self::Corrupt => false,
        }
    }
}

/// An object that did not land.
#[derive(Debug)]
pub struct LandFailure {
    /// What can be done.
    pub cause: LandCause,
    /// What failed. Names the object, and no folder of this machine.
    pub error: Error,
}

impl LandFailure {
    pub(super) fn new(cause: LandCause, message: String) -> Self {
        let kind = match cause {
            LandCause::Retryable { after } => {
                ErrorKind::Unavailable { retry_after: after.unwrap_or(Duration::from_secs(10)) }
            }
            LandCause::NoSpace | LandCause::CacheDisk | LandCause::Stalled | LandCause::Cancelled => {
                ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }
            }
            LandCause::Changed => ErrorKind::Changed { retry_after: Duration::from_secs(2) },
            LandCause::Gone | LandCause::Lost => ErrorKind::Lost,
            LandCause::Refused => ErrorKind::Refused,
            LandCause::Corrupt => ErrorKind::Corrupt,
        };
        Self { cause, error: Error::new(kind, message) }
    }

    /// The failure of a store that was asked for bytes or for the state of an object.
    pub(super) fn of_store(error: Error, object: &dyn fmt::Display) -> Self {
        let cause = match error.kind() {
            ErrorKind::NotFound => LandCause::Gone,
            ErrorKind::Lost => LandCause::Lost,
            ErrorKind::Refused | ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::TooLarge => {
                LandCause::Refused
            }
            ErrorKind::Changed { .. } => LandCause::Changed,
            ErrorKind::Unavailable { retry_after } | ErrorKind::OverQuota { retry_after } => {
                LandCause::Retryable { after: Some(retry_after) }
            }
            ErrorKind::NotStaged | ErrorKind::RecallFailed | ErrorKind::Corrupt | ErrorKind::Internal => {
                LandCause::Retryable { after: None }
            }
        };
        Self::new(cause, format!("the store did not give {object}")).with_source(error)
    }

    /// The failure of a step on a file of the cache.
    pub(super) fn of_disk(error: io::Error, what: &str, object: &dyn fmt::Display) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        let (cause, words) = match errno {
            Some(Errno::NOSPC | Errno::DQUOT) => (LandCause::NoSpace, "the disk of the cache is full"),
            _ => (LandCause::CacheDisk, "the disk of the cache fails"),
        };
        Self::new(cause, format!("{words}: cannot {what} of {object}")).with_source(error)
    }

    /// The failure of a task that did not come to its end.
    pub(super) fn of_task(error: tokio::task::JoinError, object: &dyn fmt::Display) -> Self {
        Self::new(LandCause::Retryable { after: None }, format!("the landing of {object} broke off"))
            .with_source(error)
    }

    fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: self.cause, error: self.error.with_source(source) }
    }
}

impl fmt::Display for LandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<LandFailure> for Error {
    fn from(failure: LandFailure) -> Self {
        failure.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_failing_one_are_told_apart() {
        for (errno, cause) in [
            (Errno::NOSPC, LandCause::NoSpace),
            (Errno::DQUOT, LandCause::NoSpace),
            (Errno::IO, LandCause::CacheDisk),
            (Errno::ROFS, LandCause::CacheDisk),
        ] {
            assert_eq!(LandFailure::of_disk(errno.into(), "write bytes", &"a:b").cause, cause);
        }
    }

    #[test]
    fn a_failure_names_the_object_and_its_cause() {
        let busy = ErrorKind::Unavailable { retry_after: Duration::from_secs(7) };
        let failure = LandFailure::of_store(Error::new(busy, "all drives are taken"), &"cmip6:tas.nc");
        assert_eq!(failure.cause, LandCause::Retryable { after: Some(Duration::from_secs(7)) });
        assert_eq!(failure.to_string(), "the store did not give cmip6:tas.nc: all drives are taken");
        assert_eq!(Error::from(failure).kind(), busy);
    }
}
