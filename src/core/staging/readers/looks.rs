//! Looks of readers at objects, by asking their stores: each serves all who came before it began.
//!
//! A store may need a process of its own for each look. So there is one look at an object at a time, and one more
//! that begins when it has ended, for those who came meanwhile and have to know what is so after they came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared as SharedFuture};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use super::place;
use crate::clock::nanoseconds;
use crate::cold::{ColdObject, ObjectId, ObjectStatus};
use crate::staging::Shared;
use crate::{Error, Result};

/// How long an object that was seen online is taken to be so before it is read. After that it is asked again.
const SEEN_FOR: Duration = Duration::from_millis(500);

/// Most objects that are remembered as online.
const MAX_SEEN: usize = 4096;

/// A look that has begun, or will when the one before it has ended.
type Look = SharedFuture<BoxFuture<'static, Arc<Result<ObjectStatus>>>>;

/// What is being looked at, and what was seen a moment ago.
pub(in crate::staging) struct Looks {
    under_way: Mutex<HashMap<ObjectId, UnderWay>>,
    /// Objects that were online, and when they were asked for on the engine's steady time.
    seen: Cache<ObjectId, (i64, Arc<Result<ObjectStatus>>)>,
}

struct UnderWay {
    now: Look,
    next: Option<Look>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { under_way: Mutex::default(), seen: Cache::new(MAX_SEEN) }
    }
}

impl Looks {
    /// Objects are made cold: that they were online a moment ago counts no more.
    pub(in crate::staging) fn forget<'i>(&self, ids: impl IntoIterator<Item = &'i ObjectId>) {
        for id in ids {
            self.seen.remove(id);
        }
    }
}

impl Shared {
    /// The status of an object, which may be a moment old if the object was online then.
    pub(in crate::staging) async fn seen(
        self: &Arc<Self>,
        id: &ObjectId,
        lane: usize,
    ) -> Arc<Result<ObjectStatus>> {
        if let Some((asked_ns, status)) = self.looks.seen.get(id)
            && self.now().steady_ns.saturating_sub(asked_ns) < nanoseconds(SEEN_FOR)
        {
            return status;
        }
        let under_way = self.looks.under_way.lock().get(id).map(|under_way| under_way.now.clone());
        if let Some(look) = under_way {
            let status = look.await;
            // That it is cold may be news from before its recall ended: then it is asked again.
            if is_online(&status) {
                return status;
            }
        }
        self.seen_now(id, lane).await
    }

    /// The status of an object as it is after this was called.
    pub(in crate::staging) fn seen_now(self: &Arc<Self>, id: &ObjectId, lane: usize) -> Look {
        let mut under_way = self.looks.under_way.lock();
        if let Some(UnderWay { now, next }) = under_way.get_mut(id) {
            return next.get_or_insert_with(|| self.look_after(id, lane, Some(now.clone()))).clone();
        }
        let now = self.look_after(id, lane, None);
        under_way.insert(id.clone(), UnderWay { now: now.clone(), next: None });
        now
    }

    /// Begins a look when the one before it has ended, in a task: it goes on for others when one goes away, and no
    /// thread that waits for it is needed for it.
    fn look_after(self: &Arc<Self>, id: &ObjectId, lane: usize, before: Option<Look>) -> Look {
        let (shared, id) = (Arc::clone(self), id.clone());
        let look = self.tasks.spawn_on(
            async move {
                if let Some(before) = before {
                    before.await;
                }
                let _end = End { shared: &shared, id: &id };
                let asked_ns = shared.now().steady_ns;
                let status = Arc::new(shared.status_of(&id, lane).await);
                match is_online(&status) {
                    true => shared.looks.seen.insert(id.clone(), (asked_ns, Arc::clone(&status))),
                    false => drop(shared.looks.seen.remove(&id)),
                }
                status
            },
            &self.runtime,
        );
        let broken =
            |cause| Arc::new(Err(Error::internal("a look at an object broke off").with_source(cause)));
        look.map(move |status| status.unwrap_or_else(broken)).boxed().shared()
    }

    async fn status_of(&self, id: &ObjectId, lane: usize) -> Result<ObjectStatus> {
        let href = self.parts.namespace.href(id);
        let href = href.ok_or_else(|| Error::internal(format!("{id} has no root")))?;
        let object = ColdObject { id: id.clone(), href: href.into() };
        let mut answers = self.status(place(lane), vec![object]).await;
        answers.pop().unwrap_or_else(|| Err(Error::internal("no status was given")))
    }
}

fn is_online(status: &Result<ObjectStatus>) -> bool {
    status.as_ref().is_ok_and(|status| status.locality.is_online())
}

/// Lets the next look at an object begin when one has ended, however it did.
struct End<'l> {
    shared: &'l Shared,
    id: &'l ObjectId,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut under_way = self.shared.looks.under_way.lock();
        let next = under_way.get_mut(self.id).and_then(|ended| {
            let next = ended.next.take()?;
            ended.now = next;
            Some(())
        });
        if next.is_none() {
            under_way.remove(self.id);
        }
    }
}
