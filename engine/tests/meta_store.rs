//! The metadata store against a plain map: whatever order of writes, checkpoints, merges and
//! restarts, rows read the same by key and in order, and usage of volumes is what the rows refer
//! to.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

use bytes::Bytes;
use engine::disks::DiskAt;
use engine::env::real::{DiskThreads, RealDisk, env};
use engine::format::batch::JournalRecord;
use engine::format::value::{Location, Value};
use engine::index::RowWrite;
use engine::journal::JournalConfig;
use engine::meta::{MetaConfig, MetaStore};
use engine::volume::VolumeConfig;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, len: usize },
    Delete { key: u8 },
    Checkpoint,
    Merge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), 0usize..3000).prop_map(|(key, len)| Step::Put { key, len }),
        3 => any::<u8>().prop_map(|key| Step::Delete { key }),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
    ]
}

fn config() -> MetaConfig {
    MetaConfig {
        journal: JournalConfig { file_len: 256 << 10, file_count_max: 4 },
        volume: VolumeConfig { volume_len_max: 64 << 10, ..VolumeConfig::default() },
        memtable_len_max: 1 << 30,
        cache_len_max: 32 << 10,
        reserve_len: 0,
    }
}

/// Entries of this test: a key, then the body, or nothing to delete the row.
async fn apply(store: &MetaStore, sequence: u64, record: &JournalRecord) {
    let mut turn = store.apply_turn().await;
    let (key, body) = (record.head.slice(..2), record.head.slice(2..));
    let old = store.get(&key).await.unwrap();
    let attributes = Bytes::from_static(b"attributes");
    let new = (!body.is_empty()).then(|| Value {
        write_id: u128::from(sequence),
        location: Location::Inline(body.slice(1..)),
        attributes,
    });
    turn.write(vec![RowWrite { key, old, new }]);
    turn.finish(sequence);
}

async fn open(path: &Path) -> Arc<MetaStore> {
    open_with_threads(path).await.0
}

async fn open_with_threads(path: &Path) -> (Arc<MetaStore>, DiskThreads) {
    let disk = RealDisk::open(path).unwrap();
    let threads = disk.threads();
    let disks = vec![DiskAt::new("disk", Arc::new(disk))];
    let mut opening = MetaStore::open(disks, None, config(), env()).await.unwrap();
    while let Some(batch) = opening.next_batch().await.unwrap() {
        for record in &batch.records {
            apply(opening.store(), batch.sequence, record).await;
        }
    }
    (opening.finish().await.unwrap(), threads)
}

/// Ends the life of a store: nothing of it writes any more.
async fn end(store: Arc<MetaStore>, threads: DiskThreads) {
    drop(store);
    while !threads.have_ended() {
        tokio::task::yield_now().await;
    }
}

async fn write(store: &MetaStore, key: u8, body: Option<&[u8]>) {
    let mut bytes = vec![b'k', key];
    if let Some(body) = body {
        bytes.push(0);
        bytes.extend_from_slice(body);
    }
    let record = JournalRecord::new(0, bytes);
    let sequence = store.append(vec![record.clone()]).await.unwrap();
    apply(store, sequence, &record).await;
}

async fn body_of(store: &MetaStore, value: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    match &value.location {
        Location::None => {}
        Location::Inline(bytes) => body.extend_from_slice(bytes),
        Location::Extents(extents) => {
            for extent in extents {
                let pieces = store.volumes().read(extent, 0..extent.len).await.unwrap();
                body.extend(pieces.concat());
            }
        }
    }
    body
}

async fn check(store: &MetaStore, model: &BTreeMap<u8, Vec<u8>>) {
    let mut rows = Vec::new();
    let mut start = Bytes::from_static(b"k");
    loop {
        let page = store.scan(&start, b"l", 7).await.unwrap();
        rows.extend(page.rows);
        match page.resume {
            Some(resume) => start = resume,
            None => break,
        }
    }
    let keys: Vec<u8> = rows.iter().map(|(key, _)| key[1]).collect();
    assert_eq!(keys, model.keys().copied().collect::<Vec<_>>());
    let mut live: BTreeMap<u64, u64> = BTreeMap::new();
    for (key, value) in &rows {
        assert_eq!(store.get(key).await.unwrap().as_ref(), Some(value));
        assert_eq!(body_of(store, value).await, model[&key[1]], "body of {key:?}");
        for extent in value.extents() {
            *live.entry(extent.volume.0).or_default() += u64::from(extent.len);
        }
    }
    let usage = store.index().usage();
    let counted = usage.iter().filter(|(_, usage)| usage.live_len > 0);
    let counted: BTreeMap<u64, u64> = counted.map(|(id, usage)| (id.0, usage.live_len)).collect();
    assert_eq!(counted, live, "I3");
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut threads) = open_with_threads(directory.path()).await;
    let mut model = BTreeMap::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put { key, len } => {
                let body = vec![number as u8; len];
                write(&store, key, Some(&body)).await;
                model.insert(key, body);
            }
            Step::Delete { key } => {
                write(&store, key, None).await;
                model.remove(&key);
            }
            Step::Checkpoint => store.checkpoint().await.unwrap(),
            Step::Merge => {
                store.merge_runs().await.unwrap();
            }
            Step::Reopen => {
                end(store, threads).await;
                (store, threads) = open_with_threads(directory.path()).await;
            }
        }
    }
    check(&store, &model).await;
    end(store, threads).await;
    check(&*open(directory.path()).await, &model).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn rows_read_the_same_through_checkpoints_merges_and_restarts(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(1).enable_all().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test]
async fn many_rows_merge_into_one_run_and_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let mut model = BTreeMap::new();
    for round in 0..9u8 {
        for key in 0..=255u8 {
            if key % 9 >= round {
                let body = vec![round; 40 + usize::from(key)];
                write(&store, key, Some(&body)).await;
                model.insert(key, body);
            }
        }
        store.checkpoint().await.unwrap();
        while store.merge_runs().await.unwrap() {}
    }
    assert!(store.index().runs().len() < 9);
    check(&store, &model).await;
}

#[tokio::test]
async fn checkpoints_take_their_time_while_runs_are_many() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let mut pauses = Vec::new();
    for key in 0..80u8 {
        pauses.push(store.checkpoint_pause());
        write(&store, key, Some(b"body")).await;
        store.checkpoint().await.unwrap();
    }
    let (few, many) = pauses.split_at(65);
    assert!(few.iter().all(Duration::is_zero), "{pauses:?}");
    assert!(!many[0].is_zero() && many.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    while store.merge_runs().await.unwrap() {}
    assert_eq!(store.checkpoint_pause(), Duration::ZERO, "few runs are left");
}
