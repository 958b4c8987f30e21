//! Deliberate bugs of the store, by their names on the command line. They exist only in builds with
//! `--cfg mutants`; each must be caught, or the simulator has a hole.

use crate::engine::profile::Budget;
use crate::harness::soak::Campaign;
use engine::mutant::Mutant;

/// Seeds within which a mutant must be caught.
pub const SEEDS_MAX: u64 = 200;

/// Bugs of the engine that need several disks, or damage on disks, to show: the scenarios here have
/// neither. `cargo engine-sim` has both.
const NOT_HERE: [Mutant; 11] = [
    Mutant::FloorIsData,
    Mutant::WrongColumnOrder,
    Mutant::KeepFailedLeg,
    Mutant::BelieveStaleLeg,
    Mutant::ForgetDamage,
    Mutant::ServeUnverified,
    Mutant::CountUnsyncedMember,
    Mutant::DropTombstones,
    Mutant::CutAtBadBatch,
    Mutant::RetryFailedSync,
    Mutant::AckLoneCopy,
];

/// How `cargo engine-sim mutants` hunts a deliberate bug of the engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineHunt {
    /// The bug.
    pub mutant: Mutant,
    /// Disks of the node.
    pub disk_count: usize,
    /// How many faults there may be.
    pub budget: Budget,
    /// Seeds within which it must be caught.
    pub seeds_max: u64,
}

const fn hunt_of(mutant: Mutant, disk_count: usize, budget: Budget, seeds_max: u64) -> EngineHunt {
    EngineHunt { mutant, disk_count, budget, seeds_max }
}

/// A bug's name on the command line.
pub fn name_of(mutant: Mutant) -> &'static str {
    let known = Mutant::ALL.iter().find(|(known, _)| *known == mutant);
    known.map_or("unknown", |(_, name)| *name)
}

/// Every bug that must be caught, each where it shows.
pub const ENGINE_HUNTS: [EngineHunt; 15] = [
    hunt_of(Mutant::AckBeforeSync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ServeUnsyncedTail, 4, Budget::Strict, 300),
    hunt_of(Mutant::SkipVolumeSync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ReclaimWithoutCopy, 4, Budget::Strict, 100),
    hunt_of(Mutant::SkipDirectorySync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ReleaseEarly, 1, Budget::Strict, 20_000),
    hunt_of(Mutant::WrongColumnOrder, 4, Budget::Strict, 100),
    hunt_of(Mutant::KeepFailedLeg, 2, Budget::Strict, 200),
    hunt_of(Mutant::BelieveStaleLeg, 2, Budget::Over, 2000),
    hunt_of(Mutant::ServeUnverified, 2, Budget::Strict, 1000),
    hunt_of(Mutant::DropTombstones, 2, Budget::Strict, 2000),
    hunt_of(Mutant::CutAtBadBatch, 1, Budget::Over, 20_000),
    hunt_of(Mutant::AckLoneCopy, 2, Budget::Strict, 4000),
    hunt_of(Mutant::CountUnsyncedMember, 4, Budget::Strict, 4000),
    hunt_of(Mutant::RetryFailedSync, 4, Budget::Strict, 1000),
];

/// Every deliberate bug that a scenario here must catch, with that scenario.
pub fn all() -> Vec<(&'static str, &'static str)> {
    let is_here = |(mutant, _): &&(Mutant, &'static str)| !NOT_HERE.contains(mutant);
    let of_engine = Mutant::ALL.iter().filter(is_here).map(|(_, name)| (*name, "single"));
    #[cfg(madsim)]
    let of_engine =
        of_engine.chain(crate::raft::profile::Bug::ALL.iter().map(|(_, name)| (*name, "raft")));
    of_engine.collect()
}

/// Runs seeds until each mutant is caught. Returns whether all were.
///
/// # Errors
/// When processes cannot be started.
pub fn hunt(jobs: usize) -> anyhow::Result<bool> {
    let mut are_all_caught = true;
    for (name, scenario) in all() {
        let campaign = Campaign {
            scenario: scenario.to_owned(),
            first: 0,
            count: SEEDS_MAX,
            jobs,
            mutant: Some(name.to_owned()),
            is_ended_by_failure: true,
        };
        let outcome = campaign.run()?;
        match outcome.failures.first_key_value() {
            Some((seed, ended)) => {
                let first = ended.output.lines().find(|line| line.contains("VIOLATION"));
                println!("{}: caught at seed {seed}", name);
                println!("  {}", first.unwrap_or("by a panic"));
            }
            None => {
                println!("{}: NOT caught in {SEEDS_MAX} seeds", name);
                are_all_caught = false;
            }
        }
    }
    Ok(are_all_caught)
}

/// Switches a deliberate bug of the engine on, once, before the run. Those of a scenario it reads
/// itself.
///
/// # Errors
/// When there is none of that name.
pub fn switch_on(name: &str) -> anyhow::Result<()> {
    let of_engine = Mutant::ALL.iter().map(|(_, known)| *known);
    let mut known = of_engine.chain(all().into_iter().map(|(known, _)| known));
    anyhow::ensure!(known.any(|known| known == name), "no mutant is named {name:?}");
    #[cfg(mutants)]
    for (mutant, known) in Mutant::ALL {
        if known == name {
            engine::mutant::set(mutant);
        }
    }
    Ok(())
}
