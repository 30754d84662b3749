//! Asks the site for the files of a batch: in one request for each root, or in several if it refuses the whole.

use std::collections::{BTreeMap, HashSet};

use thermocline_core::cold::batches::Step;
use thermocline_core::cold::{ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::client::Asked;
use crate::documents::{StageBody, disk_lifetime};
use crate::parts::Parts;
use crate::withdraw::Withdrawal;
use crate::{Located, WlcgTapeStore, names};

/// Most files of which is remembered that nobody knows whether their recall was accepted.
const MAX_DOUBTFUL: usize = 100_000;

/// The part of a batch that is asked for with the credentials of one root.
struct Asking<'a> {
    request: &'a StageRequest,
    root: &'a str,
    /// Whether there are parts of other roots.
    is_of_several: bool,
}

/// Files that were not asked for, and why.
type Unasked = (Vec<Located>, Error);

impl WlcgTapeStore {
    /// Asks for the files of a batch, and keeps the site's names for its parts: none if nothing had to be asked for.
    ///
    /// # Errors
    /// A site that takes no part of it: then nothing has begun.
    pub(crate) async fn ask_for(&self, request: &StageRequest) -> Result<()> {
        let key = &request.key;
        let mut by_root: BTreeMap<String, Vec<Located>> = BTreeMap::new();
        for (object, path) in self.not_asked_yet(request).await {
            by_root.entry(object.id.root().to_owned()).or_default().push((object, path));
        }
        let is_of_several = by_root.len() > 1;
        let mut unasked = Vec::new();
        for (root, files) in by_root {
            let asking = Asking { request, root: &root, is_of_several };
            unasked.extend(self.ask_in_parts(&asking, files).await);
        }
        if self.batches.store_id(key).is_none()
            && let Some((_, error)) = unasked.pop()
        {
            return Err(error);
        }
        // What was accepted goes on; the rest is asked for again.
        for (files, error) in unasked {
            let after = match error.kind() {
                ErrorKind::Unavailable { retry_after } => Some(retry_after),
                _ => None,
            };
            let (cause, reason) = (FailureCause::Retryable { after }, error.message().to_owned());
            self.fail(key, &files, &StageFailure { cause, reason });
        }
        Ok(())
    }

    /// The files of a batch that have to be asked for.
    async fn not_asked_yet(&self, request: &StageRequest) -> Vec<Located> {
        let key = &request.key;
        let mut wanted = Vec::with_capacity(request.objects.len());
        for object in &request.objects {
            match self.paths.on_tape(&object.href) {
                Ok(path) => wanted.push((object.clone(), path)),
                Err(error) => {
                    self.batches.set(key, [(object.id.clone(), Step::Failed(StageFailure::from(&error)))]);
                }
            }
        }
        let is_doubtful = {
            let doubtful = self.doubtful.lock();
            wanted.iter().any(|(object, _)| doubtful.contains(&object.id))
        };
        if is_doubtful {
            wanted = self.still_cold(key, wanted).await;
        }
        let objects: Vec<ColdObject> = wanted.iter().map(|(object, _)| object.clone()).collect();
        let taken: HashSet<ObjectId> =
            self.batches.take_waiting(key, &objects).into_iter().map(|object| object.id).collect();
        wanted.retain(|(object, _)| taken.contains(&object.id));
        wanted
    }

    /// Asks for files, again in halves where the site refuses some of them. Those that it could not be asked for.
    async fn ask_in_parts(&self, asking: &Asking<'_>, files: Vec<Located>) -> Option<Unasked> {
        let key = &asking.request.key;
        let mut parts = Parts::new(files);
        while let Some(part) = parts.next() {
            let n_objects = part.len();
            let reason = match self.ask_once(asking, &part).await {
                Ok(Asked::Accepted(_)) => continue,
                Ok(Asked::Refused(reason)) => reason,
                Err(error) => return Some((part.into_iter().chain(parts.rest()).collect(), error)),
            };
            match parts.halve(part) {
                Ok(0) => warn!(
                    batch = key,
                    reason, n_objects, "the tape site refuses a request, its files are asked for in halves"
                ),
                Ok(_) => {}
                Err(part) => {
                    let cause = match &part[..] {
                        // The site can only mean this one.
                        [_] => FailureCause::Denied,
                        _ => FailureCause::Retryable { after: None },
                    };
                    self.fail(key, &part, &StageFailure { cause, reason });
                }
            }
        }
        None
    }

