//! Ordering Items, as eodag does it.

use thermocline_http::identity::AccessRules;
use thermocline_testkit::ColdParts;

use super::*;

const ITEM: &str = "/stac/collections/datasets/items/a";

/// What the plugin of references is known by.
struct References;

impl ServePlugin for References {
    fn id(&self) -> &'static str {
        "kerchunk"
    }
}

async fn cold(anonymous_stages: bool) -> TestServer {
    let rules = AccessRules { anonymous_stages, ..AccessRules::default() };
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(StacPlugin::default()), Arc::new(References)];
    let parts = ColdParts { rules, ..ColdParts::default() };
    let server = TestServer::with_staging(vec![("a", toy("First")), ("b", toy("Second"))], plugins, parts);
    let server = server.await.unwrap();
    server.summarise().await.unwrap();
    server
}

/// The document of an address of an answer.
async fn follow(server: &TestServer, href: &str) -> Value {
    get(server, href.strip_prefix("http://test.example").unwrap_or(href)).await
}

#[tokio::test]
async fn an_item_is_ordered_watched_and_downloaded() {
    let server = cold(true).await;
    let item = get(&server, ITEM).await;
    let links = item["links"].as_array().unwrap();
    let retrieve = links.iter().find(|link| link["rel"] == "retrieve").unwrap();
    assert_eq!((&retrieve["method"], &retrieve["body"]), (&json!("POST"), &json!({})));
    let href = retrieve["href"].as_str().unwrap();
    assert!(href.ends_with(&format!("{ITEM}/order")), "{href}");

    // As forms are labelled, and with the body that the link has.
    for (media_type, body) in [("application/json", "{}"), ("application/x-www-form-urlencoded", "")] {
        let headers = [("content-type", media_type)];
        let answer =
            server.send_body("POST", &format!("{ITEM}/order"), &headers, body.to_owned()).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let mut ordered = super::body(&answer);
        let own = hrefs(&ordered, "self")[0].to_owned();
        assert_eq!(answer.header("location"), Some(&*own));
        assert_eq!(
            (&ordered["type"], &ordered["id"], &ordered["collection"]),
            (&json!("Feature"), &json!("a"), &json!("datasets"))
        );
        let id = ordered["properties"]["order:id"].clone();
        for _ in 0..1000 {
            if ordered["properties"]["order:status"] == "succeeded" {
                break;
            }
            assert_eq!(ordered["assets"], json!({}), "nothing is to be downloaded yet");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            ordered = follow(&server, &own).await;
        }
        assert_eq!(ordered["properties"]["order:status"], "succeeded");
        assert_eq!(ordered["properties"]["order:id"], id);
        let download = ordered["assets"]["downloadLink"]["href"].as_str().unwrap();
        assert!(download.ends_with("/datasets/a/objects/0"), "{download}");
        let _: stac::Item = serde_json::from_value(ordered).unwrap();
    }
    let recalls = &server.cold().unwrap().archive;
    assert_eq!(recalls.n_recalls("a.toy"), 1, "two orders of one file are one recall");
}

#[tokio::test]
async fn who_may_not_stage_may_not_order() {
    let server = cold(false).await;
    let answer = server.send_body("POST", &format!("{ITEM}/order"), &[], String::new()).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(server.cold().unwrap().archive.n_recalls("a.toy"), 0);
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_ordered_and_orders_are_of_their_item() {
    let server = cold(true).await;
    for path in ["/stac/collections/datasets/items/none/order", "/stac/collections/others/items/a/order"] {
        let answer = server.send_body("POST", path, &[], String::new()).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
    let answer = server.send_body("POST", &format!("{ITEM}/order"), &[], String::new()).await.unwrap();
    let id = body(&answer)["properties"]["order:id"].as_str().unwrap().to_owned();
    for path in [format!("/stac/collections/datasets/items/b/order/{id}"), format!("{ITEM}/order/r17")] {
        assert_eq!(server.get(&path).await.unwrap().status, 404, "{path}");
    }
}
