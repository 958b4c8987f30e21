//! `scale fill`: what a node of many small objects costs: bytes written and kept, and memory.

use crate::arguments::Arguments;
use crate::count::between;
use crate::load::{self, Load, Work};
use crate::objects;
use crate::process::{self, Memory};
use crate::report::{self, Stretch, mib};
use crate::store::{Failure, Store, metric};
use cluster::NodeConfig;
use engine::object::{CreateBucketRequest, StoreError};
use std::time::Duration;
use tokio::time::Instant;

/// Longest time that the end waits for a full journal.
const FULL_WAIT: Duration = Duration::from_secs(60);

/// What is to be done.
pub struct Plan {
    /// Objects.
    pub count: u64,
    /// Bytes of each body.
    pub len: usize,
    clients: u64,
    overwrite: u64,
    delete: u64,
    /// Sizes of the node.
    pub config: NodeConfig,
}

/// Fills a store and tells what it cost.
///
/// # Errors
/// One line.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plan = plan(arguments)?;
    let began = Instant::now();
    let store = Store::open(plan.config, arguments.directories()?).await?;
    let before = process::memory();
    println!("opened in {:.2} s, resident {}", began.elapsed().as_secs_f64(), mib(before.resident));
    let is_filled =
        match store.objects.create_bucket(CreateBucketRequest::plain(objects::bucket())).await {
            Err(StoreError::BucketExists { .. }) => true,
            made => made.map_err(|error| error.to_string()).map(|()| false)?,
        };
    if !is_filled {
        let everything = plan.load(Work::Put { len: plan.len }, 0..100);
        let filled = measure(&store, everything).await?;
        report::stretch("put", &store, &plan, &filled);
        report::memory("filled", &store, &plan, before).await?;
        report::room("filled", &store, &plan, plan.count).await?;
    }
    if arguments.has("then-abort") {
        return abort_under_load(&store, &plan).await;
    }
    change(&store, &plan, before).await?;
    store.node.shutdown().await;
    Ok(())
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let mut config = NodeConfig::default();
    let memtable = arguments.number("memtable-mib", 32)?;
    config.meta.memtable_len_max = usize::try_from(memtable << 20).unwrap_or(usize::MAX);
    if config.meta.reserve_len < config.meta.start_len() {
        config.meta.reserve_len = config.meta.start_len();
    }
    let plan = Plan {
        count: arguments.number("objects", 1_000_000)?,
        len: usize::try_from(arguments.number("len", 256)?).unwrap_or(usize::MAX),
        clients: arguments.number("clients", 64)?,
        overwrite: arguments.number("overwrite", 30)?,
        delete: arguments.number("delete", 20)?,
        config,
    };
    if !objects::is_scatterable(plan.count) || plan.overwrite + plan.delete > 99 {
        return Err("--objects, --overwrite or --delete is out of range".into());
    }
    Ok(plan)
}

impl Plan {
    fn load(&self, work: Work, percent: std::ops::Range<u64>) -> Load {
        let (count, clients) = (self.count, self.clients);
        Load { positions: 0..count, count, clients, work, percent }
    }

    /// Bytes that users gave per object: body, key, attributes.
    pub fn given_len(&self) -> u64 {
        let name_len = objects::key_text(0).len() as u64;
        self.len as u64 + name_len + objects::attributes_len(self.len as u64)
    }
}

/// Works a load off and waits until the background has caught up.
async fn measure(store: &Store, load: Load) -> Result<Stretch, Failure> {
    let costs = store.traffic.costs();
    let journaled = journaled(store).await?;
    let outcome = load::run(&store.objects, load).await?;
    store.settle().await?;
    let costs = between(&costs, &store.traffic.costs());
    let of_batches = (self::journaled(store).await? - journaled) * store.leg_count() as u64;
    let zeroed = costs[0].written.saturating_sub(of_batches);
    Ok(Stretch { outcome, costs, zeroed })
}

async fn journaled(store: &Store) -> Result<u64, Failure> {
    Ok(metric(&store.status().await?, "stave_journal_written_bytes_total"))
}

async fn change(store: &Store, plan: &Plan, before: Memory) -> Result<(), Failure> {
    let (overwrite, delete) = (plan.overwrite, plan.delete);
    if overwrite > 0 {
        let load = plan.load(Work::Put { len: plan.len }, 0..overwrite);
        let overwritten = measure(store, load).await?;
        report::stretch(&format!("overwrite {overwrite} %"), store, plan, &overwritten);
    }
    if delete > 0 {
        let load = plan.load(Work::Delete, overwrite..overwrite + delete);
        let deleted = measure(store, load).await?;
        report::stretch(&format!("delete {delete} %"), store, plan, &deleted);
    }
    report::memory("changed", store, plan, before).await?;
    report::room("changed", store, plan, plan.count * (100 - delete) / 100).await
}

/// Ends the process in the middle of puts, when the journal holds as much as it gets to.
async fn abort_under_load(store: &Store, plan: &Plan) -> Result<(), Failure> {
    let (begin, count) = (plan.count, plan.count);
    let load =
        Load { positions: begin..u64::MAX, ..plan.load(Work::Put { len: plan.len }, 0..100) };
    let objects = store.objects.clone();
    let putting = tokio::spawn(async move { load::run(&objects, Load { count, ..load }).await });
    let began = Instant::now();
    let journal_max = plan.config.meta.journal.file_count_max as u64;
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let status = store.status().await?;
        let memtable = metric(&status, "stave_memtable_bytes");
        let files = metric(&status, "stave_journal_files_used");
        let is_full = memtable >= plan.config.meta.memtable_len_max as u64 / 20 * 19
            || files > journal_max / 2;
        let is_late = began.elapsed() >= FULL_WAIT;
        if is_full && began.elapsed() >= Duration::from_secs(3) || is_late || putting.is_finished()
        {
            let memtable = mib(memtable);
            println!("\nabort: memtable {memtable}, {files} files of the journal in no checkpoint");
            std::process::abort();
        }
    }
}
