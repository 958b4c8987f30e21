//! How many disks must be there to believe a roster, and how many must have a new one: pure
//! arithmetic.
//!
//! A node starts with `start_count` of the disks that took part in the newest roster it sees, and
//! changes the roster only when `change_count` of them have the new one durably. Any two such sets
//! meet, so a start never believes a roster that was followed by another.
//!
//! A start needs as few disks as bodies do. With half of the disks as parity (4+4, 2+2, 1+1) a
//! change then needs one disk more than half: when exactly half of the disks vanish within one
//! instant, the node goes on reading but takes no writes until one comes back, as MinIO does with
//! its write quorum. When they vanish one after the other, it goes on writing.

use crate::format::roster::Roster;

/// Disks that took part in the epoch.
pub fn active_count(roster: &Roster) -> usize {
    roster.disks.iter().filter(|disk| disk.is_active).count()
}

/// Active disks of the newest roster that a start needs; no roster ever has fewer.
pub fn start_count(roster: &Roster) -> usize {
    roster.disks.len().saturating_sub(roster.parity.into()).max(1)
}

/// Active disks of a roster that must have its successor durably before anybody relies on that.
pub fn change_count(roster: &Roster) -> usize {
    (active_count(roster) + 1).saturating_sub(start_count(roster)).max(1)
}

/// Copies of the metadata that a node keeps: one more than bodies have parity, and three where
/// there are three disks, so that one loss never leaves a single copy.
pub fn leg_count(disk_count: usize, parity: u8) -> usize {
    let wanted = if parity == 0 { 1 } else { usize::from(parity) + 1 };
    let wanted = if parity > 0 { wanted.max(3) } else { wanted };
    wanted.min(disk_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::roster::{DiskNumber, RosterDisk};

    fn roster(count: u16, active: u16, parity: u8) -> Roster {
        let disk = |number| RosterDisk {
            number: DiskNumber(number),
            disk_id: number.into(),
            place: String::new(),
            is_active: number < active,
            is_leg: false,
        };
        let disks = (0..count).map(disk).collect();
        Roster { epoch: 1, next_number: count, parity, disks }
    }

    #[test]
    fn a_start_and_a_change_always_share_a_disk() {
        for count in 1..=40 {
            for active in 1..=count {
                for parity in 0..=(count / 2).min(8) {
                    if active < count - parity {
                        continue;
                    }
                    let roster = roster(count, active, parity as u8);
                    let sum = start_count(&roster) + change_count(&roster);
                    assert_eq!(sum, usize::from(active) + 1);
                    assert!(start_count(&roster) >= 1 && change_count(&roster) >= 1);
                }
            }
        }
    }

    #[test]
    fn losses_within_the_parity_do_not_keep_a_node_from_starting() {
        for (count, parity) in [(8, 4), (8, 2), (6, 3), (4, 2), (3, 1), (2, 1), (16, 4)] {
            let needed = start_count(&roster(count, count, parity));
            assert_eq!(needed, usize::from(count) - usize::from(parity));
        }
    }

    #[test]
    fn disks_lost_one_after_the_other_leave_the_node_writing() {
        for (count, parity) in [(8, 4), (8, 2), (6, 3), (5, 2), (3, 1), (16, 4)] {
            for lost in 1..=u16::from(parity) {
                let before = roster(count, count - lost + 1, parity);
                assert!(usize::from(count - lost) >= change_count(&before), "{count} {lost}");
            }
        }
        let half_at_once = roster(8, 8, 4);
        assert_eq!(change_count(&half_at_once), 5, "four are not enough, three lost are fine");
    }

    #[test]
    fn metadata_survives_what_bodies_survive() {
        for (disks, parity) in [(2, 1), (3, 1), (4, 2), (8, 4), (8, 2), (16, 4), (100, 8)] {
            assert!(leg_count(disks, parity) > usize::from(parity));
        }
        assert_eq!((leg_count(1, 0), leg_count(8, 0), leg_count(3, 1)), (1, 1, 3));
    }
}
