//! What clients get through the whole stack.

use std::sync::Arc;

use serde_yaml_ng::Value;
use thermocline_http::{AccessMethod, HttpConfig, ServePlugin};
use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_search::Summary;
use thermocline_testkit::{READER, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

/// Opens datasets by both methods, as the plugins that serve them do.
struct Opening;

impl ServePlugin for Opening {
    fn id(&self) -> &'static str {
        "opening"
    }

    fn access_methods(&self, _summary: &Summary) -> Vec<AccessMethod> {
        let method = |name: &'static str, intake_method| AccessMethod {
            name: name.to_owned(),
            title: "a test",
            path: format!("/{name}"),
            media_type: "application/octet-stream",
            xarray_call: None,
            roles: &["data"],
            fields: serde_json::Map::new(),
            thredds_service: None,
            intake_method,
        };
        vec![method("zarr", Some("zarr")), method("kerchunk", Some("kerchunk")), method("elsewhere", None)]
    }
}

const TITLE: &str = "no: {% for x %} {{ shell(1) }} # \"quoted\"";

fn toy(title: &str) -> ToyDataset {
    let float = DataType::Float { size: 4, order: ByteOrder::Little };
    let variable = |name: &str| toy_variable(name, &["x"], (&[2], &[2]), float.clone(), Vec::new());
    let chunk = || [(0, ToyChunk::Stored(vec![0; 8]))];
    let mut toy = ToyDataset::default()
        .with("", variable("tas"), &chunk())
        .with("", variable("pr,x"), &chunk())
        .with("ocean", variable("so"), &chunk());
    let attrs = &mut toy.root_mut().attrs;
    attrs.set("title", Attribute::Text(title.to_owned()));
    attrs.set("source_id", Attribute::Text("EX-1, second".to_owned()));
    toy
}

async fn server_with(ids: &[&str], settings: IntakeSettings) -> TestServer {
    let toys = ids.iter().map(|id| (*id, toy(TITLE))).collect();
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(IntakePlugin::new(settings)), Arc::new(Opening)];
    let server = TestServer::start(toys, plugins, HttpConfig::default()).await.unwrap();
    server.summarise().await.unwrap();
    server
}

async fn server(ids: &[&str]) -> TestServer {
    server_with(ids, IntakeSettings::default()).await
}

async fn get_yaml(server: &TestServer, path: &str) -> Value {
    let answer = server.get(path).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some(YAML)),
        "{}",
        answer.text()
    );
    serde_yaml_ng::from_slice(&answer.body).unwrap()
}

