//! The simulation of the engine, a little of it: that it is a function of its seed, that it passes
//! where no disk breaks, and that every written sequence can be cut off anywhere.
#![cfg(not(madsim))]

use engine::mutant::Mutant;
use sim::engine::batch::{Batch, Quantity};
use sim::engine::crashpoints::enumerate;
use sim::engine::hunts::ENGINE_HUNTS;
use sim::engine::log::Lines;
use sim::engine::panics;
use sim::engine::profile::{Budget, Shape};
use sim::engine::run::{Options, run_seed};
use sim::engine::scenes::SCENES;

/// Sequences that every test run goes through; `cargo sim soak` does thousands.
const SEQUENCES: u64 = 150;

fn options(seed: u64, disk_count: usize, budget: Budget) -> Options {
    let shape = Shape { disk_count: Some(disk_count), budget: Some(budget) };
    Options { seed, shape, lines: Lines::None }
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
        quantity: Quantity::Count(SEQUENCES),
        jobs: 2,
        shape: Shape { disk_count: Some(1), budget: Some(Budget::Strict) },
        mutant: None,
        failures_max: 1,
        is_brief: false,
        plans: None,
    };
    let results = batch.run();
    assert_eq!(batch.print(&results, false), None, "a sequence failed; it is printed above");
    assert_eq!(results.counts.sequences, SEQUENCES);
    assert!(results.counts.steps > 50 * SEQUENCES && results.counts.crashes > SEQUENCES);
}

#[test]
fn written_sequences_survive_a_crash_anywhere_on_one_disk() {
    let sum = enumerate(1, Some("put"), 2);
    assert!(sum.failures.is_empty(), "{:#?}", sum.failures);
    assert!(sum.workloads >= 4 && sum.points > 200 && sum.runs > sum.points);
}

#[test]
fn written_scenes_pass() {
    panics::watch();
    for scene in SCENES {
        for seed in 0..scene.seeds_max.min(40) {
            let outcome = scene.run(seed, Lines::None);
            assert_eq!(outcome.violation, None, "{}, seed {seed}", scene.name);
        }
    }
}

#[test]
fn every_deliberate_bug_is_hunted() {
    let is_hunted = |mutant: &Mutant| {
        ENGINE_HUNTS.iter().any(|hunt| hunt.mutant == *mutant)
            || SCENES.iter().any(|scene| scene.mutant == *mutant)
    };
    let left: Vec<_> = Mutant::ALL.iter().filter(|(mutant, _)| !is_hunted(mutant)).collect();
    assert!(left.is_empty(), "nobody hunts {left:?}");
}
