//! Damaged files: whatever bytes a file has, reading it neither panics nor hangs, and what is served
//! is what the reference library reads.
//!
//! `THERMOCLINE_MUTANTS` says how many damaged files are made (default 400), `THERMOCLINE_SAMPLES` names
//! a folder of sound files to damage besides the test data.

#![cfg(test)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thermocline_core::format::{Format, Source};
use thermocline_core::reference::{WorkerSettings, Workers};
use thermocline_core::verify::{VerifyLevel, verify};
use thermocline_testkit::{LocalFile, decode_all, mutate};

/// Larger files make every mutant slow and damage nothing new.
const MAX_SAMPLE_BYTES: u64 = 128 << 10;

/// A mutant that takes longer has hung, as far as a user can tell.
const MAX_TIME: Duration = Duration::from_secs(30);

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    Served,
    SilentDifference(String),
    Panicked(String),
    Hung,
}

#[test]
fn damaged_files_never_panic_hang_or_give_other_values_than_the_reference_library() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let formats = thermocline::Registry::builtin().formats().to_vec();
    let directory = tempfile::tempdir().unwrap();
    let command = vec![env!("CARGO_BIN_EXE_reference-worker").to_owned()];
    // libhdf5 hangs on some damaged files: the worker is given up then, and that must not take minutes here.
    let settings = WorkerSettings { timeout: Duration::from_secs(5), ..WorkerSettings::default() };
    let workers = Workers::new(command, directory.path().join("spool"), settings);
    let samples = samples();
    assert!(samples.len() > 20, "only {} files to damage", samples.len());
    let n_mutants: u64 = std::env::var("THERMOCLINE_MUTANTS").map_or(400, |n| n.parse().unwrap());

    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for seed in 0..n_mutants {
        let sample = &samples[(seed as usize) % samples.len()];
        let name = sample.file_name().unwrap().to_str().unwrap();
        let path = directory.path().join(format!("{seed}-{name}"));
        std::fs::write(&path, mutate(&std::fs::read(sample).unwrap(), seed)).unwrap();
        let outcome = read(&formats, &workers, &path, runtime.handle());
        std::fs::remove_file(&path).unwrap();
        match &outcome {
            Outcome::Refused | Outcome::Served => {}
            bad => failures.push(format!("{name}, seed {seed}: {bad:?}")),
        }
        let kind = format!("{outcome:?}").split('(').next().unwrap_or_default().to_owned();
        *outcomes.entry(kind).or_default() += 1;
    }
    println!("{n_mutants} mutants of {} files: {outcomes:?}", samples.len());
    assert!(failures.is_empty(), "{} of {n_mutants}:\n{}", failures.len(), failures.join("\n"));
    assert!(outcomes.len() > 1, "the damage is too mild or too strong to tell anything: {outcomes:?}");
}

/// Sound files of every format, small ones, in a fixed order.
fn samples() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("data/files")];
    folders.extend(std::env::var_os("THERMOCLINE_SAMPLES").map(PathBuf::from));
    let mut samples: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.metadata().unwrap().len() <= MAX_SAMPLE_BYTES)
        .collect();
    samples.sort();
    samples
}

fn read(
    formats: &[Arc<dyn Format>],
    workers: &Workers,
    path: &Path,
    runtime: &tokio::runtime::Handle,
) -> Outcome {
    let started = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let file = LocalFile::open(path, runtime).unwrap();
        file.with_source(|source| index_and_compare(formats, workers, source, path))
    }));
    match result {
        Ok(_) if started.elapsed() > MAX_TIME => Outcome::Hung,
        Ok(outcome) => outcome,
        Err(panic) => Outcome::Panicked(
            panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without text".to_owned()),
        ),
    }
}

/// Indexes as the server does, then compares everything that would be served.
fn index_and_compare(
    formats: &[Arc<dyn Format>],
    workers: &Workers,
    source: &Source<'_>,
    path: &Path,
) -> Outcome {
    let len_bytes = source.object.object().len_bytes;
    let head = source.object.read_at(0, len_bytes.min(65_536) as usize).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let Some(format) = formats.iter().find(|format| format.sniff(&head, name)) else {
        return Outcome::Refused;
    };
    let Ok(mut indexed) = format.index(source) else { return Outcome::Refused };
    if verify(format.as_ref(), workers, source, &mut indexed, VerifyLevel::Sample).is_err() {
        return Outcome::Refused;
    }
    decode_all(format.as_ref(), source, &indexed);
    let n_refused = indexed.dataset.refusals.len();
    if verify(format.as_ref(), workers, source, &mut indexed, VerifyLevel::Full).is_err() {
        return Outcome::Refused;
    }
    match indexed.dataset.refusals.get(n_refused) {
        Some(refusal) => Outcome::SilentDifference(format!("{}: {}", refusal.path, refusal.reason)),
        None => Outcome::Served,
    }
}
