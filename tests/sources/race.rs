//! Files that are replaced, written again in place, cut short and deleted while clients read them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thermocline_core::bytes::Root;
use thermocline_testkit::TestServer;

use crate::archive::{N_RECORDS, netcdf_pieces, only_value};
use crate::served::{get_in_time, serve};

/// How long files are written and read.
const DURATION: Duration = Duration::from_secs(5);

/// What clients saw.
#[derive(Default)]
struct Seen {
    versions: BTreeSet<i32>,
    n_whole: usize,
    n_errors: usize,
    failures: Vec<String>,
}

/// A file and who writes it.
#[derive(Clone, Copy)]
struct Case {
    /// Values of a record.
    n_values: usize,
    n_variables: usize,
    /// Records of which the server makes one chunk.
    n_records: usize,
    /// How the file is written, in turn.
    ways: &'static [fn(&Path, &[Vec<u8>])],
}

impl Case {
    fn pieces(&self, version: i32) -> Vec<Vec<u8>> {
        netcdf_pieces(version, self.n_values, self.n_variables)
    }

    fn only_value(&self, chunk: &[u8]) -> Result<i32, String> {
        only_value(chunk, self.n_values * self.n_records)
    }
}

/// Small chunks are read on the caller's thread where the page cache has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_chunks_of_a_file_that_is_written_to_are_of_one_version() {
    let ways: &[fn(&Path, &[Vec<u8>])] = &[replace, write_in_place, cut_and_write, delete_and_write];
    race(Case { n_values: 16_384, n_variables: 1, n_records: 1, ways }).await;
}

/// Large ones are read on a thread that may wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_chunks_of_a_file_that_is_written_to_are_of_one_version() {
    let ways: &[fn(&Path, &[Vec<u8>])] = &[replace, write_in_place, cut_and_write, delete_and_write];
    race(Case { n_values: 65_536, n_variables: 1, n_records: 1, ways }).await;
}

/// A chunk that is gathered from eight places is not of one version in a file that is half written: here
/// each version comes whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gathered_chunks_of_a_file_that_is_replaced_are_of_one_version() {
    let ways: &[fn(&Path, &[Vec<u8>])] = &[replace, delete_and_write];
    race(Case { n_values: 4096, n_variables: 2, n_records: N_RECORDS, ways }).await;
}

async fn race(case: Case) {
    let archive = tempfile::tempdir().unwrap();
    let path = archive.path().join("a.nc");
    replace(&path, &case.pieces(0));
    let roots = vec![Root::directory(archive.path()).unwrap()];
    let server = serve(roots, &[archive.path().to_str().unwrap()], Duration::from_millis(5)).await;
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
        seen.failures.extend(other.failures);
    }
    is_over.store(true, Ordering::Release);
    let n_versions = writer.join().unwrap();

    println!(
        "{} answers, {} errors, {} of {n_versions} versions",
        seen.n_whole,
        seen.n_errors,
        seen.versions.len()
    );
    assert!(
        seen.failures.is_empty(),
        "{} failures:\n{}",
        seen.failures.len(),
        seen.failures[..seen.failures.len().min(20)].join("\n")
    );
    assert!(seen.versions.len() > 5 && seen.n_whole > 100, "too little was read to tell anything");
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
                Err(mixed) => seen.failures.push(format!("{path}: {mixed}")),
            },
            404 => seen.failures.push(format!("{path}: 404, which reads as fill: {}", answer.text())),
            400..600 => seen.n_errors += 1,
            other => seen.failures.push(format!("{path}: status {other}")),
        }
        tokio::task::yield_now().await;
    }
    seen
}

/// Ends with a whole file, whose version it returns.
fn write_again_and_again(path: &Path, case: Case, is_over: &AtomicBool) -> i32 {
    let mut version = 0;
    while !is_over.load(Ordering::Acquire) {
        version += 1;
        let write = case.ways[version as usize % case.ways.len()];
        write(path, &case.pieces(version));
        // From pauses in which nothing can be indexed to such in which everything is read.
        std::thread::sleep(Duration::from_millis(match version % 7 {
            0 => 0,
            1 => 2,
            2 => 5,
            3 => 15,
            4 => 40,
            _ => 80,
        }));
    }
    version
}

fn replace(path: &Path, pieces: &[Vec<u8>]) {
    let next: PathBuf = path.with_extension("part");
    fs::write(&next, pieces.concat()).unwrap();
    fs::rename(next, path).unwrap();
}

/// Record by record: whatever is half written, each chunk is of one version.
fn write_in_place(path: &Path, pieces: &[Vec<u8>]) {
    let mut file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    for piece in pieces {
        file.write_all(piece).unwrap();
    }
}

fn cut_and_write(path: &Path, pieces: &[Vec<u8>]) {
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    let header_and_two: usize = pieces.iter().take(3).map(Vec::len).sum();
    file.set_len(header_and_two as u64).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    write_in_place(path, pieces);
}

fn delete_and_write(path: &Path, pieces: &[Vec<u8>]) {
    fs::remove_file(path).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    replace(path, pieces);
}
