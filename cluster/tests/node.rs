//! The promises of a node on a real disk: what was acknowledged is there, byte for byte, also after
//! a restart; what is gone gives its room back.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use common::{Life, Pieces, body, check, content, key, name, put, put_if};
use engine::object::{
    Address, BodyDigest, BodyError, BodySource, CompleteRequest, CompletedPart,
    CreateBucketRequest, CreateUploadRequest, DeleteRequest, ETag, ListEntry, ListRequest, Lock,
    ObjectAttributes, ObjectStore, PartPage, PartRequest, PutOutcome, PutRequest, StoreError,
    UploadId, WriteCondition,
};
use std::collections::VecDeque;
use std::path::Path;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

async fn open(path: &Path, config: NodeConfig) -> Life {
    Life::begin(config, &[path.to_owned()]).await.unwrap()
}

async fn names(store: &dyn ObjectStore, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let request = ListRequest {
            bucket: name(),
            prefix: prefix.into(),
            delimiter: delimiter.map(Into::into),
            after: found.last().cloned(),
            limit: 3,
        };
        let page = store.list(request).await.unwrap();
        found.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        if !page.is_truncated {
            return found;
        }
    }
}

const LENS: [usize; 9] = [0, 1, 4096, 16384, 16385, 70_000, 1 << 20, (1 << 20) + 1, 3_500_000];

#[tokio::test]
async fn bodies_of_every_length_survive_a_restart() {
    for config in [NodeConfig::default(), NodeConfig::tiny()] {
        let directory = tempfile::tempdir().unwrap();
        let node = open(directory.path(), config).await;
        node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        for len in LENS {
            put(&*node.store(), &format!("k{len}"), &content(len as u64, len)).await.unwrap();
        }
        node.end().await;
        for round in 0..3 {
            let node = open(directory.path(), config).await;
            let store = node.store();
            for len in LENS {
                check(&*store, &format!("k{len}"), &content(len as u64, len)).await;
            }
            assert_eq!(names(&*store, "", None).await.len(), LENS.len(), "round {round}");
            drop(store);
            if round == 1 {
                node.shutdown().await;
            }
            node.end().await;
        }
    }
}

#[tokio::test]
async fn conditions_are_decided_by_what_the_key_holds() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path(), NodeConfig::tiny()).await;
    let store = node.store();
    assert!(matches!(put(&*store, "k", b"1").await, Err(StoreError::NoSuchBucket)));
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    assert!(matches!(
        store.create_bucket(CreateBucketRequest::plain(name())).await,
        Err(StoreError::BucketExists { .. })
    ));
    let matches = |etag: &str| WriteCondition::Matches(ETag(etag.into()));
    let missing = put_if(&*store, "k", b"1", matches("etag-1")).await;
    assert!(matches!(missing, Err(StoreError::NoSuchKey)));
    put_if(&*store, "k", b"1", WriteCondition::Absent).await.unwrap();
    let present = put_if(&*store, "k", b"12", WriteCondition::Absent).await;
    assert!(matches!(present, Err(StoreError::PreconditionFailed)));
    let other = put_if(&*store, "k", b"12", matches("etag-2")).await;
    assert!(matches!(other, Err(StoreError::PreconditionFailed)));
    put_if(&*store, "k", b"12", matches("etag-1")).await.unwrap();
    check(&*store, "k", b"12").await;
    assert!(matches!(store.delete_bucket(name()).await, Err(StoreError::BucketNotEmpty)));
    store.delete(DeleteRequest::current(name(), key("k"), WriteCondition::None)).await.unwrap();
    store.delete(DeleteRequest::current(name(), key("k"), WriteCondition::None)).await.unwrap();
    assert!(matches!(
        store.head(Address::current(name(), key("k"))).await,
        Err(StoreError::NoSuchKey)
    ));
    store.delete_bucket(name()).await.unwrap();
    assert!(matches!(store.head_bucket(name()).await, Err(StoreError::NoSuchBucket)));
}

