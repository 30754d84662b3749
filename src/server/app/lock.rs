//! One server on one folder of state: two would recall, evict and write each other's objects.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thermocline_core::{Error, Result};

/// Name of the file in the folder of state that the running server has locked.
const LOCK: &str = "server.lock";

/// A folder of state that is ours. The system gives it up when the process ends, however it ends.
pub(crate) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the folder. Blocking.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] if another server has it, or it cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let unusable = |cause| {
            Error::invalid_input(format!("cannot use {} for the state", folder.display())).with_source(cause)
        };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(folder.join(LOCK)).map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::invalid_input(format!(
                "another server runs on {}: name another folder for the state (--state DIR), or stop it",
                folder.display()
            ))),
            Err(errno) => Err(unusable(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_servers_as_long_as_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateLock::take(folder.path()).unwrap();
        let error = StateLock::take(folder.path()).err().unwrap();
        assert!(error.to_string().contains("another server runs on"), "{error}");
        drop(first);
        assert!(StateLock::take(folder.path()).is_ok());
    }
}
