//! Section `[limits]`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::format::Limits;
use thermocline_core::webhook::Hosts;
use thermocline_http::clients::{ClientLimits, RequestRate};

use super::load::Check;
use super::units::Size;

/// Bounds for what a file may claim: a damaged or hostile file is refused, never believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest header (HDF5 object header, NetCDF-3 header, Zarr or kerchunk document), as a size.
    pub header: Size,
    /// Deepest nesting of groups.
    pub depth: usize,
    /// Most groups and variables of a dataset.
    pub n_nodes: usize,
    /// Most bytes of all attributes of a dataset, as a size.
    pub attributes: Size,
    /// Longest chain of filters of a variable.
    pub n_codecs: usize,
    /// Largest decoded chunk, as a size: one request must not take all memory.
    pub chunk: Size,
    /// Most chunks of a variable.
    pub n_chunks: u64,
    /// Largest array kept with the index (strings, small awkward arrays), as a size.
    pub inline: Size,
    /// Most bytes of coordinates kept with the index of a dataset, as a size: they open without the archive.
    pub coordinates: Size,
    /// What one client may ask for: the owner of a token, else an address (of IPv6 a network of 64 bits), as trusted
    /// proxies tell it. Further requests are answered 429 with the time to wait. Clients of Zarr differ then: obstore
    /// tries again for a second or two, fsspec raises an error at once; neither takes it for data. /health, /ready and
    /// /metrics are free.
    pub per_client: PerClientConfig,
    /// Hosts that requests may have told of their end (`notify`): "hooks.example", "hooks.example:8443",
    /// "*.example.org", "http://hooks.example" (without TLS). Without any, nobody is told. Their addresses must be public
    /// ones, or of a network that stands here too: "10.1.0.0/16". Needs staging.webhook_key_file.
    pub webhook_hosts: Vec<String>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            header: Size(limits.header_bytes as u64),
            depth: limits.depth,
            n_nodes: limits.n_nodes,
            attributes: Size(limits.attribute_bytes as u64),
            n_codecs: limits.n_codecs,
            chunk: Size(limits.chunk_bytes),
            n_chunks: limits.n_chunks,
            inline: Size(limits.inline_bytes),
            coordinates: Size(limits.coordinate_bytes),
            per_client: PerClientConfig::default(),
            webhook_hosts: Vec::new(),
        }
    }
}

/// What one client may ask for; without limits by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerClientConfig {
    /// Most requests in a second, in the long run. One that opens a dataset and reads it asks for hundreds of chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub requests_per_second: Option<f64>,
    /// Most requests at once, after a pause. Without it as many as in ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 2000)]
    pub burst: Option<NonZeroU32>,
    /// Most plots and groupby results (of a lazy Zarr group: chunks) that are computed at the same time. Those that become
    /// jobs are bounded by `jobs.workers` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 8)]
    pub computations: Option<NonZeroU32>,
}

/// Seconds whose requests may come at once, if nothing else is said.
const BURST_SECONDS: f64 = 10.0;

/// Fewest and most requests in a second that can be told from none and from all.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=1e6;

impl PerClientConfig {
    /// The limits as they are kept.
    pub fn limits(&self) -> ClientLimits {
        let rate = self.requests_per_second.map(|per_second| {
            let of_seconds = (per_second * BURST_SECONDS).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
            RequestRate { per_second, burst: self.burst.map_or(of_seconds, NonZeroU32::get) }
        });
        ClientLimits { rate, computations: self.computations.map(NonZeroU32::get) }
    }

    fn complete(&self, check: &mut Check<'_>) {
        let key = |name| ["limits", "per_client", name];
        if let Some(rate) = self.requests_per_second.filter(|rate| !RATES.contains(rate)) {
            let message = format!("{rate} is not between {} and {}", RATES.start(), RATES.end());
            check.mistake(&key("requests_per_second"), message);
        }
        if self.burst.is_some() && self.requests_per_second.is_none() {
            check.mistake(&key("burst"), "needs requests_per_second beside it");
        }
    }
}

impl LimitsConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        self.per_client.complete(check);
        let key = ["limits", "webhook_hosts"];
        match Hosts::parse(&self.webhook_hosts) {
            Ok(hosts) if !hosts.is_empty() && !check.is_set(&["staging", "webhook_key_file"]) => {
                check.mistake(&key, "needs staging.webhook_key_file: receivers know by it who calls them");
            }
            Ok(_) => {}
            Err(error) => check.mistake(&key, error.message()),
        }
    }
}

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        Self {
            header_bytes: config.header.as_usize(),
            depth: config.depth,
            n_nodes: config.n_nodes,
            attribute_bytes: config.attributes.as_usize(),
            n_codecs: config.n_codecs,
            chunk_bytes: config.chunk.0,
            n_chunks: config.n_chunks,
            inline_bytes: config.inline.0,
            coordinate_bytes: config.coordinates.0,
        }
    }
}
