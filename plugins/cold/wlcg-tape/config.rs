//! What can be set about the site.

use std::collections::BTreeMap;
use std::time::Duration;

use humantime::format_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::units::span;
use thermocline_core::{Error, Result};
use url::Url;

/// Most files of a request: larger answers are not read.
const MAX_BATCH_OBJECTS: usize = 100_000;

/// Shortest bound of lifetimes: files would be asked for again all the time.
const MIN_LIFETIME: Duration = Duration::from_secs(600);

/// `[cold.NAME]` with `kind = "wlcg-tape"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the site: it says below `/.well-known/wlcg-tape-rest-api` where the interface is, on the same host.
    #[schemars(example = &"https://tape.example:3880")]
    pub endpoint: Option<String>,
    /// Address of the interface itself, for sites that do not say it: then `endpoint` is not needed.
    #[schemars(example = &"https://tape.example:3880/api/v1")]
    pub api: Option<String>,
    /// Paths on tape of what the site serves over HTTPS, where they are not the same: from the path of an address to the
    /// path of the interface. The longest that fits counts.
    #[schemars(example = &[("/webdav".to_owned(), "/pnfs/example.org/data".to_owned())].into_iter().collect::<BTreeMap<_, _>>())]
    pub paths: BTreeMap<String, String>,
    /// Most requests under way at the same time.
    pub batches_at_once: usize,
    /// Most files in one request, and in one question where files are.
    pub batch_objects: usize,
    /// Most files under way. Further requests are made when there are fewer.
    pub max_objects: usize,
    /// Longest time for which the site keeps files, if it refuses longer ones. Files that are wanted for longer are asked
    /// for again before it ends.
    #[serde(with = "longest", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"7 days")]
    pub max_lifetime: Option<Duration>,
    /// How often the site is asked how far a request is.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_every: Duration,
    /// Most files whose size is asked for at the same time.
    pub connections: usize,
    /// How long one answer of the site may take.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub request_timeout: Duration,
    /// How long the size and the version of a file are believed without asking again. Where it is, is always asked.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub remember: Duration,
}

/// A duration that need not be there.
mod longest {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use thermocline_core::cold::units::span;

    #[derive(Serialize, Deserialize)]
    struct Span(#[serde(with = "span")] Duration);

    pub(super) fn serialize<S: Serializer>(
        longest: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        longest.map(Span).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(deserializer)?.map(|Span(longest)| longest))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            api: None,
            paths: BTreeMap::new(),
            batches_at_once: 8,
            batch_objects: 1000,
            max_objects: 1_000_000,
            max_lifetime: None,
            poll_every: Duration::from_secs(60),
            connections: 16,
            request_timeout: Duration::from_secs(60),
            remember: Duration::from_secs(60),
        }
    }
}

/// Where the interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The site says it.
    Discovered(Url),
    /// It is known.
    Known(Url),
}

impl Config {
    /// Where the interface is, if the keys make sense.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] naming the key.
    pub(crate) fn checked(&self) -> Result<Place> {
        for (key, number, most) in [
            ("batches_at_once", self.batches_at_once, 1000),
            ("batch_objects", self.batch_objects, MAX_BATCH_OBJECTS),
            ("max_objects", self.max_objects, 100_000_000),
            ("connections", self.connections, 1000),
        ] {
            if !(1..=most).contains(&number) {
                return Err(Error::invalid_input(format!("{key}: {number} is not within 1 and {most}")));
            }
        }
        for (key, span) in [("poll_every", self.poll_every), ("request_timeout", self.request_timeout)] {
            if span.is_zero() {
                return Err(Error::invalid_input(format!("{key}: is zero")));
            }
        }
        if let Some(longest) = self.max_lifetime.filter(|longest| *longest < MIN_LIFETIME) {
            let (longest, least) = (format_duration(longest), format_duration(MIN_LIFETIME));
            return Err(Error::invalid_input(format!("max_lifetime: {longest} is shorter than {least}")));
        }
        for (from, to) in &self.paths {
            if !from.starts_with('/') || !to.starts_with('/') {
                let message = format!("paths: \"{from}\" and \"{to}\" are not both absolute paths");
                return Err(Error::invalid_input(message));
            }
        }
        match (&self.api, &self.endpoint) {
            (Some(api), _) => Ok(Place::Known(address("api", api)?)),
            (None, Some(endpoint)) => Ok(Place::Discovered(address("endpoint", endpoint)?)),
            (None, None) => Err(Error::invalid_input(
                "endpoint: is missing, the address of the site or, as api, of its interface",
            )),
        }
    }
}

/// An address of the web without secrets and questions in it.
fn address(key: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text.trim_end_matches('/')).ok().filter(|url| {
        let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
        let is_plain = url.query().is_none() && url.fragment().is_none();
        is_web && is_plain && url.username().is_empty() && url.password().is_none()
    });
    url.ok_or_else(|| {
        Error::invalid_input(format!("{key}: \"{text}\" is no address such as \"https://tape.example:3880\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_make_no_sense_are_named() {
        for (text, named) in [
            ("", "endpoint"),
            ("endpoint = \"tape.example\"", "endpoint"),
            ("endpoint = \"s3://tape.example\"", "endpoint"),
            ("endpoint = \"https://user:secret@tape.example\"", "endpoint"),
            ("api = \"https://tape.example/api?x\"", "api"),
            ("endpoint = \"https://tape.example\"\nbatch_objects = 0", "batch_objects"),
            ("endpoint = \"https://tape.example\"\npoll_every = \"0s\"", "poll_every"),
            ("endpoint = \"https://tape.example\"\nmax_lifetime = \"1m\"", "max_lifetime"),
            ("endpoint = \"https://tape.example\"\n[paths]\nwebdav = \"/pnfs\"", "paths"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            let error = config.checked().unwrap_err();
            assert!(error.message().starts_with(named), "{text}: {error}");
        }
    }

    #[test]
    fn the_interface_is_found_at_the_endpoint_or_is_known() {
        let place = |text: &str| toml::from_str::<Config>(text).unwrap().checked().unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(place("endpoint = \"https://a:3880/\""), Place::Discovered(url("https://a:3880")));
        assert_eq!(place("api = \"http://a/api/v1/\""), Place::Known(url("http://a/api/v1")));
    }
}
