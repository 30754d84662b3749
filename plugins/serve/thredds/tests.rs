//! What clients get through the whole stack.

use thermocline_http::HttpConfig;
use thermocline_testkit::TestServer;

use super::*;

async fn server() -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ThreddsPlugin::default())];
    TestServer::start(Vec::new(), plugins, HttpConfig::default()).await.unwrap()
}

#[tokio::test]
async fn places_without_datasets_are_not_found() {
    let server = server().await;
    for path in ["/catalog/nope.xml", "/catalog/nope/x.xml", "/catalog/nope", "/catalog/.html"] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
    }
}
