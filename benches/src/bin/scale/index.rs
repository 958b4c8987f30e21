//! `scale index`: the metadata store alone, with rows whose bodies lie in volumes elsewhere.
//!
//! ```text
//! make rows -> journal (group commit) -> queue -> apply turn -> memtable -> runs, merged
//! ```
//! Two tasks, as in the log of a node: a batch is applied while the next one is synced.

use crate::arguments::Arguments;
use crate::count::Traffic;
use crate::index_report::{self, Stretch};
use crate::lookup;
use crate::objects;
use crate::process;
use crate::report::mib;
use crate::store::{self, Failure};
use bytes::{Bytes, BytesMut};
use engine::env::real::env;
use engine::format::batch::JournalRecord;
use engine::index::RowWrite;
use engine::meta::{MetaConfig, MetaStore};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Rows in one batch of the journal.
const BATCH_ROWS: u64 = 512;

/// Bytes of a body that a made-up row refers to.
pub const BODY_LEN: u32 = 1024;

/// Batches between the journal and the memtable at most.
const QUEUE_LEN: usize = 4;

struct Batch {
    sequence: u64,
    writes: Vec<RowWrite>,
    began: Instant,
}

/// What is seen while rows come in.
#[derive(Default)]
pub struct Watch {
    /// Bytes on disk at most.
    pub on_disk_max: AtomicU64,
    /// Runs at most: a lookup may have to ask each.
    pub run_count_max: AtomicUsize,
    is_short: AtomicBool,
}

/// Latencies of batches, in microseconds.
#[derive(Default)]
pub struct Waits {
    micros: Vec<u32>,
}

impl Waits {
    fn add(&mut self, waited: Duration) {
        self.micros.push(u32::try_from(waited.as_micros()).unwrap_or(u32::MAX));
    }

    /// Median, 99th percentile and longest, in milliseconds.
    pub fn figures(&self) -> [f64; 3] {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = |share: usize| sorted.get(last * share / 1000).copied().unwrap_or(0);
        [500, 990, 1000].map(|share| f64::from(at(share)) / 1e3)
    }
}

/// One store and what works on it.
pub struct Run {
    /// The store.
    pub store: Arc<MetaStore>,
    /// What reached its disk.
    pub traffic: Arc<Traffic>,
    /// Where that is.
    pub directories: Vec<PathBuf>,
    /// What was seen.
    pub watch: Arc<Watch>,
    /// Rows.
    pub count: u64,
}

/// Fills the index and tells what it cost.
///
/// # Errors
/// One line.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (directories, count) = (arguments.directories()?, arguments.number("rows", 10_000_000)?);
    let free_min = arguments.number("free-min-gib", 6)? << 30;
    if !objects::is_scatterable(count) {
        return Err("--rows is out of range".into());
    }
    let traffic = Arc::new(Traffic::default());
    let store = open(&directories, &traffic).await?;
    let watch = Arc::new(Watch::default());
    let run = Run { store, traffic, directories, watch, count };
    let before = process::memory();
    let row_len = objects::row_len(0, BODY_LEN);
    println!("a row has {row_len} bytes; resident before: {}", mib(before.resident));
    let background = run.start_background(free_min);
    let mut done = run.fill().await;
    if done.is_ok() {
        done = run.finish_merges().await;
    }
    for task in &background {
        task.abort();
    }
    for task in background {
        // An aborted task ends with an error that says so.
        let _ = task.await;
    }
    done?;
    index_report::end(&run);
    lookup::run(&run.store, count).await?;
    run.reopen().await
}

async fn open(directories: &[PathBuf], traffic: &Arc<Traffic>) -> Result<Arc<MetaStore>, Failure> {
    let disks = store::disks(directories, traffic)?;
    let failed = |error: engine::EngineError| error.to_string();
    let opening = MetaStore::open(disks, None, MetaConfig::default(), env()).await;
    let mut opening = opening.map_err(failed)?;
    let replayed = opening.next_batch().await.map_err(failed)?;
    if replayed.is_some() {
        return Err("the directory holds another store".into());
    }
    opening.finish().await.map_err(failed)
}

impl Run {
    /// Checkpoints and merges as a node runs them, and somebody who watches the disk.
    fn start_background(&self, free_min: u64) -> Vec<JoinHandle<()>> {
        let watching = Watching {
            store: self.store.clone(),
            directories: self.directories.clone(),
            watch: self.watch.clone(),
            free_min,
        };
        vec![
            tokio::spawn(checkpoints(self.store.clone())),
            tokio::spawn(merges(self.store.clone())),
            tokio::spawn(watching.run()),
        ]
    }

