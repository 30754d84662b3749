//! Chunks of a file on tape: clients wait for them, and get nothing else.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use thermocline_http::hold::{HoldConfig, RecallOnRead};
use thermocline_testkit::FakeTape;

use super::*;

/// The toy on tape, cold, and a server that has indexed it.
struct Archive {
    server: Arc<TestServer>,
    tape: Arc<FakeTape>,
    file: PathBuf,
}

impl Archive {
    async fn cold() -> Self {
        Self::with(HoldConfig::default()).await
    }

    async fn with(hold: HoldConfig) -> Self {
        let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
        let config = HttpConfig { hold, ..HttpConfig::default() };
        let tape = FakeTape::new();
        let server = TestServer::on_tape(vec![("toy", toy())], plugins, config, &tape).await.unwrap();
        server.catalog().open("toy").await.unwrap();
        let file = server.file("toy").canonicalize().unwrap();
        tape.release(&file).unwrap();
        Self { server: Arc::new(server), tape, file }
    }

    async fn send(&self, method: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
        self.server.send(method, &format!("/datasets/toy/{key}"), headers).await.unwrap()
    }

    /// Asks for a chunk, and recalls the file once somebody waits for it.
    async fn read_while_recalled(&self, key: &str) -> Answer {
        let (answer, ()) = tokio::join!(self.send("GET", key, &[]), async {
            self.until_waiting(1).await;
            self.tape.recall(&self.file).unwrap();
        });
        answer
    }

    async fn until_waiting(&self, n: usize) {
        while self.tape.n_waiting() < n {
            tokio::task::yield_now().await;
        }
    }
}

fn assert_is_chunk(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.body, bytes_of(&[5, 6, 7, 8]));
}

