//! Conformance suites: what every implementation of a trait of the core must do.

mod byte_source;
mod cold;
mod provider;

use std::path::Path;

use anyhow::{Context, ensure};
use thermocline_core::format::{Format, Indexed};
use thermocline_core::reference::InProcess;
use thermocline_core::verify::{VerifyLevel, verify};

use crate::{LocalFile, decode_all, mutate};

pub use byte_source::byte_source;
pub use cold::{ColdFile, ColdSite, cold, cold_reads};
pub use provider::provider;

/// Checks a format on one sound file: it is recognised, indexing is repeatable, every chunk decodes to
/// exactly its size, and the reference library (if there is one) reads the same bits.
///
/// # Errors
/// The first claim that does not hold.
pub fn format(format: &dyn Format, path: &Path, runtime: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let file = LocalFile::open(path, runtime)?;
    file.with_source(|source| {
        let n_head = usize::try_from(source.object.object().len_bytes.min(65_536))?;
        let head = source.object.read_at(0, n_head)?;
        let name = path.file_name().and_then(|name| name.to_str()).context("a file name in UTF-8")?;
        ensure!(format.sniff(&head, name), "{name} is not recognised");
        let mut indexed = format.index(source)?;
        let again = format.index(source)?;
        // As text, in which every number but NaN stands with all its digits: NaN is not equal to itself.
        let text = |indexed: &Indexed| format!("{:?}", indexed.dataset);
        ensure!(text(&indexed) == text(&again), "indexing twice gives two datasets");
        ensure!(indexed.tables == again.tables, "indexing twice gives two chunk tables");
        ensure!(indexed.inline == again.inline, "indexing twice gives other inline bytes");
        for (variable, index, values) in decode_all(format, source, &indexed) {
            values.with_context(|| format!("chunk {index:?} of {variable}"))?;
        }
        let n_refused = indexed.dataset.refusals.len();
        verify(format, &InProcess, source, &mut indexed, VerifyLevel::Full)?;
        let refused = indexed.dataset.refusals.get(n_refused..).unwrap_or_default();
        ensure!(refused.is_empty(), "differs from the reference library: {refused:?}");
        Ok(())
    })
}

/// Damages a file in `n_mutants` ways and reads each: errors are fine, panics and hangs are not.
///
/// # Errors
/// When files cannot be written, or a chunk decodes to another size than its own.
pub fn format_withstands_damage(
    format: &dyn Format,
    path: &Path,
    seeds: std::ops::Range<u64>,
    runtime: &tokio::runtime::Handle,
) -> anyhow::Result<()> {
    let sound = std::fs::read(path)?;
    let directory = std::env::temp_dir().join(format!("thermocline-mutants-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let name = path.file_name().and_then(|name| name.to_str()).context("a file name in UTF-8")?;
    for seed in seeds {
        let mutant = directory.join(format!("{seed}-{name}"));
        std::fs::write(&mutant, mutate(&sound, seed))?;
        let file = LocalFile::open(&mutant, runtime)?;
        file.with_source(|source| {
            if let Ok(indexed) = format.index(source) {
                decode_all(format, source, &indexed);
            }
        });
        std::fs::remove_file(&mutant)?;
    }
    Ok(())
}
