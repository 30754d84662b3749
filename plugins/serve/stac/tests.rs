//! The routes, asked through the whole router.

mod order;

use serde_json::{Value, json};
use thermocline_http::HttpConfig;
use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_testkit::{Answer, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

mod hidden;

fn toy(title: &str) -> ToyDataset {
    let double = DataType::Float { size: 8, order: ByteOrder::Little };
    let mut tas = toy_variable("tas", &["cell"], (&[2], &[2]), double, Vec::new());
    tas.attrs.set("units", Attribute::Text("K".to_owned()));
    let stored = [1.0_f64, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut toy = ToyDataset::default().with("", tas, &[(0, ToyChunk::Stored(stored))]);
    toy.root_mut().attrs.set("title", Attribute::Text(title.to_owned()));
    toy
}

async fn server() -> TestServer {
    server_with(StacSettings { limit: 2, ..StacSettings::default() }).await
}

async fn server_with(settings: StacSettings) -> TestServer {
    let toys = vec![("a", toy("First <b>")), ("b.1", toy("Second")), ("b.2", toy("Third"))];
    let plugin = Arc::new(StacPlugin::new(settings));
    let server = TestServer::start(toys, vec![plugin], HttpConfig::default()).await.unwrap();
    server.summarise().await.unwrap();
    server
}

async fn post(server: &TestServer, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("origin", "https://viewer.example")];
    server.send_body("POST", "/stac/search", &headers, body.to_string()).await.unwrap()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

async fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    body(&answer)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["features"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn hrefs<'a>(document: &'a Value, rel: &str) -> Vec<&'a str> {
    let links = document["links"].as_array().unwrap();
    links.iter().filter(|link| link["rel"] == rel).map(|link| link["href"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_dataset_is_linked_from_one_static_document_and_its_item_is_the_one_of_the_api() {
    let server = server().await;
    let all = get(&server, "/stac-collection-all.json").await;

    assert_eq!((&all["type"], &all["id"]), (&json!("Collection"), &json!("all")));
    let items = hrefs(&all, "item");
    assert_eq!(items.len(), 3);
    assert!(items[1].ends_with("/datasets/b.1/stac"), "{items:?}");
    let mut own = get(&server, "/datasets/b.1/stac").await;
    let mut of_api = get(&server, "/stac/collections/datasets/items/b.1").await;
    for item in [&mut own, &mut of_api] {
        item["links"].as_array_mut().unwrap().retain(|link| link["rel"] != "self");
    }
    assert_eq!(own, of_api);
    assert_eq!(own["properties"]["title"], "Second");
    assert_eq!(own["geometry"], Value::Null);
    assert!(own.get("bbox").is_none());
}

#[tokio::test]
async fn a_dataset_that_no_search_finds_has_its_item() {
    let toys = vec![("a", toy("First"))];
    let server = TestServer::start(toys, vec![Arc::new(StacPlugin::default())], HttpConfig::default());
    let server = server.await.unwrap();
    assert!(ids(&get(&server, "/stac/search").await).is_empty());
    assert_eq!(get(&server, "/datasets/a/stac").await["properties"]["title"], "First");
}

#[tokio::test]
async fn our_documents_are_read_by_the_crate_of_the_standard() {
    let server = server().await;
    let item = get(&server, "/datasets/a/stac").await;
    let item: stac::Item = serde_json::from_value(item).unwrap();
    assert_eq!(item.collection.as_deref(), Some("datasets"));
    let collection = get(&server, "/stac/collections/datasets").await;
    let collection: stac::Collection = serde_json::from_value(collection).unwrap();
    assert_eq!(collection.license, "other");
    let landing: stac::Catalog = serde_json::from_value(get(&server, "/stac").await).unwrap();
    assert_eq!(landing.id, "thermocline");
}

#[tokio::test]
async fn large_collections_are_divided_by_what_ids_begin_with() {
    let settings = StacSettings { static_max_items: 2, ..StacSettings::default() };
    let server = server_with(settings).await;
    let all = get(&server, "/stac-collection-all.json").await;
    assert!(hrefs(&all, "item").is_empty());
    let mut open: Vec<String> = hrefs(&all, "child").into_iter().map(str::to_owned).collect();
    let mut items = Vec::new();
    while let Some(href) = open.pop() {
        let path = href.split_once("test.example").map_or(href.as_str(), |(_, path)| path).to_owned();
        let part = get(&server, &path).await;
        assert_eq!(hrefs(&part, "self"), [href.as_str()]);
        assert!(hrefs(&part, "item").len() <= 2);
        items.extend(hrefs(&part, "item").into_iter().map(str::to_owned));
        open.extend(hrefs(&part, "child").into_iter().map(str::to_owned));
    }
    assert_eq!(items.len(), 3, "{items:?}");
    let nothing = server.get("/stac-collection-part/datasets/x").await.unwrap();
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn pages_of_a_search_follow_one_another_by_get_and_by_post() {
    let server = server().await;
    let first = get(&server, "/stac/search?sortby=-id").await;
    assert_eq!(ids(&first), ["b.2", "b.1"]);
    assert_eq!((&first["numberMatched"], &first["numberReturned"]), (&json!(3), &json!(2)));
    let next = hrefs(&first, "next")[0].split_once("test.example").unwrap().1.to_owned();
    assert!(next.starts_with("/stac/search?sortby=-id&token="), "{next}");
    let second = get(&server, &next).await;
    assert_eq!(ids(&second), ["a"]);
    assert!(hrefs(&second, "next").is_empty());

    let asked = json!({"sortby": [{"field": "id", "direction": "desc"}], "limit": 2});
    let first = post(&server, &asked).await;
    let first = body(&first);
    let next = first["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    assert_eq!((&next["method"], &next["merge"]), (&json!("POST"), &json!(false)));
    assert_eq!(next["body"]["sortby"], asked["sortby"]);
    assert_eq!(ids(&body(&post(&server, &next["body"]).await)), ["a"]);
}

#[tokio::test]
async fn pages_whose_items_are_too_large_are_shorter_and_lead_on() {
    let mut plugin = StacPlugin::default();
    Arc::get_mut(&mut plugin.stac).unwrap().max_items_bytes = 1;
    let toys = vec![("a", toy("First")), ("b", toy("Second")), ("c", toy("Third"))];
    let server = TestServer::start(toys, vec![Arc::new(plugin)], HttpConfig::default()).await.unwrap();
    server.summarise().await.unwrap();
    let mut path = "/stac/search?limit=3&fields=id".to_owned();
    for id in ["a", "b", "c"] {
        let page = get(&server, &path).await;
        assert_eq!((ids(&page), &page["numberReturned"]), (vec![id], &json!(1)));
        assert_eq!(page["numberMatched"], 3);
        path = hrefs(&page, "next")
            .first()
            .map_or("", |href| href.split_once("test.example").unwrap().1)
            .to_owned();
    }
    assert_eq!(path, "");
}

#[tokio::test]
async fn filters_and_fields_choose_items_and_their_members() {
    let server = server().await;
    let found = get(&server, "/stac/search?filter=title%20LIKE%20'S%25'&fields=properties.title").await;
    assert_eq!(
        found["features"],
        json!([{"type": "Feature", "stac_version": "1.1.0", "id": "b.1", "collection": "datasets",
            "properties": {"title": "Second"}}])
    );
    let found = get(&server, "/stac/collections/datasets/items?filter=NOT%20(x%20%3D%201)&ids=a").await;
    assert!(ids(&found).is_empty());
}

#[tokio::test]
async fn errors_carry_what_stac_calls_an_error() {
    let server = server().await;
    for (path, status) in [
        ("/stac/search?limit=0", 400),
        ("/stac/search?token=foreign", 400),
        ("/stac/search?filter=id%20=%20=%20'x'", 400),
        ("/stac/nothing", 404),
        ("/stac/collections/nothing", 404),
        ("/stac/collections/nothing/items", 404),
        ("/stac/collections/nothing/queryables", 404),
        ("/stac/collections/datasets/items/nothing", 404),
        ("/stac/collections/nothing/items/a", 404),
        ("/datasets/nothing/stac", 404),
        ("/stac?f=xml", 400),
    ] {
        let answer = server.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = body(&answer);
        assert_eq!(problem["code"], status.to_string());
        assert_eq!(problem["description"], problem["detail"]);
    }
    for bad in ["{", "[]", "{\"fields\": null}", "{\"bbox\": \"0,0,1,1\"}"] {
        let answer = server.send_body("POST", "/stac/search", &[], bad).await.unwrap();
        assert_eq!((answer.status.as_u16(), &body(&answer)["code"]), (400, &json!("400")), "{bad}");
    }
}

#[tokio::test]
async fn documents_have_their_media_types_and_say_how_long_they_hold() {
    let server = server().await;
    for (path, media_type, holds) in [
        ("/stac", JSON, "public, max-age=60"),
        ("/stac/conformance", JSON, "public, max-age=60"),
        ("/stac/collections", JSON, "public, max-age=60"),
        ("/stac/collections/datasets", JSON, "public, max-age=60"),
        ("/stac/collections/datasets/items", GEOJSON, "no-cache"),
        ("/stac/collections/datasets/items/a", GEOJSON, "no-cache"),
        ("/stac/search", GEOJSON, "no-cache"),
        ("/stac/queryables", SCHEMA, "public, max-age=60"),
        ("/stac/collections/datasets/sortables", SCHEMA, "public, max-age=60"),
        ("/stac-collection-all.json", JSON, "public, max-age=60"),
        ("/datasets/a/stac", GEOJSON, "no-cache"),
        ("/stac?f=html", "text/html; charset=utf-8", "public, max-age=60"),
    ] {
        let answer = server.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert_eq!(answer.header("cache-control"), Some(holds), "{path}");
        assert!(answer.header("etag").unwrap().starts_with('"'), "{path}");
    }
}

#[tokio::test]
async fn self_is_the_address_that_was_asked_for() {
    let server = server().await;
    for path in [
        "/stac",
        "/stac/collections?f=json",
        "/stac/search?limit=2&ids=a,b.1",
        "/stac/collections/datasets",
        "/stac/collections/datasets?f=json",
    ] {
        let document = get(&server, path).await;
        assert_eq!(hrefs(&document, "self"), [format!("http://test.example{path}")]);
    }
}

#[tokio::test]
async fn pages_show_markup_of_titles_and_do_not_obey_it() {
    let server = server().await;
    for path in [
        "/stac?f=html",
        "/stac/search?f=html",
        "/datasets/a/stac?f=html",
        "/stac/collections/datasets?f=html",
    ] {
        let page = server.get(path).await.unwrap().text();
        assert!(page.starts_with("<!doctype html>") && !page.contains("First <b>"), "{path}");
    }
    assert!(server.get("/datasets/a/stac?f=html").await.unwrap().text().contains("First &lt;b&gt;"));
    let page = server.get("/stac/search?limit=1&f=html").await.unwrap().text();
    assert!(page.contains("href=\"http://test.example/stac/search?limit=1&amp;f=json\""), "{page}");
}

#[tokio::test]
async fn web_pages_of_others_may_search() {
    let answer = post(&server().await, &json!({"ids": ["a"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(ids(&body(&answer)), ["a"]);
}

#[tokio::test]
async fn collections_are_searched_by_words() {
    let server = server().await;
    assert_eq!(get(&server, "/stac/collections?q=datasets").await["numberMatched"], 1);
    assert_eq!(get(&server, "/stac/collections?q=nothing").await["numberMatched"], 0);
    assert_eq!(server.get("/stac/collections?limit=0").await.unwrap().status, 400);
}
