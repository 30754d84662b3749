//! What clients get through the whole stack.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thermocline_http::{AddressRule, HttpConfig};
use thermocline_model::{ArrayBytes, Attribute, ByteOrder, DataType, Number, NumberType};
use thermocline_testkit::{TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

mod cold;

const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };
const I1: DataType = DataType::Int { size: 1, order: ByteOrder::Little };
const BASE: &str = "http://test.example/datasets/toy";

fn bytes_of(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `tas` of two chunks in the file, `gaps` with a chunk never written, inline `x`; `ocean/deep` in a group.
fn toy() -> ToyDataset {
    let variable = |name: &str| toy_variable(name, &["x"], (&[4], &[2]), I4, vec![]);
    let mut gaps = variable("gaps");
    gaps.fill = Some(ArrayBytes::Fixed(bytes_of(&[-9])));
    gaps.attrs.set("_FillValue", Attribute::number(NumberType::I32, Number::Integer(-9)));
    let stored = |values: &[i32]| ToyChunk::Stored(bytes_of(values));
    ToyDataset::default()
        .with("", variable("tas"), &[(0, stored(&[1, 2])), (1, stored(&[3, 4]))])
        .with("", gaps, &[(1, stored(&[5, 6]))])
        .with("", variable("holes"), &[(0, stored(&[7, 8]))])
        .with(
            "",
            toy_variable("x", &["x"], (&[4], &[4]), I4, vec![]),
            &[(0, ToyChunk::Inline(bytes_of(&[0, 1, 2, 3])))],
        )
        .with("ocean", variable("deep"), &[(0, stored(&[9, 9])), (1, stored(&[8, 8]))])
}

async fn server_with(settings: KerchunkSettings, config: HttpConfig) -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(KerchunkPlugin::new(settings))];
    TestServer::start(vec![("toy", toy())], plugins, config).await.unwrap()
}

async fn server() -> TestServer {
    server_with(KerchunkSettings::default(), HttpConfig::default()).await
}

async fn references(server: &TestServer, path: &str) -> Value {
    let answer = server.get(&format!("/datasets/toy/{path}")).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_slice::<Value>(&answer.body).unwrap()["refs"].take()
}

#[tokio::test]
async fn references_are_ranges_of_the_object_inline_bytes_or_the_chunks_own_address() {
    let refs = references(&server().await, "kerchunk").await;
    let offset = b"toy dataset\n".len();
    assert_eq!(refs["tas/0"], json!([format!("{BASE}/objects/0"), offset, 8]));
    assert_eq!(refs["tas/1"], json!([format!("{BASE}/objects/0"), offset + 8, 8]));
    assert_eq!(refs["x/0"], json!(format!("base64:{}", STANDARD.encode(bytes_of(&[0, 1, 2, 3])))));
    assert_eq!(refs.get("gaps/0"), None, "its fill_value says what it holds");
    assert_eq!(refs["holes/1"], json!([format!("{BASE}/zarr-v2/holes/1")]), "fill_value is null");
}

#[tokio::test]
async fn metadata_are_texts_of_the_zarr_documents_consolidated_too() {
    let server = server().await;
    let refs = references(&server, "kerchunk").await;
    for key in [".zmetadata", ".zgroup", ".zattrs", "tas/.zarray", "ocean/.zgroup", "ocean/deep/.zattrs"] {
        let document = server.get(&format!("/datasets/toy/kerchunk/{key}")).await.unwrap();
        assert_eq!(refs[key].as_str(), Some(document.text().as_str()), "{key}");
    }
}

#[tokio::test]
async fn no_address_lies_below_kerchunk() {
    let document = server().await.get("/datasets/toy/kerchunk").await.unwrap().text();
    assert!(!document.contains("/kerchunk/"), "{document}");
}

#[tokio::test]
async fn a_group_becomes_the_root_of_its_references() {
    let server = server().await;
    let refs = references(&server, "kerchunk?group=ocean").await;
    assert!(refs.get("deep/.zarray").is_some() && refs.get("tas/.zarray").is_none(), "{refs}");
    assert_eq!(refs["deep/0"][0], json!(format!("{BASE}/objects/0")));
    assert_eq!(server.get("/datasets/toy/kerchunk?group=nope").await.unwrap().status, 404);
}

