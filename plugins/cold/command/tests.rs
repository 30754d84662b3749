use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use thermocline_core::cold::command::{ExitCodes, ExitMeaning};
use thermocline_core::cold::{FailureCause, Locality, NamespaceRoot};
use thermocline_testkit::conformance::{self, ColdFile, ColdSite};

use super::*;

/// How long a test waits for processes before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tool that drives a toy archive: `tape/` holds everything, `disk/` what was recalled; `recalls` counts.
const TOOL: &str = r#"#!/bin/sh
# tool HOME WHAT [--key KEY] [--fast] PATH…
home=$1 what=$2; shift 2
key= fast=
while :; do case "$1" in --key) key=$2; shift 2;; --fast) fast=1; shift;; *) break;; esac; done
[ ! -e "$home/down" ] || { echo "the archive is down" >&2; exit 1; }
recall() { # NAME: one recall, however many ask
    mkdir "$home/pending/$1" 2>/dev/null || { while [ -e "$home/pending/$1" ]; do sleep 0.02; done; return 0; }
    [ ! -e "$home/disk/$1" ] || { rmdir "$home/pending/$1"; return 0; }
    echo "$1" >> "$home/recalls"
    [ -n "$fast" ] || sleep 0.1
    case "$1" in
        fails*) : > "$home/failed/$1" ;;
        *) cp -p "$home/tape/$1" "$home/disk/$1.part" && mv "$home/disk/$1.part" "$home/disk/$1" ;;
    esac
    rmdir "$home/pending/$1"
}
case $what in
locality)
    for p in "$@"; do
        f=$home/tape/${p##*/}
        if [ ! -e "$f" ]; then printf 'missing\t%s\n' "$p"; continue; fi
        where=nearline; [ ! -e "$home/disk/${p##*/}" ] || where=online+nearline
        printf '%s\t%s\t%s\t%s\n' "$where" "$p" "$(stat -c %s "$f")" "$(stat -c %.9Y "$f")"
    done ;;
words) for p in "$@"; do "$0" "$home" locality "$p" | sed 's/\t[^\t]*$/\t2024-01-01T00:00:00/'; done ;;
sizes) for p in "$@"; do "$0" "$home" locality "$p" | sed 's/\t[^\t]*$//'; done ;;
stage)
    [ ! -e "$home/busy" ] || exit 75
    for p in "$@"; do case "${p##*/}" in denied*) echo "you may not have $p" >&2; exit 13;; esac; done
    [ -z "$key" ] || printf '%s\n' "$@" >> "$home/batches/$key"
    for p in "$@"; do rm -f "$home/failed/${p##*/}"; ( recall "${p##*/}" ) </dev/null >/dev/null 2>&1 & done
    echo "job-$key" ;;
wait)
    for p in "$@"; do recall "${p##*/}"; [ -e "$home/disk/${p##*/}" ] || { echo "no $p" >&2; exit 5; }; done ;;
progress)
    if [ ! -e "$home/batches/$key" ]; then echo unknown; exit 0; fi
    while IFS= read -r p; do
        n=${p##*/}
        if [ -e "$home/disk/$n" ]; then printf '{"path": "%s", "state": "staged"}\n' "$p"
        elif [ -e "$home/pending/$n" ]; then printf 'active\t%s\n' "$p"
        elif [ -e "$home/disk/$n" ]; then printf 'staged\t%s\n' "$p" # it came between the two looks
        elif [ -e "$home/failed/$n" ]; then printf 'failed\t%s\tthe drive is broken\n' "$p"
        else printf 'queued\t%s\n' "$p"; fi
    done < "$home/batches/$key" ;;
fetch) recall "${1##*/}"; cp "$home/disk/${1##*/}" "$2" ;;
release) for p in "$@"; do rm -f "$home/disk/${p##*/}"; done ;;
esac
"#;

/// A toy archive.
struct Toy {
    scratch: tempfile::TempDir,
    config: Config,
    sound: Vec<ColdFile>,
    store: CommandStore,
    has_failing: bool,
}

const SOUND: [&str; 12] = [
    "a.nc",
    "b with space.nc",
    "c&d;e.nc",
    "f.nc",
    "g.nc",
    "h.nc",
    "i.nc",
    "j.nc",
    "k.nc",
    "l.nc",
    "m.nc",
    "n.nc",
];

