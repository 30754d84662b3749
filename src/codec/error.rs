//! Why a chunk cannot be decoded or encoded.

use thiserror::Error;

/// Why a chunk cannot be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The stored bytes are damaged.
    #[error("{message}")]
    Corrupt {
        /// Which step failed, and what was expected and found.
        message: String,
    },
    /// A step would produce more than the limit.
    #[error("{message}")]
    TooLarge {
        /// Which step, how much, and the limit.
        message: String,
    },
    /// No decoder or encoder for a step.
    #[error("{message}")]
    Unsupported {
        /// The step.
        message: String,
    },
}

impl CodecError {
    /// A [`CodecError::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt { message: message.into() }
    }

    /// A [`CodecError::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported { message: message.into() }
    }
}
