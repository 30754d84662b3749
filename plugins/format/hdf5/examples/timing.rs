//! Times the indexing of files: `cargo run --release -p thermocline-format-hdf5 --example timing [--far] FILE…`.
//!
//! With `--far` a file is read as if it lay in a store: what is read is counted.

use std::error::Error as StdError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thermocline_core::format::{Format, Limits, OpenOther, ReadAt, Source};
use thermocline_core::{Error, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{Object, ObjectIdentity};

struct Counting {
    file: File,
    path: PathBuf,
    object: Object,
    is_far: bool,
    n_reads: AtomicU64,
    n_bytes: AtomicU64,
}

impl ReadAt for Counting {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        self.n_reads.fetch_add(1, Ordering::Relaxed);
        self.n_bytes.fetch_add(len_bytes as u64, Ordering::Relaxed);
        let mut bytes = vec![0; len_bytes];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|cause| Error::corrupt(format!("{len_bytes} bytes at {offset}")).with_source(cause))?;
        Ok(bytes.into())
    }

    fn local_path(&self) -> Option<&Path> {
        (!self.is_far).then_some(self.path.as_path())
    }
}

struct NoOthers;

impl OpenOther for NoOthers {
    fn open(&self, _name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }

    fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let mut is_far = false;
    for argument in std::env::args().skip(1) {
        if argument == "--far" {
            is_far = true;
            continue;
        }
        let path = PathBuf::from(&argument);
        let file = File::open(&path)?;
        let len_bytes = file.metadata()?.len();
        let identity = ObjectIdentity::ETag(String::new());
        let href = if is_far { format!("https://example.invalid/{argument}") } else { argument.clone() };
        let object = Object { href, len_bytes, identity };
        let (n_reads, n_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let counting = Arc::new(Counting { file, path, object, is_far, n_reads, n_bytes });
        let limits = Limits::default();
        let object: Arc<dyn ReadAt> = Arc::clone(&counting) as Arc<dyn ReadAt>;
        let source = Source { object, others: &NoOthers, limits: &limits };
        let started = Instant::now();
        let indexed = Hdf5Format::default().index(&source)?;
        let took = started.elapsed();
        let n_chunks: usize = indexed.tables.iter().map(thermocline_model::ChunkTable::len).sum();
        println!(
            "{argument}: {n_chunks} chunks in {:.1} ms, {} reads, {:.1} MiB",
            took.as_secs_f64() * 1e3,
            counting.n_reads.load(Ordering::Relaxed),
            counting.n_bytes.load(Ordering::Relaxed) as f64 / f64::from(1 << 20),
        );
    }
    Ok(())
}