/// A folder with the tool and its archive.
fn archive() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for folder in ["tape", "disk", "pending", "failed", "batches", "spool"] {
        std::fs::create_dir(scratch.path().join(folder)).unwrap();
    }
    std::fs::write(scratch.path().join("recalls"), "").unwrap();
    for (number, name) in SOUND.iter().chain(&["fails.nc", "denied.nc"]).enumerate() {
        let content: Vec<u8> = (0..20_000 + number).map(|i| ((i + number) % 251) as u8 + 1).collect();
        std::fs::write(scratch.path().join("tape").join(name), content).unwrap();
    }
    script(scratch.path(), "tool", TOOL);
    scratch
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A command line of the tool.
fn tool(scratch: &tempfile::TempDir, rest: &str) -> String {
    let home = scratch.path().display();
    let (what, rest) = rest.split_once(' ').unwrap();
    format!("'{home}/tool' '{home}' {what} {rest}")
}

fn base(scratch: &tempfile::TempDir) -> Config {
    let codes = [("75", ExitMeaning::Busy), ("13", ExitMeaning::Denied)];
    let codes: BTreeMap<String, ExitMeaning> = codes.map(|(code, meaning)| (code.to_owned(), meaning)).into();
    Config {
        locality: tool(scratch, "locality {paths}"),
        exit_codes: ExitCodes::try_from(codes).unwrap(),
        release: Some(tool(scratch, "release {paths}")),
        commands_at_once: 8,
        recalls_at_once: 4,
        poll_every: Duration::from_millis(20),
        ..Config::default()
    }
}

/// Objects are recalled, followed by key, and fetched into the spool.
fn fetched(scratch: &tempfile::TempDir) -> Config {
    Config {
        stage: Some(tool(scratch, "stage --key {key} {paths}")),
        progress: Some(tool(scratch, "progress --key {key}")),
        fetch: Some(tool(scratch, "fetch {path} {target}")),
        spool: Some(scratch.path().join("spool")),
        ..base(scratch)
    }
}

