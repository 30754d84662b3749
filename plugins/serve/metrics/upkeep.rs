//! Times are kept one by one until they are put into their buckets: that must happen whether anybody asks for
//! the metrics or not.

use std::time::Duration;

use thermocline_core::clock::Clock;

/// How often. A server at its limit records some 100,000 times meanwhile, which is 1 MB.
const EVERY: Duration = Duration::from_secs(5);

/// Does `work` again and again, away from the threads that answer requests.
pub(crate) async fn repeat(clock: impl Clock, work: impl Fn() + Clone + Send + 'static) {
    loop {
        clock.sleep(EVERY).await;
        // It ends early only if the work panics, or with the runtime; the next round is due all the same.
        let _ = tokio::task::spawn_blocking(work.clone()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::JoinSet;

    use super::*;

    /// A clock that says how long somebody wants to sleep, and wakes one sleeper for each permit.
    struct Told(mpsc::UnboundedSender<Duration>, Arc<Semaphore>);

    #[async_trait]
    impl Clock for Told {
        fn now_ns(&self) -> i64 {
            0
        }

        async fn sleep(&self, duration: Duration) {
            self.0.send(duration).unwrap();
            self.1.acquire().await.unwrap().forget();
        }
    }

    #[tokio::test]
    async fn upkeep_happens_every_five_seconds() {
        let (told, mut sleeps) = mpsc::unbounded_channel();
        let (done, mut rounds) = mpsc::unbounded_channel();
        let wake = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(repeat(Told(told, Arc::clone(&wake)), move || done.send(()).unwrap()));
        for _ in 0..3 {
            assert_eq!(sleeps.recv().await, Some(Duration::from_secs(5)));
            assert!(rounds.try_recv().is_err(), "before its time");
            wake.add_permits(1);
            rounds.recv().await.unwrap();
        }
    }
}
