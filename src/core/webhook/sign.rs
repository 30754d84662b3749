//! Signatures, by which receivers know that a message is of this server and was not changed.
//!
//! # Specification
//! RFC 2104 (HMAC) with SHA-256; Standard Webhooks 1.0, "Signature scheme".

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::{Error, ErrorKind, Result};

/// Shortest key in bytes: nobody guesses 128 bits.
const MIN_KEY_BYTES: usize = 16;

/// Longest key in bytes.
const MAX_KEY_BYTES: usize = 4096;

/// Name of the header with the signature of the body alone.
pub const SIGNATURE: &str = "x-thermocline-signature";

/// The file that holds the key. It is read for each message, so that a key that was changed counts at once.
#[derive(Debug, Clone)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The key in this file: its bytes without blanks at the end.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the key. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] for a file that cannot be read, [`ErrorKind::InvalidInput`] for a key that is too short
    /// or too long.
    pub fn read(&self) -> Result<Signer> {
        let bytes = read(&self.0)?;
        let key = bytes.trim_ascii_end();
        if !(MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&key.len()) {
            let path = self.0.display();
            let message =
                format!("the key in {path} has {} bytes, not {MIN_KEY_BYTES} to {MAX_KEY_BYTES}", key.len());
            return Err(Error::invalid_input(message));
        }
        Ok(Signer::new(key))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    // A byte more than the longest key with the end of its line: what is longer is seen to be.
    let limit = MAX_KEY_BYTES as u64 + 3;
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|cause| {
        let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(60) };
        Error::new(kind, format!("cannot read the key of webhooks {}", path.display())).with_source(cause)
    })?;
    Ok(bytes)
}

/// Signs messages with a key.
#[derive(Clone)]
pub struct Signer(Key);

/// What a message is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// `sha256=` and the HMAC of the body, in hexadecimal.
    pub body: String,
    /// `v1,` and the HMAC of `id.timestamp.body`, in Base64: an old message is not taken for a new one.
    pub dated: String,
}

impl Signer {
    /// Signs with these bytes.
    pub fn new(key: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, key))
    }

    /// Signs a message of that id, sent so many seconds after 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Signatures {
        let of_body = sign(&self.0, body);
        let hexadecimal: String = of_body.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let dated = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        Signatures {
            body: format!("sha256={hexadecimal}"),
            dated: format!("v1,{}", STANDARD.encode(sign(&self.0, &dated))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_body_is_that_of_the_rfc() {
        // RFC 4231, test case 2.
        let signatures = Signer::new(b"Jefe").sign("any", 0, b"what do ya want for nothing?");
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signatures.body, expected);
    }

    #[test]
    fn the_dated_signature_is_that_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signatures = Signer::new(&key).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signatures.dated, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_that_is_short_or_not_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(KeyFile::new(&path).read().err().unwrap().kind(), ErrorKind::Unavailable { .. }));
        for (key, is_right) in [("short\n", false), ("0123456789abcdef\n", true), (&"x".repeat(5000), false)]
        {
            std::fs::write(&path, key).unwrap();
            assert_eq!(KeyFile::new(&path).read().is_ok(), is_right, "{} bytes", key.len());
        }
    }
}
