//! What clients get through the whole stack.

use std::sync::Arc;

use thermocline_http::{HttpConfig, ServePlugin};
use thermocline_testkit::TestServer;

use super::*;

async fn server() -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(IntakePlugin::default())];
    TestServer::start(Vec::new(), plugins, HttpConfig::default()).await.unwrap()
}

#[tokio::test]
async fn a_prefix_that_no_id_has_is_not_found() {
    let server = server().await;
    for path in ["/intake/x.yaml", "/intake/x", "/intake-nested/.yaml"] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
    }
}
