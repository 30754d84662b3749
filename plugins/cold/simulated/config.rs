//! What can be set about the library.

use std::path::PathBuf;
use std::time::Duration;

use globset::{Glob, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::units::{size, span};
use thermocline_core::staging::tape::Media;
use thermocline_core::{Error, Result};

/// Most drives of a library.
const MAX_DRIVES: usize = 4096;

/// `[cold.NAME]` with `kind = "simulated"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Number of tape drives: as many recalls are under way at the same time.
    pub drives: usize,
    /// How many times faster than a real library everything happens: 60 makes a minute a second.
    pub speed: f64,
    /// How long fetching and loading a tape takes.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub mount: Duration,
    /// How long unloading a tape and putting it back takes.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub unmount: Duration,
    /// Bytes a second that a drive reads.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub drive_rate: u64,
    /// Capacity of a tape. Files in the order of their names fill one tape after the other.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub tape_capacity: u64,
    /// How much of a tape is used where no table says where files lie: a small archive then lies on several
    /// tapes. Not more than the capacity.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub tape_fill: u64,
    /// A table of places, `.toml`, `.json` or `.csv`: which file, or which files by a glob, lie on which tape
    /// and where. A relative path begins at the file that names it.
    pub table: Option<PathBuf>,
    /// Whether the library knows the Adler-32 of its files. Each file is read once for it.
    pub checksums: bool,
    /// Most objects in one batch.
    pub batch_objects: usize,
    /// Most recalls that may wait. Further batches are refused until there are fewer.
    pub max_waiting: usize,
    /// How often the library is asked how far it is.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_every: Duration,
    /// How long a finished batch can be asked about.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub keep_batches: Duration,
    /// Whether all batches are forgotten when the server starts again, as some real systems do.
    pub forgets_batches: bool,
    /// A file to which each recall is appended when it ends, one JSON document a line. A relative path begins at
    /// the file that names it.
    pub recall_log: Option<PathBuf>,
    /// Number from which chance is made: the same seed, the same failures.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<FaultConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drives: 4,
            speed: 1.0,
            mount: Duration::from_secs(60),
            unmount: Duration::from_secs(60),
            drive_rate: 360_000_000,
            tape_capacity: 12_000_000_000_000,
            tape_fill: 12_000_000_000_000,
            table: None,
            checksums: false,
            batch_objects: 1000,
            max_waiting: 1_000_000,
            poll_every: Duration::from_secs(1),
            keep_batches: Duration::from_secs(24 * 3600),
            forgets_batches: false,
            recall_log: None,
            seed: 0,
            faults: Vec::new(),
        }
    }
}

/// Something that goes wrong with some files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultConfig {
    /// Glob of the files: paths below their root.
    pub path: String,
    /// What goes wrong.
    pub fault: FaultKind,
    /// The first so many recalls of each file; 0 for all of them.
    #[serde(default)]
    pub times: u32,
    /// The share of those recalls, 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// `slow`: how much longer it takes; `busy`: when to ask again.
    #[serde(default = "a_minute", with = "span")]
    #[schemars(with = "String")]
    pub delay: Duration,
}

fn always() -> f64 {
    1.0
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The drive fails while it reads; asking again may help.
    Fail,
    /// The recall takes longer, by `delay`, whatever the speed.
    Slow,
    /// One bit of what comes from the tape is wrong.
    Corrupt,
    /// The library says that the file is staged, and it is not.
    Lie,
    /// Batches with the file are refused: ask again after `delay`.
    Busy,
    /// The recall begins and never ends.
    Stall,
    /// The tape cannot be read any more.
    Lost,
    /// The library denies the recall.
    Denied,
}

/// A fault, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) matcher: GlobMatcher,
    pub(crate) kind: FaultKind,
    pub(crate) times: u32,
    pub(crate) share: f64,
    pub(crate) delay: Duration,
}

impl Config {
    /// The media that the library uses.
    pub(crate) fn media(&self) -> Media {
        Media {
            capacity_bytes: self.tape_capacity,
            bytes_per_second: self.drive_rate as f64,
            mount: self.mount,
            unmount: self.unmount,
            ..Media::lto8()
        }
    }

    /// What goes wrong, once everything in the configuration makes sense.
    pub(crate) fn checked_faults(&self) -> Result<Vec<Fault>> {
        let invalid = |what: &str| Err(Error::invalid_input(what));
        if !(1..=MAX_DRIVES).contains(&self.drives) {
            return Err(Error::invalid_input(format!(
                "drives: {} is not within 1 and {MAX_DRIVES}",
                self.drives
            )));
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return invalid("speed: must be greater than 0");
        }
        if self.drive_rate == 0 || self.tape_capacity == 0 {
            return invalid("drive_rate and tape_capacity: must be greater than 0");
        }
        if !(1..=self.tape_capacity).contains(&self.tape_fill) {
            return invalid("tape_fill: must be greater than 0 and not more than tape_capacity");
        }
        if self.batch_objects == 0 || self.max_waiting == 0 || self.poll_every.is_zero() {
            return invalid("batch_objects, max_waiting and poll_every: must be greater than 0");
        }
        self.faults.iter().enumerate().map(|(i, fault)| fault.checked(i)).collect()
    }
}

impl FaultConfig {
    fn checked(&self, index: usize) -> Result<Fault> {
        let matcher = Glob::new(&self.path)
            .map_err(|cause| Error::invalid_input(format!("faults[{index}].path: {cause}")))?
            .compile_matcher();
        if !(0.0..=1.0).contains(&self.share) {
            return Err(Error::invalid_input(format!(
                "faults[{index}].share: {} is not within 0 and 1",
                self.share
            )));
        }
        Ok(Fault { matcher, kind: self.fault, times: self.times, share: self.share, delay: self.delay })
    }
}
