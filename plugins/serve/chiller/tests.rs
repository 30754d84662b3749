//! What users of curl and of the package see, through the whole router and over the real engine. The document of a
//! job is that of the plugin `jobs`; here its members are asked for as that plugin does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tempfile::TempDir;
use thermocline_core::access::{Rule, Rules, Who};
use thermocline_core::clock::{Clock, ManualClock, SystemClock};
use thermocline_core::jobs::{Job, JobId};
use thermocline_core::staging::{Activity, Face, NewRequest, Owner, RequestFilter};
use thermocline_http::identity::{AccessRules, Paths};
use thermocline_http::lists::wanted;
use thermocline_testkit::{Answer, AuditLog, ColdParts, TestServer};

use super::{Api, ChillerPlugin, ChillerSettings, members};

struct World {
    server: TestServer,
    api: Arc<Api>,
    lists: TempDir,
}

impl World {
    async fn new() -> Self {
        let rules = AccessRules { anonymous_stages: true, ..AccessRules::default() };
        Self::with(rules).await
    }

    async fn with(rules: AccessRules) -> Self {
        Self::with_clock(rules, Arc::new(SystemClock)).await
    }

    async fn with_clock(rules: AccessRules, clock: Arc<dyn Clock>) -> Self {
        let lists = TempDir::new().unwrap();
        let staged_files_dir = lists.path().join("staged");
        let settings =
            ChillerSettings { staged_files_dir, max_objects: 20_000, ..ChillerSettings::default() };
        let plugin = Arc::new(ChillerPlugin::new(settings));
        let api = Arc::clone(&plugin.api);
        let files: Vec<(&str, &[u8])> = vec![("f0.nc", b"0"), ("f1.nc", b"1"), ("a=b&c+d.nc", b"odd")];
        let cold = ColdParts { files, rules, clock: Some(clock), ..ColdParts::default() };
        let server = TestServer::with_staging(Vec::new(), vec![plugin], cold).await.unwrap();
        Self { server, api, lists }
    }

    fn path(&self, file: &str) -> String {
        self.server.data().join(file).to_str().unwrap().to_owned()
    }

    async fn upload(&self, body: impl Into<Vec<u8>>) -> Answer {
        // As the package labels it.
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.server.send_body("POST", "/upload", &headers, body.into()).await.unwrap()
    }

