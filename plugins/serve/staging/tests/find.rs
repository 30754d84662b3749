//! Where objects are.

use super::*;

#[tokio::test]
async fn locality_of_one_or_many_is_told_without_recalling_any() {
    let world = World::new().await;
    let (path, missing) = (world.path("a.nc"), world.path("missing.nc"));
    let one = world.get(&format!("/objects?path={path}")).await;
    assert_eq!(
        (&one["objects"][0]["locality"], &one["objects"][0]["bytes"]),
        (&json!("nearline"), &json!(14))
    );

    let lines = format!("{path}\n{missing}\n/etc/passwd\n");
    let many = document(&world.post_lines("/objects/locality", &lines).await);
    let objects = many["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[0]["object"], "archive:a.nc");
    assert!(objects[1]["error"].is_string() && objects[2]["error"].is_string(), "{many}");
    let body = json!({"paths": [path]});
    assert_eq!(
        document(&world.post("/objects/locality", &body).await)["objects"].as_array().unwrap().len(),
        1
    );
    assert_eq!(world.n_recalls("a.nc"), 0);
}

#[tokio::test]
async fn a_long_list_is_no_error() {
    let world = World::new().await;
    let base = world.path("");
    let lines: String = (0..25_000).map(|number| format!("{base}file{number}\n")).collect();
    let answer = document(&world.post_lines("/objects/locality", &lines).await);
    assert_eq!(answer["objects"].as_array().unwrap().len(), 25_000);
}

#[tokio::test]
async fn a_list_that_is_too_long_is_413_and_names_the_limit() {
    let settings = StagingApiSettings { max_objects: 3, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), Vec::new()).await;
    let id = world.stage(&["a.nc"]).await;
    let paths: Vec<String> = (0..4).map(|number| world.path(&format!("file{number}"))).collect();
    let release = format!("/requests/{id}/release");
    for (path, name) in [
        ("/objects/locality", "paths"),
        ("/objects/evict", "paths"),
        ("/requests", "objects"),
        (&*release, "paths"),
    ] {
        let (status, detail) = problem(&world.post(path, &json!({name: paths})).await);
        assert_eq!(status, 413, "{path}: {detail}");
        assert!(detail.contains("more than 3 objects"), "{path}: {detail}");
    }
    for path in ["/objects/locality", "/objects/evict", "/requests"] {
        assert_eq!(problem(&world.post_lines(path, &paths.join("\n")).await).0, 413, "{path}");
    }
    assert_eq!(world.post_lines("/objects/locality", &paths[..3].join("\n")).await.status, 200);
}

#[tokio::test]
async fn a_search_says_which_folders_it_could_not_look_into() {
    let world = World::new().await;
    let deep = vec!["d"; 257].join("/");
    std::fs::create_dir_all(world.server.data().join(&deep)).unwrap();
    let unlisted = json!([vec!["d"; 256].join("/")]);

    let page = world.get("/objects?root=archive&pattern=**/*.nc").await;
    assert_eq!((&page["incomplete"], &page["n_incomplete"]), (&unlisted, &json!(1)));
    assert_eq!(page["objects"].as_array().unwrap().len(), 4);
    let text = [("accept", "text/plain")];
    let lines = world.server.send("GET", "/objects?root=archive&pattern=**/*.nc", &text).await.unwrap();
    assert_eq!(lines.header("x-incomplete"), Some("1"));
    for dry_run in [true, false] {
        let body = json!({"root": "archive", "pattern": "**/*.nc", "dry_run": dry_run});
        let staged = document(&world.post("/requests", &body).await);
        assert_eq!((&staged["incomplete"], &staged["n_objects"]), (&unlisted, &json!(4)));
    }
    let whole = world.get("/objects?root=archive&pattern=*.nc").await;
    assert_eq!(whole.get("incomplete"), None);
}

#[tokio::test]
async fn patterns_find_files_as_json_or_as_lines_ready_to_be_sent_back() {
    let world = World::new().await;
    let page = world.get("/objects?root=archive&pattern=*.nc&limit=1").await;
    assert_eq!(page["objects"][0]["object"], "archive:a.nc");
    let next = page["next"].as_str().unwrap().strip_prefix("http://test.example").unwrap();
    assert_eq!(world.get(next).await["objects"][0]["object"], "archive:b.nc");

    let text = [("accept", "text/plain")];
    let lines =
        world.server.send("GET", "/objects?root=archive&pattern=deep/**&limit=2", &text).await.unwrap();
    assert_eq!(lines.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(lines.header("link").unwrap().contains("rel=\"next\""));
    assert_eq!(lines.text().lines().count(), 2);
    let staged = world.post_lines("/requests", &lines.text()).await;
    assert_eq!(document(&staged)["n_objects"], 2);
    assert_eq!(world.get("/objects?root=archive&pattern=*.nc&older=2000-01-01").await["objects"], json!([]));
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    for query in
        ["", "root=archive", "pattern=*", "path=a&root=archive", "root=x&pattern=*", "root=archive&pattern=["]
    {
        assert_eq!(problem(&world.server.get(&format!("/objects?{query}")).await.unwrap()).0, 400, "{query}");
    }
}
