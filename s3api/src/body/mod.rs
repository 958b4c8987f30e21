//! Bodies on their way in: what hyper delivers becomes the verified [`BodySource`] that the store
//! polls.
//!
//! ```text
//! hyper frames -> [chunked: ChunkDecoder] -> [digests: Digests] -> store
//!                                                 | end
//!                                     promises held against hashes -> Ok(None) or Err
//! ```
//! - B1: a body holds no more than the frame in hand, whatever its size.
//! - B2: the end is told to the store only after length, chunk signatures, trailer, hashes and
//!   checksums held.
//! - B3: a body that stands still for `body_idle_timeout_ms` fails, and one that comes slower than
//!   `body_rate_min` ([`pace`]).

pub mod checksum;
pub mod chunked;
pub mod digests;
pub mod encode;
pub mod frames;
pub mod linger;
pub mod pace;
pub mod relay;

use crate::error::{S3Error, S3Result, codes};
use crate::headers;
use crate::sigv4::Payload;
use crate::sigv4::verify::Signed;
use bytes::{Bytes, BytesMut};
use chunked::{ChunkDecoder, ChunkedPlan};
use digests::{ChecksumScope, Digests, Promises};
use engine::object::{Body, BodyDigest, BodyError, BodySource, StoreError};
use frames::Frames;
use http::HeaderMap;
use http_body::Body as HttpBody;
use pace::Pace;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// What the head of a request says of its body.
pub struct BodyPlan {
    chunked: Option<ChunkedPlan>,
    promises: Promises,
    len: Option<u64>,
    /// Whether a delimiter ends it, so that nobody knows its length before.
    is_delimited: bool,
}

impl BodyPlan {
    /// Reads the headers; `http_len` is what HTTP itself announces.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidDigest`, `MissingContentLength`.
    pub fn parse(
        headers: &HeaderMap,
        signed: Signed,
        http_len: Option<u64>,
        scope: ChecksumScope,
    ) -> S3Result<Self> {
        let hash = match signed.payload {
            Payload::Sha256(hash) => Some(hash),
            _ => None,
        };
        let promises = Promises::parse(headers, hash, scope)?;
        let has_trailer =
            matches!(signed.payload, Payload::SignedChunksTrailer | Payload::UnsignedTrailer);
        if promises.trailer().is_some() && !has_trailer {
            return Err(S3Error::new(
                &codes::INVALID_REQUEST,
                "A trailer was announced that this kind of payload does not have.",
            ));
        }
        if !signed.payload.is_chunked() {
            return Ok(Self { chunked: None, promises, len: http_len, is_delimited: false });
        }
        let decoded_len = decoded_len(headers)?;
        let chunked = ChunkedPlan {
            chain: signed.chain,
            has_trailer,
            trailer: promises.trailer(),
            decoded_len,
        };
        let (chunked, len) = (Some(chunked), Some(decoded_len));
        Ok(Self { chunked, promises, len, is_delimited: false })
    }

    /// The file of a form, whose fields said these headers.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub fn of_file(headers: &HeaderMap) -> S3Result<Self> {
        let promises = Promises::parse(headers, None, ChecksumScope::Body)?;
        if promises.trailer().is_some() {
            return Err(S3Error::new(&codes::INVALID_REQUEST, "A form has no trailer."));
        }
        Ok(Self { chunked: None, promises, len: None, is_delimited: true })
    }

    /// What is to be held against the body.
    pub fn into_promises(self) -> Promises {
        self.promises
    }

    /// Decoded bytes, where they were announced.
    pub fn decoded_len(&self) -> Option<u64> {
        self.len
    }

    /// The announced length of an object's body.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge`.
    pub fn object_len(&self, len_max: u64) -> S3Result<u64> {
        let len = self.len.ok_or_else(|| S3Error::from(&codes::MISSING_CONTENT_LENGTH))?;
        if len > len_max {
            return Err(S3Error::from(&codes::ENTITY_TOO_LARGE)
                .with("ProposedSize", len.to_string())
                .with("MaxSizeAllowed", len_max.to_string()));
        }
        Ok(len)
    }

    /// As [`Self::object_len`]; `None` for the file of a form.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge`.
    pub fn announced_len(&self, len_max: u64) -> S3Result<Option<u64>> {
        if self.is_delimited { Ok(None) } else { self.object_len(len_max).map(Some) }
    }

    /// The checksum that comes with the body or is wanted of it.
    pub fn checksum_algorithm(&self) -> Option<engine::object::ChecksumAlgorithm> {
        self.promises.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// Has a checksum computed, unless one is promised already.
    pub fn want_checksum(&mut self, algorithm: engine::object::ChecksumAlgorithm) {
        let wish = (algorithm, headers::checksum::Promise::None);
        self.promises.checksum.get_or_insert(wish);
    }
}