    /// Uploads a list that is taken, and gives the name of the job.
    async fn id(&self, body: impl Into<Vec<u8>>) -> String {
        let answer = self.upload(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().trim_end().rsplit('/').next().unwrap().to_owned()
    }

    async fn members(&self, job: &Job) -> Map<String, Value> {
        let staging = self.server.cold().unwrap().staging.clone();
        members::of_job(&self.api, Some(&staging), job).await.unwrap()
    }

    /// The job as it stands.
    async fn poll(&self, id: &str) -> Map<String, Value> {
        let jobs = &self.server.cold().unwrap().jobs;
        let job = jobs.get(&JobId(id.into())).await.unwrap().unwrap();
        self.members(&job).await
    }

    /// The job when it has ended.
    async fn ended(&self, id: &str) -> Map<String, Value> {
        let jobs = &self.server.cold().unwrap().jobs;
        let job = jobs.wait(&JobId(id.into()), Duration::from_secs(60)).await.unwrap().unwrap();
        self.members(&job).await
    }

    async fn set_activity(&self, activity: Activity) {
        self.server.cold().unwrap().staging.set_activity("tape", activity).await.unwrap();
    }
}

/// Lines of the list that a job names.
fn listed(job: &Map<String, Value>) -> BTreeSet<String> {
    let list = std::fs::read_to_string(job["StagedFiles"].as_str().unwrap()).unwrap();
    list.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_upload_answers_the_address_of_its_job_in_one_line() {
    let world = World::new().await;
    let answer = world.upload(world.path("f0.nc")).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = answer.text();
    let id = text.strip_prefix("http://test.example/jobs/").unwrap().strip_suffix('\n').unwrap();
    let created_ns: i64 = id.parse().unwrap();
    assert!(created_ns > 1_700_000_000_000_000_000, "{id} is a time in nanoseconds");
    assert_eq!(world.ended(id).await["ID"], id);
}

#[tokio::test]
async fn a_job_goes_from_queued_to_finished_and_then_stays_the_same() {
    let world = World::new().await;
    world.set_activity(Activity::Paused).await;
    let id = world.id(format!("{}\n{}\n", world.path("f0.nc"), world.path("f1.nc"))).await;
    let early = world.poll(&id).await;
    assert_eq!((&early["State"], &early["Finished"]), (&Value::from("queued"), &Value::from("false")));
    assert_eq!(listed(&early), BTreeSet::new(), "the list is there, and nothing in it");

    world.set_activity(Activity::Running).await;
    let ended = world.ended(&id).await;
    assert_eq!((&ended["State"], &ended["Finished"]), (&Value::from("finished"), &Value::from("true")));
    assert_eq!(
        (&ended["Requested"], &ended["Staged"], &ended["Progress"]),
        (&2.into(), &2.into(), &1.0.into())
    );
    assert_eq!(listed(&ended), BTreeSet::from([world.path("f0.nc"), world.path("f1.nc")]));
    assert_eq!(world.poll(&id).await, ended);
    assert_eq!(ended["StagedFiles"], early["StagedFiles"]);
}

#[tokio::test]
async fn files_are_listed_as_they_were_asked_for() {
    let world = World::new().await;
    let users = "/eodc/products/f0.nc".to_owned();
    let id = world.id(format!("{users}\r\n\r\n{}\n", world.path("a=b&c+d.nc"))).await;
    assert_eq!(listed(&world.ended(&id).await), BTreeSet::from([users, world.path("a=b&c+d.nc")]));
}

#[tokio::test]
async fn two_spellings_of_a_file_are_both_listed_and_one_recall() {
    let world = World::new().await;
    let spellings = ["/eodc/products/f0.nc".to_owned(), world.path("f0.nc")];
    let id = world.id(spellings.join("\n")).await;
    assert_eq!(listed(&world.ended(&id).await), BTreeSet::from(spellings));
    assert_eq!(world.server.cold().unwrap().archive.n_recalls("f0.nc"), 1);
}

#[tokio::test]
async fn bad_lines_fail_alone_and_are_named() {
    let world = World::new().await;
    let (good, missing) = (world.path("f0.nc"), world.path("missing.nc"));
    let mut body = format!("{good}\n{missing}\n/etc/passwd\n../x\nrelative\n{good}\n/\0bad\n").into_bytes();
    body.extend(b"\xff\xfe\n");
    let id = world.id(body).await;
    let job = world.ended(&id).await;
    assert_eq!(
        (&job["State"], &job["Staged"], &job["Requested"]),
        (&"finished".into(), &1.into(), &7.into())
    );
    assert_eq!(listed(&job), BTreeSet::from([good]));
    let failed = job["Failed"].as_array().unwrap();
    assert_eq!(failed.len(), 6);
    assert!(
        failed.iter().all(|failed| failed["reason"].as_str().is_some_and(|reason| !reason.is_empty())),
        "{failed:?}"
    );
}

#[tokio::test]
async fn when_no_file_could_be_recalled_the_state_is_error() {
    let world = World::new().await;
    let id = world.id(world.path("missing.nc")).await;
    let job = world.ended(&id).await;
    assert_eq!((&job["State"], &job["Finished"]), (&Value::from("ERROR"), &Value::from("true")));
    assert_eq!(listed(&job), BTreeSet::new());
}

#[tokio::test]
async fn a_job_that_was_cancelled_ends_with_error() {
    let world = World::new().await;
    world.set_activity(Activity::Paused).await;
    let id = world.id(world.path("f0.nc")).await;
    world.server.cold().unwrap().jobs.cancel(&JobId(id.as_str().into())).await.unwrap();
    let job = world.poll(&id).await;
    assert_eq!((&job["State"], &job["Finished"]), (&Value::from("ERROR"), &Value::from("true")));
    assert_eq!((listed(&job), &job["Staged"]), (BTreeSet::new(), &0.into()));
    assert_eq!(world.ended(&id).await, job);
}

#[tokio::test]
async fn an_upload_is_in_the_audit_log() {
    let world = World::new().await;
    let log = AuditLog::keep();
    let id = world.id(world.path("f0.nc")).await;
    assert_eq!(world.upload("relative.nc").await.status, 400);
    let entries = log.take();
    let said: Vec<[&str; 3]> =
        entries.iter().map(|entry| [&*entry.what, &*entry.subject, &*entry.outcome]).collect();
    let accepted = format!("request {id}");
    let refused = "refused with 400 Bad Request";
    assert_eq!(said, [["upload", "1 objects", &*accepted], ["upload", "0 objects", refused]]);
}

#[tokio::test]
async fn a_list_that_can_mean_nothing_is_400_and_a_longer_one_than_is_taken_413() {
    let world = World::new().await;
    for body in
        ["", "\n\r\n", "relative.nc\n", "/etc/../etc/passwd", "../../etc/passwd", "/\0bad\n", "/nowhere/x"]
    {
        assert_eq!(world.upload(body).await.status, 400, "{body:?}");
    }
    assert_eq!(world.upload(b"\xff\xfe\x00binary\n".to_vec()).await.status, 400);
    let long: String = (0..20_001).map(|number| format!("/nowhere/{number}\n")).collect();
    assert_eq!(world.upload(long).await.status, 413);
}

#[tokio::test]
async fn ten_thousand_bad_lines_do_not_cost_the_good_one() {
    let world = World::new().await;
    let mut list: String = (0..10_000).map(|number| format!("/nowhere/file{number:06}.nc\n")).collect();
    list.push_str(&world.path("f0.nc"));
    let id = world.id(list).await;
    let job = world.ended(&id).await;
    assert_eq!(listed(&job), BTreeSet::from([world.path("f0.nc")]));
    assert_eq!(job["Failed"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn requests_of_other_faces_have_no_such_members() {
    let world = World::new().await;
    let staging = &world.server.cold().unwrap().staging;
    let new = NewRequest {
        owner: Owner::anonymous(),
        face: Face::Native,
        objects: vec![wanted(&Paths::all(Arc::clone(staging.namespace())), &world.path("f0.nc"))],
        priority: 5,
        lifetime: Duration::from_secs(60),
        dataset: None,
        idempotency: None,
        notify: None,
    };
    let id = staging.request(new).await.unwrap().id.to_string();
    assert_eq!(world.ended(&id).await, Map::new());
}

#[tokio::test]
async fn a_list_that_was_deleted_is_written_again_and_nothing_else_lies_beside_it() {
    let world = World::new().await;
    let id = world.id(world.path("f0.nc")).await;
    let job = world.ended(&id).await;
    std::fs::remove_file(job["StagedFiles"].as_str().unwrap()).unwrap();
    assert_eq!(listed(&world.poll(&id).await), BTreeSet::from([world.path("f0.nc")]));
    assert_eq!(std::fs::read_dir(world.lists.path().join("staged")).unwrap().count(), 1);
}

#[tokio::test]
async fn lists_of_jobs_that_are_forgotten_are_deleted_while_the_server_runs() {
    let clock = ManualClock::new(SystemClock.now_ns());
    let rules = AccessRules { anonymous_stages: true, ..AccessRules::default() };
    let world = World::with_clock(rules, Arc::new(clock.clone())).await;
    let id = world.id(world.path("f0.nc")).await;
    let kept = world.poll(&id).await["StagedFiles"].as_str().unwrap().to_owned();
    let folder = world.lists.path().join("staged");
    let forgotten = folder.join("1700000000000000000.txt");
    std::fs::write(&forgotten, "/gone\n").unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(100 * 24 * 3600);
    std::fs::File::options().write(true).open(&forgotten).unwrap().set_modified(long_ago).unwrap();
    let of_another_server = folder.join("1800000000000000000.txt");
    std::fs::write(&of_another_server, "/there\n").unwrap();
    let foreign = folder.join("notes.txt");
    std::fs::write(&foreign, "").unwrap();

    world.poll(&id).await;
    assert!(forgotten.exists(), "once an hour is enough");
    clock.advance(Duration::from_secs(3600));
    world.poll(&id).await;
    assert!(!forgotten.exists());
    assert!(of_another_server.exists() && foreign.exists() && std::path::Path::new(&kept).exists());
}

#[tokio::test]
async fn an_upload_that_is_not_answered_with_200_has_begun_nothing() {
    let world = World::new().await;
    world.set_activity(Activity::Draining).await;
    let spellings = format!("{}\n/eodc/products/f0.nc\n", world.path("f0.nc"));
    assert_eq!(world.upload(spellings.clone()).await.status, 503);
    let staging = &world.server.cold().unwrap().staging;
    let filter = RequestFilter { limit: 10, ..RequestFilter::default() };
    assert_eq!(staging.list(filter.clone()).await.unwrap(), []);
    world.set_activity(Activity::Running).await;
    // Nothing beside the request has to be written: an upload is taken though the folder of lists is not there.
    let folder = world.lists.path().join("staged");
    std::fs::remove_dir_all(&folder).unwrap();
    let id = world.id(spellings).await;
    assert_eq!(staging.list(filter).await.unwrap().len(), 1);
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(listed(&world.ended(&id).await).len(), 2);
}

#[tokio::test]
async fn who_may_not_stage_may_not_upload() {
    let world = World::with(AccessRules::default()).await;
    assert_eq!(world.upload(world.path("f0.nc")).await.status, 403);
}

#[tokio::test]
async fn files_of_a_root_are_recalled_for_who_may_stage_them_and_are_not_there_for_who_may_not_read_them() {
    let who = |text: &str| vec![Who::parse(text).unwrap()];
    let closed = Rule { read: who("group:staff"), stage: who("group:staff"), administer: Vec::new() };
    let watched = Rule { read: who("anyone"), stage: who("group:staff"), administer: Vec::new() };
    let of_root = |rule: &str| AccessRules {
        anonymous_stages: true,
        datasets: Rules::new([("closed".into(), closed.clone()), ("watched".into(), watched.clone())])
            .unwrap(),
        roots: [("archive".into(), rule.into())].into(),
        ..AccessRules::default()
    };
    for (rule, status, reason) in [
        ("closed", 400, "lies outside the declared roots"),
        ("watched", 401, "staging needs a token"),
        ("public", 200, ""),
    ] {
        let world = World::with(of_root(rule)).await;
        let answer = world.upload(world.path("f0.nc")).await;
        assert_eq!(answer.status, status, "{rule}: {}", answer.text());
        assert!(answer.text().contains(reason), "{rule}: {}", answer.text());
    }
}
