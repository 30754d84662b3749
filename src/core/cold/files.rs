//! Looking at the files of an archive without reading them: below the declared roots only, by few threads,
//! with a time limit.
//!
//! A file server that hangs keeps every thread that asks it anything, and nothing can stop them. So only a few
//! may be lost to it: further looks wait for a moment and are refused, and nobody else is kept from work.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{ColdObject, FailureCause, NamespaceRoot, ObjectId, StageFailure};
use crate::clock::Clock;
use crate::{Error, ErrorKind, Result};

/// Objects that one thread looks at in turn.
const OBJECTS_AT_A_TIME: usize = 64;

/// Bounds for looking at files.
#[derive(Debug, Clone)]
pub struct LookLimits {
    /// Most threads that look at the same time.
    pub at_once: usize,
    /// How long the file system may take for an answer.
    pub time_limit: Duration,
}

impl Default for LookLimits {
    fn default() -> Self {
        Self { at_once: 8, time_limit: Duration::from_secs(20) }
    }
}

/// A file as it was seen, below its root for certain.
#[derive(Debug, Clone)]
pub struct ArchiveFile {
    /// Its path, without links.
    pub path: PathBuf,
    /// What the file system says of it.
    pub metadata: Metadata,
    /// By which name it is the same file without links, if it was asked for by another one.
    pub links_to: Option<ObjectId>,
}

impl ArchiveFile {
    /// Its size in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.metadata.len()
    }

    /// Names its state, as [`super::ObjectStatus::version`] asks: nanoseconds since 1970 of the last change.
    ///
    /// The inode is no part of it: a recall may put a new file in the place of a stub.
    pub fn version(&self) -> String {
        let seconds = i128::from(self.metadata.mtime());
        (seconds * 1_000_000_000 + i128::from(self.metadata.mtime_nsec())).to_string()
    }
}

/// The files below the roots of one store. Cloning gives the same.
#[derive(Clone)]
pub struct ArchiveFiles {
    shared: Arc<Shared>,
}

struct Shared {
    roots: Vec<(Arc<str>, PathBuf)>,
    gate: Arc<Semaphore>,
    limits: LookLimits,
    clock: Arc<dyn Clock>,
    /// Whether the last look took longer than the limit.
    is_silent: AtomicBool,
}

impl ArchiveFiles {
    /// The files below `roots`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a root that is no absolute path, and for limits of nothing.
    pub fn new(roots: &[NamespaceRoot], limits: LookLimits, clock: Arc<dyn Clock>) -> Result<Self> {
        if limits.at_once == 0 || limits.time_limit.is_zero() {
            return Err(Error::invalid_input("looking at files needs at least one thread and some time"));
        }
        let place = |root: &NamespaceRoot| match Path::new(&root.base).is_absolute() {
            true => Ok((Arc::clone(&root.name), PathBuf::from(&root.base))),
            false => Err(Error::invalid_input(format!(
                "root {:?} is no directory of this machine: {}",
                root.name, root.base
            ))),
        };
        let roots = roots.iter().map(place).collect::<Result<_>>()?;
        let gate = Arc::new(Semaphore::new(limits.at_once));
        Ok(Self {
            shared: Arc::new(Shared { roots, gate, limits, clock, is_silent: AtomicBool::new(false) }),
        })
    }

    /// The declared directories, with the names of their roots.
    pub fn roots(&self) -> &[(Arc<str>, PathBuf)] {
        &self.shared.roots
    }

