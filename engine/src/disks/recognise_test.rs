//! Every rule of the table at the top of [`super`].

use super::*;
use crate::format::roster::RosterDisk;

const STORE: u128 = 7;

fn roster_of(epoch: u64, count: u16, parity: u8) -> Roster {
    let disk = |number: u16| RosterDisk {
        number: DiskNumber(number),
        disk_id: 100 + u128::from(number),
        place: format!("/d{number}"),
        is_active: true,
        is_leg: usize::from(number) < quorum::leg_count(count.into(), parity),
    };
    Roster { epoch, next_number: count, parity, disks: (0..count).map(disk).collect() }
}

fn at(place: u16, finding: Finding) -> Seen {
    Seen { place: format!("/d{place}"), device: Device { number: 9, is_root: false }, finding }
}

fn disk(number: u16, roster: &Roster) -> Finding {
    let identity = Identity { deployment_id: STORE, disk_id: 100 + u128::from(number) };
    Finding::Disk {
        identity,
        roster: Some(roster.clone()),
        holds_data: false,
        lacks_identity: false,
    }
}

/// All disks in their places.
fn complete(roster: &Roster) -> Vec<Seen> {
    (0..roster.disks.len() as u16).map(|number| at(number, disk(number, roster))).collect()
}

fn member(number: u16, is_current: bool) -> Role {
    Role::Member { number: DiskNumber(number), is_current }
}

fn refused(role: &Role) -> bool {
    matches!(role, Role::Unused(DiskState::Refused, _))
}

#[test]
fn blank_places_begin_a_store_and_anything_else_prevents_it() {
    let plan = decide(&[at(0, Finding::Blank), at(1, Finding::Blank)]).unwrap();
    assert_eq!(plan.deployment_id, None);
    assert_eq!(plan.roles, [Role::Newcomer(None), Role::Newcomer(None)]);
    let foreign = Finding::Foreign("files".into());
    assert!(decide(&[at(0, Finding::Blank), at(1, foreign)]).is_err());
    let absent = Finding::Unreadable("gone".into());
    assert!(decide(&[at(0, Finding::Blank), at(1, absent)]).is_err());
}

#[test]
fn a_beginning_that_was_cut_off_goes_on() {
    let identity = Identity { deployment_id: STORE, disk_id: 5 };
    let begun = Finding::Disk { identity, roster: None, holds_data: false, lacks_identity: false };
    let plan = decide(&[at(0, begun), at(1, Finding::Blank)]).unwrap();
    assert_eq!(plan.deployment_id, Some(STORE));
    assert_eq!(plan.roles, [Role::Newcomer(Some(identity)), Role::Newcomer(None)]);
    let lost = Finding::Disk { identity, roster: None, holds_data: true, lacks_identity: false };
    let error = decide(&[at(0, lost), at(1, Finding::Blank)]).unwrap_err();
    assert!(error.to_string().contains("holds data"), "never begun anew over data: {error}");
}

#[test]
fn swapped_disks_are_known_by_their_identity() {
    let roster = roster_of(4, 4, 2);
    let seen = [2, 0, 3, 1].map(|number| at(3 - number, disk(number, &roster)));
    let plan = decide(&seen).unwrap();
    assert_eq!(plan.roles, [2, 0, 3, 1].map(|number| member(number, true)));
}

#[test]
fn a_disk_with_an_older_roster_is_no_leg_as_it_is() {
    let (old, new) = (roster_of(4, 4, 2), roster_of(5, 4, 2));
    let mut seen = complete(&new);
    seen[1] = at(1, disk(1, &old));
    let plan = decide(&seen).unwrap();
    assert_eq!(plan.roster.epoch, 5);
    assert_eq!(plan.roles[1], member(1, false));
}

#[test]
fn a_disk_that_the_newest_roster_left_out_missed_changes() {
    let old = roster_of(4, 4, 2);
    let mut new = roster_of(5, 4, 2);
    new.disks[3].is_active = false;
    let mut seen = complete(&new);
    seen[3] = at(3, disk(3, &old));
    assert_eq!(decide(&seen).unwrap().roles[3], member(3, false));
}

#[test]
fn too_few_disks_do_not_start() {
    let roster = roster_of(4, 8, 4);
    let mut seen = complete(&roster);
    seen[..4].iter_mut().for_each(|seen| seen.finding = Finding::Unreadable("gone".into()));
    assert!(decide(&seen).is_ok(), "one leg and four disks are left");
    seen[5].finding = Finding::Unreadable("gone".into());
    assert!(decide(&seen).unwrap_err().to_string().contains("3 of 8 disks"));
}

#[test]
fn stale_disks_alone_are_never_believed() {
    // Disks 0 to 2 went on without 3; then only 3 and 2 are seen.
    let old = roster_of(4, 4, 2);
    let mut new = roster_of(5, 4, 2);
    new.disks[3].is_active = false;
    let gone = || Finding::Unreadable("gone".into());
    let seen = [at(0, gone()), at(1, gone()), at(2, disk(2, &new)), at(3, disk(3, &old))];
    assert!(decide(&seen).is_err(), "one of three active disks, two are needed");
    let seen = [at(0, gone()), at(1, disk(1, &new)), at(2, disk(2, &new)), at(3, disk(3, &old))];
    assert!(decide(&seen).is_ok());
}

