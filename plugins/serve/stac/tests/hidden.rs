//! Who may not read a dataset finds no trace of it.

use thermocline_testkit::{READER, staff_rules};

use super::*;

/// What only the dataset `secret` has.
const WORDS: [&str; 3] = ["secret", "hush", "7.25"];

/// A dataset with a title, an attribute of its own and a place.
fn placed(title: &str, attribute: (&str, &str), lat: f64) -> ToyDataset {
    let double = DataType::Float { size: 8, order: ByteOrder::Little };
    let mut toy = toy(title);
    for (name, standard_name, units) in
        [("lat", "latitude", "degrees_north"), ("lon", "longitude", "degrees_east")]
    {
        let mut variable = toy_variable(name, &[name], (&[1], &[1]), double.clone(), Vec::new());
        variable.attrs.set("standard_name", Attribute::Text(standard_name.to_owned()));
        variable.attrs.set("units", Attribute::Text(units.to_owned()));
        toy = toy.with("", variable, &[(0, ToyChunk::Inline(lat.to_le_bytes().to_vec()))]);
    }
    let field = toy_variable("field", &["lat", "lon"], (&[1, 1], &[1, 1]), double, Vec::new());
    toy = toy.with("", field, &[(0, ToyChunk::Stored(lat.to_le_bytes().to_vec()))]);
    toy.root_mut().attrs.set(attribute.0, Attribute::Text(attribute.1.to_owned()));
    toy
}

async fn world() -> TestServer {
    let open = placed("Open", ("institution_id", "All"), 3.5);
    let secret = placed("Secret data", ("source_id", "Hush"), 7.25);
    let plugin: Arc<dyn ServePlugin> = Arc::new(StacPlugin::new(StacSettings::default()));
    TestServer::with_secret(open, secret, vec![plugin]).await.unwrap()
}

#[tokio::test]
async fn no_document_tells_of_a_dataset_that_one_may_not_read() {
    let server = world().await;
    let paths = [
        "/stac/collections",
        "/stac/collections/datasets",
        "/stac/collections/datasets/items",
        "/stac/collections/datasets/queryables",
        "/stac/collections/datasets/sortables",
        "/stac/queryables",
        "/stac/sortables",
        "/stac/search",
        "/stac/search?f=html",
        "/stac-collection-all.json",
        "/stac-collection-part/datasets",
    ];
    server.check_keeps_secret(&paths, &[&WORDS[..], &["source_id"]].concat()).await.unwrap();
}

#[tokio::test]
async fn searches_neither_find_nor_count_what_one_may_not_read() {
    let server = world().await;
    for query in ["", "?ids=secret", "?bbox=7,7,8,8", "?filter=title%20LIKE%20'Secret%25'"] {
        let path = format!("/stac/search{query}");
        let public = get(&server, &path).await;
        let all = body(&server.send("GET", &path, &[READER]).await.unwrap());
        let n_open = u64::from(query.is_empty());
        assert_eq!((&public["numberMatched"], &public["numberReturned"]), (&json!(n_open), &json!(n_open)));
        assert_eq!(all["numberMatched"], n_open + 1, "{query}");
        assert!(ids(&all).contains(&"secret") && !ids(&public).contains(&"secret"));
    }
    for path in [
        "/stac/collections/datasets/items/secret",
        "/stac/collections/datasets/parts/se",
        "/stac-collection-part/datasets/se",
    ] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
        assert_eq!(server.send("GET", path, &[READER]).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn other_rules_hold_from_the_next_request_on() {
    let server = world().await;
    let n_found = async || get(&server, "/stac/search").await["numberMatched"].as_u64();
    assert_eq!(n_found().await, Some(1));
    // A rule that does not exist hides its datasets from everybody.
    server.replace_rules(Default::default()).unwrap();
    assert_eq!(n_found().await, Some(1));
    let all = body(&server.send("GET", "/stac/search", &[READER]).await.unwrap());
    assert_eq!(all["numberMatched"], 1);
    server.replace_rules(staff_rules()).unwrap();
    assert_eq!(n_found().await, Some(1));
    let all = body(&server.send("GET", "/stac/search", &[READER]).await.unwrap());
    assert_eq!(all["numberMatched"], 2);
}
