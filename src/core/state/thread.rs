//! The thread that writes: it takes whatever waits, does it in one transaction, flushes once.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::RETRY_AFTER;
use crate::{Error, ErrorKind, Result};

/// Most writes in one transaction: the first of them waits for the last.
const MAX_TOGETHER: usize = 256;

/// Something to be written, and who waits for it.
pub(super) struct Write(Box<dyn Step>);

impl Write {
    pub(super) fn new<T: Send + 'static>(
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        waiter: oneshot::Sender<Result<T>>,
    ) -> Self {
        Self(Box::new(Pending { work: Some(work), waiter, outcome: None }))
    }
}

/// The two halves of a write: doing it, and telling after the flush.
trait Step: Send {
    /// Does the work; true if what it wrote is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells whoever waits. `failure` is why nothing was kept, if the transaction failed as a whole.
    fn tell(self: Box<Self>, failure: Option<(ErrorKind, &str)>);
}

struct Pending<T, F> {
    work: Option<F>,
    waiter: oneshot::Sender<Result<T>>,
    outcome: Option<Result<T>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T> + Send> Step for Pending<T, F> {
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(Error::internal("a write stopped by a mistake of this program")));
        let is_kept = outcome.is_ok();
        self.outcome = Some(outcome);
        is_kept
    }

    fn tell(self: Box<Self>, failure: Option<(ErrorKind, &str)>) {
        let outcome = match (self.outcome, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some((kind, message))) => Err(Error::new(kind, message)),
            (Some(outcome), None) => outcome,
            (None, None) => Err(Error::internal("a write was not done")),
        };
        // Nobody may be waiting any more: what was written stays written.
        let _ = self.waiter.send(outcome);
    }
}

/// The way to the thread.
pub(super) struct Writer {
    sender: mpsc::Sender<Write>,
}

impl Writer {
    /// Starts the thread. It ends when the last sender is gone and everything accepted is written.
    pub(super) fn start(connection: Connection, max_waiting: usize) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(max_waiting.max(1));
        std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || run(connection, receiver))
            .map_err(|cause| Error::internal("cannot start the thread that writes").with_source(cause))?;
        Ok(Self { sender })
    }

    pub(super) async fn send(&self, write: Write) -> Result<()> {
        self.sender.send(write).await.map_err(|_| Error::internal("the thread that writes has ended"))
    }
}

fn run(connection: Connection, mut receiver: mpsc::Receiver<Write>) {
    while let Some(first) = receiver.blocking_recv() {
        let mut together = vec![first];
        while together.len() < MAX_TOGETHER
            && let Ok(next) = receiver.try_recv()
        {
            together.push(next);
        }
        let failure = commit(&connection, &mut together).err();
        let failure = failure.as_ref().map(|error| (error.kind(), error.to_string()));
        for write in together {
            write.0.tell(failure.as_ref().map(|(kind, message)| (*kind, message.as_str())));
        }
    }
}

fn commit(connection: &Connection, writes: &mut [Write]) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // A savepoint keeps every page that is written a second time in memory: one write alone needs none.
    let done = match writes {
        [only] => run_one(connection, only),
        several => savepoints(connection, several).map(|()| true),
    };
    let end = |is_kept| Ok(connection.execute_batch(if is_kept { "COMMIT" } else { "ROLLBACK" })?);
    let done = done.and_then(end);
    if done.is_err() && !connection.is_autocommit() {
        // The first error counts: it says why the transaction is not kept.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

fn savepoints(connection: &Connection, writes: &mut [Write]) -> Result<()> {
    for write in writes {
        connection.execute_batch("SAVEPOINT one")?;
        if !run_one(connection, write)? {
            connection.execute_batch("ROLLBACK TO one")?;
        }
        connection.execute_batch("RELEASE one")?;
    }
    Ok(())
}

/// Does one write; true if it is to be kept.
fn run_one(connection: &Connection, write: &mut Write) -> Result<bool> {
    let is_kept = write.0.run(connection);
    if connection.is_autocommit() {
        // Of its own accord, as it does on a full or failing disk: nothing of the others is kept either.
        let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
        return Err(Error::new(kind, "the database gave up all that was written together"));
    }
    Ok(is_kept)
}
