//! Written sequences that make a deliberate bug show which drawn ones do not meet, or once in some
//! ten thousands: what must come together is put together here, the rest is drawn by the seed.

use super::log::Lines;
use super::plan::{Cut, Damage, Request, Slot, Step};
use super::profile::{Budget, Profile};
use super::run::{Outcome, run_steps};
use super::stored::Plan;
use super::workloads::{LARGE, Script};
use crate::disk::{Fault, PowerLoss, Timing};
use engine::mutant::Mutant;
use std::time::Duration;

/// A written sequence against one deliberate bug.
#[derive(Clone, Copy)]
pub struct Scene {
    /// What it is about.
    pub name: &'static str,
    /// The bug that it catches.
    pub mutant: Mutant,
    /// Seeds within which it does.
    pub seeds_max: u64,
    profile: fn() -> Profile,
    steps: fn(u64) -> Vec<Step>,
}

/// All of them.
pub const SCENES: [Scene; 15] = [
    Scene {
        name: "a disk fails in the commit, another one after it",
        mutant: Mutant::FloorIsData,
        seeds_max: 50,
        profile: one_parity,
        steps: |_| fail_in_commit(),
    },
    Scene {
        name: "a rotten disk goes and returns, others fail",
        mutant: Mutant::ForgetDamage,
        seeds_max: 100,
        profile: slow_scrub,
        steps: |_| return_rotten(),
    },
    Scene {
        name: "a disk that missed everything is alone",
        mutant: Mutant::BelieveStaleLeg,
        seeds_max: 20,
        profile: over_budget,
        steps: |_| return_alone(),
    },
    Scene {
        name: "an upload is completed while its part is moved to a volume that dies",
        mutant: Mutant::RemoveBeforeCheckpoint,
        seeds_max: 300,
        profile: slow_syncs,
        steps: complete_while_moved,
    },
    Scene {
        name: "the ring of the journal cannot grow, and a checkpoint would free a file",
        mutant: Mutant::WaitInSilence,
        seeds_max: 1,
        profile: long_ring,
        steps: |_| delete_without_room(),
    },
    Scene {
        name: "the ring refuses, then there is room for a checkpoint and for no file",
        mutant: Mutant::RefuseInSilence,
        seeds_max: 1,
        profile: long_ring,
        steps: |_| delete_with_little_room(),
    },
    Scene {
        name: "the ring refuses, then there is room",
        mutant: Mutant::MissRoom,
        seeds_max: 10,
        profile: short_ring,
        steps: delete_with_room_again,
    },
    Scene {
        name: "a stripe is given up in the middle of its writing, and the power takes half of it",
        mutant: Mutant::NoteHalves,
        seeds_max: 400,
        profile: seven_disks,
        steps: |_| halve_stripe(),
    },
    Scene {
        name: "a disk is lost and nothing takes its place",
        mutant: Mutant::AskForEach,
        seeds_max: 1,
        profile: four_disks,
        steps: |_| wait_for_a_disk(),
    },
    Scene {
        name: "a disk is full, and volumes are as wide as the others allow",
        mutant: Mutant::CountFullDisks,
        seeds_max: 10,
        profile: four_disks,
        steps: |_| go_on_without_a_full_disk(),
    },
    Scene {
        name: "a sync fails, the power goes, and then the margin",
        mutant: Mutant::RetryFailedSync,
        seeds_max: 50,
        profile: four_disks,
        steps: |_| fail_sync(),
    },
    Scene {
        name: "a bit rots, perhaps in the middle of the journal of the only disk",
        mutant: Mutant::CutAtBadBatch,
        seeds_max: 100,
        profile: lone_disk_over_budget,
        steps: |_| rot_before_a_start(),
    },
    Scene {
        name: "the wall clock jumps ahead, and the next process counts the time of locks",
        mutant: Mutant::ForgetLockTime,
        seeds_max: 1,
        profile: one_disk,
        steps: |_| jump_over_a_retention(),
    },
    Scene {
        name: "uploads end in a bucket that keeps what comes, and what they made is deleted",
        mutant: Mutant::UploadUnkept,
        seeds_max: 1,
        profile: one_disk,
        steps: |_| delete_what_is_kept(),
    },
    Scene {
        name: "doubted members are not read while all disks fail for a moment",
        mutant: Mutant::GiveUpUnread,
        seeds_max: 2000,
        profile: || unread().profile,
        steps: |_| unread().steps.into_iter().map(|planned| planned.step).collect(),
    },
];

impl Scene {
    /// What that seed does, as a plan.
    pub fn plan(&self, seed: u64) -> Plan {
        let steps = self.run(seed, Lines::Kept).steps;
        Plan { seed, profile: (self.profile)(), steps }
    }

