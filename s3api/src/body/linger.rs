//! What becomes of a body that an error left unread.
//!
//! A socket that is closed with bytes unread resets the connection, and the client never reads the
//! error. So the rest is read and thrown away beside the answer, within bounds.
//!
//! - G1: a client that waits for `100 Continue` never gets it from here.

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bytes that are thrown away at most.
const LINGER_LEN_MAX: u64 = 16 << 20;

/// Time that is spent on it at most.
const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where an unread body is left.
pub struct Leftover<B>(Arc<Mutex<Option<B>>>);

/// A body that is left behind when it is dropped before its end.
pub struct Returning<B> {
    body: Option<B>,
    is_opened: bool,
    waits_for_continue: bool,
    leftover: Arc<Mutex<Option<B>>>,
}

/// Wraps a body; `waits_for_continue` is whether its client sends nothing before it is asked.
pub fn watch<B: HttpBody>(body: B, waits_for_continue: bool) -> (Returning<B>, Leftover<B>) {
    let leftover = Arc::new(Mutex::new(None));
    let body = (!body.is_end_stream()).then_some(body);
    let returning =
        Returning { body, is_opened: false, waits_for_continue, leftover: leftover.clone() };
    (returning, Leftover(leftover))
}

impl<B> Drop for Returning<B> {
    fn drop(&mut self) {
        // G1
        if self.is_opened || !self.waits_for_continue {
            *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Returning<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.is_opened = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B: HttpBody<Data = Bytes> + Send + Unpin + 'static> Leftover<B> {
    /// Reads the rest of a body that was left behind, beside whatever the caller does next.
    pub fn discard(self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = body {
            tokio::spawn(async move {
                // Too slow or too much: dropping the body closes the connection.
                let _ = tokio::time::timeout(LINGER_TIMEOUT, read_out(body)).await;
            });
        }
    }
}

async fn read_out<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = LINGER_LEN_MAX;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(len) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
