//! The files of an export: made beside the folder that they will be, which they replace as a whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::cli::Failure;

/// Names every document with its media type and ETag, one JSON document a line; a folder that has it is an export.
const LIST: &str = ".thermocline-export";

/// How the folders begin in which exports are made.
const UNDER_WAY: &str = ".thermocline-export-";

/// What stands in a folder for the document that has the folder's own path.
const INDEX: &str = "index.json";

/// The same bytes again, for servers that look for nothing else in a folder.
const INDEX_OF_ANY_SERVER: &str = "index.html";

/// A document as it is served.
pub(super) struct Document {
    /// Below the base, `/` first.
    pub(super) path: String,
    pub(super) media_type: String,
    pub(super) etag: String,
    pub(super) bytes: Bytes,
}

/// A folder that is being filled; removed if it does not replace another one.
#[derive(Debug)]
pub(super) struct Tree {
    dir: TempDir,
    folders: Vec<PathBuf>,
    /// Held as long as the tree is in the making: what nobody holds was left behind.
    _lock: Option<File>,
}

impl Tree {
    /// An empty tree beside the folder that it will replace.
    ///
    /// # Errors
    /// A folder that holds anything else than an earlier export, or whose parent cannot be written.
    pub(super) fn beside(dir: &Path) -> Result<Self, Failure> {
        let is_used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if is_used && !dir.join(LIST).is_file() {
            let message = format!("{} holds something else than an export: it is left alone", dir.display());
            return Err(Failure::Usage(message));
        }
        let parent = parent_of(dir);
        let cannot_write =
            |cause| Failure::because(format_args!("cannot write into {}", parent.display()), cause);
        fs::create_dir_all(parent).map_err(cannot_write)?;
        remove_left_behind(parent);
        let dir = tempfile::Builder::new()
            .prefix(UNDER_WAY)
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(cannot_write)?;
        let lock = locked(dir.path());
        Ok(Self { dir, folders: Vec::new(), _lock: lock })
    }

    /// Writes documents until there are no more. Blocking.
    ///
    /// # Errors
    /// A file that cannot be written; a document whose path cannot be a file's.
    pub(super) fn write_all(
        mut self,
        base: &str,
        mut documents: mpsc::Receiver<Document>,
    ) -> Result<Self, Failure> {
        let list = self.dir.path().join(LIST);
        let cannot_write = |cause| Failure::because(format_args!("cannot write {}", list.display()), cause);
        let mut list = BufWriter::new(File::create(&list).map_err(cannot_write)?);
        let first = json!({"thermocline": env!("CARGO_PKG_VERSION"), "base_url": base});
        writeln!(list, "{first}").map_err(cannot_write)?;
        while let Some(document) = documents.blocking_recv() {
            self.write(&document)?;
            let Document { path, media_type, etag, .. } = &document;
            writeln!(list, "{}", json!({"path": path, "type": media_type, "etag": etag}))
                .map_err(cannot_write)?;
        }
        list.into_inner()
            .map_err(|cause| cannot_write(cause.into_error()))?
            .sync_all()
            .map_err(cannot_write)?;
        for folder in &self.folders {
            let (from, to) = (folder.join(INDEX), folder.join(INDEX_OF_ANY_SERVER));
            fs::copy(&from, &to)
                .map_err(|cause| Failure::because(format_args!("cannot write {}", to.display()), cause))?;
        }
        Ok(self)
    }

    fn write(&mut self, document: &Document) -> Result<(), Failure> {
        let file = self.file_of(&document.path)?;
        let cannot_write = |cause| Failure::because(format_args!("cannot write {}", document.path), cause);
        self.make_folders(parent_of(&file)).map_err(cannot_write)?;
        let file = if file.is_dir() { self.index_of(file) } else { file };
        fs::write(file, &document.bytes).map_err(cannot_write)
    }

    /// Where the document of a path is written if nothing lies below it.
    fn file_of(&self, path: &str) -> Result<PathBuf, Failure> {
        let mut file = self.dir.path().to_owned();
        let refused = || Failure::Failed(format!("{path:?} cannot be the path of a file"));
        for part in path.trim_start_matches('/').split('/') {
            let part = percent_decode_str(part).decode_utf8().map_err(|_| refused())?;
            if matches!(&*part, "" | "." | ".." | LIST) || part.contains(['/', '\0']) {
                return Err(refused());
            }
            file.push(&*part);
        }
        Ok(file)
    }