    /// What `each` makes of every object's file, in the same order. Files that are not there, lie outside their
    /// root or cannot be looked at are errors of their own; none of them is opened here.
    pub async fn look<T: Send + 'static>(
        &self,
        objects: &[ColdObject],
        each: impl Fn(&ColdObject, ArchiveFile) -> Result<T> + Send + Sync + 'static,
    ) -> Vec<Result<T>> {
        let each = Arc::new(each);
        let gave_up = Arc::new(AtomicBool::new(false));
        let chunks: Vec<Vec<ColdObject>> = objects.chunks(OBJECTS_AT_A_TIME).map(<[_]>::to_vec).collect();
        let answers = futures::stream::iter(chunks).map(|chunk| {
            let (each, gave_up) = (Arc::clone(&each), Arc::clone(&gave_up));
            async move { self.look_at_some(chunk, each, &gave_up).await }
        });
        answers.buffered(self.shared.limits.at_once).concat().await
    }

    /// Runs other work on these files, under the same bounds.
    ///
    /// # Errors
    /// Those of `work`; [`ErrorKind::Unavailable`] if the file system does not answer in time.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.enter().await?;
        let (sender, receiver) = mpsc::channel(1);
        self.start(permit, move || drop(sender.try_send(work())));
        let mut answers = self.collect(receiver, 1).await;
        answers.pop().unwrap_or_else(|| Err(self.silent()))
    }

    /// The file of an object, if it exists below its root. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing is there, [`ErrorKind::InvalidInput`] if it lies outside its root,
    /// [`ErrorKind::Refused`] if it may not be looked at, [`ErrorKind::Unavailable`] if it cannot be.
    pub fn find_blocking(&self, object: &ColdObject) -> Result<ArchiveFile> {
        let root = self.shared.roots.iter().find(|(name, _)| **name == *object.id.root());
        let Some((_, root)) = root else {
            return Err(Error::invalid_input(format!("{} lies below none of the store's roots", object.id)));
        };
        find(root, object)
    }

    /// What is wrong with the file system; `None` if it answers.
    pub fn trouble(&self) -> Option<String> {
        let n_waiting = self.shared.limits.at_once.saturating_sub(self.shared.gate.available_permits());
        let is_silent = self.shared.is_silent.load(Ordering::Relaxed) && n_waiting > 0;
        is_silent.then(|| format!("the file system does not answer: {n_waiting} threads wait for it"))
    }

    async fn look_at_some<T: Send + 'static>(
        &self,
        objects: Vec<ColdObject>,
        each: Arc<impl Fn(&ColdObject, ArchiveFile) -> Result<T> + Send + Sync + 'static>,
        gave_up: &AtomicBool,
    ) -> Vec<Result<T>> {
        let n_objects = objects.len();
        let silent = || (0..n_objects).map(|_| Err(self.silent())).collect();
        // A list of many files is not refused in as many time limits.
        if gave_up.load(Ordering::Relaxed) {
            return silent();
        }
        let Ok(permit) = self.enter().await else {
            gave_up.store(true, Ordering::Relaxed);
            return silent();
        };
        let (sender, receiver) = mpsc::channel(n_objects.max(1));
        let files = self.clone();
        self.start(permit, move || {
            for object in &objects {
                let answer = files.find_blocking(object).and_then(|file| each(object, file));
                if sender.try_send(answer).is_err() {
                    return;
                }
            }
        });
        let mut answers = self.collect(receiver, n_objects).await;
        if answers.len() < n_objects {
            gave_up.store(true, Ordering::Relaxed);
            answers.resize_with(n_objects, || Err(self.silent()));
        }
        answers
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.shared.gate).acquire_owned();
        tokio::select! {
            permit = permit => permit.map_err(|_| Error::internal("the gate of an archive was closed")),
            () = self.shared.clock.sleep(self.shared.limits.time_limit) => Err(self.silent()),
        }
    }

    /// Starts work that keeps its permit for as long as its thread is kept.
    ///
    /// It has a thread of its own: threads of the pool may all be waiting for what is seen here.
    fn start(&self, permit: OwnedSemaphorePermit, work: impl FnOnce() + Send + 'static) {
        let started = std::thread::Builder::new().name("archive-look".to_owned()).spawn(move || {
            let _permit = permit;
            work();
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread could be started to look at an archive");
        }
    }

    /// The answers that come in time.
    async fn collect<T>(&self, mut receiver: mpsc::Receiver<T>, n_answers: usize) -> Vec<T> {
        let mut answers = Vec::with_capacity(n_answers);
        while answers.len() < n_answers {
            let answer = tokio::select! {
                biased;
                answer = receiver.recv() => answer,
                () = self.shared.clock.sleep(self.shared.limits.time_limit) => {
                    self.shared.is_silent.store(true, Ordering::Relaxed);
                    return answers;
                }
            };
            let Some(answer) = answer else { break };
            answers.push(answer);
        }
        self.shared.is_silent.store(false, Ordering::Relaxed);
        answers
    }

    fn silent(&self) -> Error {
        let retry_after = self.shared.limits.time_limit;
        Error::new(ErrorKind::Unavailable { retry_after }, "the file system of the archive does not answer")
    }
}