    /// Plays it with what that seed draws.
    pub fn run(&self, seed: u64, lines: Lines) -> Outcome {
        run_steps((self.profile)(), seed, &(self.steps)(seed), lines)
    }
}

/// Four disks that survive the loss of one, of which two may be bad: one in the middle of a write,
/// and, as the write floor promises, another one after its acknowledgement.
fn one_parity() -> Profile {
    let mut profile = Profile::plain(4);
    profile.config.parity = Some(1);
    profile
}

fn fail_in_commit() -> Vec<Step> {
    let script = Script::new().put(0, LARGE).damage(3, Damage::Sync(Fault::SyncError));
    let script = script.put(1, LARGE).damage(0, Damage::Lost);
    let cut = Cut { steps: 0, loss: Some(PowerLoss::Nothing) };
    script.step(Step::Crash { cut, restarts: Vec::new() }).step(Step::Verify).steps
}

/// Four disks that survive the loss of two; a third one was bad, and says that it is healed before
/// any scrub came by.
fn slow_scrub() -> Profile {
    let mut profile = Profile::plain(4);
    profile.margin = 3;
    profile.config.heal.scrub_interval = Duration::from_secs(1 << 20);
    profile.config.heal.scrub_rate_min = 1;
    profile
}

fn return_rotten() -> Vec<Step> {
    let script = Script::new().puts(0..6, LARGE).damage(1, Damage::Rot);
    let script = script.damage(1, Damage::Absent(false)).wait(10_000).mend(1).wait(60_000);
    let script = script.damage(0, Damage::Lost).damage(2, Damage::Lost);
    script.step(Step::Verify).steps
}

/// Four disks; whatever goes, nothing wrong may be shown.
fn over_budget() -> Profile {
    Profile { budget: Budget::Over, ..Profile::plain(4) }
}

fn return_alone() -> Vec<Step> {
    let script = Script::new().puts(0..3, LARGE).damage(0, Damage::Away).wait(10_000);
    let script = script.puts(1..5, LARGE).delete(0).wait(10_000);
    let script = (1..4).fold(script, |script, disk| script.damage(disk, Damage::Lost));
    script.mend(0).step(Step::Verify).steps
}

/// One disk whose syncs take their time, so that a checkpoint is still under way.
fn slow_syncs() -> Profile {
    let mut profile = Profile::plain(1);
    profile.timing = Timing { slow_sync_per_mille: 1000, slow_ms_max: 20, ..Timing::default() };
    profile.config.meta.memtable_len_max = 24 << 10;
    profile.config.meta.journal.file_len = 256 << 10;
    profile.config.inline_len_max = 4096;
    profile
}

/// A checkpoint moves a part and six objects from the journal to a volume; the part is completed
/// meanwhile, the others are deleted, the volume is full and reclaimed, the process dies.
fn complete_while_moved(seed: u64) -> Vec<Step> {
    let script = Script::new().begin(0).part(0, 1, 900).burst(1..7, 4000).wait(seed % 60);
    let script = script.complete(0).deletes(1..7).puts(7..9, 16_000).wait(500 + seed % 700);
    let cut = Cut { steps: 0, loss: None };
    script.step(Step::Crash { cut, restarts: Vec::new() }).step(Step::Verify).steps
}

/// Two disks with a ring that is far from half full while its two files are; scrub, which would
/// write a checkpoint, takes its time for whatever there is.
fn long_ring() -> Profile {
    let mut profile = Profile::plain(2);
    profile.config.heal.scrub_interval = Duration::from_secs(1 << 20);
    profile.config.heal.scrub_rate_min = 1;
    profile.config.meta.journal.file_count_max = 6;
    profile.config.meta.memtable_len_max = 1 << 20;
    profile
}

/// There is no room for a file of the journal, but enough for a run: deletes must go on.
fn delete_without_room() -> Vec<Step> {
    let script = Script::new().puts(0..22, 100).step(Step::Room(Some(56 << 10)));
    script.deletes(0..22).step(Step::Verify).steps
}

/// Two disks with a ring that never grows.
fn short_ring() -> Profile {
    let mut profile = Profile::plain(2);
    profile.config.meta.journal.file_count_max = 2;
    profile
}

/// A disk is so full that checkpoints fail and deletes are refused; then a run fits again, but no
/// file of the journal.
fn delete_with_little_room() -> Vec<Step> {
    let script = Script::new().puts(0..22, 100).step(Step::Stop { loss: None }).puts(0..22, 100);
    let script = script.damage(1, Damage::Full(0)).deletes(0..22);
    let script = script.mend(1).step(Step::Room(Some(56 << 10))).wait(2000);
    script.deletes(0..22).step(Step::Verify).steps
}

