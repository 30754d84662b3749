//! The routes, asked through the whole router, over the real engines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use thermocline_core::jobs::{JobContext, JobId, JobKind, JobResult, NewJob, Outcome, Step, Wake};
use thermocline_core::staging::{Face, NewRequest, Owner};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::HttpConfig;
use thermocline_http::identity::{AccessRules, Paths};
use thermocline_http::lists::wanted;
use thermocline_model::DatasetId;
use thermocline_testkit::{Answer, AuditLog, ColdParts, READER, TestServer, staff_rules};

use super::{JobsApiSettings, JobsPlugin};

/// A kind of work that does as its parameters say.
struct Toy;

#[async_trait]
impl JobKind for Toy {
    fn kind(&self) -> &'static str {
        "toy"
    }

    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome> {
        context.progress(1, Some(2), "steps");
        match step.parameters {
            "hang" => std::future::pending().await,
            "fail" => Err(Error::new(ErrorKind::Corrupt, "the stored bytes are damaged")),
            "wait" if step.checkpoint.is_none() => Ok(Outcome::Wait {
                checkpoint: "waited".to_owned(),
                reason: "waits a little".to_owned(),
                wake: Wake::After(Duration::from_millis(50)),
            }),
            _ => {
                std::fs::write(context.folder().join("answer.txt"), "forty-two").unwrap();
                let (name, media_type) = ("answer.txt".into(), "text/plain".into());
                Ok(Outcome::Done {
                    result: Some(JobResult::File { name, media_type, len_bytes: 9 }),
                    missing: None,
                })
            }
        }
    }
}

struct World {
    server: TestServer,
}

impl World {
    async fn new() -> Self {
        Self::with(AccessRules {
            anonymous_stages: true,
            anonymous_administers: true,
            ..AccessRules::default()
        })
        .await
    }

    async fn with(rules: AccessRules) -> Self {
        let cold = ColdParts {
            files: vec![("a.nc", b"the bytes of a")],
            rules,
            kinds: vec![Arc::new(Toy)],
            ..ColdParts::default()
        };
        let plugin =
            Arc::new(JobsPlugin::new(JobsApiSettings { max_streams: 1, ..JobsApiSettings::default() }));
        Self { server: TestServer::with_staging(Vec::new(), vec![plugin], cold).await.unwrap() }
    }

    async fn submit(&self, parameters: &str) -> String {
        self.submit_of("anonymous", None, parameters).await
    }

    async fn submit_of(&self, owner: &str, dataset: Option<&str>, parameters: &str) -> String {
        let new = NewJob {
            kind: "toy".into(),
            owner: Owner(owner.into()),
            dataset: dataset.map(|id| DatasetId::new(id).unwrap()),
            request: None,
            parameters: parameters.to_owned(),
        };
        self.server.cold().unwrap().jobs.submit(new).await.unwrap().id.to_string()
    }

    /// Stages the one file there is.
    async fn stage(&self) -> String {
        let staging = &self.server.cold().unwrap().staging;
        let path = self.server.data().join("a.nc");
        let new = NewRequest {
            owner: Owner::anonymous(),
            face: Face::Native,
            objects: vec![wanted(&Paths::all(Arc::clone(staging.namespace())), path.to_str().unwrap())],
            priority: 5,
            lifetime: Duration::from_secs(3600),
            dataset: None,
            idempotency: None,
            notify: None,
        };
        staging.request(new).await.unwrap().id.to_string()
    }