#[tokio::test]
async fn references_to_the_source_have_the_addresses_that_clients_know() {
    let rule = AddressRule { from: "s3://public/data".into(), to: "/".into() };
    let config = HttpConfig { address_map: vec![rule], ..HttpConfig::default() };
    let server = server_with(KerchunkSettings::default(), config).await;
    let refs = references(&server, "kerchunk?target=source").await;
    let path = server.file("toy").canonicalize().unwrap();
    assert_eq!(refs["tas/0"][0], json!(format!("s3://public/data{}", path.display())));
    assert_eq!(server.get("/datasets/toy/kerchunk?target=moon").await.unwrap().status, 400);
}

#[tokio::test]
async fn paths_of_the_archive_are_not_told_without_a_rule() {
    let server = server().await;
    let answer = server.get("/datasets/toy/kerchunk?target=source").await.unwrap();
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("roots.NAME"), "it says how to allow it: {}", answer.text());
    assert!(!answer.text().contains(server.file("toy").to_str().unwrap()), "{}", answer.text());
}

#[tokio::test]
async fn a_table_is_made_only_when_its_bytes_are_asked_for() {
    let server = server().await;
    let path = "/datasets/toy/kerchunk.parq/tas/refs.0.parq";
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, None), "nothing was made yet");
    let etag = head.header("etag").unwrap().to_owned();
    let same = server.send("GET", path, &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!(same.status, 304);
    assert_eq!(server.send("HEAD", path, &[]).await.unwrap().header("content-length"), None);
    let whole = server.get(path).await.unwrap();
    assert_eq!(whole.header("etag"), Some(etag.as_str()));
    let len_bytes = whole.body.len().to_string();
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some(len_bytes.as_str()), "it is kept");
    let part = server.send("GET", path, &[("range", "bytes=-4"), ("if-range", &etag)]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "PAR1"));
    let other = server.get("/datasets/toy/kerchunk.parq/gaps/refs.0.parq").await.unwrap();
    assert_ne!(other.header("etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn a_changed_object_is_looked_at_at_once() {
    let server = server().await;
    let path = "/datasets/toy/objects/0";
    let before = server.get(path).await.unwrap();
    let file = std::fs::File::options().write(true).open(server.file("toy")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(server.get(path).await.unwrap().status, 503, "not what was indexed");
    let after = server.get(path).await.unwrap();
    assert_eq!((after.status.as_u16(), &after.body), (200, &before.body));
    assert_ne!(after.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn the_document_answers_head_ranges_and_conditions() {
    let server = server().await;
    let path = "/datasets/toy/kerchunk.json";
    let whole = server.get(path).await.unwrap();
    assert_eq!(whole.body, server.get("/datasets/toy/kerchunk/").await.unwrap().body, "with a slash");
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    let part = server.send("GET", path, &[("range", "bytes=0-9")]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "{\"version\""));
    let etag = whole.header("etag").unwrap();
    assert_eq!(server.send("GET", path, &[("if-none-match", etag)]).await.unwrap().status, 304);
}

#[tokio::test]
async fn too_many_chunks_are_refused_with_the_parquet_form() {
    let settings = KerchunkSettings { max_references: 3, ..KerchunkSettings::default() };
    let server = server_with(settings, HttpConfig::default()).await;
    let answer = server.get("/datasets/toy/kerchunk").await.unwrap();
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("kerchunk.parq"), "{}", answer.text());
}

#[tokio::test]
async fn chunks_beyond_the_inline_budget_point_at_the_server() {
    let settings = KerchunkSettings { inline_chunk_bytes: 15, ..KerchunkSettings::default() };
    let refs = references(&server_with(settings, HttpConfig::default()).await, "kerchunk").await;
    assert_eq!(refs["x/0"], json!([format!("{BASE}/zarr-v2/x/0")]));
}

#[tokio::test]
async fn parquet_tables_exist_for_every_array_and_no_further() {
    let settings = KerchunkSettings { record_size: 1, ..KerchunkSettings::default() };
    let server = server_with(settings, HttpConfig::default()).await;
    let metadata = server.get("/datasets/toy/kerchunk.parq/.zmetadata").await.unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.body).unwrap();
    assert_eq!(metadata["record_size"], json!(1));
    assert!(metadata["metadata"].get("ocean/deep/.zarray").is_some());
    for (key, status) in [
        ("tas/refs.0.parq", 200),
        ("tas/refs.1.parq", 200),
        ("tas/refs.2.parq", 404),
        ("ocean/deep/refs.0.parq", 200),
        ("nope/refs.0.parq", 404),
        ("tas/refs.00.parq", 404),
    ] {
        let answer = server.get(&format!("/datasets/toy/kerchunk.parq/{key}")).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{key}");
        assert_eq!(answer.body.starts_with(b"PAR1"), status == 200, "{key}");
    }
    for method in ["GET", "HEAD"] {
        for path in ["/datasets/toy/kerchunk.parq", "/datasets/toy/kerchunk.parq/"] {
            assert_eq!(server.send(method, path, &[]).await.unwrap().status, 404, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn source_objects_are_read_by_ranges() {
    let server = server().await;
    let path = "/datasets/toy/objects/0";
    let whole = server.get(path).await.unwrap();
    assert_eq!(whole.body.as_ref(), std::fs::read(server.file("toy")).unwrap());
    let part = server.send("GET", path, &[("range", "bytes=4-10")]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "dataset"));
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    for number in ["1", "-1", "x", "+0", "99999999999"] {
        assert_eq!(
            server.get(&format!("/datasets/toy/objects/{number}")).await.unwrap().status,
            404,
            "{number}"
        );
    }
}

#[tokio::test]
async fn large_objects_need_a_range_and_objects_can_be_withheld() {
    let config = HttpConfig { max_whole_object_bytes: 4, ..HttpConfig::default() };
    let limited = server_with(KerchunkSettings::default(), config).await;
    assert_eq!(limited.get("/datasets/toy/objects/0").await.unwrap().status, 413);
    let part = limited.send("GET", "/datasets/toy/objects/0", &[("range", "bytes=0-2")]).await.unwrap();
    assert_eq!(part.text(), "toy");
    let config = HttpConfig { serve_objects: false, ..HttpConfig::default() };
    let withheld = server_with(KerchunkSettings::default(), config).await;
    assert_eq!(withheld.get("/datasets/toy/objects/0").await.unwrap().status, 404);
    let refs = references(&withheld, "kerchunk").await;
    assert_eq!(refs["tas/0"], json!([format!("{BASE}/zarr-v2/tas/0")]));
}

#[tokio::test]
async fn an_object_larger_than_a_piece_arrives_whole() {
    let values: Vec<u8> = (0..20_000_000_u32).map(|i| (i % 251) as u8).collect();
    let variable = toy_variable("big", &["x"], (&[5_000_000], &[5_000_000]), I4, vec![]);
    let toy = ToyDataset::default().with("", variable, &[(0, ToyChunk::Stored(values))]);
    let expected = toy.file().to_vec();
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(KerchunkPlugin::default())];
    let server = TestServer::start(vec![("toy", toy)], plugins, HttpConfig::default()).await.unwrap();
    let whole = server.get("/datasets/toy/objects/0").await.unwrap();
    assert!(whole.body.as_ref() == expected);
    let part = server.send("GET", "/datasets/toy/objects/0", &[("range", "bytes=5-19000000")]).await.unwrap();
    assert!(part.body.as_ref() == &expected[5..=19_000_000]);
}

/// What catalogs would be told of the toy by a plugin with these settings.
async fn named_sources(settings: KerchunkSettings) -> Vec<AccessMethod> {
    let plugin = KerchunkPlugin::new(settings.clone());
    let server = server_with(settings, HttpConfig::default()).await;
    let manifest = server.catalog().open("toy").await.unwrap();
    let methods = plugin.access_methods(&thermocline_search::describe(&manifest));
    methods.into_iter().filter(|method| method.roles == ["source"]).collect()
}

#[tokio::test]
async fn the_only_source_is_named_without_its_path() {
    let sources = named_sources(KerchunkSettings::default()).await;
    let [source] = sources.as_slice() else { panic!("{sources:?}") };
    assert_eq!((source.name.as_str(), source.path.as_str()), ("source", "/objects/0"));
    assert_eq!(source.thredds_service, Some("HTTPServer"));
    assert!(source.fields["file:size"].as_u64().unwrap() > 0);
    assert!(!format!("{source:?}").contains(".toy"), "{source:?}");
}

#[tokio::test]
async fn objects_that_are_withheld_are_not_named() {
    let settings = KerchunkSettings { names_objects: false, ..KerchunkSettings::default() };
    assert_eq!(named_sources(settings).await, []);
}
