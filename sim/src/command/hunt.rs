//! Hunting deliberate bugs.
#![cfg(mutants)]

use sim::engine::batch::{Batch, Quantity};
use sim::engine::hunts::{ENGINE_HUNTS, name_of};
use sim::engine::log::Lines;
use sim::engine::profile::Shape;
use sim::engine::scenes::SCENES;
use sim::mutants::choose;

/// Plays each scene until its bug is caught. Returns whether all were.
fn hunt_in_scenes() -> bool {
    let mut are_all_caught = true;
    for scene in SCENES {
        choose(scene.mutant);
        let name = name_of(scene.mutant);
        let violation = |seed| Some((seed, scene.run(seed, Lines::None).violation?));
        match (0..scene.seeds_max).find_map(violation) {
            Some((seed, text)) => println!("{name}: caught in a scene at {seed}: {text}"),
            None => {
                println!("{name}: NOT caught in {} scenes", scene.seeds_max);
                are_all_caught = false;
            }
        }
    }
    are_all_caught
}

/// Runs seeds until each deliberate bug is caught. Returns whether all were.
pub fn hunt(jobs: usize) -> bool {
    let mut are_all_caught = hunt_in_scenes();
    for hunt in ENGINE_HUNTS {
        choose(hunt.mutant);
        let name = name_of(hunt.mutant);
        let batch = Batch {
            first: 0,
            quantity: Quantity::Count(hunt.seeds_max),
            jobs,
            shape: Shape { disk_count: Some(hunt.disk_count), budget: Some(hunt.budget) },
            mutant: Some(name.to_owned()),
            failures_max: 1,
            is_brief: true,
            plans: None,
        };
        let results = batch.run();
        let first = results.failures.first_key_value();
        match first.and_then(|(seed, failure)| Some((seed, failure.text.lines().next()?))) {
            Some((seed, line)) => println!("{name}: caught at {seed}: {line}"),
            None => println!("{name}: NOT caught in {} sequences", results.counts.sequences),
        }
        are_all_caught &= first.is_some();
    }
    are_all_caught
}
