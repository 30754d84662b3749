//! Damaged files: whatever bytes a file has, reading it neither panics nor hangs, and what is served
//! is what the reference library reads.
//!
//! `THERMOCLINE_MUTANTS` says how many damaged files are made (default 400), `THERMOCLINE_SAMPLES` names
//! a folder of sound files to damage besides the test data.
//!
//! # Limits
//! Values are judged, names and attributes are not. Nobody judges Zarr stores and reference documents.

#![cfg(test)]

#[path = "damage/examine.rs"]
mod examine;
#[path = "damage/sample.rs"]
mod sample;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thermocline_core::reference::{WorkerSettings, Workers};

use examine::{Examiner, Outcome, Verdict};
use sample::Sample;

#[test]
fn damaged_files_never_panic_hang_or_give_other_values_than_the_reference_library() {
    let n_mutants: u64 = std::env::var("THERMOCLINE_MUTANTS").map_or(400, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let examiner = Examiner {
        formats: thermocline::Registry::builtin().formats().into(),
        workers: Arc::new(workers(folder.path().join("spool"))),
        runtime: runtime.handle().clone(),
    };
    let samples = samples(&examiner);
    assert!(samples.len() > 20, "only {} files to damage", samples.len());

    let next = AtomicU64::new(0);
    let lane = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= n_mutants {
                return tally;
            }
            let sample = &samples[seed as usize % samples.len()];
            let home = folder.path().join(seed.to_string());
            std::fs::create_dir(&home).unwrap();
            let outcome = examiner.examine(&sample.write_mutant(seed, &home));
            std::fs::remove_dir_all(&home).unwrap();
            tally.count(&format!("{} seed {seed}", sample.name()), outcome);
        }
    };
    let tally = std::thread::scope(|scope| {
        let n_lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes: Vec<_> = (0..n_lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).fold(Tally::default(), Tally::with)
    });

    println!("{n_mutants} mutants of {} samples\n{tally}", samples.len());
    assert!(tally.failures().is_empty(), "{}", tally.failures().join("\n"));
    let is_telling = tally.n_refused > 0 && tally.n_equal > 0 && tally.n_loud > 0;
    assert!(is_telling, "the damage is too mild or too strong to tell anything:\n{tally}");
}

/// The worker processes; libhdf5 hangs on some damaged files, which must not take minutes here.
fn workers(spool: PathBuf) -> Workers {
    let command = vec![env!("CARGO_BIN_EXE_reference-worker").to_owned()];
    let settings = WorkerSettings { timeout: Duration::from_secs(10), ..WorkerSettings::default() };
    Workers::new(command, spool, settings)
}

fn samples(examiner: &Examiner) -> Vec<Sample> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("data/files")];
    folders.extend(std::env::var_os("THERMOCLINE_SAMPLES").map(PathBuf::from));
    Sample::all(&folders, &examiner.formats)
}

/// What became of all mutants.
#[derive(Default)]
struct Tally {
    /// Mutants that indexing refuses.
    n_refused: u64,
    /// Mutants that verification refuses whole.
    n_refused_by_verification: u64,
    /// Mutants that are served.
    n_served: u64,
    /// Variables served with the reference library's bits.
    n_equal: u64,
    /// Variables that are errors or refused.
    n_loud: u64,
    /// Variables served that nobody can judge.
    n_not_judged: u64,
    /// Variables that differ, and that only verification keeps from being served.
    only_verification: Vec<String>,
    silent: Vec<String>,
    panicked: Vec<String>,
    hung: Vec<String>,
}

impl Tally {
    fn count(&mut self, mutant: &str, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.n_refused += 1,
            Outcome::Panicked(text) => self.panicked.push(format!("{mutant}: {text}")),
            Outcome::Hung => self.hung.push(mutant.to_owned()),
            Outcome::Read { is_refused, variables } => {
                if is_refused {
                    self.n_refused_by_verification += 1;
                } else {
                    self.n_served += 1;
                }
                for (path, verdict) in variables {
                    match verdict {
                        Verdict::Equal => self.n_equal += 1,
                        Verdict::Loud => self.n_loud += 1,
                        Verdict::NotJudged => self.n_not_judged += 1,
                        Verdict::OnlyVerification(why) => {
                            self.only_verification.push(format!("{mutant}, {path}: {why:?}"));
                        }
                        Verdict::Silent(why) => self.silent.push(format!("{mutant}, {path}: {why:?}")),
                    }
                }
            }
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.n_refused += other.n_refused;
        self.n_refused_by_verification += other.n_refused_by_verification;
        self.n_served += other.n_served;
        self.n_equal += other.n_equal;
        self.n_loud += other.n_loud;
        self.n_not_judged += other.n_not_judged;
        self.only_verification.extend(other.only_verification);
        self.silent.extend(other.silent);
        self.panicked.extend(other.panicked);
        self.hung.extend(other.hung);
        self
    }

    /// What must not happen.
    fn failures(&self) -> Vec<String> {
        let kinds = [("panic", &self.panicked), ("hang", &self.hung), ("silent difference", &self.silent)];
        kinds.iter().flat_map(|(kind, all)| all.iter().map(move |one| format!("{kind}: {one}"))).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "mutants: {} refused by indexing, {} refused whole by verification, {} served, {} panicked, {} hung",
            self.n_refused,
            self.n_refused_by_verification,
            self.n_served,
            self.panicked.len(),
            self.hung.len()
        )?;
        writeln!(
            f,
            "variables: {} equal, {} loud, {} not judged, {} refused only by verification, {} silent differences",
            self.n_equal,
            self.n_loud,
            self.n_not_judged,
            self.only_verification.len(),
            self.silent.len()
        )?;
        self.only_verification.iter().try_for_each(|one| writeln!(f, "only verification: {one}"))
    }
}
