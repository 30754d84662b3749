//! Files that are replaced, written again in place, cut short and deleted while clients read them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thermocline_core::bytes::Root;
use thermocline_testkit::TestServer;

use crate::archive::{N_RECORDS, NoValue, netcdf_pieces, only_value};
use crate::served::{get_in_time, serve_settled};

/// Bytes that are written in place at a time.
const PIECE_BYTES: usize = 4096;

/// How old a file must be before the server indexes it. A file that lies half written for longer is taken
/// for whole: no reader can tell.
const SETTLED_AFTER: Duration = Duration::from_millis(60);

/// What is left of that when a thread is late.
const MAX_PAUSE: Duration = Duration::from_millis(40);

/// How often the server looks at the file by itself: in between only reads can notice that it is written to.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// How long files are written and read.
const DURATION: Duration = Duration::from_secs(5);

/// What clients saw.
#[derive(Default)]
struct Seen {
    versions: BTreeSet<i32>,
    n_whole: usize,
    n_errors: usize,
    /// Reads that would have given bytes of another state than the one that was indexed.
    n_caught: usize,
    mixed: Vec<(String, NoValue)>,
    failures: Vec<String>,
}

/// Writes a file over an older version. False if it lay half written for too long.
type Way = fn(&Path, &[u8]) -> bool;

/// All of them.
const WAYS: [Way; 4] = [replace, write_in_place, cut_and_write, delete_and_write];

/// A file.
#[derive(Clone, Copy)]
struct Case {
    /// Values of a record.
    n_values: usize,
    n_variables: usize,
    /// Records of which the server makes one chunk.
    n_records: usize,
}

impl Case {
    fn file(&self, version: i32) -> Vec<u8> {
        netcdf_pieces(version, self.n_values, self.n_variables).concat()
    }

    fn only_value(&self, chunk: &[u8]) -> Result<i32, NoValue> {
        only_value(chunk, self.n_values * self.n_records)
    }
}

/// Small chunks are read on the caller's thread where the page cache has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_chunks_of_a_file_that_is_written_to_are_of_one_version() {
    let n_caught = race(Case { n_values: 16_384, n_variables: 1, n_records: 1 }).await;
    assert!(n_caught > 0, "no read met a write");
}

/// Large ones are read on a thread that may wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_chunks_of_a_file_that_is_written_to_are_of_one_version() {
    let n_caught = race(Case { n_values: 65_536, n_variables: 1, n_records: 1 }).await;
    assert!(n_caught > 0, "no read met a write");
}

/// Chunks that are gathered from eight places of the file, once for each version: they are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gathered_chunks_of_a_file_that_is_written_to_are_of_one_version() {
    race(Case { n_values: 4096, n_variables: 2, n_records: N_RECORDS }).await;
}

/// Gives how many reads were caught that came too late.
async fn race(case: Case) -> usize {
    let archive = tempfile::tempdir().unwrap();
    let path = archive.path().join("a.nc");
    replace(&path, &case.file(0));
    let roots = vec![Root::directory(archive.path()).unwrap()];
    let places = [archive.path().to_str().unwrap()];
    let server = serve_settled(roots, &places, CHECK_EVERY, SETTLED_AFTER).await;
    let server = Arc::new(server);
    let first = get_in_time(&server, "/datasets/a/zarr/v0/c/0/0").await;
    assert_eq!(case.only_value(&first.body), Ok(0), "{}", first.status);

    let is_over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || write_again_and_again(&path, case, &is_over)
    });
    let clients: Vec<_> =
        (0..4).map(|client| tokio::spawn(read(Arc::clone(&server), client, case))).collect();
    let mut seen = Seen::default();
    for client in clients {
        let other = client.await.unwrap();
        seen.versions.extend(other.versions);
        seen.n_whole += other.n_whole;
        seen.n_errors += other.n_errors;
        seen.n_caught += other.n_caught;
        seen.mixed.extend(other.mixed);
        seen.failures.extend(other.failures);
    }
    is_over.store(true, Ordering::Release);
    let Written { n_versions, slow } = writer.join().unwrap();
    seen.mixed.retain(|(_, value)| match value {
        NoValue::Mixed(a, b) => !slow.contains(a) && !slow.contains(b),
        NoValue::Length(_) => true,
    });
    seen.failures.extend(seen.mixed.iter().map(|mixed| format!("{mixed:?}")));

    println!(
        "{} answers, {} errors, {} reads caught, {} of {n_versions} versions",
        seen.n_whole,
        seen.n_errors,
        seen.n_caught,
        seen.versions.len()
    );
    assert!(
        seen.failures.is_empty(),
        "{} failures:\n{}",
        seen.failures.len(),
        seen.failures[..seen.failures.len().min(20)].join("\n")
    );
    let is_telling = seen.versions.len() > 5 && seen.n_whole > 100;
    assert!(is_telling, "too little was read to tell anything");
    let mut last = Ok(-1);
    for _ in 0..200 {
        let answer = get_in_time(&server, "/datasets/a/zarr/v0/c/0/0").await;
        last = case.only_value(&answer.body);
        if last == Ok(n_versions) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(last, Ok(n_versions), "what was written last is never served");
    seen.n_caught
}

