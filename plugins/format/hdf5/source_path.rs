//! What a variable keeps of where its array lies: the path, the member of its records, and which state of
//! which other files its values depend on.

use std::fmt;

/// What separates the parts: a path in a file has no empty names.
const SEPARATOR: &str = "//";

/// Where the array of a variable lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SourcePath {
    /// The path in its file; a leading slash tells that it is not the first file.
    pub(crate) path: String,
    /// A fingerprint of the other files that its values depend on ([`crate::opened::Opened::fingerprint`]).
    pub(crate) fingerprint: String,
    /// The member of its records: empty, or `.member`.
    pub(crate) suffix: String,
}

impl SourcePath {
    /// The parts of what the index holds.
    pub(crate) fn parse(text: &str) -> Self {
        let (path, rest) = text.split_once(SEPARATOR).unwrap_or((text, ""));
        let (fingerprint, suffix) = match rest.split_once(SEPARATOR) {
            Some((fingerprint, suffix)) if !fingerprint.starts_with('.') => (fingerprint, suffix),
            _ => ("", rest),
        };
        Self { path: path.to_owned(), fingerprint: fingerprint.to_owned(), suffix: suffix.to_owned() }
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if !self.fingerprint.is_empty() {
            write!(f, "{SEPARATOR}{}", self.fingerprint)?;
        }
        if !self.fingerprint.is_empty() || !self.suffix.is_empty() {
            write!(f, "{SEPARATOR}{}", self.suffix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_back() {
        for path in ["v", "/g/v"] {
            for fingerprint in ["", "0123456789abcdef"] {
                for suffix in ["", ".a", ".a//b"] {
                    let whole = SourcePath {
                        path: path.to_owned(),
                        fingerprint: fingerprint.to_owned(),
                        suffix: suffix.to_owned(),
                    };
                    assert_eq!(SourcePath::parse(&whole.to_string()), whole);
                }
            }
        }
    }
}
