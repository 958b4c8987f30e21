//! The bytes of one object as the body of another: what a copy writes; with a body behind them,
//! what an append writes where versions are kept.

use super::digests::{Digests, Promises};
use crate::error::S3Error;
use crate::headers::checksum::Promise;
use bytes::Bytes;
use engine::object::{Body, BodyDigest, BodyError, BodySource, ByteStream, ChecksumAlgorithm};
use std::task::{Context, Poll, ready};

/// A stored object's bytes on their way into another object.
pub struct RelayBody {
    /// `None` once it ended: a stream is not asked again then.
    stream: Option<ByteStream>,
    left: u64,
    /// What follows those bytes.
    rest: Option<Body>,
    digests: Option<Digests>,
    digest: Option<BodyDigest>,
}

impl RelayBody {
    /// Relays `len` bytes, with a checksum where one is wanted.
    pub fn new(stream: ByteStream, len: u64, checksum: Option<ChecksumAlgorithm>) -> Self {
        let checksum = checksum.map(|algorithm| (algorithm, Promise::None));
        let promises = Promises { checksum, ..Promises::default() };
        let (stream, digests) = (Some(stream), Some(Digests::new(promises)));
        Self { stream, left: len, rest: None, digests, digest: None }
    }

    /// Goes on with a body, whose own promises it keeps.
    pub fn followed_by(self, rest: Body) -> Self {
        Self { rest: Some(rest), ..self }
    }

    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let piece = ready!(stream.as_mut().poll_next(context));
        match &piece {
            Some(Ok(piece)) => self.left = self.left.saturating_sub(piece.len() as u64),
            Some(Err(_)) | None => self.stream = None,
        }
        Poll::Ready(
            piece.map(|piece| piece.map_err(|error| S3Error::from(error).into_body_error())),
        )
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.rest {
            Some(rest) if self.left == 0 => rest.poll_chunk(context),
            _ => Poll::Ready(None),
        }
    }

    fn end(&mut self) -> Result<(), S3Error> {
        if self.left > 0 {
            tracing::error!(left = self.left, "the source of a copy ended early");
            return Err((&crate::error::codes::INTERNAL_ERROR).into());
        }
        if let Some(digests) = self.digests.take() {
            self.digest = Some(digests.finish(None)?);
        }
        Ok(())
    }
}

impl BodySource for RelayBody {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = match ready!(self.poll_stream(context)) {
            None => ready!(self.poll_rest(context)),
            piece => piece,
        };
        if let (Some(Ok(piece)), Some(digests)) = (&piece, &mut self.digests) {
            digests.update(piece);
        }
        Poll::Ready(match piece {
            None => self.end().err().map(|error| Err(error.into_body_error())),
            piece => piece,
        })
    }

    fn digest(&mut self) -> BodyDigest {
        self.digest.take().expect("asked for once, after the end")
    }
}
