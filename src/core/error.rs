//! The error of the core: what failed, and what the caller can do about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing that was named does not exist.
    NotFound,
    /// The request makes no sense; the message names what would.
    InvalidInput,
    /// The request asks for more than a limit allows.
    TooLarge,
    /// The dataset cannot be opened; the message is the reason that its report shows.
    Refused,
    /// The source changed or is being indexed: the same request will work soon.
    Changed {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The source is gone and stays away.
    Lost,
    /// A store or a resource does not answer at present.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Whoever asks has used up what they may have, or would with this.
    OverQuota {
        /// When there may be room again.
        retry_after: Duration,
    },
    /// Objects have to be recalled from a cold store first; [`Error::not_staged`] names them.
    NotStaged,
    /// Objects could not be recalled from their cold store; the message is the reason that the store gave.
    RecallFailed,
    /// Stored bytes are damaged: a checksum, a length or a stream does not hold.
    Corrupt,
    /// A feature of the format or the codec that nothing here can read.
    Unsupported,
    /// A mistake of this program.
    Internal,
}

/// An error with its kind, a message that names the thing, and its cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Paths and URLs of objects that have to be recalled.
    not_staged: Vec<Arc<str>>,
}

/// Result of the core's verbs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, not_staged: Vec::new() }
    }

    /// The error of objects that have to be recalled before they can be read, by their paths or URLs.
    pub fn needs_staging(objects: Vec<Arc<str>>) -> Self {
        let message = match objects.as_slice() {
            [only] => format!("{only} has to be recalled first"),
            [first, rest @ ..] => {
                format!("{first} and {} more objects have to be recalled first", rest.len())
            }
            [] => "objects have to be recalled first".to_owned(),
        };
        Self { not_staged: objects, ..Self::new(ErrorKind::NotStaged, message) }
    }

    /// Paths or URLs of the objects that have to be recalled, named by this error or by one that caused it;
    /// empty for every other kind.
    pub fn not_staged(&self) -> &[Arc<str>] {
        if self.kind != ErrorKind::NotStaged || !self.not_staged.is_empty() {
            return &self.not_staged;
        }
        let cause = self.source.as_deref().and_then(|cause| cause.downcast_ref::<Self>());
        cause.map_or(&[], Self::not_staged)
    }

    /// The same error for another waiter: kind, objects, and all messages in one.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self { not_staged: self.not_staged().to_vec(), ..Self::new(self.kind, self.to_string()) }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// True if what caused it is a `C`.
    pub(crate) fn is_caused_by<C: StdError + 'static>(&self) -> bool {
        self.source.as_deref().is_some_and(|cause| cause.is::<C>())
    }

    /// What a caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without the causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Shorthand for [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Shorthand for [`ErrorKind::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Shorthand for [`ErrorKind::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Display for Error {
    /// The message, then the messages of all causes, each after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {}

impl From<thermocline_codec::CodecError> for Error {
    fn from(error: thermocline_codec::CodecError) -> Self {
        let kind = match &error {
            thermocline_codec::CodecError::Corrupt { .. } => ErrorKind::Corrupt,
            thermocline_codec::CodecError::TooLarge { .. } => ErrorKind::TooLarge,
            thermocline_codec::CodecError::Unsupported { .. } => ErrorKind::Unsupported,
        };
        Self::new(kind, error.to_string())
    }
}
