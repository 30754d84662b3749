//! The conformance suite over toy systems that count their recalls: sparse stubs, and a FUSE file system.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use thermocline_core::cold::command::{ExitCodes, ExitMeaning};
use thermocline_core::cold::{ColdObject, ColdStore, NamespaceRoot, ObjectId, StoreContext};
use thermocline_testkit::conformance::{self, ColdFile, ColdSite};

use crate::tests::{PATIENCE, config};
use crate::{Config, PosixStore};

/// A folder of `tests/posix_hsm`.
fn tool(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/posix_hsm").join(name);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// How to count the recalls of a toy.
enum Counter {
    /// The lines of a log.
    Lines(PathBuf),
    /// A number in a file.
    Number(PathBuf),
}

struct Toy {
    scratch: tempfile::TempDir,
    /// Where its files are seen.
    files: PathBuf,
    config: Config,
    counter: Counter,
    sound: Vec<ColdFile>,
    has_hopeless: bool,
    store: PosixStore,
    mounted: Option<Child>,
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

impl Toy {
    /// Fills a folder that is the tape.
    fn tape(scratch: &tempfile::TempDir, names: &[&str]) -> PathBuf {
        let backing = scratch.path().join("backing");
        std::fs::create_dir(&backing).unwrap();
        for (number, name) in names.iter().enumerate() {
            let content: Vec<u8> = (0..20_000 + number).map(|i| ((i + number) % 251) as u8 + 1).collect();
            std::fs::write(backing.join(name), content).unwrap();
        }
        backing
    }

    fn new(
        scratch: tempfile::TempDir,
        files: PathBuf,
        config: Config,
        counter: Counter,
        mounted: Option<Child>,
    ) -> Self {
        let sound = SOUND.iter().map(|name| ColdFile {
            object: object(&files, name),
            content: std::fs::read(scratch.path().join("backing").join(name)).unwrap(),
        });
        let sound = sound.collect();
        let store = open(&files, &config);
        Self { scratch, files, config, counter, sound, has_hopeless: mounted.is_none(), store, mounted }
    }

    /// Stubs that a command fills.
    fn stubs() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let backing = Self::tape(&scratch, &[&SOUND[..], &["fails.nc", "gone.nc"]].concat());
        let (files, log) = (scratch.path().join("stubs"), scratch.path().join("recalls.log"));
        let make =
            Command::new("python3").arg(tool("stubs.py")).arg("make").args([&backing, &files]).status();
        assert!(make.unwrap().success());
        // A stub whose tape is empty: the tool says that there is no such file.
        std::fs::remove_file(backing.join("gone.nc")).unwrap();
        let command = |what: &str| {
            let (tool, backing, files) = (tool("stubs.py"), backing.display(), files.display());
            format!("python3 '{tool}' {what} '{backing}' '{files}' {{path}}")
        };
        let recall = format!("{} --delay 0.2 --fail fails.nc --log '{}'", command("recall"), log.display());
        let codes: BTreeMap<String, ExitMeaning> = [("2".to_owned(), ExitMeaning::NotFound)].into();
        let config = Config {
            release: Some(command("release")),
            exit_codes: ExitCodes::try_from(codes).unwrap(),
            ..config(&recall)
        };
        Self::new(scratch, files, config, Counter::Lines(log), None)
    }

    /// A FUSE file system whose reads block.
    fn fuse(python: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let backing = Self::tape(&scratch, &[&SOUND[..], &["fails.nc"]].concat());
        let files = scratch.path().join("mount");
        std::fs::create_dir(&files).unwrap();
        let mut mounted = Command::new(python)
            .arg(tool("hsmfs.py"))
            .args([&backing, &files])
            .args(["--delay", "0.3", "--fail", "fails.nc"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (count, began) = (files.join(".hsm/count"), Instant::now());
        while !count.exists() {
            assert!(mounted.try_wait().unwrap().is_none(), "the FUSE file system ended");
            assert!(began.elapsed() < PATIENCE, "the FUSE file system does not mount");
            std::thread::sleep(Duration::from_millis(20));
        }
        let config = Config {
            release: Some("setfattr -n user.hsm.release -v 1 {path}".to_owned()),
            ..config("setfattr -n user.hsm.restore -v 1 {path}")
        };
        Self::new(scratch, files, config, Counter::Number(count), Some(mounted))
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        if let Some(mounted) = &mut self.mounted {
            let _ = Command::new("fusermount").args(["-u", "-z"]).arg(&self.files).status();
            let _ = mounted.kill();
            let _ = mounted.wait();
        }
    }
}

fn object(files: &Path, name: &str) -> ColdObject {
    ColdObject { id: ObjectId::new("a", name).unwrap(), href: files.join(name).to_str().unwrap().into() }
}

fn open(files: &Path, config: &Config) -> PosixStore {
    let base = files.to_str().unwrap().to_owned();
    let root = NamespaceRoot { name: "a".into(), base, map: Vec::new(), store: None };
    PosixStore::new(config.clone(), &StoreContext::new(vec![root])).unwrap()
}

#[async_trait]
impl ColdSite for Toy {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::new(self.store.clone())
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        Ok(Arc::new(open(&self.files, &self.config)))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.sound
    }

    fn missing(&self) -> ColdObject {
        object(&self.files, "missing.nc")
    }

    fn failing(&self) -> Option<ColdObject> {
        Some(object(&self.files, "fails.nc"))
    }

    fn hopeless(&self) -> Option<ColdObject> {
        self.has_hopeless.then(|| object(&self.files, "gone.nc"))
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(match &self.counter {
            Counter::Lines(log) => std::fs::read_to_string(log).unwrap_or_default().lines().count() as u64,
            Counter::Number(count) => std::fs::read_to_string(count)?.trim().parse()?,
        })
    }

    async fn pass(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_file_system_of_stubs_conforms() {
    conformance::cold(&Toy::stubs()).await.unwrap();
}

#[tokio::test]
async fn what_a_file_system_of_stubs_brings_online_is_served() {
    let folder = tempfile::tempdir().unwrap();
    conformance::cold_reads(&Toy::stubs(), folder.path()).await.unwrap();
}

/// Runs over a real mount where `THERMOCLINE_HSM_PYTHON` names a Python that has `fusepy`, as `tests/run cold` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_whose_reads_block_conforms() {
    let Ok(python) = std::env::var("THERMOCLINE_HSM_PYTHON") else {
        // Not through the macro, whose output a test that passes does not show.
        let text = "NOT CHECKED: the posix store over FUSE; `tests/run cold` does, with THERMOCLINE_HSM_PYTHON set\n";
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    };
    let toy = Toy::fuse(&python);
    conformance::cold(&toy).await.unwrap();
    assert!(toy.scratch.path().exists());
}
