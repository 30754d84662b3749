//! Declared roots, from the configuration and from the paths of the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thermocline_core::bytes::{Credentials, Root, StoreOptions};
use thermocline_core::{Error, ErrorKind, Result};

use crate::config::{Config, CredentialsConfig, CredentialsKind, RootConfig};

/// Roots of the configuration, then those that the paths need, then the folders of catalog files.
///
/// # Errors
/// A path that is not there, secrets that cannot be read, an address of no known kind.
pub(super) fn declared(config: &Config, paths: &[String], catalogs: &[PathBuf]) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    for (name, root) in &config.roots {
        let place = configured(config, root);
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

fn configured(config: &Config, root: &RootConfig) -> Result<Root> {
    if let Some(path) = &root.path {
        return Root::directory(path);
    }
    Root::store(root.url.as_deref().unwrap_or_default(), &options_of(config, root)?)
}

/// How a root in an object store or on a web server is reached.
///
/// # Errors
/// Secrets that cannot be read.
pub(super) fn options_of(config: &Config, root: &RootConfig) -> Result<StoreOptions> {
    let credentials = match root.credentials.as_ref().and_then(|name| config.credentials.get(name)) {
        Some(credentials) => read_credentials(credentials)?,
        None => Credentials::None,
    };
    Ok(StoreOptions {
        endpoint: root.endpoint.clone(),
        region: root.region.clone(),
        is_virtual_hosted: root.virtual_host,
        credentials,
        request_timeout: Some(config.read.store_timeout.0),
    })
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

fn read_credentials(config: &CredentialsConfig) -> Result<Credentials> {
    let read = |file: &Option<PathBuf>| read_secret(file.as_deref().unwrap_or(Path::new("")));
    Ok(match config.kind {
        CredentialsKind::Env => Credentials::Environment,
        CredentialsKind::Static => Credentials::Key {
            key_id: read(&config.key_file)?,
            secret: read(&config.secret_file)?,
            token: None,
        },
        CredentialsKind::Bearer => Credentials::Bearer(read(&config.token_file)?),
        CredentialsKind::Aws => profile(config.profile.as_deref())?,
    })
}

/// Files that secrets of the configuration are read from.
pub(super) fn secret_files(config: &Config) -> Vec<PathBuf> {
    let of = |credentials: &CredentialsConfig| match credentials.kind {
        CredentialsKind::Env => Vec::new(),
        CredentialsKind::Static => vec![credentials.key_file.clone(), credentials.secret_file.clone()],
        CredentialsKind::Bearer => vec![credentials.token_file.clone()],
        CredentialsKind::Aws => vec![profiles_file()],
    };
    config.credentials.values().flat_map(of).flatten().collect()
}

/// The AWS tools' credentials file.
fn profiles_file() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".aws/credentials"));
    std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or(home)
}

fn read_secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|cause| unreadable(path).with_source(cause))?;
    Ok(text.trim().to_owned())
}

fn unreadable(path: &Path) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("cannot read {}", path.display()))
}

/// A profile of the AWS tools' credentials file; without one named, the role of the machine may do.
fn profile(name: Option<&str>) -> Result<Credentials> {
    let file = profiles_file();
    let text = file.as_deref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    match (find_profile(&text, name.unwrap_or("default")), name) {
        (Some(credentials), _) => Ok(credentials),
        (None, None) => Ok(Credentials::Environment),
        (None, Some(name)) => {
            let file = file.unwrap_or_default();
            Err(Error::invalid_input(format!("no profile \"{name}\" with a key in {}", file.display())))
        }
    }
}

fn find_profile(text: &str, name: &str) -> Option<Credentials> {
    let section = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != format!("[{name}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let keys: Vec<(&str, &str)> =
        section.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
    let value = |key: &str| keys.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    Some(Credentials::Key {
        key_id: value("aws_access_key_id")?,
        secret: value("aws_secret_access_key")?,
        token: value("aws_session_token"),
    })
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

    #[test]
    fn a_profile_is_found_by_its_name() {
        let text =
            "[default]\naws_access_key_id = A\n[other]\naws_access_key_id=B\naws_secret_access_key = S\n";
        let Some(Credentials::Key { key_id, secret, token }) = find_profile(text, "other") else {
            panic!("not found")
        };
        assert_eq!((key_id.as_str(), secret.as_str(), token), ("B", "S", None));
        assert!(find_profile(text, "default").is_none());
    }
}
