//! What every handler has: the catalog, the reader, the plugins.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thermocline_core::catalog::Catalog;
use thermocline_core::jobs::Jobs;
use thermocline_core::read::Reader;
use thermocline_core::staging::Staging;
use thermocline_search::{Search, Summary};

use crate::clients::{ClientLimits, Clients};
use crate::hold::HoldConfig;
use crate::identity::Access;
use crate::links;
use crate::plugin::{AccessMethod, PluginStatus, ServePlugin};
use crate::waiting::{Turn, Waiting};

/// Settings of answers, from the sections `server` and `plugins` of the configuration.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where clients reach this server, without a trailing slash; `None` to take it from each request.
    pub public_url: Option<String>,
    /// Networks (CIDR) of proxies whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// True if the operator named them: what comes from there was forwarded for somebody else, even if no header says so.
    pub names_proxies: bool,
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
    /// How clients reach objects without this server.
    pub address_map: Vec<AddressRule>,
    /// The one dataset that is also served at the root, if the server has only one.
    pub single: Option<String>,
    /// Origins whose pages may read answers; `*` for any.
    pub cors_origins: Vec<String>,
    /// Longest time that a handler may take before its answer begins.
    pub request_timeout: Duration,
    /// Most requests that are worked on at the same time; further ones wait.
    pub max_concurrent_requests: usize,
    /// Largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// True if clients reach the server itself by TLS.
    pub is_tls: bool,
    /// How requests wait for bytes of cold objects.
    pub hold: HoldConfig,
    /// Most streams of events that one client may have open.
    pub max_streams_each: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            trusted_proxies: THIS_MACHINE.to_vec(),
            names_proxies: false,
            metadata_max_age: Duration::from_secs(60),
            chunk_max_age: Duration::from_secs(3600),
            max_listed_chunks: 10_000,
            max_whole_object_bytes: 1 << 30,
            serve_objects: true,
            address_map: Vec::new(),
            single: None,
            cors_origins: vec!["*".into()],
            request_timeout: Duration::from_secs(300),
            max_concurrent_requests: 4096,
            max_body_bytes: 16 << 20,
            is_tls: false,
            hold: HoldConfig::default(),
            max_streams_each: 256,
        }
    }
}

/// Addresses of this machine itself: `127.0.0.0/8` and `::1/128`.
pub const THIS_MACHINE: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];

/// How clients write the addresses of what lies below a place that this server reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRule {
    /// What clients write: a path where they have mounted the place, or a URL.
    pub from: String,
    /// The place as this server names it.
    pub to: String,
}

impl AddressRule {
    /// What follows the place in an address below it, `/` first.
    pub fn rest_of<'a>(&self, href: &'a str) -> Option<&'a str> {
        let rest = href.strip_prefix(self.to.trim_end_matches('/'))?;
        rest.starts_with('/').then_some(rest)
    }
}

impl HttpConfig {
    /// The address by which clients reach an object that this server knows as `href`: by the rule with the longest
    /// place that holds it; `None` if no rule does.
    pub fn mapped_url(&self, href: &str) -> Option<String> {
        let fitting = self.address_map.iter().filter_map(|rule| Some((rule, rule.rest_of(href)?)));
        let (rule, rest) = fitting.max_by_key(|(rule, _)| rule.to.len())?;
        let from = rule.from.trim_end_matches('/');
        Some(match from.split_once("://") {
            // Only web addresses are encoded; fsspec takes others as they stand.
            Some(("http" | "https", _)) => format!("{from}{}", links::path(rest)),
            Some(_) => format!("{from}{rest}"),
            None => format!("file://{from}{rest}"),
        })
    }
}

/// The part of the requests that are worked on at the same time that may wait: all others have to be answered.
const SHARE_OF_WAITING: usize = 4;

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
    /// What catalogs tell of all datasets.
    pub search: Search,
    /// Brings cold objects online; `None` if nothing is staged here.
    pub staging: Option<Staging>,
    /// Long work; `None` if there is none.
    pub jobs: Option<Jobs>,
    /// Who may do what beyond reading.
    pub access: Arc<Access>,
    /// The places of what waits.
    pub waiting: Arc<Waiting>,
    /// What each client has asked for of late.
    pub clients: Arc<Clients>,
}

impl App {
    /// A server of these datasets without plugins, staging, jobs and rights.
    pub fn new(catalog: Arc<Catalog>, reader: Arc<Reader>, config: HttpConfig) -> Self {
        Self {
            search: Search::new(Arc::clone(&catalog), None),
            waiting: Waiting::new(config.hold.max_held, config.max_streams_each),
            catalog,
            reader,
            config,
            plugins: Vec::new(),
            versions: Vec::new(),
            staging: None,
            jobs: None,
            access: Arc::default(),
            clients: Clients::new(ClientLimits::default()),
        }
    }

    /// A place for a request that waits for long while it counts as worked on: a part of these may, so that all others
    /// are answered.
    pub fn waiting_turn(&self) -> Option<Turn> {
        self.waiting.turn(self.config.max_concurrent_requests / SHARE_OF_WAITING)
    }

    /// True if there may be datasets that somebody may not read.
    pub fn restricts(&self) -> bool {
        self.access.restricts() || self.catalog.names_rules()
    }

    /// The plugins that started, in order.
    pub fn running(&self) -> impl Iterator<Item = &Arc<dyn ServePlugin>> {
        self.plugins.iter().filter(|(_, status)| *status == PluginStatus::Running).map(|(plugin, _)| plugin)
    }

    /// All the ways in which a dataset can be opened, of all plugins.
    pub fn access_methods(&self, summary: &Summary) -> Vec<AccessMethod> {
        self.running().flat_map(|plugin| plugin.access_methods(summary)).collect()
    }

    /// Version of this server.
    pub fn version(&self) -> &str {
        let own = self.versions.iter().find(|(name, _)| name == "thermocline");
        own.map_or(env!("CARGO_PKG_VERSION"), |(_, version)| version)
    }
}

/// [`App`] as handlers take it.
pub type AppState = Arc<App>;
