//! Whether a request has body_started to go out.
//!
//! Owns a body that notes when the connection first asks for it. That is when the connection stands and
//! the head is written, not before: until then nothing can have reached the server.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The note. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyStarted(Arc<AtomicBool>);

impl BodyStarted {
    /// Whether the body, and so the head before it, has body_started to go out.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A body of these bytes that sets the note when it is asked for.
    pub(super) fn track(&self, bytes: &[u8]) -> reqwest::Body {
        reqwest::Body::wrap(TrackedBody {
            bytes: Some(Bytes::copy_from_slice(bytes)),
            body_started: self.clone(),
        })
    }
}

struct TrackedBody {
    bytes: Option<Bytes>,
    body_started: BodyStarted,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.body_started.0.store(true, Ordering::Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
