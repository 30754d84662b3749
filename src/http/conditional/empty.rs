//! A body that is empty without saying so.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// No bytes, of a length that is not told.
///
/// An ordinary empty body has length 0, which axum writes into `Content-Length`: wrong on an answer to
/// HEAD whose length is not known, and on a 304.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UnsizedEmpty;

impl Body for UnsizedEmpty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
