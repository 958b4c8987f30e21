//! A start that is cut off anywhere, twice, and then the power: the next start must find
//! everything. Exhaustive over the places where it can be cut off, where seeds only try some.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;

use bytes::Bytes;
use common::env;
use engine::disks::DiskAt;
use engine::env::Env;
use engine::format::batch::JournalRecord;
use engine::format::value::{Location, Value};
use engine::index::RowWrite;
use engine::journal::JournalConfig;
use engine::meta::{MetaConfig, MetaStore};
use engine::volume::VolumeConfig;
use sim::disk::{Machine, Manner, SimDisk, Timing};
use sim::random::Random;
use std::sync::Arc;

fn config() -> MetaConfig {
    MetaConfig {
        journal: JournalConfig { file_len: 16 << 10, file_count_max: 3 },
        volume: VolumeConfig { volume_len_max: 64 << 10, ..VolumeConfig::default() },
        memtable_len_max: 1 << 20,
        cache_len_max: 32 << 10,
        reserve_len: 0,
    }
}

/// One start: replay, then all that makes it durable anew.
async fn start(disk: &SimDisk, env: &Env) -> engine::Result<Arc<MetaStore>> {
    let disks = vec![DiskAt::new("disk", disk.attach())];
    let mut opening = MetaStore::open(disks, None, config(), env.clone()).await?;
    while let Some(batch) = opening.next_batch().await? {
        for record in batch.records {
            let mut turn = opening.store().apply_turn().await;
            turn.write(vec![row(&record.head)]);
            turn.finish(batch.sequence);
        }
    }
    opening.finish().await
}

fn row(key: &Bytes) -> RowWrite {
    let value = Value {
        write_id: 1,
        location: Location::Inline(Bytes::from_static(b"body")),
        attributes: Bytes::new(),
    };
    RowWrite { key: key.clone(), old: None, new: Some(value) }
}

/// A disk with two acknowledged rows, one of them in the journal only.
async fn prepare(seed: u64) -> (SimDisk, Env) {
    let disk = SimDisk::on(
        &Machine::default(),
        Random::new(seed, "restart"),
        Timing::default(),
        Manner::Inline { yield_per_mille: 0 },
    );
    let env = env(seed);
    let store = start(&disk, &env).await.unwrap();
    for key in ["kept", "new"] {
        let sequence = store.append(vec![JournalRecord::new(0, key)]).await.unwrap();
        let mut turn = store.apply_turn().await;
        turn.write(vec![row(&Bytes::from(key))]);
        turn.finish(sequence);
        if key == "kept" {
            store.checkpoint().await.unwrap();
        }
    }
    disk.kill();
    (disk, env)
}

#[tokio::test]
async fn a_start_may_be_cut_off_anywhere_twice() {
    // What a power loss takes depends on the seed.
    for seed in 0..5 {
        cut_off_everywhere(seed << 32).await;
    }
}

async fn cut_off_everywhere(seed: u64) {
    let (mut first, mut is_done) = (0, false);
    while !is_done {
        let (mut second, mut is_second_done) = (0, false);
        while !is_second_done {
            let (disk, env) = prepare(seed + first * 1000 + second).await;
            disk.kill_after(Some(first));
            let _ = start(&disk, &env).await;
            is_done = disk.kill_after(None);
            disk.kill();
            disk.kill_after(Some(second));
            let _ = start(&disk, &env).await;
            is_second_done = disk.kill_after(None);
            disk.lose_power();
            let store = start(&disk, &env).await;
            let store = store.unwrap_or_else(|error| panic!("cut at {first}, {second}: {error}"));
            for key in ["kept", "new"] {
                let value = store.get(key.as_bytes()).await.unwrap();
                assert!(value.is_some(), "cut at {first}, {second}: {key} is gone");
            }
            second += 1;
        }
        first += 1;
    }
    assert!(first > 20, "a start has more operations than that");
}
