//! Following the engine: what it tells, and a look at all of it now and then.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::cold::ObjectId;
use thermocline_core::staging::Standing;
use tracing::warn;

use super::{Shared, past};

/// Objects that are looked at together.
const TOGETHER: usize = 256;

/// How often recalls that are under way are looked at: what moves within stores is not told.
const LOOK_OFTEN_NS: i64 = 1_000_000_000;

/// How often all that the engine has is looked at: longer pins are not told, either.
const LOOK_SELDOM_NS: i64 = 30_000_000_000;

impl Shared {
    /// Follows the engine until the end.
    pub(super) async fn follow(self: Arc<Self>) {
        match past::past(&self.staging).await {
            Ok(past) => self.ledger.lock().remember(past),
            Err(error) => warn!(%error, "catalogs do not know how earlier requests ended"),
        }
        self.settle();
        let mut turns = Turns::from(self.now_ns());
        loop {
            self.look_at_pending().await;
            let is_busy = self.ledger.lock().is_any_under_way();
            let pause = turns.pause(is_busy, self.now_ns());
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.pending.notified() => {}
                () = self.staging.clock().sleep(pause) => match turns.take(self.now_ns()) {
                    Turn::All => self.look_at_all().await,
                    Turn::UnderWay => self.look_at_those_under_way().await,
                },
            }
        }
    }

    async fn look_at_those_under_way(&self) {
        let under_way = self.ledger.lock().under_way();
        self.look_at(&under_way).await;
        self.settle();
    }

    /// Looks at the objects of which something was told.
    async fn look_at_pending(&self) {
        let pending = self.ledger.lock().take_pending();
        self.look_at(&pending).await;
        self.settle();
    }

    async fn look_at(&self, objects: &[ObjectId]) {
        for some in objects.chunks(TOGETHER) {
            let standings = self.staging.standings(some);
            self.stand(some.iter().zip(standings));
            tokio::task::yield_now().await;
        }
    }

    fn stand<'o>(&self, standings: impl Iterator<Item = (&'o ObjectId, Standing)>) -> Vec<u32> {
        let mut ledger = self.ledger.lock();
        standings.filter_map(|(id, standing)| ledger.stands(id, standing)).collect()
    }

    /// Looks at all that the engine has, and at what it had and has no more.
    async fn look_at_all(&self) {
        let mut seen = HashSet::new();
        let mut place = Some(0);
        while let Some(from) = place {
            let (standings, next) = self.staging.standings_from(from);
            seen.extend(self.stand(standings.iter().map(|(id, standing)| (id, standing.clone()))));
            place = next;
            tokio::task::yield_now().await;
        }
        let left = self.ledger.lock().left_engine(&seen, self.now_ns());
        self.look_at(&left).await;
        self.settle();
    }
}

/// When what is looked at next.
struct Turns {
    last_ns: i64,
    last_of_all_ns: i64,
}

/// What is looked at.
enum Turn {
    /// All that the engine has.
    All,
    /// Recalls that are under way.
    UnderWay,
}

impl Turns {
    fn from(now_ns: i64) -> Self {
        Self { last_ns: now_ns, last_of_all_ns: now_ns }
    }

    /// How long nothing is due.
    fn pause(&self, is_busy: bool, now_ns: i64) -> Duration {
        let all_ns = self.last_of_all_ns.saturating_add(LOOK_SELDOM_NS);
        let next_ns = if is_busy { all_ns.min(self.last_ns.saturating_add(LOOK_OFTEN_NS)) } else { all_ns };
        Duration::from_nanos(u64::try_from(next_ns.saturating_sub(now_ns)).unwrap_or_default())
    }

    /// What is due.
    fn take(&mut self, now_ns: i64) -> Turn {
        self.last_ns = now_ns;
        if now_ns.saturating_sub(self.last_of_all_ns) < LOOK_SELDOM_NS {
            return Turn::UnderWay;
        }
        self.last_of_all_ns = now_ns;
        Turn::All
    }
}
