//! Counters of answers, by plugin and route. Handles are made once, when the router is built.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

/// Classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
pub(super) struct RouteMetrics {
    requests: [Counter; CLASSES.len()],
    response_bytes: Counter,
    seconds: Histogram,
}

impl RouteMetrics {
    /// Counters with the labels of a route of a plugin.
    pub(super) fn new(plugin: &'static str, route: &str) -> Arc<Self> {
        let route: metrics::SharedString = route.to_owned().into();
        let requests = CLASSES.map(|class| {
            counter!("thermocline_http_requests_total",
                "plugin" => plugin, "route" => route.clone(), "status_class" => class)
        });
        let response_bytes =
            counter!("thermocline_http_response_bytes_total", "plugin" => plugin, "route" => route.clone());
        let seconds = histogram!("thermocline_http_request_seconds", "plugin" => plugin, "route" => route);
        Arc::new(Self { requests, response_bytes, seconds })
    }

    /// Says what the metrics mean.
    pub(super) fn describe() {
        describe_counter!("thermocline_http_requests_total", "Requests answered");
        describe_counter!("thermocline_http_response_bytes_total", "Bytes of bodies sent");
        describe_histogram!("thermocline_http_request_seconds", "Time until an answer begins, in seconds");
    }

    /// Counts an answer.
    pub(super) fn count(&self, status: StatusCode, len_bytes: u64, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(requests) = self.requests.get(class) {
            requests.increment(1);
        }
        self.response_bytes.increment(len_bytes);
        self.seconds.record(took);
    }
}
