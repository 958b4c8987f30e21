//! Many seeds: in parallel, summed up, with the first failures in full.

use super::process::{Ended, Task};
use super::report::Counts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures after which a soak ends.
const FAILURES_MAX: usize = 5;
/// Lines of a failed run's output that are shown.
const SHOWN_LINES_MAX: usize = 120;

/// Which seeds, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Scenario by its name on the command line.
    pub scenario: String,
    /// First seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Processes at once.
    pub jobs: usize,
    /// Deliberate bug.
    pub mutant: Option<String>,
    /// Whether the first failure ends it.
    pub is_ended_by_failure: bool,
}

/// What came of a campaign.
#[derive(Default)]
pub struct Outcome {
    /// Runs that ended.
    pub runs: u64,
    /// Sums over them.
    pub counts: Counts,
    /// Runs that failed, by seed.
    pub failures: BTreeMap<u64, Ended>,
}

impl Campaign {
    /// Runs all seeds, or until enough failed.
    ///
    /// # Errors
    /// When processes cannot be started.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let next = AtomicU64::new(self.first);
        let is_over = AtomicBool::new(false);
        let outcome = Mutex::new(Outcome::default());
        let work = || -> anyhow::Result<()> {
            while !is_over.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.first + self.count {
                    break;
                }
                let ended = self.task(seed).run()?;
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                outcome.add(seed, ended);
                let limit = if self.is_ended_by_failure { 1 } else { FAILURES_MAX };
                is_over.fetch_or(outcome.failures.len() >= limit, Ordering::Relaxed);
            }
            Ok(())
        };
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let workers: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
            }
            Ok(())
        })?;
        Ok(outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The run of one seed.
    pub fn task(&self, seed: u64) -> Task {
        Task { scenario: self.scenario.clone(), seed, mutant: self.mutant.clone() }
    }

    /// Prints failures and sums. Returns whether all passed.
    pub fn print(&self, outcome: &Outcome, elapsed: Duration) -> bool {
        for (seed, ended) in &outcome.failures {
            println!("---- seed {seed} failed");
            println!("{}", shorten(&ended.output));
            println!("reproduce: {}", self.task(*seed).replay_line());
        }
        let seconds = elapsed.as_secs_f64().max(0.001);
        let virtual_s = outcome.counts.virtual_ms as f64 / 1000.0;
        println!(
            "{}: {} seeds, {} failed, {:.1} seeds/s, {virtual_s:.0} s virtual, \
             {:.0} times real time",
            self.scenario,
            outcome.runs,
            outcome.failures.len(),
            outcome.runs as f64 / seconds,
            virtual_s / seconds
        );
        println!("  {}", outcome.counts.summary());
        outcome.failures.is_empty()
    }
}

impl Outcome {
    fn add(&mut self, seed: u64, ended: Ended) {
        self.runs += 1;
        if let Some((_, counts)) = &ended.result {
            self.counts.add(*counts);
        }
        if !ended.is_passed {
            self.failures.insert(seed, ended);
        }
    }
}

/// The end of a long output, which says the most.
fn shorten(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let skipped = lines.len().saturating_sub(SHOWN_LINES_MAX);
    lines[skipped..].join("\n")
}
