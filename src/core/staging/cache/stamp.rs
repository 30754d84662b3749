//! By what a copy that is as it landed is told from one that was written to since: its length and its time.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, futimens};

/// Time of copies whose version is none.
///
/// Fixed, so that it can be told after a restart too.
const NO_TIME_NS: i64 = 1_000_000_000;

/// Latest time that every file system can keep.
const MAX_TIME_NS: i64 = i32::MAX as i64 * 1_000_000_000;

/// How much of a time a file system may leave out: FAT keeps every other second.
const COARSEST_NS: i64 = 2_000_000_000;

/// Length and time that a copy has as long as nobody writes to it. Which object it holds in which state is what its
/// [`super::CacheKey`] says: a time that two states share, or that a file system cuts off, is no matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    len_bytes: u64,
    modified_ns: i64,
}

impl Stamp {
    /// That of the copy of an object of this version and size: the time that the version is, if it is one.
    pub fn of(version: &str, len_bytes: u64) -> Self {
        Self { len_bytes, modified_ns: time_of(version).unwrap_or(NO_TIME_NS) }
    }

    /// True if a file has it.
    pub fn is_on(&self, metadata: &Metadata) -> bool {
        let found_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let left_out_ns = i128::from(self.modified_ns) - found_ns;
        metadata.is_file()
            && metadata.len() == self.len_bytes
            && (0..i128::from(COARSEST_NS)).contains(&left_out_ns)
    }

    /// Gives a file its time.
    ///
    /// # Errors
    /// A file system that fails, or keeps no times.
    pub fn put_on(&self, file: &File) -> io::Result<()> {
        let last_modification = Timespec {
            tv_sec: self.modified_ns.div_euclid(1_000_000_000),
            tv_nsec: self.modified_ns.rem_euclid(1_000_000_000),
        };
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        futimens(file, &Timestamps { last_access, last_modification })?;
        match self.is_on(&file.metadata()?) {
            true => Ok(()),
            false => Err(io::Error::other("the file system does not keep the times of files")),
        }
    }
}

/// The time that a version is, in nanoseconds since 1970.
fn time_of(version: &str) -> Option<i64> {
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let time_ns = is_number.then(|| version.parse().ok()).flatten();
    time_ns.filter(|time_ns| *time_ns <= MAX_TIME_NS)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn file(len_bytes: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; len_bytes]).unwrap();
        file
    }

    #[test]
    fn a_copy_has_its_stamp_until_it_is_written_to_whatever_its_version_is() {
        for version in [
            "1700000000123456789",
            "42",
            "0",
            "",
            "2024-01-01T00:00:00",
            "size 5",
            "-7",
            "9".repeat(30).as_str(),
        ] {
            let (mut file, stamp) = (file(5), Stamp::of(version, 5));
            assert!(!stamp.is_on(&file.metadata().unwrap()), "{version}");
            stamp.put_on(&file).unwrap();
            assert!(stamp.is_on(&file.metadata().unwrap()), "{version}");
            assert!(!Stamp::of(version, 6).is_on(&file.metadata().unwrap()), "{version}");
            file.write_all(b"").unwrap();
            file.set_modified(SystemTime::now()).unwrap();
            assert!(!stamp.is_on(&file.metadata().unwrap()), "{version}");
        }
    }

    #[test]
    fn a_time_that_the_file_system_cuts_off_is_the_same_time() {
        let (file, stamp) = (file(5), Stamp::of("1700000001123456789", 5));
        for (seconds, nanoseconds, is_on) in [
            (1_700_000_001, 123_456_789, true),
            (1_700_000_001, 123_456_000, true),
            (1_700_000_001, 0, true),
            (1_700_000_000, 0, true),
            (1_700_000_001, 123_456_790, false),
            (1_699_999_999, 0, false),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            file.set_modified(time).unwrap();
            assert_eq!(stamp.is_on(&file.metadata().unwrap()), is_on, "{seconds}.{nanoseconds}");
        }
    }
}
