//! One file that a command looks at: indexed as by `inspect`, and nothing of it is kept.

use std::io::Write;
use std::sync::Arc;

use thermocline_core::manifest::Manifest;

use super::{Failure, Given};
use crate::app::{self, Parts, Purpose, Sources};
use crate::config::Config;
use crate::plugins::Registry;

/// The output that is the standard output.
pub(super) const STDOUT: &str = "-";

/// What a command works with: the parts of a server, and the one dataset of the file.
pub(super) struct OneFile {
    pub(super) parts: Parts,
    pub(super) config: Config,
    pub(super) manifest: Arc<Manifest>,
}

/// Runs `work` over the dataset of a file. The index of this one look is thrown away; what is cold stays cold.
///
/// # Errors
/// Those of `work`; a file that cannot be opened, or that holds none or several datasets.
pub(super) fn with_file<T>(
    registry: &Registry,
    given: &Given,
    file: &str,
    work: impl AsyncFnOnce(&OneFile) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut config = given.load(registry, Vec::new())?.config;
    config.catalogs.dirs.clear();
    let scratch = tempfile::tempdir().map_err(|cause| Failure::because("no temporary folder", cause))?;
    config.state.dir = Some(scratch.path().to_owned());
    config.state.index_dir = Some(scratch.path().join("index"));
    let sources = Sources { paths: vec![file.to_owned()], ..Sources::default() };
    super::runtime()?.block_on(async {
        let parts = app::assemble(registry, &config, &sources, Purpose::Look).await?;
        parts.catalog.scan().await;
        let catalog = Arc::clone(&parts.catalog);
        let outcome = match only(&parts, file).await {
            Ok(manifest) => work(&OneFile { parts, config, manifest }).await,
            Err(failure) => Err(failure),
        };
        catalog.shut_down().await;
        outcome
    })
}

/// The one dataset of the file.
async fn only(parts: &Parts, file: &str) -> Result<Arc<Manifest>, Failure> {
    match parts.catalog.ids().as_slice() {
        [id] => Ok(parts.catalog.open(id.as_str()).await?),
        [] => {
            let problems = parts.catalog.problems().join("; ");
            Err(Failure::Failed(format!("{file} holds no dataset {problems}")))
        }
        ids => {
            Err(Failure::Usage(format!("{file} holds {} datasets: name the file of one of them", ids.len())))
        }
    }
}

/// Writes what came of it.
///
/// # Errors
/// An output that cannot be written.
pub(super) fn write(output: &str, body: &[u8]) -> Result<(), Failure> {
    let written = match output {
        STDOUT => {
            let mut out = std::io::stdout().lock();
            out.write_all(body).and_then(|()| out.flush())
        }
        file => std::fs::write(file, body),
    };
    written.map_err(|cause| Failure::because(format_args!("cannot write {output}"), cause))
}