    async fn answer(&self, path: &str) -> Answer {
        self.server.get(path).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.answer(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

#[tokio::test]
async fn a_client_may_wait_for_the_end_of_a_job() {
    let world = World::new().await;
    let id = world.submit("wait").await;
    let path = format!("/jobs/{id}");
    let answer = world.server.send("GET", &path, &[("prefer", "wait=60")]).await.unwrap();
    let job: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&job["state"], &job["kind"], &job["id"]), (&json!("succeeded"), &json!("toy"), &json!(id)));
    assert_eq!(job["progress"], json!({"done": 1, "total": 2, "unit": "steps"}));
    for time in ["created", "started", "finished", "expires"] {
        assert!(job[time].is_string(), "{time}: {job}");
    }
    let rels: Vec<&str> =
        job["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["self", "events", "result"]);
    assert_eq!(world.get(&path).await, job, "asking again gives the same");
}

#[tokio::test]
async fn clients_that_wait_for_jobs_leave_most_places_to_others() {
    let world = World::new().await;
    let path = format!("/jobs/{}?wait=3600", world.submit("hang").await);
    let n_clients = HttpConfig::default().max_concurrent_requests + 1;
    let waiting = (0..n_clients).map(|_| world.answer(&path)).collect::<FuturesUnordered<_>>();
    let mut waiting = std::pin::pin!(waiting);
    let mut n_answered = 0;
    let others = async {
        let n_sent_off = n_clients * 3 / 4;
        while n_answered < n_sent_off {
            n_answered += usize::from(waiting.next().await.is_some_and(|answer| answer.status == 200));
        }
        world.get("/jobs").await
    };
    tokio::time::timeout(Duration::from_secs(60), others).await.expect("they are answered at once");
}

#[tokio::test]
async fn the_wait_ends_when_its_time_is_over() {
    let world = World::new().await;
    let id = world.submit("hang").await;
    let answer = world.answer(&format!("/jobs/{id}?wait=1")).await;
    let job: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(matches!(job["state"].as_str(), Some("queued" | "running")), "{job}");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_staging_request_is_a_job_of_the_same_name() {
    let world = World::new().await;
    let id = world.stage().await;
    let job = world.get(&format!("/jobs/{id}?wait=60")).await;
    assert_eq!(
        (&job["kind"], &job["state"], &job["request"]),
        (&json!("stage"), &json!("succeeded"), &json!(id))
    );
    assert_eq!(job["progress"], json!({"done": 1, "total": 1, "unit": "objects"}));
    let result = world.answer(&format!("/jobs/{id}/result")).await;
    assert_eq!(result.status, 303);
    assert_eq!(result.header("location"), Some(&*format!("http://test.example/requests/{id}/objects")));
}

#[tokio::test]
async fn a_request_that_failed_says_that_its_recalls_did_and_which() {
    let world = World::new().await;
    std::fs::remove_file(world.server.data().join("a.nc")).unwrap();
    let id = world.stage().await;
    let job = world.get(&format!("/jobs/{id}?wait=60")).await;
    assert_eq!(
        (&job["state"], &job["error"]["type"], &job["error"]["status"]),
        (&json!("failed"), &json!("/problems/recall-failed"), &json!(500)),
        "{job}"
    );
    let result = world.answer(&format!("/jobs/{id}/result")).await;
    assert_eq!(result.status, 303);
    assert_eq!(result.header("location"), Some(&*format!("http://test.example/requests/{id}/objects")));
}

#[tokio::test]
async fn jobs_of_all_sources_are_listed_together() {
    let world = World::new().await;
    let (one, two, three) = (world.stage().await, world.submit("").await, world.stage().await);
    for id in [&one, &two, &three] {
        world.get(&format!("/jobs/{id}?wait=60")).await;
    }
    let (mut listed, mut path) = (Vec::new(), "/jobs?limit=1".to_owned());
    loop {
        let page = world.get(&path).await;
        let names = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned());
        listed.extend(names);
        let Some(next) = page["next"].as_str() else { break };
        path = next.strip_prefix("http://test.example").unwrap().to_owned();
    }
    assert_eq!(listed, [three, two, one]);
    for (query, n_jobs) in [
        ("kind=stage", 2),
        ("kind=toy", 1),
        ("kind=plot", 0),
        ("state=succeeded", 3),
        ("state=waiting", 0),
        ("owner=*", 3),
        ("owner=token:x", 0),
    ] {
        assert_eq!(
            world.get(&format!("/jobs?{query}")).await["jobs"].as_array().unwrap().len(),
            n_jobs,
            "{query}"
        );
    }
    for query in ["state=gone", "cursor=x", "limit=0"] {
        assert_eq!(world.answer(&format!("/jobs?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_result_is_a_file_with_ranges() {
    let world = World::new().await;
    let id = world.submit("").await;
    world.get(&format!("/jobs/{id}?wait=60")).await;
    let path = format!("/jobs/{id}/result");
    let whole = world.answer(&path).await;
    assert_eq!(
        (whole.text(), whole.header("content-type"), whole.header("content-length")),
        ("forty-two".to_owned(), Some("text/plain"), Some("9"))
    );
    let part = world.server.send("GET", &path, &[("range", "bytes=6-")]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.text()), (206, "two".to_owned()));
    let head = world.server.send("HEAD", &path, &[]).await.unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), (Some("9"), 0));
    let tag = [("if-none-match", whole.header("etag").unwrap())];
    assert_eq!(world.server.send("GET", &path, &tag).await.unwrap().status, 304);
}

#[tokio::test]
async fn a_failed_job_carries_its_problem_and_so_does_its_result() {
    let world = World::new().await;
    let id = world.submit("fail").await;
    let job = world.get(&format!("/jobs/{id}?wait=60")).await;
    assert_eq!((&job["state"], &job["error"]["type"]), (&json!("failed"), &json!("/problems/corrupt")));
    assert_eq!(job["error"]["detail"], "the stored bytes are damaged");
    assert_eq!(world.answer(&format!("/jobs/{id}/result")).await.status, 500);
}

#[tokio::test]
async fn a_job_can_be_ended_before_its_time() {
    let world = World::new().await;
    let id = world.submit("hang").await;
    assert_eq!(world.answer(&format!("/jobs/{id}/result")).await.status, 409);
    assert_eq!(world.server.send("DELETE", &format!("/jobs/{id}"), &[]).await.unwrap().status, 200);
    assert_eq!(world.get(&format!("/jobs/{id}?wait=60")).await["state"], "cancelled");
    assert_eq!(world.answer(&format!("/jobs/{id}/result")).await.status, 404);
}

#[tokio::test]
async fn ending_a_job_is_in_the_audit_log() {
    let world = World::new().await;
    let id = world.submit("hang").await;
    let log = AuditLog::keep();
    world.server.send("DELETE", &format!("/jobs/{id}"), &[]).await.unwrap();
    let entries = log.take();
    let said: Vec<[&str; 4]> =
        entries.iter().map(|entry| [&*entry.owner, &*entry.what, &*entry.subject, &*entry.outcome]).collect();
    assert_eq!(said, [["anonymous", "cancel", &*id, "done"]]);
}

#[tokio::test]
async fn only_who_may_stage_ends_jobs() {
    let world = World::with(AccessRules::default()).await;
    let id = world.submit("hang").await;
    assert_eq!(world.server.send("DELETE", &format!("/jobs/{id}"), &[]).await.unwrap().status, 403);
    assert_eq!(world.answer(&format!("/jobs/{id}")).await.status, 200);
    assert_eq!(world.answer("/jobs?owner=*").await.status, 403);
}

#[tokio::test]
async fn events_end_with_the_job() {
    let world = World::new().await;
    let id = world.submit("wait").await;
    let path = format!("/jobs/{id}/events");
    let stream = world.answer(&path).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let text = stream.text();
    let last = text.split("\n\n").filter(|block| block.starts_with("event: job")).last().unwrap();
    assert!(last.contains("\"state\":\"succeeded\""), "{text}");
    let id = last.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let again = world.server.send("GET", &path, &[("last-event-id", id)]).await.unwrap();
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn what_names_no_job_is_404() {
    let world = World::new().await;
    for path in
        ["/jobs/1", "/jobs/jnone", "/jobs/..%2f..%2fetc%2fpasswd", "/jobs/a%20b", "/jobs/jnone/events"]
    {
        let answer = world.answer(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let long = format!("/jobs/{}", "a".repeat(1000));
    assert_eq!(world.answer(&long).await.status, 404);
}

#[tokio::test]
async fn nobody_learns_by_having_no_token_of_jobs_of_what_is_not_declared() {
    let world = World::with(staff_rules()).await;
    let job = world.submit_of("anonymous", Some("gone"), "").await;
    let own = world.submit_of("token:reader", Some("gone"), "").await;
    world
        .server
        .cold()
        .unwrap()
        .jobs
        .wait(&JobId(job.as_str().into()), Duration::from_secs(60))
        .await
        .unwrap();

    assert_eq!(world.get("/jobs").await["jobs"], json!([]));
    for path in [format!("/jobs/{job}"), format!("/jobs/{job}/result"), format!("/jobs/{own}")] {
        assert_eq!(world.answer(&path).await.status, 404, "{path}");
    }
    let answer = world.server.send("GET", &format!("/jobs/{own}"), &[READER]).await.unwrap();
    assert_eq!(answer.status, 200, "whose token it is knows what he asked for");
}

#[tokio::test]
async fn what_is_not_there_for_a_client_fills_no_page_and_is_in_no_cursor() {
    let world = World::with(staff_rules()).await;
    let (mut seen, mut hidden) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        hidden.push(world.submit_of("anonymous", Some("gone"), "").await);
        hidden.push(world.submit_of("anonymous", Some("gone"), "").await);
        seen.insert(0, world.submit("").await);
    }
    let (mut listed, mut path) = (Vec::new(), "/jobs?limit=1".to_owned());
    loop {
        let page = world.get(&path).await;
        assert!(!hidden.iter().any(|id| page.to_string().contains(id)), "{page}");
        assert_eq!(page["jobs"].as_array().unwrap().len(), 1);
        listed.push(page["jobs"][0]["id"].as_str().unwrap().to_owned());
        let Some(next) = page["next"].as_str() else { break };
        path = next.strip_prefix("http://test.example").unwrap().to_owned();
    }
    assert_eq!(listed, seen);
}

#[tokio::test]
async fn events_end_when_the_token_does() {
    let world = World::with(staff_rules()).await;
    let id = world.submit_of("token:reader", Some("gone"), "hang").await;
    let path = format!("/jobs/{id}/events");
    let headers = [READER];
    let stream = world.server.send("GET", &path, &headers);
    let revoke = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.server.replace_rules(AccessRules { tokens: Vec::new(), ..staff_rules() }).unwrap();
    };
    let both = async { tokio::join!(stream, revoke) };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("the stream ends");
    assert!(answer.unwrap().text().starts_with("event: job"));
}
