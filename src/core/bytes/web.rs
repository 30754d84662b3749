//! What plain web servers do differently from object stores: most of them cannot list.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use super::credentials::{CredentialSource, Refusal};

/// What a web server answers to a request that it does not offer.
#[derive(Debug, thiserror::Error)]
#[error("the server answers {method} with {status}")]
pub(super) struct NotOffered {
    method: Method,
    status: StatusCode,
}

impl NotOffered {
    /// Finds it among the causes of an error.
    pub(super) fn among<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// Connects to web servers that know no more than GET and HEAD, with the credentials of each moment.
///
/// Their answers to `PROPFIND` are many: 405, 501, 403, 404, or 200 with a page. Each of them is the error
/// [`NotOffered`], at once: a server error would be asked for again and again.
#[derive(Debug, Default)]
pub(super) struct WebConnector {
    /// Gives the header `Authorization` of each request.
    pub(super) source: Option<Arc<dyn CredentialSource>>,
}

impl HttpConnector for WebConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(WebService { client, source: self.source.clone() }))
    }
}

#[derive(Debug)]
struct WebService {
    client: HttpClient,
    source: Option<Arc<dyn CredentialSource>>,
}

impl WebService {
    /// Sends a request with the secret of this moment, and tells its source what the server thinks of it.
    async fn signed(
        &self,
        source: &Arc<dyn CredentialSource>,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, HttpError> {
        // Not the kind of a request that was not sent: that one is sent again at once.
        let secret = source.secret().await.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let Some(authorization) = secret.authorization() else {
            source.refused(&secret, Refusal::Wrong("a key of S3 is no secret for a web server"));
            return self.client.execute(request).await;
        };
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let response = self.client.execute(request).await?;
        match response.status() {
            status @ StatusCode::UNAUTHORIZED => {
                source.refused(&secret, Refusal::Wrong(&status.to_string()));
            }
            status @ StatusCode::FORBIDDEN => source.refused(&secret, Refusal::Denied(&status.to_string())),
            status if status.is_success() => source.taken(&secret),
            _ => {}
        }
        Ok(response)
    }
}

#[async_trait]
impl HttpService for WebService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        let response = match &self.source {
            Some(source) => self.signed(source, request).await?,
            None => self.client.execute(request).await?,
        };
        if is_offered(&method, response.status()) {
            return Ok(response);
        }
        let answer = NotOffered { method, status: response.status() };
        Err(HttpError::new(HttpErrorKind::Unknown, answer))
    }
}

fn is_offered(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => false,
        // WebDAV, RFC 4918 section 9.1: the answer is 207, and 403 if the depth is not offered.
        _ if method.as_str() == "PROPFIND" => {
            status == StatusCode::MULTI_STATUS
                || status.is_server_error()
                || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_or_a_refusal_is_no_listing_and_a_failure_is_none_either_way() {
        let propfind = Method::from_bytes(b"PROPFIND").unwrap();
        for status in [200, 301, 400, 401, 403, 404, 405, 501] {
            assert!(!is_offered(&propfind, StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [207, 429, 500, 503] {
            assert!(is_offered(&propfind, StatusCode::from_u16(status).unwrap()), "{status}");
        }
        assert!(is_offered(&Method::GET, StatusCode::FORBIDDEN));
        assert!(!is_offered(&Method::HEAD, StatusCode::METHOD_NOT_ALLOWED));
    }
}
