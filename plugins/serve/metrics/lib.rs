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
//! | `thermocline_cache_bytes` | `cache`: chunks, objects (copies of cold objects, on disk), or the plugin whose finished answers are kept |
//! | `thermocline_recalls_total`, `thermocline_recall_retries_total`, `thermocline_recall_seconds` | `store`: name of the cold store |
//! | `thermocline_held_requests`, `thermocline_pins` | |
//! | `thermocline_index_manifests_bytes`, `thermocline_index_tables_bytes` | |
//! | `process_resident_memory_bytes`, `process_cpu_seconds_total` and others of the process | |
//!
//! # Limits
//! A process has one recorder: where a host program has installed its own, the answer is empty. Processor
//! time is counted in whole seconds. `thermocline_datasets` counts those that the client may see: where access rules hide some,
//! Prometheus needs a token of the scope "admin" to be told of all; those of the index and of the search are then for it only.
//! Nothing here names a dataset.

mod upkeep;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::catalog::{Catalog, CatalogCounts};
use thermocline_core::clock::SystemClock;
use thermocline_http::{App, AppState, Identity, Operation, Route, ServePlugin};
use tokio::task::JoinSet;

/// Upper bounds of the buckets of recalls, in seconds: from a disk behind a command to a library that is busy all day.
const RECALL_SECONDS_BUCKETS: [f64; 12] =
    [1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 172_800.0];

/// Upper bounds of the buckets of times, in seconds: from a chunk out of memory to a slow archive.
const SECONDS_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// What counts datasets, or grows with them: where access rules hide some, administrators are told of it.
const WITHHELD: [&str; 4] = [
    "thermocline_search_datasets",
    "thermocline_search_summarised_total",
    "thermocline_index_manifests_bytes",
    "thermocline_index_tables_bytes",
];

/// Media type of the Prometheus text format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// The plugin. Nothing is measured before it starts, nor ever if it is switched off.
#[derive(Default)]
pub struct MetricsPlugin {
    measuring: Arc<OnceLock<Measuring>>,
    /// Ends with the plugin: nothing is lost by it.
    upkeep: Mutex<JoinSet<()>>,
}

/// What answers are made of.
struct Measuring {
    handle: PrometheusHandle,
    process: Collector,
}

impl MetricsPlugin {
    /// Starts measuring: counters that are made afterwards are shown. Must be called within the runtime.
    fn measure(&self) {
        let measuring = self.measuring.get_or_init(Measuring::start);
        let handle = measuring.handle.clone();
        self.upkeep.lock().spawn(upkeep::repeat(SystemClock, move || handle.run_upkeep()));
    }
}

impl Measuring {
    fn start() -> Self {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let recalls = Matcher::Full("thermocline_recall_seconds".to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(seconds, &SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(recalls, &RECALL_SECONDS_BUCKETS));
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        // An error means that there is a recorder already, which then has the metrics.
        let _ = metrics::set_global_recorder(recorder);
        let process = Collector::default();
        process.describe();
        describe_gauge!("thermocline_cache_bytes", "Bytes of what is kept to be sent again");
        describe_counter!("thermocline_read_bytes_total", "Bytes read from objects of datasets");
        // Who watches it sees that nothing was read.
        counter!("thermocline_read_bytes_total").increment(0);
        describe_counter!("thermocline_recalls_total", "Recalls that cold stores were asked for");
        describe_histogram!(
            "thermocline_recall_seconds",
            "Time from the wish for an object until it is online"
        );
        describe_counter!(
            "thermocline_webhooks_total",
            "Attempts to tell of the end of requests, by outcome"
        );
        describe_gauge!("thermocline_pins", "Pins of objects that requests keep online");
        describe_gauge!("thermocline_index_manifests_bytes", "Memory of manifests, estimated");
        describe_gauge!("thermocline_index_tables_bytes", "Memory of chunk tables");
        Self { handle, process }
    }

    fn render(&self, app: &App, who: &Identity) -> String {
        measure_index(&app.catalog);
        measure_caches(app);
        self.process.collect();
        let mut text = self.handle.render();
        if app.restricts() && !who.may_administer {
            text = without_withheld(&text);
        }
        text.push_str(&dataset_lines(&counts(app, who)));
        text
    }
}

#[async_trait]
impl ServePlugin for MetricsPlugin {
    fn id(&self) -> &'static str {
        "metrics"
    }

    fn app_routes(&self) -> Vec<Route> {
        let measuring = Arc::clone(&self.measuring);
        let answer = get(async move |State(app): State<AppState>, who: Identity| {
            let text = measuring.get().map(|measuring| measuring.render(&app, &who)).unwrap_or_default();
            ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
        });
        let operation = Operation::get("What the server measures", MEDIA_TYPE);
        vec![Route { path: "/metrics", handler: answer, operations: vec![operation] }]
    }

    async fn start(&self, _app: &AppState) -> Result<()> {
        self.measure();
        Ok(())
    }
}

/// Sets the gauges of what is kept: chunks, and the finished answers of each plugin.
fn measure_caches(app: &App) {
    gauge!("thermocline_cache_bytes", "cache" => "chunks").set(app.reader.cached_bytes() as f64);
    for plugin in app.running() {
        if let Some(len_bytes) = plugin.cached_bytes() {
            gauge!("thermocline_cache_bytes", "cache" => plugin.id()).set(len_bytes as f64);
        }
    }
}

/// Sets the gauges of the index.
fn measure_index(catalog: &Catalog) {
    gauge!("thermocline_index_manifests_bytes").set(catalog.manifest_memory_bytes() as f64);
    gauge!("thermocline_index_tables_bytes").set(catalog.index().table_memory_bytes() as f64);
}

/// What is measured without what grows with datasets that not everybody may know of.
fn without_withheld(text: &str) -> String {
    let name = |line: &str| {
        let rest = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    };
    let is_told = |line: &&str| !WITHHELD.contains(&name(line).as_str());
    text.split_inclusive('\n').filter(is_told).collect()
}

/// How many datasets there are for a client.
fn counts(app: &App, who: &Identity) -> CatalogCounts {
    match app.restricts() && !who.may_administer {
        true => app.catalog.counts_seen_by(&who.view),
        false => app.catalog.counts(),
    }
}

/// The gauge of the datasets, which the recorder does not have: it is another one for each client.
fn dataset_lines(counts: &CatalogCounts) -> String {
    let states = [
        ("indexed", counts.n_indexed),
        ("indexing", counts.n_indexing),
        ("refused", counts.n_refused),
        ("lost", counts.n_lost),
    ];
    let lines =
        states.map(|(state, n_datasets)| format!("thermocline_datasets{{state=\"{state}\"}} {n_datasets}\n"));
    let head = "# HELP thermocline_datasets Listed datasets by state\n# TYPE thermocline_datasets gauge\n";
    format!("{head}{}", lines.concat())
}

#[cfg(test)]
mod tests;
