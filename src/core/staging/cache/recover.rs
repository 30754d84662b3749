//! After a start: what the database says is in the cache, and what is there.

use std::collections::HashMap;

use super::dir::{Found, Identified};
use super::{CacheDir, CacheKey};
use crate::Result;

/// What the database knows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It landed, with this size.
    Landed(u64),
    /// It is to land, or has been landing when the process ended.
    Landing,
}

/// What becomes of landed files that nothing is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Those whose object can be told are reported, so that they need not be recalled again.
    Adopt,
    /// They are removed.
    Remove,
}

/// What was found at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Objects that are known to have landed, and are there.
    pub n_landed: usize,
    /// Objects that are known to have landed, and whose file is missing or has another size: they are cold.
    pub missing: Vec<CacheKey>,
    /// Files of which nothing is known, and which object each holds: take them in, or remove them.
    pub adoptable: Vec<(CacheKey, Identified)>,
    /// What is there of objects that are to land, with the bytes that it takes on the disk. The next landing of
    /// the same state goes on with it, or finds it whole.
    pub partial: Vec<(CacheKey, u64)>,
    /// Files that were removed: of states that nobody wants any more, or left over.
    pub n_removed: usize,
}

impl CacheDir {
    /// Compares what is there with what is `known`, and removes what is of no use. Blocking, and to be called
    /// before anything lands.
    ///
    /// # Errors
    /// A folder that cannot be read, a file that cannot be removed.
    pub fn recover(&self, mut known: HashMap<CacheKey, Known>, unknown: Unknown) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        let mut useless = Vec::new();
        self.scan(|found| match (found, known.get(found.key()).copied()) {
            (Found::Landed { key, len_bytes }, Some(Known::Landed(known_bytes)))
                if known_bytes == len_bytes =>
            {
                known.remove(&key);
                recovered.n_landed += 1;
            }
            (Found::Landed { key, len_bytes }, Some(Known::Landing)) => {
                recovered.partial.push((key, len_bytes))
            }
            (Found::Partial { key, disk_bytes }, Some(Known::Landing)) => {
                recovered.partial.push((key, disk_bytes))
            }
            (Found::Journal { .. }, Some(Known::Landing)) => {}
            (Found::Landed { key, .. }, None) if unknown == Unknown::Adopt => match self.identify(&key) {
                Some(identified) => recovered.adoptable.push((key, identified)),
                None => useless.push(found),
            },
            _ => useless.push(found),
        })?;
        for found in &useless {
            self.remove_found(found)?;
        }
        recovered.n_removed = useless.len();
        let is_missing = |(key, known)| matches!(known, Known::Landed(_)).then_some(key);
        recovered.missing = known.into_iter().filter_map(is_missing).collect();
        Ok(recovered)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::cold::ObjectId;

    fn dir(folder: &Path) -> CacheDir {
        CacheDir::open(folder, Arc::new(SystemClock)).unwrap()
    }

    fn key(path: &str) -> CacheKey {
        CacheKey::new(&ObjectId::new("root", path).unwrap(), "1", 3)
    }

    #[test]
    fn what_is_there_is_compared_with_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir(folder.path());
        for name in ["there", "of another size", "unknown", "landing, and came to its end"] {
            std::fs::write(dir.path(&key(name)), if name == "of another size" { "1" } else { "123" })
                .unwrap();
        }
        for name in ["landing", "given up", "there"] {
            std::fs::write(dir.partial_path(&key(name)), "123").unwrap();
            std::fs::write(dir.journal_path(&key(name)), "").unwrap();
        }
        std::fs::write(dir.folder(&key("there")).join("README"), "of somebody else").unwrap();
        let known = HashMap::from([
            (key("there"), Known::Landed(3)),
            (key("of another size"), Known::Landed(3)),
            (key("gone"), Known::Landed(3)),
            (key("landing"), Known::Landing),
            (key("landing, and came to its end"), Known::Landing),
            (key("not begun"), Known::Landing),
        ]);

        let mut recovered = dir.recover(known, Unknown::Adopt).unwrap();

        recovered.missing.sort();
        let mut missing = [key("of another size"), key("gone")];
        missing.sort();
        assert_eq!((recovered.n_landed, &recovered.missing[..]), (1, &missing[..]));
        let mut partial: Vec<CacheKey> = recovered.partial.iter().map(|(key, _)| *key).collect();
        partial.sort();
        let mut expected = [key("landing"), key("landing, and came to its end")];
        expected.sort();
        assert_eq!(partial, expected);
        // This one has no attributes: what it holds cannot be told.
        assert!(recovered.adoptable.is_empty());
        assert_eq!(recovered.n_removed, 6);
        assert!(dir.folder(&key("there")).join("README").exists());
        let mut n_left = 0;
        dir.scan(|_| n_left += 1).unwrap();
        assert_eq!(n_left, 4);
    }

    #[test]
    fn who_does_not_use_a_folder_sees_of_which_objects_it_holds_copies() {
        let folder = tempfile::tempdir().unwrap();
        assert!(CacheDir::landed_in(folder.path()).is_empty());
        let dir = dir(folder.path());
        std::fs::write(dir.path(&key("there")), "123").unwrap();
        std::fs::write(dir.partial_path(&key("landing")), "123").unwrap();

        let landed = CacheDir::landed_in(folder.path());

        let in_another_state = CacheKey::new(&ObjectId::new("root", "there").unwrap(), "2", 9);
        assert!(landed.contains(&in_another_state.object()));
        assert_eq!(landed.len(), 1);
    }

    #[test]
    fn only_one_process_uses_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir(folder.path());
        let error = CacheDir::open(folder.path(), Arc::new(SystemClock)).err().unwrap();
        assert!(error.to_string().contains("in use by another process"), "{error}");
        drop(dir);
        assert!(CacheDir::open(folder.path(), Arc::new(SystemClock)).is_ok());
    }
}
