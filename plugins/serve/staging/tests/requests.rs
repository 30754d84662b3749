//! Making requests, looking at them, ending them.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_list_of_paths_becomes_a_request_whose_objects_come_online() {
    let world = World::new().await;
    let lines = format!("{}\r\n\n{}\n", world.path("a.nc"), world.path("deep/a=b&c+d.nc"));
    let accepted = world.post_lines("/requests?lifetime=PT6H&priority=7", &lines).await;
    assert_eq!(accepted.status, 202);
    let request = document(&accepted);
    let id = request["id"].as_str().unwrap();
    assert_eq!(accepted.header("location"), Some(&*format!("http://test.example/requests/{id}")));
    assert!(accepted.header("retry-after").is_some());
    assert_eq!((&request["priority"], &request["lifetime"]), (&json!(7), &json!("PT6H")));

    let ended = world.ended(id).await;
    assert_eq!((&ended["state"], &ended["n_objects"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(ended["objects"]["hot"], json!({"n": 2, "bytes": 17}));
    for time in ["created", "started", "finished", "expires"] {
        assert!(ended[time].as_str().is_some_and(|time| time.ends_with('Z')), "{time}: {}", ended[time]);
    }
    assert_eq!(world.n_recalls("a.nc"), 1);
}

#[tokio::test]
async fn one_bad_path_fails_alone_and_says_why() {
    let world = World::new().await;
    let lines = format!("{}\n/etc/passwd\n{}\nrelative\n", world.path("a.nc"), world.path("missing.nc"));
    let accepted = document(&world.post_lines("/requests", &lines).await);
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(world.ended(id).await["state"], "partial");
    let page = world.get(&format!("/requests/{id}/objects")).await;
    let states: Vec<(&str, bool)> = page["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["state"].as_str().unwrap(), object["reason"].is_string()))
        .collect();
    assert_eq!(states, [("hot", false), ("failed", true), ("failed", true), ("failed", true)]);
}

#[tokio::test]
async fn all_spellings_of_an_object_are_one_recall() {
    let world = World::new().await;
    let spellings = [
        world.path("a.nc"),
        world.path("./a.nc"),
        "archive:a.nc".to_owned(),
        "/eodc/products/a.nc".to_owned(),
    ];
    let accepted = document(&world.post("/requests", &json!({"objects": spellings})).await);
    let ended = world.ended(accepted["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded");
    assert_eq!(world.n_recalls("a.nc"), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_named() {
    let settings = StagingApiSettings { max_objects: 2, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), Vec::new()).await;
    let path = world.path("a.nc");
    for (body, status, named) in [
        (json!({}), 400, "neither objects nor"),
        (json!({"objects": []}), 400, "no object"),
        (json!({"objects": ["/etc/passwd"]}), 400, "declared roots"),
        (json!({"objects": ["a", "b", "c"]}), 413, "at most 2"),
        (json!({"objects": [path], "pattern": "*"}), 400, "either"),
        (json!({"objects": [path], "lifetime": "P31D"}), 400, "P30D"),
        (json!({"objects": [path], "priority": 10}), 400, "priority"),
        (json!({"objects": [path], "notify": "https://a.example"}), 400, "not offered"),
        (json!({"objects": [path], "color": "red"}), 400, "color"),
        (json!({"objects": path}), 400, "list of paths"),
        (json!({"root": "archive"}), 400, "pattern"),
        (json!({"root": "nowhere", "pattern": "*"}), 400, "nowhere"),
        (json!({"root": "bucket", "pattern": "*"}), 400, "no folder"),
        (json!({"root": "archive", "pattern": "*.grib"}), 400, "*.grib"),
        (json!({"root": "archive", "pattern": "**"}), 413, "at most 2"),
        (json!({"root": "archive", "pattern": "../**"}), 400, ".."),
    ] {
        let (found, detail) = problem(&world.post("/requests", &body).await);
        assert_eq!(found, status, "{body}: {detail}");
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let broken = world.server.send_body("POST", "/requests", &[], "{\"objects\": [").await.unwrap();
    assert_eq!(problem(&broken).0, 400);
    assert_eq!(world.get("/requests").await["requests"], json!([]));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let settings = StagingApiSettings { max_body_bytes: 100, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), Vec::new()).await;
    let (status, detail) = problem(&world.post_lines("/requests", &"/archive/x\n".repeat(50)).await);
    assert_eq!(status, 413);
    assert!(detail.contains("100"), "{detail}");
}

#[tokio::test]
async fn a_dry_run_tells_the_cost_and_does_nothing() {
    let world = World::new().await;
    let body = json!({"root": "archive", "pattern": "deep/**", "dry_run": true});
    let answer = world.post("/requests", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cost = document(&answer);
    assert_eq!((&cost["n_objects"], &cost["nearline_objects"]), (&json!(3), &json!(3)));
    assert_eq!((&cost["bytes"], &cost["nearline_bytes"]), (&json!(31), &json!(31)));
    assert_eq!(cost["objects"].as_array().unwrap().len(), 3);
    assert_eq!(world.get("/requests").await["requests"], json!([]));
    assert_eq!(world.n_recalls("deep/c.nc"), 0);
}

#[tokio::test]
async fn a_pattern_stages_what_matches_it() {
    let world = World::new().await;
    let body = json!({"root": "archive", "pattern": "**/S2A_*_T33UXP*"});
    assert_eq!(problem(&world.post("/requests", &body).await).0, 400);
    let body = json!({"root": "archive", "pattern": "**/S2A_T33UXP*"});
    let accepted = document(&world.post("/requests", &body).await);
    let ended = world.ended(accepted["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], &ended["n_objects"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(world.n_recalls("deep/S2A_T33UXP.SAFE/x.jp2"), 1);
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_request() {
    let world = World::new().await;
    let headers = [("idempotency-key", "k1"), ("content-type", "text/plain")];
    let post =
        async |lines: String| world.server.send_body("POST", "/requests", &headers, lines).await.unwrap();
    let first = post(world.path("a.nc")).await;
    let again = post(world.path("a.nc")).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(document(&first)["id"], document(&again)["id"]);
    let other = post(world.path("b.nc")).await;
    assert_eq!(other.status, 422, "{}", other.text());
    assert_eq!(document(&other)["type"], "/problems/idempotency-key-reused");
    assert_eq!(world.get("/requests").await["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancelled_request_gives_up_what_it_waits_for() {
    let world = World::new().await;
    world.pause().await;
    let (one, other) = (world.stage(&["a.nc", "b.nc"]).await, world.stage(&["a.nc"]).await);
    let cancelled = world.server.send("DELETE", &format!("/requests/{one}"), &[]).await.unwrap();
    assert_eq!(document(&cancelled)["state"], "cancelled");
    world.resume().await;
    assert_eq!(world.ended(&other).await["state"], "succeeded");
    assert_eq!(world.get(&format!("/requests/{one}")).await["state"], "cancelled");
    assert_eq!((world.n_recalls("a.nc"), world.n_recalls("b.nc")), (1, 0));
}

#[tokio::test]
async fn pins_are_kept_and_ended_on_demand() {
    let world = World::new().await;
    let id = world.stage(&["a.nc", "b.nc"]).await;
    let before = world.ended(&id).await["expires"].as_str().unwrap().to_owned();

    let extended = world.post(&format!("/requests/{id}/extend"), &json!({"lifetime": "P9D"})).await;
    assert_eq!(extended.status, 200, "{}", extended.text());
    assert!(document(&extended)["expires"].as_str().unwrap() > &*before);
    let too_long = world.post(&format!("/requests/{id}/extend?lifetime=P99D"), &json!({})).await;
    assert_eq!(problem(&too_long).0, 400);

    let body = json!({"paths": [world.path("a.nc")]});
    let released = document(&world.post(&format!("/requests/{id}/release"), &body).await);
    assert_eq!(
        (&released["objects"]["hot"]["n"], &released["objects"]["released"]["n"]),
        (&json!(1), &json!(1))
    );
    let foreign = world.post(&format!("/requests/{id}/release"), &json!({"paths": ["/nowhere"]})).await;
    assert_eq!(problem(&foreign).0, 400);
    let all = document(&world.post(&format!("/requests/{id}/release"), &json!({})).await);
    assert_eq!(all["objects"]["released"]["n"], 2);

    let nothing_left = world.post(&format!("/requests/{id}/extend"), &json!({})).await;
    assert_eq!(problem(&nothing_left).0, 409);
}

#[tokio::test]
async fn requests_are_listed_newest_first_by_pages_and_filters() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for file in ["a.nc", "b.nc", "missing.nc"] {
        let id = world.stage(&[file]).await;
        world.ended(&id).await;
        ids.insert(0, id);
    }
    let (mut listed, mut path) = (Vec::new(), "/requests?limit=2&owner=anonymous".to_owned());
    loop {
        let page = world.get(&path).await;
        let names = page["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| request["id"].as_str().unwrap().to_owned());
        listed.extend(names);
        let Some(next) = page["next"].as_str() else { break };
        path = next.strip_prefix("http://test.example").unwrap().to_owned();
    }
    assert_eq!(listed, ids);
    for (query, n_found) in [
        ("state=failed", 1),
        ("state=succeeded", 2),
        ("state=queued", 0),
        ("dataset=none", 0),
        ("since=2000-01-01", 3),
        ("until=2000-01-01T00:00:00Z", 0),
        ("owner=*", 3),
    ] {
        let page = world.get(&format!("/requests?{query}")).await;
        assert_eq!(page["requests"].as_array().unwrap().len(), n_found, "{query}");
    }
    for query in ["state=gone", "since=yesterday", "limit=0", "limit=many", "dataset="] {
        let answer = world.server.get(&format!("/requests?{query}")).await.unwrap();
        assert_eq!(problem(&answer).0, 400, "{query}");
    }
}

#[tokio::test]
async fn a_poll_costs_what_changed() {
    let world = World::new().await;
    world.pause().await;
    let id = world.stage(&["a.nc", "b.nc"]).await;
    let objects = format!("/requests/{id}/objects");
    let first = world.get(&objects).await;
    assert_eq!(first["objects"].as_array().unwrap().len(), 2);
    assert!(first["objects"][0]["reason"].is_string(), "a waiting object says why: {first}");
    let change = first["change"].as_u64().unwrap();
    assert_eq!(world.get(&format!("{objects}?since={change}")).await["objects"], json!([]));
    world.resume().await;
    world.ended(&id).await;

    let (mut hot, mut since) = (Vec::new(), change);
    loop {
        let page = world.get(&format!("{objects}?since={since}&limit=1")).await;
        let Some(object) = page["objects"].get(0).cloned() else { break };
        hot.push((object["position"].clone(), object["state"].clone()));
        since = page["change"].as_u64().unwrap();
    }
    hot.sort_by_key(|(position, _)| position.as_u64());
    assert_eq!(hot, [(json!(0), json!("hot")), (json!(1), json!("hot"))]);
    assert_eq!(world.get(&format!("{objects}?state=hot")).await["objects"].as_array().unwrap().len(), 2);
    let page = world.get(&format!("{objects}?limit=1")).await;
    let next = page["next"].as_str().unwrap().strip_prefix("http://test.example").unwrap();
    assert_eq!(world.get(next).await["objects"][0]["position"], 1);
}

#[tokio::test]
async fn what_changes_between_two_pages_comes_with_the_next_poll() {
    let world = World::new().await;
    world.pause().await;
    let id = world.stage(&["a.nc", "b.nc"]).await;
    let first = world.get(&format!("/requests/{id}/objects?limit=1")).await;
    assert_eq!(first["objects"][0]["state"], "queued");
    world.resume().await;
    world.ended(&id).await;

    let next = first["next"].as_str().unwrap().strip_prefix("http://test.example").unwrap();
    let last = world.get(next).await;
    assert_eq!(last["objects"][0]["position"], 1);
    assert!(last.get("next").is_none_or(serde_json::Value::is_null), "{last}");
    let change = last["change"].as_u64().unwrap();
    let changed = world.get(&format!("/requests/{id}/objects?since={change}")).await;
    let changed: Vec<_> =
        changed["objects"].as_array().unwrap().iter().map(|object| &object["position"]).collect();
    assert!(changed.contains(&&json!(0)), "{changed:?}");
    for cursor in ["1", "1.x", ".", "-1.0", "99999999999999999999.0"] {
        let answer = world.server.get(&format!("/requests/{id}/objects?cursor={cursor}")).await.unwrap();
        assert_eq!(problem(&answer).0, 400, "{cursor}");
    }
}

#[tokio::test]
async fn a_poll_of_what_stayed_the_same_is_304() {
    let world = World::new().await;
    let id = world.stage(&["a.nc"]).await;
    world.ended(&id).await;
    let path = format!("/requests/{id}");
    let first = world.server.get(&path).await.unwrap();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let again = [("if-none-match", first.header("etag").unwrap())];
    assert_eq!(world.server.send("GET", &path, &again).await.unwrap().status, 304);
}

#[tokio::test]
async fn an_unknown_request_is_404() {
    let world = World::new().await;
    for path in ["/requests/r1", "/requests/r1/objects", "/requests/r1/events", "/requests/..%2f..%2fetc"] {
        assert_eq!(problem(&world.server.get(path).await.unwrap()).0, 404, "{path}");
    }
    assert_eq!(problem(&world.post("/requests/r1/extend", &json!({})).await).0, 404);
    assert_eq!(problem(&world.server.send("DELETE", "/requests/r1", &[]).await.unwrap()).0, 404);
}

#[tokio::test]
async fn a_hundred_thousand_paths_are_one_request() {
    let world = World::new().await;
    world.pause().await;
    let base = world.path("");
    let lines: String = (0..100_000).map(|number| format!("{base}deep/file{number:06}.nc\n")).collect();
    let answer =
        tokio::time::timeout(Duration::from_secs(60), world.post_lines("/requests", &lines)).await.unwrap();
    assert_eq!(answer.status, 202);
    assert_eq!(document(&answer)["n_objects"], 100_000);
}

#[tokio::test]
async fn slow_senders_of_large_lists_keep_nobody_else_waiting() {
    let world = World::new().await;
    let line = format!("{}\n", world.path("a.nc"));
    let large = line.repeat((2 << 20) / line.len());
    let slow = async |text: String| {
        let (sender, pieces) = futures::channel::mpsc::unbounded::<Result<String, std::io::Error>>();
        sender.unbounded_send(Ok(text)).unwrap();
        let request = http::Request::post("/requests").header("host", "test.example");
        let request = request.header("content-type", "text/plain");
        let request = request.body(axum::body::Body::from_stream(pieces)).unwrap();
        let stack = world.server.stack().clone();
        (sender, tokio::spawn(async move { stack.answer(request).await }))
    };
    let senders = [slow(large.clone()).await, slow(large.clone()).await];
    // Those that came first have taken what they take.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let third = tokio::time::timeout(Duration::from_secs(60), world.post_lines("/requests", &large)).await;
    assert_eq!(third.unwrap().status, 202);
    for (sender, answer) in senders {
        drop(sender);
        assert_eq!(answer.await.unwrap().status(), 202);
    }
}
