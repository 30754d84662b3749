//! The routes, asked through the whole router, over the real engine and an archive whose recalls take no time.

mod access;
mod audit;
mod bucket;
mod events;
mod find;
mod operators;
mod promises;
mod requests;
mod selection;
mod webhooks;

use std::sync::Arc;

use serde_json::{Value, json};
use thermocline_http::identity::AccessRules;
use thermocline_testkit::{Answer, ColdParts, TestServer, ToyDataset};

use super::{StagingApiSettings, StagingPlugin};

/// Files of the archive of tests.
const FILES: [(&str, &[u8]); 5] = [
    ("a.nc", b"the bytes of a"),
    ("b.nc", b"the bytes of b"),
    ("deep/c.nc", b"the bytes of c"),
    ("deep/S2A_T33UXP.SAFE/x.jp2", b"the bytes of x"),
    ("deep/a=b&c+d.nc", b"odd"),
];

/// A server whose every client may do everything.
struct World {
    server: TestServer,
}

/// Rules by which every client may do everything.
fn open_rules() -> AccessRules {
    AccessRules { anonymous_stages: true, anonymous_administers: true, ..AccessRules::default() }
}

impl World {
    async fn new() -> Self {
        Self::with(StagingApiSettings::default(), open_rules(), Vec::new()).await
    }

    async fn with(settings: StagingApiSettings, rules: AccessRules, toys: Vec<(&str, ToyDataset)>) -> Self {
        let cold = ColdParts { files: FILES.to_vec(), rules, ..ColdParts::default() };
        let plugin = Arc::new(StagingPlugin::new(settings));
        Self { server: TestServer::with_staging(toys, vec![plugin], cold).await.unwrap() }
    }

    /// The path of a file as users write it.
    fn path(&self, file: &str) -> String {
        self.server.data().join(file).to_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.server.send_body("POST", path, &headers, body.to_string()).await.unwrap()
    }

    async fn post_lines(&self, path: &str, lines: &str) -> Answer {
        let headers = [("content-type", "text/plain")];
        self.server.send_body("POST", path, &headers, lines.to_owned()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.server.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        document(&answer)
    }

    /// Stages files and gives the request's name.
    async fn stage(&self, files: &[&str]) -> String {
        let paths: Vec<String> = files.iter().map(|file| self.path(file)).collect();
        let answer = self.post("/requests", &json!({"objects": paths})).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        document(&answer)["id"].as_str().unwrap().to_owned()
    }

    /// The request once it has ended: its events end with it.
    async fn ended(&self, id: &str) -> Value {
        self.server.get(&format!("/requests/{id}/events")).await.unwrap();
        self.get(&format!("/requests/{id}")).await
    }

    /// Stops recalls, so that requests stay as they are.
    async fn pause(&self) {
        assert_eq!(self.post("/cold/tape/pause", &json!({})).await.status, 200);
    }

    async fn resume(&self) {
        assert_eq!(self.post("/cold/tape/resume", &json!({})).await.status, 200);
    }

    fn n_recalls(&self, file: &str) -> usize {
        self.server.cold().unwrap().archive.n_recalls(file)
    }
}

fn document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.text()))
}

/// Status and detail of a problem.
fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    (answer.status.as_u16(), document(answer)["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_server_without_cold_data_says_so() {
    let cold = ColdParts { has_no_engine: true, ..ColdParts::default() };
    let server =
        TestServer::with_staging(Vec::new(), vec![Arc::new(StagingPlugin::default())], cold).await.unwrap();
    assert_eq!(problem(&server.get("/requests/r1").await.unwrap()).0, 404);
}
