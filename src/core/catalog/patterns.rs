//! Patterns of names, as catalog files include and exclude by them.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns of names. One without a slash is of the last part of a path, one with a slash of the whole path.
///
/// ```
/// use thermocline_core::catalog::NamePatterns;
///
/// let patterns = NamePatterns::new(&["*.h5".to_owned(), "/*.dat".to_owned()])?;
/// assert!(patterns.matches("2020/x.h5") && patterns.matches("x.dat"));
/// assert!(!patterns.matches("2020/x.dat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NamePatterns {
    of_names: GlobSet,
    of_paths: GlobSet,
}

impl NamePatterns {
    /// # Errors
    /// The first pattern that is none.
    pub fn new(patterns: &[String]) -> Result<Self, globset::Error> {
        let (mut of_names, mut of_paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern.trim_start_matches('/')).literal_separator(true).build()?;
            let set = if pattern.contains('/') { &mut of_paths } else { &mut of_names };
            set.add(glob);
        }
        Ok(Self { of_names: of_names.build()?, of_paths: of_paths.build()? })
    }

    /// True if any of them is of a path.
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        self.of_names.is_match(path.file_name().unwrap_or_default()) || self.of_paths.is_match(path)
    }
}
