//! The simulation of the engine, a little of it: that it is a function of its seed, that it passes
//! where no disk breaks, and that every written sequence can be cut off anywhere.
#![cfg(not(madsim))]

use sim::engine::batch::Batch;
use sim::engine::crashpoints::enumerate;
use sim::engine::log::Lines;
use sim::engine::panics;
use sim::engine::profile::Budget;
use sim::engine::run::{Options, run_seed};

/// Sequences that every test run goes through; `cargo engine-sim soak` does thousands.
const SEQUENCES: u64 = 150;

fn options(seed: u64, disk_count: usize, budget: Budget) -> Options {
    Options { seed, disk_count, budget, lines: Lines::None }
}

#[test]
fn a_sequence_is_a_function_of_its_seed() {
    panics::watch();
    for budget in [Budget::Strict, Budget::Over] {
        for disk_count in [1, 3] {
            for seed in 0..10 {
                let options = options(seed, disk_count, budget);
                let (first, second) = (run_seed(&options), run_seed(&options));
                assert_eq!(first.hash, second.hash, "{options:?}");
                assert_eq!(first.counts, second.counts);
            }
        }
    }
}

#[test]
fn sequences_on_one_disk_pass() {
    let batch = Batch {
        first: 0,
        count: SEQUENCES,
        jobs: 2,
        disk_count: 1,
        budget: Budget::Strict,
        mutant: None,
        failures_max: 1,
        is_brief: false,
    };
    let results = batch.run();
    assert!(batch.print(&results), "a sequence failed; it is printed above");
    assert_eq!(results.counts.sequences, SEQUENCES);
    assert!(results.counts.steps > 50 * SEQUENCES && results.counts.crashes > SEQUENCES);
}

#[test]
fn written_sequences_survive_a_crash_anywhere_on_one_disk() {
    let sum = enumerate(1, Some("put"), 2);
    assert!(sum.failures.is_empty(), "{:#?}", sum.failures);
    assert!(sum.workloads >= 4 && sum.points > 200 && sum.runs > sum.points);
}
