//! Asks the site for the files of a batch: in one request, or in several if it refuses the whole.

use std::collections::HashSet;

use thermocline_core::cold::batches::Step;
use thermocline_core::cold::{ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest};
use thermocline_core::{ErrorKind, Result};
use tracing::warn;

use crate::WlcgTapeStore;
use crate::client::Asked;
use crate::documents::{StageBody, disk_lifetime};

/// Most files of which is remembered that nobody knows whether their recall was accepted.
const MAX_DOUBTFUL: usize = 100_000;

/// How often a site may refuse parts of one batch. That is enough to find three bad files among a thousand; the rest is
/// asked for again later, without those.
const MAX_REFUSALS: usize = 32;

/// A file with its path on tape.
type Wanted = (ColdObject, String);

impl WlcgTapeStore {
    /// Asks for the files of a batch. The site's names for its parts, none if nothing had to be asked for.
    ///
    /// # Errors
    /// A site that takes no part of it: then nothing has begun.
    pub(crate) async fn ask_for(&self, request: &StageRequest) -> Result<Vec<String>> {
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
        self.ask_in_parts(request, wanted).await
    }

    /// Asks for files, again in halves where the site refuses some of them.
    async fn ask_in_parts(&self, request: &StageRequest, wanted: Vec<Wanted>) -> Result<Vec<String>> {
        let (mut names, mut n_refused) = (Vec::new(), 0);
        let mut parts = vec![wanted];
        while let Some(mut part) = parts.pop() {
            let Some(root) = part.first().map(|(object, _)| object.id.root().to_owned()) else { continue };
            match self.ask_once(request, &root, &part).await {
                Ok(Asked::Accepted(name)) => names.push(name),
                Ok(Asked::Refused(reason)) if part.len() > 1 && n_refused < MAX_REFUSALS => {
                    if n_refused == 0 {
                        let (batch, n_objects) = (&request.key, part.len());
                        warn!(
                            batch,
                            reason,
                            n_objects,
                            "the tape site refuses a request, its files are asked for in halves"
                        );
                    }
                    n_refused += 1;
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Ok(Asked::Refused(reason)) => {
                    let cause = match &part[..] {
                        // The site can only mean this one.
                        [_] => FailureCause::Denied,
                        _ => FailureCause::Retryable { after: None },
                    };
                    self.fail(&request.key, &part, &StageFailure { cause, reason });
                }
                Err(error) if names.is_empty() => return Err(error),
                // What was accepted goes on; the rest is asked for again.
                Err(error) => {
                    let after = match error.kind() {
                        ErrorKind::Unavailable { retry_after } => Some(retry_after),
                        _ => None,
                    };
                    let (cause, reason) = (FailureCause::Retryable { after }, error.message().to_owned());
                    let failure = StageFailure { cause, reason };
                    parts.drain(..).chain([part]).for_each(|part| self.fail(&request.key, &part, &failure));
                }
            }
        }
        Ok(names)
    }

    /// Asks for files in one request.
    async fn ask_once(&self, request: &StageRequest, root: &str, part: &[Wanted]) -> Result<Asked> {
        let paths: Vec<String> = part.iter().map(|(_, path)| path.clone()).collect();
        let objects = || part.iter().map(|(object, _)| object);
        let span = self.granted(request.lifetime);
        let (lifetime, now_ns) = (disk_lifetime(span), self.clock.now_ns());
        let asked = self.client.stage(&StageBody::new(&paths, &lifetime), self.credentials_of(root)).await;
        if let Err(not_asked) = &asked
            && not_asked.is_doubtful
        {
            self.doubt(objects());
        }
        let asked = asked.map_err(|not_asked| not_asked.error)?;
        self.forget_doubts(objects());
        if let Asked::Accepted(name) = &asked {
            self.kept.note(objects(), now_ns, span);
            let accepted = Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false };
            self.batches.set(&request.key, objects().map(|object| (object.id.clone(), accepted.clone())));
            self.withdraw_cancelled(&request.key, name, root, part).await;
        }
        Ok(asked)
    }

    /// Drops the interest in files that were cancelled while they were being asked for.
    async fn withdraw_cancelled(&self, key: &str, name: &str, root: &str, part: &[Wanted]) {
        let items = self.batches.items(key).unwrap_or_default();
        let cancelled: HashSet<&ObjectId> =
            items.iter().filter(|item| item.step == Step::Cancelled).map(|item| &item.object.id).collect();
        let is_cancelled = |(object, _): &&Wanted| cancelled.contains(&object.id);
        let paths: Vec<String> = part.iter().filter(is_cancelled).map(|(_, path)| path.clone()).collect();
        if paths.is_empty() {
            return;
        }
        if let Err(error) = self.client.cancel(name, &paths, self.credentials_of(root)).await {
            warn!(batch = key, %error, "recalls could not be stopped");
        }
    }

    fn fail(&self, key: &str, part: &[Wanted], failure: &StageFailure) {
        let step = Step::Failed(failure.clone());
        self.batches.set(key, part.iter().map(|(object, _)| (object.id.clone(), step.clone())));
    }

    /// Those of some files that are not online yet: the others count as staged.
    async fn still_cold(&self, key: &str, wanted: Vec<Wanted>) -> Vec<Wanted> {
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
