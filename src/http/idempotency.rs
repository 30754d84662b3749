//! Keys by which a request that is repeated is the same one: draft-ietf-httpapi-idempotency-key-header.

use http::HeaderName;
use http::request::Parts;
use sha2::{Digest, Sha256};
use thermocline_core::staging::IdempotencyKey;
use thermocline_core::{Error, ErrorKind};

use crate::Problem;
use crate::problem::KEY_REUSED;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// The key of a request whose body is still to come.
pub struct WrittenKey {
    key: String,
    hash: Sha256,
}

impl WrittenKey {
    /// The key with the body. Long bodies take time.
    pub fn with_body(mut self, body: &[u8]) -> IdempotencyKey {
        update(&mut self.hash, body);
        IdempotencyKey { key: self.key, body_hash: self.hash.finalize().into() }
    }
}

/// The idempotency key of a request.
///
/// # Errors
/// 400 for a key that is none.
pub fn idempotency(parts: &Parts) -> Result<Option<WrittenKey>, Problem> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().map(|key| key.trim().trim_matches('"'));
    let key = key.filter(|key| !key.is_empty() && key.len() <= MAX_KEY_BYTES);
    let key = key.ok_or_else(|| {
        Problem::invalid_input(format!(
            "Idempotency-Key is not made of 1 to {MAX_KEY_BYTES} printable characters"
        ))
    })?;
    let mut hash = Sha256::new();
    for part in [parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        update(&mut hash, part.as_bytes());
    }
    Ok(Some(WrittenKey { key: key.to_owned(), hash }))
}

/// The problem that the engine's refusal of a request with a key is: 422 for one that was used for another request.
pub fn refused(error: Error) -> Problem {
    let is_about_key = error.message().to_ascii_lowercase().contains("idempotency");
    if is_about_key && error.kind() == ErrorKind::InvalidInput {
        return Problem::new(&KEY_REUSED, error.message());
    }
    error.into()
}

/// Takes a part in with its length, so that no two lists of parts are the same bytes.
fn update(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_body_or_query_has_another_hash() {
        let hash = |uri: &str, body: &[u8]| {
            let request = http::Request::post(uri).header("idempotency-key", "k").body(()).unwrap();
            idempotency(&request.into_parts().0).unwrap().unwrap().with_body(body).body_hash
        };
        assert_eq!(hash("/requests", b"a"), hash("/requests", b"a"));
        assert_ne!(hash("/requests", b"a"), hash("/requests", b"b"));
        assert_ne!(hash("/requests?x", b"a"), hash("/requests", b"a"));
        assert_ne!(hash("/requests?a", b""), hash("/requests", b"a"));
    }
}
