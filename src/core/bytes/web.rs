//! What plain web servers do differently from object stores: most of them cannot list.

use async_trait::async_trait;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

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

/// Connects to web servers that know no more than GET and HEAD.
///
/// Their answers to `PROPFIND` are many: 405, 501, 403, 404, or 200 with a page. Each of them is the error
/// [`NotOffered`], at once: a server error would be asked for again and again.
#[derive(Debug, Default)]
pub(super) struct WebConnector;

impl HttpConnector for WebConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(WebService(client)))
    }
}

#[derive(Debug)]
struct WebService(HttpClient);

#[async_trait]
impl HttpService for WebService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        let response = self.0.execute(request).await?;
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
