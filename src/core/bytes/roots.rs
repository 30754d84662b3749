//! Declared roots: the only places from which anything is read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::credentials::CredentialSource;
use super::directory::Directory;
use super::signed::S3Signer;
use super::web::WebConnector;
use crate::{Error, Result};

/// A place below which objects may be read.
#[derive(Debug, Clone)]
pub enum Root {
    /// A directory of this machine.
    Directory(Directory),
    /// A prefix in an object store.
    Store {
        /// The prefix as a URL, without a trailing slash.
        prefix: String,
        /// The store of the URL's bucket or host.
        store: Arc<dyn ObjectStore>,
    },
}

/// How to reach an object store.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Address of the service, for S3 other than Amazon's.
    pub endpoint: Option<String>,
    /// Region, for S3.
    pub region: Option<String>,
    /// Whether the bucket is part of the host's name.
    pub is_virtual_hosted: bool,
    /// How requests are signed.
    pub credentials: Credentials,
    /// How long one request may take.
    pub request_timeout: Option<Duration>,
}

/// How requests to a store are signed.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Not at all: public data.
    #[default]
    None,
    /// By the usual environment variables and instance roles of S3.
    Environment,
    /// By a fixed key.
    Key {
        /// Name of the key.
        key_id: String,
        /// The secret.
        secret: String,
        /// Session token, if the key is temporary.
        token: Option<String>,
    },
    /// By a bearer token in every request.
    Bearer(String),
    /// By what a source gives, asked anew for each request.
    Source(Arc<dyn CredentialSource>),
}

impl Credentials {
    fn source(&self) -> Option<&Arc<dyn CredentialSource>> {
        match self {
            Self::Source(source) => Some(source),
            Self::None | Self::Environment | Self::Key { .. } | Self::Bearer(_) => None,
        }
    }
}

impl Root {
    /// A directory of this machine.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if it does not exist.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self> {
        Directory::new(path.as_ref()).map(Self::Directory)
    }

    /// The directory, if it is one.
    pub(super) fn as_directory(&self) -> Option<&Directory> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Store { .. } => None,
        }
    }

    /// A prefix in an object store: `s3://bucket/prefix`, `https://host/prefix`, `http://host/prefix`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for another scheme or options that make no client.
    pub fn store(url: &str, options: &StoreOptions) -> Result<Self> {
        let invalid = |why: String| Error::invalid_input(format!("root {url}: {why}"));
        let parsed = Url::parse(url).map_err(|cause| invalid(cause.to_string()))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "s3" => Arc::new(s3_client(&parsed, options)?),
            "http" | "https" => Arc::new(web(&parsed, options).map_err(|cause| invalid(cause.to_string()))?),
            other => return Err(invalid(format!("scheme {other:?}; allowed are s3, https and http"))),
        };
        Ok(Self::Store { prefix: url.trim_end_matches('/').to_owned(), store })
    }
}

/// The client of the bucket that a URL names, `s3://bucket/prefix`: its credentials are those of each request.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] for options that make no client.
pub fn s3_client(url: &Url, options: &StoreOptions) -> Result<AmazonS3> {
    s3(url, options).map_err(|cause| Error::invalid_input(format!("root {url}: {cause}")))
}

fn s3(url: &Url, options: &StoreOptions) -> Result<AmazonS3, object_store::Error> {
    let mut builder = match options.credentials {
        Credentials::Environment => AmazonS3Builder::from_env(),
        _ => AmazonS3Builder::new(),
    };
    builder = builder
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_virtual_hosted_style_request(options.is_virtual_hosted)
        .with_retry(retries())
        .with_client_options(client(options));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http:"));
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    match &options.credentials {
        Credentials::None => builder = builder.with_skip_signature(true),
        Credentials::Key { key_id, secret, token } => {
            builder = builder.with_access_key_id(key_id).with_secret_access_key(secret);
            if let Some(token) = token {
                builder = builder.with_token(token);
            }
        }
        Credentials::Source(source) => {
            let signer = S3Signer::new(Arc::clone(source));
            builder = builder.with_credentials(Arc::new(signer.clone())).with_http_connector(signer);
        }
        Credentials::Environment | Credentials::Bearer(_) => {}
    }
    builder.build()
}

fn web(url: &Url, options: &StoreOptions) -> Result<impl ObjectStore, object_store::Error> {
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    HttpBuilder::new()
        .with_url(origin.as_str())
        .with_http_connector(WebConnector { source: options.credentials.source().cloned() })
        .with_retry(retries())
        .with_client_options(client(options).with_allow_http(true))
        .build()
}

/// Short enough that a client still waits: what fails longer is answered 503 and asked again.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
        max_retries: 4,
        retry_timeout: Duration::from_secs(20),
    }
}

fn client(options: &StoreOptions) -> ClientOptions {
    let timeout = options.request_timeout.unwrap_or(Duration::from_secs(60));
    let mut client = ClientOptions::new().with_timeout(timeout).with_connect_timeout(Duration::from_secs(5));
    if let Credentials::Bearer(token) = &options.credentials
        && let Ok(mut value) = http::HeaderValue::from_str(&format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        client = client.with_default_headers([(http::header::AUTHORIZATION, value)].into_iter().collect());
    }
    client
}
