//! What is wrong with a disk, and how it becomes so.

use super::plan::Damage;
use crate::disk::{DiskFaults, Fault};
use crate::random::Random;
use std::time::Duration;

/// What is wrong with a disk, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Bad {
    /// Damage that goes on until somebody makes it good.
    pub(super) lasting: Vec<Damage>,
    /// Rounds of scrub that were complete at the last damage that only a look at everything finds.
    pub(super) rounds: Option<u64>,
    /// Whether that was after the last look at the store.
    pub(super) is_fresh: bool,
    /// Whether the disk said that something is durable which is not.
    pub(super) has_lied: bool,
    /// When the store has surely looked at its disks since, counted from its start.
    pub(super) noticed_at: Option<Duration>,
}

impl Bad {
    /// Whether it is full.
    pub(super) fn is_full(&self) -> bool {
        self.lasting.iter().any(|damage| matches!(damage, Damage::Full(_)))
    }

    /// Whether nothing is wrong but that the disk is full, or gone.
    pub(super) fn is_steady(&self) -> bool {
        let is_steady = |damage: &Damage| matches!(damage, Damage::Full(_) | Damage::Lost);
        !self.lasting.is_empty() && self.lasting.iter().all(is_steady)
    }
}

/// Faults of a disk that breaks so.
pub(super) fn faults_of(faults: DiskFaults, damage: Damage) -> DiskFaults {
    match damage {
        Damage::Errors(per_mille) => DiskFaults {
            read_error_per_mille: per_mille,
            write_error_per_mille: per_mille,
            sync_error_per_mille: per_mille,
            write_back_error_per_mille: per_mille,
            is_reverted: per_mille % 2 == 1,
            ..faults
        },
        Damage::Elsewhere(per_mille) => {
            DiskFaults { read_elsewhere_per_mille: per_mille, ..faults }
        }
        Damage::Unlisted(per_mille) => DiskFaults { unlisted_per_mille: per_mille, ..faults },
        _ => DiskFaults { dying_per_mille: 20, ..faults },
    }
}

/// Draws how a disk breaks.
pub(super) fn draw(random: &mut Random, is_alone: bool) -> Damage {
    let few = *random.pick(&[5, 50, 301]);
    let left = *random.pick(&[0, 0, 4096, 64 << 10, 1 << 20, 5 << 20, 10 << 20]);
    let kinds = if is_alone { 12 } else { 22 };
    match random.below(kinds) {
        0..3 => Damage::Rot,
        3 => Damage::Spoil,
        4 => Damage::Vanish,
        5 => Damage::Sync(Fault::SyncError),
        6 => Damage::Sync(Fault::LostWrite),
        7 => Damage::Sync(Fault::MisdirectedWrite),
        8 => Damage::Errors(few),
        9 => Damage::Elsewhere(few),
        10 => Damage::Lost,
        11 => *random.pick(&[Damage::ReadOnly, Damage::Dying, Damage::Unlisted(few)]),
        12 | 13 => Damage::Blank,
        14 => Damage::Swap,
        15 => Damage::Rollback,
        16 => Damage::Away,
        17 => Damage::Alike,
        18 | 19 => Damage::Full(left),
        _ => Damage::Absent(random.chance(500)),
    }
}
