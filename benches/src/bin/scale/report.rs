//! The figures of `scale fill` as a reader sees them, each beside what the design expects.

use crate::count::{Cost, KINDS};
use crate::fill::Plan;
use crate::load::Outcome;
use crate::objects;
use crate::process::{self, Memory};
use crate::store::{Failure, Store, metric};
use engine::erasure::parity_default;
use std::time::Duration;

/// Bytes of a mebibyte.
pub const MIB: f64 = (1 << 20) as f64;

/// Figures of one stretch of work.
pub struct Stretch {
    /// Rates.
    pub outcome: Outcome,
    /// What reached the disks, by kind.
    pub costs: [Cost; KINDS.len()],
    /// Bytes with which new files of the journal were zeroed.
    pub zeroed: u64,
}

/// Bytes as a reader sees them.
pub fn mib(len: u64) -> String {
    format!("{:.1} MiB", len as f64 / MIB)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Rates and bytes written of one stretch.
pub fn stretch(name: &str, store: &Store, plan: &Plan, stretch: &Stretch) {
    let Stretch { outcome, costs, zeroed } = stretch;
    let count = outcome.count.max(1) as f64;
    let seconds = outcome.elapsed.as_secs_f64();
    println!("\n== {name}: {} objects of {} bytes in {seconds:.1} s", outcome.count, plan.len);
    println!("{:.0} a second, the slowest {:.0} ms", count / seconds, millis(outcome.slowest));
    let head = ["written MiB", "B/object", "syncs", "read MiB"];
    println!("{:<18} {:>12} {:>10} {:>8} {:>12}", "kind", head[0], head[1], head[2], head[3]);
    for (kind, cost) in KINDS.iter().zip(costs) {
        let each = cost.written as f64 / count;
        let [written, read] = [cost.written, cost.read].map(|len| len as f64 / MIB);
        println!("{kind:<18} {written:>12.1} {each:>10.1} {:>8} {read:>12.1}", cost.syncs);
    }
    let written: u64 = costs.iter().map(|cost| cost.written).sum();
    println!("of the journal, new files zeroed once: {}", mib(*zeroed));
    let all = amplification(plan, written, outcome.count);
    let warm = amplification(plan, written - zeroed, outcome.count);
    println!("write amplification: {all}; without the zeroing: {warm}");
    if name == "put" {
        expect_written(store, plan, costs);
    }
}

/// Bytes as a multiple of what users gave.
fn amplification(plan: &Plan, len: u64, count: u64) -> String {
    let times = |each: u64| len as f64 / (each * count.max(1)) as f64;
    let (bodies, given) = (times(plan.len as u64), times(plan.given_len()));
    format!("{bodies:.2} x bodies ({given:.2} x bodies, keys, attributes)")
}

/// What the design lets expect, in bytes an object.
fn expect_written(store: &Store, plan: &Plan, costs: &[Cost; KINDS.len()]) {
    let width = store.directories.len();
    let parity = usize::from(parity_default(width));
    let data = width - parity;
    let legs = store.leg_count();
    let coded = |len: u64| width as f64 / data as f64 * len as f64;
    let (volumes, owners) = (coded(plan.len as u64), coded(objects::owner_len()));
    let row = legs as u64 * objects::row_len(0, plan.len as u32);
    println!("expected, {data}+{parity} and {legs} copies of the metadata, B/object:");
    let journal = legs as u64 * plan.given_len();
    println!("  journal: body, key, attributes, once a copy: {journal}, and the command's frame");
    println!("  volumes: (k+m)/k of the body: {volumes:.0}, of its owner: {owners:.0}");
    println!("  runs: a row a copy: {row}, and again for each tier of merges");
    let times = costs[2].written as f64 / (plan.count * row) as f64;
    println!("  measured: a row is written to runs {times:.2} times");
}

/// Resident memory.
///
/// # Errors
/// One line.
pub async fn memory(name: &str, store: &Store, plan: &Plan, before: Memory) -> Result<(), Failure> {
    let (now, status) = (process::memory(), store.status().await?);
    let each = |len: u64| len.saturating_sub(before.resident) as f64 / plan.count as f64;
    let [start, resident, peak] = [before.resident, now.resident, now.peak].map(mib);
    println!("\n-- memory, {name}: resident {start} before, {resident} now, {peak} at most");
    let (resident, peak) = (each(now.resident), each(now.peak));
    println!("bytes an object above the start: {resident:.1} now, {peak:.1} at most");
    let runs_len = metric(&status, "stave_index_bytes");
    let memtable = mib(metric(&status, "stave_memtable_bytes"));
    let runs = metric(&status, "stave_index_runs");
    println!("memtable {memtable}, {runs} runs of {}", mib(runs_len));
    let config = plan.config.meta;
    let budget = mib((2 * config.memtable_len_max + config.cache_len_max) as u64);
    let tops = runs_len as f64 / MIB * 50.0 / 1024.0;
    println!("expected, none of it by object: two memtables and the cache, {budget} at most;");
    println!("  tops of runs, 50 B a MiB: {tops:.1} KiB");
    Ok(())
}

/// Bytes on disk.
///
/// # Errors
/// One line.
pub async fn room(name: &str, store: &Store, plan: &Plan, live: u64) -> Result<(), Failure> {
    let (kept, status) = (store.on_disk(), store.status().await?);
    println!("\n-- room, {name}: {live} live objects");
    for (kind, len) in KINDS.iter().zip(kept) {
        let each = len as f64 / live as f64;
        println!("{kind:<18} {:>12.1} MiB {each:>10.1} B/object", len as f64 / MIB);
    }
    let total: u64 = kept.iter().sum();
    let (all, rest) =
        (amplification(plan, total, live), amplification(plan, total - kept[0], live));
    println!("space amplification: {all}; without the journal's ring: {rest}");
    let volumes: u64 = status.volumes.iter().map(|at| at.count).sum();
    let [segments, live, free] =
        [status.segments_len, status.live_len, status.reclaimable_len].map(mib);
    println!("{volumes} volumes of {segments}, live {live}, reclaimable {free}");
    println!("expected: parity, owners, padding; a volume is copied when less than half of it");
    println!("  lives, so volumes take twice what lives at most, besides the open one");
    Ok(())
}
