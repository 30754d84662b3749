//! The calls to a bucket that no general client has: HEAD with its class, restore, a listing with restores.
//!
//! Each request asks for the credentials anew, so that renewed ones count at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thermocline_core::bytes::{CredentialSource, Credentials, Secret, StoreOptions, judge, s3_client};
use thermocline_core::{Error, ErrorKind, Result};
use url::Url;

use crate::looks::Telling;
use crate::xml;

/// What a signature needs to be encoded: everything but the unreserved (RFC 3986, section 2.3).
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same, but for the slashes of a key.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// Most bytes of an answer: a listing of 1,000 keys of 1,024 bytes, each encoded, has some 4 MB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The region of requests where none is named.
const USUAL_REGION: &str = "us-east-1";

/// When a store is asked again that could not be reached.
pub(crate) const UNREACHABLE_RETRY_AFTER: Duration = Duration::from_secs(30);

/// A bucket.
pub(crate) struct Bucket {
    /// Its name.
    pub(crate) name: String,
    /// Address of the bucket, without a slash at the end.
    pub(crate) address: String,
    /// Whether its listings tell of restores.
    pub(crate) telling: Telling,
    region: String,
    signer: Signer,
    http: HttpClient,
}

/// Knows the credentials.
enum Signer {
    /// Requests are not signed.
    None,
    /// The client of `object_store` finds them.
    Client(Box<AmazonS3>),
    /// Whose opinion of each secret is told to where it comes from.
    Source(Arc<dyn CredentialSource>),
}

/// An answer, whatever it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The code of the error that it tells of.
    pub(crate) fn code(&self) -> Option<String> {
        xml::error_code(&self.body)
    }
}

impl Bucket {
    /// The bucket of a root, `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for another address, and for options that make no client.
    pub(crate) fn new(root: &str, options: &StoreOptions) -> Result<Self> {
        let url = Url::parse(root).ok().filter(|url| url.scheme() == "s3");
        let url = url.ok_or_else(|| {
            Error::invalid_input(format!(
                "root {root} lies on a store of kind \"s3-glacier\" and is no s3://bucket/prefix"
            ))
        })?;
        let name = url.host_str().unwrap_or_default().to_owned();
        let timeout = options.request_timeout.unwrap_or(Duration::from_secs(60));
        let (address, region) = place(&name, options);
        let client = ClientOptions::new()
            .with_timeout(timeout)
            .with_connect_timeout(Duration::from_secs(5))
            .with_allow_http(address.starts_with("http:"));
        let http = ReqwestConnector::default().connect(&client);
        let http = http.map_err(|cause| Error::invalid_input(format!("root {root}")).with_source(cause))?;
        let signer = match &options.credentials {
            Credentials::None | Credentials::Bearer(_) => Signer::None,
            Credentials::Source(source) => Signer::Source(Arc::clone(source)),
            _ => Signer::Client(Box::new(s3_client(&url, options)?)),
        };
        Ok(Self { name, telling: Telling::of(&address), address, region, signer, http })
    }

    /// Asks for the headers of an object.
    pub(crate) async fn head(&self, key: &str) -> Result<Answer> {
        self.send(Method::HEAD, &path_of(key), HeaderMap::new(), String::new()).await
    }

    /// Asks for a restore of an object.
    pub(crate) async fn restore(&self, key: &str, body: String) -> Result<Answer> {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/xml"))].into_iter().collect();
        self.send(Method::POST, &format!("{}?restore=", path_of(key)), headers, body).await
    }

    /// Lists at most `n_keys` objects that begin with `prefix` and come after `after`, with their restores.
    pub(crate) async fn list(&self, prefix: &str, after: &str, n_keys: usize) -> Result<Answer> {
        let encoded = |text| utf8_percent_encode(text, IN_QUERY);
        let query = format!(
            "/?encoding-type=url&list-type=2&max-keys={n_keys}&prefix={}&start-after={}",
            encoded(prefix),
            encoded(after)
        );
        let name = HeaderName::from_static("x-amz-optional-object-attributes");
        let headers = [(name, HeaderValue::from_static("RestoreStatus"))].into_iter().collect();
        self.send(Method::GET, &query, headers, String::new()).await
    }

