//! A bucket is deleted with an unfinished upload in it, and made anew; the process dies anywhere
//! between, then the power goes. What was acknowledged holds, and nothing of the old life is seen
//! in the new one.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;
#[path = "common/objects.rs"]
mod objects;

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use common::env;
use engine::disks::DiskAt;
use engine::env::Env;
use engine::object::{
    CreateBucketRequest, CreateUploadRequest, Lock, ObjectAttributes, ObjectStore, PartPage,
    PartRequest, StoreError, UploadId, UploadListRequest,
};
use objects::{Whole, bucket, key};
use sim::disk::{SimDisk, Timing};
use sim::random::Random;
use std::time::Duration;

/// Operations of the disk after which the process may die: more than a deletion, a creation and the
/// first rounds of the purge have.
const CUTS: u64 = 60;

/// Turns that the purge gets before the power goes; it may need fewer.
const PURGE_TURNS: usize = 2000;

async fn open(disk: &SimDisk, env: &Env) -> Node {
    let config = NodeConfig { reclaim_interval: Duration::from_millis(1), ..NodeConfig::tiny() };
    Node::open(config, vec![DiskAt::new("disk", disk.attach())], env.clone()).await.unwrap()
}

/// A bucket with one upload of a small and a large part.
async fn prepare(store: &dyn ObjectStore) -> UploadId {
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
    for (number, len) in [(1, 100), (2, 40_000)] {
        let request =
            PartRequest { bucket: bucket(), key: key(), upload_id, number, len: Some(len) };
        let body = Bytes::from(vec![7; len as usize]);
        store.put_part(request, Box::new(Whole(Some(body)))).await.unwrap();
    }
    upload_id
}

async fn uploads(store: &dyn ObjectStore) -> usize {
    let request = UploadListRequest {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: None,
        after: None,
        limit: 10,
    };
    store.list_uploads(request).await.unwrap().uploads.len()
}

async fn check(store: &dyn ObjectStore, upload_id: UploadId, deleted: bool, created: bool) {
    let has_bucket = match store.head_bucket(bucket()).await {
        Ok(_) => true,
        Err(StoreError::NoSuchBucket) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(has_bucket || !created, "an acknowledged bucket is there");
    if !has_bucket {
        return;
    }
    let page = PartPage { after: 0, limit: 10 };
    match store.list_parts(bucket(), key(), upload_id, page).await {
        Ok((parts, _)) => {
            assert!(!deleted, "an acknowledged deletion takes the upload along");
            assert_eq!((parts.len(), uploads(store).await), (2, 1), "it is whole, or gone");
        }
        Err(StoreError::NoSuchUpload) => assert_eq!(uploads(store).await, 0),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_deleted_bucket_stays_deleted_with_its_uploads() {
    for cut in 0..CUTS {
        let disk = SimDisk::new(Random::new(cut, "bucket"), Timing::default());
        let env = env(cut);
        let node = open(&disk, &env).await;
        let store = node.store();
        let upload_id = prepare(&*store).await;
        disk.kill_after(Some(cut));
        let deleted = store.delete_bucket(bucket()).await.is_ok();
        let created =
            deleted && store.create_bucket(CreateBucketRequest::plain(bucket())).await.is_ok();
        // The purge goes on meanwhile, and may be what is cut off.
        for _ in 0..PURGE_TURNS {
            tokio::task::yield_now().await;
        }
        disk.kill_after(None);
        disk.lose_power();
        drop(node);
        for _ in 0..2 {
            let node = open(&disk, &env).await;
            check(&*node.store(), upload_id, deleted, created).await;
            node.shutdown().await;
            disk.kill();
        }
    }
}