fn decoded_len(headers: &HeaderMap) -> S3Result<u64> {
    let text = headers::text(headers, "x-amz-decoded-content-length")?
        .ok_or_else(|| S3Error::from(&codes::MISSING_CONTENT_LENGTH))?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let len = if is_number { text.parse().ok() } else { None };
    len.ok_or_else(|| {
        S3Error::new(&codes::INVALID_ARGUMENT, "x-amz-decoded-content-length is not a number.")
    })
}

/// The whole of a small body, of at most `len_max` bytes, verified.
///
/// # Errors
/// `MaxMessageLengthExceeded`, and whatever is wrong with the body.
pub async fn collect(mut body: Body, len_max: usize) -> S3Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = poll_fn(|context| body.poll_chunk(context)).await {
        let piece = piece.map_err(|error| S3Error::from(StoreError::Body(error)))?;
        if whole.len() + piece.len() > len_max {
            return Err((&codes::MAX_MESSAGE_LENGTH_EXCEEDED).into());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Bytes that came in for one request; its log line tells them.
#[derive(Clone, Debug, Default)]
pub struct Received(Arc<AtomicU64>);

impl Received {
    fn add(&self, len: usize) {
        self.0.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of one request.
pub struct RequestBody<B> {
    frames: Frames<B>,
    decoder: Option<ChunkDecoder>,
    digests: Option<Digests>,
    /// Of the frame in hand, what is not decoded yet.
    frame: Bytes,
    /// Decoded bytes that are still to come, in plain bodies of announced length.
    left: Option<u64>,
    digest: Option<BodyDigest>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> RequestBody<B> {
    /// A body under a plan.
    pub fn new(http: B, plan: BodyPlan, pace: Pace, received: Received) -> Self {
        Self {
            frames: Frames::new(http, pace, received),
            left: plan.len.filter(|_| plan.chunked.is_none()),
            decoder: plan.chunked.map(ChunkDecoder::new),
            digests: Some(Digests::new(plan.promises)),
            frame: Bytes::new(),
            digest: None,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        loop {
            match self.take_piece() {
                Ok(Some(piece)) => {
                    if let Some(digests) = &mut self.digests {
                        digests.update(&piece);
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.frames.poll_frame(context)) {
                Some(Ok(frame)) => self.frame = frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.end().err().map(Err)),
            }
        }
    }

    /// The next piece of data out of the frame in hand.
    fn take_piece(&mut self) -> S3Result<Option<Bytes>> {
        if let Some(decoder) = &mut self.decoder {
            return decoder.decode(&mut self.frame);
        }
        let piece = std::mem::take(&mut self.frame);
        if let Some(left) = &mut self.left {
            let rest = left.checked_sub(piece.len() as u64);
            *left = rest.ok_or_else(|| S3Error::from(&codes::INCOMPLETE_BODY))?;
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// B2
    fn end(&mut self) -> S3Result<()> {
        let trailer = match self.decoder.take() {
            Some(decoder) => decoder.finish()?,
            None => None,
        };
        if self.left.is_some_and(|left| left > 0) {
            return Err((&codes::INCOMPLETE_BODY).into());
        }
        if let Some(digests) = self.digests.take() {
            self.digest = Some(digests.finish(trailer.as_deref())?);
        }
        Ok(())
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin + Send> BodySource for RequestBody<B> {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = ready!(self.poll_piece(context));
        Poll::Ready(piece.map(|piece| piece.map_err(S3Error::into_body_error)))
    }

    fn digest(&mut self) -> BodyDigest {
        self.digest.take().expect("asked for once, after the end")
    }
}
