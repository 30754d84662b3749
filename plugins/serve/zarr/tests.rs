//! What clients get through the whole stack.

use std::sync::Arc;

use serde_json::{Value, json};
use thermocline_http::HttpConfig;
use thermocline_model::{Attribute, ByteOrder, Codec, DataType, Number, NumberType};
use thermocline_testkit::{Answer, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

mod cold;

const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };

fn bytes_of(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `tas` (4, 3) in chunks of (2, 2), of which the last was never written; `odd name` in a group; scalar `crs`.
fn toy() -> ToyDataset {
    let mut tas = toy_variable("tas", &["y", "x"], (&[4, 3], &[2, 2]), I4, vec![]);
    tas.attrs.set("units", Attribute::Text("°C".into()));
    let mut filled = toy_variable("filled", &["y"], (&[4], &[2]), I4, vec![]);
    filled.fill = Some(thermocline_model::ArrayBytes::Fixed(bytes_of(&[-9])));
    filled.attrs.set("_FillValue", Attribute::number(NumberType::I32, Number::Integer(-9)));
    let odd = toy_variable("odd name", &["z"], (&[2], &[2]), I4, vec![Codec::Zlib { level: 1 }]);
    let crs = toy_variable("crs", &[], (&[], &[]), I4, vec![]);
    let stored = |values: &[i32]| ToyChunk::Stored(bytes_of(values));
    ToyDataset::default()
        .with("", tas, &[(0, stored(&[1, 2, 3, 4])), (1, stored(&[5, 6, 7, 8])), (2, stored(&[9, 9, 9, 9]))])
        .with("", filled, &[(0, stored(&[1, -9]))])
        .with("", crs, &[(0, ToyChunk::Inline(bytes_of(&[7])))])
        .with("ocean", odd, &[(0, ToyChunk::Stored(b"not zlib, but nobody looks".to_vec()))])
}

async fn server() -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap()
}

async fn get(path: &str) -> Answer {
    server().await.get(&format!("/datasets/toy/{path}")).await.unwrap()
}

