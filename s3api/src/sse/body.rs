//! Bodies on their way into packages and out of them.

use crate::error::{S3Error, codes};
use bytes::Bytes;
use engine::object::{Body, BodyDigest, BodyError, BodySource, ByteStream, ETag, StoreError};
use futures_util::StreamExt as _;
use sealing::{ObjectCipher, Opener, SealError, Sealer};
use std::task::{Context, Poll, ready};

/// A body that is sealed while it comes. What was promised of it is held against what the client
/// sent, before the last package is sealed.
pub struct SealedBody {
    plain: Body,
    /// `None` after the last package.
    sealer: Option<Sealer>,
    /// Hides the entity tag, where it is to be hidden.
    tags: Option<ObjectCipher>,
    piece: Bytes,
    plain_len: u64,
}

impl SealedBody {
    /// Seals a body.
    pub fn new(plain: Body, sealer: Sealer, tags: Option<ObjectCipher>) -> Self {
        Self { plain, sealer: Some(sealer), tags, piece: Bytes::new(), plain_len: 0 }
    }

    fn poll_package(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(sealer) = &mut self.sealer else {
                return Poll::Ready(None);
            };
            if !self.piece.is_empty() {
                match sealer.push(&mut self.piece) {
                    Ok(None) => continue,
                    Ok(Some(package)) => return Poll::Ready(Some(Ok(package))),
                    Err(error) => return Poll::Ready(Some(Err(broken(error)))),
                }
            }
            match ready!(self.plain.poll_chunk(context)) {
                Some(Ok(piece)) => {
                    self.plain_len += piece.len() as u64;
                    self.piece = piece;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let last = self.sealer.take().map(Sealer::finish);
                    return Poll::Ready(last.map(|last| last.map_err(broken)));
                }
            }
        }
    }
}

fn broken(error: SealError) -> BodyError {
    tracing::error!(%error, "a body cannot be sealed");
    S3Error::from(&codes::INTERNAL_ERROR).into_body_error()
}

impl BodySource for SealedBody {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.poll_package(context)
    }

    fn digest(&mut self) -> BodyDigest {
        let BodyDigest { etag, checksum, .. } = self.plain.digest();
        let etag = match &self.tags {
            None => etag,
            Some(cipher) => ETag(hex::encode(cipher.opaque_tag(etag.0.as_bytes()))),
        };
        BodyDigest { etag, checksum, plain_len: Some(self.plain_len) }
    }
}

/// Packages, opened. The stream ends in an error where one does not open, or lacks.
pub fn opened(packages: ByteStream, opener: Opener) -> ByteStream {
    let state = Some((packages, opener));
    Box::pin(futures_util::stream::unfold(state, |state| async move {
        let (mut packages, mut opener) = state?;
        loop {
            match opener.take() {
                Ok(Some(piece)) => return Some((Ok(piece), Some((packages, opener)))),
                Ok(None) => {}
                Err(error) => return Some((Err(closed(error)), None)),
            }
            match packages.next().await {
                Some(Ok(piece)) => opener.push(piece),
                Some(Err(error)) => return Some((Err(error), None)),
                None => return opener.finish().err().map(|error| (Err(closed(error)), None)),
            }
        }
    }))
}

fn closed(error: SealError) -> StoreError {
    StoreError::Corrupt(format!("an encrypted body does not open: {error}"))
}
