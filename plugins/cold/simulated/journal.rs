//! What the library was told, on disk: a library outlives the servers that use it.
//!
//! A folder with `library.json`, the library as it was at some time, and `inputs.jsonl`, what it was told since.
//! A last line that was not written whole is dropped: nobody was told that it counts.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::library::{Key, Library, NewBatch, Rules};

/// Inputs are replaced by a picture of the library when they have grown to this size and to twice its own.
const SNAPSHOT_AFTER_BYTES: u64 = 4 << 20;

/// Something that the library was told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Input {
    /// To recall a batch.
    Stage(NewBatch),
    /// To stop recalling files of a batch.
    Cancel {
        /// Key of the batch.
        batch: String,
        /// The files.
        files: Vec<Key>,
    },
    /// That copies are not needed any more.
    Release(Vec<Key>),
    /// That the recalls which ended so far were noted down.
    Noted,
    /// To forget which batches there were.
    Forget,
}

impl Input {
    /// Tells it to the library.
    pub(crate) fn apply(self, library: &mut Library, rules: &Rules) {
        match self {
            Self::Stage(batch) => library.accept(rules, batch),
            Self::Cancel { batch, files } => library.cancel(rules, &batch, &files),
            Self::Release(files) => library.release(&files),
            Self::Noted => drop(library.take_ended()),
            Self::Forget => library.forget_batches(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Line<I> {
    number: u64,
    at_ns: i64,
    input: I,
}

#[derive(Serialize, Deserialize)]
struct Snapshot<L> {
    /// Number of the last input that is in it.
    number: u64,
    library: L,
}

/// The folder of a library.
pub(crate) struct Journal {
    folder: PathBuf,
    inputs: File,
    len_bytes: u64,
    snapshot_bytes: u64,
    number: u64,
}

impl Journal {
    /// Opens the folder, or makes it, and gives the library as it stands there.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the folder cannot be used, [`ErrorKind::Corrupt`] if it holds something else.
    pub(crate) fn open(folder: &Path, rules: &Rules) -> Result<(Self, Library)> {
        fs::create_dir_all(folder).map_err(|cause| unusable(folder, cause))?;
        let (mut library, mut number, snapshot_bytes) = read_snapshot(&folder.join("library.json"))?;
        let path = folder.join("inputs.jsonl");
        let options = || OpenOptions::new().read(true).append(true).create(true).open(&path);
        let inputs = options().map_err(|cause| unusable(&path, cause))?;
        let len_bytes = replay(&inputs, &path, &mut library, (rules, &mut number))?;
        inputs.set_len(len_bytes).map_err(|cause| unusable(&path, cause))?;
        Ok((Self { folder: folder.to_owned(), inputs, len_bytes, snapshot_bytes, number }, library))
    }

    /// Writes down an input. It counts once this has returned.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot be written.
    pub(crate) fn append(&mut self, at_ns: i64, input: &Input) -> Result<()> {
        let line = Line { number: self.number + 1, at_ns, input };
        let mut text = serde_json::to_vec(&line)
            .map_err(|cause| Error::internal("an input of the library is no JSON").with_source(cause))?;
        text.push(b'\n');
        if let Err(cause) = self.inputs.write_all(&text) {
            // A part of a line must not stand before the next one.
            let _ = self.inputs.set_len(self.len_bytes);
            return Err(unusable(&self.folder, cause));
        }
        self.number += 1;
        self.len_bytes += text.len() as u64;
        Ok(())
    }

    /// Replaces the inputs by a picture of `library`, when there are many. A failure is only a warning: the
    /// inputs stay.
    pub(crate) fn shorten(&mut self, library: &Library) {
        if self.len_bytes < SNAPSHOT_AFTER_BYTES.max(2 * self.snapshot_bytes) {
            return;
        }
        if let Err(error) = self.write_snapshot(library) {
            warn!(%error, "the state of a simulated library was not shortened");
            // Not again before it has grown as much once more.
            self.snapshot_bytes = self.len_bytes;
        }
    }

    fn write_snapshot(&mut self, library: &Library) -> Result<()> {
        let text = serde_json::to_vec(&Snapshot { number: self.number, library })
            .map_err(|cause| Error::internal("a library is no JSON").with_source(cause))?;
        let (new, path) = (self.folder.join("library.json.new"), self.folder.join("library.json"));
        fs::write(&new, &text)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|cause| unusable(&path, cause))?;
        // Inputs that are in the picture are passed over if this does not happen any more.
        self.inputs.set_len(0).map_err(|cause| unusable(&self.folder, cause))?;
        (self.len_bytes, self.snapshot_bytes) = (0, text.len() as u64);
        Ok(())
    }
}

fn read_snapshot(path: &Path) -> Result<(Library, u64, u64)> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok((Library::default(), 0, 0)),
        Err(cause) => return Err(unusable(path, cause)),
    };
    let snapshot: Snapshot<Library> = serde_json::from_slice(&text).map_err(|cause| {
        Error::corrupt(format!("{} is no state of a simulated library", path.display())).with_source(cause)
    })?;
    Ok((snapshot.library, snapshot.number, text.len() as u64))
}

/// Tells a library what stands in a file, and gives the length of its whole lines.
fn replay(
    inputs: &File,
    path: &Path,
    library: &mut Library,
    (rules, number): (&Rules, &mut u64),
) -> Result<u64> {
    let mut reader = BufReader::new(inputs);
    let (mut len_bytes, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let n_bytes = reader.read_until(b'\n', &mut text).map_err(|cause| unusable(path, cause))?;
        if text.last() != Some(&b'\n') {
            return Ok(len_bytes);
        }
        let line: Line<Input> = serde_json::from_slice(&text).map_err(|cause| {
            Error::corrupt(format!("{} at byte {len_bytes}", path.display())).with_source(cause)
        })?;
        len_bytes += n_bytes as u64;
        if line.number > *number {
            library.advance(rules, line.at_ns);
            line.input.apply(library, rules);
            *number = line.number;
        }
    }
}

fn unusable(path: &Path, cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(60) };
    Error::new(kind, format!("cannot use {}", path.display())).with_source(cause)
}
