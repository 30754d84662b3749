//! From addresses of files to their paths on tape.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use thermocline_core::{Error, Result};
use url::Url;

/// How paths of addresses become paths of the interface.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Longest first.
    rules: Vec<(String, String)>,
}

impl Paths {
    pub(crate) fn new(rules: &BTreeMap<String, String>) -> Self {
        let clean = |path: &String| path.trim_end_matches('/').to_owned();
        let mut rules: Vec<(String, String)> =
            rules.iter().map(|(from, to)| (clean(from), clean(to))).collect();
        rules.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self { rules }
    }

    /// The path on tape of the file at an address: not percent-encoded.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for what is no address of the web, or whose path is not UTF-8.
    pub(crate) fn on_tape(&self, href: &str) -> Result<String> {
        let invalid = || Error::invalid_input(format!("{href} is no address of a file of a tape site"));
        let url = Url::parse(href).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(invalid());
        }
        let path = percent_decode_str(url.path()).decode_utf8().map_err(|_| invalid())?;
        if path.contains(['\0', '\n', '\r']) {
            return Err(invalid());
        }
        let mapped = self.rules.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
        });
        Ok(mapped.unwrap_or_else(|| path.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Paths {
        let rule = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Paths::new(&[rule("/webdav", "/pnfs/data/"), rule("/webdav/scratch/", "/scratch")].into())
    }

    #[test]
    fn the_longest_rule_that_fits_counts() {
        for (href, path) in [
            ("https://a:2880/webdav/x/y.nc", "/pnfs/data/x/y.nc"),
            ("https://a:2880/webdav/scratch/y.nc", "/scratch/y.nc"),
            ("https://a:2880/webdavs/y.nc", "/webdavs/y.nc"),
            ("https://a/other/sp%20ace%231.nc", "/other/sp ace#1.nc"),
        ] {
            assert_eq!(paths().on_tape(href).unwrap(), path, "{href}");
        }
    }

    #[test]
    fn what_no_tape_site_has_is_refused() {
        for href in ["s3://bucket/x", "/archive/x", "https://a/%ff", "https://a/%0a", ""] {
            assert!(paths().on_tape(href).is_err(), "{href}");
        }
    }
}
