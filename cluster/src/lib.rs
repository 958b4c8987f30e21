//! Many engines as one [`ObjectStore`]. Today: one engine, one node; the same coordinator and the
//! same log will serve many.
//!
//! ```text
//! ObjectStore --> coordinator: take the body -> volumes (engine)
//!                              commit -> MetaLog -> apply -> rows (engine)
//!                 background:  reclaim, purge, checkpoints, merges
//! ```
//!
//! - N1: nothing is answered before it is applied, nothing is applied before it is durable.
//! - N2: apply is deterministic: it sees rows and the command, no clock and no randomness.
//! - N3: the background meets requests in the log and in the engine's manifest, never through
//!   flags.
//!
//! Modules in reading order: [`rows`] (what lies in the index), [`meta`] (the log and what commands
//! do), `coordinator` (one file per operation), `reclaim`.

mod coordinator;
#[cfg(test)]
mod damaged_test;
mod error;
pub mod lock_clock;
pub mod meta;
mod moved;
mod reading;
mod reclaim;
pub mod rows;

use bytes::Bytes;
use coordinator::{Coordinator, UploadMemory};
use engine::disks::DiskAt;
use engine::env::Env;
use engine::heal::{HealConfig, Healer};
use engine::journal::JournalConfig;
use engine::meta::{MetaConfig, MetaStore};
use engine::object::{DiskStatus, ObjectStore, StoreError, VolumesAtMargin};
use engine::volume::VolumeConfig;
use error::from_engine;
use lock_clock::LockClock;
use meta::MetaLog;
use meta::command::Command;
use meta::local::{LocalMetaLog, replay};
use reading::Readings;
use reclaim::Reclaim;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Pause before background work that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Rows that a digest reads at once.
const DIGEST_PAGE_ROWS: usize = 1000;

/// Sizes and limits of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeConfig {
    /// Journal, index and volumes.
    pub meta: MetaConfig,
    /// Bodies up to this many bytes travel inline, 0 to 64 KiB. Default 16 KiB.
    pub inline_len_max: usize,
    /// Bytes of bodies that uploads hold in memory at once, at least 512 KiB. Default 128 MiB.
    pub upload_memory_max: usize,
    /// Pause between rounds of reclaim. Default 5 s.
    pub reclaim_interval: Duration,
    /// Parity columns of new volumes, at most half of the disks; `None` follows the number of
    /// disks (`engine::erasure::parity_default`).
    pub parity: Option<u8>,
    /// How disks and volumes are looked after.
    pub heal: HealConfig,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            meta: MetaConfig::default(),
            inline_len_max: 16 << 10,
            upload_memory_max: 128 << 20,
            reclaim_interval: Duration::from_secs(5),
            parity: None,
            heal: HealConfig::default(),
        }
    }
}

impl NodeConfig {
    /// Sizes so small that a short simulation goes through checkpoints, full rings, merges and
    /// reclaim many times.
    pub fn tiny() -> Self {
        Self {
            meta: MetaConfig {
                journal: JournalConfig { file_len: 256 << 10, file_count_max: 3 },
                volume: VolumeConfig { volume_len_max: 512 << 10, ..VolumeConfig::default() },
                memtable_len_max: 96 << 10,
                cache_len_max: 64 << 10,
                reserve_len: 2 << 20,
            },
            inline_len_max: 16 << 10,
            upload_memory_max: 512 << 10,
            reclaim_interval: Duration::from_millis(700),
            parity: None,
            heal: HealConfig {
                watch_interval: Duration::from_millis(500),
                repair_rate: 64 << 20,
                scrub_interval: Duration::from_secs(20),
                scrub_rate_min: 256 << 10,
            },
        }
    }

    fn validate(&self) -> Result<(), StoreError> {
        let is_valid = self.inline_len_max <= 64 << 10
            && self.upload_memory_max >= 512 << 10
            && self.meta.journal.file_count_max >= 2
            && self.meta.reserve_len >= self.meta.start_len()
            && self.meta.journal.batch_payload_max() > self.inline_len_max + (64 << 10);
        let reason = || StoreError::Unavailable("node configuration is out of range".into());
        if is_valid { Ok(()) } else { Err(reason()) }
    }
}

