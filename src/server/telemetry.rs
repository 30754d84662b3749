//! Logs and metrics.

use std::sync::Arc;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use thermocline_core::catalog::Catalog;
use thermocline_http::{Operation, Route, ServePlugin};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, ServerConfig};

/// Upper bounds of the latency buckets, in seconds: from a chunk out of memory to a slow archive.
const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Starts logging to standard error; a second call changes nothing.
pub(crate) fn start_logs(config: &ServerConfig) {
    let filter: Targets = config.log_level.parse().unwrap_or_default();
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An error means that a host program has its own subscriber, which then has the logs.
    let _ = match config.log {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
}

/// Renders what the process measures in the Prometheus text format.
#[derive(Clone)]
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    process: metrics_process::Collector,
}

impl Metrics {
    /// Starts measuring. Without a recorder (a host program has one already) the text is empty.
    pub(crate) fn start() -> Self {
        let builder = PrometheusBuilder::new();
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = builder.set_buckets_for_metric(seconds, &LATENCY_BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        let process = metrics_process::Collector::default();
        process.describe();
        Self { handle, process }
    }

    /// The text of `/metrics`.
    pub(crate) fn render(&self) -> String {
        self.process.collect();
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// Serves `/metrics`.
pub(crate) struct MetricsPlugin {
    metrics: Metrics,
    catalog: Arc<Catalog>,
}

impl MetricsPlugin {
    /// A plugin that renders `metrics` and what is known of `catalog`.
    pub(crate) fn new(metrics: Metrics, catalog: Arc<Catalog>) -> Self {
        describe_gauge!("thermocline_datasets", "Listed datasets by state");
        describe_gauge!("thermocline_index_manifests_bytes", "Memory of manifests, estimated");
        describe_gauge!("thermocline_index_tables_bytes", "Memory of chunk tables");
        Self { metrics, catalog }
    }
}

impl ServePlugin for MetricsPlugin {
    fn id(&self) -> &'static str {
        "metrics"
    }

    fn app_routes(&self) -> Vec<Route> {
        let (metrics, catalog) = (self.metrics.clone(), Arc::clone(&self.catalog));
        let handler = axum::routing::get(async move || {
            measure(&catalog);
            ([(axum::http::header::CONTENT_TYPE, METRICS_TYPE)], metrics.render())
        });
        let operation = Operation {
            method: "get",
            summary: "What the server measures, in the Prometheus text format",
            query: Vec::new(),
            media_type: METRICS_TYPE,
        };
        vec![Route { path: "/metrics", handler, operations: vec![operation] }]
    }
}

/// Media type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// Sets the gauges of what is not counted where it happens.
fn measure(catalog: &Catalog) {
    let counts = catalog.counts();
    let states = [
        ("indexed", counts.n_indexed),
        ("indexing", counts.n_indexing),
        ("refused", counts.n_refused),
        ("lost", counts.n_lost),
    ];
    for (state, n_datasets) in states {
        gauge!("thermocline_datasets", "state" => state).set(n_datasets as f64);
    }
    gauge!("thermocline_index_manifests_bytes").set(catalog.manifest_memory_bytes() as f64);
    gauge!("thermocline_index_tables_bytes").set(catalog.index().table_memory_bytes() as f64);
}
