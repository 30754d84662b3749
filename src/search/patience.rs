//! How long a search may take, and whether anybody waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind};

use crate::evaluate::Stop;

/// Longest time that a search may take: few run at once, and others wait for theirs.
pub(crate) const BUDGET: Duration = Duration::from_secs(10);

/// When a search ends although it is not done.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    is_unwanted: &'a AtomicBool,
    /// The end of its time.
    until: Option<(&'a dyn Clock, i64)>,
}

impl<'a> Patience<'a> {
    /// Until nobody waits, or from now on for as long as a search may take.
    pub(crate) fn bounded(is_unwanted: &'a AtomicBool, clock: &'a dyn Clock) -> Self {
        let budget_ns = i64::try_from(BUDGET.as_nanos()).unwrap_or(i64::MAX);
        Self { is_unwanted, until: Some((clock, clock.now_ns().saturating_add(budget_ns))) }
    }

    /// Why a search ends now; `None` if it goes on.
    pub(crate) fn ended(&self) -> Option<Stop> {
        if self.is_unwanted.load(Ordering::Relaxed) {
            return Some(Stop::Unwanted);
        }
        let is_late = self.until.is_some_and(|(clock, until_ns)| clock.now_ns() >= until_ns);
        is_late.then_some(Stop::TooLong)
    }
}

/// Until nobody waits, however long it takes.
impl<'a> From<&'a AtomicBool> for Patience<'a> {
    fn from(is_unwanted: &'a AtomicBool) -> Self {
        Self { is_unwanted, until: None }
    }
}

/// The error of a search whose time is over.
pub(crate) fn too_long(what: &str) -> Error {
    let message = format!("{what} more than {} s: ask for less at once, or later", BUDGET.as_secs());
    Error::new(ErrorKind::Unavailable { retry_after: BUDGET }, message)
}