#[tokio::test]
async fn a_reader_of_a_cold_chunk_waits_for_the_recall_and_gets_its_bytes() {
    for key in ["zarr/tas/0.1", "zarr-v3/tas/c/0/1"] {
        let archive = Archive::cold().await;
        assert_is_chunk(&archive.read_while_recalled(key).await);
        assert_eq!(archive.tape.joined().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_looked_for_ahead_of_readers_for_whom_nothing_is_read_ahead() {
    let archive = Archive::cold().await;
    assert_is_chunk(&archive.read_while_recalled("zarr/tas/0.1").await);
    assert_eq!(archive.tape.n_looks_ahead(), 0, "the reader is anonymous");
}

#[tokio::test]
async fn a_part_of_a_cold_chunk_waits_too() {
    let archive = Archive::cold().await;
    let (answer, ()) = tokio::join!(archive.send("GET", "zarr/tas/0.1", &[("range", "bytes=4-7")]), async {
        archive.until_waiting(1).await;
        archive.tape.recall(&archive.file).unwrap();
    });
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (206, bytes_of(&[6]).as_slice()));
}

#[tokio::test]
async fn any_number_of_readers_join_one_recall() {
    let archive = Archive::cold().await;
    let readers = join_all((0..500).map(|_| archive.send("GET", "zarr/tas/0.1", &[])));
    let (answers, ()) = tokio::join!(readers, async {
        archive.until_waiting(500).await;
        archive.tape.recall(&archive.file).unwrap();
    });
    answers.iter().for_each(assert_is_chunk);
    assert_eq!(archive.tape.joined().len(), 1);
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_no_other() {
    let archive = Archive::cold().await;
    let (answer, ()) = tokio::join!(archive.send("GET", "zarr/tas/0.1", &[]), async {
        let gone = archive.send("GET", "zarr/tas/0.1", &[]);
        tokio::select! {
            _ = gone => panic!("nothing was recalled"),
            () = archive.until_waiting(2) => {}
        }
        archive.tape.recall(&archive.file).unwrap();
    });
    assert_is_chunk(&answer);
}

#[tokio::test(start_paused = true)]
async fn a_recall_that_takes_longer_is_503_with_where_it_can_be_watched() {
    let archive = Archive::cold().await;
    archive.tape.estimate(Duration::from_millis(90_500));
    let answer = archive.send("GET", "zarr/tas/0.1", &[]).await;

    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("link"), Some("<http://test.example/requests/r1>; rel=\"monitor\""));
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((70..=71).contains(&retry_after), "{retry_after}");
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["type"], "/problems/not-staged");
    assert_eq!(problem["state"], "queued");
    assert_eq!(problem["request"], "r1");
    assert_eq!(problem["status_url"], "http://test.example/requests/r1");
    assert_eq!(problem["estimate"]["basis"], "a test");
}

#[tokio::test(start_paused = true)]
async fn what_is_made_cold_again_before_it_was_read_is_recalled_and_told_again() {
    let archive = Archive::cold().await;
    archive.tape.release_once_online();
    let answer = archive.read_while_recalled("zarr/tas/0.1?wait=5").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("link"), Some("<http://test.example/requests/r2>; rel=\"monitor\""));
    assert_eq!(archive.tape.joined().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_cold_again_as_the_time_ends_is_503_with_where_it_can_be_watched() {
    let archive = Archive::cold().await;
    let (answer, ()) = tokio::join!(archive.send("GET", "zarr/tas/0.1?wait=5", &[]), async {
        archive.until_waiting(1).await;
        archive.tape.release_once_online();
        archive.tape.recall(&archive.file).unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
    });
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("link"), Some("<http://test.example/requests/r2>; rel=\"monitor\""));
    assert_eq!(archive.tape.joined().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_client_waits_for_as_long_as_it_bears() {
    for (header, query, seconds) in [
        (None, "", 20),
        (Some(("user-agent", "Python/3.12 aiohttp/3.14.5")), "", 280),
        (Some(("user-agent", "object_store/0.14.0")), "", 25),
        (Some(("prefer", "wait=7")), "", 7),
        (Some(("prefer", "respond-async, wait=7")), "", 7),
        (Some(("prefer", "respond-async; wait=\"7\"")), "", 7),
        (Some(("prefer", "wait=7")), "?wait=3", 3),
        (None, "?wait=0", 0),
        (None, "?wait=100000", 280),
        (None, "?wait=-1", 20),
        (None, "?wait=", 20),
    ] {
        let archive = Archive::cold().await;
        let began = tokio::time::Instant::now();
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let answer = archive.send("GET", &format!("zarr/tas/0.1{query}"), &headers).await;
        assert_eq!(answer.status, 503, "{header:?} {query}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{header:?} {query}");
    }
}

#[tokio::test]
async fn a_recall_that_fails_is_500_and_never_absent() {
    for (is_lost, kind) in [(false, "/problems/recall-failed"), (true, "/problems/source-lost")] {
        let archive = Archive::cold().await;
        let (answer, ()) = tokio::join!(archive.send("GET", "zarr/tas/0.1", &[]), async {
            archive.until_waiting(1).await;
            archive.tape.fail("the tape is torn", is_lost);
        });
        assert_eq!(answer.status, 500, "{}", answer.text());
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&problem["type"], &problem["detail"]), (&json!(kind), &json!("the tape is torn")));
    }
}

#[tokio::test]
async fn readers_that_may_not_recall_are_told_how_to_ask() {
    for recall_on_read in [RecallOnRead::Owners, RecallOnRead::Never] {
        let archive = Archive::with(HoldConfig { recall_on_read, ..HoldConfig::default() }).await;
        let answer = archive.send("GET", "zarr/tas/0.1", &[]).await;
        assert_eq!(answer.status, 503);
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["type"], "/problems/staging-not-allowed");
        assert_eq!(problem["stage_url"], "http://test.example/datasets/toy/stage");
        assert!(archive.tape.joined().is_empty());
    }
}

