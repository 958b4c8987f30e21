//! The healer: looks after disks, metadata copies and volumes in the background, and tells how it
//! stands.
//!
//! ```text
//! every few seconds, or when something failed:
//!   disks: who went, who came --> legs: as many as there should be
//! after each such look, or when something was found damaged:
//!   volumes by margin: damaged members in place, lost ones anew on other disks
//! all the time, slowly: scrub reads everything
//! ```
//!
//! - H1: volumes are healed in the order of their margin; with no margin left, without a pause.
//! - H2: what healing and scrub move is paced; foreground requests never wait for them but by the
//!   disk.
//! - H3: a volume whose lost members have no disk to go to stays listed, and counted, as it is.

mod missing;
mod repair;
mod scrub;
mod status;

use crate::error::EngineError;
use crate::meta::MetaStore;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How fast, how often.
#[derive(Clone, Copy, Debug)]
pub struct HealConfig {
    /// Pause between looks at the disks. Default 5 s.
    pub watch_interval: Duration,
    /// Bytes that healing moves in a second while volumes still have a margin. Default 256 MiB.
    pub repair_rate: u64,
    /// How long a round of scrub takes, unless its rate is below the minimum. Default 14 days.
    pub scrub_interval: Duration,
    /// Bytes that scrub reads in a second at least. Default 1 MiB.
    pub scrub_rate_min: u64,
}

impl Default for HealConfig {
    fn default() -> Self {
        Self {
            watch_interval: Duration::from_secs(5),
            repair_rate: 256 << 20,
            scrub_interval: Duration::from_secs(14 * 86_400),
            scrub_rate_min: 1 << 20,
        }
    }
}

/// What was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    rebuilt_len: AtomicU64,
    moved_len: AtomicU64,
    members: AtomicU64,
    records: AtomicU64,
    /// Since when volumes wait, and how many bytes of members had been gone through then.
    began: Mutex<Option<(Instant, u64)>>,
    scrub: Mutex<scrub::Position>,
    rounds: AtomicU64,
    /// The newest batch when the last round of scrub began.
    applied: AtomicU64,
    damaged: AtomicU64,
    /// Whether the last round found rows that no copy gives.
    is_index_damaged: AtomicBool,
    /// Extents that no volume gives, and the rows that name them.
    missing: AtomicU64,
    missing_rows: Mutex<missing::MissingRows>,
}

impl Progress {
    fn add(&self, healed: &crate::volume::Healed) {
        let add = |counter: &AtomicU64, value| counter.fetch_add(value, Ordering::Relaxed);
        add(&self.rebuilt_len, healed.rebuilt_len);
        add(&self.moved_len, healed.moved_len);
        add(&self.members, healed.members);
        add(&self.records, healed.records);
    }
}

/// The background that heals.
#[derive(Clone)]
pub struct Healer {
    store: Arc<MetaStore>,
    config: HealConfig,
    progress: Arc<Progress>,
    /// One look at a time, one repair at a time. Looks go on while a volume is being healed: a disk
    /// that returns may be all that writers wait for.
    looking: Arc<tokio::sync::Mutex<()>>,
    repairing: Arc<tokio::sync::Mutex<()>>,
    looked: Arc<tokio::sync::Notify>,
}

impl Healer {
    /// A healer of that store.
    pub fn new(store: Arc<MetaStore>, config: HealConfig) -> Self {
        Self {
            store,
            config,
            progress: Arc::default(),
            looking: Arc::default(),
            repairing: Arc::default(),
            looked: Arc::default(),
        }
    }

    /// Looks after disks and volumes for ever.
    pub async fn run(self) {
        futures_util::future::join3(self.run_look(), self.run_repair(), self.run_missing()).await;
    }

    async fn run_missing(&self) {
        loop {
            tokio::time::sleep(self.config.watch_interval).await;
            self.warn_on(self.look_at_missing().await, "missing bodies were not looked at again");
        }
    }

    async fn run_look(&self) {
        loop {
            self.look().await;
            self.looked.notify_one();
            // What cannot be healed now rings all the time.
            tokio::time::sleep(self.config.watch_interval / 10).await;
            let tick = std::pin::pin!(tokio::time::sleep(self.config.watch_interval));
            let changed = std::pin::pin!(self.store.disks().wait_for_change());
            futures_util::future::select(tick, changed).await;
        }
    }

    async fn run_repair(&self) {
        loop {
            let looked = std::pin::pin!(self.looked.notified());
            let unwell = std::pin::pin!(self.store.volumes().wait_unwell());
            futures_util::future::select(looked, unwell).await;
            self.repair().await;
            tokio::time::sleep(self.config.watch_interval / 10).await;
        }
    }

    /// One look at everything, and what it leads to.
    pub async fn round(&self) {
        self.look().await;
        self.repair().await;
    }

    async fn look(&self) {
        let _turn = self.looking.lock().await;
        self.store.disks().watch().await;
        self.doubt_returned();
        loop {
            match self.store.tend_legs().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "no copy of the metadata was added");
                    break;
                }
            }
        }
        self.store.volumes().look_for_room().await;
        self.warn_on(self.store.revive().await, "the journal is not taken up again");
        self.store.volumes().seal_unfit();
        self.warn_on(self.store.volumes().settle().await, "states of volumes are not written down");
        self.store.volumes().remove_retired().await;
    }

    /// Disks that came back in this life: their members are verified before they count.
    fn doubt_returned(&self) {
        for slot in self.store.disks().slots() {
            if slot.is_unverified && slot.take_doubt() {
                self.store.volumes().doubt_returned(&slot);
            }
        }
    }

    fn warn_on(&self, result: Result<(), EngineError>, message: &'static str) {
        if let Err(error) = result {
            tracing::warn!(%error, message);
        }
    }

    /// Scrubs for ever.
    pub async fn run_scrub(self) {
        loop {
            self.scrub_round().await;
        }
    }

    fn scrub_position(&self) -> std::sync::MutexGuard<'_, scrub::Position> {
        self.progress.scrub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