    /// Asks for files in one request.
    async fn ask_once(&self, asking: &Asking<'_>, part: &[Located]) -> Result<Asked> {
        let paths: Vec<String> = part.iter().map(|(_, path)| path.clone()).collect();
        let objects = || part.iter().map(|(object, _)| object);
        let span = self.granted(asking.request.lifetime);
        let (lifetime, now_ns) = (disk_lifetime(span), self.clock.now_ns());
        let by = self.credentials_of(asking.root);
        let asked = self.client.stage(&StageBody::new(&paths, &lifetime), by).await;
        if let Err(not_asked) = &asked
            && not_asked.is_doubtful
        {
            self.doubt(objects());
        }
        let asked = asked.map_err(|not_asked| not_asked.error)?;
        self.forget_doubts(objects());
        if let Asked::Accepted(name) = &asked {
            self.kept.note(objects(), now_ns, span);
            let cancelled = self.accepted(asking, name, part);
            if !cancelled.is_empty() {
                self.kept.forget(cancelled.iter().map(|(object, _)| &object.id));
                let withdrawal = Withdrawal::new(&asking.request.key, &[name], by, &cancelled);
                if let Err(error) = self.withdrawals.ask(withdrawal).await {
                    warn!(batch = asking.request.key, %error, "recalls could not be stopped, will retry");
                }
            }
        }
        Ok(asked)
    }

    /// Notes that the site has accepted files. Those that were cancelled while it was being asked for them.
    fn accepted(&self, asking: &Asking<'_>, name: &str, part: &[Located]) -> Vec<Located> {
        let key = &asking.request.key;
        let _turn = self.turn.lock();
        let root = Some(asking.root).filter(|_| asking.is_of_several);
        let store_id = names::with(self.batches.store_id(key), name, root);
        self.batches.set_store_id(key, Some(store_id));
        let accepted = Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false };
        self.batches.set(key, part.iter().map(|(object, _)| (object.id.clone(), accepted.clone())));
        let items = self.batches.items(key).unwrap_or_default();
        let cancelled: HashSet<&ObjectId> =
            items.iter().filter(|item| item.step == Step::Cancelled).map(|item| &item.object.id).collect();
        part.iter().filter(|(object, _)| cancelled.contains(&object.id)).cloned().collect()
    }

    fn fail(&self, key: &str, part: &[Located], failure: &StageFailure) {
        let step = Step::Failed(failure.clone());
        self.batches.set(key, part.iter().map(|(object, _)| (object.id.clone(), step.clone())));
    }

    /// Those of some files that are not online yet: the others count as staged.
    async fn still_cold(&self, key: &str, wanted: Vec<Located>) -> Vec<Located> {
        let objects: Vec<ColdObject> = wanted.iter().map(|(object, _)| object.clone()).collect();
        let localities = self.localities(&objects).await;
        let mut cold = Vec::new();
        for (file, locality) in wanted.into_iter().zip(localities) {
            if locality.is_ok_and(Locality::is_online) {
                self.forget_doubts([&file.0]);
                self.batches.set(key, [(file.0.id, Step::Staged)]);
            } else {
                cold.push(file);
            }
        }
        cold
    }

    fn forget_doubts<'o>(&self, objects: impl IntoIterator<Item = &'o ColdObject>) {
        let mut doubtful = self.doubtful.lock();
        for object in objects {
            doubtful.remove(&object.id);
        }
    }

    /// Remembers of which files nobody knows whether the site has accepted them.
    fn doubt<'o>(&self, objects: impl Iterator<Item = &'o ColdObject>) {
        let mut doubtful = self.doubtful.lock();
        for object in objects {
            if doubtful.len() >= MAX_DOUBTFUL {
                doubtful.clear();
            }
            doubtful.insert(object.id.clone());
        }
    }
}