/// A disk is full until deletes are refused, then it is not; how far the next try of a checkpoint
/// is then, the seed says.
fn delete_with_room_again(seed: u64) -> Vec<Step> {
    let script = Script::new().puts(0..12, 100).damage(1, Damage::Full(0));
    let script = (0..4).fold(script, |script, _| script.deletes(0..12));
    script.wait(seed % 10 * 100).mend(1).deletes(0..3).step(Step::Verify).steps
}

/// Seven disks, three of which may be lost: a stripe has a page on most of them.
fn seven_disks() -> Profile {
    let mut profile = Profile::plain(7);
    profile.config.inline_len_max = 256;
    profile.config.heal.scrub_interval = Duration::from_secs(20);
    profile
}

/// Four disks, two of which may be lost.
fn four_disks() -> Profile {
    Profile::plain(4)
}

/// Many volumes wait for a disk.
fn wait_for_a_disk() -> Vec<Step> {
    let script = Script::new().puts(0..40, 40_000).damage(3, Damage::Lost).wait(5000);
    script.step(Step::Rest).step(Step::Verify).steps
}

/// Volumes that leave a full disk out are not written anew: nothing wider is to be had.
fn go_on_without_a_full_disk() -> Vec<Step> {
    let script = Script::new().puts(0..4, LARGE).damage(1, Damage::Full(65_536));
    let script = script.puts(4..12, LARGE).wait(20_000);
    script.step(Step::Rest).step(Step::Verify).steps
}

/// What a sync that failed should have made durable is written anew before it counts.
fn fail_sync() -> Vec<Step> {
    let script = Script::new().put(0, LARGE).damage(2, Damage::Sync(Fault::SyncError));
    let script = script.put(1, LARGE).mend(2).step(Step::Heal);
    let cut = Cut { steps: 0, loss: Some(PowerLoss::Nothing) };
    let script = script.step(Step::Crash { cut, restarts: Vec::new() });
    script.step(Step::Prove).step(Step::Verify).steps
}

/// One disk whose journal has all that was written; nothing wrong may be shown.
fn lone_disk_over_budget() -> Profile {
    let mut profile = Profile { budget: Budget::Over, ..Profile::plain(1) };
    profile.config.meta.memtable_len_max = 1 << 20;
    profile
}

/// A start finds a bad batch that is not the last one.
fn rot_before_a_start() -> Vec<Step> {
    let script = Script::new().puts(0..24, 1000).damage(0, Damage::Rot);
    let cut = Cut { steps: 0, loss: None };
    script.step(Step::Crash { cut, restarts: Vec::new() }).step(Step::Verify).steps
}

/// One disk.
fn one_disk() -> Profile {
    Profile::plain(1)
}

/// A version is kept for a minute; the wall clock is ahead by ten when the process dies.
fn jump_over_a_retention() -> Vec<Step> {
    let slot = Slot { bucket: 0, key: 0 };
    let script = Script::locked().put(0, 100).ask(Request::Retain { slot, pick: 0, ms: 60_000 });
    let cut = Cut { steps: 0, loss: None };
    let script = script.step(Step::Jump(600)).step(Step::Crash { cut, restarts: Vec::new() });
    let script = script.ask(Request::DeleteVersion(slot, 0)).wait(70_000);
    script.ask(Request::DeleteVersion(slot, 0)).step(Step::Verify).steps
}

/// Versions made by a write, by an upload that began before, and by one that began after the change
/// that keeps them.
fn delete_what_is_kept() -> Vec<Step> {
    let script = Script::locked().begin(0).part(0, 1, 100);
    let script = script.ask(Request::SetRetention { bucket: 0, days: 1 }).put(1, 100);
    let script = script.begin(2).part(1, 1, 100).complete(0).complete(1);
    let delete = |key| Request::DeleteVersion(Slot { bucket: 0, key }, 0);
    script.ask(delete(0)).ask(delete(1)).ask(delete(2)).step(Step::Verify).steps
}

/// What the bug was found with; the seed draws what fails.
fn unread() -> Plan {
    let text = include_str!("../../bugs/018-unread-is-not-gone/min.plan");
    Plan::parse(text).expect("the simulator's tests read it")
}

/// A disk is found to be away while stripes are written: they go elsewhere, and what was written of
/// them before is nobody's.
fn halve_stripe() -> Vec<Step> {
    let script = Script::new().put(0, 511).damage(2, Damage::Absent(false)).put(1, 372);
    let script = script.step(Step::Stop { loss: Some(PowerLoss::Drawn) });
    script.step(Step::Calm).step(Step::Heal).step(Step::Verify).steps
}
