//! What a store of the S3 kind thinks of the secret that requests are signed with.
//!
//! The client signs requests by itself; here its answers are looked at, so that a secret that is wrong shows where
//! operators look, and one that has expired is renewed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use object_store::aws::AwsCredential;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, CredentialProvider};
use parking_lot::Mutex;

use super::credentials::{CredentialSource, Refusal, Secret};

/// Codes of errors that are about the secret, and not about what it is used for.
///
/// Source: Amazon S3 API reference, "Error responses".
const ABOUT_THE_SECRET: [&str; 8] = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Most bytes of the document of an error that are kept.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Gives the secrets of a source to the client that signs requests to a store of the S3 kind, and tells the source what
/// the store thinks of them.
#[derive(Debug, Clone)]
pub(super) struct S3Signer(Arc<Signer>);

#[derive(Debug)]
struct Signer {
    source: Arc<dyn CredentialSource>,
    /// The secret that was given last.
    given: Mutex<Option<Arc<Secret>>>,
}

impl S3Signer {
    pub(super) fn new(source: Arc<dyn CredentialSource>) -> Self {
        Self(Arc::new(Signer { source, given: Mutex::default() }))
    }
}

#[async_trait]
impl CredentialProvider for S3Signer {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |source| object_store::Error::Generic { store: "S3", source };
        let secret = self.0.source.secret().await.map_err(|error| failed(Box::new(error)))?;
        let key = secret.aws_key().ok_or_else(|| failed("a token signs no requests to S3".into()))?;
        *self.0.given.lock() = Some(secret);
        Ok(Arc::new(key))
    }
}

impl HttpConnector for S3Signer {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(S3Service { client, signer: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct S3Service {
    client: HttpClient,
    signer: Arc<Signer>,
}

#[async_trait]
impl HttpService for S3Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let given = self.signer.given.lock().clone();
        let Some(secret) = given.filter(|secret| is_signed_with(request.headers(), secret)) else {
            return self.client.execute(request).await;
        };
        let response = self.client.execute(request).await?;
        let status = response.status();
        if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            judge(&self.signer.source, &secret, status, None);
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = first_bytes(body).await?;
        judge(&self.signer.source, &secret, status, code_of(&String::from_utf8_lossy(&body)).as_deref());
        Ok(HttpResponse::from_parts(head, body.into()))
    }
}

/// Tells the source of a secret what a store of the S3 kind thinks of it: by the status of an answer to a request that was
/// signed with it, and the code of the error that it tells of.
pub fn judge(
    source: &Arc<dyn CredentialSource>,
    secret: &Arc<Secret>,
    status: StatusCode,
    code: Option<&str>,
) {
    if status.is_success() {
        source.taken(secret);
    } else if let Some(refusal) = refusal(status, code) {
        source.refused(secret, refusal);
    }
}

/// True for a request that is signed with this secret, and not with the one before it.
fn is_signed_with(headers: &HeaderMap, secret: &Secret) -> bool {
    let (Secret::Key { key_id, .. } | Secret::Basic { user: key_id, .. }) = secret else { return false };
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let named = header.and_then(|header| header.split_once("Credential=")).map(|(_, named)| named);
    named.and_then(|named| named.strip_prefix(key_id.as_str())).is_some_and(|scope| scope.starts_with('/'))
}

/// The document of an error, as far as it is kept: no store makes this server hold more.
async fn first_bytes(body: HttpResponseBody) -> Result<Bytes, HttpError> {
    let mut parts = body.bytes_stream();
    let mut kept = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part?;
        let n_bytes = part.len().min(MAX_ERROR_BYTES - kept.len());
        kept.extend_from_slice(part.get(..n_bytes).unwrap_or_default());
        if kept.len() == MAX_ERROR_BYTES {
            break;
        }
    }
    Ok(kept.freeze())
}

/// What an answer says against the secret; `None` if it is about something else.
fn refusal(status: StatusCode, code: Option<&str>) -> Option<Refusal<'_>> {
    match code {
        Some(code) => ABOUT_THE_SECRET.contains(&code).then_some(Refusal::Wrong(code)),
        None if status == StatusCode::UNAUTHORIZED => Some(Refusal::Wrong("401 Unauthorized")),
        // Answers to HEAD have no body.
        None if status == StatusCode::FORBIDDEN => Some(Refusal::Denied("403 Forbidden")),
        None => None,
    }
}

/// The code in the document of an error of S3.
pub(super) fn code_of(document: &str) -> Option<String> {
    let (_, rest) = document.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    Some(code.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_secret_is_held_against_it() {
        for (status, code, expected) in [
            (403, Some("SignatureDoesNotMatch"), Some(Refusal::Wrong("SignatureDoesNotMatch"))),
            (400, Some("ExpiredToken"), Some(Refusal::Wrong("ExpiredToken"))),
            (403, Some("InvalidObjectState"), None),
            (403, Some("AccessDenied"), None),
            (401, None, Some(Refusal::Wrong("401 Unauthorized"))),
            (403, None, Some(Refusal::Denied("403 Forbidden"))),
            (400, None, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal(status, code), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn an_answer_is_about_the_secret_that_the_request_was_signed_with() {
        let key = |key_id: &str| Secret::Key { key_id: key_id.into(), secret: String::new(), token: None };
        let header =
            "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host";
        let signed = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
        assert!(is_signed_with(&signed, &key("AKIA1")));
        for other in [key("AKIA"), key("AKIA12"), key("B"), Secret::Bearer("AKIA1".into())] {
            assert!(!is_signed_with(&signed, &other));
        }
        assert!(!is_signed_with(&HeaderMap::new(), &key("AKIA1")));
    }

    #[tokio::test]
    async fn no_document_of_an_error_is_kept_beyond_a_bound() {
        for (n_bytes, n_kept) in [(10, 10), (MAX_ERROR_BYTES, MAX_ERROR_BYTES), (1 << 20, MAX_ERROR_BYTES)] {
            let body = HttpResponseBody::from(Bytes::from(vec![b'x'; n_bytes]));
            assert_eq!(first_bytes(body).await.unwrap().len(), n_kept);
        }
    }

    #[test]
    fn the_code_of_an_error_is_found_in_its_document() {
        let document = "<?xml version=\"1.0\"?><Error><Code>InvalidObjectState</Code><Message/></Error>";
        assert_eq!(code_of(document).as_deref(), Some("InvalidObjectState"));
        assert_eq!(code_of("<Error><Code>"), None);
    }
}
