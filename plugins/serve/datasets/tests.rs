//! The routes, asked through the whole router.

use std::sync::Arc;

use serde_json::{Value, json};
use thermocline_http::HttpConfig;
use thermocline_http::identity::AccessRules;
use thermocline_model::{Attribute, ByteOrder, DataType, Number, NumberType};
use thermocline_testkit::{Answer, READER, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::DatasetsPlugin;

fn text(text: &str) -> Attribute {
    Attribute::Text(text.to_owned())
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `time(2)` with dates in the manifest, `ocean/deep/<salt>(time)` in the file.
fn toy() -> ToyDataset {
    let double = DataType::Float { size: 8, order: ByteOrder::Little };
    let mut time = toy_variable("time", &["time"], (&[2], &[2]), double.clone(), Vec::new());
    time.attrs.set("units", text("days since 2000-01-01"));
    let mut salt = toy_variable("<salt>", &["time"], (&[2], &[1]), double, Vec::new());
    salt.attrs.set("long_name", text("salt & <script>alert(1)</script>"));
    salt.attrs.set("scale_factor", Attribute::number(NumberType::F64, Number::Float(2.0)));
    let halves = [(0, ToyChunk::Stored(doubles(&[1.0]))), (1, ToyChunk::Stored(doubles(&[2.0])))];
    let mut toy = ToyDataset::default().with("", time, &[(0, ToyChunk::Inline(doubles(&[0.0, 1.0])))]).with(
        "ocean/deep",
        salt,
        &halves,
    );
    toy.root_mut().attrs.set("limit", Attribute::number(NumberType::F64, Number::Float(f64::NAN)));
    toy
}

async fn server(toys: Vec<(&str, ToyDataset)>) -> TestServer {
    TestServer::start(toys, vec![Arc::new(DatasetsPlugin)], HttpConfig::default()).await.unwrap()
}

async fn get(path: &str) -> Answer {
    server(vec![("toy", toy())]).await.get(path).await.unwrap()
}

async fn get_json(path: &str) -> Value {
    let answer = get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn the_list_is_in_catalog_order() {
    let server = server(vec![("z", toy()), ("a", toy())]).await;
    assert_eq!(server.get("/datasets").await.unwrap().text(), "[\"z\",\"a\"]");
}

#[tokio::test]
async fn dict_is_the_decoded_dataset() {
    let mut view = get_json("/datasets/toy/dict").await;

    let id = view["attrs"].as_object_mut().unwrap().remove("_xpublish_id").unwrap();
    assert!(id.as_str().unwrap().starts_with("toy:"), "{id}");
    assert_eq!(
        view,
        json!({
            "coords": {"time": {"dims": ["time"], "attrs": {}, "dtype": "datetime64[ns]", "shape": [2]}},
            "attrs": {"limit": "NaN"},
            "dims": {"time": 2},
            "data_vars": {},
        })
    );
}

#[tokio::test]
async fn info_is_the_encoded_dataset_unless_asked_otherwise() {
    let encoded = get_json("/datasets/toy/groups/ocean/deep/info").await;
    let decoded = get_json("/datasets/toy/groups/ocean/deep/info?decoded=true").await;

    assert_eq!(encoded["variables"]["<salt>"]["attributes"]["scale_factor"], json!(2.0));
    assert_eq!(decoded["variables"]["<salt>"]["attributes"].get("scale_factor"), None);
    let time = get_json("/datasets/toy/info").await["variables"]["time"].clone();
    assert_eq!(
        time,
        json!({"type": "float64", "dimensions": ["time"], "attributes": {"units": "days since 2000-01-01"}})
    );
    assert_eq!(get("/datasets/toy/info?decoded=maybe").await.status, 400);
}

#[tokio::test]
async fn groups_have_their_own_views() {
    assert_eq!(get_json("/datasets/toy/groups").await, json!(["/", "/ocean", "/ocean/deep"]));
    assert_eq!(get_json("/datasets/toy/groups/ocean/deep/keys").await, json!(["<salt>"]));
    assert_eq!(get_json("/datasets/toy/groups/keys").await, json!(["time"]));
    assert_eq!(get_json("/datasets/toy/keys").await, json!(["time"]));
    assert!(get("/datasets/toy/groups/ocean").await.text().contains("/datasets/toy/groups/ocean/deep"));
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_named() {
    for (path, name) in [("nope/keys", "nope"), ("ocean/nope", "ocean/nope"), ("ocean//deep", "ocean//deep")]
    {
        let answer = get(&format!("/datasets/toy/groups/{path}")).await;
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(problem["detail"], format!("Group '{name}' not found in dataset 'toy'"));
    }
}

#[tokio::test]
async fn pages_escape_what_files_say() {
    for path in ["/datasets/toy/tree", "/datasets/toy/groups/ocean/deep"] {
        let page = get(path).await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.text().contains("&lt;salt&gt;"), "{path}");
        assert!(!page.text().contains("<script"), "{path}");
    }
}

#[tokio::test]
async fn the_report_names_the_route_of_every_variable() {
    let report = get_json("/datasets/toy/report").await;

    assert_eq!(report["refused"], Value::Null);
    assert_eq!(report["variables"]["time"]["route"], "inline");
    let salt = &report["variables"]["ocean/deep/<salt>"];
    assert_eq!(
        *salt,
        json!({"route": "ranges", "dtype": "<f8", "shape": [2], "chunks": [1], "codecs": [], "n_chunks": 2,
            "stored_bytes": 16, "online_bytes": 16})
    );
    assert_eq!(report["objects"][0]["href"], "toy.toy");
    assert_eq!(report["notes"][0]["path"], "time");
}

#[tokio::test]
async fn a_refused_dataset_says_why_and_nothing_else() {
    let server = server(vec![("bad", toy())]).await;
    std::fs::write(server.file("bad"), b"something else").unwrap();
    // The change is noticed when the source is looked at the next time.
    while server.get("/datasets/bad/keys").await.unwrap().status != 422 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let report = server.get("/datasets/bad/report").await.unwrap();
    let report: Value = serde_json::from_slice(&report.body).unwrap();
    let reason = report["refused"].as_str().unwrap();
    let page = server.get("/datasets/bad").await.unwrap();
    let keys = server.get("/datasets/bad/keys").await.unwrap();

    assert_eq!(page.status, 200);
    assert!(page.text().contains("cannot be opened"));
    assert_eq!(keys.status, 422);
    assert_eq!(serde_json::from_slice::<Value>(&keys.body).unwrap()["detail"], reason);
    assert_eq!(server.get("/datasets").await.unwrap().text(), "[\"bad\"]");
}

#[tokio::test]
async fn every_document_is_conditional_and_head_agrees() {
    let server = server(vec![("toy", toy())]).await;
    for path in [
        "/",
        "/datasets",
        "/datasets/toy",
        "/datasets/toy/dict",
        "/plugins",
        "/openapi.json",
        "/docs",
        "/problems/corrupt",
    ] {
        let get = server.get(path).await.unwrap();
        let etag = get.header("etag").unwrap();
        let head = server.send("HEAD", path, &[]).await.unwrap();
        let again = server.send("GET", path, &[("if-none-match", etag)]).await.unwrap();
        assert_eq!(get.status, 200, "{path}");
        assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()), "{path}");
        assert_eq!(
            (head.header("content-length"), head.header("etag")),
            (get.header("content-length"), Some(etag)),
            "{path}"
        );
        assert_eq!(again.status, 304, "{path}");
    }
}

#[tokio::test]
async fn pages_have_json_beside_them() {
    let server = server(vec![("toy", toy())]).await;
    for path in ["/", "/datasets/toy", "/problems/corrupt"] {
        let asked = server.send("GET", path, &[("accept", "application/json")]).await.unwrap();
        let by_query = server.get(&format!("{path}?f=json")).await.unwrap();
        assert_eq!(asked.body, by_query.body, "{path}");
        assert!(serde_json::from_slice::<Value>(&asked.body).unwrap().is_object(), "{path}");
        assert_eq!(asked.header("vary"), Some("Accept, Accept-Encoding"), "{path}");
    }
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    assert_eq!(get_json("/plugins").await["datasets"]["status"], "ok");
    assert_eq!(get_json("/health").await["status"], "pass");
    assert_eq!(get_json("/ready").await["datasets"], 1);
    assert!(get_json("/versions").await.as_object().unwrap().values().all(Value::is_string));
    let openapi = get_json("/openapi.json").await;
    assert_eq!(openapi["openapi"], "3.0.3");
    let group = &openapi["paths"]["/datasets/{dataset_id}/groups/{path}"]["get"];
    assert_eq!(group["parameters"][1]["name"], "path");
}

#[tokio::test]
async fn crawlers_are_told_to_leave_data_alone() {
    let server = TestServer::start(Vec::new(), vec![Arc::new(DatasetsPlugin)], HttpConfig::default());
    let answer = server.await.unwrap().get("/robots.txt").await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("text/plain; charset=utf-8"))
    );
    assert!(answer.text().contains("Disallow: /datasets/*/zarr\n"), "{}", answer.text());
}

