//! What is told of a request while it goes on.

use axum::body::Body;
use futures::StreamExt;
use http::Request;
use thermocline_core::staging::RequestId;
use thermocline_http::links::BaseUrl;
use tokio::sync::Semaphore;

use super::*;
use crate::events::{PACE, Watch};

/// Names, ids and documents of the events in a stream.
fn events(text: &str) -> Vec<(String, u64, Value)> {
    let mut found = Vec::new();
    for block in text.split("\n\n").filter(|block| block.contains("data:")) {
        let field = |name: &str| {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.map(str::trim).next().unwrap_or_default().to_owned()
        };
        let data = serde_json::from_str(&field("data")).unwrap();
        found.push((field("event"), field("id").parse().unwrap(), data));
    }
    found
}

#[tokio::test]
async fn events_tell_each_object_and_end_with_the_request() {
    let world = World::new().await;
    world.pause().await;
    let id = world.stage(&["a.nc", "missing.nc"]).await;
    let path = format!("/requests/{id}/events?since=0");
    let request = Request::get(&path).header("host", "test.example").body(Body::empty()).unwrap();
    let answer = world.server.stack().answer(request).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert!(!answer.headers().contains_key("content-length"));
    let mut stream = answer.into_body().into_data_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let first = events(&first);
    assert_eq!((&*first[0].0, &first[0].2["finished"]), ("request", &json!(null)));

    world.resume().await;
    let mut text = String::new();
    while let Some(bytes) = stream.next().await {
        text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
    }
    let rest = events(&text);
    let last_of = |file: &str| {
        let of_file =
            rest.iter().filter(|(name, _, data)| name == "object" && data["path"] == world.path(file));
        of_file.map(|(_, _, data)| data["state"].as_str().unwrap().to_owned()).next_back()
    };
    assert_eq!(last_of("a.nc").as_deref(), Some("hot"));
    assert_eq!(last_of("missing.nc").as_deref(), Some("failed"));
    let (name, _, last) = rest.last().unwrap();
    assert_eq!((&**name, &last["state"]), ("request", &json!("partial")));
    let ids: Vec<u64> = rest.iter().map(|(_, id, _)| *id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_and_nothing_twice() {
    let world = World::new().await;
    world.pause().await;
    let id = world.stage(&["a.nc", "b.nc"]).await;
    let known = world.get(&format!("/requests/{id}/objects")).await["change"].as_u64().unwrap();
    world.resume().await;
    world.ended(&id).await;

    let path = format!("/requests/{id}/events");
    let since = async |change: u64| {
        let change = change.to_string();
        world.server.send("GET", &path, &[("last-event-id", &*change)]).await.unwrap()
    };
    let replayed = events(&since(known).await.text());
    let objects: Vec<_> = replayed.iter().filter(|(name, ..)| name == "object").collect();
    assert_eq!(objects.len(), 2, "{replayed:?}");
    assert!(objects.iter().all(|(_, id, data)| *id > known && data["state"] == "hot"));

    let between = objects[0].1;
    let rest = events(&since(between).await.text());
    assert_eq!(rest.iter().filter(|(name, ..)| name == "object").count(), 1);
    let last = replayed.last().unwrap().1;
    assert_eq!(since(last).await.status, 204, "a browser need not come back");
    let by_query = world.server.get(&format!("{path}?since={known}")).await.unwrap();
    assert_eq!(events(&by_query.text()).len(), replayed.len());
}

#[tokio::test]
async fn a_stream_looks_once_for_many_changes_and_never_for_those_of_other_requests() {
    let world = World::new().await;
    world.pause().await;
    let (own, other) = (world.stage(&["a.nc"]).await, world.stage(&["b.nc"]).await);
    let staging = world.server.cold().unwrap().staging.clone();
    let turn = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let base = BaseUrl("http://test.example".to_owned());
    let mut watch = Watch::new(staging, base, (RequestId(own.as_str().into()), 0), turn).unwrap();
    // The request and its object as they stand.
    while !watch.ready.is_empty() || watch.n_looks == 0 {
        watch.next_event().await.unwrap();
    }
    assert_eq!(watch.n_looks, 1);

    let noise = async {
        let begun = std::time::Instant::now();
        // Until the stream would look again.
        while begun.elapsed() < PACE * 3 {
            let id = world.stage(&["b.nc", "missing.nc"]).await;
            world.server.send("DELETE", &format!("/requests/{id}"), &[]).await.unwrap();
        }
        world.server.send("DELETE", &format!("/requests/{other}"), &[]).await.unwrap();
    };
    tokio::select! {
        event = watch.next_event() => panic!("{event:?} of a request of which nothing changed"),
        () = noise => {}
    }
    assert_eq!(watch.n_looks, 1);
    world.resume().await;
    let mut n_events = 0;
    while watch.next_event().await.is_some() {
        n_events += 1;
    }
    assert!(n_events >= 2, "the object and the end");
    assert!(watch.n_looks <= 5, "{} looks at one object", watch.n_looks);
}

#[tokio::test]
async fn streams_are_bounded_and_head_opens_none() {
    let settings = StagingApiSettings { max_streams: 1, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), Vec::new()).await;
    world.pause().await;
    let id = world.stage(&["a.nc"]).await;
    let path = format!("/requests/{id}/events");
    for _ in 0..3 {
        let head = world.server.send("HEAD", &path, &[]).await.unwrap();
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    let request = || Request::get(&path).header("host", "test.example").body(Body::empty()).unwrap();
    let open = world.server.stack().answer(request()).await;
    let refused = world.server.get(&path).await.unwrap();
    assert_eq!(problem(&refused).0, 429);
    assert!(refused.header("retry-after").is_some());
    drop(open);
    assert_eq!(world.server.stack().answer(request()).await.status(), 200);
}
