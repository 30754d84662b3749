//! Sound files and directory stores, and damaged copies of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thermocline_core::format::Format;
use thermocline_testkit::mutate;
use walkdir::WalkDir;

/// Larger files make every mutant slow and damage nothing new.
const MAX_SAMPLE_BYTES: u64 = 128 << 10;

/// Most files of a directory store.
const MAX_MEMBERS: usize = 500;

/// Something sound to damage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sample {
    /// A file.
    File(PathBuf),
    /// A directory that is one dataset.
    Store {
        path: PathBuf,
        /// The metadata document by which it is recognised.
        marker: &'static str,
        /// Its files, relative to it.
        members: Vec<PathBuf>,
    },
}

impl Sample {
    /// Small samples of every format in `folders`, in a fixed order.
    pub(crate) fn all(folders: &[PathBuf], formats: &[Arc<dyn Format>]) -> Vec<Self> {
        let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let mut samples: Vec<Self> =
            entries.filter_map(|entry| Self::new(entry.unwrap().path(), formats)).collect();
        samples.sort();
        samples
    }

    fn new(path: PathBuf, formats: &[Arc<dyn Format>]) -> Option<Self> {
        if path.is_file() {
            return (path.metadata().unwrap().len() <= MAX_SAMPLE_BYTES).then_some(Self::File(path));
        }
        let mut markers = formats.iter().flat_map(|format| format.directory_markers());
        let marker = markers.find(|marker| path.join(marker).is_file())?;
        let files = WalkDir::new(&path).sort_by_file_name().into_iter().flatten();
        let members: Vec<PathBuf> = files
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&path).unwrap().to_owned())
            .collect();
        (members.len() <= MAX_MEMBERS).then_some(Self::Store { path, marker, members })
    }

    pub(crate) fn name(&self) -> &str {
        let (Self::File(path) | Self::Store { path, .. }) = self;
        path.file_name().unwrap().to_str().unwrap()
    }

    /// Writes a damaged copy into `folder`; gives the file to open.
    pub(crate) fn write_mutant(&self, seed: u64, folder: &Path) -> PathBuf {
        let copy = folder.join(self.name());
        match self {
            Self::File(path) => {
                std::fs::write(&copy, mutate(&std::fs::read(path).unwrap(), seed)).unwrap();
                copy
            }
            Self::Store { path, marker, members } => {
                let damaged = usize::try_from(seed / 7).unwrap() % members.len();
                for (number, member) in members.iter().enumerate() {
                    let bytes = std::fs::read(path.join(member)).unwrap();
                    let bytes = if number == damaged { mutate(&bytes, seed) } else { bytes };
                    std::fs::create_dir_all(copy.join(member).parent().unwrap()).unwrap();
                    std::fs::write(copy.join(member), bytes).unwrap();
                }
                copy.join(marker)
            }
        }
    }
}
