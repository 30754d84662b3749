//! Steps from older versions of index files to the present one.
//!
//! A step takes the whole file of its version and gives the whole file of the next. The index of a
//! cold object cannot be made again without a recall, so a new version always comes with a step.

use super::VERSION;
use super::file::{FileError, version_of};

/// From one version to the next; `None` if the bytes are not of that version.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

/// A chain of steps: `steps[i]` begins at version `oldest + i`.
#[derive(Debug, Clone)]
pub(super) struct Migrations {
    pub(super) oldest: u32,
    pub(super) steps: Vec<Step>,
}

impl Migrations {
    /// What this program can migrate: version 1 is the first.
    pub(super) fn built_in() -> Self {
        Self { oldest: VERSION, steps: Vec::new() }
    }

    /// The version that the chain ends at.
    pub(super) fn current(&self) -> u32 {
        self.oldest + self.steps.len() as u32
    }

    pub(super) fn can_migrate(&self, version: u32) -> bool {
        (self.oldest..self.current()).contains(&version)
    }

    pub(super) fn run(&self, version: u32, mut bytes: Vec<u8>) -> Result<Vec<u8>, FileError> {
        let first = version.saturating_sub(self.oldest) as usize;
        for (step, next) in self.steps.iter().skip(first).zip(version + 1..) {
            bytes = step(&bytes).ok_or(FileError::Damaged("a migration does not understand it"))?;
            if version_of(&bytes)? != next {
                return Err(FileError::Damaged("a migration led to another version"));
            }
        }
        Ok(bytes)
    }
}