async fn document(path: &str) -> Value {
    let answer = get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert!(answer.body.is_ascii(), "{path}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn stored_chunks_pass_through_under_the_keys_of_both_formats() {
    let server = server().await;
    for key in ["zarr/tas/0.1", "zarr-v2/tas/0.1", "zarr/tas/c/0/1", "zarr-v3/tas/c/0/1"] {
        let answer = server.get(&format!("/datasets/toy/{key}")).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_ref()),
            (200, bytes_of(&[5, 6, 7, 8]).as_slice()),
            "{key}"
        );
        assert_eq!(answer.header("content-length"), Some("16"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    }
}

#[tokio::test]
async fn a_chunk_never_written_is_404_only_where_the_fill_value_says_what_it_holds() {
    let server = server().await;
    for (key, status) in [
        ("zarr/tas/1.1", 200),
        ("zarr/tas/c/1/1", 404),
        ("zarr/filled/1", 404),
        ("zarr/filled/c/1", 404),
        ("zarr/filled/0", 200),
    ] {
        let answer = server.get(&format!("/datasets/toy/{key}")).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{key}");
        let head = server.send("HEAD", &format!("/datasets/toy/{key}"), &[]).await.unwrap();
        assert_eq!(head.status.as_u16(), status, "HEAD {key}");
    }
    assert_eq!(document("zarr/tas/.zarray").await["fill_value"], Value::Null);
    assert_eq!(document("zarr/filled/.zarray").await["fill_value"], json!(-9));
}

#[tokio::test]
async fn consolidated_metadata_are_the_sum_of_the_documents() {
    let whole = document("zarr/.zmetadata").await;
    for (key, value) in whole["metadata"].as_object().unwrap() {
        let encoded = key.replace(' ', "%20");
        assert_eq!(&document(&format!("zarr-v2/{encoded}")).await, value, "{key}");
    }
    let root = document("zarr/zarr.json").await;
    for (path, node) in root["consolidated_metadata"]["metadata"].as_object().unwrap() {
        let mut own = document(&format!("zarr-v3/{}/zarr.json", path.replace(' ', "%20"))).await;
        own.as_object_mut().unwrap().remove("consolidated_metadata");
        assert_eq!(&own, node, "{path}");
    }
}

#[tokio::test]
async fn strict_aliases_hold_one_format() {
    for key in [
        "zarr-v2/zarr.json",
        "zarr-v3/.zmetadata",
        "zarr-v3/.zgroup",
        "zarr-core/.zgroup",
        "zarr-v2/tas/c/0/0",
    ] {
        assert_eq!(get(key).await.status, 404, "{key}");
    }
}

#[tokio::test]
async fn malformed_keys_are_404() {
    for key in [
        "zarr/tas/9.9",
        "zarr/tas/0",
        "zarr/tas/00.0",
        "zarr/tas/-1.0",
        "zarr/tas/%2B0.0",
        "zarr/tas/0.0%00",
        "zarr/.zmetadata.aux.xml",
        "zarr/tas/.zarray.gmac",
        "zarr/tas/.zgroup",
        "zarr/nope/.zattrs",
        "zarr/..%2f..%2fkeys",
        "zarr/tas%2",
    ] {
        let answer = get(key).await;
        assert_eq!(answer.status, 404, "{key}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{key}");
    }
}

#[tokio::test]
async fn conditions_and_ranges_hold_for_chunks() {
    let server = server().await;
    let path = "/datasets/toy/zarr/tas/0.0";
    let etag = server.get(path).await.unwrap().header("etag").unwrap().to_owned();
    let same = server.send("GET", path, &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    let part = server.send("GET", path, &[("range", "bytes=-4")]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.body.as_ref()), (206, bytes_of(&[4]).as_slice()));
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!((head.header("content-length"), head.header("etag")), (Some("16"), Some(etag.as_str())));
}

#[tokio::test]
async fn names_are_decoded_once() {
    assert_eq!(get("zarr/ocean/odd%20name/0").await.text(), "not zlib, but nobody looks");
    assert_eq!(get("zarr/ocean/odd%2520name/0").await.status, 404);
}

#[tokio::test]
async fn crawlers_are_told_not_to_follow_links_to_chunks() {
    let chunks = get("zarr-v3/tas/c/0/").await.text();
    assert!(chunks.contains("href=\"/datasets/toy/zarr-v3/tas/c/0/1\" rel=\"nofollow\">1</a>"), "{chunks}");
    assert!(get("zarr").await.text().contains("href=\"/datasets/toy/zarr/tas/\">tas</a>"));
}

#[tokio::test]
async fn listings_link_to_documents_children_and_chunks_that_exist() {
    let page = get("zarr").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for link in [".zmetadata", ".zgroup", "zarr.json", "tas/", "ocean/"] {
        let href = format!("href=\"/datasets/toy/zarr/{link}\"");
        assert!(page.text().contains(&href), "{link} is not linked in {}", page.text());
    }
    assert_eq!(get("zarr/").await.body, page.body, "a trailing slash changes nothing");
    let array = get("zarr-v2/filled").await.text();
    assert!(array.contains("/zarr-v2/filled/0\"") && !array.contains("/zarr-v2/filled/1\""), "{array}");
    let group = get("zarr-v3/ocean/").await.text();
    assert!(group.contains("href=\"/datasets/toy/zarr-v3/ocean/odd%20name/\""), "{group}");
    assert!(get("zarr-v3/tas/c/0/").await.text().contains("href=\"/datasets/toy/zarr-v3/tas/c/0/1\""));
}

#[tokio::test]
async fn links_carry_the_prefix_of_the_public_address() {
    let config = HttpConfig { public_url: Some("https://data.example/tc".into()), ..HttpConfig::default() };
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    let server = TestServer::start(vec![("toy", toy())], plugins, config).await.unwrap();
    let page = server.get("/datasets/toy/zarr").await.unwrap().text();
    assert!(page.contains("href=\"/tc/datasets/toy/zarr/tas/\""), "{page}");
}

#[tokio::test]
async fn propfind_lists_what_the_page_lists_with_sizes() {
    let server = server().await;
    let listed = server.send("PROPFIND", "/datasets/toy/zarr-v2", &[("depth", "1")]).await.unwrap();
    assert_eq!(listed.status, 207);
    let text = listed.text();
    assert!(text.contains("<D:href>/datasets/toy/zarr-v2/</D:href>"), "{text}");
    assert!(text.contains("<D:href>/datasets/toy/zarr-v2/tas/</D:href>"), "{text}");
    let size = server.get("/datasets/toy/zarr-v2/.zgroup").await.unwrap().body.len();
    let row = text.lines().find(|line| line.contains("/zarr-v2/.zgroup<")).unwrap().to_owned();
    assert!(row.contains(&format!("<D:getcontentlength>{size}</D:getcontentlength>")), "{row}");
    let own = server.send("PROPFIND", "/datasets/toy/zarr-v2/tas", &[("depth", "0")]).await.unwrap().text();
    assert_eq!(own.matches("<D:response>").count(), 1);
    let all = server.send("PROPFIND", "/datasets/toy/zarr-v3", &[]).await.unwrap().text();
    assert!(all.contains("<D:href>/datasets/toy/zarr-v3/ocean/odd%20name/c/0</D:href>"), "{all}");
    let nothing = server.send("PROPFIND", "/datasets/toy/zarr-v2/nope", &[]).await.unwrap();
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn a_webdav_listing_is_whole_or_refused() {
    for (max_listed_chunks, path, depth, status) in [
        (3, "zarr-v2/tas", "1", 413),
        (4, "zarr-v2/tas", "1", 207),
        (1, "zarr-v2", "1", 207),
        (1, "zarr-v3/tas/c/0", "1", 413),
        (2, "zarr-v3/tas/c/0", "1", 207),
        (1, "zarr-v2/tas", "0", 207),
        (10_000, "zarr-v2", "infinity", 207),
        (22, "zarr-v2", "infinity", 413),
        (4, "zarr-v2", "infinity", 413),
        (22, "zarr-v2/tas", "Infinity", 207),
        (22, "zarr-v2", "2", 400),
    ] {
        let config = HttpConfig { max_listed_chunks, ..HttpConfig::default() };
        let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
        let server = TestServer::start(vec![("toy", toy())], plugins, config).await.unwrap();
        let path = format!("/datasets/toy/{path}");
        let listed = server.send("PROPFIND", &path, &[("depth", depth)]).await.unwrap();
        assert_eq!(listed.status.as_u16(), status, "{max_listed_chunks} {path} {depth}: {}", listed.text());
    }
}

#[test]
fn listings_at_once_do_not_wait_for_one_another_for_ever() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(10).build();
    let runtime = runtime.unwrap();
    let all = runtime.block_on(async {
        let server = server().await;
        let ask = || server.send("PROPFIND", "/datasets/toy/zarr", &[]);
        let listings = futures::future::join_all((0..60).map(|_| ask()));
        tokio::time::timeout(std::time::Duration::from_secs(60), listings).await
    });
    runtime.shutdown_background();
    assert!(all.expect("every listing ends").iter().all(|listed| listed.as_ref().unwrap().status == 207));
}

#[tokio::test]
async fn a_page_lists_up_to_the_limit_and_says_so() {
    let config = HttpConfig { max_listed_chunks: 2, ..HttpConfig::default() };
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    let server = TestServer::start(vec![("toy", toy())], plugins, config).await.unwrap();
    let page = server.get("/datasets/toy/zarr-v2/tas").await.unwrap().text();
    assert!(page.contains("/tas/0.1\"") && !page.contains("/tas/1.0\""), "{page}");
    assert!(page.contains("2 more places for chunks are not listed"), "{page}");
}

#[tokio::test]
async fn the_core_view_decodes_what_is_no_core_codec() {
    let node = document("zarr-core/ocean/odd%20name/zarr.json").await;
    let names: Vec<&str> =
        node["codecs"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["bytes", "blosc"]);
    assert_eq!(get("zarr-core/tas/c/0/0").await.body.as_ref(), bytes_of(&[1, 2, 3, 4]));
    assert_eq!(
        get("zarr-core/ocean/odd%20name/c/0").await.status,
        500,
        "damaged bytes are an error, never absent"
    );
}

#[tokio::test]
async fn the_only_dataset_is_also_at_the_root() {
    let config = HttpConfig { single: Some("toy".into()), ..HttpConfig::default() };
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    let server = TestServer::start(vec![("toy", toy())], plugins, config).await.unwrap();
    assert_eq!(server.get("/zarr/tas/0.0").await.unwrap().body.as_ref(), bytes_of(&[1, 2, 3, 4]));
    assert!(server.get("/zarr").await.unwrap().text().contains("href=\"/zarr/tas/\""));
}

/// Names whose URLs clients cut: `Gate #1` and `q?1` alone, `a#1` and `a#2`, `b` and `b#2`, `wide#1` in two chunks.
fn toy_with_cut_names() -> ToyDataset {
    let one = |name: &str| toy_variable(name, &["n"], (&[2], &[2]), I4, vec![]);
    let stored = |values: &[i32]| ToyChunk::Stored(bytes_of(values));
    let wide = toy_variable("wide#1", &["n"], (&[2], &[1]), I4, vec![]);
    ["Gate #1", "q?1", "a#1", "a#2", "b", "b#2"]
        .into_iter()
        .enumerate()
        .fold(ToyDataset::default(), |toy, (i, name)| {
            toy.with("g", one(name), &[(0, stored(&[i as i32, 7]))])
        })
        .with("g", wide, &[(0, stored(&[1])), (1, stored(&[2]))])
}

#[tokio::test]
async fn urls_that_clients_cut_are_answered_rightly_or_refused_and_never_404() {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    let server =
        TestServer::start(vec![("toy", toy_with_cut_names())], plugins, HttpConfig::default()).await.unwrap();
    for (key, values) in [
        ("zarr/g/Gate%20%231/0", Some([0, 7])),
        ("zarr/g/Gate%20%231/c/0", Some([0, 7])),
        ("zarr/g/Gate%20", Some([0, 7])),
        ("zarr-v2/g/Gate%20", Some([0, 7])),
        ("zarr/g/q?1/0", Some([1, 7])),
        ("zarr-v3/g/q?1/c/0", Some([1, 7])),
        ("zarr/g/a%231/0", Some([2, 7])),
        ("zarr/g/a", None),
        ("zarr/g/b/0?v=3", Some([4, 7])),
        ("zarr/g/b", None),
        ("zarr/g/wide", None),
    ] {
        let answer = server.get(&format!("/datasets/toy/{key}")).await.unwrap();
        match values {
            Some(values) => assert_eq!(answer.body.as_ref(), bytes_of(&values).as_slice(), "{key}"),
            None => assert_eq!(answer.status, 400, "{key}: {}", answer.text()),
        }
    }
    assert_eq!(server.get("/datasets/toy/zarr/g/Gat").await.unwrap().status, 404);
    let page = server.send("GET", "/datasets/toy/zarr/g/b", &[("accept", "text/html")]).await.unwrap();
    assert_eq!(page.status, 200);
}
