//! How every drawn sequence begins and ends: the end is where nothing may be missing.

use super::plan::{Cut, Step};
use super::profile::{Budget, Profile};
use crate::disk::PowerLoss;
use crate::random::Random;
use std::collections::VecDeque;

fn crash(loss: Option<PowerLoss>) -> Step {
    Step::Crash { cut: Cut { steps: 0, loss }, restarts: Vec::new() }
}

/// Buckets are made.
pub fn beginning(profile: &Profile) -> VecDeque<Step> {
    let create = |bucket| Step::Requests(vec![(profile.creation(bucket), None)]);
    (0..profile.bucket_count).map(create).collect()
}

/// Faults end, the store heals; everything is read, again after a kill, again after a power loss;
/// sometimes disks are lost at once, or one after the other for good; sometimes all is deleted, and
/// nothing may be left behind.
pub fn ending(seed: u64, profile: &Profile) -> VecDeque<Step> {
    if profile.budget == Budget::Over {
        let loss = Some(PowerLoss::Drawn);
        return VecDeque::from([
            Step::Verify,
            crash(None),
            Step::Verify,
            crash(loss),
            Step::Verify,
            Step::Calm,
            Step::Confess,
            Step::Verify,
        ]);
    }
    let mut random = Random::new(seed, "ending");
    let is_many = profile.margin > 0;
    let is_proven = is_many && random.chance(400);
    let is_worn = is_many && !is_proven && random.chance(400);
    let mut steps = VecDeque::from([Step::Calm, Step::Heal, Step::Verify, crash(None)]);
    steps.extend([Step::Verify, crash(Some(PowerLoss::Drawn)), Step::Verify]);
    if is_proven {
        steps.extend([Step::Heal, Step::Prove, Step::Verify, Step::Calm, Step::Heal, Step::Verify]);
    }
    if is_worn {
        steps.extend([Step::Heal, Step::Core, Step::Rest, Step::Verify]);
        steps.extend([Step::Calm, Step::Heal, Step::Verify]);
    }
    if random.chance(200) {
        steps.push_back(Step::Rest);
    }
    if random.chance(250) {
        steps.extend([Step::Empty, Step::Tidy]);
    }
    steps
}
