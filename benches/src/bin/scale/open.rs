//! `scale open`: how long a start takes, from nothing to the first body.

use crate::arguments::Arguments;
use crate::count::KINDS;
use crate::objects;
use crate::process;
use crate::report::MIB;
use crate::store::{self, Failure, Store, metric};
use cluster::NodeConfig;
use tokio::time::Instant;

/// Numbers of objects that no run of `scale fill` overwrites or deletes.
const UNTOUCHED: u64 = 99;

/// Opens a store that a crash or a stop left, and reads known objects.
///
/// # Errors
/// One line.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let began = Instant::now();
    let store = Store::open(NodeConfig::default(), arguments.directories()?).await?;
    let opened = began.elapsed();
    store::check(&*store.objects, UNTOUCHED).await?;
    println!("open: {:.3} s", opened.as_secs_f64());
    println!("open and first body: {:.3} s, expected under 5", began.elapsed().as_secs_f64());
    println!("resident {:.1} MiB", process::memory().resident as f64 / MIB);
    for (kind, cost) in KINDS.iter().zip(store.traffic.costs()) {
        let [read, written] = [cost.read, cost.written].map(|len| len as f64 / MIB);
        let syncs = cost.syncs;
        println!("{kind:<18} read {read:>8.1} MiB, written {written:>8.1} MiB, {syncs} syncs");
    }
    let status = store.status().await?;
    let [volumes, runs] = ["stave_volumes", "stave_index_runs"].map(|name| metric(&status, name));
    println!("{volumes} volumes, {runs} runs, margin {:?}", status.margin);
    check_many(&store, arguments).await?;
    store.node.shutdown().await;
    Ok(())
}

async fn check_many(store: &Store, arguments: &Arguments) -> Result<(), Failure> {
    let count = arguments.number("objects", 0)?;
    let looks = arguments.number("looks", 1000)?.min(count / 100);
    let began = Instant::now();
    for look in 0..looks {
        let number = objects::scattered(look, count / 100) * 100 + UNTOUCHED;
        store::check(&*store.objects, number).await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{looks} objects over the whole store verified in {seconds:.2} s");
    Ok(())
}
