//! What clients of tape sites see, through the whole router and over the real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thermocline_core::access::{Rule, Rules, Who};
use thermocline_core::staging::Activity;
use thermocline_http::identity::{AccessRules, Token};
use thermocline_http::{Route, ServePlugin};
use thermocline_testkit::{Answer, AuditLog, ColdParts, TestServer};

use super::{CancelledWord, WlcgPlugin, WlcgSettings};

struct World {
    server: TestServer,
}

impl World {
    async fn new() -> Self {
        Self::with(WlcgSettings::default()).await
    }

    async fn with(settings: WlcgSettings) -> Self {
        let rules = AccessRules { anonymous_stages: true, ..AccessRules::default() };
        Self::by(settings, rules).await
    }

    async fn by(settings: WlcgSettings, rules: AccessRules) -> Self {
        Self::with_inner(settings, rules, None).await
    }

    async fn with_inner(
        settings: WlcgSettings,
        rules: AccessRules,
        inner_root: Option<(&'static str, &'static str)>,
    ) -> Self {
        let files: Vec<(&str, &[u8])> =
            vec![("f0.nc", b"0"), ("f1.nc", b"1"), ("sp ace.nc", b"space"), ("deep/d.nc", b"d")];
        let cold = ColdParts { files, rules, inner_root, ..ColdParts::default() };
        let plugin = Arc::new(WlcgPlugin::new(settings));
        Self { server: TestServer::with_staging(Vec::new(), vec![plugin], cold).await.unwrap() }
    }

    fn path(&self, file: &str) -> String {
        self.server.data().join(file).to_str().unwrap().to_owned()
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.server.send_body(method, path, &headers, body.to_string()).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body).await
    }

    /// Stages paths as they are given, and gives the request's name.
    async fn stage(&self, paths: &[&str]) -> String {
        let files: Vec<Value> = paths.iter().map(|path| json!({"path": path})).collect();
        let answer = self.post("/api/v1/stage", &json!({"files": files})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        document(&answer)["requestId"].as_str().unwrap().to_owned()
    }

    async fn poll(&self, id: &str) -> Value {
        let answer = self.server.get(&format!("/api/v1/stage/{id}")).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        document(&answer)
    }

    /// The request when all its files have settled.
    async fn settled(&self, id: &str) -> Value {
        for _ in 0..2000 {
            let found = self.poll(id).await;
            if found["completedAt"].is_i64() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("request {id} does not end: {}", self.poll(id).await)
    }

    async fn set_activity(&self, activity: Activity) {
        self.server.cold().unwrap().staging.set_activity("tape", activity).await.unwrap();
    }
}

fn document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.text()))
}

/// States of the files of a request, by their paths.
fn states(request: &Value) -> BTreeMap<String, String> {
    let files = request["files"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    files.map(|file| (text(&file["path"]), text(&file["state"]))).collect()
}

fn is_empty_200(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, ""),
        "the answer of these calls is empty"
    );
}

fn is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = document(answer);
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string(), "{problem}");
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_interface_is_found_by_its_well_known_address() {
    let settings = WlcgSettings { sitename: "DKRZ".to_owned(), ..WlcgSettings::default() };
    let world = World::with(settings).await;
    let answer = world.server.get("/.well-known/wlcg-tape-rest-api").await.unwrap();
    let endpoint = json!({"uri": "http://test.example/api/v1", "version": "v1"});
    assert_eq!(document(&answer), json!({"sitename": "DKRZ", "endpoints": [endpoint]}));
}

#[tokio::test]
async fn a_server_without_cold_data_has_no_such_interface() {
    let cold = ColdParts { has_no_engine: true, ..ColdParts::default() };
    let server =
        TestServer::with_staging(Vec::new(), vec![Arc::new(WlcgPlugin::default())], cold).await.unwrap();
    is_problem(&server.get("/.well-known/wlcg-tape-rest-api").await.unwrap(), 404);
}

