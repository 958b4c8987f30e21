//! The frames of a body as hyper delivers them, counted and watched by the clock (B3).

use super::Received;
use super::pace::Pace;
use crate::error::{S3Result, codes};
use bytes::Bytes;
use http_body::Body as HttpBody;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What comes from one client.
pub struct Frames<B> {
    http: B,
    pace: Pace,
    received: Received,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Frames<B> {
    /// The frames of a body.
    pub fn new(http: B, pace: Pace, received: Received) -> Self {
        Self { http, pace, received }
    }

    /// The next frame of data; trailers of HTTP itself mean nothing here.
    pub fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        loop {
            let frame = match Pin::new(&mut self.http).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.pace.poll_idle(context));
                    return Poll::Ready(Some(Err((&codes::REQUEST_TIMEOUT).into())));
                }
            };
            let data_len = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => 0,
            };
            if !self.pace.is_kept(data_len) && matches!(frame, Some(Ok(_))) {
                return Poll::Ready(Some(Err((&codes::REQUEST_TIMEOUT).into())));
            }
            match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err((&codes::INCOMPLETE_BODY).into()))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.add(data.len());
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}