impl Toy {
    fn new(config: impl FnOnce(&tempfile::TempDir) -> Config) -> Self {
        let scratch = archive();
        let config = config(&scratch);
        let content = |name: &str| std::fs::read(scratch.path().join("tape").join(name)).unwrap();
        let sound = SOUND
            .iter()
            .map(|name| ColdFile { object: object(&scratch, name), content: content(name) })
            .collect();
        let store = open(&scratch, &config);
        Self { scratch, config, sound, store, has_failing: true }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn object(&self, name: &str) -> ColdObject {
        object(&self.scratch, name)
    }

    async fn stage(&self, key: &str, names: &[&str]) -> Result<StageTicket> {
        let objects = names.iter().map(|name| self.object(name)).collect();
        let lifetime = Duration::from_secs(3600);
        self.store
            .stage(&StageRequest { key: key.to_owned(), objects, lifetime, is_interactive: false })
            .await
    }

    async fn outcome(&self, ticket: &StageTicket) -> Vec<StageState> {
        let began = Instant::now();
        loop {
            let progress = self.store.progress(ticket).await.unwrap();
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

    async fn status(&self, name: &str) -> Result<ObjectStatus> {
        self.store.status(&[self.object(name)]).await.remove(0)
    }
}

/// An object is a file of the tape; the archive's own tool would know it by any other name as well.
fn object(scratch: &tempfile::TempDir, name: &str) -> ColdObject {
    let href = scratch.path().join("tape").join(name).to_str().unwrap().into();
    ColdObject { id: ObjectId::new("a", name).unwrap(), href }
}

fn open(scratch: &tempfile::TempDir, config: &Config) -> CommandStore {
    let base = scratch.path().join("tape").to_str().unwrap().to_owned();
    let root = NamespaceRoot { name: "a".into(), base, map: Vec::new(), store: None };
    CommandStore::new(config.clone(), &StoreContext::new(vec![root])).unwrap()
}

#[async_trait]
impl ColdSite for Toy {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::new(self.store.clone())
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        Ok(Arc::new(open(&self.scratch, &self.config)))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.sound
    }

    fn missing(&self) -> ColdObject {
        self.object("missing.nc")
    }

    fn failing(&self) -> Option<ColdObject> {
        self.has_failing.then(|| self.object("fails.nc"))
    }

    fn hopeless(&self) -> Option<ColdObject> {
        self.has_failing.then(|| self.object("denied.nc"))
    }

    async fn set_busy(&self, is_busy: bool) -> anyhow::Result<bool> {
        match is_busy {
            true => std::fs::write(self.path("busy"), "")?,
            false => std::fs::remove_file(self.path("busy"))?,
        }
        Ok(self.config.stage.as_ref().is_some_and(|stage| stage.contains(" stage ")))
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(std::fs::read_to_string(self.path("recalls"))?.lines().count() as u64)
    }

    async fn pass(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_archive_from_which_is_fetched_conforms() {
    conformance::cold(&Toy::new(fetched)).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_only_fetches_conforms() {
    let config = |scratch: &tempfile::TempDir| Config { stage: None, progress: None, ..fetched(scratch) };
    // The command that fetches knows no denied files, and its busy archive is a failed fetch.
    conformance::cold(&Toy { has_failing: false, ..Toy::new(config) }).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_fills_the_spool_itself_conforms() {
    let config = |scratch: &tempfile::TempDir| Config {
        fetch: None,
        spool: Some(scratch.path().join("disk")),
        ..fetched(scratch)
    };
    conformance::cold(&Toy::new(config)).await.unwrap();
}

#[tokio::test]
async fn an_archive_whose_recalls_wait_in_place_conforms() {
    let config = |scratch: &tempfile::TempDir| Config {
        landing: LandingConfig::InPlace,
        stage: Some(tool(scratch, "wait {path}")),
        stage_waits: true,
        objects_per_command: 50,
        ..base(scratch)
    };
    // Files that may not be recalled are known to the other command only.
    conformance::cold(&Toy { has_failing: false, ..Toy::new(config) }).await.unwrap();
}

async fn check_reads(config: impl FnOnce(&tempfile::TempDir) -> Config) {
    let folder = tempfile::tempdir().unwrap();
    conformance::cold_reads(&Toy::new(config), folder.path()).await.unwrap();
}

#[tokio::test]
async fn what_is_fetched_is_served_whatever_the_archive_calls_versions() {
    // Seconds with a fraction, a time in words, and nothing at all.
    for what in ["locality", "words", "sizes"] {
        let locality = |scratch: &tempfile::TempDir| tool(scratch, &format!("{what} {{paths}}"));
        check_reads(|scratch| Config { locality: locality(scratch), ..fetched(scratch) }).await;
    }
}

#[tokio::test]
async fn what_the_archive_puts_into_the_spool_is_served() {
    check_reads(|scratch| Config {
        fetch: None,
        spool: Some(scratch.path().join("disk")),
        ..fetched(scratch)
    })
    .await;
}

#[tokio::test]
async fn what_is_recalled_in_place_is_served() {
    check_reads(|scratch| Config {
        landing: LandingConfig::InPlace,
        stage: Some(tool(scratch, "wait {path}")),
        stage_waits: true,
        objects_per_command: 50,
        ..base(scratch)
    })
    .await;
}

#[tokio::test]
async fn without_a_version_from_the_archive_the_time_of_the_file_counts() {
    let sizes = |scratch: &tempfile::TempDir| tool(scratch, "sizes {paths}");
    let toy = Toy::new(|scratch| Config { locality: sizes(scratch), ..fetched(scratch) });
    let before = toy.status("a.nc").await.unwrap().version;
    let file = std::fs::File::options().write(true).open(toy.path("tape/a.nc")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(7)).unwrap();
    assert_ne!(before, "7000000000");
    assert_eq!(toy.status("a.nc").await.unwrap().version, "7000000000");
}

#[tokio::test]
async fn one_bad_path_among_many_fails_alone() {
    let toy = Toy::new(fetched);
    let ticket = toy.stage("1", &["a.nc", "denied.nc", "f.nc", "missing.nc", "fails.nc"]).await.unwrap();
    let states = toy.outcome(&ticket).await;
    let cause = |state: &StageState| match state {
        StageState::Failed(failure) => failure.clone(),
        other => panic!("{other:?} is no failure"),
    };
    assert_eq!((&states[0], &states[2]), (&StageState::Staged, &StageState::Staged));
    assert_eq!(cause(&states[1]).cause, FailureCause::Denied);
    assert_eq!(cause(&states[1]).reason, "tool ended with code 13: you may not have a:denied.nc");
    assert_eq!(cause(&states[3]).cause, FailureCause::NotFound);
    assert_eq!(cause(&states[4]).reason, "the drive is broken");
}

#[tokio::test]
async fn the_archives_name_for_a_batch_is_kept() {
    let toy = Toy::new(fetched);
    let ticket = toy.stage("k1", &["a.nc"]).await.unwrap();
    assert_eq!(ticket.store_id.as_deref(), Some("job-k1"));
}

#[tokio::test]
async fn a_batch_of_an_earlier_server_is_found_by_its_key() {
    let mut toy = Toy::new(fetched);
    let ticket = toy.stage("k1", &["a.nc", "f.nc"]).await.unwrap();
    toy.store = open(&toy.scratch, &toy.config);
    let ticket = StageTicket { store_id: None, ..ticket };
    assert_eq!(toy.outcome(&ticket).await, [StageState::Staged, StageState::Staged]);
    assert_eq!(toy.n_recalls().await.unwrap(), 2);
}

/// Objects are recalled, and followed by the name that a script gives their batch.
fn named(scratch: &tempfile::TempDir, progress: &str) -> Config {
    let stage = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/staged\"\necho '{\"id\": \"4711\"}'\n";
    let stage = script(scratch.path(), "stage", stage);
    let progress = script(scratch.path(), "progress", progress);
    Config {
        stage: Some(format!("'{stage}' {{paths}}")),
        progress: Some(format!("'{progress}' {{id}}")),
        ..fetched(scratch)
    }
}

#[tokio::test]
async fn a_batch_of_an_earlier_server_is_found_by_the_archives_name_for_it() {
    let mut toy =
        Toy::new(|scratch| named(scratch, "#!/bin/sh\n[ \"$1\" = 4711 ] && echo queued || echo unknown\n"));
    let ticket = toy.stage("k1", &["a.nc", "f.nc"]).await.unwrap();
    assert_eq!(ticket.store_id.as_deref(), Some("4711"));
    toy.store = open(&toy.scratch, &toy.config);
    let states: Vec<_> =
        toy.store.progress(&ticket).await.unwrap().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [StageState::Queued, StageState::Queued]);
    toy.store = open(&toy.scratch, &toy.config);
    let nameless = StageTicket { store_id: None, ..ticket };
    let states = toy.store.progress(&nameless).await.unwrap();
    assert!(states.iter().all(|(_, state)| *state == StageState::Unknown));
}

#[tokio::test]
async fn what_waits_in_the_archives_queue_is_told_as_queued_and_what_is_read_as_active() {
    for (said, state) in [
        ("queued", StageState::Queued),
        ("nothing that is known", StageState::Accepted),
        ("active", StageState::Active { done_bytes: None }),
        (r#"{"state": "active", "done_bytes": 7}"#, StageState::Active { done_bytes: Some(7) }),
    ] {
        let toy = Toy::new(|scratch| named(scratch, &format!("#!/bin/sh\necho '{said}'\n")));
        let ticket = toy.stage("k1", &["a.nc"]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(toy.store.progress(&ticket).await.unwrap()[0].1, state, "{said}");
        }
    }
    let toy = Toy::new(|scratch| Config { progress: None, ..named(scratch, "") });
    let ticket = toy.stage("k1", &["a.nc"]).await.unwrap();
    assert_eq!(toy.store.progress(&ticket).await.unwrap()[0].1, StageState::Accepted);
}

#[tokio::test]
async fn a_command_waits_for_its_turn_however_long_others_take() {
    let toy = Toy::new(|scratch| {
        // Several paths are refused together; one alone takes most of the time that a command may take.
        let body = "#!/bin/sh\n[ $# = 1 ] || exit 1\nsleep 0.7\n";
        let stage = script(scratch.path(), "slow", body);
        Config {
            stage: Some(format!("'{stage}' {{paths}}")),
            progress: None,
            commands_at_once: 1,
            command_time_limit: Duration::from_secs(2),
            ..fetched(scratch)
        }
    });
    let ticket = toy.stage("1", &SOUND[..5]).await.unwrap();
    for (id, state) in toy.store.progress(&ticket).await.unwrap() {
        assert!(!matches!(state, StageState::Failed(_)), "{id}: {state:?}");
    }
}

#[tokio::test]
async fn a_copy_of_another_length_is_not_shown() {
    let short = |scratch: &tempfile::TempDir| {
        let cut = script(scratch.path(), "cut", "#!/bin/sh\nhead -c 100 \"$1\" > \"$2\"\n");
        Config {
            fetch: Some(format!("'{cut}' {{path}} {{target}}")),
            stage: None,
            progress: None,
            ..fetched(scratch)
        }
    };
    let toy = Toy::new(short);
    let ticket = toy.stage("1", &["a.nc"]).await.unwrap();
    let states = toy.outcome(&ticket).await;
    let is_failed = matches!(&states[0], StageState::Failed(failure) if failure.reason.contains("100 bytes"));
    assert!(is_failed, "{states:?}");
    assert_eq!(toy.status("a.nc").await.unwrap().locality, Locality::Nearline);
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_fetched_is_not_taken_for_the_old_one() {
    let replacing = |scratch: &tempfile::TempDir| {
        // Replaced by other bytes of the same number.
        let body = "#!/bin/sh\ncp \"$1\" \"$2\"\ntr '\\001-\\377' '\\002-\\377' < \"$1\" > \"$1.new\"; mv \"$1.new\" \"$1\"\n";
        let replace = script(scratch.path(), "replace", body);
        Config {
            fetch: Some(format!("'{replace}' {{path}} {{target}}")),
            stage: None,
            progress: None,
            ..fetched(scratch)
        }
    };
    let toy = Toy::new(replacing);
    let ticket = toy.stage("1", &["a.nc"]).await.unwrap();
    let states = toy.outcome(&ticket).await;
    let is_failed = matches!(&states[0], StageState::Failed(failure) if failure.reason.contains("replaced"));
    assert!(is_failed, "{states:?}");
}

#[tokio::test]
async fn an_object_of_which_nothing_is_said_is_neither_there_nor_absent() {
    for body in ["exit 0", "echo online /somewhere/else", "echo '{'", "exit 9", "echo 'nearline '"] {
        let toy = Toy::new(|scratch| {
            let locality = script(scratch.path(), "locality", &format!("#!/bin/sh\n{body}\n"));
            Config { locality: format!("'{locality}' {{paths}}"), ..fetched(scratch) }
        });
        let kind = toy.status("a.nc").await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{body}: {kind:?}");
        let kind = toy.stage("1", &["a.nc", "f.nc"]).await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{body}: {kind:?}");
    }
}

#[tokio::test]
async fn an_archive_that_is_down_concludes_nothing() {
    let toy = Toy::new(fetched);
    let ticket = toy.stage("1", &["a.nc"]).await.unwrap();
    std::fs::write(toy.path("down"), "").unwrap();
    assert!(toy.store.progress(&ticket).await.is_err());
    assert!(toy.status("a.nc").await.is_err());
    std::fs::remove_file(toy.path("down")).unwrap();
    assert_eq!(toy.outcome(&ticket).await, [StageState::Staged]);
}

#[tokio::test]
async fn a_command_reads_its_paths_where_its_line_has_no_place_for_them() {
    let toy = Toy::new(|scratch| {
        let body = "#!/bin/sh\nwhile IFS= read -r p; do printf 'nearline\\t%s\\t5\\tv\\n' \"$p\"; done\n";
        Config { locality: script(scratch.path(), "reading", body), ..fetched(scratch) }
    });
    let names = ["a.nc", "b with space.nc", "c&d;e.nc"];
    let objects: Vec<ColdObject> = names.iter().map(|name| toy.object(name)).collect();
    for status in toy.store.status(&objects).await {
        let status = status.unwrap();
        assert_eq!((status.len_bytes, status.version.as_str()), (5, "v"));
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let good = Config {
        locality: "where {paths}".to_owned(),
        stage: Some("stage {paths}".to_owned()),
        spool: Some("/spool".into()),
        ..Config::default()
    };
    assert!(good.checked().is_ok());
    let some = |text: &str| Some(text.to_owned());
    for bad in [
        Config::default(),
        Config { locality: String::new(), ..good.clone() },
        Config { locality: "where {id}".to_owned(), ..good.clone() },
        Config { stage: None, ..good.clone() },
        Config { stage: some("stage {path} {paths}"), ..good.clone() },
        Config { stage: some("stage {paths} && echo"), ..good.clone() },
        Config { spool: None, ..good.clone() },
        Config { spool: Some("relative".into()), ..good.clone() },
        Config { landing: LandingConfig::InPlace, ..good.clone() },
        Config { fetch: some("fetch {path}"), ..good.clone() },
        Config { fetch: some("fetch {target}"), ..good.clone() },
        Config { stage: None, fetch: some("fetch {path} {target}"), stage_waits: true, ..good.clone() },
        Config { commands_at_once: 0, ..good.clone() },
        Config { max_output: 0, ..good.clone() },
        Config { poll_every: Duration::ZERO, ..good.clone() },
    ] {
        assert!(bad.checked().is_err(), "{bad:?}");
    }
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
    for heading in ["slk, with", "A mounted file system"] {
        let text = documented(heading);
        let config: Config =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{heading}\n{text}\n{error}"));
        config.checked().unwrap();
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&written).unwrap(), config, "{heading}");
    }
}
