//! Section `[server]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_http::THIS_MACHINE;

use super::load::Check;
use super::units::{Network, Size, Span};

/// How clients reach the server, and what it bears from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on. The port is xpublish's; only this machine is served unless
    /// another address is asked for ("0.0.0.0:9000" serves everyone who can reach it).
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where clients reach this server, when a proxy hides it: scheme, host and prefix of every absolute
    /// link. Without it links are made from what each request says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://data.example.org/archive")]
    pub public_url: Option<String>,
    /// Networks of proxies whose `Forwarded` and `X-Forwarded-*` headers are believed. Only this machine by
    /// default: anyone else could make the server send links to elsewhere. A client behind a proxy that is named here belongs
    /// to no network unless the proxy says where it comes from.
    pub trusted_proxies: Vec<Network>,
    /// Most connections open at once; the next ones wait. Each takes a file descriptor and a few kilobytes; if the system
    /// allows fewer descriptors, there are fewer. Three quarters of them may be taken by clients that wait, for cold data,
    /// events or the end of a job (staging.max_held), so that all others are answered.
    pub max_connections: NonZeroU32,
    /// Most streams of events that one client may have open: an address, of IPv6 a network of 64 bits. Many users may
    /// share one address.
    pub max_streams: NonZeroU32,
    /// Most requests worked on at once; the next ones wait. Their memory is bounded by read.work_memory.
    pub max_requests: NonZeroU32,
    /// How long a request may take until its answer begins, as a duration. Python clients (aiohttp) give up
    /// after 300 s, so nobody would hear a later one.
    pub request_timeout: Span,
    /// How long a client may take to send the head of a request, as a duration, and how long an idle
    /// connection is kept. Slow clients must not hold connections for ever.
    pub header_timeout: Span,
    /// How long a client may take nothing of an answer, as a duration, before its connection is closed. What
    /// waits to be sent takes memory.
    pub write_timeout: Span,
    /// Most bytes of the head of a request. Enough for any client's headers.
    pub max_header: Size,
    /// Most bytes of the body of a request. Bodies are small questions (PROPFIND, selections to stage); lists
    /// of objects may have staging.max_body. Data only ever go out.
    pub max_body: Size,
    /// How long running requests may go on after SIGTERM, as a duration. Longer than most chunks take, shorter
    /// than the 90 s after which systemd kills.
    pub shutdown_grace: Span,
    /// Which web pages of other hosts may read from here.
    pub cors: CorsConfig,
    /// Certificate and key, for a server that clients reach without a proxy: it then speaks HTTPS only.
    pub tls: TlsConfig,
    /// Form of the log: "text" for people, "json" for collectors.
    pub log: LogFormat,
    /// What is logged: "error", "warn", "info", "debug", "trace", or a list of filters such as
    /// "info,thermocline_core=debug". One line for each job or step of life at "info", one for each request at "debug".
    pub log_level: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            public_url: None,
            trusted_proxies: THIS_MACHINE.map(Network).to_vec(),
            max_connections: NonZeroU32::MIN.saturating_add(15_999),
            max_streams: NonZeroU32::MIN.saturating_add(255),
            max_requests: NonZeroU32::MIN.saturating_add(4_095),
            request_timeout: Span::seconds(300),
            header_timeout: Span::seconds(60),
            write_timeout: Span::seconds(60),
            max_header: Size(64 << 10),
            max_body: Size(1 << 20),
            shutdown_grace: Span::seconds(30),
            cors: CorsConfig::default(),
            tls: TlsConfig::default(),
            log: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }
}

/// Which web pages of other hosts may read from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins of those pages; "*" for all. Open data is read from browsers everywhere, and no cookie is used.
    pub allowed_origins: Vec<String>,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self { allowed_origins: vec!["*".to_owned()] }
    }
}