#[tokio::test]
async fn the_only_dataset_is_at_the_root_too() {
    let config = HttpConfig { single: Some("toy".to_owned()), ..HttpConfig::default() };
    let server =
        TestServer::start(vec![("toy", toy())], vec![Arc::new(DatasetsPlugin)], config).await.unwrap();

    for path in ["/keys", "/dict", "/info", "/groups/ocean/deep/keys", "/report"] {
        let at_root = server.get(path).await.unwrap();
        let below = server.get(&format!("/datasets/toy{path}")).await.unwrap();
        assert_eq!((at_root.status.as_u16(), &at_root.body), (200, &below.body), "{path}");
    }
    assert!(server.get("/").await.unwrap().text().contains("datetime64[ns]"));
    assert_eq!(server.get("/datasets").await.unwrap().text(), "[\"toy\"]");
    let openapi: Value = serde_json::from_slice(&server.get("/openapi.json").await.unwrap().body).unwrap();
    assert!(openapi["paths"].as_object().unwrap().contains_key("/keys"));
}

#[tokio::test]
async fn every_type_of_problem_is_explained() {
    let server = server(Vec::new()).await;
    for about in thermocline_http::problem::TYPES {
        let page = server.get(&format!("/problems/{}", about.name)).await.unwrap();
        assert_eq!(page.status, 200, "{}", about.name);
        assert!(page.text().contains(about.title));
    }
    assert_eq!(server.get("/problems/nope").await.unwrap().status, 404);
}

