use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thermocline_core::clock::ManualClock;
use thermocline_core::cold::batches::Step;
use thermocline_core::cold::command::{ExitCodes, ExitMeaning};
use thermocline_core::cold::{FailureCause, NamespaceRoot};

use super::*;

/// How long a test waits for processes before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder whose files are stubs, and scripts that do what a file system would.
struct Folder {
    scratch: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["files", "backing"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        Self { scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A file without blocks.
    fn stub(&self, name: &str, len_bytes: u64) -> ColdObject {
        let path = self.path("files").join(name);
        std::fs::File::create(&path).unwrap().set_len(len_bytes).unwrap();
        self.object(name)
    }

    fn object(&self, name: &str) -> ColdObject {
        let path = self.path("files").join(name);
        ColdObject { id: ObjectId::new("a", name).unwrap(), href: path.to_str().unwrap().into() }
    }

    /// A program with this shell script as its body.
    fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A program that fills the stubs that it is given and notes how it was called. It fails, without filling any,
    /// if one of them is called `bad`.
    fn filling(&self) -> String {
        let log = self.path("calls");
        let body = format!(
            r#"echo "$@" >> '{}'
for f in "$@"; do case "$f" in */bad*) echo "cannot recall $f" >&2; exit 7;; esac; done
for f in "$@"; do head -c "$(stat -c %s "$f")" /dev/zero | tr '\0' x > "$f.new"; touch -r "$f" "$f.new"; mv "$f.new" "$f"; done"#,
            log.display()
        );
        self.script("fill", &body)
    }

    fn calls(&self) -> usize {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }

    fn store(&self, config: Config) -> PosixStore {
        self.store_with(config, |_| {})
    }

    fn store_with(&self, config: Config, change: impl FnOnce(&mut StoreContext)) -> PosixStore {
        let base = self.path("files").to_str().unwrap().to_owned();
        let root = NamespaceRoot { name: "a".into(), base, map: Vec::new(), store: None };
        let mut context = StoreContext::new(vec![root]);
        change(&mut context);
        PosixStore::new(config, &context).unwrap()
    }
}

pub(crate) fn config(recall: &str) -> Config {
    Config { recall: Some(recall.to_owned()), poll_every: Duration::from_millis(20), ..Config::default() }
}

async fn stage(store: &PosixStore, key: &str, objects: &[ColdObject]) -> StageTicket {
    let lifetime = Duration::from_secs(3600);
    let request =
        StageRequest { key: key.to_owned(), objects: objects.to_vec(), lifetime, is_interactive: false };
    store.stage(&request).await.unwrap()
}

/// What became of each object of a batch.
async fn outcome(store: &PosixStore, ticket: &StageTicket) -> Vec<StageState> {
    let began = Instant::now();
    loop {
        let progress = store.progress(ticket).await.unwrap();
        let is_open = |state: &StageState| {
            matches!(state, StageState::Queued | StageState::Accepted | StageState::Active { .. })
        };
        if !progress.iter().any(|(_, state)| is_open(state)) {
            return progress.into_iter().map(|(_, state)| state).collect();
        }
        assert!(began.elapsed() < PATIENCE, "the batch does not end: {progress:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the file system has accepted the recall of the first object of a batch.
async fn accepted(store: &PosixStore, key: &str) {
    let began = Instant::now();
    while !matches!(store.shared.batches.items(key).unwrap()[0].step, Step::Accepted { .. }) {
        assert!(began.elapsed() < PATIENCE, "the recall is not accepted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn failure(state: &StageState) -> &StageFailure {
    match state {
        StageState::Failed(failure) => failure,
        other => panic!("{other:?} is no failure"),
    }
}

async fn locality(store: &PosixStore, object: &ColdObject) -> Locality {
    store.status(std::slice::from_ref(object)).await.remove(0).unwrap().locality
}

#[tokio::test]
async fn one_bad_path_among_many_fails_alone() {
    let folder = Folder::new();
    let names: Vec<String> =
        (0..20).map(|i| if i == 13 { "bad 13".to_owned() } else { format!("f {i}") }).collect();
    let objects: Vec<ColdObject> = names.iter().map(|name| folder.stub(name, 10_000)).collect();
    let store = folder.store(config(&format!("{} {{paths}}", folder.filling())));

    let states = outcome(&store, &stage(&store, "1", &objects).await).await;

    for (number, state) in states.iter().enumerate().filter(|(number, _)| *number != 13) {
        assert_eq!(*state, StageState::Staged, "object {number}");
    }
    let failure = failure(&states[13]);
    assert_eq!(failure.reason, "fill ended with code 7: cannot recall a:bad 13");
    assert!(!failure.cause.is_final());
    // One command for all, then one for each.
    assert_eq!(folder.calls(), 21);
}

#[tokio::test]
async fn groups_are_as_large_as_may_be() {
    let folder = Folder::new();
    let objects: Vec<ColdObject> = (0..25).map(|i| folder.stub(&format!("f{i}"), 10_000)).collect();
    let recall = format!("{} {{paths}}", folder.filling());
    let store = folder.store(Config { files_per_command: 10, ..config(&recall) });
    let states = outcome(&store, &stage(&store, "1", &objects).await).await;
    assert!(states.iter().all(|state| *state == StageState::Staged), "{states:?}");
    assert_eq!(folder.calls(), 3);
}

#[tokio::test]
async fn a_command_can_read_its_paths() {
    let folder = Folder::new();
    let fill = folder.filling();
    let reading = folder.script("reading", &format!("while IFS= read -r f; do '{fill}' \"$f\"; done"));
    let objects = [folder.stub("a b", 10_000), folder.stub("c", 10_000)];
    let store = folder.store(Config { recall_input: RecallInput::Lines, ..config(&reading) });
    let states = outcome(&store, &stage(&store, "1", &objects).await).await;
    assert_eq!(states, [StageState::Staged, StageState::Staged]);
}

#[tokio::test]
async fn exit_codes_say_what_can_be_done() {
    let folder = Folder::new();
    let table = [("3", ExitMeaning::Denied), ("4", ExitMeaning::Busy), ("5", ExitMeaning::Lost)];
    let table: std::collections::BTreeMap<String, ExitMeaning> =
        table.map(|(code, meaning)| (code.to_owned(), meaning)).into();
    let exit = folder.script("leave", r#"exit "${1##*/}""#);
    let store = folder.store(Config {
        exit_codes: ExitCodes::try_from(table).unwrap(),
        busy_after: Duration::from_secs(5),
        ..config(&format!("{exit} {{path}}"))
    });
    let objects: Vec<ColdObject> =
        ["3", "4", "5", "6"].iter().map(|name| folder.stub(name, 10_000)).collect();
    let states = outcome(&store, &stage(&store, "1", &objects).await).await;
    let causes: Vec<FailureCause> = states.iter().map(|state| failure(state).cause).collect();
    let after = Some(Duration::from_secs(5));
    assert_eq!(
        causes,
        [
            FailureCause::Denied,
            FailureCause::Retryable { after },
            FailureCause::Lost,
            FailureCause::Retryable { after: None }
        ]
    );
}

#[tokio::test]
async fn a_command_that_says_yes_and_does_nothing_is_given_up_in_time() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    let clock = ManualClock::new(1);
    let store = folder
        .store_with(Config { online_within: Duration::from_secs(100), ..config("true {path}") }, |context| {
            context.clock = Arc::new(clock.clone())
        });
    let ticket = stage(&store, "1", &[object]).await;
    let state = async || store.progress(&ticket).await.unwrap().remove(0).1;
    // What counts is the time since the command was accepted, which is at some moment of its own.
    accepted(&store, "1").await;
    assert_eq!(state().await, StageState::Accepted);
    clock.advance(Duration::from_secs(101));
    assert!(!failure(&state().await).cause.is_final());
}

#[tokio::test]
async fn a_file_that_vanishes_during_its_recall_is_not_found() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    let store = folder.store(config("rm {path}"));
    let states = outcome(&store, &stage(&store, "1", &[object]).await).await;
    assert_eq!(failure(&states[0]).cause, FailureCause::NotFound);
}

#[tokio::test]
async fn a_read_in_another_process_brings_a_file_online() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    // A stub of an ordinary file system does not fill itself: the reader does what the HSM would.
    let store = folder.store(Config {
        trigger: Trigger::Read,
        recall: Some(format!("{} {{path}}", folder.filling())),
        ..config("")
    });
    let states = outcome(&store, &stage(&store, "1", &[object]).await).await;
    assert_eq!(states, [StageState::Staged]);
    let plain = Config { trigger: Trigger::Read, recall: None, ..Config::default() };
    assert_eq!(plain.checked().unwrap().recall.unwrap().program(), "head");
}

#[tokio::test]
async fn advice_leaves_a_file_as_it_is() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    let store = folder.store(Config { trigger: Trigger::Fadvise, recall: None, ..config("") });
    stage(&store, "1", std::slice::from_ref(&object)).await;
    accepted(&store, "1").await;
    assert_eq!(locality(&store, &object).await, Locality::Nearline);
}

#[tokio::test]
async fn a_state_command_decides_where_there_is_one() {
    let folder = Folder::new();
    let objects: Vec<ColdObject> =
        ["released", "both", "resident"].iter().map(|name| folder.stub(name, 10_000)).collect();
    for (name, state) in
        [("released", "released exists archived"), ("both", "exists archived"), ("resident", "")]
    {
        std::fs::write(folder.path("backing").join(name), state).unwrap();
    }
    let body = format!(
        "cd '{}'; for f in \"$@\"; do echo \"$f: $(cat \"${{f##*/}}\")\"; done",
        folder.path("backing").display()
    );
    let run = folder.script("state", &body);
    let words = [("released", FileState::Nearline), ("archived", FileState::Both)];
    for place in ["{path}", "{paths}"] {
        let command = StateCommandConfig {
            run: format!("{run} {place}"),
            words: words.map(|(word, state)| (word.to_owned(), state)).into(),
            otherwise: Some(FileState::Online),
        };
        let store = folder.store(Config { state_command: Some(command), ..config("true {path}") });
        let statuses = store.status(&objects).await;
        let localities: Vec<Locality> = statuses.into_iter().map(|status| status.unwrap().locality).collect();
        assert_eq!(
            localities,
            [Locality::Nearline, Locality::OnlineAndNearline, Locality::Online],
            "{place}"
        );
        // The command knows better than blocks: nothing is suspicious.
        assert_eq!(store.trouble(), None, "{place}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_told_is_no_state() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    for run in ["false {path}", "true {path}", "no-such-program-here {path}", "echo a b c {path}"] {
        let words = [("released".to_owned(), FileState::Nearline)].into();
        let command = StateCommandConfig { run: run.to_owned(), words, otherwise: None };
        let store = folder.store(Config { state_command: Some(command), ..config("true {path}") });
        let status = store.status(std::slice::from_ref(&object)).await.remove(0);
        let kind = status.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{run}: {kind:?}");
        // Nothing is asked for on that basis either.
        let states = outcome(&store, &stage(&store, "1", std::slice::from_ref(&object)).await).await;
        assert!(!failure(&states[0]).cause.is_final(), "{run}");
    }
}

#[tokio::test]
async fn sparse_files_without_a_state_are_suspicious_until_one_comes_online() {
    let folder = Folder::new();
    let object = folder.stub("f", 10_000);
    let recall = format!("{} {{path}}", folder.filling());
    let store = folder.store(config(&recall));
    assert_eq!(locality(&store, &object).await, Locality::Nearline);
    assert!(store.trouble().unwrap().contains("compresses"));
    outcome(&store, &stage(&store, "1", std::slice::from_ref(&object)).await).await;
    // It was seen offline in this very state: there is a copy on tape.
    assert_eq!(locality(&store, &object).await, Locality::OnlineAndNearline);
    assert_eq!(store.trouble(), None);

    folder.stub("g", 10_000);
    let trusting = folder.store(Config { trust_blocks: true, ..config(&recall) });
    assert_eq!(locality(&trusting, &folder.object("g")).await, Locality::Nearline);
    assert_eq!(trusting.trouble(), None);
}

#[tokio::test]
async fn what_looks_wrong_is_seen_at_the_start() {
    let folder = Folder::new();
    folder.stub("f", 10_000);
    let store = folder.store(config("true {path}"));
    let began = Instant::now();
    while store.trouble().is_none() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_file_that_was_never_seen_offline_is_not_known_to_be_safe() {
    let folder = Folder::new();
    std::fs::write(folder.path("files/f"), vec![b'x'; 10_000]).unwrap();
    let object = folder.object("f");
    let careful = folder.store(config("true {path}"));
    assert_eq!(locality(&careful, &object).await, Locality::Online);
    let assuming = folder.store(Config { assume_archived: true, ..config("true {path}") });
    assert_eq!(locality(&assuming, &object).await, Locality::OnlineAndNearline);
}

#[tokio::test]
async fn more_than_may_be_under_way_is_refused_with_a_time() {
    let folder = Folder::new();
    let objects = [folder.stub("f", 10_000), folder.stub("g", 10_000)];
    let store = folder.store(Config { max_objects: 1, ..config("true {path}") });
    let request = StageRequest {
        key: "1".to_owned(),
        objects: objects.to_vec(),
        lifetime: Duration::from_secs(1),
        is_interactive: false,
    };
    let kind = store.stage(&request).await.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{kind:?}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let with = |recall: &str| config(recall);
    for bad in [
        Config::default(),
        with("lfs hsm_restore"),
        with("lfs hsm_restore {path} {paths}"),
        with("lfs hsm_restore {path} | tee log"),
        Config { trigger: Trigger::Fadvise, ..with("x {path}") },
        Config { files_per_command: 0, ..with("x {path}") },
        Config { poll_every: Duration::ZERO, ..with("x {path}") },
        Config { release: Some("lfs hsm_release".to_owned()), ..with("x {path}") },
        Config { recall_input: RecallInput::Lines, ..with("x {path}") },
    ] {
        assert!(PosixStore::new(bad.clone(), &StoreContext::new(Vec::new())).is_err(), "{bad:?}");
    }
    let root = NamespaceRoot { name: "b".into(), base: "s3://b".into(), map: Vec::new(), store: None };
    assert!(PosixStore::new(config("x {path}"), &StoreContext::new(vec![root])).is_err());
}

/// The lines of the documentation between two marks of a code block.
fn documented(heading: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("lib.rs")).unwrap();
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim());
    let lines =
        lines.skip_while(|line| !line.starts_with(heading)).skip_while(|line| *line != "```toml").skip(1);
    let is_ours = |line: &&str| !["[cold.", "kind =", "roots ="].iter().any(|start| line.starts_with(start));
    lines.take_while(|line| *line != "```").filter(is_ours).collect::<Vec<_>>().join("\n")
}

#[test]
fn documented_configurations_are_right() {
    for heading in ["Lustre:", "DMF:", "GPFS with", "A file system whose"] {
        let text = documented(heading);
        let config: Config =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{heading}\n{text}\n{error}"));
        config.checked().unwrap();
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&written).unwrap(), config, "{heading}");
    }
    assert!(toml::from_str::<Config>("recal = 'x'").is_err());
    assert!(toml::from_str::<Config>("exit_codes = { 300 = 'ok' }").is_err());
}

#[tokio::test]
async fn a_link_below_the_root_is_known_by_what_it_leads_to() {
    let folder = Folder::new();
    let file = folder.stub("f", 10_000);
    std::os::unix::fs::symlink("f", folder.path("files").join("link")).unwrap();
    let store = folder.store(config(&format!("{} {{paths}}", folder.filling())));
    let href = folder.path("files").join("link").to_str().unwrap().into();
    let link = ColdObject { id: ObjectId::new("a", "link").unwrap(), href };
    let found = store.status(&[file.clone(), link]).await;
    let found: Vec<_> = found.into_iter().map(|status| status.unwrap().links_to).collect();
    assert_eq!(found, [None, Some(file.id)]);
}
