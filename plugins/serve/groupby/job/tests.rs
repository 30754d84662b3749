//! What clients get of results that jobs compute, through the whole stack.

use std::collections::BTreeSet;

use thermocline_core::jobs::{Job, JobFilter, JobId, JobState};
use thermocline_groupby::{Engine, EngineSettings};
use thermocline_http::{HttpConfig, ServePlugin};
use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_testkit::{Answer, ColdParts, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;
use crate::{GroupbyPlugin, GroupbyPluginSettings};

const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };

const MONTHS: &str = "/datasets/toy/groupby/tas/time.month/max";

fn bytes_of(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// `tas(time, lat)` of 60 days on two latitudes, a chunk for each ten days.
fn toy() -> ToyDataset {
    let tas = toy_variable("tas", &["time", "lat"], (&[60, 2], &[10, 2]), F8, vec![]);
    let chunk = |n: u64| ToyChunk::Stored(bytes_of((0..20).map(|value| (n * 20 + value) as f64)));
    let chunks: Vec<(u64, ToyChunk)> = (0..6).map(|n| (n, chunk(n))).collect();
    let mut time = toy_variable("time", &["time"], (&[60], &[60]), F8, vec![]);
    time.attrs.set("units", Attribute::Text("days since 2001-01-01".into()));
    let lat = toy_variable("lat", &["lat"], (&[2], &[2]), F8, vec![]);
    ToyDataset::default()
        .with("", tas, &chunks)
        .with("", time, &[(0, ToyChunk::Inline(bytes_of((0..60).map(f64::from))))])
        .with("", lat, &[(0, ToyChunk::Inline(bytes_of([-45.0, 45.0])))])
}

/// A server on which everything takes long.
async fn slow() -> TestServer {
    slow_with(toy()).await
}

async fn slow_with(toy: ToyDataset) -> TestServer {
    let settings = GroupbyPluginSettings { sync_read_bytes: 0, ..GroupbyPluginSettings::default() };
    let engine = Arc::new(Engine::new(EngineSettings::default()));
    let plugin = Arc::new(GroupbyPlugin::new(settings, engine, None));
    let parts = ColdParts { kinds: plugin.job_kinds(), ..ColdParts::default() };
    TestServer::with_staging(vec![("toy", toy)], vec![plugin], parts).await.unwrap()
}

/// The job that an answer names, once it has ended.
async fn ended(server: &TestServer, answer: &Answer) -> Job {
    let id = answer.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    let jobs = &server.cold().unwrap().jobs;
    jobs.wait(&JobId(id.into()), Duration::from_secs(60)).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_takes_long_becomes_a_job_whose_result_the_first_address_then_answers() {
    let server = slow().await;
    let accepted = server.get(MONTHS).await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    assert!(accepted.header("retry-after").is_some());
    let document: serde_json::Value = serde_json::from_slice(&accepted.body).unwrap();
    assert_eq!((&document["kind"], &document["dataset"]), (&"groupby".into(), &"toy".into()));

    let job = ended(&server, &accepted).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.result, Some(JobResult::Elsewhere { path: MONTHS.into() }));
    let answer = server.get(MONTHS).await.unwrap();
    assert_eq!(answer.status, 200);
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        document["data_vars"]["tas"]["data"],
        serde_json::json!([[60., 61.], [116., 117.], [118., 119.]])
    );
}

#[tokio::test]
async fn what_cannot_be_computed_is_told_and_not_begun_anew_by_whoever_looks_again() {
    let i8 = DataType::Int { size: 8, order: ByteOrder::Little };
    let large = toy_variable("large", &["time"], (&[60], &[60]), i8, vec![]);
    let values = vec![i64::MAX; 60].into_iter().flat_map(i64::to_le_bytes).collect();
    let toy = toy().with("", large, &[(0, ToyChunk::Stored(values))]);
    let server = slow_with(toy).await;
    let sum = "/datasets/toy/groupby/large/time.month/sum";
    let accepted = server.get(sum).await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    assert_eq!(ended(&server, &accepted).await.state, JobState::Failed);
    for wait in ["wait=0", "wait=60"] {
        let answer = server.send("GET", sum, &[("prefer", wait)]).await.unwrap();
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains("uncomputable"), "{}", answer.text());
    }
    let any = JobFilter { limit: 10, ..JobFilter::default() };
    assert_eq!(server.cold().unwrap().jobs.list(&any).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_waits_gets_the_result() {
    let server = slow().await;
    let answer = server.send("GET", MONTHS, &[("prefer", "wait=60")]).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn the_same_request_in_whatever_words_joins_the_job() {
    let server = slow().await;
    let asked = ["", "?ddof=0", "/skipna=1", "?skipna=1&f=csv"].map(|words| format!("{MONTHS}{words}"));
    let answers = futures::future::join_all(asked.iter().map(|path| server.get(path))).await;
    let mut jobs = BTreeSet::new();
    for answer in answers {
        let answer = answer.unwrap();
        match answer.status.as_u16() {
            202 => drop(jobs.insert(answer.header("location").map(str::to_owned))),
            // It was done in between.
            200 => {}
            // An option that the action does not take.
            status => assert_eq!(status, 400, "{}", answer.text()),
        }
    }
    assert_eq!(jobs.len(), 1, "{jobs:?}");
}

#[tokio::test]
async fn what_costs_nothing_is_answered_without_a_job() {
    let server = slow().await;
    for path in ["?f=estimate", "/zarr/.zmetadata", "/zarr/tas/0.0"] {
        let answer = server.get(&format!("{MONTHS}{path}")).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert_eq!(server.send("HEAD", MONTHS, &[]).await.unwrap().status, 200);
    let any = JobFilter { limit: 10, ..JobFilter::default() };
    assert!(server.cold().unwrap().jobs.list(&any).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_jobs_long_results_are_computed_at_once() {
    let settings = GroupbyPluginSettings { sync_read_bytes: 0, ..GroupbyPluginSettings::default() };
    let engine = Arc::new(Engine::new(EngineSettings::default()));
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(GroupbyPlugin::new(settings, engine, None))];
    let server = TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap();
    assert_eq!(server.get(MONTHS).await.unwrap().status, 200);
}

#[test]
fn the_request_of_a_job_is_the_one_that_was_asked_for() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    for (variable, grouper, action, options) in [
        ("tas", "time.month", "mean", pairs(&[])),
        ("ocean/thetao", "time.year,time.month", "std", pairs(&[("ddof", "1")])),
        ("tas", "lat", "quantile", pairs(&[("q", "0.1,0.9"), ("bins", "-90,-30,30,90"), ("over", "time")])),
        (
            "a b%",
            "time",
            "mean",
            pairs(&[("freq", "QS-DEC"), ("sel", "lat=-30:30"), ("time", "2001-01:2001-03")]),
        ),
    ] {
        let asked = Request::parse(variable, grouper, action, &options).unwrap();
        assert_eq!(request_of(&asked.canonical()).unwrap().canonical(), asked.canonical());
        assert_eq!(request_of(&asked.canonical()).unwrap(), asked);
    }
    assert!(
        request_of("").is_err() && request_of("tas").is_err() && request_of("tas/time.month/mean/x").is_err()
    );
}
