//! What the folder keeps, and what it never believes.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;
use thermocline_core::clock::ManualClock;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Kept {
    dir: TempDir,
    clock: ManualClock,
    max_bytes: u64,
}

impl Kept {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), clock: ManualClock::new(1_000_000_000), max_bytes: 1 << 20 }
    }

    /// A folder as a server finds it that starts now.
    fn open(&self) -> Folder {
        let dir = self.dir.path().join("results");
        let settings = FolderSettings { dir, max_bytes: self.max_bytes, keep: DAY };
        Folder::new(settings, Arc::new(self.clock.clone()))
    }

    fn about(&self, etag: &str) -> KeptResult {
        KeptResult {
            etag: etag.into(),
            dataset: "era5".into(),
            revision: "r1".into(),
            path: "/datasets/era5/groupby/tas/time.month/mean".into(),
            len_bytes: 3,
            when_ns: self.clock.now_ns(),
        }
    }

    async fn write(&self, folder: &Folder, etag: &str, values: &ArrayBytes) {
        folder.write(self.about(etag), Arc::new(values.clone())).await.unwrap();
    }

    fn path(&self, etag: &str) -> PathBuf {
        self.dir.path().join("results").join(&*name(etag, EXTENSION))
    }

    fn n_files(&self) -> usize {
        fs::read_dir(self.dir.path().join("results")).unwrap().count()
    }
}

fn bytes(len: usize) -> ArrayBytes {
    ArrayBytes::Fixed((0..len).map(|value| (value % 251) as u8).collect())
}

async fn values(folder: &Folder, etag: &str, expected: Expected) -> Option<ArrayBytes> {
    folder.read(&etag.into(), expected).await.unwrap().map(|(_, values)| values)
}

#[tokio::test]
async fn results_outlive_the_server() {
    let kept = Kept::new();
    let texts = ArrayBytes::Texts(vec!["DJF".into(), String::new(), "é".into()]);
    kept.write(&kept.open(), "a", &bytes(3_000_000 / 10)).await;
    kept.write(&kept.open(), "b", &texts).await;

    let folder = kept.open();
    assert_eq!(values(&folder, "a", Expected::Fixed(300_000)).await, Some(bytes(300_000)));
    assert_eq!(values(&folder, "b", Expected::Texts(3, 1000)).await, Some(texts));
    assert_eq!(values(&folder, "c", Expected::Fixed(3)).await, None);
    assert!(folder.may_hold("a").await.unwrap() && !folder.may_hold("c").await.unwrap());
    let mut listed = folder.list().await.unwrap();
    listed.sort_by(|one, other| one.etag.cmp(&other.etag));
    assert_eq!(listed.len(), 2);
    assert_eq!(KeptResult { len_bytes: 3, ..listed[0].clone() }, kept.about("a"));
}

#[tokio::test]
async fn what_a_killed_server_did_not_finish_is_removed_and_what_is_not_ours_stays() {
    let kept = Kept::new();
    kept.write(&kept.open(), "a", &bytes(3)).await;
    let unfinished = kept.path("b").with_extension(UNFINISHED);
    let (other, folder_like) = (kept.dir.path().join("results/notes.txt"), kept.path("c"));
    fs::write(&unfinished, b"half").unwrap();
    fs::write(&other, b"mine").unwrap();
    fs::create_dir(&folder_like).unwrap();

    let folder = kept.open();
    assert_eq!(folder.list().await.unwrap().len(), 1);
    assert!(!unfinished.exists() && other.exists() && folder_like.exists());
}

