//! `scale repair`: how fast lost disks are rebuilt, in a process that does nothing else. On
//! directories in memory it is the repair path alone: reads, the code, checksums, writes.
#![expect(clippy::disallowed_methods, reason = "a bench destroys its own directories")]

use crate::arguments::Arguments;
use crate::load::{self, Load, Work};
use crate::objects;
use crate::process;
use crate::store::{self, Failure, Store};
use cluster::NodeConfig;
use engine::heal::HealConfig;
use engine::object::CreateBucketRequest;
use std::fs;
use tokio::time::Instant;

/// Rounds of the healer after which a store that is not whole never will be.
const ROUNDS_MAX: usize = 100;

/// Fills a store, empties the first `--lost` of its directories, and rebuilds them.
///
/// # Errors
/// One line.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let directories = arguments.directories()?;
    let len = arguments.number("len", 4 << 20)? as usize;
    let count = arguments.number("objects", 256)?;
    let lost = arguments.number("lost", 1)? as usize;
    let parity = arguments.number("parity", u64::from(u8::MAX))?;
    let parity = u8::try_from(parity).ok().filter(|parity| *parity < u8::MAX);
    let heal = HealConfig { repair_rate: u64::MAX, ..HealConfig::default() };
    let config = NodeConfig { parity, heal, ..NodeConfig::default() };
    let store = Store::open(config, directories.clone()).await?;
    let made = store.objects.create_bucket(CreateBucketRequest::plain(objects::bucket())).await;
    made.map_err(|error| error.to_string())?;
    let (positions, percent) = (0..count, 0..100);
    let load = Load { positions, count, clients: 4, work: Work::Put { len }, percent };
    load::run(&store.objects, load).await?;
    store.node.shutdown().await;
    drop(store);
    for directory in directories.iter().take(lost) {
        fs::remove_dir_all(directory).map_err(|error| error.to_string())?;
        fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    }
    let store = Store::open(config, directories).await?;
    let (began, used) = (Instant::now(), process::cpu_seconds());
    rebuild(&store).await?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), process::cpu_seconds() - used);
    let status = store.status().await?;
    let (rebuilt, moved) = (status.repair.rebuilt_len as f64, status.repair.moved_len as f64);
    println!("{lost} of {} disks lost, {:?}", store.directories.len(), status.geometry);
    println!(
        "rebuilt {:.3} GB in {seconds:.2} s: {:.3} GB/s",
        rebuilt / 1e9,
        rebuilt / 1e9 / seconds
    );
    println!("{:.2} bytes moved a byte rebuilt", moved / rebuilt);
    println!("{:.2} CPU-seconds a GB rebuilt", used / (rebuilt / 1e9));
    for look in 0..count.min(64) {
        store::check(&*store.objects, objects::scattered(look, count)).await?;
    }
    store.node.shutdown().await;
    Ok(())
}

async fn rebuild(store: &Store) -> Result<(), Failure> {
    for _ in 0..ROUNDS_MAX {
        store.node.look_after().await;
        let status = store.status().await?;
        if status.repair.volumes_left == 0 && status.margin == Some(status.margin_full) {
            return Ok(());
        }
    }
    Err("the store is not whole again".into())
}