    async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: String) -> Result<Answer> {
        let unreachable = || {
            let kind = ErrorKind::Unavailable { retry_after: UNREACHABLE_RETRY_AFTER };
            Error::new(kind, format!("the store of bucket {} cannot be reached", self.name))
        };
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            format!("{}{path}", self.address).parse().map_err(|cause: http::uri::InvalidUri| {
                Error::invalid_input(format!("bucket {}: {path} is no address", self.name)).with_source(cause)
            })?;
        *request.headers_mut() = headers;
        let secret = self.sign(&mut request).await?;
        let response = self.http.execute(request).await.map_err(|cause| unreachable().with_source(cause))?;
        let (head, body) = response.into_parts();
        let mut parts = body.bytes_stream();
        let mut body = BytesMut::new();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|cause| unreachable().with_source(cause))?;
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                let message = format!("an answer has more than {MAX_ANSWER_BYTES} bytes");
                return Err(unreachable().with_source(Error::corrupt(message)));
            }
            body.extend_from_slice(&part);
        }
        let answer = Answer { status: head.status, headers: head.headers, body: body.freeze() };
        if let (Signer::Source(source), Some(secret)) = (&self.signer, &secret) {
            let code = (!answer.status.is_success()).then(|| answer.code()).flatten();
            judge(source, secret, answer.status, code.as_deref());
        }
        Ok(answer)
    }

    /// Signs a request, and gives the secret by which it was signed if it came from a source.
    async fn sign(&self, request: &mut HttpRequest) -> Result<Option<Arc<Secret>>> {
        let kind = ErrorKind::Unavailable { retry_after: UNREACHABLE_RETRY_AFTER };
        let none = || Error::new(kind, format!("no credentials for bucket {}", self.name));
        let failed = |cause: object_store::Error| none().with_source(cause);
        let (credential, secret) = match &self.signer {
            Signer::None => return Ok(None),
            Signer::Client(client) => (client.credentials().get_credential().await.map_err(failed)?, None),
            Signer::Source(source) => {
                let secret = source.secret().await.map_err(|cause| none().with_source(cause))?;
                let no_key = || none().with_source(Error::invalid_input("a token signs no requests to S3"));
                (Arc::new(secret.aws_key().ok_or_else(no_key)?), Some(secret))
            }
        };
        // What no header can hold would end the signing in a panic.
        let words = [Some(&credential.key_id), credential.token.as_ref()];
        if words.into_iter().flatten().any(|word| HeaderValue::from_str(word).is_err()) {
            let message = format!("the credentials for bucket {} hold signs that no header can", self.name);
            return Err(Error::new(kind, message));
        }
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
        authorizer.try_authorize(request, None).map_err(failed)?;
        Ok(secret)
    }
}

/// Address and region of a bucket, as the client of `object_store` makes them.
fn place(bucket: &str, options: &StoreOptions) -> (String, String) {
    let usual = match options.credentials {
        Credentials::Environment => AmazonS3Builder::from_env(),
        _ => AmazonS3Builder::new(),
    };
    let said = |own: &Option<String>, key| own.clone().or_else(|| usual.get_config_value(&key));
    let region = said(&options.region, AmazonS3ConfigKey::Region).unwrap_or_else(|| USUAL_REGION.to_owned());
    let endpoint = said(&options.endpoint, AmazonS3ConfigKey::Endpoint);
    let endpoint = endpoint.as_deref().map(|endpoint| endpoint.trim_end_matches('/'));
    let address = match (endpoint, options.is_virtual_hosted) {
        // The endpoint names the bucket itself then.
        (Some(endpoint), true) => endpoint.to_owned(),
        (Some(endpoint), false) => format!("{endpoint}/{bucket}"),
        (None, true) => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        (None, false) => format!("https://s3.{region}.amazonaws.com/{bucket}"),
    };
    (address, region)
}

fn path_of(key: &str) -> String {
    format!("/{}", utf8_percent_encode(key, IN_PATH))
}

/// The key of an object by its address, `s3://bucket/key`.
pub(crate) fn key_of(href: &str) -> Option<&str> {
    let (_, key) = href.strip_prefix("s3://")?.split_once('/')?;
    Some(key).filter(|key| !key.is_empty())
}

/// The bucket of a root, as whatever is sent to it holds it.
pub(crate) type SharedBucket = Arc<Bucket>;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: Option<&str>, is_virtual_hosted: bool) -> StoreOptions {
        StoreOptions {
            endpoint: endpoint.map(str::to_owned),
            region: Some("eu-central-1".to_owned()),
            is_virtual_hosted,
            ..StoreOptions::default()
        }
    }

    #[test]
    fn a_bucket_is_addressed_as_the_reading_client_does() {
        for (endpoint, is_virtual_hosted, expected) in [
            (None, false, "https://s3.eu-central-1.amazonaws.com/b"),
            (None, true, "https://b.s3.eu-central-1.amazonaws.com"),
            (Some("http://host:9000/"), false, "http://host:9000/b"),
            (Some("https://b.host"), true, "https://b.host"),
        ] {
            let (address, region) = place("b", &options(endpoint, is_virtual_hosted));
            assert_eq!((address.as_str(), region.as_str()), (expected, "eu-central-1"));
        }
        assert_eq!(place("b", &StoreOptions::default()).1, "us-east-1");
    }

    #[test]
    fn keys_are_written_as_signatures_need_them() {
        assert_eq!(path_of("a b/höhe+1=(x).nc"), "/a%20b/h%C3%B6he%2B1%3D%28x%29.nc");
        assert_eq!(key_of("s3://b/a/c.nc"), Some("a/c.nc"));
        assert_eq!(key_of("s3://b/"), None);
        assert_eq!(key_of("/b/a"), None);
    }

    #[test]
    fn only_buckets_are_roots() {
        for root in ["/archive", "https://host/a", "not an address"] {
            assert!(Bucket::new(root, &StoreOptions::default()).is_err(), "{root}");
        }
    }
}