#[tokio::test]
async fn beyond_the_bound_nobody_waits_but_the_recall_goes_on() {
    let archive = Archive::with(HoldConfig { max_held: 1, ..HoldConfig::default() }).await;
    let (first, ()) = tokio::join!(archive.send("GET", "zarr/tas/0.1", &[]), async {
        archive.until_waiting(1).await;
        let second = archive.send("GET", "zarr/tas/0.0", &[]).await;
        assert_eq!(second.status, 503, "{}", second.text());
        assert!(second.header("retry-after").is_some() && second.header("link").is_some());
        archive.tape.recall(&archive.file).unwrap();
    });
    assert_is_chunk(&first);
}

#[tokio::test]
async fn metadata_coordinates_and_head_of_a_cold_dataset_recall_nothing() {
    let archive = Archive::cold().await;
    for key in [
        "zarr/.zmetadata",
        "zarr/zarr.json",
        "zarr/tas/.zarray",
        "zarr/crs/0",
        "zarr/tas/",
        "zarr/",
        "zarr/ocean",
    ] {
        let answer = archive.send("GET", key, &[]).await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
    }
    assert_eq!(archive.send("PROPFIND", "zarr/tas", &[("depth", "1")]).await.status, 207);
    assert_eq!(archive.send("GET", "zarr/tas/c/1/1", &[]).await.status, 404, "never written");
    assert_eq!(archive.send("GET", "zarr/tas/c/9/9", &[]).await.status, 404, "outside");
    assert!(archive.tape.joined().is_empty());
}

#[tokio::test]
async fn head_tells_where_a_chunk_is_and_nothing_else_differs() {
    let archive = Archive::cold().await;
    let cold = archive.send("HEAD", "zarr/tas/0.1", &[]).await;
    archive.tape.recall(&archive.file).unwrap();
    let online = archive.send("HEAD", "zarr/tas/0.1", &[]).await;

    assert_eq!((cold.status.as_u16(), online.status.as_u16()), (200, 200));
    assert_eq!(cold.header("x-locality"), Some("nearline"));
    assert_eq!(online.header("x-locality"), Some("online+nearline"));
    for name in ["content-length", "etag", "last-modified", "cache-control"] {
        assert!(cold.header(name).is_some() && cold.header(name) == online.header(name), "{name}");
    }
    let inline = archive.send("HEAD", "zarr/crs/0", &[]).await;
    assert_eq!(inline.header("x-locality"), None, "it is kept here");
    assert!(archive.tape.joined().is_empty());
}

#[tokio::test]
async fn a_client_that_has_a_cold_chunk_need_not_wait_to_hear_that_it_is_unchanged() {
    let archive = Archive::cold().await;
    let head = archive.send("HEAD", "zarr/tas/0.1", &[]).await;
    let etag = head.header("etag").unwrap().to_owned();
    let answer = archive.send("GET", "zarr/tas/0.1", &[("if-none-match", &etag)]).await;
    assert_eq!(answer.status, 304);
    assert!(archive.tape.joined().is_empty());
}

#[tokio::test]
async fn a_cold_dataset_that_is_not_indexed_is_refused_and_indexed_once_it_was_recalled() {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ZarrPlugin)];
    let tape = FakeTape::new();
    let server =
        TestServer::on_tape(vec![("toy", toy())], plugins, HttpConfig::default(), &tape).await.unwrap();
    let file = server.file("toy").canonicalize().unwrap();
    tape.release(&file).unwrap();

    let answer = server.get("/datasets/toy/zarr/.zmetadata").await.unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("not indexed"), "{}", answer.text());
    let answer = server.get("/datasets/toy/zarr/tas/0.1").await.unwrap();
    assert_eq!(answer.status, 422, "a chunk of it is no fill value either");
    let cold = server.catalog().not_indexed();
    assert_eq!(cold.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["toy"]);
    assert!(tape.joined().is_empty(), "nobody recalls it by opening it");

    tape.recall(&file).unwrap();
    server.catalog().refresh("toy").await.unwrap();
    assert_is_chunk(&server.get("/datasets/toy/zarr/tas/0.1").await.unwrap());
    assert!(server.catalog().not_indexed().is_empty());
}
