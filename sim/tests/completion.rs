//! An upload is completed while a checkpoint moves its part to a volume; everything else in that
//! volume dies, the volume is reclaimed, the process dies. The replay meets the part in the volume,
//! where it was inline when the log was written.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;
#[path = "common/objects.rs"]
mod objects;

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use common::env;
use engine::disks::DiskAt;
use engine::env::Env;
use engine::meta::MetaConfig;
use engine::object::{
    Address, CompleteRequest, CompletedPart, CreateBucketRequest, CreateUploadRequest,
    DeleteRequest, ETag, Lock, ObjectAttributes, ObjectKey, ObjectStore, PartRequest, PutRequest,
    UploadId, WriteCondition,
};
use futures_util::TryStreamExt;
use objects::{Whole, bucket, key};
use sim::disk::{Machine, Manner, SimDisk, Timing};
use sim::random::Random;

/// Turns of the checkpoint after which the completion comes; from about forty on it is over.
const TURNS: usize = 60;

/// Objects that fill the memtable, so that a checkpoint is due.
const OTHERS: usize = 6;

const PART: &[u8] = &[7; 900];

async fn open(disk: &SimDisk, env: &Env) -> Node {
    let tiny = NodeConfig::tiny();
    let meta = MetaConfig { memtable_len_max: 24 << 10, ..tiny.meta };
    let config = NodeConfig { meta, ..tiny };
    Node::open(config, vec![DiskAt::new("disk", disk.attach())], env.clone()).await.unwrap()
}

fn other(number: usize) -> ObjectKey {
    ObjectKey::new(format!("other{number}")).unwrap()
}

async fn begin_upload(store: &dyn ObjectStore) -> UploadId {
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
    let len = Some(PART.len() as u64);
    let request = PartRequest { bucket: bucket(), key: key(), upload_id, number: 1, len };
    store.put_part(request, Box::new(Whole(Some(Bytes::from_static(PART))))).await.unwrap();
    upload_id
}

async fn put_others(store: &dyn ObjectStore) {
    for number in 0..OTHERS {
        let request = PutRequest {
            bucket: bucket(),
            key: other(number),
            attributes: ObjectAttributes::default(),
            condition: WriteCondition::None,
            lock: Lock::default(),
            len: Some(4000),
        };
        let body = Whole(Some(Bytes::from(vec![number as u8; 4000])));
        store.put(request, Box::new(body)).await.unwrap();
    }
}

async fn complete(store: &dyn ObjectStore, upload_id: UploadId) {
    let request = CompleteRequest {
        bucket: bucket(),
        key: key(),
        upload_id,
        parts: vec![CompletedPart { number: 1, etag: ETag("e".into()) }],
        condition: WriteCondition::None,
        etag: ETag("e-1".into()),
        checksum: None,
        part_size_min: 0,
    };
    store.complete_upload(request).await.unwrap();
}

async fn read(store: &dyn ObjectStore) -> Vec<u8> {
    let reader = store.get(Address::current(bucket(), key())).await.unwrap();
    let pieces: Vec<Bytes> = reader.read(0..PART.len() as u64).try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test]
async fn a_part_that_is_completed_on_its_way_to_a_volume_outlives_that_volume() {
    let mut reclaimed = 0;
    for turns in 0..TURNS {
        let manner = Manner::Inline { yield_per_mille: 1000 };
        let random = Random::new(turns as u64, "completion");
        let disk = SimDisk::on(&Machine::default(), random, Timing::default(), manner);
        let env = env(turns as u64);
        let node = open(&disk, &env).await;
        let store = node.store();
        let upload_id = begin_upload(&*store).await;
        put_others(&*store).await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        complete(&*store, upload_id).await;
        for number in 0..OTHERS {
            store
                .delete(DeleteRequest::current(bucket(), other(number), WriteCondition::None))
                .await
                .unwrap();
        }
        let volumes = store.status().await.unwrap().segments_len;
        node.look_after().await;
        reclaimed += usize::from(store.status().await.unwrap().segments_len < volumes);
        assert_eq!(read(&*store).await, PART);
        disk.kill();
        drop((store, node));
        let node = open(&disk, &env).await;
        assert_eq!(read(&*node.store()).await, PART, "completed after {turns} turns");
        node.shutdown().await;
        disk.kill();
    }
    assert!(reclaimed > 0, "the test reaches what it is about");
}
