//! Reading a long answer as it arrives.
//!
//! Owns the thread that reads and what it is fed with. Only what the reader makes of the body is kept, and
//! of the body itself the beginning, by which an answer is described that is not what was asked for.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::error::TransportError;

/// Pieces of a body that wait to be read.
const WAITING: usize = 16;
/// How much of a body is kept, in bytes.
const BEGINNING: usize = 64 * 1024;

type BodyReading = dyn Fn(&mut dyn Read) + Send + Sync;

/// What reads the body of an answer; made by [`HttpClient::send_and_read`](super::HttpClient::send_and_read).
#[derive(Clone)]
pub struct BodyReader(Arc<BodyReading>);

impl BodyReader {
    pub(super) fn new(read: impl Fn(&mut dyn Read) + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads the rest of `response`, at most `limit` bytes; returns the beginning.
    pub(super) async fn read(
        &self,
        response: &mut reqwest::Response,
        limit: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let status = response.status().as_u16();
        let (pieces, receiver) = mpsc::channel(WAITING);
        let reader = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let piece = Bytes::new();
            (reader.0)(&mut BufReader::new(Arriving { receiver, piece }));
        });
        let (mut beginning, mut length) = (Vec::new(), 0);
        loop {
            let piece = match response.chunk().await {
                Err(_) => return Err(TransportError::Truncated { status }),
                Ok(None) => break,
                Ok(Some(piece)) => piece,
            };
            length += piece.len();
            if length > limit {
                return Err(TransportError::TooLarge { status, limit });
            }
            let room = BEGINNING - beginning.len();
            beginning.extend(piece.iter().take(room));
            // Nothing begins so: whoever sends blanks for ever has nothing to say.
            if beginning.len() == BEGINNING && beginning.iter().all(u8::is_ascii_whitespace) {
                let limit = BEGINNING;
                return Err(TransportError::TooLarge { status, limit });
            }
            // A reader that has met a fault wants no more.
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        drop(pieces);
        // It ends with its last piece, and what it found is with whoever gave the reader.
        let _ = reading.await;
        Ok(beginning)
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyReader")
    }
}

/// A body whose pieces come from another thread.
struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
