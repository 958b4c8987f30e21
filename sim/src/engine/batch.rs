//! Many sequences, on several threads, and what is told of them.
#![expect(clippy::disallowed_methods, reason = "plans of failures are files")]

use super::failure::{Kind, print_counts};
use super::log::{LINES_MAX, Lines};
use super::panics;
use super::profile::{Budget, Shape};
use super::run::{Counts, Options, Outcome, run_seed};
use super::stored::Plan;
use engine::mark;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One sequence of so many runs twice: its hashes must be equal.
const TWICE_EVERY: u64 = 50;

/// How many sequences.
#[derive(Clone, Copy, Debug)]
pub enum Quantity {
    /// So many.
    Count(u64),
    /// As many as begin in that time.
    Time(Duration),
}

/// Which sequences, and how.
#[derive(Clone, Debug)]
pub struct Batch {
    /// First seed.
    pub first: u64,
    /// How many.
    pub quantity: Quantity,
    /// Threads.
    pub jobs: usize,
    /// What they run on.
    pub shape: Shape,
    /// Name of the deliberate bug that is on.
    pub mutant: Option<String>,
    /// Failures after which it ends.
    pub failures_max: usize,
    /// Whether failures are shown by their first line only.
    pub is_brief: bool,
    /// Where plans of sequences that failed go.
    pub plans: Option<PathBuf>,
}

/// A sequence that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of which kind.
    pub kind: Kind,
    /// The broken promise with all that helps to explain it.
    pub text: String,
}

/// What came of a batch.
#[derive(Default)]
pub struct Results {
    /// Sums.
    pub counts: Counts,
    /// How many sequences there were of each number of operations.
    pub lengths: BTreeMap<u64, u64>,
    /// Failures by seed.
    pub failures: BTreeMap<u64, Failure>,
    /// Time that the threads took.
    pub elapsed: Duration,
    /// Time of processors that they took, together.
    pub cpu: Duration,
}

impl Results {
    /// Operations of the sequence in the middle; 0 where there is none.
    fn median_length(&self) -> u64 {
        let middle = self.lengths.values().sum::<u64>().div_ceil(2);
        let mut count = 0;
        let mut lengths = self.lengths.iter();
        let is_it = |(_, sequences): &(&u64, &u64)| {
            count += **sequences;
            count >= middle
        };
        lengths.find(is_it).map_or(0, |(len, _)| *len)
    }
}

/// Time of processors that this process took so far.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let [user, system] = [usage.user_time(), usage.system_time()];
    let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

impl Batch {
    fn options(&self, seed: u64, lines: Lines) -> Options {
        Options { seed, shape: self.shape, lines }
    }

    /// The command that repeats a seed.
    pub fn replay_line(&self, seed: u64) -> String {
        let mut line = format!("cargo sim replay --seed {seed}");
        if let Some(disk_count) = self.shape.disk_count {
            line += &format!(" --disks {disk_count}");
        }
        match self.shape.budget {
            Some(Budget::Strict) => line += " --budget strict",
            Some(Budget::Over) => line += " --budget over",
            None => {}
        }
        if let Some(name) = &self.mutant {
            line += &format!(" --mutant {name}");
        }
        line
    }

