//! What the tests of a node share: bodies that depend on a seed, and the calls that all need.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use engine::disks::DiskAt;
use engine::env::real::{DiskThreads, RealDisk, env};
use engine::object::{
    Address, Body, BodyDigest, BodyError, BodySource, BucketName, ETag, Lock, ObjectAttributes,
    ObjectKey, ObjectStore, PutOutcome, PutRequest, StoreError, WriteCondition,
};
use futures_util::TryStreamExt;
use std::collections::VecDeque;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// One life of a node on real directories.
pub struct Life {
    node: Node,
    threads: Vec<DiskThreads>,
}

impl Life {
    pub async fn begin(config: NodeConfig, places: &[PathBuf]) -> Result<Self, StoreError> {
        let mut threads = Vec::new();
        let mut disks = Vec::new();
        for place in places {
            let disk = RealDisk::at(place).unwrap();
            threads.push(disk.threads());
            disks.push(DiskAt::new(place.to_string_lossy(), Arc::new(disk)));
        }
        let node = Node::open(config, disks, env()).await?;
        Ok(Self { node, threads })
    }

    /// Ends this life where it stands, as a killed process does, and waits until nothing of it
    /// writes any more: the next life is the only one on its disks.
    ///
    /// # Panics
    /// When somebody still holds the store, for then there is no end.
    pub async fn end(self) {
        drop(self.node);
        let ended = async {
            while !self.threads.iter().all(DiskThreads::have_ended) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(100), ended)
            .await
            .expect("nobody holds the store");
    }
}

impl Deref for Life {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

pub struct Pieces {
    pub pieces: VecDeque<Result<Bytes, BodyError>>,
    pub etag: ETag,
}

impl BodySource for Pieces {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.pieces.pop_front())
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: self.etag.clone(), checksum: None, plain_len: None }
    }
}

/// A body of `len` bytes that depend on `seed`, in uneven pieces.
pub fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub fn body(bytes: &[u8], etag: &str) -> Body {
    let pieces = bytes.chunks(40_001).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::new(Pieces { pieces, etag: ETag(etag.into()) })
}

pub fn name() -> BucketName {
    BucketName::new("bucket").unwrap()
}

pub fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).unwrap()
}

pub async fn put(
    store: &dyn ObjectStore,
    name_of: &str,
    bytes: &[u8],
) -> Result<PutOutcome, StoreError> {
    put_if(store, name_of, bytes, WriteCondition::None).await
}

pub async fn put_if(
    store: &dyn ObjectStore,
    name_of: &str,
    bytes: &[u8],
    condition: WriteCondition,
) -> Result<PutOutcome, StoreError> {
    let request = PutRequest {
        bucket: name(),
        key: key(name_of),
        attributes: ObjectAttributes::default(),
        condition,
        lock: Lock::default(),
        len: Some(bytes.len() as u64),
    };
    store.put(request, body(bytes, &format!("etag-{}", bytes.len()))).await
}

pub async fn read(store: &dyn ObjectStore, name_of: &str, range: std::ops::Range<u64>) -> Vec<u8> {
    let reader = store.get(Address::current(name(), key(name_of))).await.unwrap();
    let pieces: Vec<Bytes> = reader.read(range).try_collect().await.unwrap();
    pieces.concat()
}

pub async fn check(store: &dyn ObjectStore, name_of: &str, expected: &[u8]) {
    let len = expected.len() as u64;
    assert!(read(store, name_of, 0..len).await == expected, "{name_of} differs");
    for range in [0..len.min(1), len / 3..len / 2, len / 2..len, len.saturating_sub(7)..len] {
        let wanted = &expected[range.start as usize..range.end as usize];
        assert!(read(store, name_of, range.clone()).await == wanted, "{name_of} {range:?}");
    }
}
