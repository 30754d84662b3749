//! Documents of issuers over the web.

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::{Error, ErrorKind, Result};

/// Most bytes of a document.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// How long an issuer may take: a request waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Gets documents.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The bytes of a document.
    ///
    /// # Errors
    /// Anything but a whole document.
    async fn get(&self, url: &Url) -> Result<Vec<u8>>;
}

/// Gets documents from web servers. Nobody is followed elsewhere.
pub struct Web(reqwest::Client);

impl Web {
    /// A client of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if TLS cannot be spoken.
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .build();
        client
            .map(Self)
            .map_err(|cause| Error::internal("no client for issuers of tokens").with_source(cause))
    }
}

#[async_trait]
impl Fetch for Web {
    async fn get(&self, url: &Url) -> Result<Vec<u8>> {
        let failed = |what: &str| {
            let kind = ErrorKind::Unavailable { retry_after: TIMEOUT };
            Error::new(kind, format!("{url} {what}"))
        };
        let answer = self.0.get(url.clone()).header("accept", "application/json").send().await;
        let mut answer =
            answer.map_err(|cause| failed("does not answer").with_source(cause.without_url()))?;
        if answer.status() != 200 {
            return Err(failed(&format!("answers {}", answer.status())));
        }
        let mut document = Vec::new();
        let cut = |cause: reqwest::Error| failed("breaks off").with_source(cause.without_url());
        while let Some(part) = answer.chunk().await.map_err(cut)? {
            document.extend_from_slice(&part);
            if document.len() > MAX_DOCUMENT_BYTES {
                return Err(failed(&format!("sends more than {MAX_DOCUMENT_BYTES} bytes")));
            }
        }
        Ok(document)
    }
}
