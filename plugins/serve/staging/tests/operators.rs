//! What operators see and do.

use super::*;

#[tokio::test]
async fn a_paused_store_begins_nothing_and_a_draining_one_takes_nothing() {
    let world = World::new().await;
    let paused = world.post("/cold/tape/pause", &json!({})).await;
    assert_eq!((&document(&paused)["name"], &document(&paused)["state"]), (&json!("tape"), &json!("paused")));
    let id = world.stage(&["a.nc"]).await;
    let cold = world.get("/cold").await;
    assert_eq!((&cold["stores"][0]["state"], &cold["stores"][0]["kind"]), (&json!("paused"), &json!("toy")));
    assert!(cold["cache"]["capacity_bytes"].as_u64().is_some_and(|bytes| bytes > 0));

    world.post("/cold/tape/drain", &json!({})).await;
    let refused = world.post("/requests", &json!({"objects": [world.path("b.nc")]})).await;
    assert_eq!(problem(&refused).0, 503);
    assert!(refused.header("retry-after").is_some());
    world.resume().await;
    assert_eq!(world.ended(&id).await["state"], "succeeded");
    assert_eq!(problem(&world.post("/cold/tape/explode", &json!({})).await).0, 404);
    assert_eq!(problem(&world.post("/cold/disk/pause", &json!({})).await).0, 404);
}

#[tokio::test]
async fn pins_are_listed_until_they_are_released_and_only_then_objects_are_evicted() {
    let world = World::new().await;
    let id = world.stage(&["a.nc"]).await;
    world.ended(&id).await;
    let pins = world.get("/pins").await;
    assert_eq!((&pins["pins"][0]["object"], &pins["pins"][0]["pins"]), (&json!("archive:a.nc"), &json!(1)));

    let all = json!({"all": true});
    assert_eq!(document(&world.post("/objects/evict", &all).await)["evicted"], 0);
    world.post(&format!("/requests/{id}/release"), &json!({})).await;
    let named = json!({"paths": [world.path("a.nc"), "/etc/passwd"]});
    let evicted = document(&world.post("/objects/evict", &named).await);
    assert_eq!((&evicted["evicted"], &evicted["unknown"][0]["path"]), (&json!(1), &json!("/etc/passwd")));
    assert_eq!(world.get("/pins").await["pins"], json!([]));
    let found = world.get(&format!("/objects?path={}", world.path("a.nc"))).await;
    assert_eq!(found["objects"][0]["locality"], "nearline");
    for body in [json!({}), json!({"all": false}), json!({"paths": ["/x"], "all": true})] {
        assert_eq!(problem(&world.post("/objects/evict", &body).await).0, 400, "{body}");
    }
}

#[tokio::test]
async fn recalls_that_wait_say_why() {
    let world = World::new().await;
    world.pause().await;
    world.stage(&["a.nc"]).await;
    // The recall is queued once the store has said where the object is.
    let recall = loop {
        let recalls = world.get("/recalls").await;
        if let Some(recall) = recalls["recalls"].get(0) {
            break recall.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&recall["object"], &recall["store"]), (&json!("archive:a.nc"), &json!("tape")));
    assert!(recall["reason"].as_str().is_some_and(|reason| reason.contains("paused")), "{recall}");
}
