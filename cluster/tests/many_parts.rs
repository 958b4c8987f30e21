//! The most parts that an upload may have: all of them become one object, and each is found again.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use engine::disks::DiskAt;
use engine::env::real::{RealDisk, env};
use engine::object::upload::PART_NUMBER_MAX;
use engine::object::{
    Address, BodyDigest, BodyError, BodySource, BucketName, CompleteRequest, CompletedPart,
    CreateBucketRequest, CreateUploadRequest, ETag, Lock, ObjectAttributes, ObjectKey, ObjectStore,
    PartPage, PartPlace, PartRequest, UploadId, WriteCondition,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Uploads at once, which share the journal's syncs.
const AT_ONCE: usize = 256;

struct Whole(Option<Bytes>);

impl BodySource for Whole {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: ETag("e".into()), checksum: None, plain_len: None }
    }
}

fn bucket() -> BucketName {
    BucketName::new("bucket").unwrap()
}

fn key() -> ObjectKey {
    ObjectKey::new("key").unwrap()
}

/// Parts have lengths of their own, so that a wrong place shows.
fn part_of(number: u16) -> Bytes {
    let len = 1 + usize::from(number) % 7;
    Bytes::from(number.to_be_bytes().repeat(4)).slice(..len)
}

async fn upload(store: &dyn ObjectStore) -> UploadId {
    store.create_bucket(CreateBucketRequest::plain(bucket())).await.unwrap();
    let attributes = ObjectAttributes::default();
    let request = CreateUploadRequest {
        bucket: bucket(),
        key: key(),
        attributes,
        checksum: None,
        lock: Lock::default(),
    };
    let upload_id = store.create_upload(request).await.unwrap();
    let parts = stream::iter(1..=PART_NUMBER_MAX).map(|number| {
        let body = part_of(number);
        let len = Some(body.len() as u64);
        let request = PartRequest { bucket: bucket(), key: key(), upload_id, number, len };
        store.put_part(request, Box::new(Whole(Some(body))))
    });
    let parts: Vec<_> = parts.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    assert_eq!(parts.len(), usize::from(PART_NUMBER_MAX));
    upload_id
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_parts_become_one_object() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::open(directory.path()).unwrap());
    let node =
        Node::open(NodeConfig::default(), vec![DiskAt::new("disk", disk)], env()).await.unwrap();
    let store = node.store();
    let upload_id = upload(&*store).await;
    let page = PartPage { after: 8_999, limit: 1000 };
    let (listed, is_truncated) = store.list_parts(bucket(), key(), upload_id, page).await.unwrap();
    assert_eq!((listed.len(), listed[0].number, is_truncated), (1000, 9_000, true));
    let numbers = 1..=PART_NUMBER_MAX;
    let parts = numbers.clone().map(|number| CompletedPart { number, etag: ETag("e".into()) });
    let request = CompleteRequest {
        bucket: bucket(),
        key: key(),
        upload_id,
        parts: parts.collect(),
        etag: ETag("whole".into()),
        checksum: None,
        condition: WriteCondition::None,
        part_size_min: 1,
    };
    let expected: Vec<u8> = numbers.flat_map(part_of).collect();
    let outcome = store.complete_upload(request).await.unwrap();
    assert_eq!(outcome.size, expected.len() as u64);
    let open = || store.get(Address::current(bucket(), key()));
    let reader = open().await.unwrap();
    let PartPlace { info: last, start, .. } = reader.part(PART_NUMBER_MAX).await.unwrap().unwrap();
    assert_eq!(start + last.size, outcome.size);
    let whole: Vec<Bytes> = reader.read(0..outcome.size).try_collect().await.unwrap();
    assert!(whole.concat() == expected, "the object differs");
    for start in [0, 1, 9_999, 20_000, expected.len() - 3] {
        let range = start as u64..start as u64 + 3;
        let pieces: Vec<Bytes> = open().await.unwrap().read(range).try_collect().await.unwrap();
        assert_eq!(pieces.concat(), expected[start..start + 3], "from {start}");
    }
    node.shutdown().await;
}
