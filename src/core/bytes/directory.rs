//! Declared directories of this machine: whatever is read lies below one of them.

use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::roots::Root;
use crate::{Error, ErrorKind, Result};

/// How long a declared directory is taken for the place that it was seen to be.
const RESOLVED_FOR: Duration = Duration::from_secs(1);

/// A directory below which files may be read. Cloning gives the same one.
///
/// It is kept as it was declared and resolved again and again: a link like `current` may lead
/// elsewhere tomorrow.
#[derive(Debug, Clone)]
pub struct Directory {
    declared: PathBuf,
    resolved: Arc<Mutex<Resolved>>,
}

#[derive(Debug)]
struct Resolved {
    path: PathBuf,
    at: Instant,
}

impl Directory {
    /// The directory at a path.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist, [`ErrorKind::Unavailable`] if that cannot be told.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let declared = std::path::absolute(path)
            .map_err(|cause| Error::invalid_input(format!("{path:?} is no path")).with_source(cause))?;
        let path = declared.canonicalize().map_err(|cause| {
            let name = declared.display();
            if is_absent(&cause) {
                return Error::not_found(format!("no directory {name}")).with_source(cause);
            }
            unreadable(name, cause)
        })?;
        let resolved = Arc::new(Mutex::new(Resolved { path, at: Instant::now() }));
        Ok(Self { declared, resolved })
    }

    /// True if a path is written as one below this directory, by its declared name or its real one.
    pub(super) fn is_named_by(&self, href: &str) -> bool {
        let path = Path::new(href);
        path.starts_with(&self.declared) || path.starts_with(&self.resolved.lock().path)
    }

    /// How the directory was declared continued to a canonical path below it.
    pub(super) fn as_declared(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix(&self.resolved.lock().path).ok()?.to_owned();
        Some(self.declared.join(rest))
    }

    /// True if a canonical path lay below the directory when it was last looked at.
    fn held(&self, path: &Path) -> bool {
        path.starts_with(&self.resolved.lock().path)
    }

    /// True if a canonical path lies below the directory.
    fn holds(&self, path: &Path) -> bool {
        if self.resolved.lock().at.elapsed() >= RESOLVED_FOR {
            self.resolve_again();
        }
        if self.held(path) {
            return true;
        }
        self.resolve_again();
        self.held(path)
    }

    /// While it is away nothing below it can be found anyway, and what was known stays.
    fn resolve_again(&self) {
        let path = self.declared.canonicalize();
        let mut resolved = self.resolved.lock();
        resolved.at = Instant::now();
        if let Ok(path) = path {
            resolved.path = path;
        }
    }
}

/// The canonical form of a path of this machine, if it exists below a declared directory.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when it leads out of every root, by `..` or by a link,
/// [`ErrorKind::Unavailable`] when it cannot be told whether it exists.
pub(super) fn resolve(roots: &[Root], href: &str) -> Result<Option<PathBuf>> {
    let path = match Path::new(href).canonicalize() {
        Ok(path) => path,
        Err(cause) if is_absent(&cause) => return Ok(None),
        Err(cause) => return Err(unreadable(href, cause)),
    };
    let directories = || roots.iter().filter_map(Root::as_directory);
    // A directory that hangs is only looked at for what is named below it.
    let is_inside =
        directories().filter(|directory| directory.is_named_by(href)).any(|near| near.holds(&path))
            || directories().any(|directory| directory.held(&path));
    if is_inside {
        return Ok(Some(path));
    }
    Err(Error::invalid_input(format!("{href} lies outside the declared roots")))
}

/// The link by which a path leads nowhere, if there is one: what it stands for exists, but elsewhere (a
/// file of git-annex that was not fetched), which is not the same as a file that was never there.
pub(super) fn broken_link(href: &str) -> Option<&Path> {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let deepest = Path::new(href).ancestors().find(|path| path.symlink_metadata().is_ok())?;
    (is_link(deepest) && !deepest.exists()).then_some(deepest)
}

/// True for the two failures that say that nothing is there; all others leave it open.
pub(super) fn is_absent(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory)
}

/// The error of a file that cannot be opened or looked at, whether it exists or not.
pub(super) fn unreadable(name: impl std::fmt::Display, cause: std::io::Error) -> Error {
    let is_no_name = matches!(cause.kind(), IoErrorKind::InvalidInput | IoErrorKind::InvalidFilename);
    let kind = match is_no_name {
        true => ErrorKind::InvalidInput,
        false => ErrorKind::Unavailable { retry_after: Duration::from_secs(10) },
    };
    Error::new(kind, format!("cannot read {name}")).with_source(cause)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_cannot_leave_a_root() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), b"x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path().join("secret"), inside.path().join("link")).unwrap();
        let roots = [Root::directory(inside.path()).unwrap()];
        let link = inside.path().join("link");
        assert!(resolve(&roots, link.to_str().unwrap()).is_err());
        let climbing = inside.path().join("..").join(outside.path().file_name().unwrap()).join("secret");
        assert!(resolve(&roots, climbing.to_str().unwrap()).is_err());
        assert_eq!(resolve(&roots, inside.path().join("nothing").to_str().unwrap()).unwrap(), None);
    }

    #[test]
    fn a_root_follows_the_link_by_which_it_was_declared() {
        let archive = tempfile::tempdir().unwrap();
        let at = |name: &str| archive.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a"), version).unwrap();
        }
        symlink(at("v1"), at("current")).unwrap();
        let roots = [Root::directory(at("current")).unwrap()];
        let href = at("current").join("a").to_str().unwrap().to_owned();
        assert_eq!(resolve(&roots, &href).unwrap().unwrap(), at("v1").join("a").canonicalize().unwrap());

        symlink(at("v2"), at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();

        assert_eq!(resolve(&roots, &href).unwrap().unwrap(), at("v2").join("a").canonicalize().unwrap());
    }

    #[test]
    fn a_name_that_cannot_be_one_is_no_missing_file() {
        let inside = tempfile::tempdir().unwrap();
        let roots = [Root::directory(inside.path()).unwrap()];
        let long = inside.path().join("x".repeat(300));
        let error = resolve(&roots, long.to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told_from_nothing() {
        let inside = tempfile::tempdir().unwrap();
        let at = |name: &str| inside.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink(at("gone"), at("link")).unwrap();
        symlink(at("real"), at("sound")).unwrap();

        for broken in ["link", "link/a/b"] {
            let path = at(broken);
            assert_eq!(broken_link(path.to_str().unwrap()), Some(at("link").as_path()), "{broken}");
        }
        for absent in ["nothing", "real/nothing", "sound/nothing", "real", "sound"] {
            assert_eq!(broken_link(at(absent).to_str().unwrap()), None, "{absent}");
        }
    }
}
