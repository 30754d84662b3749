//! What every handler has: the catalog, the reader, the plugins.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::catalog::Catalog;
use thermocline_core::read::Reader;

use crate::plugin::{PluginStatus, ServePlugin};

/// Settings of answers, from the sections `server` and `plugins` of the configuration.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where clients reach this server, without a trailing slash; `None` to take it from each request.
    pub public_url: Option<String>,
    /// Networks (CIDR) of proxies whose forwarding headers count.
    pub trusted_proxies: Vec<String>,
    /// How long metadata may be kept by caches.
    pub metadata_max_age: Duration,
    /// How long chunks may be kept by caches.
    pub chunk_max_age: Duration,
    /// Most chunk keys in one listing.
    pub max_listed_chunks: u64,
    /// Most bytes of a source object sent without a `Range`.
    pub max_whole_object_bytes: u64,
    /// Whether source objects may be read as files.
    pub serve_objects: bool,
    /// The one dataset that is also served at the root, if the server has only one.
    pub single: Option<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            trusted_proxies: vec!["127.0.0.0/8".into(), "::1/128".into()],
            metadata_max_age: Duration::from_secs(60),
            chunk_max_age: Duration::from_secs(3600),
            max_listed_chunks: 10_000,
            max_whole_object_bytes: 1 << 30,
            serve_objects: true,
            single: None,
        }
    }
}

/// What every handler has.
pub struct App {
    /// Which datasets exist.
    pub catalog: Arc<Catalog>,
    /// Reads chunks and values.
    pub reader: Arc<Reader>,
    /// Settings of answers.
    pub config: HttpConfig,
    /// The plugins that started, and those that failed to.
    pub plugins: Vec<(Arc<dyn ServePlugin>, PluginStatus)>,
    /// Name and version of every component, for `/versions`.
    pub versions: Vec<(String, String)>,
}

/// [`App`] as handlers take it.
pub type AppState = Arc<App>;
