//! How objects in stores are named: keys of buckets as they are, addresses on the web percent-encoded.
//!
//! `s3://bucket/run#1 50%.nc` names the key `run#1 50%.nc`, as every S3 tool writes it; on the web the
//! same file is `https://host/run%231%2050%25.nc` (RFC 3986, section 2.1).

use std::borrow::Cow;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path as StorePath;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::roots::Root;
use crate::{Error, Result};

/// What cannot stand for itself in the path of an address.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// True for what is no path of this machine.
pub(super) fn is_url(href: &str) -> bool {
    href.contains("://")
}

/// True for the address of a bucket or of an object in one.
pub(super) fn is_bucket(href: &str) -> bool {
    href.starts_with("s3://")
}

/// The address or path of what a directory or prefix holds under a name.
pub(super) fn join(base: &str, name: &str) -> String {
    let base = base.trim_end_matches('/');
    if is_url(base) && !is_bucket(base) {
        return format!("{base}/{}", utf8_percent_encode(name, RESERVED));
    }
    format!("{base}/{name}")
}

/// The name of an object relative to the directory or prefix `base`; `None` if it is not below it.
pub(super) fn name_below<'h>(base: &str, href: &'h str) -> Option<Cow<'h, str>> {
    Some(plain(base, href.strip_prefix(base)?.trim_start_matches('/')))
}

/// A part of the address `href` as its owner wrote it.
pub(crate) fn plain<'p>(href: &str, part: &'p str) -> Cow<'p, str> {
    if is_url(href) && !is_bucket(href) {
        return percent_decode_str(part).decode_utf8().unwrap_or(Cow::Borrowed(part));
    }
    Cow::Borrowed(part)
}

/// The store that holds an object, and the key of the object in it.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] outside the roots, and for what is no key or address of an object.
pub(super) fn find_store<'a>(roots: &'a [Root], href: &str) -> Result<(&'a Arc<dyn ObjectStore>, StorePath)> {
    let store = roots
        .iter()
        .find_map(|root| match root {
            Root::Store { prefix, store } if is_below(href, prefix) => Some(store),
            _ => None,
        })
        .ok_or_else(|| Error::invalid_input(format!("{href} lies outside the declared roots")))?;
    let invalid = |cause: object_store::path::Error| {
        Error::invalid_input(format!("{href}: {cause}")).with_source(cause)
    };
    let path = match href.strip_prefix("s3://") {
        Some(rest) => StorePath::parse(rest.split_once('/').map_or("", |(_, key)| key)).map_err(invalid)?,
        None => StorePath::from_url_path(web_path(href)?.path()).map_err(invalid)?,
    };
    Ok((store, path))
}

fn web_path(href: &str) -> Result<Url> {
    let url = Url::parse(href)
        .map_err(|cause| Error::invalid_input(format!("{href} is no address")).with_source(cause))?;
    if url.query().is_some() || url.fragment().is_some() {
        let message = format!("{href}: in the name of an object ? is written %3F and # is written %23");
        return Err(Error::invalid_input(message));
    }
    Ok(url)
}

/// True if `href` is the prefix itself or continues it after a slash, without `..`.
fn is_below(href: &str, prefix: &str) -> bool {
    let is_climbing = href.split(['/', '\\']).any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == ".."
    });
    !is_climbing && href.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn roots() -> [Root; 2] {
        ["s3://bucket", "https://host.example"]
            .map(|prefix| Root::Store { prefix: prefix.to_owned(), store: Arc::new(InMemory::new()) })
    }

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
    fn names_with_signs_of_addresses_come_back_from_their_address() {
        for base in ["s3://bucket/a", "https://host.example/a", "/archive/a"] {
            for name in ["run#1.nc", "a b/0.0", "50%.nc", "what?.nc", "%20", "höhe.nc", "plain.nc"] {
                let href = join(base, name);
                assert_eq!(name_below(base, &href).as_deref(), Some(name), "{href}");
            }
        }
    }

    #[test]
    fn the_key_of_an_object_is_what_was_stored() {
        for base in ["s3://bucket/a", "https://host.example/a"] {
            for name in ["run#1.nc", "a b/0.0", "50%.nc", "what?.nc", "%20"] {
                let roots = roots();
                let (_, path) = find_store(&roots, &join(base, name)).unwrap();
                assert_eq!(path.as_ref(), format!("a/{name}"), "{base}");
            }
        }
    }

    #[test]
    fn an_address_with_a_query_is_not_read_without_it() {
        for href in ["https://host.example/a.nc?version=2", "https://host.example/run#1.nc"] {
            assert!(find_store(&roots(), href).is_err(), "{href}");
        }
    }
}