#[tokio::test]
async fn damaged_foreign_and_older_files_are_never_believed_and_removed() {
    let kept = Kept::new();
    kept.write(&kept.open(), "a", &bytes(1000)).await;
    let good = fs::read(kept.path("a")).unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut long_header = good.clone();
    long_header[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    for (case, bytes) in [
        ("empty", Vec::new()),
        ("foreign", b"\x89HDF\r\n\x1a\n".repeat(100)),
        ("of another version", changed(8)),
        ("with a header of 4 GiB", long_header),
        ("with a damaged header", changed(100)),
        ("with damaged values", changed(good.len() - 500)),
        ("with a damaged checksum", changed(good.len() - 1)),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("longer than it was", [good.as_slice(), b"x"].concat()),
    ] {
        // Both a file that a server finds when it starts, and one that is damaged while it runs.
        fs::write(kept.path("a"), &bytes).unwrap();
        assert_eq!(values(&kept.open(), "a", Expected::Fixed(1000)).await, None, "a file {case}");
        assert!(!kept.path("a").exists(), "a file {case}");

        fs::write(kept.path("a"), &good).unwrap();
        let folder = kept.open();
        assert!(folder.may_hold("a").await.unwrap());
        fs::write(kept.path("a"), &bytes).unwrap();
        assert_eq!(values(&folder, "a", Expected::Fixed(1000)).await, None, "a file {case}");
        assert!(!folder.may_hold("a").await.unwrap(), "a file {case}");
    }
}

#[tokio::test]
async fn a_file_under_the_name_of_another_result_is_not_that_result() {
    let kept = Kept::new();
    kept.write(&kept.open(), "a", &bytes(8)).await;
    fs::copy(kept.path("a"), kept.path("b")).unwrap();
    assert_eq!(values(&kept.open(), "b", Expected::Fixed(8)).await, None);
    assert!(!kept.path("b").exists() && kept.path("a").exists());

    let folder = kept.open();
    kept.write(&folder, "b", &bytes(8)).await;
    fs::copy(kept.path("a"), kept.path("b")).unwrap();
    assert_eq!(values(&folder, "b", Expected::Fixed(8)).await, None, "nor while the server runs");
}

#[tokio::test]
async fn values_of_another_length_or_kind_than_the_result_has_are_not_read() {
    let kept = Kept::new();
    for (case, expected) in [
        ("another length", Expected::Fixed(999)),
        ("texts", Expected::Texts(1000, 1 << 20)),
        ("no room", Expected::Texts(1, 10)),
    ] {
        let folder = kept.open();
        kept.write(&folder, "a", &bytes(1000)).await;
        assert_eq!(values(&folder, "a", expected).await, None, "{case}");
    }
    let folder = kept.open();
    kept.write(&folder, "t", &ArrayBytes::Texts(vec!["one".into(), "two".into()])).await;
    assert_eq!(
        values(&folder, "t", Expected::Texts(1 << 60, 1 << 20)).await,
        None,
        "nothing is allocated for it"
    );
}

#[tokio::test]
async fn results_expire() {
    let kept = Kept::new();
    let folder = kept.open();
    kept.write(&folder, "a", &bytes(3)).await;
    kept.clock.advance(DAY - Duration::from_secs(1));
    kept.write(&folder, "b", &bytes(3)).await;
    assert!(values(&folder, "a", Expected::Fixed(3)).await.is_some());

    kept.clock.advance(Duration::from_secs(1));
    assert_eq!(values(&folder, "a", Expected::Fixed(3)).await, None);
    assert_eq!(folder.list().await.unwrap().len(), 1);
    assert!(!kept.path("a").exists() && kept.path("b").exists());

    kept.clock.advance(DAY);
    assert!(!kept.open().may_hold("b").await.unwrap(), "nor does a new server know it");
    assert!(!kept.path("b").exists());
}

#[tokio::test]
async fn a_clock_that_was_ahead_makes_nothing_last_longer() {
    let kept = Kept::new();
    let ahead = KeptResult { when_ns: i64::MAX, ..kept.about("a") };
    kept.open().write(ahead, Arc::new(bytes(3))).await.unwrap();
    let folder = kept.open();
    assert!(folder.may_hold("a").await.unwrap());
    kept.clock.advance(DAY);
    assert!(!folder.may_hold("a").await.unwrap());
}

#[tokio::test]
async fn the_oldest_make_room_for_the_newest() {
    let kept = Kept { max_bytes: 10_000, ..Kept::new() };
    let folder = kept.open();
    for etag in ["a", "b", "c", "d"] {
        kept.write(&folder, etag, &bytes(3000)).await;
        kept.clock.advance(Duration::from_secs(1));
    }
    let total: u64 = ["a", "b", "c", "d"]
        .iter()
        .filter_map(|etag| fs::metadata(kept.path(etag)).ok())
        .map(|file| file.len())
        .sum();
    assert!(total <= 10_000, "{total}");
    assert!(!kept.path("a").exists() && kept.path("c").exists() && kept.path("d").exists());

    let smaller = Kept { max_bytes: 5000, ..kept };
    assert_eq!(smaller.open().list().await.unwrap().len(), 1, "a server with less room begins with that");
    assert!(smaller.path("d").exists());
}

#[tokio::test]
async fn a_result_that_never_has_room_is_refused_and_pushes_nothing_out() {
    let kept = Kept { max_bytes: 10_000, ..Kept::new() };
    let folder = kept.open();
    kept.write(&folder, "a", &bytes(3000)).await;
    let refused = folder.write(kept.about("b"), Arc::new(bytes(10_001))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert_eq!(kept.n_files(), 1);
    assert!(values(&folder, "a", Expected::Fixed(3000)).await.is_some());
}

#[tokio::test]
async fn the_same_result_takes_its_room_once() {
    let kept = Kept { max_bytes: 10_000, ..Kept::new() };
    let folder = kept.open();
    for _ in 0..10 {
        kept.write(&folder, "a", &bytes(3000)).await;
    }
    kept.write(&folder, "b", &bytes(3000)).await;
    assert_eq!(folder.list().await.unwrap().len(), 2);
    assert_eq!(kept.n_files(), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_told() {
    let kept = Kept::new();
    fs::write(kept.dir.path().join("results"), b"a file in its place").unwrap();
    let refused = kept.open().write(kept.about("a"), Arc::new(bytes(3))).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_file_is_believed(at in 0_usize..2000, change in 1_u8..) {
        let kept = Kept::new();
        let path = kept.dir.path().join("result");
        file::write(&path, &kept.about("a"), &bytes(64)).unwrap();
        let mut changed = fs::read(&path).unwrap();
        let at = at % changed.len();
        changed[at] ^= change;
        fs::write(&path, &changed).unwrap();
        prop_assert!(file::read(&path, "a", Expected::Fixed(64)).is_err());
    }

    #[test]
    fn texts_come_back_as_they_were(texts in prop::collection::vec(".{0,20}", 0..50)) {
        let kept = Kept::new();
        let path = kept.dir.path().join("result");
        let values = ArrayBytes::Texts(texts.clone());
        file::write(&path, &kept.about("a"), &values).unwrap();
        let read = file::read(&path, "a", Expected::Texts(texts.len() as u64, 1 << 20));
        prop_assert_eq!(read.ok().map(|(_, values)| values), Some(values));
    }
}
