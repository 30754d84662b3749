//! Large bodies of requests: few are worked on at the same time, however slowly others arrive.
//!
//! A body is kept in memory up to a mebibyte. One that goes on is written into a file without a name as it arrives;
//! once it is whole it waits for one of few turns, is read into memory and worked on. So who sends slowly holds a place
//! among those that arrive, and never a turn.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use thermocline_core::{Error, ErrorKind};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::Problem;
use crate::problem::TOO_LARGE;

/// From this size on a body is large.
const LARGE_BYTES: usize = 1 << 20;

/// From this size on a body is worked on away from the threads that answer requests.
const LONG_BYTES: usize = 16 << 10;

/// Bytes that are written into a file together.
const WRITTEN_TOGETHER: usize = 256 << 10;

/// When to come back if too many bodies arrive, or there is no room for one.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Bounds of bodies.
#[derive(Debug, Clone)]
pub struct BodySettings {
    /// Most bytes of a body.
    pub max_bytes: usize,
    /// Large bodies that may arrive at the same time; further ones are refused.
    pub max_arriving: usize,
    /// Large bodies that are worked on at the same time; others wait.
    pub max_at_once: usize,
    /// Folder of large bodies that arrive, for at most `max_arriving` times `max_bytes`; `None` for the folder that the
    /// system has for temporary files.
    pub dir: Option<PathBuf>,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self { max_bytes: 512 << 20, max_arriving: 32, max_at_once: 2, dir: None }
    }
}

/// The bodies of some calls.
pub struct Bodies {
    settings: BodySettings,
    arriving: Semaphore,
    turns: Arc<Semaphore>,
}

/// A body that has come whole.
pub struct ReadBody {
    bytes: Bytes,
    turn: Turn,
}

/// The turn of a large body: kept as long as what was made of it is worked on.
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl ReadBody {
    /// Does `work` on the bytes, on many of them away from the threads that answer requests. Who goes away meanwhile
    /// takes no turn from others before the work has ended.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, Turn), Problem> {
        let Self { bytes, turn } = self;
        if bytes.len() < LONG_BYTES {
            return Ok((work(&bytes)?, turn));
        }
        let working = tokio::task::spawn_blocking(move || Ok((work(&bytes)?, turn)));
        working.await.unwrap_or_else(|_| Err(Error::internal("reading a body stopped by a mistake").into()))
    }
}

impl Bodies {
    /// Bodies within these bounds.
    pub fn new(settings: BodySettings) -> Self {
        let permits = |n: usize| Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS));
        let turns = Arc::new(permits(settings.max_at_once));
        Self { arriving: permits(settings.max_arriving), turns, settings }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// 413 for one that is too large, 400 for one that breaks off, 503 while too many large ones arrive or when there
    /// is no room for one.
    pub async fn read(&self, body: Body) -> Result<ReadBody, Problem> {
        self.read_within(body, self.settings.max_bytes).await
    }

    /// Reads a body of at most `max_bytes` to its end: calls that ask for little take no long lists.
    ///
    /// # Errors
    /// Those of [`Bodies::read`].
    pub async fn read_within(&self, body: Body, max_bytes: usize) -> Result<ReadBody, Problem> {
        let max_bytes = max_bytes.min(self.settings.max_bytes);
        let mut pieces = Limited::new(body, max_bytes).into_data_stream();
        let mut held = BytesMut::new();
        let mut spool: Option<(Spool, SemaphorePermit<'_>)> = None;
        while let Some(piece) = pieces.next().await {
            held.extend_from_slice(&piece.map_err(|cause| broken(&*cause, max_bytes))?);
            match &mut spool {
                Some((spool, _)) if held.len() >= WRITTEN_TOGETHER => spool.take(&mut held).await?,
                None if held.len() > LARGE_BYTES => {
                    let place = self.arriving.try_acquire().map_err(|_| self.too_many())?;
                    let mut begun = Spool::begin(self.settings.dir.clone()).await?;
                    begun.take(&mut held).await?;
                    spool = Some((begun, place));
                }
                _ => {}
            }
        }
        let Some((mut spool, place)) = spool else {
            return Ok(ReadBody { bytes: held.freeze(), turn: Turn { _permit: None } });
        };
        spool.take(&mut held).await?;
        drop(held);
        let turn = Turn { _permit: Arc::clone(&self.turns).acquire_owned().await.ok() };
        let bytes = spool.whole().await?;
        drop(place);
        Ok(ReadBody { bytes, turn })
    }

    fn too_many(&self) -> Problem {
        let n = self.settings.max_arriving;
        let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
        Error::new(kind, format!("{n} large bodies are arriving already, which is the most")).into()
    }
}

fn broken(cause: &(dyn StdError + 'static), limit: usize) -> Problem {
    let mut causes = std::iter::successors(Some(cause), |&cause| cause.source());
    if causes.any(|cause| cause.is::<LengthLimitError>()) {
        return Problem::new(&TOO_LARGE, format!("the body has more than {limit} bytes"))
            .with_field("limit", limit);
    }
    Problem::invalid_input("the body broke off")
}

/// A body that arrives, in a file that ends with it.
struct Spool {
    file: File,
    len_bytes: usize,
}

impl Spool {
    async fn begin(dir: Option<PathBuf>) -> Result<Self, Problem> {
        let made = tokio::task::spawn_blocking(move || match dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir)?;
                tempfile::tempfile_in(dir)
            }
            None => tempfile::tempfile(),
        });
        let file = made.await.map_err(|_| Error::internal("a body could not be kept by a mistake"))?;
        Ok(Self { file: File::from_std(file.map_err(no_room)?), len_bytes: 0 })
    }

    /// Writes what has come.
    async fn take(&mut self, held: &mut BytesMut) -> Result<(), Problem> {
        self.file.write_all(held).await.map_err(no_room)?;
        self.len_bytes = self.len_bytes.saturating_add(held.len());
        held.clear();
        Ok(())
    }

    /// All that was written.
    async fn whole(mut self) -> Result<Bytes, Problem> {
        self.file.flush().await.map_err(no_room)?;
        self.file.rewind().await.map_err(no_room)?;
        let mut bytes = Vec::with_capacity(self.len_bytes);
        self.file.read_to_end(&mut bytes).await.map_err(no_room)?;
        if bytes.len() != self.len_bytes {
            return Err(Error::internal("a body is not in its file as it was written").into());
        }
        Ok(bytes.into())
    }
}

