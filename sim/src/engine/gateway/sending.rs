//! Bodies on their way to S3: what came of them, and how they are sent.

use super::wire::{Incoming, Outgoing, UNSIGNED};
use super::{Gateway, is_lost};
use crate::http::connection::RequestBody;
use crate::http::sign::sha256_hex;
use bytes::{Bytes, BytesMut};
use engine::object::{
    Address, Body, BodyError, BodySource, BucketName, ETag, ObjectKey, StoreError, WriteCondition,
};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, SizeHint};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body that was read to its end or to where it broke off.
pub(super) struct Gathered {
    pieces: Vec<Bytes>,
    failure: Option<BodyError>,
    pub(super) number: ETag,
}

impl Gathered {
    async fn of(mut source: Box<dyn BodySource>) -> Self {
        let mut pieces = Vec::new();
        let failure = loop {
            match poll_fn(|context| source.poll_chunk(context)).await {
                Some(Ok(piece)) => pieces.push(piece),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        Self { pieces, failure, number: source.digest().etag }
    }

    pub(super) fn bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        self.pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes.freeze()
    }

    pub(super) fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.failure.is_none()
    }

    /// As the body of a request that announced `len` bytes: piece by piece, and broken off where it
    /// was.
    fn request_body(&self, len: u64) -> RequestBody {
        let mut frames: Vec<io::Result<Frame<Bytes>>> =
            self.pieces.iter().map(|piece| Ok(Frame::data(piece.clone()))).collect();
        if self.failure.is_some() {
            frames.push(Err(io::Error::other("the client goes away")));
        }
        let pieces = StreamBody::new(stream::iter(frames));
        BodyExt::boxed(Announced { pieces, len })
    }
}

/// A body that says how long it is going to be, as one behind a `Content-Length` does.
struct Announced<B> {
    pieces: B,
    len: u64,
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> hyper::body::Body for Announced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.pieces).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.len == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}

impl Gateway {
    /// Reads a body of which no tag is learnt.
    pub(super) async fn read_out(&self, body: Body) -> Result<Bytes, StoreError> {
        let gathered = Gathered::of(body).await;
        let bytes = gathered.bytes();
        gathered.failure.map_or(Ok(bytes), |error| Err(StoreError::Body(error)))
    }

    /// Reads a body for a key, and learns its tag.
    pub(super) async fn gather(&self, key: &ObjectKey, body: Body) -> Gathered {
        let gathered = Gathered::of(body).await;
        let bytes = gathered.bytes();
        self.hide(key, &bytes);
        if gathered.is_whole() {
            self.tags.learn_body(&gathered.number, &bytes, self.way(key).hides_tags());
        }
        gathered
    }

    pub(super) async fn send_gathered(
        &self,
        request: Outgoing<'_>,
        gathered: Gathered,
        announced: Option<u64>,
    ) -> Result<Incoming, StoreError> {
        let len = gathered.len();
        let hash = match len % 2 {
            0 if gathered.is_whole() => sha256_hex(&gathered.bytes()),
            _ => UNSIGNED.to_owned(),
        };
        let whole_len = match gathered.failure {
            Some(_) => announced.unwrap_or_default().max(len + 1),
            None => len,
        };
        let answer =
            self.send(request.body(gathered.request_body(whole_len), whole_len, hash)).await;
        match (gathered.failure, answer) {
            (None, answer) => answer,
            (Some(_), Ok(_)) => Err(StoreError::Corrupt("a broken body was acknowledged".into())),
            // A refusal before the body counts as such.
            (Some(error), Err(StoreError::Corrupt(_))) => Err(StoreError::Body(error)),
            (Some(error), Err(refusal)) if is_lost(&refusal) => Err(StoreError::Body(error)),
            (Some(_), Err(refusal)) => Err(refusal),
        }
    }

    /// Binds a request to a condition. Where nobody was told yet which tag a value got, it is
    /// looked up first.
    pub(super) async fn bind<'a>(
        &self,
        request: Outgoing<'a>,
        (bucket, key): (&BucketName, &ObjectKey),
        condition: &WriteCondition,
    ) -> Result<Outgoing<'a>, StoreError> {
        if let WriteCondition::Matches(number) = condition
            && self.tags.is_unsure(&number.0)
        {
            let now = Address::current(bucket.clone(), key.clone());
            match self.head_object(now).await {
                Ok(_) | Err(StoreError::NoSuchKey | StoreError::DeleteMarker { .. }) => {}
                Err(error) if is_lost(&error) => return Err(error),
                Err(_) => return Err(StoreError::Busy("its tag is not known")),
            }
        }
        Ok(request.condition(condition, |number| self.tags.tag_of(number)))
    }
}