fn find(root: &Path, object: &ColdObject) -> Result<ArchiveFile> {
    let id = &object.id;
    let path = Path::new(&*object.href).canonicalize().map_err(|cause| {
        let is_link = Path::new(&*object.href).symlink_metadata().is_ok_and(|found| found.is_symlink());
        // What a broken link stands for exists, but elsewhere: that is not the same as nothing.
        if is_absent(&cause) && !is_link {
            return Error::not_found(format!("no file {id}")).with_source(cause);
        }
        unreadable(id, cause)
    })?;
    let root = root.canonicalize().map_err(|cause| unreadable(id, cause))?;
    if !path.starts_with(&root) {
        return Err(Error::invalid_input(format!("{id} leads out of its root")));
    }
    let metadata = path.metadata().map_err(|cause| match is_absent(&cause) {
        true => Error::not_found(format!("no file {id}")).with_source(cause),
        false => unreadable(id, cause),
    })?;
    if !metadata.is_file() {
        return Err(Error::not_found(format!("{id} is not a file")));
    }
    let links_to = link_target(&path, &root, id)?;
    Ok(ArchiveFile { path, metadata, links_to })
}

/// The object whose path has no links, if it is not `id` itself.
fn link_target(path: &Path, root: &Path, id: &ObjectId) -> Result<Option<ObjectId>> {
    let below = path.strip_prefix(root).ok().filter(|below| *below != Path::new(id.path()));
    let Some(below) = below else { return Ok(None) };
    let named = below.to_str().and_then(|below| ObjectId::new(id.root(), below).ok());
    named.map(Some).ok_or_else(|| Error::invalid_input(format!("{id} is a link to a file without a name")))
}

