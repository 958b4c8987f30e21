//! Deliberate bugs of the store, by their names on the command line. They exist only in builds with
//! `--cfg mutants`; each must be caught, or the simulator has a hole.

use crate::harness::soak::Campaign;
use engine::mutant::Mutant;

/// Seeds within which a mutant must be caught.
pub const SEEDS_MAX: u64 = 200;

/// Bugs of the engine that need several disks, or damage on disks, or thousands of seeds to show:
/// the scenarios here have none of it. `cargo sim` has all.
const NOT_HERE: [Mutant; 43] = [
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
    Mutant::ReleaseEarly,
    Mutant::RemoveBeforeCheckpoint,
    Mutant::SkipRunScrub,
    Mutant::WriteUnnamed,
    Mutant::CountFullDisks,
    Mutant::UnderestimateCopy,
    Mutant::NoteHalves,
    Mutant::KeepFullLeg,
    Mutant::HideMissing,
    Mutant::WaitInSilence,
    Mutant::BlameTheDisk,
    Mutant::StayClosed,
    Mutant::LoseReplaced,
    Mutant::IgnoreLocks,
    Mutant::PromoteNothing,
    Mutant::RefuseInSilence,
    Mutant::MissRoom,
    Mutant::AskForEach,
    Mutant::IgnoreFence,
    Mutant::KeepOldNull,
    Mutant::TrustWallClock,
    Mutant::ForgetLockTime,
    Mutant::GiveUpUnread,
    Mutant::AppendBlindly,
    Mutant::BeginAtZero,
    Mutant::SealNothing,
    Mutant::AnnotateBlindly,
    Mutant::LeaveAnnotations,
    Mutant::KeepOldAnnotation,
    Mutant::StaleSettings,
    Mutant::LoseSetting,
    Mutant::UploadUnkept,
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
            choose(mutant);
        }
    }
    Ok(())
}

/// Gives this process a deliberate bug, in whichever crate it is, in place of the one before.
#[cfg(mutants)]
pub fn choose(mutant: Mutant) {
    use sealing::mutant::Mutant as OfSealing;
    engine::mutant::set(mutant);
    sealing::mutant::set((mutant == Mutant::SealNothing).then_some(OfSealing::SealNothing));
}
