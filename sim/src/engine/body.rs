//! Bodies that follow from a seed and a number, so that any byte that is ever served can be judged
//! without having been kept.

use crate::random::mix;
use bytes::{Bytes, BytesMut};
use engine::object::{BodyDigest, BodyError, BodySource, ETag};
use serde::{Deserialize, Serialize};
use std::task::{Context, Poll};

/// Number of a body within its run; never used twice.
pub type BodyId = u32;

/// One body, or one part of a composed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Piece {
    /// Which bytes.
    pub body: BodyId,
    /// How many.
    pub len: u32,
}

/// The word of a body that holds the byte at `8 * index`.
fn word(seed: u64, body: BodyId, index: u64) -> [u8; 8] {
    mix(seed ^ (u64::from(body) << 32) ^ index).to_le_bytes()
}

impl Piece {
    /// All its bytes.
    pub fn bytes(&self, seed: u64) -> Bytes {
        let len = self.len as usize;
        let mut bytes = BytesMut::with_capacity(len + 8);
        let mut index = 0;
        while bytes.len() < len {
            bytes.extend_from_slice(&word(seed, self.body, index));
            index += 1;
        }
        bytes.truncate(len);
        bytes.freeze()
    }

    /// Whether `bytes` are those at `offset` of it.
    fn is_at(&self, seed: u64, offset: u64, bytes: &[u8]) -> bool {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = (at % 8) as usize;
            let count = rest.len().min(8 - within);
            if word(seed, self.body, at / 8)[within..within + count] != rest[..count] {
                return false;
            }
            at += count as u64;
            rest = &rest[count..];
        }
        true
    }
}

/// Whether `bytes` are those at `offset` of the pieces, one after the other.
pub fn is_at(seed: u64, pieces: &[Piece], offset: u64, bytes: &[u8]) -> bool {
    let (mut begin, mut at, mut rest) = (0_u64, offset, bytes);
    for piece in pieces {
        let end = begin + u64::from(piece.len);
        if at < end && !rest.is_empty() {
            let count = rest.len().min((end - at) as usize);
            if !piece.is_at(seed, at - begin, &rest[..count]) {
                return false;
            }
            at += count as u64;
            rest = &rest[count..];
        }
        begin = end;
    }
    rest.is_empty()
}

/// The entity tag that a body gets.
pub fn etag(body: BodyId) -> ETag {
    ETag(format!("{body:08x}"))
}

/// How a body comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Bytes of a chunk.
    pub chunk_len: u32,
    /// Whether the sender makes the store wait between chunks.
    pub is_halting: bool,
    /// Bytes after which the sender breaks off.
    pub broken_at: Option<u32>,
}

/// A body on its way in.
pub struct Source {
    rest: Bytes,
    body: BodyId,
    delivery: Delivery,
    left: u32,
    is_halted: bool,
}

impl Source {
    /// All bytes of a piece.
    pub fn new(seed: u64, piece: Piece, delivery: Delivery) -> Self {
        let left = delivery.broken_at.unwrap_or(u32::MAX);
        Self { rest: piece.bytes(seed), body: piece.body, delivery, left, is_halted: false }
    }
}

impl BodySource for Source {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.delivery.is_halting && !std::mem::replace(&mut self.is_halted, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_halted = false;
        if self.left == 0 {
            return Poll::Ready(Some(Err(BodyError("the sender broke off".into()))));
        }
        if self.rest.is_empty() {
            let is_whole = self.delivery.broken_at.is_none();
            let broken = || Some(Err(BodyError("the sender broke off".into())));
            return Poll::Ready(if is_whole { None } else { broken() });
        }
        let chunk_len = self.delivery.chunk_len.max(1) as usize;
        let len = self.rest.len().min(chunk_len).min(self.left as usize);
        self.left -= len as u32;
        Poll::Ready(Some(Ok(self.rest.split_to(len))))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: etag(self.body), checksum: None, plain_len: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_recognised_at_any_offset() {
        let pieces = [Piece { body: 1, len: 13 }, Piece { body: 2, len: 30 }];
        let mut whole = pieces[0].bytes(7).to_vec();
        whole.extend_from_slice(&pieces[1].bytes(7));
        for start in 0..43 {
            for end in start..=43 {
                assert!(is_at(7, &pieces, start as u64, &whole[start..end]));
            }
        }
        assert!(!is_at(8, &pieces, 0, &whole));
        assert!(!is_at(7, &pieces, 1, &whole[..42]));
        whole.push(0);
        assert!(!is_at(7, &pieces, 0, &whole), "longer than it may be");
    }
}
