//! Uploads by a form of a web page (S3 API reference, "POST Object"): `POST /bucket` with a body of
//! `multipart/form-data`, whose fields say what headers say elsewhere.
//!
//! ```text
//! frames -> multipart -> fields --+--> headers, key: the head of a write ----> authorisation
//!               |                 +--> signature -> policy (what its signer wants of the form)
//!               +-> body (the file) -> store
//! ```
//! - W1: the fields before the file are read before it is known who sent them, because they say it;
//!   they are bounded ([`multipart::FORM_LEN_MAX`], [`fields::FIELDS_MAX`]).
//! - W2: the signature is over the policy, and the policy decides which form it is for
//!   ([`policy`], P1); then the signer needs the permission for the write, as for any other.
//! - W3: the file streams as any body does, under the same time limits.
//!
//! In reading order: [`multipart`], [`fields`], [`policy`], [`body`].

pub mod body;
pub mod fields;
pub mod multipart;
pub mod policy;

use crate::body::frames::Frames;
use crate::error::S3Result;
use bytes::Bytes;
use http_body::Body as HttpBody;
use multipart::{Event, Multipart};
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// A form on its way in.
pub struct FormReader<B> {
    frames: Frames<B>,
    /// Of the frame in hand, what is not read yet.
    frame: Bytes,
    multipart: Multipart,
    /// Bytes that came.
    received: u64,
}

impl<B: HttpBody<Data = Bytes> + Unpin> FormReader<B> {
    /// A form with this boundary.
    pub fn new(frames: Frames<B>, boundary: &str) -> Self {
        let multipart = Multipart::new(boundary);
        Self { frames, frame: Bytes::new(), multipart, received: 0 }
    }

    /// The next event; `None` at the end of the form.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<S3Result<Option<Event>>> {
        loop {
            if let Some(event) = self.multipart.next_event(&mut self.frame)? {
                return Poll::Ready(Ok(Some(event)));
            }
            match ready!(self.frames.poll_frame(context)) {
                Some(frame) => {
                    self.frame = frame?;
                    self.received += self.frame.len() as u64;
                }
                None => return Poll::Ready(self.multipart.finish().map(|()| None)),
            }
        }
    }

    /// As [`Self::poll_event`].
    ///
    /// # Errors
    /// What is wrong with the form or its body.
    pub async fn next_event(&mut self) -> S3Result<Option<Event>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// Counts bytes of a field.
    ///
    /// # Errors
    /// `MaxPostPreDataLengthExceeded`.
    pub fn spend(&mut self, len: usize) -> S3Result<()> {
        self.multipart.spend(len)
    }

    /// The least that the rest of the file can have, of a form of `http_len` bytes.
    pub fn file_len_min(&self, http_len: u64) -> u64 {
        let read = self.received - self.frame.len() as u64;
        http_len.saturating_sub(read).saturating_sub(self.multipart.left() as u64)
    }
}