async fn read(server: Arc<TestServer>, client: usize, case: Case) -> Seen {
    let mut seen = Seen::default();
    let started = Instant::now();
    let mut n = client;
    while started.elapsed() < DURATION {
        n += 1;
        let record = n % (N_RECORDS / case.n_records);
        let path = match n % 3 {
            0 => format!("/datasets/a/zarr/v0/c/{record}/0"),
            1 => format!("/datasets/a/zarr-v2/v0/{record}.0"),
            _ => format!("/datasets/a/zarr-core/v0/c/{record}/0"),
        };
        let answer = server.get(&path).await.unwrap();
        match answer.status.as_u16() {
            200 => match case.only_value(&answer.body) {
                Ok(version) => {
                    seen.n_whole += 1;
                    seen.versions.insert(version);
                }
                Err(mixed) => seen.mixed.push((path, mixed)),
            },
            404 => seen.failures.push(format!("{path}: 404, which reads as fill: {}", answer.text())),
            400..600 => {
                seen.n_errors += 1;
                seen.n_caught += usize::from(answer.text().contains("changed after it was indexed"));
            }
            other => seen.failures.push(format!("{path}: status {other}")),
        }
        tokio::task::yield_now().await;
    }
    seen
}

/// What was written.
struct Written {
    /// The last version, which is whole.
    n_versions: i32,
    /// Versions that lay half written for long.
    slow: Vec<i32>,
}

fn write_again_and_again(path: &Path, case: Case, is_over: &AtomicBool) -> Written {
    let mut written = Written { n_versions: 0, slow: Vec::new() };
    while !is_over.load(Ordering::Acquire) {
        written.n_versions += 1;
        let version = written.n_versions;
        let write = WAYS[version as usize % WAYS.len()];
        if !write(path, &case.file(version)) {
            written.slow.push(version);
        }
        // From pauses in which nothing can be indexed to such in which everything is read.
        std::thread::sleep(Duration::from_millis([250, 0, 250, 30, 250][version as usize % 5]));
    }
    written
}

fn replace(path: &Path, bytes: &[u8]) -> bool {
    let next: PathBuf = path.with_extension("part");
    fs::write(&next, bytes).unwrap();
    fs::rename(next, path).unwrap();
    true
}

fn write_in_place(path: &Path, bytes: &[u8]) -> bool {
    let mut file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    let mut longest = Duration::ZERO;
    let mut before = Instant::now();
    let n_pieces = bytes.len().div_ceil(PIECE_BYTES);
    for (number, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
        file.write_all(piece).unwrap();
        if number == n_pieces / 2 {
            // In the middle of a record, so that readers come between.
            std::thread::sleep(Duration::from_millis(5));
        }
        longest = longest.max(before.elapsed());
        before = Instant::now();
    }
    longest < MAX_PAUSE
}

fn cut_and_write(path: &Path, bytes: &[u8]) -> bool {
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.set_len(bytes.len() as u64 / 3).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    write_in_place(path, bytes)
}

fn delete_and_write(path: &Path, bytes: &[u8]) -> bool {
    fs::remove_file(path).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    replace(path, bytes)
}