#[tokio::test]
async fn a_body_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path(), NodeConfig::tiny()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    for len in [10, 100_000] {
        let mut pieces: VecDeque<_> = [Ok(Bytes::from(vec![7; len]))].into();
        pieces.push_back(Err(BodyError("cut off".into())));
        let body = Box::new(Pieces { pieces, etag: ETag("x".into()) });
        let request = PutRequest {
            bucket: name(),
            key: key("k"),
            attributes: ObjectAttributes::default(),
            condition: WriteCondition::None,
            lock: Lock::default(),
            len: Some(len as u64),
        };
        assert!(matches!(store.put(request, body).await, Err(StoreError::Body(_))));
        assert!(matches!(
            store.head(Address::current(name(), key("k"))).await,
            Err(StoreError::NoSuchKey)
        ));
    }
}

#[tokio::test]
async fn listing_rolls_up_prefixes_and_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path(), NodeConfig::tiny()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let mut all = Vec::new();
    for directory in ["a", "b", "b/c"] {
        for index in 0..40 {
            all.push(format!("{directory}/{index:02}"));
        }
    }
    all.extend(["a".into(), "a.".into(), "b0".into(), "z".into()]);
    all.sort();
    for name_of in &all {
        put(&*store, name_of, name_of.repeat(300).as_bytes()).await.unwrap();
    }
    assert_eq!(names(&*store, "", None).await, all);
    let top = names(&*store, "", Some("/")).await;
    assert_eq!(top, ["a", "a.", "a/", "b/", "b0", "z"]);
    assert_eq!(names(&*store, "b/", Some("/")).await.len(), 41);
    assert_eq!(names(&*store, "b/c", Some("/")).await, ["b/c/"]);
    assert_eq!(names(&*store, "nothing", Some("/")).await, Vec::<String>::new());
    let page = store
        .list(ListRequest {
            bucket: name(),
            prefix: String::new(),
            delimiter: Some("/".into()),
            after: Some("a/07".into()),
            limit: 1,
        })
        .await
        .unwrap();
    assert_eq!(page.entries, [ListEntry::Prefix("a/".into())]);
}

async fn upload_parts(store: &dyn ObjectStore, parts: &[(u16, Vec<u8>)]) -> UploadId {
    let request = CreateUploadRequest {
        bucket: name(),
        key: key("big"),
        attributes: ObjectAttributes::default(),
        checksum: None,
        lock: Lock::default(),
    };
    let upload_id = store.create_upload(request).await.unwrap();
    for (number, bytes) in parts {
        let (number, len) = (*number, Some(bytes.len() as u64));
        let request = PartRequest { bucket: name(), key: key("big"), upload_id, number, len };
        store.put_part(request, body(bytes, &format!("p{number}"))).await.unwrap();
    }
    upload_id
}

fn completion(upload_id: UploadId, numbers: &[u16]) -> CompleteRequest {
    let part = |number: &u16| CompletedPart { number: *number, etag: ETag(format!("p{number}")) };
    CompleteRequest {
        bucket: name(),
        key: key("big"),
        upload_id,
        parts: numbers.iter().map(part).collect(),
        etag: ETag("whole-3".into()),
        checksum: None,
        condition: WriteCondition::None,
        part_size_min: 10_000,
    }
}

