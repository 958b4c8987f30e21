//! The one bucket, key and kind of body of tests that need no more.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

use bytes::Bytes;
use engine::object::{BodyDigest, BodyError, BodySource, BucketName, ETag, ObjectKey};
use std::task::{Context, Poll};

/// A body in one piece.
pub struct Whole(pub Option<Bytes>);

impl BodySource for Whole {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: ETag("e".into()), checksum: None, plain_len: None }
    }
}

/// The bucket of these tests.
pub fn bucket() -> BucketName {
    BucketName::new("bucket").unwrap()
}

/// The key of these tests.
pub fn key() -> ObjectKey {
    ObjectKey::new("key").unwrap()
}
