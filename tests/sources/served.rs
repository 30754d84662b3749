//! The server over a test's sources.

use std::time::Duration;

use thermocline::Registry;
use thermocline_core::bytes::Root;
use thermocline_http::HttpConfig;
use thermocline_serve_zarr::ZarrPlugin;
use thermocline_testkit::{Answer, TestServer, TestSources};

/// Serves `places` below `roots` as Zarr, looking at them every `check_every`.
pub(crate) async fn serve(roots: Vec<Root>, places: &[&str], check_every: Duration) -> TestServer {
    serve_settled(roots, places, check_every, Duration::from_millis(12)).await
}

/// The same where files are indexed once they are as old as `settled_after`.
pub(crate) async fn serve_settled(
    roots: Vec<Root>,
    places: &[&str],
    check_every: Duration,
    settled_after: Duration,
) -> TestServer {
    let sources = TestSources {
        roots,
        places: places.iter().map(|place| (*place).to_owned()).collect(),
        formats: Registry::builtin().formats().to_vec(),
        check_every,
        settled_after,
    };
    let plugins = vec![std::sync::Arc::new(ZarrPlugin) as _];
    TestServer::of_sources(sources, plugins, HttpConfig::default()).await.unwrap()
}

/// The answer to a request, or the last one when it stays an error for ten seconds.
pub(crate) async fn get_in_time(server: &TestServer, path: &str) -> Answer {
    let mut answer = server.get(path).await.unwrap();
    for _ in 0..200 {
        if answer.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = server.get(path).await.unwrap();
    }
    answer
}

/// Chooses who encrypts, as the server's `main` does.
pub(crate) fn install_tls() {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
