//! Why something cannot be drawn, and how drawing is called off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why something cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A number, name or combination that makes no picture.
    #[error("{0}")]
    Invalid(String),
    /// More than can be held or drawn.
    #[error("{0}")]
    TooLarge(String),
    /// Nobody waits for it any more.
    #[error("drawing was called off")]
    Cancelled,
    /// A picture that cannot be encoded.
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

/// What drawing gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Calls drawing off. Copies are the same one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Nothing is called off yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls off whatever looks at this.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once it was called off. Kernels ask once for every few rows.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
