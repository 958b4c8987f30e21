//! The figures of `scale index` as a reader sees them, each beside what the design expects.

use crate::count::{KINDS, Traffic};
use crate::index::{BODY_LEN, Run, Waits};
use crate::objects;
use crate::process;
use crate::report::{MIB, mib};
use engine::meta::{MetaConfig, MetaStore};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Memory that a row takes in a memtable, as the engine counts it.
const MEMTABLE_ROW_LEN: usize = 350;

/// A part of the way.
pub struct Stretch {
    /// Rows until now.
    pub rows: u64,
    /// Rows of this part.
    pub step: u64,
    /// Resident memory before the first row.
    pub before: u64,
    /// How long this part took.
    pub elapsed: Duration,
}

/// What the columns of [`line`] mean.
pub fn head() {
    println!("p50, p99, max: a batch of rows from its journaling until it is seen by readers");
    print!("{:>6} {:>8} {:>8} {:>8} {:>7} ", "rows", "rows/s", "RSS MiB", "HWM MiB", "B/row");
    print!("{:>5} {:>9} {:>6} ", "runs", "runs MiB", "WA");
    println!("{:>7} {:>7} {:>7}", "p50 ms", "p99 ms", "max ms");
}

/// One part of the way.
pub fn line(store: &MetaStore, traffic: &Traffic, stretch: &Stretch, waits: &Waits) {
    let Stretch { rows, step, before, elapsed } = stretch;
    let memory = process::memory();
    let rate = *step as f64 / elapsed.as_secs_f64();
    let each = memory.resident.saturating_sub(*before) as f64 / *rows as f64;
    let [resident, peak] = [memory.resident, memory.peak].map(|len| len as f64 / MIB);
    let runs = store.index().runs();
    let runs_len = runs.iter().map(|run| run.len).sum::<u64>() as f64 / MIB;
    let given = (rows * objects::row_len(0, BODY_LEN)) as f64;
    let written = traffic.costs()[2].written as f64 / given;
    let [median, late, longest] = waits.figures();
    let millions = *rows as f64 / 1e6;
    print!("{millions:>5.0}M {rate:>8.0} {resident:>8.1} {peak:>8.1} {each:>7.2} ");
    print!("{:>5} {runs_len:>9.0} {written:>6.2} ", runs.len());
    println!("{median:>7.1} {late:>7.1} {longest:>7.0}");
}

/// What all of it came to.
pub fn end(run: &Run) {
    let rows = run.count as f64;
    let given = rows * objects::row_len(0, BODY_LEN) as f64;
    let runs = run.store.index().runs();
    let runs_len: u64 = runs.iter().map(|run| run.len).sum();
    let most = run.watch.run_count_max.load(Ordering::Relaxed);
    let (count, left) = (run.count, runs.len());
    println!("\n== {count} rows, {left} runs of {}, {most} runs at most", mib(runs_len));
    for (kind, cost) in KINDS.iter().zip(run.traffic.costs()) {
        let (written, syncs) = (cost.written as f64, cost.syncs);
        let each = written / rows;
        println!("{kind:<18} {:>10.1} MiB, {each:>7.1} B/row, {syncs} syncs", written / MIB);
    }
    let times = run.traffic.costs()[2].written as f64 / given;
    println!("write amplification of the runs: {times:.2}, once is the checkpoint");
    println!("expected: once more for each tier of four or more, {:.1} tiers at most", tiers(rows));
    let kept = process::on_disk(&run.directories);
    let [of_runs, all] = [kept[2], kept.iter().sum()].map(|len| len as f64 / rows);
    let most = mib(run.watch.on_disk_max.load(Ordering::Relaxed));
    println!("on disk: runs {of_runs:.1} B/row, all {all:.1} B/row; at most, in merges, {most}");
    println!("expected: rows {:.1} B, filters 1.25 B, frames and pointers 1 %;", given / rows);
    println!("  twice while the longest tier is merged");
    expect_memory(runs_len);
}

fn expect_memory(runs_len: u64) {
    let config = MetaConfig::default();
    let budget = mib((2 * config.memtable_len_max + config.cache_len_max) as u64);
    let tops = runs_len as f64 / MIB * 50.0 / 1024.0;
    println!("expected memory: two memtables and the cache, {budget}; tops of runs {tops:.0} KiB");
}

/// Tiers of merges that so many rows go through at most.
fn tiers(rows: f64) -> f64 {
    let memtable_rows = (MetaConfig::default().memtable_len_max / MEMTABLE_ROW_LEN) as f64;
    (rows / memtable_rows).max(1.0).log(4.0)
}
