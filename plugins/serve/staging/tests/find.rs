//! Where objects are.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use super::*;
use crate::listing::{Disk, Kind, Lister};

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

/// Lists folders of the disk when it may, and counts how often.
struct Counted {
    n_listed: Arc<AtomicUsize>,
    gate: Mutex<Receiver<()>>,
}

impl Lister for Counted {
    fn list(&self, folder: &Path) -> std::io::Result<Vec<(String, Kind)>> {
        // Open once its other end is gone.
        let _ = self.gate.lock().unwrap().recv();
        self.n_listed.fetch_add(1, Ordering::Relaxed);
        Disk.list(folder)
    }
}

/// A world whose folders are listed once the gate is dropped.
async fn world_behind_a_gate(settings: StagingApiSettings) -> (World, Sender<()>, Arc<AtomicUsize>) {
    let (gate, gated) = std::sync::mpsc::channel();
    let n_listed = Arc::new(AtomicUsize::new(0));
    let lister = Counted { n_listed: Arc::clone(&n_listed), gate: Mutex::new(gated) };
    let plugin = Arc::new(StagingPlugin::with_lister(settings, Box::new(lister)));
    let cold = ColdParts { files: FILES.to_vec(), rules: open_rules(), ..ColdParts::default() };
    let server = TestServer::with_staging(Vec::new(), vec![plugin], cold).await.unwrap();
    (World { server }, gate, n_listed)
}

#[tokio::test]
async fn a_pattern_of_a_request_is_looked_for_in_one_walk_however_short_pages_are() {
    let pages = Duration::ZERO;
    let settings = StagingApiSettings { search_time: pages, search_entries: 1, ..Default::default() };
    let (world, gate, n_listed) = world_behind_a_gate(settings).await;
    drop(gate);
    let body = json!({"root": "archive", "pattern": "**", "dry_run": true});
    let found = document(&world.post("/requests", &body).await);
    assert_eq!(found["n_objects"], 5, "{found}");
    assert_eq!(n_listed.load(Ordering::Relaxed), 3, "the root and the two folders below it");
}

#[tokio::test]
async fn a_search_of_folders_that_do_not_answer_is_503_and_names_the_limit() {
    let longest = Duration::from_millis(1);
    let settings = StagingApiSettings { max_search_time: longest, max_searches: 2, ..Default::default() };
    let (world, gate, n_listed) = world_behind_a_gate(settings).await;
    let listed = world.server.get("/objects?root=archive&pattern=**").await.unwrap();
    let staged = world.post("/requests", &json!({"root": "archive", "pattern": "**"})).await;
    for answer in [listed, staged] {
        let (status, detail) = problem(&answer);
        assert_eq!(status, 503, "{detail}");
        let limit = document(&answer)["limit"].as_str().unwrap().to_owned();
        assert!(detail.contains(&limit), "{limit}: {detail}");
        assert!(answer.header("retry-after").is_some());
    }
    drop(gate);
    // Nobody waits for them any more: they end with the folder that they are in.
    while n_listed.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(n_listed.load(Ordering::Relaxed), 2);
}
