//! What a scraper gets. One test: a process has one recorder.

use thermocline_http::HttpConfig;
use thermocline_testkit::TestServer;

use super::*;

async fn scraped(plugin: MetricsPlugin) -> String {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(plugin)];
    let server = TestServer::start(Vec::new(), plugins, HttpConfig::default()).await.unwrap();
    assert_eq!(server.get("/metrics").await.unwrap().status, 200);
    server.get("/metrics").await.unwrap().text()
}

#[test]
fn what_counts_hidden_datasets_is_left_out_with_its_head_and_nothing_else_is() {
    let text = "# HELP thermocline_index_tables_bytes Memory\n# TYPE thermocline_index_tables_bytes gauge\n\
                thermocline_index_tables_bytes 7\n\n# TYPE thermocline_search_datasets gauge\n\
                thermocline_search_datasets 8\nthermocline_search_datasets_other 1\n\
                thermocline_cache_bytes{cache=\"chunks\"} 0\n";
    let told = "\nthermocline_search_datasets_other 1\nthermocline_cache_bytes{cache=\"chunks\"} 0\n";
    assert_eq!(without_withheld(text), told);
}

#[tokio::test]
async fn measuring_begins_when_the_plugin_starts() {
    assert_eq!(scraped(MetricsPlugin::default()).await, "", "made, but not started");

    let started = MetricsPlugin::default();
    started.measure();
    assert_eq!(started.upkeep.lock().len(), 1, "upkeep does not wait for a scraper");

    let text = scraped(started).await;
    for line in [
        "thermocline_cache_bytes{cache=\"chunks\"} 0",
        "thermocline_index_tables_bytes 0",
        "thermocline_datasets{state=\"indexed\"} 0",
        "thermocline_http_requests_total{plugin=\"metrics\",route=\"/metrics\",status_class=\"2xx\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
}