fn no_room(cause: std::io::Error) -> Problem {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, "the body cannot be kept while it arrives").with_source(cause).into()
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedSender, unbounded};

    use super::*;

    fn bodies(max_arriving: usize) -> Bodies {
        Bodies::new(BodySettings { max_bytes: 8 << 20, max_arriving, max_at_once: 2, dir: None })
    }

    /// A body that goes on as long as its sender likes, and has begun with more than a mebibyte.
    fn slow() -> (UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
        let (sender, pieces) = unbounded();
        sender.unbounded_send(Ok(vec![b's'; LARGE_BYTES + 1].into())).unwrap();
        (sender, Body::from_stream(pieces))
    }

    /// Reads until the body has nothing more to give at present.
    async fn begin<'b>(
        reading: std::pin::Pin<&mut (impl Future<Output = Result<ReadBody, Problem>> + 'b)>,
        bodies: &Bodies,
        n_free: usize,
    ) {
        let mut reading = reading;
        while bodies.arriving.available_permits() > n_free {
            assert!(futures::poll!(reading.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn slow_senders_of_large_bodies_keep_no_turn_from_others() {
        let bodies = bodies(3);
        let ((one, first), (other, second)) = (slow(), slow());
        let (mut first, mut second) = (Box::pin(bodies.read(first)), Box::pin(bodies.read(second)));
        begin(first.as_mut(), &bodies, 2).await;
        begin(second.as_mut(), &bodies, 1).await;

        let large: Vec<u8> = (0..3 << 20).map(|n: u32| n as u8).collect();
        let third = bodies.read(Body::from(large.clone())).await.unwrap();
        assert_eq!(third.bytes, large);
        drop(third);

        for sender in [one, other] {
            sender.unbounded_send(Ok(Bytes::from_static(b"end"))).unwrap();
        }
        for read in [first.await.unwrap(), second.await.unwrap()] {
            assert_eq!(read.bytes.len(), LARGE_BYTES + 4);
            assert!(read.bytes.ends_with(b"send"));
        }
    }

    #[tokio::test]
    async fn bodies_that_arrive_are_bounded_and_small_ones_need_no_place() {
        let bodies = bodies(1);
        let (_sender, body) = slow();
        let mut first = Box::pin(bodies.read(body));
        begin(first.as_mut(), &bodies, 0).await;
        let refused = bodies.read(Body::from(vec![0; 2 << 20])).await.err().unwrap();
        assert_eq!(refused.status, 503);
        assert_eq!(bodies.read(Body::from("small")).await.unwrap().bytes, "small");
        // Who goes away leaves a place.
        drop(first);
        assert_eq!(bodies.read(Body::from(vec![0; 2 << 20])).await.unwrap().bytes.len(), 2 << 20);
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_told_from_one_that_breaks_off() {
        let bodies = bodies(1);
        let (sender, body) = slow();
        sender.unbounded_send(Ok(vec![0; 8 << 20].into())).unwrap();
        assert_eq!(bodies.read(body).await.err().unwrap().status, 413);
        let (sender, body) = slow();
        sender.unbounded_send(Err(std::io::Error::other("length limit exceeded, says the network"))).unwrap();
        assert_eq!(bodies.read(body).await.err().unwrap().status, 400);
    }

    #[tokio::test]
    async fn long_bodies_are_worked_on_away_from_the_threads_that_answer_requests() {
        let bodies = bodies(1);
        let here = std::thread::current().id();
        for (len_bytes, is_here) in [(100, true), (64 << 10, false), (2 << 20, false)] {
            let read = bodies.read(Body::from(vec![0; len_bytes])).await.unwrap();
            let (thread, _) = read.work(|_| Ok(std::thread::current().id())).await.unwrap();
            assert_eq!(thread == here, is_here, "{len_bytes}");
        }
    }

    #[tokio::test]
    async fn who_goes_away_gives_the_turn_back_only_when_the_work_has_ended() {
        let bodies = bodies(1);
        let read = bodies.read(Body::from(vec![0; 2 << 20])).await.unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (ended, end) = futures::channel::oneshot::channel::<()>();
        let mut work = Box::pin(read.work(move |_| {
            let _ = gate.recv();
            Ok(ended)
        }));
        assert!(futures::poll!(work.as_mut()).is_pending());
        drop(work);
        assert_eq!(bodies.turns.available_permits(), 1);
        open.send(()).unwrap();
        assert!(end.await.is_err());
        while bodies.turns.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_call_that_asks_for_little_takes_no_long_body() {
        let bodies = bodies(1);
        let refused = bodies.read_within(Body::from(vec![0; 1025]), 1024).await.err().unwrap();
        assert_eq!(refused.status, 413);
        assert!(refused.detail().contains("1024"), "{}", refused.detail());
        assert_eq!(bodies.read_within(Body::from(vec![0; 1024]), 1024).await.unwrap().bytes.len(), 1024);
    }
}
