//! The parts of one landing: some are read at the same time, each is written where it belongs, and what has
//! been written is flushed and checked meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::checksum::Follower;
use super::failure::{LandCause, LandFailure};
use super::partial::PartialFile;
use super::parts::{Done, Part};
use super::{LandingSettings, Progress, Source, Watch};

/// Most bytes that the checksum goes on in one step: after each, the landing can be ended.
const FOLLOW_BYTES: u64 = 64 << 20;

/// How long a landing that failed waits until what has come is written down.
const KEEP_AT_MOST: Duration = Duration::from_secs(10);

/// What one step of a landing brought.
enum Step {
    /// A part was written.
    Written(Part),
    /// Parts were flushed and written down.
    Committed,
    /// The checksum went on.
    Followed(Follower),
}

/// A landing under way.
pub(super) struct Flight<'a> {
    source: Source<'a>,
    file: Arc<PartialFile>,
    settings: &'a LandingSettings,
    missing: std::iter::Peekable<Box<dyn Iterator<Item = Range<u64>> + Send>>,
    done: Done,
    /// Parts that were written, and not yet written down.
    uncommitted: Vec<Part>,
    uncommitted_bytes: u64,
    is_committing: bool,
    /// `None` if the store has no checksum, or while it goes on.
    follower: Option<Follower>,
    /// Parts that are read and written.
    reads: Steps<'a>,
    /// What is flushed, written down and checked meanwhile.
    background: Steps<'a>,
}

type Steps<'a> = FuturesUnordered<BoxFuture<'a, Result<Step, LandFailure>>>;

impl<'a> Flight<'a> {
    pub(super) fn new(
        source: Source<'a>,
        file: Arc<PartialFile>,
        done: Done,
        settings: &'a LandingSettings,
    ) -> Self {
        let missing: Box<dyn Iterator<Item = Range<u64>> + Send> =
            Box::new(done.missing(source.status.len_bytes, settings.part_bytes));
        Self {
            source,
            file,
            settings,
            missing: missing.peekable(),
            done,
            uncommitted: Vec::new(),
            uncommitted_bytes: 0,
            is_committing: false,
            follower: source.status.checksum.as_ref().map(Follower::new),
            reads: FuturesUnordered::new(),
            background: FuturesUnordered::new(),
        }
    }

    /// Reads all that is missing. All bytes are in the file and have the right checksum when this returns.
    pub(super) async fn run(mut self, watch: &Watch<'_>, progress: Progress<'_>) -> Result<(), LandFailure> {
        loop {
            self.begin_steps();
            let step = match watch.guard(self.next()).await {
                Ok(Some(step)) => step,
                Ok(None) => return self.check(),
                Err(failure) => {
                    self.keep(watch, failure.cause).await;
                    return Err(failure);
                }
            };
            if self.took(step) {
                progress(self.done.len_bytes());
            }
        }
    }

    /// The next step that has ended; `None` if none is under way.
    async fn next(&mut self) -> Result<Option<Step>, LandFailure> {
        tokio::select! {
            Some(step) = self.reads.next() => step.map(Some),
            Some(step) = self.background.next() => step.map(Some),
            else => Ok(None),
        }
    }

    /// Takes in what a step brought; `true` if more bytes have come.
    fn took(&mut self, step: Step) -> bool {
        match step {
            Step::Written(part) => {
                self.done.add(&part);
                self.uncommitted_bytes += part.range.end - part.range.start;
                self.uncommitted.push(part);
                return true;
            }
            Step::Committed => self.is_committing = false,
            Step::Followed(follower) => self.follower = Some(follower),
        }
        false
    }

    fn begin_steps(&mut self) {
        while self.reads.len() < self.settings.parts_in_flight.max(1) {
            let Some(range) = self.missing.next() else { break };
            self.reads.push(Box::pin(fetch(self.source, Arc::clone(&self.file), range)));
        }
        let is_last = self.reads.is_empty() && self.missing.peek().is_none();
        if self.uncommitted_bytes >= self.settings.journal_bytes && !self.is_committing && !is_last {
            self.begin_commit();
        }
        let prefix = self.done.prefix();
        if let Some(mut follower) = self.follower.take_if(|follower| follower.at() < prefix) {
            let end = prefix.min(follower.at().saturating_add(FOLLOW_BYTES));
            self.begin(move |file| {
                file.read_with(|bytes| follower.follow(bytes, end))?;
                Ok(Step::Followed(follower))
            });
        }
    }

    fn begin_commit(&mut self) {
        let parts = std::mem::take(&mut self.uncommitted);
        self.uncommitted_bytes = 0;
        self.is_committing = true;
        self.begin(move |file| file.commit(&parts).map(|()| Step::Committed));
    }

    /// Begins a step on the blocking pool.
    fn begin(&mut self, work: impl FnOnce(&PartialFile) -> Result<Step, LandFailure> + Send + 'static) {
        let (source, file) = (self.source, Arc::clone(&self.file));
        self.background.push(Box::pin(on_pool(source, move || work(&file))));
    }

    fn check(self) -> Result<(), LandFailure> {
        let object = &self.source.object.id;
        if self.done.prefix() != self.source.status.len_bytes {
            let found = self.done.prefix();
            let message = format!("{object} has {} bytes, {found} came", self.source.status.len_bytes);
            return Err(LandFailure::new(LandCause::Retryable { after: None }, message));
        }
        let Some(follower) = self.follower else { return Ok(()) };
        follower.check().map_err(|words| {
            LandFailure::new(LandCause::Corrupt, format!("the checksum of {object} is wrong: {words}"))
        })
    }

    /// Writes down what has come so far, for the next attempt. What cannot be written down is read again.
    async fn keep(&mut self, watch: &Watch<'_>, cause: LandCause) {
        self.reads.clear();
        if !matches!(cause, LandCause::Retryable { .. } | LandCause::Cancelled | LandCause::NoSpace) {
            return;
        }
        let settled = async {
            loop {
                if !self.is_committing && !self.uncommitted.is_empty() {
                    self.begin_commit();
                }
                match self.background.next().await {
                    Some(Ok(step)) => self.took(step),
                    Some(Err(_)) | None => return,
                };
            }
        };
        // What is under way goes on in the pool if this gives up.
        tokio::select! {
            () = settled => {}
            () = watch.clock.sleep(KEEP_AT_MOST) => {}
        }
    }
}

/// Reads a part and writes it where it belongs.
async fn fetch(source: Source<'_>, file: Arc<PartialFile>, range: Range<u64>) -> Result<Step, LandFailure> {
    let Source { store, object, status } = source;
    let bytes = store
        .read(object, &status.version, range.clone())
        .await
        .map_err(|error| LandFailure::of_store(error, &object.id))?;
    if bytes.len() as u64 != range.end - range.start {
        let message =
            format!("the store answered {} bytes for the range {range:?} of {}", bytes.len(), object.id);
        return Err(LandFailure::new(LandCause::Retryable { after: None }, message));
    }
    on_pool(source, move || file.write(range.start, &bytes).map(Step::Written)).await
}

async fn on_pool(
    source: Source<'_>,
    work: impl FnOnce() -> Result<Step, LandFailure> + Send + 'static,
) -> Result<Step, LandFailure> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| LandFailure::of_task(cause, &source.object.id))?
}