#[test]
fn without_a_current_leg_nothing_starts() {
    let roster = roster_of(4, 16, 4);
    let mut seen = complete(&roster);
    seen[..5].iter_mut().for_each(|seen| seen.finding = Finding::Unreadable("gone".into()));
    let error = decide(&seen).unwrap_err().to_string();
    assert!(error.contains("11 of 16"), "{error}");
    let mut old_legs = complete(&roster);
    let older = roster_of(3, 16, 4);
    for place in 0..5u16 {
        old_legs[usize::from(place)] = at(place, disk(place, &older));
    }
    assert!(decide(&old_legs).unwrap_err().to_string().contains("current copy"));
}

#[test]
fn a_blank_place_becomes_a_new_disk_but_not_an_unmounted_one() {
    let roster = roster_of(4, 4, 2);
    let mut seen = complete(&roster);
    seen[2].finding = Finding::Blank;
    assert_eq!(decide(&seen).unwrap().roles[2], Role::Newcomer(None));
    seen[2].device.is_root = true;
    assert!(refused(&decide(&seen).unwrap().roles[2]), "others are on devices of their own");
    seen.iter_mut().for_each(|seen| seen.device.is_root = true);
    assert_eq!(decide(&seen).unwrap().roles[2], Role::Newcomer(None), "all on the system's device");
}

#[test]
fn a_store_does_not_begin_while_a_place_is_not_mounted() {
    let mut seen: Vec<Seen> = (0..4).map(|place| at(place, Finding::Blank)).collect();
    assert_eq!(decide(&seen).unwrap().roles, vec![Role::Newcomer(None); 4]);
    seen[1].device.is_root = true;
    let error = decide(&seen).unwrap_err().to_string();
    assert!(error.contains("/d1") && error.contains("not mounted"), "{error}");
    seen.iter_mut().for_each(|seen| seen.device.is_root = true);
    assert_eq!(decide(&seen).unwrap().roles, vec![Role::Newcomer(None); 4]);
}

#[test]
fn a_replaced_disk_that_is_there_again_has_its_old_number() {
    let (old, mut new) = (roster_of(4, 5, 2), roster_of(9, 5, 2));
    new.disks.remove(2);
    let mut seen = complete(&old);
    seen.iter_mut().for_each(|seen| {
        if let Finding::Disk { roster, .. } = &mut seen.finding {
            *roster = Some(new.clone());
        }
    });
    seen[2] = at(2, disk(2, &old));
    let plan = decide(&seen).unwrap();
    assert_eq!(plan.roles[2], Role::Returning { number: DiskNumber(2), disk_id: 102 });
    assert_eq!(plan.roles[3], member(3, true));
}

#[test]
fn foreign_disks_and_copies_are_refused() {
    let roster = roster_of(4, 4, 2);
    let mut seen = complete(&roster);
    seen[1].finding = Finding::Foreign("a photo album".into());
    seen.push(at(8, disk(0, &roster)));
    let plan = decide(&seen).unwrap();
    assert_eq!(plan.roles[0], member(0, true), "at the place that the roster knows");
    for index in [1, 4] {
        assert!(refused(&plan.roles[index]), "{index}");
    }
}

#[test]
fn an_older_copy_of_a_disk_gives_way_to_the_newer() {
    let (old, new) = (roster_of(4, 4, 2), roster_of(5, 4, 2));
    let mut seen = complete(&new);
    seen[0] = at(0, disk(0, &old));
    seen.push(at(8, disk(0, &new)));
    let plan = decide(&seen).unwrap();
    assert!(refused(&plan.roles[0]));
    assert_eq!(plan.roles[4], member(0, true));
}

#[test]
fn disks_of_another_store_are_refused_and_two_whole_stores_are_too_many() {
    let roster = roster_of(4, 2, 1);
    let other = |number: u128| {
        let identity = Identity { deployment_id: 8, disk_id: 100 + number };
        Finding::Disk {
            identity,
            roster: Some(roster.clone()),
            holds_data: false,
            lacks_identity: false,
        }
    };
    let mut seen = complete(&roster);
    let mut one_of_three = roster_of(9, 3, 1);
    one_of_three.epoch = 9;
    let identity = Identity { deployment_id: 8, disk_id: 100 };
    seen.push(at(
        5,
        Finding::Disk {
            identity,
            roster: Some(one_of_three),
            holds_data: false,
            lacks_identity: false,
        },
    ));
    assert!(refused(&decide(&seen).unwrap().roles[2]));
    let mut seen = complete(&roster);
    seen.extend([at(5, other(0)), at(6, other(1))]);
    assert!(decide(&seen).is_err());
}
