//! What is sent with each request so that the site knows who asks.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use thermocline_core::Result;
use thermocline_core::bytes::{CredentialSource, Credentials, Refusal, Secret};

/// A secret, with whoever wants to know what the site thinks of it.
pub(super) struct Signature {
    pub(super) header: Option<HeaderValue>,
    given: Option<(Arc<dyn CredentialSource>, Arc<Secret>)>,
}

impl Signature {
    pub(super) async fn by(credentials: &Credentials) -> Result<Self> {
        match credentials {
            Credentials::Bearer(token) => {
                let header = Secret::Bearer(token.clone()).authorization();
                Ok(Self { header, given: None })
            }
            Credentials::Source(source) => {
                let secret = source.secret().await?;
                Ok(Self { header: secret.authorization(), given: Some((Arc::clone(source), secret)) })
            }
            // Keys of S3 mean nothing to a tape site.
            Credentials::None | Credentials::Environment | Credentials::Key { .. } => {
                Ok(Self { header: None, given: None })
            }
        }
    }

    /// Says what the site thinks of it.
    pub(super) fn tell(&self, status: StatusCode) {
        let Some((source, secret)) = &self.given else { return };
        match status {
            StatusCode::UNAUTHORIZED => source.refused(secret, Refusal::Wrong(&status.to_string())),
            StatusCode::FORBIDDEN => source.refused(secret, Refusal::Denied(&status.to_string())),
            status if status.is_success() => source.taken(secret),
            _ => {}
        }
    }
}
