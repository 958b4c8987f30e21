//! Crash points: every workload is cut off before every operation of its disks, with every kind of
//! power loss, started again, and held against the model.

use super::log::Lines;
use super::panics;
use super::plan::Step;
use super::profile::Profile;
use super::run::{Outcome, crash_at, run_steps};
use super::workloads::{Workload, all};
use crate::disk::PowerLoss;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What the power takes, the cheapest to tell apart first.
const LOSSES: [Option<PowerLoss>; 6] = [
    None,
    Some(PowerLoss::Nothing),
    Some(PowerLoss::Everything),
    Some(PowerLoss::OneDropped),
    Some(PowerLoss::LastTorn),
    Some(PowerLoss::Reordered),
];

/// Where a workload is cut off.
#[derive(Clone, Copy, Debug)]
pub struct CrashPoint {
    /// Operations of the disks before.
    pub at: u64,
    /// What the power takes; `None`: only the process dies.
    pub loss: Option<PowerLoss>,
}

/// What came of it.
#[derive(Default)]
pub struct Enumeration {
    /// Workloads.
    pub workloads: usize,
    /// Places where they were cut off.
    pub points: u64,
    /// Runs: places with everything that the power may take.
    pub runs: u64,
    /// Broken promises.
    pub failures: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Runs a workload with one crash.
pub fn run_point(
    profile: &Profile,
    workload: &Workload,
    point: CrashPoint,
    lines: Lines,
) -> Outcome {
    let after =
        VecDeque::from([Step::Verify, Step::Stop { loss: Some(PowerLoss::Nothing) }, Step::Verify]);
    crash_at(profile.clone(), &workload.steps, (point.at, point.loss), after, lines)
}

/// Cuts every workload off everywhere.
pub fn enumerate(disk_count: usize, only: Option<&str>, jobs: usize) -> Enumeration {
    let fits = |it: &Workload| {
        (disk_count > 1 || !it.needs_disks) && only.is_none_or(|name| it.name.contains(name))
    };
    let workloads: Vec<Workload> = all().into_iter().filter(fits).collect();
    let sum = Mutex::new(Enumeration { workloads: workloads.len(), ..Enumeration::default() });
    let queue = Mutex::new(workloads);
    let begin = Instant::now();
    let work = || {
        panics::watch();
        let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(workload) = take() {
            let profile = Profile::plain(disk_count);
            let part = enumerate_one(&profile, &workload);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.points += part.points;
            sum.runs += part.runs;
            sum.failures.extend(part.failures);
        }
    };
    std::thread::scope(|scope| {
        (0..jobs.max(1)).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.elapsed = begin.elapsed();
    sum
}

fn enumerate_one(profile: &Profile, workload: &Workload) -> Enumeration {
    let mut sum = Enumeration::default();
    let whole = run_steps(profile.clone(), 0, &workload.steps, Lines::None);
    if let Some(violation) = whole.violation {
        sum.failures.push(format!("{:?}, not cut off: {violation}", workload.name));
        return sum;
    }
    for at in 0..whole.counts.disk_operations {
        sum.points += 1;
        for loss in LOSSES {
            let outcome = run_point(profile, workload, CrashPoint { at, loss }, Lines::None);
            sum.runs += 1;
            if let Some(violation) = outcome.violation {
                sum.failures.push(format!(
                    "{:?} cut off after {at} operations, {loss:?}: {violation}",
                    workload.name
                ));
                return sum;
            }
            // Where nothing waited for a sync, the power takes nothing.
            if loss.is_none() && outcome.unsynced == 0 {
                break;
            }
        }
    }
    sum
}
