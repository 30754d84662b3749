//! Secrets by which stores are reached, asked for again for each request: they change while the server runs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use object_store::aws::AwsCredential;

use crate::Result;

/// Gives the secret that is in force. Whoever sends a request asks for it then, and keeps none.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// The secret of this moment: renewed before it expires, read again when it changed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unavailable`] while there is none that is valid.
    async fn secret(&self) -> Result<Arc<Secret>>;

    /// A store does not take a secret that this source gave. Never waits.
    fn refused(&self, secret: &Arc<Secret>, refusal: Refusal<'_>) {
        let _ = (secret, refusal);
    }

    /// A store took a secret that this source gave. Never waits.
    fn taken(&self, secret: &Arc<Secret>) {
        let _ = secret;
    }
}

/// What a store holds against a secret, in the store's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'r> {
    /// It is wrong, or has expired.
    Wrong(&'r str),
    /// What was asked for is denied: the secret may be wrong, or may lack the right.
    Denied(&'r str),
}

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A key of S3.
    Key {
        /// Name of the key.
        key_id: String,
        /// The secret.
        secret: String,
        /// Session token, if the key is temporary.
        token: Option<String>,
    },
    /// A bearer token (RFC 6750).
    Bearer(String),
    /// A name and a password (RFC 7617).
    Basic {
        /// Whose password it is.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::Basic { .. } => "Basic(…)",
        })
    }
}

impl Secret {
    /// The header `Authorization` of a request to a web server; `None` for a key of S3, and for what no header can hold.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Key { .. } => return None,
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The key by which requests to S3 are signed: a name and a password are one too, as in `.netrc`. `None` for a token,
    /// which signs none.
    pub fn aws_key(&self) -> Option<AwsCredential> {
        let (key_id, secret_key, token) = match self {
            Self::Key { key_id, secret, token } => (key_id, secret, token.clone()),
            Self::Basic { user, password } => (user, password, None),
            Self::Bearer(_) => return None,
        };
        Some(AwsCredential { key_id: key_id.clone(), secret_key: secret_key.clone(), token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_written_to_a_log() {
        let hidden = "open sesame".to_owned();
        let key = Secret::Key { key_id: hidden.clone(), secret: hidden.clone(), token: Some(hidden.clone()) };
        let basic = Secret::Basic { user: hidden.clone(), password: hidden.clone() };
        for secret in [key, basic, Secret::Bearer(hidden.clone())] {
            let shown = format!("{secret:?} {:?}", secret.authorization());
            assert!(!shown.contains("sesame") && !shown.contains("Basic b3"), "{shown}");
        }
    }

    #[test]
    fn a_name_and_a_password_make_the_header_of_rfc_7617() {
        let secret = Secret::Basic { user: "Aladdin".to_owned(), password: "open sesame".to_owned() };
        assert_eq!(secret.authorization().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(Secret::Bearer("a\nb".to_owned()).authorization().is_none());
    }
}
