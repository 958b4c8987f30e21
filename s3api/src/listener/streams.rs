//! Requests of one HTTP/2 connection: each a task of its own, watched by the connection.
//!
//! hyper leaves a peer all the time of the world to take an answer. On a connection of its own such
//! a peer shows as a write that waits (`NetStream`); here others go on, so each stream is watched:
//!
//! ```text
//! Serving --answer--> Sending --body waits for the store--> Waiting
//!                        ^                                     |
//!                        +----------a piece is there-----------+
//! ```
//!
//! - W1: a stream that is `Sending` for the idle time without a step is dropped, which resets it.
//! - W2: a piece of an answer is at most `FRAME_LEN_MAX`, so that slow peers make steps too.

use super::timer::IdleTimer;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;

/// Bytes of a frame of data: the least that every peer must take.
pub(super) const FRAME_LEN_MAX: u32 = 16 << 10;

/// What became of an answer while its stream was polled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// hyper has something that the peer must take.
    Sending,
    /// The store has nothing yet.
    Waiting,
}

thread_local! {
    /// The last step of the stream that this thread is polling: hyper polls handler and body
    /// inside the stream's task, which it hides from both.
    static STEP: Cell<Option<Step>> = const { Cell::new(None) };
}

/// An answer's head is ready.
pub(super) fn note_answer() {
    STEP.set(Some(Step::Sending));
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    idle_timeout: Duration,
    running: watch::Sender<usize>,
}

impl Streams {
    /// Streams that may stand still for `idle_timeout`.
    pub(super) fn new(idle_timeout: Duration) -> Self {
        Self { idle_timeout, running: watch::Sender::new(0) }
    }

    /// Ends when none ran for `timeout`.
    pub(super) fn idle(&self, timeout: Duration) -> impl Future<Output = ()> + use<> {
        let mut running = self.running.subscribe();
        async move {
            // The sender is gone only with the connection, which drops this future too.
            while running.wait_for(|count| *count == 0).await.is_ok() {
                let next = running.wait_for(|count| *count > 0);
                if tokio::time::timeout(timeout, next).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.running.send_modify(|count| *count += 1);
        tokio::spawn(Watched {
            stream: Box::pin(stream),
            is_sending: false,
            timer: IdleTimer::new(self.idle_timeout),
            running: self.running.clone(),
        });
    }
}

/// A stream under watch.
struct Watched<F> {
    stream: Pin<Box<F>>,
    is_sending: bool,
    timer: IdleTimer,
    running: watch::Sender<usize>,
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        self.running.send_modify(|count| *count -= 1);
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        STEP.set(None);
        let polled = self.stream.as_mut().poll(context);
        if let Some(step) = STEP.take() {
            self.is_sending = step == Step::Sending;
            self.timer.progress();
        }
        if polled.is_pending() && self.is_sending {
            // W1
            ready!(self.timer.poll(context));
            tracing::debug!("an answer was not taken in time");
            return Poll::Ready(());
        }
        polled
    }
}

/// The body of an answer, in pieces of at most a frame (W2).
pub(super) struct PacedBody<B> {
    body: B,
    rest: Bytes,
}

impl<B> PacedBody<B> {
    /// Paces a body.
    pub(super) fn new(body: B) -> Self {
        Self { body, rest: Bytes::new() }
    }

    fn next_piece(&mut self) -> Bytes {
        let len = self.rest.len().min(FRAME_LEN_MAX as usize);
        self.rest.split_to(len)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for PacedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            STEP.set(Some(Step::Waiting));
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        STEP.set(Some(Step::Sending));
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use std::task::Waker;

    #[tokio::test]
    async fn bodies_go_out_in_frames_and_whole() {
        let bytes = Bytes::from_iter((0..40_000_u32).map(|number| number.to_be_bytes()[3]));
        let mut body = PacedBody::new(Full::new(bytes.clone()));
        assert_eq!(body.size_hint().exact(), Some(40_000));
        let mut lens = Vec::new();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert_eq!(body.is_end_stream(), whole.len() + data.len() == bytes.len());
            lens.push(data.len());
            whole.extend_from_slice(&data);
            let left = (bytes.len() - whole.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
        }
        assert_eq!((lens, whole), (vec![16_384, 16_384, 7_232], bytes.to_vec()));
    }

    /// What each poll of a stream does, and whether the stream's timer runs after it.
    #[tokio::test]
    async fn only_the_peer_is_timed() {
        let mut steps = [None, Some(Step::Sending), None, Some(Step::Waiting), None].into_iter();
        let stream = std::future::poll_fn(move |_| {
            if let Some(Some(step)) = steps.next() {
                STEP.set(Some(step));
            }
            Poll::<()>::Pending
        });
        let streams = Streams::new(Duration::from_secs(60));
        let mut watched = Watched {
            stream: Box::pin(stream),
            is_sending: false,
            timer: IdleTimer::new(streams.idle_timeout),
            running: watch::Sender::new(1),
        };
        let mut context = Context::from_waker(Waker::noop());
        for is_sending in [false, true, true, false, false] {
            assert!(Pin::new(&mut watched).poll(&mut context).is_pending());
            assert_eq!(watched.is_sending, is_sending);
        }
    }
}
