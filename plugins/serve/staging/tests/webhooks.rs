//! Taking the address that is told of a request's end, and what operators see.

use sha2::{Digest, Sha256};
use thermocline_core::staging::{AfterFailure, DeliveryFilter};
use thermocline_core::webhook::Hosts;
use thermocline_http::identity::Token;

use super::selection::toy;
use super::*;

const URL: &str = "https://192.0.2.7/hook?secret=1";

async fn world() -> World {
    let world = World::with(StagingApiSettings::default(), open_rules(), vec![("toy", toy())]).await;
    list(&world, &["192.0.2.7", "*.site.example"]);
    world
}

/// Lets these hosts be told from now on.
fn list(world: &World, hosts: &[&str]) {
    world.server.cold().unwrap().staging.webhook_hosts().replace(Hosts::parse(hosts).unwrap());
}

/// A request with a dead delivery; its number.
async fn dead(world: &World) -> u64 {
    let answer = world.post("/requests", &json!({"objects": [world.path("a.nc")], "notify": URL})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    world.ended(document(&answer)["id"].as_str().unwrap()).await;
    let staging = &world.server.cold().unwrap().staging;
    let filter = DeliveryFilter { limit: 1, ..DeliveryFilter::default() };
    let delivery = staging.deliveries(filter).await.unwrap().remove(0);
    let (id, why) = (delivery.id, "the receiver answers 500".to_owned());
    staging.delivery_failed(delivery, why, AfterFailure::Dead).await.unwrap();
    id
}

#[tokio::test]
async fn only_listed_hosts_are_taken_in_bodies_and_in_addresses() {
    let world = world().await;
    let path = world.path("a.nc");
    for url in
        ["https://other.example/", "http://192.0.2.7/", "https://u:p@192.0.2.7/", "https://127.0.0.1/", "x"]
    {
        let body = json!({"objects": [path], "notify": url});
        let (status, detail) = problem(&world.post("/requests", &body).await);
        assert_eq!((status, detail.starts_with("notify: ")), (400, true), "{url}: {detail}");
        assert!(!detail.contains("site.example"), "it tells what is listed: {detail}");
        let query = format!("/requests?notify={url}");
        assert_eq!(problem(&world.post_lines(&query, &path).await).0, 400, "{url}");
        let body = json!({"notify": url, "dry_run": true});
        assert_eq!(problem(&world.post("/datasets/toy/stage", &body).await).0, 400, "{url}");
    }
    assert_eq!(world.get("/requests").await["requests"], json!([]));
}

#[tokio::test]
async fn a_list_that_becomes_another_one_counts_at_once() {
    let world = world().await;
    let body = json!({"objects": [world.path("a.nc")], "notify": URL});
    list(&world, &["192.0.2.8"]);
    assert_eq!(problem(&world.post("/requests", &body).await).0, 400);
    list(&world, &[]);
    let (status, detail) = problem(&world.post("/requests", &body).await);
    assert_eq!((status, detail.contains("this server calls nobody")), (400, true), "{detail}");
    list(&world, &["192.0.2.7"]);
    assert_eq!(world.post("/requests", &body).await.status, 202);
}

#[tokio::test]
async fn operators_see_what_did_not_arrive_and_have_it_tried_again() {
    let world = world().await;
    let id = dead(&world).await;
    let listed = world.get("/webhooks?state=dead").await;
    let [webhook] = &listed["webhooks"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(
        (&webhook["id"], &webhook["state"], &webhook["url"]),
        (&json!(id), &json!("dead"), &json!(URL))
    );
    assert_eq!(
        (&webhook["attempts"], &webhook["last_error"]),
        (&json!(1), &json!("the receiver answers 500"))
    );
    assert_eq!(webhook["next"], Value::Null);

    let retry = format!("/webhooks/{id}/retry");
    let answer = world.post(&retry, &json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(document(&answer)["state"], "due");
    assert_eq!(world.get("/webhooks?state=dead").await["webhooks"], json!([]));

    world.server.cold().unwrap().staging.delivered(id).await.unwrap();
    assert_eq!(problem(&world.post(&retry, &json!({})).await).0, 409);
    assert_eq!(problem(&world.post("/webhooks/4711/retry", &json!({})).await).0, 404);
    assert_eq!(problem(&world.server.get("/webhooks?state=lost").await.unwrap()).0, 400);
}

#[tokio::test]
async fn pages_of_webhooks_go_on_after_a_cursor() {
    let world = world().await;
    let (first, second) = (dead(&world).await, dead(&world).await);
    for path in ["/webhooks?limit=1", "/webhooks?limit=1&state=dead"] {
        let page = world.get(path).await;
        assert_eq!(page["webhooks"][0]["id"], second);
        let next = page["next"].as_str().unwrap();
        let path = next.find("/webhooks").map(|at| &next[at..]).unwrap();
        let page = world.get(path).await;
        assert_eq!((&page["webhooks"][0]["id"], &page["next"]), (&json!(first), &Value::Null));
    }
}

#[tokio::test]
async fn only_administrators_see_addresses() {
    let token = |name: &str, may_administer| Token {
        name: name.to_owned(),
        digest: Sha256::digest(name).into(),
        groups: Arc::default(),
        may_read: true,
        owner: None,
        may_stage: true,
        may_administer,
        expires_ns: None,
    };
    let rules =
        AccessRules { tokens: vec![token("ann", false), token("root", true)], ..AccessRules::default() };
    let world = World::with(StagingApiSettings::default(), rules, Vec::new()).await;
    for (who, status) in [("", 401), ("ann", 403), ("root", 200)] {
        let bearer = format!("Bearer {who}");
        let headers = [("authorization", &*bearer)];
        let headers = if who.is_empty() { &[][..] } else { &headers[..] };
        let answer = world.server.send_body("GET", "/webhooks", headers, String::new()).await.unwrap();
        assert_eq!(answer.status, status, "{who}");
    }
}