    async fn fill(&self) -> Result<(), Failure> {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let applying = Applying::new(self, receiver);
        let applying = tokio::spawn(applying.run());
        let mut position = 0;
        while position < self.count && !self.watch.is_short.load(Ordering::Relaxed) {
            let end = (position + BATCH_ROWS).min(self.count);
            let batch = self.commit(position..end).await?;
            if sender.send(batch).await.is_err() {
                break;
            }
            position = end;
        }
        drop(sender);
        applying.await.map_err(|error| error.to_string())?;
        if position < self.count {
            return Err(format!("stopped after {position} rows: the disk is short of room"));
        }
        Ok(())
    }

    async fn commit(&self, positions: Range<u64>) -> Result<Batch, Failure> {
        let began = Instant::now();
        let mut writes = Vec::with_capacity(BATCH_ROWS as usize);
        let mut records = Vec::with_capacity(BATCH_ROWS as usize);
        for position in positions {
            let number = objects::scattered(position, self.count);
            let (key, value) = (objects::row_key(number), objects::row(number, BODY_LEN));
            records.push(JournalRecord::new(0, entry(&key, &value.encode())));
            writes.push(RowWrite { key, old: None, new: Some(value) });
        }
        let appended = self.store.append(records).await;
        let sequence = appended.map_err(|error| error.to_string())?;
        Ok(Batch { sequence, writes, began })
    }

    /// Waits for merges that run, and runs those that are still worth it.
    async fn finish_merges(&self) -> Result<(), Failure> {
        let began = Instant::now();
        let failed = |error: engine::EngineError| error.to_string();
        self.store.checkpoint().await.map_err(failed)?;
        while self.store.merge_runs().await.map_err(failed)? {}
        println!("last checkpoint and merges: {:.1} s more", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Ends the store and opens it again.
    async fn reopen(self) -> Result<(), Failure> {
        let Self { store, directories, traffic, .. } = self;
        drop(store);
        let began = Instant::now();
        let store = open(&directories, &traffic).await?;
        let key = objects::row_key(7);
        let found = store.get(&key).await.map_err(|error| error.to_string())?;
        assert!(found.is_some(), "row 7 was written");
        let resident = mib(process::memory().resident);
        println!("opened again in {:.3} s, resident {resident}", began.elapsed().as_secs_f64());
        Ok(())
    }
}

fn entry(key: &[u8], value: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(2 + key.len() + value.len());
    bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes.freeze()
}

async fn checkpoints(store: Arc<MetaStore>) {
    loop {
        store.checkpoint_due().await;
        tokio::time::sleep(store.checkpoint_pause()).await;
        store.checkpoint().await.expect("a bench's disk does not fail");
    }
}

async fn merges(store: Arc<MetaStore>) {
    loop {
        store.run_added().await;
        while store.merge_runs().await.expect("a bench's disk does not fail") {}
    }
}

struct Watching {
    store: Arc<MetaStore>,
    directories: Vec<PathBuf>,
    watch: Arc<Watch>,
    free_min: u64,
}

impl Watching {
    async fn run(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let kept = process::on_disk(&self.directories).iter().sum();
            self.watch.on_disk_max.fetch_max(kept, Ordering::Relaxed);
            let run_count = self.store.index().runs().len();
            self.watch.run_count_max.fetch_max(run_count, Ordering::Relaxed);
            let is_short = self.store.space().await.is_ok_and(|space| space.free < self.free_min);
            if is_short {
                self.watch.is_short.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Applies batches in order, as the log of a node does, and reports every tenth of the way.
struct Applying {
    store: Arc<MetaStore>,
    traffic: Arc<Traffic>,
    batches: mpsc::Receiver<Batch>,
    step: u64,
    before: u64,
}

impl Applying {
    fn new(run: &Run, batches: mpsc::Receiver<Batch>) -> Self {
        Self {
            store: run.store.clone(),
            traffic: run.traffic.clone(),
            batches,
            step: (run.count / 10).max(1),
            before: process::memory().resident,
        }
    }

    async fn run(mut self) {
        let (mut rows, mut waits, mut since) = (0, Waits::default(), Instant::now());
        index_report::head();
        while let Some(Batch { sequence, writes, began }) = self.batches.recv().await {
            let count = writes.len() as u64;
            let mut turn = self.store.apply_turn().await;
            turn.write(writes);
            turn.finish(sequence);
            waits.add(began.elapsed());
            rows += count;
            if rows / self.step > (rows - count) / self.step {
                let (step, before) = (self.step, self.before);
                let stretch = Stretch { rows, step, before, elapsed: since.elapsed() };
                index_report::line(&self.store, &self.traffic, &stretch, &waits);
                (waits, since) = (Waits::default(), Instant::now());
            }
        }
    }
}