/// Certificate and key, for a server that clients reach without a proxy: it then speaks HTTPS only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the certificate of this server and those between it and its authority, in PEM, in this order. Read again
    /// when it changes, so that renewals need no restart; connections go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/etc/letsencrypt/live/data.example.org/fullchain.pem")]
    pub cert: Option<PathBuf>,
    /// File with the private key of the certificate, in PEM (PKCS #8, PKCS #1 or SEC 1), without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/etc/letsencrypt/live/data.example.org/privkey.pem")]
    pub key: Option<PathBuf>,
}

impl TlsConfig {
    /// The files of the certificate and of its key; `None` for a server that speaks plain HTTP.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.cert.as_deref().zip(self.key.as_deref())
    }

    fn complete(&mut self, check: &mut Check<'_>) {
        if self.cert.is_some() != self.key.is_some() {
            let missing = if self.key.is_none() { "key" } else { "cert" };
            check.mistake(&["server", "tls", missing], "is missing: TLS needs a certificate and its key");
        }
        for (name, file) in [("cert", &mut self.cert), ("key", &mut self.key)] {
            if let Some(path) = file {
                *path = check.absolute(&["server", "tls", name], path);
            }
        }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl ServerConfig {
    /// True if the operator named proxies: other networks than those of this machine that are there by default. Only what
    /// these forward says where a client is.
    pub fn names_proxies(&self) -> bool {
        self.trusted_proxies != Self::default().trusted_proxies
    }

    /// Most clients that may wait at once: all others need connections too.
    pub(super) fn max_waiting(&self) -> usize {
        usize::try_from(u64::from(self.max_connections.get()) * 3 / 4).unwrap_or(usize::MAX).max(1)
    }

    pub(super) fn complete(&mut self, check: &mut Check<'_>) {
        self.tls.complete(check);
        if let Some(url) = &mut self.public_url {
            match url::Url::parse(url) {
                Ok(parsed)
                    if matches!(parsed.scheme(), "http" | "https")
                        && parsed.query().is_none()
                        && parsed.fragment().is_none() =>
                {
                    // As links are written that are joined with it: whoever compares both finds them equal.
                    *url = parsed.as_str().trim_end_matches('/').to_owned();
                }
                _ => check.mistake(
                    &["server", "public_url"],
                    format!("\"{url}\" is not an address such as \"https://data.example.org/archive\""),
                ),
            }
        }
        if let Err(cause) = self.log_level.parse::<tracing_subscriber::filter::Targets>() {
            check.mistake(&["server", "log_level"], format!("\"{}\" is no level: {cause}", self.log_level));
        }
        let timeouts = [
            ("header_timeout", self.header_timeout),
            ("request_timeout", self.request_timeout),
            ("write_timeout", self.write_timeout),
        ];
        if let Some((key, _)) = timeouts.into_iter().find(|(_, timeout)| timeout.0.is_zero()) {
            check.mistake(&["server", key], "must be longer than zero");
        }
        if self.max_header < Size(8 << 10) {
            check.mistake(&["server", "max_header"], "must be at least \"8 KiB\": clients send that much");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Known, Surroundings, load};

    #[test]
    fn the_public_address_is_kept_as_links_spell_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("thermocline.toml");
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        let known = Known::default();
        let loaded = |url: &str| {
            std::fs::write(&file, format!("[server]\npublic_url = \"{url}\"\n")).unwrap();
            load(&surroundings, Some(&file), &[], &known).map(|loaded| loaded.config.server.public_url)
        };

        for (url, kept) in [
            ("https://data.example.org/archive/", "https://data.example.org/archive"),
            ("HTTPS://Data.Example.org:443//a/../b c/", "https://data.example.org//b%20c"),
            ("http://host:80", "http://host"),
        ] {
            assert_eq!(loaded(url).unwrap().as_deref(), Some(kept), "{url}");
        }
        for url in ["data.example.org", "ftp://host", "http://host/?a=b", "http://host/#a"] {
            assert!(loaded(url).is_err(), "{url}");
        }
    }
}