/// One running node.
pub struct Node {
    store: Arc<MetaStore>,
    coordinator: Arc<Coordinator>,
    upload_memory: Arc<UploadMemory>,
    reclaim: Arc<tokio::sync::Mutex<Reclaim>>,
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Opens a node on its disks: recovers what is there, creates what is not, starts the
    /// background work.
    ///
    /// # Errors
    /// `Unavailable` when too few disks can be read or they hold something else; `Corrupt` when
    /// what they hold is damaged beyond what the others make good.
    pub async fn open(
        config: NodeConfig,
        disks: Vec<DiskAt>,
        env: Env,
    ) -> Result<Self, StoreError> {
        config.validate()?;
        let opening = MetaStore::open(disks, config.parity, config.meta, env.clone()).await;
        let mut opening = opening.map_err(from_engine)?;
        replay(&mut opening).await.map_err(from_engine)?;
        let store = opening.finish().await.map_err(from_engine)?;
        let log: Arc<dyn MetaLog> = Arc::new(LocalMetaLog::start(store.clone()));
        let noted = store.get(&rows::lock_clock()).await.map_err(from_engine)?;
        let noted = noted.as_ref().map(coordinator::attributes).transpose()?;
        let lock_clock = Arc::new(LockClock::new(env.clock.clone(), noted));
        let readings = Readings::default();
        let reclaim = Reclaim::new(store.clone(), log.clone(), readings.clone());
        let reclaim = Arc::new(tokio::sync::Mutex::new(reclaim));
        let healer = Healer::new(store.clone(), config.heal);
        let background = vec![
            tokio::spawn(checkpoints(store.clone())),
            tokio::spawn(merges(store.clone())),
            tokio::spawn(reclaim::run(reclaim.clone(), config.reclaim_interval)),
            tokio::spawn(healer.clone().run()),
            tokio::spawn(healer.clone().run_scrub()),
            tokio::spawn(lock_times(store.clone(), log.clone(), lock_clock.clone())),
        ];
        let upload_memory = UploadMemory::new(config.upload_memory_max);
        let inline_len_max = config.inline_len_max;
        let coordinator = Coordinator {
            store: store.clone(),
            log,
            env,
            inline_len_max,
            upload_memory: upload_memory.clone(),
            downloads: coordinator::Downloads::default(),
            readings,
            healer,
            lock_clock: lock_clock.clone(),
        };
        let background = Mutex::new(background);
        Ok(Self { store, coordinator: Arc::new(coordinator), upload_memory, reclaim, background })
    }

    /// The store that this node serves.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.coordinator.clone()
    }

    /// Disks without their space, and volumes by margin, as they are known without a look at any
    /// disk: for whoever only watches.
    pub fn glance(&self) -> (Vec<DiskStatus>, Vec<VolumesAtMargin>) {
        self.coordinator.healer.glance()
    }

    /// Whether this node takes writes again only when it is opened anew, and could be: whoever runs
    /// it should drop it and open another one on the same disks.
    pub async fn wants_start(&self) -> bool {
        self.store.wants_start().await
    }

    /// Hash over all rows, without where their bytes lie, which the background changes at any time:
    /// two lives of a store must agree on it when nobody asked for anything in between. It reads
    /// the whole index.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when the index cannot be read; `Busy` while the background
    /// changes rows.
    pub async fn digest_rows(&self) -> Result<u64, StoreError> {
        // Of what it has written down and not done yet a start does the rest.
        let Ok(_rests) = self.reclaim.try_lock() else {
            return Err(StoreError::Busy("the background changes rows"));
        };
        let (mut start, end) = (Bytes::new(), [0xff; 8]);
        let mut hasher = DefaultHasher::new();
        loop {
            let page = self.store.scan(&start, &end, DIGEST_PAGE_ROWS).await;
            let page = page.map_err(from_engine)?;
            for (key, value) in &page.rows {
                (key, value.write_id, &value.attributes).hash(&mut hasher);
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(hasher.finish()),
            }
        }
    }

    /// Looks at disks and volumes at once instead of at the next look of the background, and heals
    /// what can be healed.
    pub async fn look_after(&self) {
        self.coordinator.healer.round().await;
        self.reclaim.lock().await.round().await;
    }

    /// Stops the background work and writes a last checkpoint, so that the next start has nothing
    /// to replay. Requests should have ended; an upload that still runs gets `Unavailable`.
    pub async fn shutdown(&self) {
        self.upload_memory.close();
        let tasks: Vec<_> = {
            let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
            background.drain(..).collect()
        };
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            // An aborted task ends with an error that says so.
            let _ = task.await;
        }
        if let Err(error) = self.store.checkpoint().await {
            tracing::warn!(%error, "no last checkpoint; the next start replays the journal");
        }
        self.store.volumes().seal_all();
        if let Err(error) = self.store.volumes().settle().await {
            tracing::warn!(%error, "the next start verifies the volumes that were open");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A task whose handle is dropped runs on, and would still write when the node is gone.
        let background = self.background.get_mut().unwrap_or_else(PoisonError::into_inner);
        background.iter().for_each(JoinHandle::abort);
    }
}

async fn checkpoints(store: Arc<MetaStore>) {
    loop {
        store.checkpoint_due().await;
        let pause = store.checkpoint_pause();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if let Err(error) = store.checkpoint().await {
            tracing::error!(%error, "checkpoint failed and will be tried again");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

async fn merges(store: Arc<MetaStore>) {
    loop {
        store.run_added().await;
        loop {
            match store.merge_runs().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "merge failed and will be tried again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    break;
                }
            }
        }
    }
}

/// Notes the time of locks, where there may be any, so that the next process goes on from there.
async fn lock_times(store: Arc<MetaStore>, log: Arc<dyn MetaLog>, clock: Arc<LockClock>) {
    loop {
        tokio::time::sleep(lock_clock::NOTE_INTERVAL).await;
        match store.get(&rows::lock_clock()).await {
            Ok(None) => continue,
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::warn!(%error, "the time of locks was not noted");
                continue;
            }
        }
        let command = Command::LockClock { time: clock.counted() };
        if let Err(error) = log.propose(command, Bytes::new()).await {
            tracing::warn!(%error, "the time of locks was not noted");
        }
    }
}
