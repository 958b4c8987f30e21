//! The file of a form as the body of an object.
//!
//! - Y1: the end is told to the store only after the form ended as it should, with one file, whose
//!   length and checksums are as promised.

use super::FormReader;
use super::fields::{FILE, wrong_file_count};
use super::multipart::Event;
use super::policy::LenRange;
use crate::body::BodyPlan;
use crate::body::digests::Digests;
use crate::error::{S3Error, S3Result, codes};
use bytes::Bytes;
use engine::object::{BodyDigest, BodyError, BodySource};
use http_body::Body as HttpBody;
use std::task::{Context, Poll, ready};

/// The file of a form whose fields are read.
pub struct FormBody<B> {
    reader: FormReader<B>,
    digests: Option<Digests>,
    digest: Option<BodyDigest>,
    len_range: LenRange,
    len: u64,
    is_over: bool,
}

impl<B: HttpBody<Data = Bytes> + Unpin> FormBody<B> {
    /// The data of the part that the reader stands in.
    pub fn new(reader: FormReader<B>, plan: BodyPlan, len_range: LenRange) -> Self {
        let digests = Some(Digests::new(plan.into_promises()));
        Self { reader, digests, digest: None, len_range, len: 0, is_over: false }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        loop {
            let taken = match ready!(self.reader.poll_event(context)) {
                Ok(Some(event)) => self.take(event),
                Ok(None) => return Poll::Ready(self.end().err().map(Err)),
                Err(error) => Err(error),
            };
            if let Some(piece) = taken.transpose() {
                return Poll::Ready(Some(piece));
            }
        }
    }

    fn take(&mut self, event: Event) -> S3Result<Option<Bytes>> {
        match event {
            Event::Data(piece) if !self.is_over => {
                self.len += piece.len() as u64;
                check_max(self.len, self.len_range)?;
                if let Some(digests) = &mut self.digests {
                    digests.update(&piece);
                }
                Ok(Some(piece))
            }
            Event::PartEnd => {
                self.is_over = true;
                Ok(None)
            }
            // What follows the file means nothing, but for a second one.
            Event::Data(data) => self.reader.spend(data.len()).map(|()| None),
            Event::Head(head) if head.name.eq_ignore_ascii_case(FILE) => Err(wrong_file_count(2)),
            Event::Head(_) => Ok(None),
        }
    }

    /// Y1
    fn end(&mut self) -> S3Result<()> {
        if self.len < self.len_range.min {
            return Err(S3Error::from(&codes::ENTITY_TOO_SMALL)
                .with("ProposedSize", self.len.to_string())
                .with("MinSizeAllowed", self.len_range.min.to_string()));
        }
        if let Some(digests) = self.digests.take() {
            self.digest = Some(digests.finish(None)?);
        }
        Ok(())
    }
}

/// Whether a file of at least so many bytes may be taken.
///
/// # Errors
/// `EntityTooLarge`.
pub fn check_max(len: u64, range: LenRange) -> S3Result<()> {
    if len <= range.max {
        return Ok(());
    }
    Err(S3Error::from(&codes::ENTITY_TOO_LARGE)
        .with("ProposedSize", len.to_string())
        .with("MaxSizeAllowed", range.max.to_string()))
}

impl<B: HttpBody<Data = Bytes> + Unpin + Send> BodySource for FormBody<B> {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = ready!(self.poll_piece(context));
        Poll::Ready(piece.map(|piece| piece.map_err(S3Error::into_body_error)))
    }

    fn digest(&mut self) -> BodyDigest {
        self.digest.take().expect("asked for once, after the end")
    }
}
