//! Where each deliberate bug of the engine shows: on how many disks, with how many faults, within
//! how many seeds.

use super::profile::Budget;
use engine::mutant::Mutant;

/// How `cargo sim mutants` hunts a deliberate bug of the engine.
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
pub const ENGINE_HUNTS: [EngineHunt; 36] = [
    hunt_of(Mutant::AckBeforeSync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ServeUnsyncedTail, 2, Budget::Strict, 300),
    hunt_of(Mutant::SkipVolumeSync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ReclaimWithoutCopy, 4, Budget::Strict, 100),
    hunt_of(Mutant::SkipDirectorySync, 4, Budget::Strict, 100),
    hunt_of(Mutant::ReleaseEarly, 1, Budget::Strict, 20_000),
    hunt_of(Mutant::WrongColumnOrder, 4, Budget::Strict, 100),
    hunt_of(Mutant::KeepFailedLeg, 2, Budget::Strict, 200),
    hunt_of(Mutant::ServeUnverified, 2, Budget::Strict, 1000),
    hunt_of(Mutant::DropTombstones, 2, Budget::Strict, 2000),
    hunt_of(Mutant::AckLoneCopy, 2, Budget::Strict, 20_000),
    hunt_of(Mutant::CountUnsyncedMember, 4, Budget::Strict, 4000),
    hunt_of(Mutant::MixGathered, 4, Budget::Strict, 500),
    hunt_of(Mutant::UnnamedVolume, 4, Budget::Strict, 100),
    hunt_of(Mutant::SkipRunScrub, 2, Budget::Strict, 2000),
    hunt_of(Mutant::WriteUnnamed, 2, Budget::Strict, 500),
    hunt_of(Mutant::UnderestimateCopy, 8, Budget::Strict, 2000),
    hunt_of(Mutant::KeepFullLeg, 2, Budget::Strict, 200),
    hunt_of(Mutant::DecideEarly, 2, Budget::Strict, 300),
    hunt_of(Mutant::BlameTheDisk, 4, Budget::Strict, 500),
    hunt_of(Mutant::StayClosed, 4, Budget::Strict, 500),
    hunt_of(Mutant::HideMissing, 1, Budget::Over, 500),
    hunt_of(Mutant::LoseReplaced, 1, Budget::Strict, 200),
    hunt_of(Mutant::IgnoreLocks, 1, Budget::Strict, 500),
    hunt_of(Mutant::PromoteNothing, 1, Budget::Strict, 200),
    hunt_of(Mutant::IgnoreFence, 1, Budget::Strict, 1000),
    hunt_of(Mutant::KeepOldNull, 1, Budget::Strict, 500),
    hunt_of(Mutant::TrustWallClock, 1, Budget::Strict, 1000),
    hunt_of(Mutant::AppendBlindly, 1, Budget::Strict, 500),
    hunt_of(Mutant::BeginAtZero, 1, Budget::Strict, 500),
    hunt_of(Mutant::SealNothing, 1, Budget::Strict, 200),
    hunt_of(Mutant::AnnotateBlindly, 1, Budget::Strict, 2000),
    hunt_of(Mutant::LeaveAnnotations, 1, Budget::Strict, 500),
    hunt_of(Mutant::KeepOldAnnotation, 1, Budget::Strict, 500),
    hunt_of(Mutant::StaleSettings, 1, Budget::Strict, 500),
    hunt_of(Mutant::LoseSetting, 1, Budget::Strict, 2000),
];