    /// Makes a folder and those above it; documents that are in their places go into them.
    fn make_folders(&mut self, folder: &Path) -> std::io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        self.make_folders(parent_of(folder))?;
        if !folder.is_file() {
            return fs::create_dir(folder);
        }
        let aside = self.dir.path().join(format!("{LIST}.aside"));
        fs::rename(folder, &aside)?;
        fs::create_dir(folder)?;
        let index = self.index_of(folder.to_owned());
        fs::rename(aside, index)
    }

    fn index_of(&mut self, folder: PathBuf) -> PathBuf {
        let index = folder.join(INDEX);
        self.folders.push(folder);
        index
    }

    /// Puts the tree into its place, in one step where the file system can; what was there is removed.
    ///
    /// # Errors
    /// A folder that cannot be replaced: it is as it was.
    pub(super) fn replace(self, dir: &Path) -> Result<(), Failure> {
        let cannot_replace =
            |cause| Failure::because(format_args!("cannot replace {}", dir.display()), cause);
        if !dir.exists() {
            fs::rename(self.dir.keep(), dir).map_err(cannot_replace)?;
            return Ok(());
        }
        // What was there is in the temporary folder afterwards, and goes with it.
        let exchanged = renameat_with(CWD, self.dir.path(), CWD, dir, RenameFlags::EXCHANGE);
        if exchanged.is_err() {
            let old = self.dir.path().with_extension("old");
            fs::rename(dir, &old).map_err(cannot_replace)?;
            if let Err(cause) = fs::rename(self.dir.path(), dir) {
                let _ = fs::rename(&old, dir);
                return Err(cannot_replace(cause));
            }
            fs::rename(&old, self.dir.path()).map_err(cannot_replace)?;
        }
        Ok(())
    }
}

/// Takes the lock of a folder; `None` if somebody has it, or the file system knows none.
fn locked(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(folder)
}

/// Removes what exports made here that were killed. What cannot be removed stays.
fn remove_left_behind(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNDER_WAY));
        let folder = entry.path();
        // One without a list may be another's that has not taken its lock yet.
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && folder.join(LIST).is_file() {
            let lock = locked(&folder);
            if lock.is_some() {
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }
}

/// The folder above, the working directory for a plain name.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str) -> Document {
        Document {
            path: path.to_owned(),
            media_type: "application/json".to_owned(),
            etag: "\"1\"".to_owned(),
            bytes: Bytes::from(path.to_owned()),
        }
    }

    fn written(dir: &Path, paths: &[&str]) -> Result<(), Failure> {
        let (sender, receiver) = mpsc::channel(100);
        for path in paths {
            sender.try_send(document(path)).ok().unwrap();
        }
        drop(sender);
        Tree::beside(dir)?.write_all("http://host", receiver)?.replace(dir)
    }

    fn read(file: PathBuf) -> String {
        fs::read_to_string(file).unwrap()
    }

    #[test]
    fn a_document_that_is_a_folder_too_is_its_index_whichever_came_first() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("export");

        written(&dir, &["/stac", "/stac/c/d", "/stac/c", "/a%20b/x.json", "/x.json"]).unwrap();

        for (file, path) in [
            ("stac/index.json", "/stac"),
            ("stac/index.html", "/stac"),
            ("stac/c/index.json", "/stac/c"),
            ("stac/c/d", "/stac/c/d"),
            ("a b/x.json", "/a%20b/x.json"),
            ("x.json", "/x.json"),
        ] {
            assert_eq!(read(dir.join(file)), path);
        }
        let list = read(dir.join(LIST));
        assert_eq!(list.lines().count(), 6);
        assert!(list.starts_with("{\"thermocline\""), "{list}");
    }

    #[test]
    fn an_export_is_replaced_as_a_whole_and_nothing_else_is() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("deep/export");
        written(&dir, &["/old.json"]).unwrap();

        written(&dir, &["/new.json"]).unwrap();

        assert!(!dir.join("old.json").exists() && dir.join("new.json").exists());
        assert_eq!(
            fs::read_dir(scratch.path().join("deep")).unwrap().count(),
            1,
            "nothing is left beside it"
        );

        fs::remove_file(dir.join(LIST)).unwrap();
        assert!(matches!(written(&dir, &["/a.json"]), Err(Failure::Usage(_))));
        assert!(dir.join("new.json").exists());
    }

    #[test]
    fn what_a_killed_export_left_is_removed_and_what_another_is_making_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = scratch.path().join(format!("{UNDER_WAY}{name}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(LIST), "").unwrap();
            folder
        };
        let (killed, in_the_making) = (folder("killed"), folder("made"));
        let lock = locked(&in_the_making).unwrap();

        written(&scratch.path().join("export"), &["/a.json"]).unwrap();

        assert!(!killed.exists() && in_the_making.exists());
        drop(lock);
    }

    #[test]
    fn an_empty_folder_is_filled() {
        let scratch = tempfile::tempdir().unwrap();
        written(scratch.path(), &["/a.json"]).unwrap();
        assert!(scratch.path().join("a.json").is_file());
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        for path in ["/../a", "/a/%2e%2e/b", "/a//b", "/a%2Fb", "/%00", "/.thermocline-export"] {
            assert!(written(&scratch.path().join("export"), &[path]).is_err(), "{path}");
        }
    }
}
