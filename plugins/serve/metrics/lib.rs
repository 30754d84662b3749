//! Serves what the server measures, for Prometheus.
//!
//! # Specification
//! Prometheus text exposition format, version 0.0.4
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /metrics` | all metrics, `text/plain; version=0.0.4` |
//!
//! | Metric | Labels |
//! |---|---|
//! | `thermocline_http_requests_total` | `plugin`, `route`, `status_class` |
//! | `thermocline_http_response_bytes_total`, `thermocline_http_request_seconds` | `plugin`, `route` |
//! | `thermocline_datasets` | `state`: indexed, indexing, refused, lost |
//! | `thermocline_index_manifests_bytes`, `thermocline_index_tables_bytes` | |
//! | `process_resident_memory_bytes`, `process_cpu_seconds_total` and others of the process | |
//!
//! # Limits
//! A process has one recorder: where a host program has installed its own, the answer is empty. Processor
//! time is counted in whole seconds.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use thermocline_core::catalog::Catalog;
use thermocline_http::{AppState, Operation, Route, ServePlugin};

/// Upper bounds of the buckets of times, in seconds: from a chunk out of memory to a slow archive.
const SECONDS_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Media type of the Prometheus text format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// The plugin.
pub struct MetricsPlugin {
    handle: PrometheusHandle,
    process: Collector,
}

impl MetricsPlugin {
    /// Starts measuring: counters that are made afterwards are shown.
    pub fn start() -> Self {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS_BUCKETS);
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        // An error means that there is a recorder already, which then has the metrics.
        let _ = metrics::set_global_recorder(recorder);
        let process = Collector::default();
        process.describe();
        describe_gauge!("thermocline_datasets", "Listed datasets by state");
        describe_gauge!("thermocline_index_manifests_bytes", "Memory of manifests, estimated");
        describe_gauge!("thermocline_index_tables_bytes", "Memory of chunk tables");
        Self { handle, process }
    }
}

impl ServePlugin for MetricsPlugin {
    fn id(&self) -> &'static str {
        "metrics"
    }

    fn app_routes(&self) -> Vec<Route> {
        let (handle, process) = (self.handle.clone(), self.process.clone());
        let answer = get(async move |State(app): State<AppState>| {
            measure(&app.catalog);
            process.collect();
            handle.run_upkeep();
            ([(CONTENT_TYPE, MEDIA_TYPE)], handle.render()).into_response()
        });
        let operation = Operation::get("What the server measures", MEDIA_TYPE);
        vec![Route { path: "/metrics", handler: answer, operations: vec![operation] }]
    }
}

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
