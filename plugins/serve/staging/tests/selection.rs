//! Selections of datasets.

use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_testkit::{ToyChunk, toy_variable};

use super::*;

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `time(4)` with the index, `t2m(time)` in the file.
pub(super) fn toy() -> ToyDataset {
    let double = DataType::Float { size: 8, order: ByteOrder::Little };
    let mut time = toy_variable("time", &["time"], (&[4], &[4]), double.clone(), Vec::new());
    time.attrs.set("units", Attribute::Text("days since 2000-01-01".to_owned()));
    let t2m = toy_variable("t2m", &["time"], (&[4], &[2]), double, Vec::new());
    let chunks = [(0, ToyChunk::Stored(doubles(&[1.0, 2.0]))), (1, ToyChunk::Stored(doubles(&[3.0, 4.0])))];
    ToyDataset::default()
        .with("", time, &[(0, ToyChunk::Inline(doubles(&[0.0, 1.0, 2.0, 3.0])))])
        .with("", t2m, &chunks)
}

async fn world() -> World {
    World::with(StagingApiSettings::default(), open_rules(), vec![("toy", toy())]).await
}

#[tokio::test]
async fn a_selection_stages_the_files_that_hold_it() {
    let world = world().await;
    let body = json!({"variables": ["t2m"], "time": ["2000-01-02", "2000-01-03"]});
    let accepted = world.post("/datasets/toy/stage", &body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let request = document(&accepted);
    assert_eq!((&request["dataset"], &request["n_objects"]), (&json!("toy"), &json!(1)));
    let ended = world.ended(request["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "succeeded");
    assert_eq!(world.n_recalls("toy.toy"), 1);
    assert_eq!(world.get("/requests?dataset=toy").await["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn all_forms_of_a_selection_are_understood() {
    let world = world().await;
    for body in [
        json!({}),
        json!({"variables": "t2m"}),
        json!({"sel": {"time": ["2000-01-01", null]}}),
        json!({"sel": {"time": "2000-01-03"}}),
        json!({"sel": {"time": "2000-01-01:2000-01-02"}}),
        json!({"sel": {"time": "nearest::2000-01-02T01"}}),
        json!({"isel": {"time": 0}}),
        json!({"isel": {"time": [0, 2]}}),
        json!({"isel": {"time": "0:4:2"}}),
        json!({"time": "2000-01-02/2000-01-03"}),
        json!({"time": "2000-01-02"}),
        json!({"group": "/"}),
    ] {
        let answer = world.post("/datasets/toy/stage?dry_run=true", &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(document(&answer)["n_objects"], 1, "{body}");
    }
}

#[tokio::test]
async fn a_call_that_names_no_objects_takes_a_short_body_only() {
    let settings = StagingApiSettings { max_question_bytes: 1000, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), vec![("toy", toy())]).await;
    let id = world.stage(&["a.nc"]).await;
    let body = json!({"lifetime": "P1D".repeat(400)});
    for path in ["/datasets/toy/stage", &*format!("/requests/{id}/extend")] {
        let (status, detail) = problem(&world.post(path, &body).await);
        assert_eq!(status, 413, "{path}: {detail}");
        assert!(detail.contains("1000"), "{path}: {detail}");
    }
    assert_eq!(problem(&world.post("/requests", &body).await).0, 400);
}

/// With one thread for requests and one for what takes long, which is taken: whatever is read by the first is answered.
#[test]
fn long_bodies_keep_no_other_request_waiting() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(1).build().unwrap().block_on(async {
        let world = world().await;
        let dims: serde_json::Map<_, _> = (0..40_000).map(|dim| (format!("dim{dim}"), json!(0))).collect();
        let bodies = [json!({"sel": dims}), json!({"color": "red".repeat(200_000)})];
        let paths = ["/datasets/toy/stage", "/requests"];
        assert_eq!(world.post(paths[0], &json!({"dry_run": true})).await.status, 200);

        let (gate, gated) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || gated.recv());
        let send = async |(path, body): (&str, &Value)| {
            let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
            world.server.send_body("POST", path, &headers, body.to_string()).await.unwrap()
        };
        let mut answers = std::pin::pin!(futures::future::join_all(paths.into_iter().zip(&bodies).map(send)));
        for _ in 0..1000 {
            assert!(futures::poll!(answers.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(world.get("/cold").await["stores"].is_array());
        drop(gate);
        for answer in answers.await {
            assert_eq!(problem(&answer).0, 400);
        }
        assert!(taken.await.unwrap().is_err());
    });
}

#[tokio::test]
async fn a_selection_outside_the_dataset_names_what_there_is() {
    let world = world().await;
    for (body, named) in [
        (json!({"time": ["1990-01-01", "1990-02-01"]}), "2000"),
        (json!({"sel": {"level": 3}}), "time"),
        (json!({"isel": {"time": 9}}), "4"),
        (json!({"sel": {"time": {"a": 1}}}), "time"),
        (json!({"isel": {"time": [0, "x"]}}), "isel"),
        (json!({"bbox": [1, 2]}), "bbox"),
        (json!({"tim": 1}), "tim"),
        (json!({"variables": ["time"]}), "kept with the index"),
    ] {
        let (status, detail) = problem(&world.post("/datasets/toy/stage", &body).await);
        assert_eq!(status, 400, "{body}: {detail}");
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let unknown = world.post("/datasets/toy/stage", &json!({"variables": ["tas"]})).await;
    assert_eq!(problem(&unknown).0, 404);
    assert_eq!(problem(&world.post("/datasets/nope/stage", &json!({})).await).0, 404);
}
