//! Declared roots, from the configuration and from the paths of the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thermocline_core::bytes::{Credentials, Root, StoreOptions};
use thermocline_core::{Error, Result};
use url::Url;

use super::credentials::Keyring;
use crate::config::{Config, RootConfig};

/// Roots of the configuration, reached with the keys of `keys`, then those that the paths need, then the folders of
/// catalog files.
///
/// # Errors
/// A path that is not there, secrets that cannot be read, an address of no known kind.
pub(super) fn declared(
    config: &Config,
    keys: &Keyring,
    paths: &[String],
    catalogs: &[PathBuf],
) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    for (name, root) in &config.roots {
        let place = configured(config, keys, name, root);
        roots.push(
            place.map_err(|cause| Error::new(cause.kind(), format!("[roots.{name}]")).with_source(cause))?,
        );
    }
    for path in paths {
        if path.contains("://") {
            roots.extend(around_url(config, path)?);
        } else {
            roots.push(around_path(path)?);
        }
    }
    for folder in catalogs {
        roots.push(Root::directory(folder)?);
    }
    Ok(roots)
}

fn configured(config: &Config, keys: &Keyring, name: &str, root: &RootConfig) -> Result<Root> {
    if let Some(path) = &root.path {
        return Root::directory(path);
    }
    Root::store(root.url.as_deref().unwrap_or_default(), &options_of(config, keys, name)?)
}

/// How a root of the configuration in an object store or on a web server is reached.
///
/// # Errors
/// Secrets that cannot be read.
pub(super) fn options_of(config: &Config, keys: &Keyring, name: &str) -> Result<StoreOptions> {
    let missing = || Error::internal(format!("there is no [roots.{name}]"));
    let root = config.roots.get(name).ok_or_else(missing)?;
    Ok(StoreOptions {
        endpoint: root.endpoint.clone(),
        region: root.region.clone(),
        is_virtual_hosted: root.virtual_host,
        credentials: keys.credentials(config, name, &machine_of(root))?,
        request_timeout: Some(config.read.store_timeout.0),
    })
}

/// The host to which requests to a root go, as `.netrc` names it.
fn machine_of(root: &RootConfig) -> String {
    let host = |url: &String| Url::parse(url).ok()?.host_str().map(str::to_owned);
    let is_amazon = root.endpoint.is_none() && root.url.as_ref().is_some_and(|url| url.starts_with("s3:"));
    if is_amazon {
        return "s3.amazonaws.com".to_owned();
    }
    root.endpoint.as_ref().or(root.url.as_ref()).and_then(host).unwrap_or_default()
}

/// A folder is a root itself; around a file it is its folder, since files refer to their neighbours.
fn around_path(path: &str) -> Result<Root> {
    let absolute = Path::new(path)
        .canonicalize()
        .map_err(|cause| Error::not_found(format!("cannot open {path}")).with_source(cause))?;
    if absolute.is_dir() {
        // As it was named: a link like `current` may lead elsewhere tomorrow.
        return Root::directory(path);
    }
    Root::directory(absolute.parent().unwrap_or(Path::new("/")))
}

/// The prefix around an address, unless a configured root holds it already.
fn around_url(config: &Config, url: &str) -> Result<Option<Root>> {
    let holds = |root: &RootConfig| root.url.as_deref().is_some_and(|prefix| is_below(url, prefix));
    if config.roots.values().any(holds) {
        return Ok(None);
    }
    connect(prefix_of(url), config.read.store_timeout.0).map(Some)
}

/// True for what lies at or below a prefix.
pub(super) fn is_below(url: &str, prefix: &str) -> bool {
    let rest = url.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A root that no configuration describes: what the environment says counts, as for the AWS tools.
pub(super) fn connect(prefix: &str, timeout: Duration) -> Result<Root> {
    let is_s3 = prefix.starts_with("s3://");
    let is_signed = is_s3 && std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    let options = StoreOptions {
        endpoint: std::env::var("AWS_ENDPOINT_URL").ok().filter(|_| is_s3),
        region: std::env::var("AWS_REGION").ok(),
        credentials: if is_signed { Credentials::Environment } else { Credentials::None },
        request_timeout: Some(timeout),
        ..StoreOptions::default()
    };
    Root::store(prefix, &options)
}

/// A prefix ends with a slash; around an object it is what stands before its name, if that is more than a host.
pub(super) fn prefix_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |position| position + 3);
    match url.rfind('/') {
        Some(slash) if slash > start => url.get(..slash).unwrap_or(url),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use thermocline_core::bytes::{ObjectOpener, ObjectSettings, Objects};

    use super::*;

    #[tokio::test]
    async fn a_folder_named_by_a_link_is_read_where_the_link_leads_now() {
        let archive = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| archive.path().join(name);
        for version in ["v1", "v2"] {
            std::fs::create_dir(at(version)).expect("a folder");
            std::fs::write(at(version).join("a"), version).expect("a file");
        }
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name)).expect("a link");
        link("v1", "current");
        let roots = vec![around_path(at("current").to_str().expect("UTF-8")).expect("a root")];
        let objects = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());

        link("v2", "next");
        std::fs::rename(at("next"), at("current")).expect("a switched link");

        let href = at("current").join("a").to_string_lossy().into_owned();
        assert!(objects.stat(&href).expect("inside the root").is_some());
    }

    #[test]
    fn the_prefix_of_an_object_is_what_stands_before_its_name() {
        for (url, prefix) in [
            ("s3://bucket/a/b.nc", "s3://bucket/a"),
            ("s3://bucket/a/", "s3://bucket/a"),
            ("s3://bucket", "s3://bucket"),
            ("https://host/b.nc", "https://host"),
        ] {
            assert_eq!(prefix_of(url), prefix);
        }
    }
}