#[tokio::test]
async fn parts_become_one_object() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path(), NodeConfig::tiny()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let parts: Vec<(u16, Vec<u8>)> =
        [(1, 12_000), (5, 300_000), (7, 200), (9, 34 << 20), (10_000, 5)]
            .map(|(number, len)| (number, content(u64::from(number), len)))
            .into();
    let upload_id = upload_parts(&*store, &parts).await;
    let listed =
        store.list_parts(name(), key("big"), upload_id, PartPage { after: 1, limit: 2 }).await;
    let (listed, is_truncated) = listed.unwrap();
    assert_eq!(listed.iter().map(|part| part.number).collect::<Vec<_>>(), [5, 7]);
    assert!(is_truncated);
    let small = store.complete_upload(completion(upload_id, &[1, 7, 9])).await;
    assert!(matches!(small, Err(StoreError::PartTooSmall { number: 7, size: 200 })));
    let absent = store.complete_upload(completion(upload_id, &[1, 6, 9])).await;
    assert!(matches!(absent, Err(StoreError::InvalidPart { number: 6 })));
    let absent = store.complete_upload(completion(upload_id, &[1, 9999])).await;
    assert!(matches!(absent, Err(StoreError::InvalidPart { number: 9999 })));
    let numbers = [1, 5, 9, 10_000];
    let outcome = store.complete_upload(completion(upload_id, &numbers)).await.unwrap();
    let again = store.complete_upload(completion(upload_id, &numbers)).await.unwrap();
    assert_eq!(outcome, again);
    let used = parts.iter().filter(|(number, _)| numbers.contains(number));
    let whole: Vec<u8> = used.flat_map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(outcome.size, whole.len() as u64);
    check(&*store, "big", &whole).await;
    let node = open(directory.path(), NodeConfig::tiny()).await;
    check(&*node.store(), "big", &whole).await;
    let aborted = node.store().abort_upload(name(), key("big"), upload_id).await;
    assert!(matches!(aborted, Err(StoreError::NoSuchUpload)));
}

/// Waits until the background made the volumes shrink to `limit` bytes; the test's own time limit
/// bounds it.
async fn volumes_shrink_to(store: &dyn ObjectStore, limit: u64) {
    loop {
        let status = store.status().await.unwrap();
        let find = |name: &str| status.metrics.iter().find(|(it, ..)| *it == name).unwrap().2;
        if find("stave_volume_bytes") <= limit {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn overwritten_and_deleted_bodies_give_their_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        NodeConfig { reclaim_interval: std::time::Duration::from_millis(10), ..NodeConfig::tiny() };
    let node = open(directory.path(), config).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let kept = content(1, 50_000);
    for round in 0..40u64 {
        put(&*store, &format!("kept{round}"), &kept).await.unwrap();
        for index in 0..10 {
            let len = if index % 2 == 0 { 9_000 } else { 60_000 };
            put(&*store, &format!("hot{index}"), &content(round * 10 + index, len)).await.unwrap();
        }
    }
    put(&*store, "long", &content(3, 40 << 20)).await.unwrap();
    store.delete(DeleteRequest::current(name(), key("long"), WriteCondition::None)).await.unwrap();
    // 2 MB are kept; half-dead volumes and the open one stay.
    volumes_shrink_to(&*store, 8 << 20).await;
    for round in 0..40 {
        check(&*store, &format!("kept{round}"), &kept).await;
    }
    drop(store);
    node.shutdown().await;
    node.end().await;
    let node = open(directory.path(), config).await;
    for round in 0..40 {
        check(&*node.store(), &format!("kept{round}"), &kept).await;
    }
}

#[tokio::test]
async fn the_open_volume_gives_its_room_back_without_another_write() {
    let directory = tempfile::tempdir().unwrap();
    let interval = std::time::Duration::from_millis(10);
    let config = NodeConfig { reclaim_interval: interval, ..NodeConfig::default() };
    let node = open(directory.path(), config).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let kept = content(7, 300_000);
    put(&*store, "kept", &kept).await.unwrap();
    put(&*store, "gone", &content(8, 20 << 20)).await.unwrap();
    store.delete(DeleteRequest::current(name(), key("gone"), WriteCondition::None)).await.unwrap();
    volumes_shrink_to(&*store, 2 << 20).await;
    check(&*store, "kept", &kept).await;
}

#[tokio::test]
async fn a_deleted_bucket_takes_its_unfinished_uploads_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let interval = std::time::Duration::from_millis(10);
    let config = NodeConfig { reclaim_interval: interval, ..NodeConfig::default() };
    let node = open(directory.path(), config).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let upload_id = upload_parts(&*store, &[(1, content(1, 40 << 20)), (2, vec![1; 9])]).await;
    store.delete_bucket(name()).await.unwrap();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let lost = store.head_upload(name(), key("big"), upload_id).await;
    assert!(matches!(lost, Err(StoreError::NoSuchUpload)));
    volumes_shrink_to(&*store, 2 << 20).await;
}

/// A body that comes as the test sends it.
struct Fed {
    pieces: mpsc::Receiver<Bytes>,
    etag: ETag,
}

impl BodySource for Fed {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: self.etag.clone(), checksum: None, plain_len: None }
    }
}

