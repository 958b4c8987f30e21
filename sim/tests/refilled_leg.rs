//! A disk loses a file of its copy of the metadata, is left out and filled anew while the node
//! runs. What is acknowledged from then on must be on it: the other disk may go next.
//! Seed 1537 on two disks, over budget: the journal went on in files that the disk had removed.
#![cfg(not(madsim))]
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;
#[path = "common/objects.rs"]
mod objects;

use bytes::Bytes;
use cluster::{Node, NodeConfig};
use common::env;
use engine::disks::DiskAt;
use engine::object::{
    Address, CreateBucketRequest, Lock, ObjectAttributes, PutRequest, WriteCondition,
};
use objects::{Whole, bucket, key};
use sim::disk::{Machine, Manner, SimDisk, Timing};
use sim::random::Random;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Builder;

/// Seconds of simulated time within which a leg is filled again.
const PATIENCE: usize = 200;

async fn open(disks: &[SimDisk; 2], seed: u64) -> Node {
    let at = |(place, disk): (usize, &SimDisk)| DiskAt::new(format!("/d{place}"), disk.attach());
    let disks = disks.iter().enumerate().map(at).collect();
    Node::open(NodeConfig::tiny(), disks, env(seed)).await.unwrap()
}

async fn put(node: &Node, body: &'static [u8]) {
    let request = PutRequest {
        bucket: bucket(),
        key: key(),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::None,
        lock: Lock::default(),
        len: Some(body.len() as u64),
    };
    let body = Whole(Some(Bytes::from_static(body)));
    node.store().put(request, Box::new(body)).await.unwrap();
}

/// Waits until a disk has other files of the journal than those and is a leg again.
async fn wait_for_filling(node: &Node, disk: &SimDisk, old: &BTreeMap<String, u64>) {
    for _ in 0..PATIENCE {
        let status = node.store().status().await.unwrap();
        let is_filled = disk.files("journal/").keys().all(|path| !old.contains_key(path));
        if is_filled && status.disks.iter().all(|disk| disk.is_leg) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the disk is not filled anew");
}

async fn lose_the_other_after_filling(vanishing: &str) {
    let machine = Machine::default();
    let disk = |number| {
        let manner = Manner::Inline { yield_per_mille: 0 };
        SimDisk::on(&machine, Random::new(number, "leg"), Timing::default(), manner)
    };
    let disks = [disk(1), disk(2)];
    let node = open(&disks, 1).await;
    node.store().create_bucket(CreateBucketRequest::plain(bucket())).await.unwrap();
    put(&node, b"before").await;
    let path = disks[1].files("").into_keys().find(|path| path.starts_with(vanishing)).unwrap();
    let journal = disks[1].files("journal/");
    disks[1].vanish(&path).unwrap();
    wait_for_filling(&node, &disks[1], &journal).await;
    put(&node, b"after").await;
    machine.kill();
    drop(node);
    disks[0].set_lost(true);
    let node = open(&disks, 2).await;
    let reader = node.store().get(Address::current(bucket(), key())).await.unwrap();
    assert_eq!(reader.info().size, b"after".len() as u64, "{vanishing}");
}

#[test]
fn a_leg_that_is_filled_anew_gets_what_is_acknowledged() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for vanishing in ["manifest", "journal/"] {
        runtime.block_on(lose_the_other_after_filling(vanishing));
    }
}
