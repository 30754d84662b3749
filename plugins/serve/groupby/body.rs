//! Bodies that are written piece by piece: small ones at once, large ones as they are sent, so that a text is never whole in
//! memory that is many times as long as its numbers.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use thermocline_core::manifest::blocking;
use thermocline_core::{Error, Result};

/// Cells that are written at a time.
const PIECE: usize = 1 << 15;

/// Results of at most so many cells are written at once.
pub(crate) const MAX_WHOLE: usize = 1 << 17;

/// A result in a form that can be written piece by piece.
pub(crate) trait Written: Send + Sync + 'static {
    /// How many cells there are.
    fn n_cells(&self) -> usize;

    /// What comes before the cells.
    fn head(&self, out: &mut Vec<u8>);

    /// Some of the cells, in order.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for values that the form cannot write: mistakes of the program.
    fn cells(&self, cells: Range<usize>, out: &mut Vec<u8>) -> Result<()>;

    /// What comes after them.
    fn tail(&self, out: &mut Vec<u8>);
}

/// A body.
pub(crate) enum Made {
    /// All of it.
    Whole(Bytes),
    /// Of unknown length, written as it is sent.
    Stream(Body),
    /// A file of this length.
    File(Arc<File>, u64),
}

/// The body that `begin` begins, which runs away from the threads that answer requests, as all writing does.
///
/// # Errors
/// Those of `begin`.
pub(crate) async fn write<W: Written>(begin: impl FnOnce() -> Result<W> + Send + 'static) -> Result<Made> {
    let begun = blocking(move || {
        let written = begin()?;
        if written.n_cells() > MAX_WHOLE {
            return Ok(Err(Arc::new(written)));
        }
        let mut out = Vec::new();
        written.head(&mut out);
        written.cells(0..written.n_cells(), &mut out)?;
        written.tail(&mut out);
        Ok(Ok(Bytes::from(out)))
    });
    Ok(match begun.await? {
        Ok(whole) => Made::Whole(whole),
        Err(written) => Made::Stream(streamed(written)),
    })
}

/// The pieces of a body, each written when the one before it has been taken.
fn streamed<W: Written>(written: Arc<W>) -> Body {
    let pieces = stream::try_unfold(Some(0), move |first| {
        let written = Arc::clone(&written);
        async move {
            let Some(first) = first else { return Ok::<_, Error>(None) };
            let piece = blocking(move || piece(&*written, first)).await?;
            Ok(Some(piece))
        }
    });
    Body::from_stream(pieces)
}

/// The piece that begins with a cell, and with which cell the next one begins.
fn piece<W: Written>(written: &W, first: usize) -> Result<(Bytes, Option<usize>)> {
    let mut out = Vec::with_capacity(PIECE * 16);
    let (n_cells, next) = (written.n_cells(), first.saturating_add(PIECE));
    if first == 0 {
        written.head(&mut out);
    }
    written.cells(first.min(n_cells)..next.min(n_cells), &mut out)?;
    if next >= n_cells {
        written.tail(&mut out);
    }
    Ok((Bytes::from(out), (next < n_cells).then_some(next)))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    /// A list of numbers.
    struct Numbers(usize);

    impl Written for Numbers {
        fn n_cells(&self) -> usize {
            self.0
        }

        fn head(&self, out: &mut Vec<u8>) {
            out.push(b'<');
        }

        fn cells(&self, cells: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
            out.extend(cells.flat_map(|cell| format!("{cell} ").into_bytes()));
            Ok(())
        }

        fn tail(&self, out: &mut Vec<u8>) {
            out.push(b'>');
        }
    }

    #[tokio::test]
    async fn a_streamed_body_is_the_same_as_a_whole_one() {
        for n_cells in [0, 1, PIECE, PIECE + 1, MAX_WHOLE + 5] {
            let numbers: String = (0..n_cells).map(|cell| format!("{cell} ")).collect();
            let sent = to_bytes(streamed(Arc::new(Numbers(n_cells))), usize::MAX).await.unwrap();
            assert_eq!(sent, format!("<{numbers}>"));
        }
    }

    #[tokio::test]
    async fn only_large_bodies_are_streamed() {
        let is_whole = |made: Made| matches!(made, Made::Whole(_));
        assert!(is_whole(write(|| Ok(Numbers(MAX_WHOLE))).await.unwrap()));
        assert!(!is_whole(write(|| Ok(Numbers(MAX_WHOLE + 1))).await.unwrap()));
    }
}
