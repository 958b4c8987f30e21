//! Deliberate bugs of the store, by their names on the command line. They exist only in builds with `--cfg mutants`;
//! each must be caught, or the simulator has a hole.

use crate::harness::soak::Campaign;

/// Seeds within which a mutant must be caught.
pub const SEEDS_MAX: u64 = 200;

/// A deliberate bug and the scenario that must catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MutantInfo {
    /// Its name on the command line.
    pub name: &'static str,
    /// The scenario.
    pub scenario: &'static str,
    /// What it does wrong.
    pub about: &'static str,
}

/// All of them.
pub const MUTANTS: [MutantInfo; 3] = [
    MutantInfo {
        name: "ack-before-sync",
        scenario: "single",
        about: "a write is acknowledged before its journal record is synced",
    },
    MutantInfo {
        name: "serve-unsynced-tail",
        scenario: "single",
        about: "recovery serves the unsynced tail of the journal without making it durable",
    },
    MutantInfo {
        name: "leader-restore",
        scenario: "raft",
        about: "a restarted leader leads on without an election",
    },
];

/// Runs seeds until each mutant is caught. Returns whether all were.
///
/// # Errors
/// When processes cannot be started.
pub fn hunt(jobs: usize) -> anyhow::Result<bool> {
    let mut are_all_caught = true;
    for mutant in MUTANTS {
        let campaign = Campaign {
            scenario: mutant.scenario.to_owned(),
            first: 0,
            count: SEEDS_MAX,
            jobs,
            mutant: Some(mutant.name.to_owned()),
            is_ended_by_failure: true,
        };
        let outcome = campaign.run()?;
        match outcome.failures.first_key_value() {
            Some((seed, ended)) => {
                let first = ended.output.lines().find(|line| line.contains("VIOLATION"));
                println!("{}: caught at seed {seed}", mutant.name);
                println!("  {}", first.unwrap_or("by a panic"));
            }
            None => {
                println!("{}: NOT caught in {SEEDS_MAX} seeds: {}", mutant.name, mutant.about);
                are_all_caught = false;
            }
        }
    }
    Ok(are_all_caught)
}

/// Switches a deliberate bug on, once, before the run.
///
/// # Errors
/// When there is none of that name.
pub fn switch_on(name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        MUTANTS.iter().any(|mutant| mutant.name == name),
        "no mutant is named {name:?}"
    );
    Ok(())
}