/// True for the two failures that say that nothing is there; all others leave it open.
fn is_absent(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn unreadable(id: &super::ObjectId, cause: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let kind = match cause.kind() {
        Io::PermissionDenied => ErrorKind::Refused,
        Io::InvalidInput | Io::InvalidFilename => ErrorKind::InvalidInput,
        _ => ErrorKind::Unavailable { retry_after: Duration::from_secs(10) },
    };
    Error::new(kind, format!("cannot look at {id}")).with_source(cause)
}

impl From<&Error> for StageFailure {
    /// What it means for a recall that its object cannot be looked at.
    fn from(error: &Error) -> Self {
        let cause = match error.kind() {
            ErrorKind::NotFound => FailureCause::NotFound,
            ErrorKind::Lost => FailureCause::Lost,
            ErrorKind::Refused | ErrorKind::InvalidInput => FailureCause::Denied,
            ErrorKind::Unavailable { retry_after } | ErrorKind::Changed { retry_after } => {
                FailureCause::Retryable { after: Some(retry_after) }
            }
            _ => FailureCause::Retryable { after: None },
        };
        Self { cause, reason: error.message().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::mpsc as blocking;

    use super::*;
    use crate::clock::ManualClock;

    struct Archive {
        folder: tempfile::TempDir,
        files: ArchiveFiles,
        clock: ManualClock,
    }

    fn archive(at_once: usize) -> Archive {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_str().unwrap().to_owned();
        let root = NamespaceRoot { name: "a".into(), base, map: Vec::new(), store: None };
        let clock = ManualClock::new(0);
        let limits = LookLimits { at_once, time_limit: Duration::from_secs(1) };
        let files = ArchiveFiles::new(&[root], limits, Arc::new(clock.clone())).unwrap();
        Archive { folder, files, clock }
    }

    impl Archive {
        fn object(&self, name: &str) -> ColdObject {
            let href = self.folder.path().join(name).to_str().unwrap().into();
            ColdObject { id: ObjectId::new("a", name).unwrap(), href }
        }
    }

    #[tokio::test]
    async fn each_object_of_a_list_has_its_own_answer() {
        let archive = archive(2);
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(archive.folder.path().join("sound"), b"12345").unwrap();
        std::fs::create_dir(archive.folder.path().join("folder")).unwrap();
        symlink(outside.path(), archive.folder.path().join("leads-out")).unwrap();
        symlink("/nothing/there", archive.folder.path().join("broken")).unwrap();
        let mut objects: Vec<ColdObject> =
            ["sound", "missing", "folder", "leads-out", "broken", "sound/below"]
                .map(|name| archive.object(name))
                .into();
        objects.extend((0..500).map(|_| archive.object("sound")));

        let answers = archive.files.look(&objects, |_, file| Ok(file.len_bytes())).await;

        let kinds: Vec<Option<ErrorKind>> =
            answers.iter().take(6).map(|answer| answer.as_ref().err().map(Error::kind)).collect();
        let unavailable = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
        let missing = Some(ErrorKind::NotFound);
        assert_eq!(
            kinds,
            [None, missing, missing, Some(ErrorKind::InvalidInput), Some(unavailable), missing]
        );
        assert_eq!(answers.len(), 506);
        assert!(answers.iter().skip(6).all(|answer| matches!(answer, Ok(5))));
    }

    #[tokio::test]
    async fn a_link_is_told_from_the_file_that_it_is() {
        let archive = archive(1);
        let at = |name: &str| archive.folder.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        std::fs::write(at("real/f"), b"12345").unwrap();
        symlink("real/f", at("link")).unwrap();
        symlink("real", at("folder")).unwrap();
        let objects = ["real/f", "link", "folder/f"].map(|name| archive.object(name));

        let answers = archive.files.look(&objects, |_, file| Ok(file.links_to)).await;

        let real = Some(ObjectId::new("a", "real/f").unwrap());
        let links: Vec<Option<ObjectId>> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(links, [None, real.clone(), real]);
    }

    #[tokio::test]
    async fn a_file_system_that_hangs_keeps_few_threads_and_nobody_for_long() {
        let archive = archive(1);
        std::fs::write(archive.folder.path().join("f"), b"1").unwrap();
        let (go_on, hang) = blocking::channel::<()>();
        let objects = vec![archive.object("f"); 1000];
        let hang = parking_lot::Mutex::new(hang);
        let looking = tokio::spawn({
            let files = archive.files.clone();
            async move {
                files.look(&objects, move |_, _| hang.lock().recv().map_err(|_| Error::internal("end"))).await
            }
        });
        while !looking.is_finished() {
            archive.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }

        let answers = looking.await.unwrap();
        assert_eq!(answers.len(), 1000);
        let is_unavailable = |kind| matches!(kind, ErrorKind::Unavailable { .. });
        assert!(
            answers.iter().all(|answer| answer.as_ref().is_err_and(|error| is_unavailable(error.kind())))
        );
        assert!(archive.files.trouble().is_some());

        drop(go_on);
        let object = archive.object("f");
        let mut answer = archive.files.look(std::slice::from_ref(&object), |_, _| Ok(())).await;
        assert!(answer.pop().unwrap().is_ok());
        assert_eq!(archive.files.trouble(), None);
    }
}
