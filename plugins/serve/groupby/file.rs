//! A result as a file, written beside the threads that answer requests and sent from the disk if it is large.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tempfile::TempDir;
use thermocline_core::manifest::blocking;
use thermocline_core::write::{ArraySource, ArrayWriter};
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::body::Made;

/// Files up to this length are sent from memory, in bytes.
const MAX_WHOLE: u64 = 4 << 20;

/// Bytes of a file that are read at a time.
const PIECE: u64 = 256 << 10;

/// When to come back if a file cannot be written.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// Writes files of results.
pub(crate) struct Files {
    writer: Arc<dyn ArrayWriter>,
    /// Folder of unfinished files; `None` for the folder that the system has for them.
    dir: Option<PathBuf>,
    /// One for each file that may be written at the same time; further ones wait.
    turns: Arc<Semaphore>,
}

impl Files {
    /// Files of a writer's format, so many at the same time.
    pub(crate) fn new(writer: Arc<dyn ArrayWriter>, dir: Option<PathBuf>, max_at_once: usize) -> Self {
        Self { writer, dir, turns: Arc::new(Semaphore::new(max_at_once.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// The file of a result, as writers of files see it. It has no name any more when this returns.
    ///
    /// # Errors
    /// Those of the writer; [`ErrorKind::Unavailable`] where there is no room for a file.
    pub(crate) async fn write(&self, result: impl ArraySource + 'static) -> Result<Made> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|cause| Error::internal("no file is written any more").with_source(cause))?;
        let (writer, dir) = (Arc::clone(&self.writer), self.dir.clone());
        let written = blocking(move || {
            // It ends with the work, not with the request: a client may go away meanwhile.
            let _turn = turn;
            let folder = folder(dir)?;
            let path = folder.path().join("result");
            writer.write(&result, &path)?;
            let mut file = File::open(&path).map_err(no_room)?;
            let len_bytes = file.metadata().map_err(no_room)?.len();
            if len_bytes > MAX_WHOLE {
                return Ok(Made::File(Arc::new(file), len_bytes));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(len_bytes).unwrap_or_default());
            file.read_to_end(&mut bytes).map_err(no_room)?;
            Ok(Made::Whole(bytes.into()))
        });
        written.await
    }
}

fn folder(dir: Option<PathBuf>) -> Result<TempDir> {
    let made = match dir {
        Some(dir) => std::fs::create_dir_all(&dir).and_then(|()| TempDir::new_in(dir)),
        None => TempDir::new(),
    };
    made.map_err(no_room)
}

fn no_room(cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, "the file of a result cannot be written").with_source(cause)
}

/// Some bytes of a file, read as they are sent.
pub(crate) fn sent(file: Arc<File>, bytes: Range<u64>) -> Body {
    let pieces = stream::try_unfold(bytes, move |left| {
        let file = Arc::clone(&file);
        async move {
            if left.is_empty() {
                return Ok::<_, Error>(None);
            }
            let end = left.end.min(left.start.saturating_add(PIECE));
            let start = left.start;
            let piece = blocking(move || read(&file, start..end)).await?;
            Ok(Some((piece, end..left.end)))
        }
    });
    Body::from_stream(pieces)
}

/// Reads bytes of a file that nobody else reads meanwhile.
fn read(mut file: &File, bytes: Range<u64>) -> Result<Bytes> {
    let mut read = Vec::with_capacity(usize::try_from(bytes.end - bytes.start).unwrap_or_default());
    file.seek(SeekFrom::Start(bytes.start)).map_err(no_room)?;
    file.take(bytes.end - bytes.start).read_to_end(&mut read).map_err(no_room)?;
    if read.len() as u64 != bytes.end - bytes.start {
        return Err(Error::internal("the file of a result is shorter than it was"));
    }
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::body::to_bytes;
    use thermocline_model::{ArrayBytes, Group};

    use super::*;

    /// The one variable of a group whose values a file is made of.
    struct Tas(Group, Arc<ArrayBytes>);

    impl ArraySource for Tas {
        fn root(&self) -> &Group {
            &self.0
        }

        fn values(&self, variable: &str) -> Result<Arc<ArrayBytes>> {
            assert_eq!(variable, "tas");
            Ok(Arc::clone(&self.1))
        }
    }

    /// Writes the values of the variable over and over.
    struct Plain(usize);

    impl ArrayWriter for Plain {
        fn media_type(&self) -> &'static str {
            "application/octet-stream"
        }

        fn extension(&self) -> &'static str {
            "bin"
        }

        fn write(&self, source: &dyn ArraySource, to: &Path) -> Result<()> {
            let values = source.values("tas")?;
            let ArrayBytes::Fixed(bytes) = &*values else { return Err(Error::internal("no numbers")) };
            assert_eq!(source.root().variables.len(), 4);
            std::fs::write(to, bytes.repeat(self.0)).map_err(no_room)
        }
    }

    async fn written(n: usize) -> (Made, Vec<u8>) {
        let (described, values) = crate::tests::result();
        let ArrayBytes::Fixed(bytes) = &*values else { unreachable!() };
        let expected = bytes.repeat(n);
        let files = Files::new(Arc::new(Plain(n)), None, 1);
        (files.write(Tas(described.root, values)).await.unwrap(), expected)
    }

    #[tokio::test]
    async fn a_small_file_is_sent_from_memory() {
        let (made, expected) = written(10).await;
        assert!(matches!(made, Made::Whole(bytes) if bytes == expected));
    }

    #[tokio::test]
    async fn a_large_file_is_sent_from_the_disk_whole_or_in_part() {
        let (made, expected) = written(300_000).await;
        let Made::File(file, len_bytes) = made else { panic!("not a file") };
        assert_eq!(len_bytes, expected.len() as u64);

        let part = to_bytes(sent(Arc::clone(&file), 1000..700_000), usize::MAX).await.unwrap();
        let whole = to_bytes(sent(file, 0..len_bytes), usize::MAX).await.unwrap();
        assert!(part == expected[1000..700_000] && whole == expected);
    }
}
