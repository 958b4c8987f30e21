//! Many sequences, on several threads, and what is told of them.

use super::log::Lines;
use super::panics;
use super::profile::Budget;
use super::run::{Counts, Options, Outcome, run_seed};
use crate::disk::Fault;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One sequence of so many runs twice: its hashes must be equal.
const TWICE_EVERY: u64 = 50;

/// Which sequences, and how.
#[derive(Clone, Debug)]
pub struct Batch {
    /// First seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Threads.
    pub jobs: usize,
    /// Disks.
    pub disk_count: usize,
    /// How many faults there may be.
    pub budget: Budget,
    /// Name of the deliberate bug that is on.
    pub mutant: Option<String>,
    /// Failures after which it ends.
    pub failures_max: usize,
    /// Whether failures are shown by their first line only.
    pub is_brief: bool,
}

/// What came of a batch.
#[derive(Default)]
pub struct Results {
    /// Sums.
    pub counts: Counts,
    /// Failures by seed.
    pub failures: BTreeMap<u64, String>,
    /// Time that the threads took.
    pub elapsed: Duration,
}

impl Batch {
    fn options(&self, seed: u64, lines: Lines) -> Options {
        Options { seed, disk_count: self.disk_count, budget: self.budget, lines }
    }

    /// The command that repeats a seed.
    pub fn replay_line(&self, seed: u64) -> String {
        let mutant = self.mutant.as_ref().map(|name| format!(" --mutant {name}"));
        let budget = match self.budget {
            Budget::Strict => "strict",
            Budget::Over => "over",
        };
        format!(
            "cargo engine-sim replay --seed {seed} --disks {} --budget {budget}{}",
            self.disk_count,
            mutant.unwrap_or_default()
        )
    }

    /// Runs all seeds, or until enough failed.
    pub fn run(&self) -> Results {
        let next = AtomicU64::new(self.first);
        let is_over = AtomicBool::new(false);
        let results = Mutex::new(Results::default());
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&next, &is_over, &results));
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.elapsed = begin.elapsed();
        results
    }

    fn work(&self, next: &AtomicU64, is_over: &AtomicBool, results: &Mutex<Results>) {
        panics::watch();
        let mut counts = Counts::default();
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.first + self.count {
                break;
            }
            let outcome = run_seed(&self.options(seed, Lines::None));
            counts.add(&outcome.counts);
            if let Some(text) = self.failure(seed, &outcome) {
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.failures.insert(seed, text);
                is_over.fetch_or(results.failures.len() >= self.failures_max, Ordering::Relaxed);
            }
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).counts.add(&counts);
    }

    /// The broken promise with all that helps to explain it.
    fn failure(&self, seed: u64, outcome: &Outcome) -> Option<String> {
        let is_checked = outcome.violation.is_some() || seed.is_multiple_of(TWICE_EVERY);
        if !is_checked {
            return None;
        }
        let lines = if outcome.violation.is_some() { Lines::Kept } else { Lines::None };
        let again = run_seed(&self.options(seed, lines));
        let mut text = match &outcome.violation {
            Some(violation) => format!("VIOLATION: {violation}\n"),
            None if again.hash == outcome.hash => return None,
            None => "VIOLATION: K15: two runs of the seed differ\n".to_owned(),
        };
        if again.hash != outcome.hash && outcome.violation.is_some() {
            text += "K15 as well: two runs of the seed differ\n";
        }
        let end = again.lines.iter().rposition(|line| line.contains("VIOLATION"));
        let end = end.map_or(again.lines.len(), |last| last + 1);
        let lines = end.saturating_sub(super::log::LINES_MAX);
        again.lines[lines..end].iter().for_each(|line| text += &format!("  {line}\n"));
        text += &format!("reproduce: {}", self.replay_line(seed));
        Some(text)
    }

    /// Prints what came of it. Returns whether all is well: no failure, and every class of faults
    /// that was made was also met.
    pub fn print(&self, results: &Results) -> bool {
        for (seed, text) in &results.failures {
            let first = text.lines().next().unwrap_or_default();
            match self.is_brief {
                true => println!("seed {seed}: {first}"),
                false => println!("---- seed {seed} failed\n{text}"),
            }
        }
        let counts = &results.counts;
        let seconds = results.elapsed.as_secs_f64().max(0.001);
        let per_core = counts.sequences as f64 * 60.0 / seconds / self.jobs.max(1) as f64;
        println!(
            "{} sequences on {} disks, {:?} budget, {} failed, {per_core:.0} a minute a core",
            counts.sequences,
            self.disk_count,
            self.budget,
            results.failures.len()
        );
        println!(
            "  steps {}, answered {}, unanswered {}, crashes {}, power losses {}, disk operations \
             {}, virtual hours {:.1}, without an effective fault {}, refused to start {}",
            counts.steps,
            counts.answered,
            counts.unanswered,
            counts.crashes,
            counts.power_losses,
            counts.disk_operations,
            counts.virtual_ms as f64 / 3_600_000.0,
            counts.idle,
            counts.refused
        );
        let mut are_all_met = true;
        for (fault, name) in Fault::ALL {
            let injected = counts.faults.injected[fault as usize];
            let effective = counts.faults.effective[fault as usize];
            if injected > 0 {
                println!("  {name}: injected {injected}, effective {effective}");
            }
            // Few may miss by chance; a class that always does tests nothing.
            are_all_met &= injected < 100 || effective > 0;
        }
        if !are_all_met {
            println!("a class of faults was never effective");
        }
        results.failures.is_empty() && are_all_met
    }
}
