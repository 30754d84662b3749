//! Declared roots: the only places from which anything is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::path::Path as StorePath;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::{Error, Result};

/// A place below which objects may be read.
#[derive(Debug, Clone)]
pub enum Root {
    /// A directory of this machine, canonical.
    Directory(PathBuf),
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
}

impl Root {
    /// A directory of this machine.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if it does not exist.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        path.canonicalize()
            .map(Self::Directory)
            .map_err(|cause| Error::not_found(format!("no directory {}", path.display())).with_source(cause))
    }

    /// A prefix in an object store: `s3://bucket/prefix`, `https://host/prefix`, `http://host/prefix`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for another scheme or options that make no client.
    pub fn store(url: &str, options: &StoreOptions) -> Result<Self> {
        let invalid = |why: String| Error::invalid_input(format!("root {url}: {why}"));
        let parsed = Url::parse(url).map_err(|cause| invalid(cause.to_string()))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "s3" => Arc::new(s3(&parsed, options).map_err(|cause| invalid(cause.to_string()))?),
            "http" | "https" => Arc::new(web(&parsed, options).map_err(|cause| invalid(cause.to_string()))?),
            other => return Err(invalid(format!("scheme {other:?}; allowed are s3, https and http"))),
        };
        Ok(Self::Store { prefix: url.trim_end_matches('/').to_owned(), store })
    }
}

fn s3(url: &Url, options: &StoreOptions) -> Result<impl ObjectStore, object_store::Error> {
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

/// True for what is no path of this machine.
pub(super) fn is_url(href: &str) -> bool {
    href.contains("://")
}

/// The store that holds a URL, and the path of the object in it.
pub(super) fn find_store<'a>(roots: &'a [Root], href: &str) -> Result<(&'a Arc<dyn ObjectStore>, StorePath)> {
    let outside = || Error::invalid_input(format!("{href} lies outside the declared roots"));
    let store = roots
        .iter()
        .find_map(|root| match root {
            Root::Store { prefix, store } if is_below(href, prefix) => Some(store),
            _ => None,
        })
        .ok_or_else(outside)?;
    let url = Url::parse(href).map_err(|cause| outside().with_source(cause))?;
    let path = StorePath::from_url_path(url.path()).map_err(|cause| outside().with_source(cause))?;
    Ok((store, path))
}

/// True if `href` is the prefix itself or continues it after a slash, without `..`.
fn is_below(href: &str, prefix: &str) -> bool {
    let is_climbing = href.split(['/', '\\']).any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == ".."
    });
    !is_climbing && href.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The canonical form of a path of this machine, if it exists below a declared directory.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] when it leads out of every root, by `..` or by a link.
pub(super) fn resolve(roots: &[Root], href: &str) -> Result<Option<PathBuf>> {
    let path = match Path::new(href).canonicalize() {
        Ok(path) => path,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
        Err(cause) => return Err(Error::not_found(format!("cannot find {href}")).with_source(cause)),
    };
    let is_inside =
        roots.iter().any(|root| matches!(root, Root::Directory(directory) if path.starts_with(directory)));
    if is_inside {
        return Ok(Some(path));
    }
    Err(Error::invalid_input(format!("{href} lies outside the declared roots")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_outside_the_prefix_are_refused() {
        let prefix = "s3://bucket/data";
        assert!(is_below("s3://bucket/data/a.nc", prefix));
        assert!(is_below("s3://bucket/data", prefix));
        for outside in [
            "s3://bucket/database/a.nc",
            "s3://bucket/data/../secret",
            "s3://bucket/data/%2e%2E/secret",
            "s3://other/data/a.nc",
        ] {
            assert!(!is_below(outside, prefix), "{outside}");
        }
    }

    #[test]
    fn links_cannot_leave_a_root() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("link")).unwrap();
        let roots = [Root::directory(inside.path()).unwrap()];
        let link = inside.path().join("link");
        assert!(resolve(&roots, link.to_str().unwrap()).is_err());
        let climbing = inside.path().join("..").join(outside.path().file_name().unwrap()).join("secret");
        assert!(resolve(&roots, climbing.to_str().unwrap()).is_err());
        assert_eq!(resolve(&roots, inside.path().join("nothing").to_str().unwrap()).unwrap(), None);
    }
}
