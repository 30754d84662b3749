//! Finished pictures, kept within a bound; and those being drawn, each once for all who wait for it. How long that may take
//! is the plotter's to say, since it knows how long a plot has waited for its turn.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thermocline_core::flight::Flights;
use thermocline_plot::{Drawn, Failure, Plotter};
use thermocline_render::Cancel;

use crate::grouped::Subject;
use crate::trouble::Trouble;

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 256;

/// Size of a usual picture: from it follows how many there will be.
const USUAL_BYTES: u64 = 64 << 10;

#[derive(Clone)]
struct EntryWeight;

impl Weighter<Arc<str>, Bytes> for EntryWeight {
    fn weight(&self, etag: &Arc<str>, picture: &Bytes) -> u64 {
        (picture.len() + etag.len() + ENTRY_BYTES) as u64
    }
}

/// Pictures by their entity tags.
pub(crate) struct Pictures {
    kept: Arc<Cache<Arc<str>, Bytes, EntryWeight>>,
    /// What is being drawn. Without anybody who waits it is dropped, and called off by that.
    drawing: Flights<Arc<str>, Bytes, Trouble>,
}

impl Pictures {
    /// At most `max_bytes` of them.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let n_usual = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let kept = Arc::new(Cache::with_weighter(n_usual, max_bytes, EntryWeight));
        Self { kept, drawing: Flights::default() }
    }

    /// How many bytes they take at present.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.kept.weight()
    }

    /// A finished picture.
    pub(crate) fn get(&self, etag: &str) -> Option<Bytes> {
        self.kept.get(etag)
    }

    /// A picture, drawn if it is not at hand.
    ///
    /// # Errors
    /// Why it cannot be drawn.
    pub(crate) async fn get_or_draw(
        &self,
        plotter: &Arc<Plotter>,
        subject: impl Into<Subject>,
    ) -> Result<Bytes, Trouble> {
        let subject = subject.into();
        let etag: Arc<str> = subject.plan.etag().into();
        let plotter = Arc::clone(plotter);
        let draw = move |cancel: Cancel| async move {
            let plan = subject.computed(&plotter, &cancel).await?;
            let Drawn { body, .. } = plotter.draw(&plan, &cancel).await?;
            Ok(body)
        };
        self.get_or_make(etag, draw).await
    }

    /// The body of an entity tag, made by `make` if it is not at hand, once for all who ask at the same time.
    ///
    /// # Errors
    /// Those of `make`, for all of them.
    pub(crate) async fn get_or_make<M, F>(&self, etag: Arc<str>, make: M) -> Result<Bytes, Trouble>
    where
        M: FnOnce(Cancel) -> F + Send + 'static,
        F: Future<Output = Result<Bytes, Failure>> + Send + 'static,
    {
        if let Some(picture) = self.kept.get(&etag) {
            return Ok(picture);
        }
        let (kept, key) = (Arc::clone(&self.kept), Arc::clone(&etag));
        let draw = || async move {
            // It may have been finished since it was looked for.
            if let Some(picture) = kept.get(&key) {
                return Ok(picture);
            }
            let called_off = CallOff(Cancel::new());
            let picture = make(called_off.0.clone()).await.map_err(Trouble::from)?;
            kept.insert(key, picture.clone());
            Ok(picture)
        };
        self.drawing.join(etag, (), draw).await.map_err(|trouble| trouble.shared())
    }
}

/// Calls drawing off when nobody waits any more.
struct CallOff(Cancel);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;

    fn pictures() -> Pictures {
        Pictures::new(1 << 20)
    }

    #[tokio::test]
    async fn a_picture_is_drawn_once_for_all_who_wait_and_then_kept() {
        let (pictures, n_drawn) = (pictures(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let n_drawn = Arc::clone(&n_drawn);
            pictures.get_or_make("a".into(), move |_| async move {
                n_drawn.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Bytes::from_static(b"picture"))
            })
        };
        let answers = futures::future::join_all((0..100).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(bytes) if bytes == "picture")));
        assert!(ask().await.is_ok());
        assert_eq!(n_drawn.load(Ordering::SeqCst), 1);
        assert!(pictures.used_bytes() > 0);
    }

    #[tokio::test]
    async fn drawing_is_called_off_when_the_last_who_waits_leaves() {
        let (pictures, begun) = (pictures(), Arc::new(Notify::new()));
        let seen = Arc::new(Mutex::new(None));
        let ask = || {
            let (begun, seen) = (Arc::clone(&begun), Arc::clone(&seen));
            Box::pin(pictures.get_or_make("a".into(), move |cancel: Cancel| async move {
                *seen.lock() = Some(cancel);
                begun.notify_one();
                std::future::pending().await
            }))
        };
        let (mut first, mut second) = (ask(), ask());
        for waiting in [&mut first, &mut second] {
            assert!(futures::poll!(waiting).is_pending());
        }
        begun.notified().await;
        let cancel = seen.lock().clone().unwrap();

        drop(first);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(cancel.check().is_ok(), "another waits for it");
        drop(second);
        assert!(cancel.check().is_err());
    }

    #[tokio::test]
    async fn failures_are_told_to_all_and_not_kept() {
        let pictures = pictures();
        let fail = |_| async {
            tokio::task::yield_now().await;
            Err(Failure::Undrawable("no".into()))
        };
        let (one, two) =
            tokio::join!(pictures.get_or_make("a".into(), fail), pictures.get_or_make("a".into(), fail));
        assert!(matches!((one, two), (Err(_), Err(_))));
        let good = pictures.get_or_make("a".into(), |_| async { Ok(Bytes::from_static(b"good")) }).await;
        assert!(good.is_ok());
    }
}