#[tokio::test]
async fn the_title_is_that_of_the_file_where_the_catalog_has_none() {
    let mut titled = toy();
    titled.root_mut().attrs.set("title", text("Toys & more"));
    titled.root_mut().attrs.set("summary", text("All that was found."));
    let server = server(vec![("toy", titled), ("bare", toy())]).await;
    let json = [("accept", "application/json")];
    let summary = server.send("GET", "/datasets/toy", &json).await.unwrap();
    let summary: Value = serde_json::from_slice(&summary.body).unwrap();
    assert_eq!(summary["title"], json!("Toys & more"));
    assert_eq!(summary["description"], json!("All that was found."));
    let page = server.get("/datasets/toy").await.unwrap().text();
    assert!(
        page.contains("<h1>Toys &amp; more</h1>") && page.contains("<p>All that was found.</p>"),
        "{page}"
    );
    let overview = server.get("/").await.unwrap().text();
    assert!(overview.contains("<td>Toys &amp; more</td>"), "{overview}");
    let bare = server.send("GET", "/datasets/bare", &json).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bare.body).unwrap()["title"], Value::Null);
}

#[tokio::test]
async fn a_page_holds_what_search_engines_read() {
    let mut titled = toy();
    titled.root_mut().attrs.set("title", text("Toys </script><b> & more"));
    let server = server(vec![("a b", titled)]).await;
    let page = server.get("/datasets/a%20b").await.unwrap().text();
    let start = page.find("<script type=\"application/ld+json\">").unwrap();
    let (_, rest) = page[start..].split_once('>').unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    let document: Value = serde_json::from_str(json).unwrap();
    assert_eq!(document["@type"], "Dataset");
    assert_eq!(document["name"], "Toys </script><b> & more");
    assert_eq!(document["identifier"], "a b");
    assert_eq!(document["url"], "http://test.example/datasets/a%20b");
    assert!(!document["description"].as_str().unwrap().is_empty());
    assert_eq!(document.get("spatialCoverage"), None);
}

#[tokio::test]
async fn neither_lists_nor_counts_tell_of_a_dataset_that_one_may_not_read() {
    let server = TestServer::with_secret(toy(), toy(), vec![Arc::new(DatasetsPlugin)]).await.unwrap();
    server.check_keeps_secret(&["/datasets", "/"], &["secret"]).await.unwrap();
    assert_eq!(server.get("/datasets").await.unwrap().text(), "[\"open\"]");
    assert!(server.send("GET", "/", &[("accept", "text/html")]).await.unwrap().text().contains("1 datasets"));
    for (headers, n_datasets) in [(&[][..], 1), (&[READER][..], 2)] {
        let ready = server.send("GET", "/ready", headers).await.unwrap();
        let ready: Value = serde_json::from_slice(&ready.body).unwrap();
        assert_eq!(ready["datasets"], n_datasets);
    }
}

#[tokio::test]
async fn health_says_that_a_rule_does_not_exist_to_whoever_administers_the_server() {
    let server = TestServer::with_secret(toy(), toy(), vec![Arc::new(DatasetsPlugin)]).await.unwrap();
    assert!(!server.get("/health").await.unwrap().text().contains("reason"));
    server.replace_rules(AccessRules::default()).unwrap();
    let public = server.get("/health").await.unwrap().text();
    assert!(public.contains("who administers the server is told the reason"), "{public}");
    server.replace_rules(AccessRules { anonymous_administers: true, ..AccessRules::default() }).unwrap();
    let told = server.get("/health").await.unwrap().text();
    assert!(told.contains("no access rule \\\"staff\\\""), "{told}");
}
