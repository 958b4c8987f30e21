//! A node on several real disks: what was acknowledged is read through every loss that the geometry
//! promises, writes go on, and redundancy comes back by itself.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests break disks on purpose"
)]

mod common;

use cluster::{Node, NodeConfig};
use common::{Life, check, content, name, put};
use engine::object::status::{DiskState, StoreStatus};
use engine::object::{CreateBucketRequest, ObjectStore};
use std::fs;
use std::path::{Path, PathBuf};

const LENS: [usize; 8] = [0, 1, 4096, 16_385, 60_000, 70_000, (1 << 20) + 1, 3_500_000];

fn places(root: &Path, count: usize) -> Vec<PathBuf> {
    let places: Vec<_> = (0..count).map(|index| root.join(format!("d{index}"))).collect();
    places.iter().for_each(|place| fs::create_dir_all(place).unwrap());
    places
}

fn config(parity: Option<u8>) -> NodeConfig {
    NodeConfig { parity, ..NodeConfig::tiny() }
}

async fn try_open(places: &[PathBuf], parity: Option<u8>) -> Result<Life, String> {
    Life::begin(config(parity), places).await.map_err(|error| error.to_string())
}

async fn open(places: &[PathBuf], parity: Option<u8>) -> Life {
    try_open(places, parity).await.unwrap()
}

async fn status(node: &Node) -> StoreStatus {
    node.store().status().await.unwrap()
}

/// Puts one object of every length under a prefix.
async fn put_all(store: &dyn ObjectStore, prefix: &str) {
    for len in LENS {
        let bytes = content(len as u64, len);
        put(store, &format!("{prefix}/{len}"), &bytes).await.unwrap();
    }
}

async fn check_all(store: &dyn ObjectStore, prefix: &str) {
    for len in LENS {
        check(store, &format!("{prefix}/{len}"), &content(len as u64, len)).await;
    }
}

/// Heals until nothing is left to do.
async fn heal(node: &Node) -> StoreStatus {
    for _ in 0..200 {
        node.look_after().await;
        let status = status(node).await;
        if status.repair.volumes_left == 0 && status.margin == Some(status.margin_full) {
            return status;
        }
        tokio::task::yield_now().await;
    }
    panic!("not healed: {:?}", status(node).await);
}

/// Removes all that is there, while the node may still make files.
fn remove(place: &Path) {
    let is_gone = |_| fs::remove_dir_all(place).is_ok() || !place.exists();
    assert!((0..1000).any(is_gone), "{} stays", place.display());
}

fn empty(place: &Path) {
    remove(place);
    fs::create_dir_all(place).unwrap();
}

#[tokio::test]
async fn every_number_of_disks_serves_and_survives_a_restart() {
    for count in [1, 2, 3, 4, 5, 6, 8, 12] {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path(), count);
        let node = open(&places, None).await;
        let store = node.store();
        store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        put_all(&*store, "first").await;
        check_all(&*store, "first").await;
        let status = status(&node).await;
        assert!(
            status.writable && status.margin == Some(status.margin_full),
            "{count}: {status:?}"
        );
        drop(store);
        node.end().await;
        let node = open(&places, None).await;
        check_all(&*node.store(), "first").await;
        put_all(&*node.store(), "second").await;
        check_all(&*node.store(), "second").await;
        node.shutdown().await;
    }
}

#[tokio::test]
async fn as_many_disks_as_there_is_parity_may_be_lost_and_come_back_new() {
    for (count, parity) in [(3, 1), (4, 2), (8, 4), (8, 2)] {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path(), count);
        let node = open(&places, Some(parity)).await;
        let store = node.store();
        store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        put_all(&*store, "before").await;
        for (lost, place) in places.iter().take(parity.into()).enumerate() {
            remove(place);
            check_all(&*store, "before").await;
            node.look_after().await;
            check_all(&*store, "before").await;
            put_all(&*store, &format!("without {lost}")).await;
        }
        let degraded = status(&node).await;
        let absent = degraded.disks.iter().filter(|disk| disk.state == DiskState::Absent).count();
        assert_eq!(absent, usize::from(parity), "{degraded:?}");
        let (lost_places, rest) = places.split_at(parity.into());
        lost_places.iter().for_each(|place| fs::create_dir_all(place).unwrap());
        let healed = heal(&node).await;
        assert!(healed.disks.iter().all(|disk| disk.state == DiskState::Healthy), "{healed:?}");
        // The others go: what is read now was rebuilt.
        for place in rest.iter().take(parity.into()) {
            remove(place);
            node.look_after().await;
        }
        check_all(&*store, "before").await;
        for lost in 0..usize::from(parity) {
            check_all(&*store, &format!("without {lost}")).await;
        }
    }
}

#[tokio::test]
async fn lost_disks_do_not_keep_a_node_from_starting() {
    let root = tempfile::tempdir().unwrap();
    let places = places(root.path(), 6);
    let node = open(&places, None).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put_all(&*node.store(), "before").await;
    node.end().await;
    for place in &places[..3] {
        remove(place);
    }
    let node = open(&places, None).await;
    check_all(&*node.store(), "before").await;
    assert!(!status(&node).await.writable, "half of the disks may be somewhere else");
    node.end().await;
    remove(&places[3]);
    let error = try_open(&places, None).await.err().unwrap();
    assert!(error.contains("2 of 6 disks"), "{error}");
}

#[tokio::test]
async fn rot_anywhere_is_read_past_and_healed() {
    let root = tempfile::tempdir().unwrap();
    let places = places(root.path(), 4);
    let node = open(&places, None).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put_all(&*node.store(), "before").await;
    node.end().await;
    let node = open(&places, None).await;
    let store = node.store();
    // Two disks rot in every second page: twice the parity would be too much, once is enough.
    for place in &places[..2] {
        for entry in fs::read_dir(place.join("volumes")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            bytes.chunks_mut(8192).skip(1).for_each(|page| page[100] ^= 1);
            fs::write(&path, bytes).unwrap();
        }
    }
    check_all(&*store, "before").await;
    heal(&node).await;
    let rot: u64 = status(&node).await.disks.iter().map(|disk| disk.rot).sum();
    assert!(rot > 0, "somebody saw it");
    check_all(&*store, "before").await;
}

#[tokio::test]
async fn a_copy_of_a_run_that_grew_or_was_cut_off_does_not_keep_a_node_from_starting() {
    for change in [-100i64, 100] {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path(), 3);
        let node = open(&places, None).await;
        node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        put_all(&*node.store(), "before").await;
        node.shutdown().await;
        node.end().await;
        let mut changed = 0;
        for entry in fs::read_dir(places[1].join("runs")).unwrap() {
            let mut bytes = fs::read(entry.as_ref().unwrap().path()).unwrap();
            bytes.resize(bytes.len().checked_add_signed(change as isize).unwrap(), 7);
            fs::write(entry.unwrap().path(), bytes).unwrap();
            changed += 1;
        }
        assert!(changed > 0, "the disk has copies of runs");
        let node = open(&places, None).await;
        check_all(&*node.store(), "before").await;
    }
}

#[tokio::test]
async fn an_emptied_disk_is_filled_again_while_the_node_is_down() {
    let root = tempfile::tempdir().unwrap();
    let places = places(root.path(), 4);
    let node = open(&places, None).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put_all(&*node.store(), "before").await;
    node.shutdown().await;
    node.end().await;
    empty(&places[1]);
    let node = open(&places, None).await;
    check_all(&*node.store(), "before").await;
    heal(&node).await;
    for lost in [0, 2] {
        remove(&places[lost]);
        node.look_after().await;
    }
    check_all(&*node.store(), "before").await;
}
