//! One file that a command looks at: indexed as by `inspect`, and nothing of it is kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
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
    if output == STDOUT {
        let mut out = io::stdout().lock();
        return out.write_all(body).and_then(|()| out.flush()).map_err(|cause| unwritable(output, cause));
    }
    made(output, |path| fs::write(path, body).map_err(|cause| unwritable(output, cause)))
}

/// Puts the file that `make` makes where the output is. One that exists is replaced when all of the new one is there.
///
/// # Errors
/// Those of `make`; an output that cannot be written.
pub(super) fn made(output: &str, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |cause| unwritable(output, cause);
    let place = Place::of(output);
    let folder = match &place {
        Place::File(path) => tempfile::Builder::new().prefix(".thermocline-").tempdir_in(folder_of(path)),
        Place::Stdout | Place::Stream(_) => tempfile::tempdir(),
    };
    let folder = folder.map_err(failed)?;
    let path = folder.path().join("made");
    make(&path)?;
    place.take(&path).map_err(failed)
}

/// What an output is.
enum Place {
    Stdout,
    /// A file, or what can become one.
    File(PathBuf),
    /// A pipe or a device.
    Stream(PathBuf),
}

impl Place {
    fn of(output: &str) -> Self {
        if output == STDOUT {
            return Self::Stdout;
        }
        // A link stays, and what it leads to is replaced.
        let path = fs::canonicalize(output).unwrap_or_else(|_| PathBuf::from(output));
        let is_stream = fs::metadata(&path).is_ok_and(|known| !known.is_file() && !known.is_dir());
        if is_stream { Self::Stream(path) } else { Self::File(path) }
    }

    /// Takes a file that was made for it.
    fn take(&self, made: &Path) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                io::copy(&mut File::open(made)?, &mut out)?;
                out.flush()
            }
            Self::Stream(path) => {
                let mut out = File::options().write(true).open(path)?;
                io::copy(&mut File::open(made)?, &mut out)?;
                out.flush()
            }
            Self::File(path) => {
                if let Ok(known) = fs::metadata(path) {
                    fs::set_permissions(made, known.permissions())?;
                }
                fs::rename(made, path)
            }
        }
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn unwritable(output: &str, cause: io::Error) -> Failure {
    Failure::because(format_args!("cannot write {output}"), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.nc");
        let output = path.to_str().unwrap();
        write(output, b"first").unwrap();
        let failed = made(output, |path| {
            fs::write(path, b"half").unwrap();
            Err(Failure::Failed("broken".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(output, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let nowhere = folder.path().join("no/out.nc");
        assert!(write(nowhere.to_str().unwrap(), b"x").is_err());
        assert!(write(folder.path().to_str().unwrap(), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.nc"), folder.path().join("b.nc"));
        fs::write(&path, b"first").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(link.to_str().unwrap(), b"second").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }
}