    /// Runs all seeds, or until enough failed.
    pub fn run(&self) -> Results {
        let next = AtomicU64::new(self.first);
        let is_over = AtomicBool::new(false);
        let results = Mutex::new(Results::default());
        let (begin, cpu_before) = (Instant::now(), cpu_time());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&next, begin, &is_over, &results));
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.elapsed = begin.elapsed();
        results.cpu = cpu_time().saturating_sub(cpu_before);
        results
    }

    fn is_done(&self, seed: u64, begin: Instant) -> bool {
        match self.quantity {
            Quantity::Count(count) => seed >= self.first + count,
            Quantity::Time(time) => begin.elapsed() >= time,
        }
    }

    fn work(
        &self,
        next: &AtomicU64,
        begin: Instant,
        is_over: &AtomicBool,
        results: &Mutex<Results>,
    ) {
        panics::watch();
        let (mut counts, mut lengths) = (Counts::default(), BTreeMap::<u64, u64>::new());
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if self.is_done(seed, begin) {
                break;
            }
            let outcome = run_seed(&self.options(seed, Lines::None));
            counts.add(&outcome.counts);
            *lengths.entry(outcome.counts.operations).or_default() += 1;
            if let Some(failure) = self.failure(seed, &outcome) {
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.failures.insert(seed, failure);
                is_over.fetch_or(results.failures.len() >= self.failures_max, Ordering::Relaxed);
            }
        }
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        results.counts.add(&counts);
        for (len, count) in lengths {
            *results.lengths.entry(len).or_default() += count;
        }
    }

    /// Looks at a sequence again if it failed, or if it is its turn to be run twice.
    fn failure(&self, seed: u64, outcome: &Outcome) -> Option<Failure> {
        let Some(violation) = &outcome.violation else {
            if !seed.is_multiple_of(TWICE_EVERY) {
                return None;
            }
            let again = run_seed(&self.options(seed, Lines::None));
            let text = "FAIL K15: two runs of the seed differ";
            let text = format!("{text}\nreproduce: {}", self.replay_line(seed));
            let is_same = again.hash == outcome.hash;
            return (!is_same).then_some(Failure { kind: Kind::Determinism, text });
        };
        let (plan, again) = Plan::of_seed(&self.options(seed, Lines::Kept));
        let mut text = format!("FAIL {violation}\n{}\n", again.situation);
        if again.hash != outcome.hash {
            text += "K15 as well: two runs of the seed differ\n";
        }
        let end = again.lines.iter().rposition(|line| line.contains("VIOLATION"));
        let end = end.map_or(again.lines.len(), |last| last + 1);
        let lines = end.saturating_sub(LINES_MAX);
        again.lines[lines..end].iter().for_each(|line| text += &format!("  {line}\n"));
        text += &format!("reproduce: {}", self.replay_line(seed));
        if let Some(path) = self.keep(seed, &plan) {
            text += &format!("\nplan: {}", path.display());
        }
        Some(Failure { kind: Kind::of(violation), text })
    }

    /// Writes a plan down, as far as there is room for it.
    fn keep(&self, seed: u64, plan: &Plan) -> Option<PathBuf> {
        let directory = self.plans.as_ref()?;
        let path = directory.join(format!("seed-{seed}-disks-{}.plan", plan.profile.disk_count));
        let text = plan.to_text().ok()?;
        std::fs::create_dir_all(directory).ok()?;
        std::fs::write(&path, text).ok()?;
        Some(path)
    }

    /// Prints what came of it. Returns the worst that is not well: a failure, a class of faults
    /// that was made and never met, a required coverage mark that was never hit, if `wants_marks`.
    pub fn print(&self, results: &Results, wants_marks: bool) -> Option<Kind> {
        for (seed, Failure { text, .. }) in &results.failures {
            let first = text.lines().next().unwrap_or_default();
            match self.is_brief {
                true => println!("seed {seed}: {first}"),
                false => println!("---- seed {seed} failed\n{text}"),
            }
        }
        self.print_rates(results);
        let mut worst = results.failures.values().map(|failure| failure.kind).max();
        if !print_counts(&results.counts) {
            println!("a class of faults was never effective");
            worst = worst.or(Some(Kind::Coverage));
        }
        let missed = print_marks();
        if wants_marks && !missed.is_empty() {
            println!("required marks that were never hit: {}", missed.join(", "));
            worst = worst.or(Some(Kind::Coverage));
        }
        worst
    }

    fn print_rates(&self, results: &Results) {
        let counts = &results.counts;
        let seconds = results.elapsed.as_secs_f64().max(0.001);
        let jobs = self.jobs.max(1) as f64;
        let shape = match self.shape.disk_count {
            Some(disk_count) => format!("{disk_count} disks"),
            None => "drawn disks".to_owned(),
        };
        println!(
            "{} sequences on {shape}, {} failed, {:.0} a minute and {:.0} times real time a core",
            counts.sequences,
            results.failures.len(),
            counts.sequences as f64 * 60.0 / seconds / jobs,
            counts.virtual_hours() * 3600.0 / seconds / jobs,
        );
        println!("  operations a sequence: median {}", results.median_length());
        let cpu = results.cpu.as_secs_f64().max(0.001);
        println!(
            "  a second of one processor: {:.0} checked operations, {:.1} effective faults, {:.1} \
             crashes, {:.2} simulated hours",
            counts.answered as f64 / cpu,
            counts.faults.effective_total() as f64 / cpu,
            counts.crashes as f64 / cpu,
            counts.virtual_hours() / cpu,
        );
    }
}

/// Prints how often each coverage mark was hit. Returns required ones that never were.
fn print_marks() -> Vec<&'static str> {
    let hits = mark::hits();
    let missed = hits.iter().filter(|hit| hit.is_required && hit.count == 0);
    let missed: Vec<&str> = missed.map(|hit| hit.name).collect();
    let shown: Vec<String> = hits.iter().map(|hit| format!("{} {}", hit.name, hit.count)).collect();
    for line in shown.chunks(4) {
        println!("  marks: {}", line.join(", "));
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_length_of_the_one_in_the_middle() {
        let median = |lengths: &[(u64, u64)]| {
            let lengths = lengths.iter().copied().collect();
            Results { lengths, ..Results::default() }.median_length()
        };
        assert_eq!(median(&[]), 0);
        assert_eq!(median(&[(7, 1)]), 7);
        assert_eq!(median(&[(3, 2), (60, 1), (90, 2)]), 60);
        assert_eq!(median(&[(3, 1), (90, 9)]), 90);
    }
}
