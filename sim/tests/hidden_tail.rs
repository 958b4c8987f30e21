//! The sector of the newest acknowledged batch cannot be read. A torn tail could be: it must not be
//! taken for one, or what was acknowledged would be gone without a word.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;
#[path = "common/objects.rs"]
mod objects;

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use common::env;
use engine::disks::DiskAt;
use engine::object::{
    CreateBucketRequest, Lock, ObjectAttributes, PutRequest, StoreError, WriteCondition,
};
use objects::{Whole, bucket, key};
use sim::disk::{Machine, Manner, SimDisk, Timing};
use sim::random::Random;

async fn open(disk: &SimDisk, seed: u64) -> Result<Node, StoreError> {
    let disks = vec![DiskAt::new("disk", disk.attach())];
    Node::open(NodeConfig::tiny(), disks, env(seed)).await
}

#[tokio::test]
async fn a_newest_batch_that_cannot_be_read_is_not_taken_for_a_torn_one() {
    // In one page, in several; its first page, a later one.
    for (len, page) in [(10, 0), (9000, 0), (9000, 2)] {
        let machine = Machine::default();
        let manner = Manner::Inline { yield_per_mille: 0 };
        let disk = SimDisk::on(&machine, Random::new(1, "tail"), Timing::default(), manner);
        let node = open(&disk, 1).await.unwrap();
        node.store().create_bucket(CreateBucketRequest::plain(bucket())).await.unwrap();
        let request = PutRequest {
            bucket: bucket(),
            key: key(),
            attributes: ObjectAttributes::default(),
            condition: WriteCondition::None,
            lock: Lock::default(),
            len: Some(len),
        };
        let body = Whole(Some(Bytes::from(vec![7; len as usize])));
        node.store().put(request, Box::new(body)).await.unwrap();
        disk.kill();
        drop(node);
        let (path, start) = machine.newest_batch().unwrap();
        disk.spoil(&path, start + page * 4096).unwrap();
        let error = open(&disk, 2).await.err().unwrap();
        assert!(error.to_string().contains("newest batch may be there"), "{error}");
        disk.kill();
    }
}