#[tokio::test]
async fn a_request_is_named_and_nothing_else_is_said() {
    let world = World::new().await;
    let files = json!({"files": [{"path": world.path("f0.nc"), "diskLifetime": "PT1H", "unheardOf": 1,
        "targetedMetadata": {"elsewhere": {"a": [1]}}}], "more": {}});
    for slash in ["", "/"] {
        let answer = world.post(&format!("/api/v1/stage{slash}"), &files).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let found = document(&answer);
        assert_eq!(keys(&found), BTreeSet::from(["requestId"]));
        let id = found["requestId"].as_str().unwrap();
        let location = format!("http://test.example/api/v1/stage/{id}");
        assert_eq!(answer.header("location"), Some(&*location));
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_is_the_same_one() {
    let world = World::new().await;
    let headers = [("idempotency-key", "k1"), ("content-type", "application/json")];
    let stage = async |file: &str| {
        let body = json!({"files": [{"path": world.path(file)}]}).to_string();
        world.server.send_body("POST", "/api/v1/stage", &headers, body).await.unwrap()
    };
    let (first, again) = (stage("f0.nc").await, stage("f0.nc").await);
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(document(&first), document(&again));
    let other = stage("f1.nc").await;
    is_problem(&other, 422);
    assert_eq!(document(&other)["type"], "/problems/idempotency-key-reused");
    let headers = [("idempotency-key", "")];
    is_problem(&world.server.send_body("POST", "/api/v1/stage", &headers, "{}").await.unwrap(), 400);
}

#[tokio::test]
async fn a_poll_tells_of_each_file_once_from_submitted_to_completed() {
    let world = World::new().await;
    world.set_activity(Activity::Paused).await;
    let (f0, f1) = (world.path("f0.nc"), world.path("f1.nc"));
    let id = world.stage(&[&f0, &f1, &f0]).await;
    let early = world.poll(&id).await;
    assert_eq!(keys(&early), BTreeSet::from(["id", "createdAt", "startedAt", "files"]));
    assert_eq!(early["id"], id);
    assert!(early["createdAt"].as_i64().unwrap() > 1_700_000_000, "seconds since 1970");
    assert_eq!(
        early["files"],
        json!([{"path": f0, "state": "SUBMITTED"}, {"path": f1, "state": "SUBMITTED"}])
    );

    world.set_activity(Activity::Running).await;
    let late = world.settled(&id).await;
    for file in late["files"].as_array().unwrap() {
        assert_eq!(keys(file), BTreeSet::from(["path", "state", "startedAt", "finishedAt"]));
        assert_eq!(file["state"], "COMPLETED");
        let time = |key: &str| file[key].as_i64().unwrap();
        assert!(time("startedAt") <= time("finishedAt"), "{file}");
    }
    assert_eq!(late["files"].as_array().unwrap().len(), 2);

    // What is online already is done at once, and when it was done does not move with the end of its pin.
    let again = world.settled(&world.stage(&[&f0, &f1]).await).await;
    assert!(states(&again).values().all(|state| state == "COMPLETED"), "{again}");
    is_empty_200(&world.post(&format!("/api/v1/release/{id}"), &json!({"paths": [f0, f1]})).await);
    assert_eq!(world.poll(&id).await["completedAt"], late["completedAt"]);
    assert_eq!(world.poll(&id).await["files"], late["files"]);
}

#[tokio::test]
async fn paths_are_told_as_they_were_sent_with_single_slashes() {
    let world = World::new().await;
    let (space, f0) = (world.path("sp ace.nc"), world.path("f0.nc"));
    let encoded = space.replace(' ', "%20");
    let id = world.stage(&[&encoded, &f0.replace('/', "//")]).await;
    let expected = BTreeMap::from([(encoded.clone(), "COMPLETED".to_owned()), (f0, "COMPLETED".to_owned())]);
    assert_eq!(states(&world.settled(&id).await), expected);
    assert_eq!(world.server.cold().unwrap().archive.n_recalls("sp ace.nc"), 1);

    // Two spellings of one file are told of both.
    let id = world.stage(&[&space, &encoded]).await;
    assert_eq!(states(&world.settled(&id).await).into_keys().collect::<Vec<_>>(), [space, encoded]);
}

#[tokio::test]
async fn a_file_that_does_not_exist_fails_alone_and_says_why() {
    let world = World::new().await;
    let (good, missing) = (world.path("f0.nc"), world.path("f0.nc.missing"));
    let found = world.settled(&world.stage(&[&good, &missing, "/elsewhere/x", ""]).await).await;
    let states = states(&found);
    assert_eq!(states[&good], "COMPLETED");
    for failed in [&*missing, "/elsewhere/x", ""] {
        assert_eq!(states[failed], "FAILED", "{found}");
    }
    for file in found["files"].as_array().unwrap() {
        let error = file["error"].as_str();
        assert_eq!(error.is_some_and(|error| !error.is_empty()), file["state"] == "FAILED", "{file}");
    }
    // A list in which nothing exists is a request too, all of whose files failed.
    let found = world.settled(&world.stage(&["/elsewhere/x"]).await).await;
    assert_eq!(found["files"][0]["state"], "FAILED");
}

#[tokio::test]
async fn cancelling_a_foreign_file_is_400_and_cancels_nothing() {
    let world = World::new().await;
    world.set_activity(Activity::Paused).await;
    let (f0, f1) = (world.path("f0.nc"), world.path("f1.nc"));
    let id = world.stage(&[&f0, &f1]).await;
    let cancel = format!("/api/v1/stage/{id}/cancel");
    is_problem(&world.post(&cancel, &json!({"paths": [f0, "/foreign/file.nc"]})).await, 400);
    is_problem(&world.post(&cancel, &json!({"paths": [f0, world.path("deep/d.nc")]})).await, 400);
    assert!(states(&world.poll(&id).await).values().all(|state| state == "SUBMITTED"));

    is_empty_200(&world.post(&cancel, &json!({"paths": [f0.replace('/', "//")]})).await);
    is_empty_200(&world.post(&format!("/api/v1/release/{id}"), &json!({"paths": [f0]})).await);
    world.set_activity(Activity::Running).await;
    let found = states(&world.settled(&id).await);
    assert_eq!((&*found[&f0], &*found[&f1]), ("CANCELLED", "COMPLETED"));

    // What is done stays done.
    is_empty_200(&world.post(&cancel, &json!({"paths": [f1]})).await);
    assert_eq!(states(&world.poll(&id).await)[&f1], "COMPLETED");
}

#[tokio::test]
async fn gfal2_can_have_its_own_word_for_what_is_cancelled() {
    let world =
        World::with(WlcgSettings { cancelled: CancelledWord::Gfal2, ..WlcgSettings::default() }).await;
    world.set_activity(Activity::Paused).await;
    let f0 = world.path("f0.nc");
    let id = world.stage(&[&f0]).await;
    is_empty_200(&world.post(&format!("/api/v1/stage/{id}/cancel"), &json!({"paths": [f0]})).await);
    assert_eq!(states(&world.settled(&id).await)[&f0], "CANCELED");
}

#[tokio::test]
async fn a_deleted_request_is_forgotten_and_those_of_others_go_on() {
    let world = World::new().await;
    world.set_activity(Activity::Paused).await;
    let f0 = world.path("f0.nc");
    let (one, two) = (world.stage(&[&f0]).await, world.stage(&[&f0]).await);
    let nothing = json!(null);
    is_empty_200(&world.send("DELETE", &format!("/api/v1/stage/{one}"), &nothing).await);
    is_problem(&world.server.get(&format!("/api/v1/stage/{one}")).await.unwrap(), 404);
    is_problem(&world.send("DELETE", &format!("/api/v1/stage/{one}"), &nothing).await, 404);
    world.set_activity(Activity::Running).await;
    assert_eq!(states(&world.settled(&two).await)[&f0], "COMPLETED");
    // One whose files are online already, too.
    is_empty_200(&world.send("DELETE", &format!("/api/v1/stage/{two}"), &nothing).await);
    is_problem(&world.server.get(&format!("/api/v1/stage/{two}")).await.unwrap(), 404);
}

#[tokio::test]
async fn what_makes_no_sense_is_a_problem() {
    let world = World::new().await;
    let id = world.stage(&[&world.path("f0.nc")]).await;
    let none = json!({"paths": []});
    for (method, path, body, status) in [
        ("GET", "/api/v1/stage/nobody-knows", json!(null), 404),
        ("POST", "/api/v1/stage/nobody-knows/cancel", none.clone(), 404),
        ("POST", "/api/v1/release/gfal2-placeholder-id", json!({"paths": ["/a"]}), 404),
        ("DELETE", "/api/v1/stage/nobody-knows", json!(null), 404),
        ("POST", "/api/v1/stage", json!({"fils": []}), 400),
        ("POST", "/api/v1/stage", json!({"files": []}), 400),
        ("POST", "/api/v1/stage", json!({"files": [{"path": 5}]}), 400),
        ("POST", &*format!("/api/v1/stage/{id}/cancel"), json!({}), 400),
        ("POST", &*format!("/api/v1/release/{id}"), json!({"paths": [5]}), 400),
        ("POST", "/api/v1/archiveinfo", json!({}), 400),
        ("PUT", "/api/v1/archiveinfo", json!({}), 405),
    ] {
        is_problem(&world.send(method, path, &body).await, status);
    }
    let broken = world.server.send_body("POST", "/api/v1/stage", &[], "{\"files\": [").await.unwrap();
    is_problem(&broken, 400);
    let long = json!({"files": [{"path": world.path("f0.nc"), "diskLifetime": "P31D"}]});
    let refused = world.post("/api/v1/stage", &long).await;
    is_problem(&refused, 400);
    assert_eq!(document(&refused)["limit"], "P30D");
}

#[tokio::test]
async fn archiveinfo_tells_of_each_path_where_the_file_is() {
    let world = World::new().await;
    let (f0, f1, missing) = (world.path("f0.nc"), world.path("f1.nc"), world.path("missing.nc"));
    world.settled(&world.stage(&[&f1]).await).await;
    let encoded = world.path("sp ace.nc").replace(' ', "%20");
    let paths = json!({"paths": [f0, f1, missing, "/elsewhere/x", encoded, f0]});
    for slash in ["", "/"] {
        let answer = world.post(&format!("/api/v1/archiveinfo{slash}"), &paths).await;
        let found = document(&answer);
        let paths: Vec<&str> =
            found.as_array().unwrap().iter().map(|info| info["path"].as_str().unwrap()).collect();
        assert_eq!(paths, [&*f0, &f1, &missing, "/elsewhere/x", &encoded]);
        assert_eq!(found[0], json!({"path": f0, "locality": "TAPE"}));
        assert_eq!(found[1], json!({"path": f1, "locality": "DISK_AND_TAPE"}));
        assert_eq!(keys(&found[2]), BTreeSet::from(["path", "error"]));
        assert_eq!(found[3]["locality"], "NONE");
        assert_eq!(found[4]["locality"], "TAPE");
    }
    assert_eq!(world.server.cold().unwrap().archive.n_recalls("f0.nc"), 0, "looking recalls nothing");
}

#[tokio::test]
async fn long_lists_are_no_error() {
    let world = World::new().await;
    let paths: Vec<String> = (0..25_000).map(|number| world.path(&format!("many/{number}.nc"))).collect();
    let answer = world.post("/api/v1/archiveinfo", &json!({ "paths": paths })).await;
    assert_eq!(document(&answer).as_array().unwrap().len(), 25_000);

    let files: Vec<Value> = paths.iter().map(|path| json!({"path": path})).collect();
    let answer = world.post("/api/v1/stage", &json!({ "files": files })).await;
    let id = document(&answer)["requestId"].as_str().unwrap().to_owned();
    let found = world.poll(&id).await;
    assert_eq!(states(&found).into_keys().collect::<BTreeSet<_>>(), paths.into_iter().collect());
    assert_eq!(found["files"].as_array().unwrap().len(), 25_000);

    let small = World::with(WlcgSettings { max_objects: 2, ..WlcgSettings::default() }).await;
    for (path, key, entry) in
        [("/api/v1/archiveinfo", "paths", json!("/a")), ("/api/v1/stage", "files", json!({"path": "/a"}))]
    {
        let refused = small.post(path, &json!({key: [entry, entry, entry]})).await;
        is_problem(&refused, 413);
        assert_eq!(document(&refused)["limit"], 2);
    }
}

/// Rules by which two tokens stage, and nobody without.
fn two_tokens() -> AccessRules {
    let token = |name: &str| Token {
        name: name.to_owned(),
        digest: Sha256::digest(format!("secret-of-{name}")).into(),
        groups: Arc::default(),
        may_read: true,
        owner: None,
        may_stage: true,
        may_administer: false,
        expires_ns: None,
    };
    AccessRules { tokens: vec![token("one"), token("two")], ..AccessRules::default() }
}

#[tokio::test]
async fn only_its_owner_changes_a_request_and_nobody_stages_without_the_right() {
    let world = World::by(WlcgSettings::default(), two_tokens()).await;
    let body = json!({"files": [{"path": world.path("f0.nc")}], "paths": [world.path("f0.nc")]});
    let send = async |token: Option<&str>, method: &str, path: &str| {
        let bearer = token.map(|token| format!("Bearer secret-of-{token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        world.server.send_body(method, path, &headers, body.to_string()).await.unwrap()
    };
    let accepted = send(Some("one"), "POST", "/api/v1/stage").await;
    let id = document(&accepted)["requestId"].as_str().unwrap().to_owned();
    let calls = [
        ("POST", "/api/v1/stage".to_owned()),
        ("GET", format!("/api/v1/stage/{id}")),
        ("POST", format!("/api/v1/stage/{id}/cancel")),
        ("POST", format!("/api/v1/release/{id}")),
        ("POST", "/api/v1/archiveinfo".to_owned()),
        ("DELETE", format!("/api/v1/stage/{id}")),
    ];
    for (method, path) in &calls {
        let refused = send(None, method, path).await;
        is_problem(&refused, 401);
        assert!(refused.header("www-authenticate").is_some(), "{method} {path}");
    }
    for (method, path) in calls.iter().filter(|(method, path)| *method != "GET" && path.contains(&id)) {
        is_problem(&send(Some("two"), method, path).await, 403);
    }
    assert_eq!(send(Some("one"), "GET", &calls[1].1).await.status, 200);
    assert_eq!(send(None, "GET", "/.well-known/wlcg-tape-rest-api").await.status, 200);
}

#[tokio::test]
async fn files_of_a_hidden_root_are_there_for_who_may_read_them_only() {
    let rule =
        Rule { read: vec![Who::Token("one".into())], stage: vec![Who::Stagers], administer: Vec::new() };
    let rules = AccessRules {
        datasets: Rules::new([("staff".into(), rule)]).unwrap(),
        roots: [("secret".into(), "staff".into())].into(),
        ..two_tokens()
    };
    let world = World::with_inner(WlcgSettings::default(), rules, Some(("secret", "deep"))).await;
    let (hidden, outside) = (world.path("deep/d.nc"), "/nowhere/d.nc");
    let send = async |token: &str, method: &str, path: &str, file: &str| {
        let bearer = format!("Bearer secret-of-{token}");
        let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
        let body = json!({"files": [{"path": file}], "paths": [file]}).to_string();
        world.server.send_body(method, path, &headers, body).await.unwrap()
    };
    let told = send("two", "POST", "/api/v1/archiveinfo", &hidden).await.text();
    let unknown = send("two", "POST", "/api/v1/archiveinfo", outside).await.text();
    assert_eq!(told.replace(&hidden, outside), unknown);
    assert!(send("one", "POST", "/api/v1/archiveinfo", &hidden).await.text().contains("TAPE"));

    // Files that cannot be recalled fail by themselves: this one as one that lies below no root.
    let errors = async |file: &str| {
        let accepted = send("two", "POST", "/api/v1/stage", file).await;
        let id = document(&accepted)["requestId"].as_str().unwrap().to_owned();
        let found = document(&send("two", "GET", &format!("/api/v1/stage/{id}"), "").await);
        found["files"][0]["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(errors(&hidden).await.replace(&hidden, outside), errors(outside).await);

    let accepted = send("one", "POST", "/api/v1/stage", &hidden).await;
    let request = format!("/api/v1/stage/{}", document(&accepted)["requestId"].as_str().unwrap());
    assert_eq!(send("one", "GET", &request, "").await.status, 200);
    for (method, path) in
        [("GET", request.clone()), ("DELETE", request.clone()), ("POST", format!("{request}/cancel"))]
    {
        is_problem(&send("two", method, &path, &hidden).await, 404);
    }
}

/// Calls that are no GET: method and path.
fn declared(routes: &[Route]) -> BTreeSet<(String, String)> {
    let calls = routes.iter().flat_map(|route| {
        let methods = route.operations.iter().map(|operation| operation.method);
        methods.map(move |method| (method.to_owned(), route.path.to_owned()))
    });
    calls.filter(|(method, _)| method != "get").collect()
}

#[tokio::test]
async fn every_call_that_changes_something_is_in_the_audit_log() {
    let world = World::new().await;
    let f0 = world.path("f0.nc");
    let id = world.stage(&[&f0]).await;
    world.settled(&id).await;
    let log = AuditLog::keep();
    let paths = json!({"paths": [f0], "files": [{"path": f0}]});
    let calls = [
        ("post", "/api/v1/stage", "wlcg stage", "1 files", "request r"),
        ("post", "/api/v1/stage/{request_id}/cancel", "wlcg cancel", &*id, "done"),
        ("post", "/api/v1/release/{request_id}", "wlcg release", &id, "done"),
        ("delete", "/api/v1/stage/{request_id}", "wlcg delete", &id, "done"),
    ];
    for (method, path, what, subject, outcome) in calls {
        world.send(&method.to_uppercase(), &path.replace("{request_id}", &id), &paths).await;
        let entries = log.take();
        let [entry] = &entries[..] else { panic!("{path}: {entries:?}") };
        assert_eq!((&*entry.what, &*entry.subject), (what, subject), "{path}");
        assert!(entry.outcome.contains(outcome), "{path}: {}", entry.outcome);
    }
    let mut changing = declared(&WlcgPlugin::default().app_routes());
    // It is a question that is too long for an address.
    changing.remove(&("post".to_owned(), "/api/v1/archiveinfo".to_owned()));
    let tried = calls.map(|(method, path, ..)| (method.to_owned(), path.to_owned()));
    assert_eq!(changing, BTreeSet::from(tried), "a call is not tried here");
}
