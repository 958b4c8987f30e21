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
    stream: ByteStream,
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
        Self { stream, left: len, rest: None, digests: Some(Digests::new(promises)), digest: None }
    }

    /// Goes on with a body, whose own promises it keeps.
    pub fn followed_by(self, rest: Body) -> Self {
        Self { rest: Some(rest), ..self }
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let result = match ready!(rest.poll_chunk(context)) {
            Some(Ok(piece)) => {
                if let Some(digests) = &mut self.digests {
                    digests.update(&piece);
                }
                Some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(error)),
            None => self.end().err().map(|error| Err(error.into_body_error())),
        };
        Poll::Ready(result)
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
        let result = match ready!(self.stream.as_mut().poll_next(context)) {
            Some(Ok(piece)) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                if let Some(digests) = &mut self.digests {
                    digests.update(&piece);
                }
                Some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(S3Error::from(error).into_body_error())),
            None if self.left == 0 && self.rest.is_some() => return self.poll_rest(context),
            None => self.end().err().map(|error| Err(error.into_body_error())),
        };
        Poll::Ready(result)
    }

    fn digest(&mut self) -> BodyDigest {
        self.digest.take().expect("asked for once, after the end")
    }
}
