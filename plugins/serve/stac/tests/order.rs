//! Ordering Items, as eodag does it.

use std::time::Duration;

use thermocline_core::staging::{Face, NewRequest, Owner, Wanted};
use thermocline_http::identity::AccessRules;
use thermocline_model::DatasetId;
use thermocline_testkit::{AuditEntry, AuditLog, ColdParts};

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
            tokio::time::sleep(Duration::from_millis(5)).await;
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

async fn post(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let answer = server.send_body("POST", path, headers, String::new()).await.unwrap();
    (answer.status.as_u16(), body(&answer))
}

#[tokio::test]
async fn only_what_was_ordered_is_an_order() {
    let server = cold(true).await;
    // Another request of the same dataset, as one variable of it is staged.
    let staging = &server.cold().unwrap().staging;
    let path = server.data().join("a.toy");
    let path = path.to_str().unwrap();
    let object = staging.namespace().resolve_encoded(path).map_err(|error| error.to_string());
    let new = NewRequest {
        owner: Owner::anonymous(),
        face: Face::Native,
        objects: vec![Wanted { spelling: path.into(), object }],
        priority: 5,
        lifetime: Duration::from_secs(3600),
        dataset: Some(DatasetId::new("a").unwrap()),
        idempotency: None,
        notify: None,
    };
    let staged = staging.request(new).await.unwrap();
    let path = format!("{ITEM}/order/{}", staged.id);
    assert_eq!(server.get(&path).await.unwrap().status, 404);

    let (_, ordered) = post(&server, &format!("{ITEM}/order"), &[]).await;
    let id = ordered["properties"]["order:id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{ITEM}/order/{id}")).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_order() {
    let server = cold(true).await;
    let key = [("idempotency-key", "k1")];
    let id = |(status, document): (u16, Value)| {
        assert_eq!(status, 201, "{document}");
        document["properties"]["order:id"].as_str().unwrap().to_owned()
    };
    let first = id(post(&server, &format!("{ITEM}/order"), &key).await);
    assert_eq!(id(post(&server, &format!("{ITEM}/order"), &key).await), first);
    assert_ne!(id(post(&server, &format!("{ITEM}/order"), &[]).await), first);
    let (status, other) = post(&server, "/stac/collections/datasets/items/b/order", &key).await;
    assert_eq!(status, 422, "{other}");
    assert_eq!(post(&server, &format!("{ITEM}/order"), &[("idempotency-key", "")]).await.0, 400);
}

#[tokio::test]
async fn every_order_is_in_the_audit_log_also_of_what_does_not_exist() {
    let server = cold(true).await;
    let log = AuditLog::keep();
    for (name, outcome) in [("a", "request r"), ("none", "refused with 404")] {
        post(&server, &format!("/stac/collections/datasets/items/{name}/order"), &[]).await;
        let entries = log.take();
        let [AuditEntry { what, subject, outcome: end, .. }] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((&**what, &**subject), ("order", name));
        assert!(end.starts_with(outcome), "{end}");
    }
}