fn names(catalog: &Value) -> Vec<String> {
    let sources = catalog["sources"].as_mapping().unwrap();
    sources.keys().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_dataset_is_a_source_named_by_its_id() {
    let server = server(&["era5.t2m", "no", "1e3"]).await;
    let catalog = get_yaml(&server, "/intake.yaml").await;
    let mut found = names(&catalog);
    found.sort();
    assert_eq!(found, ["1e3", "era5.t2m", "no"]);
    let source = &catalog["sources"]["no"];
    assert_eq!(source["driver"], "zarr");
    assert_eq!(source["args"]["urlpath"], "http://test.example/datasets/no/{{ method }}");
    assert_eq!(source["args"]["consolidated"], true);
    let method = &source["parameters"]["method"];
    assert_eq!((&method["type"], &method["default"]), (&"str".into(), &"kerchunk".into()));
    assert_eq!(method["allowed"], Value::Sequence(vec!["kerchunk".into(), "zarr".into()]));
    assert_eq!(catalog["metadata"]["access_url"], "http://test.example/intake.yaml");
}

#[tokio::test]
async fn templates_are_escaped_in_metadata_only() {
    let catalog = get_yaml(&server(&["a"]).await, "/intake.yaml").await;
    let source = &catalog["sources"]["a"];
    assert_eq!(source["description"], TITLE);
    let title = source["metadata"]["title"].as_str().unwrap();
    assert!(title.starts_with("no: {{ '{%' }} for x %} {{ '{{' }} shell(1) }}"), "{title}");
}

#[tokio::test]
async fn a_catalog_without_datasets_has_no_sources() {
    let server = server(&[]).await;
    for path in ["/intake.yaml", "/intake-nested.yaml"] {
        assert_eq!(names(&get_yaml(&server, path).await), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn the_catalog_of_one_dataset_has_a_source_for_each_method() {
    let server = server(&["a b"]).await;
    let catalog = get_yaml(&server, "/datasets/a%20b/catalog.yaml").await;
    assert_eq!(catalog["name"], "a b");
    assert_eq!(names(&catalog), ["a b-kerchunk", "a b-zarr", "a b"]);
    let urlpath = &catalog["sources"]["a b-zarr"]["args"]["urlpath"];
    assert_eq!(urlpath, "http://test.example/datasets/a%20b/zarr");
    let nested = get_yaml(&server, "/intake-nested.yaml").await;
    let path = &nested["sources"]["a b"]["args"]["path"];
    assert_eq!(path, "http://test.example/datasets/a%20b/catalog.yaml");
}

#[tokio::test]
async fn many_datasets_are_nested_by_the_beginnings_of_their_ids() {
    let settings = IntakeSettings { nested_above: 2, ..IntakeSettings::default() };
    let server = server_with(&["m.a", "m.b", "m.c", "n", "o.x.1", "o.x.2", "o.y"], settings).await;
    let mut open = vec!["/intake.yaml".to_owned()];
    let mut reached = Vec::new();
    while let Some(path) = open.pop() {
        let catalog = get_yaml(&server, &path).await;
        for (name, source) in catalog["sources"].as_mapping().unwrap() {
            match source["args"].get("path") {
                Some(url) => open.push(url.as_str().unwrap().replace("http://test.example", "")),
                None => reached.push(name.as_str().unwrap().to_owned()),
            }
        }
        assert!(catalog["sources"].as_mapping().unwrap().len() <= 3, "{path}");
    }
    reached.sort();
    assert_eq!(reached, ["m.a", "m.b", "m.c", "n", "o.x.1", "o.x.2", "o.y"]);
    assert_eq!(server.get("/intake/z.yaml").await.unwrap().status, 404);
}

#[tokio::test]
async fn a_prefix_that_no_id_has_is_not_found() {
    let server = server(&["a"]).await;
    for path in ["/intake/x.yaml", "/intake/a", "/intake-nested/.yaml"] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_table_has_a_row_for_each_data_variable() {
    let server = server(&["a"]).await;
    let answer = server.get("/intake-esm.csv").await.unwrap();
    assert_eq!(answer.header("content-type"), Some(CSV));
    let text = answer.text();
    let rows: Vec<&str> = text.split("\r\n").collect();
    let url = "http://test.example/datasets/a/zarr";
    assert_eq!(
        rows,
        [
            "collection,dataset_id,activity_id,institution_id,source_id,experiment_id,member_id,table_id,\
             variable_id,grid_label,uri",
            &format!("datasets,a,,,\"EX-1, second\",,,,tas,,{url}"),
            &format!("datasets,a,,,\"EX-1, second\",,,,\"pr,x\",,{url}"),
            &format!("datasets,a,,,\"EX-1, second\",,,,so,,{url}/ocean"),
            "",
        ]
    );
}

#[tokio::test]
async fn datasets_are_not_grouped_by_what_one_of_them_lacks() {
    let groupby = |names: [&str; 2]| IntakeSettings {
        groupby_attrs: names.map(str::to_owned).to_vec(),
        ..IntakeSettings::default()
    };
    for (asked, given) in [
        (["source_id", "dataset_id"], ["source_id", "dataset_id"]),
        (["table_id", "dataset_id"], ["collection", "dataset_id"]),
    ] {
        let server = server_with(&["a"], groupby(asked)).await;
        let answer = server.get("/intake-esm.json").await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["aggregation_control"]["groupby_attrs"], serde_json::json!(given), "{document}");
        assert_eq!(document["catalog_file"], "http://test.example/intake-esm.csv");
    }
}

#[tokio::test]
async fn every_document_answers_head_ranges_and_conditions() {
    let server = server(&["a"]).await;
    for path in [
        "/intake.yaml",
        "/intake-nested.yaml",
        "/intake-esm.json",
        "/intake-esm.csv",
        "/datasets/a/catalog.yaml",
    ] {
        let whole = server.get(path).await.unwrap();
        let head = server.send("HEAD", path, &[]).await.unwrap();
        let part = server.send("GET", path, &[("range", "bytes=2-5")]).await.unwrap();
        let etag = whole.header("etag").unwrap();
        let same = server.send("GET", path, &[("if-none-match", etag)]).await.unwrap();
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{path}");
        assert_eq!((part.status.as_u16(), &part.body), (206, &whole.body.slice(2..6)), "{path}");
        assert_eq!(same.status, 304, "{path}");
        assert_eq!(whole.header("cache-control"), Some("public, max-age=60"), "{path}");
        assert!(!etag.starts_with("W/"), "{path}");
    }
}

#[tokio::test]
async fn clients_get_the_addresses_by_which_they_came() {
    let server = server(&["a"]).await;
    let here = server.send("GET", "/intake.yaml", &[]).await.unwrap();
    let config = HttpConfig { public_url: Some("https://data.example/tc".into()), ..HttpConfig::default() };
    assert!(here.text().contains("http://test.example/datasets/a/"), "{}", here.text());
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(IntakePlugin::default()), Arc::new(Opening)];
    let public = TestServer::start(vec![("a", toy("t"))], plugins, config).await.unwrap();
    public.summarise().await.unwrap();
    let text = public.get("/intake.yaml").await.unwrap().text();
    assert!(text.contains("https://data.example/tc/datasets/a/{{ method }}"), "{text}");
}

#[tokio::test]
async fn no_catalog_tells_of_a_dataset_that_one_may_not_read() {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(IntakePlugin::default()), Arc::new(Opening)];
    let server = TestServer::with_secret(toy("Open"), toy("Hush"), plugins).await.unwrap();
    let paths = ["/intake.yaml", "/intake-nested.yaml", "/intake-esm.csv"];
    server.check_keeps_secret(&paths, &["secret", "hush"]).await.unwrap();
    for path in ["/intake/sec.yaml", "/intake-nested/sec.yaml"] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
        assert_eq!(server.send("GET", path, &[READER]).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_columns_of_the_table_do_not_depend_on_what_one_may_not_read() {
    let mut secret = toy("Hush");
    secret.root_mut().attrs.remove("source_id");
    let settings =
        IntakeSettings { groupby_attrs: vec!["source_id".to_owned()], ..IntakeSettings::default() };
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(IntakePlugin::new(settings)), Arc::new(Opening)];
    let server = TestServer::with_secret(toy("Open"), secret, plugins).await.unwrap();
    let public = server.get("/intake-esm.json").await.unwrap().text();
    let all = server.send("GET", "/intake-esm.json", &[READER]).await.unwrap().text();
    assert!(all.contains("no source_id") && !public.contains("no source_id"), "{public} {all}");
}
