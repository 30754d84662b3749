//! How many bytes a step of decoding must or may give.

use crate::CodecError;

/// How many bytes a step of decoding must or may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This many, known from the chunk's shape.
    Exactly(usize),
    /// No more than this many: the next step knows how many it needs.
    AtMost(usize),
}

impl Expected {
    /// The most bytes that may be given.
    pub(crate) fn limit(self) -> usize {
        match self {
            Self::Exactly(len) | Self::AtMost(len) => len,
        }
    }

    /// Says whether `found` bytes are what was expected of `step`.
    pub(crate) fn check(self, step: &str, found: usize) -> Result<(), CodecError> {
        match self {
            Self::Exactly(len) if found != len => {
                Err(CodecError::corrupt(format!("{step} gives {found} bytes, the chunk has {len}")))
            }
            Self::AtMost(limit) if found > limit => Err(too_large(step, limit)),
            _ => Ok(()),
        }
    }

    /// The error of a step that would give more than the limit.
    pub(crate) fn overflow(self, step: &str) -> CodecError {
        match self {
            Self::Exactly(len) => {
                CodecError::corrupt(format!("{step} gives more than the {len} bytes that the chunk has"))
            }
            Self::AtMost(limit) => too_large(step, limit),
        }
    }
}

fn too_large(step: &str, limit: usize) -> CodecError {
    CodecError::TooLarge { message: format!("{step} gives more than the limit of {limit} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_length_must_be_met() {
        assert!(Expected::Exactly(4).check("zlib", 4).is_ok());
        assert!(matches!(Expected::Exactly(4).check("zlib", 3), Err(CodecError::Corrupt { .. })));
        assert!(matches!(Expected::Exactly(4).check("zlib", 5), Err(CodecError::Corrupt { .. })));
    }

    #[test]
    fn a_limit_must_not_be_passed() {
        assert!(Expected::AtMost(4).check("zlib", 0).is_ok());
        assert!(matches!(Expected::AtMost(4).check("zlib", 5), Err(CodecError::TooLarge { .. })));
    }
}