/// Begins an upload whose body the test sends.
fn begin(
    node: &Node,
    name_of: &str,
    len: usize,
) -> (mpsc::Sender<Bytes>, JoinHandle<Result<PutOutcome, StoreError>>) {
    let (sender, pieces) = mpsc::channel(1);
    let request = PutRequest {
        bucket: name(),
        key: key(name_of),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::None,
        lock: Lock::default(),
        len: Some(len as u64),
    };
    let (store, etag) = (node.store(), ETag("etag".into()));
    let put = async move { store.put(request, Box::new(Fed { pieces, etag })).await };
    (sender, tokio::spawn(put))
}

/// Sends pieces of bodies in turn, so many rounds or until all are sent.
async fn feed(bodies: &mut [&[u8]], senders: &[mpsc::Sender<Bytes>], mut rounds: usize) {
    while rounds > 0 && bodies.iter().any(|rest| !rest.is_empty()) {
        for (rest, sender) in bodies.iter_mut().zip(senders) {
            let (piece, after) = rest.split_at(rest.len().min(50_001));
            sender.send(Bytes::copy_from_slice(piece)).await.unwrap();
            *rest = after;
        }
        rounds -= 1;
    }
}

/// Uploads that are all open at once, and together hold more than the budget if each filled its
/// records: they go on by writing shorter ones, also over the border of a row of extents.
#[tokio::test]
async fn slow_uploads_share_a_small_budget() {
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig { upload_memory_max: 512 << 10, ..NodeConfig::default() };
    let node = open(dir.path(), config).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let bodies = [content(1, 3 << 20), content(2, 33 << 20), content(3, (66 << 20) + 5)];
    let mut senders = Vec::new();
    let mut uploads = Vec::new();
    for (index, bytes) in bodies.iter().enumerate() {
        let (sender, upload) = begin(&node, &format!("slow-{index}"), bytes.len());
        senders.push(sender);
        uploads.push(upload);
    }
    let mut rest: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    // The first one takes nearly all of the budget and then stands still until the others are done.
    feed(&mut rest[..1], &senders[..1], 9).await;
    feed(&mut rest[1..], &senders[1..], usize::MAX).await;
    feed(&mut rest, &senders, usize::MAX).await;
    drop(senders);
    for upload in uploads {
        upload.await.unwrap().unwrap();
    }
    for (index, bytes) in bodies.iter().enumerate() {
        check(&*store, &format!("slow-{index}"), bytes).await;
    }
    node.shutdown().await;
}

/// More uploads at once than there is memory for: they wait in line, nobody holds what others need.
#[tokio::test]
async fn a_crowd_of_uploads_stands_in_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig { upload_memory_max: 512 << 10, ..NodeConfig::default() };
    let node = open(dir.path(), config).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let mut uploads = Vec::new();
    for seed in 0..40 {
        let bytes = content(seed, 300_000);
        let (sender, upload) = begin(&node, &format!("crowd-{seed}"), bytes.len());
        uploads.push(upload);
        tokio::spawn(async move { feed(&mut [&bytes[..]], &[sender], usize::MAX).await });
    }
    for upload in uploads {
        upload.await.unwrap().unwrap();
    }
    for seed in 0..40 {
        check(&*node.store(), &format!("crowd-{seed}"), &content(seed, 300_000)).await;
    }
    node.shutdown().await;
}
