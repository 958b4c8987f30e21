//! Breaks disks and makes them good again, within a budget.
//!
//! A disk is *bad* from its damage until the store itself says that full redundancy is back and has
//! read everything once since. The strict budget never has more bad disks than the margin.

use super::bad::{Bad, draw, faults_of};
use super::judge::Tolerance;
use super::log::Log;
use super::plan::{Damage, Step};
use super::profile::{Budget, Profile};
use super::world::World;
use crate::disk::{DiskFaults, Fault, FaultCounts, Image, SimDisk};
use crate::random::Random;
use engine::disks::recognise::{IDENTITY_PATH, ROSTER_PATH};
use engine::object::{DiskState, StoreStatus};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// What waits for the machine to be down.
#[derive(Clone, Copy, Debug)]
enum Exchange {
    Blank(usize),
    Swap(usize),
    Rollback(usize),
    Away(usize),
    Return(usize),
}

/// The breaker of disks.
pub struct Nemesis {
    /// What is drawn while a step is carried out.
    pub(super) random: Random,
    /// Which steps come.
    draws: Random,
    pub(super) bad: BTreeMap<usize, Bad>,
    images: Vec<Image>,
    exchanges: VecDeque<Exchange>,
    pub(super) rounds: u64,
    /// Whether every disk has little room.
    is_full: bool,
    /// Whether a full disk was emptied and the store need not know yet.
    is_emptied: bool,
    /// Whether files cannot be opened.
    is_short: bool,
    is_forgetful: bool,
    /// Whether some copy of the newest batch of the journal was damaged.
    is_tail_damaged: bool,
    /// Whether there was more damage than the margin.
    pub is_over: bool,
    /// Faults that only the nemesis knows.
    pub counts: FaultCounts,
    pub(super) margin: usize,
    is_alone: bool,
    is_strict: bool,
    /// Start of the life that runs.
    began: Option<Instant>,
    /// Time in which a store looks at its disks, whatever happens.
    look_time: Duration,
}

impl Nemesis {
    /// A nemesis for a seed.
    pub fn new(seed: u64, profile: &Profile) -> Self {
        Self {
            random: Random::new(seed, "nemesis"),
            draws: Random::new(seed, "damage"),
            bad: BTreeMap::new(),
            images: Vec::new(),
            exchanges: VecDeque::new(),
            rounds: 0,
            is_full: false,
            is_emptied: false,
            is_short: false,
            is_forgetful: false,
            is_tail_damaged: false,
            is_over: false,
            counts: FaultCounts::default(),
            margin: profile.margin,
            is_alone: profile.disk_count == 1,
            is_strict: profile.budget == Budget::Strict,
            began: None,
            look_time: profile.config.heal.watch_interval * 2 + Duration::from_secs(1),
        }
    }

    /// A life begins: its start looks at every disk.
    pub fn begin_life(&mut self) {
        self.began = Some(Instant::now());
        self.is_short = false;
        self.rounds = 0;
        for bad in self.bad.values_mut() {
            // Rounds are counted anew.
            (bad.noticed_at, bad.rounds) = (None, bad.rounds.map(|_| 0));
        }
    }

    pub(super) fn noticed_at(&self) -> Option<Duration> {
        self.began.map(|began| began.elapsed() + self.look_time)
    }

    /// What is forgiven just now.
    pub fn tolerance(&self, profile: &Profile) -> Tolerance {
        let is_over = profile.budget == Budget::Over && self.is_over;
        Tolerance {
            reads_fail: is_over || self.is_short,
            is_undecided: is_over || profile.budget == Budget::Over && !self.bad.is_empty(),
            writes_fail: is_over || !self.bad.is_empty(),
            is_full: self.is_full || self.is_emptied || self.bad.values().any(Bad::is_full),
            is_stuffed: self.is_emptied || self.bad.values().any(Bad::is_full),
            is_forgetful: is_over && self.is_forgetful,
        }
    }

    /// Draws a disk to break, and how.
    pub fn draw_damage(&mut self, profile: &Profile) -> Step {
        let random = &mut self.draws;
        let is_at_limit = profile.budget == Budget::Strict && self.bad.len() >= self.margin;
        let disk = match is_at_limit {
            true if self.bad.is_empty() || self.bad.len() > self.margin => return Step::Wait(1),
            true => *random.pick(&self.bad.keys().copied().collect::<Vec<_>>()),
            false => random.index(profile.disk_count),
        };
        let damage = draw(random, self.is_alone);
        Step::Damage { disk, damage }
    }

    /// Draws a disk to make good.
    pub fn draw_mend(&mut self) -> Step {
        let disks: Vec<usize> = self.bad.keys().copied().collect();
        match disks.is_empty() {
            true => Step::Remember,
            false => Step::Mend { disk: *self.draws.pick(&disks) },
        }
    }

    /// Notices what the store says of itself: disks that are healed are good.
    pub fn look(&mut self, world: &World, status: Option<&StoreStatus>) {
        let Some(status) = status else { return };
        self.rounds = status.scrub.rounds;
        for (disk, bad) in &mut self.bad {
            // What is to come is no older than now; what was done since the last look neither.
            if world.disks[*disk].is_sync_planned() || std::mem::take(&mut bad.is_fresh) {
                bad.rounds = Some(self.rounds);
            }
        }
        if self.unhealed(status).is_some() {
            return;
        }
        // A write that was lost shows only when the cache is gone: the truth says it before.
        self.bad.retain(|disk, bad| {
            let disk = &world.disks[*disk];
            !bad.lasting.is_empty() || disk.faults().is_wild() || disk.damaged_count() > 0
        });
    }

    /// Why the store is not healed yet.
    pub fn unhealed(&self, status: &StoreStatus) -> Option<String> {
        if status.margin != Some(status.margin_full) {
            return Some(format!("margin is {:?} of {}", status.margin, status.margin_full));
        }
        if status.repair.volumes_left > 0 {
            return Some(format!("{} volumes wait for repair", status.repair.volumes_left));
        }
        let is_ill = |disk: &&engine::object::DiskStatus| disk.state != DiskState::Healthy;
        if let Some(disk) = status.disks.iter().find(is_ill) {
            return Some(format!("disk {} is {}: {}", disk.place, disk.state.word(), disk.reason));
        }
        if !self.is_noticed() {
            return Some("the store has not looked at its disks yet".to_owned());
        }
        let is_unread =
            |bad: &&Bad| bad.rounds.is_some_and(|rounds| status.scrub.rounds < rounds + 2);
        if self.bad.values().any(|bad| is_unread(&bad)) {
            return Some(format!("scrub has done {} rounds", status.scrub.rounds));
        }
        None
    }

    /// How the store says that it is, in one line.
    pub fn describe(&self, status: &StoreStatus) -> String {
        let disk = |disk: &engine::object::DiskStatus| {
            let leg = if disk.is_leg { " leg" } else { "" };
            format!("{} {}{leg} ({})", disk.place, disk.state.word(), disk.reason)
        };
        let disks: Vec<String> = status.disks.iter().map(disk).collect();
        let volume = |at: &engine::object::VolumesAtMargin| {
            format!("{}x{:?}{}", at.count, at.margin, if at.is_degraded { "!" } else { "" })
        };
        let volumes: Vec<String> = status.volumes.iter().map(volume).collect();
        format!(
            "margin {:?} of {}, {} volumes left, scrub {}, disks [{}], volumes [{}], bad {:?}",
            status.margin,
            status.margin_full,
            status.repair.volumes_left,
            status.scrub.rounds,
            disks.join(", "),
            volumes.join(", "),
            self.bad
        )
    }

    /// Breaks a disk. Returns whether the machine must go down for it.
    pub fn break_disk(&mut self, world: &mut World, disk: usize, damage: Damage) -> bool {
        // Plans that were made smaller may ask for more than the budget has.
        let count = self.bad.len() + usize::from(!self.bad.contains_key(&disk));
        if self.is_strict && count > self.margin {
            return false;
        }
        let noticed_at = self.noticed_at();
        let bad = self.bad.entry(disk).or_default();
        bad.noticed_at = noticed_at;
        if damage.is_silent() {
            bad.rounds = Some(self.rounds);
        }
        if damage.is_lasting() {
            bad.lasting.push(damage);
        }
        bad.has_lied |= matches!(damage, Damage::Sync(fault) if fault != Fault::SyncError);
        self.is_over |= self.bad.len() > self.margin;
        let is_unnoticeable = !damage.is_noticeable() || self.bad.values().any(|bad| bad.has_lied);
        self.is_forgetful |= self.is_over && (is_unnoticeable || self.is_tail_damaged);
        let target = &world.disks[disk];
        match damage {
            Damage::Rot | Damage::Spoil | Damage::Vanish => {
                self.break_file(world, target, damage);
            }
            Damage::Alike => self.break_alike(world, disk),
            Damage::Sync(fault) => {
                target.plan_sync(Some(fault), self.random.chance(500).then_some("volumes/"));
            }
            Damage::Errors(_) | Damage::Elsewhere(_) | Damage::Unlisted(_) | Damage::Dying => {
                if damage == Damage::Dying {
                    target.arm(Fault::DiskLoss);
                }
                target.set_faults(faults_of(target.faults(), damage));
            }
            Damage::Lost => target.set_lost(true),
            Damage::ReadOnly => target.set_read_only(true),
            Damage::Full(left) => {
                self.counts.inject(Fault::NoSpace);
                let capacity = Some(target.used() + left);
                target.set_faults(DiskFaults { capacity, ..target.faults() });
            }
            Damage::Absent(is_missing) => absent(world, disk, is_missing),
            Damage::Blank => self.exchanges.push_back(Exchange::Blank(disk)),
            Damage::Swap => self.exchanges.push_back(Exchange::Swap(disk)),
            Damage::Rollback => self.exchanges.push_back(Exchange::Rollback(disk)),
            Damage::Away => self.exchanges.push_back(Exchange::Away(disk)),
        }
        !self.exchanges.is_empty()
    }

    fn break_file(&mut self, world: &World, disk: &SimDisk, damage: Damage) {
        let prefix = *self.random.pick(&["", "journal/", "runs/", "volumes/", "volumes/"]);
        let Some((path, offset)) = disk.draw_place(prefix) else { return };
        self.note_tail(world, &path, (damage != Damage::Vanish).then_some(offset));
        let result = match damage {
            Damage::Rot => disk.rot(&path, offset, self.random.below(8) as u8),
            Damage::Spoil => disk.spoil(&path, offset),
            _ => disk.vanish(&path),
        };
        result.expect("the file was there just now");
    }

    /// Takes note of damage to the newest batch of the journal. Where the other copies cannot be
    /// read, it cannot be told from a batch that was never finished.
    pub(super) fn note_tail(&mut self, world: &World, path: &str, offset: Option<u64>) {
        let newest = world.machine.newest_batch();
        let is_newest = newest.is_none_or(|(newest, start)| {
            offset.is_none_or(|offset| path == newest && offset >= start)
        });
        self.is_tail_damaged |= is_newest && path.starts_with("journal/");
        self.is_forgetful |= self.is_over && self.is_tail_damaged;
    }

    /// Makes a disk good. Returns whether the machine must go down for it.
    pub fn mend(&mut self, world: &mut World, disk: usize) -> bool {
        let noticed_at = self.noticed_at();
        let Some(bad) = self.bad.get_mut(&disk) else { return false };
        bad.noticed_at = noticed_at;
        bad.is_fresh = bad.rounds.is_some();
        let lasting = std::mem::take(&mut bad.lasting);
        let target = &world.disks[disk];
        target.plan_sync(None, None);
        let was_full = lasting.iter().any(|damage| matches!(damage, Damage::Full(_)));
        let capacity = target.faults().capacity.filter(|_| !was_full);
        target.set_faults(DiskFaults { capacity, ..DiskFaults::default() });
        self.is_emptied |= was_full;
        target.set_read_only(false);
        let is_gone = |damage: &Damage| matches!(damage, Damage::Lost | Damage::Dying);
        if lasting.iter().any(is_gone) {
            self.replace(world, disk);
        } else if lasting.contains(&Damage::Away) {
            self.exchanges.push_back(Exchange::Return(disk));
        } else if lasting.iter().any(|damage| matches!(damage, Damage::Absent(_))) {
            world.places[disk].mount(Some(target));
        }
        !self.exchanges.is_empty()
    }

    /// A blank disk takes the place of one.
    fn replace(&mut self, world: &mut World, disk: usize) {
        let blank = world.make_disk();
        blank.arm(Fault::Blank);
        world.exchange(disk, blank);
        // Whoever replaces all of them begins anew.
        self.is_forgetful |= world.disks.iter().all(is_new);
    }

    /// Takes the store at its word: as many disks as it says it survives are lost at once.
    pub fn lose_margin(&mut self, world: &World) {
        while self.bad.len() < self.margin {
            self.lose_one(world);
        }
    }

    /// Makes everything good. Returns whether the machine must go down for it.
    pub fn calm(&mut self, world: &mut World) -> bool {
        self.set_room(world, None);
        let disks: Vec<usize> = self.bad.keys().copied().collect();
        let mut must_stop = false;
        for disk in disks {
            must_stop |= self.mend(world, disk);
        }
        must_stop
    }

    /// A disk that nobody can recognise any more is replaced, by whoever looks after the machine.
    pub fn replace_unknown(&mut self, world: &mut World) {
        for index in self.bad.keys().copied().collect::<Vec<_>>() {
            let disk = &world.disks[index];
            let is_unknown = disk.is_damaged(IDENTITY_PATH) && disk.is_damaged(ROSTER_PATH);
            if is_unknown && !disk.is_blank() {
                self.replace(world, index);
            }
        }
    }

    /// Sets how much room is left on every disk.
    pub fn set_room(&mut self, world: &World, room: Option<u64>) {
        if room.is_some() {
            self.counts.inject(Fault::NoSpace);
        }
        self.is_emptied |= self.is_full && room.is_none();
        self.is_full = room.is_some();
        let is_full = |index| self.bad.get(&index).is_some_and(Bad::is_full);
        let disks = world.disks.iter().enumerate().filter(|(index, _)| !is_full(*index));
        for (_, disk) in disks {
            let capacity = room.map(|room| disk.used() + room);
            disk.set_faults(DiskFaults { capacity, ..disk.faults() });
        }
    }

    /// Whether a full disk was emptied and the store need not know yet.
    pub fn is_emptied(&self) -> bool {
        self.is_emptied
    }

    /// Files cannot be opened from now on, or all disks fail: the store may take every disk for
    /// broken. Returns whether all is well enough for that.
    pub fn begin_shortage(&mut self, world: &World) -> bool {
        if !self.bad.is_empty() || self.is_full || self.is_emptied {
            return false;
        }
        let noticed_at = self.noticed_at();
        let bad = |disk| (disk, Bad { noticed_at, ..Bad::default() });
        self.bad.extend((0..world.disks.len()).map(bad));
        self.is_short = true;
        true
    }

    /// It healed.
    pub fn end_shortage(&mut self) {
        self.is_short = false;
    }

    /// Whether the disks stay as they are: a store has nothing to do because of them.
    pub fn is_steady(&self, world: &World) -> bool {
        !self.is_full
            && self.bad.iter().all(|(index, bad)| {
                let faults = DiskFaults { capacity: None, ..world.disks[*index].faults() };
                bad.is_steady() && !faults.is_wild()
            })
    }

    /// Whether the store surely looked at its disks since they were last broken.
    pub fn is_noticed(&self) -> bool {
        let elapsed = self.began.map_or(Duration::MAX, |began| began.elapsed());
        self.bad.values().all(|bad| bad.noticed_at.is_none_or(|at| elapsed >= at))
    }

    /// Loses one more disk for good, one that is well.
    pub fn lose_one(&mut self, world: &World) {
        let well: Vec<usize> =
            (0..world.disks.len()).filter(|index| !self.bad.contains_key(index)).collect();
        let disk = *self.random.pick(&well);
        let noticed_at = self.noticed_at();
        let lasting = vec![Damage::Lost];
        self.bad.insert(disk, Bad { lasting, noticed_at, ..Bad::default() });
        world.disks[disk].set_lost(true);
    }

    /// The store knows what room there is.
    pub fn room_is_noticed(&mut self) {
        self.is_emptied = false;
    }

    /// Keeps what every disk holds now.
    pub fn remember(&mut self, world: &World) {
        self.images = world.disks.iter().map(SimDisk::image).collect();
    }

    /// What is wrong with a disk goes where the disk goes.
    fn swap_bad(&mut self, disk: usize, other: usize) {
        self.images.clear();
        let [first, second] = [disk, other].map(|index| self.bad.remove(&index));
        self.bad.extend(first.map(|bad| (other, bad)));
        self.bad.extend(second.map(|bad| (disk, bad)));
    }

    /// The machine is down: disks are exchanged.
    pub fn between(&mut self, world: &mut World, log: &mut Log) {
        for exchange in std::mem::take(&mut self.exchanges) {
            log.event(&[6], || format!("disks are exchanged: {exchange:?}"));
            match exchange {
                Exchange::Blank(disk) => {
                    self.replace(world, disk);
                    // Whatever was wrong with the old one went with it.
                    if let Some(bad) = self.bad.get_mut(&disk) {
                        bad.lasting.clear();
                    }
                }
                Exchange::Swap(disk) => {
                    let other = (disk + 1) % world.disks.len();
                    world.disks.swap(disk, other);
                    self.swap_bad(disk, other);
                    for index in [disk, other] {
                        world.disks[index].arm(Fault::Swapped);
                        if let Some(bad) = self.bad.get_mut(&index) {
                            bad.lasting.retain(|damage| !damage.is_unmounted());
                        }
                        world.places[index].mount(Some(&world.disks[index]));
                    }
                }
                Exchange::Rollback(disk) => {
                    if let Some(image) = self.images.get(disk) {
                        world.disks[disk].restore(image);
                        world.disks[disk].arm(Fault::RolledBack);
                    }
                }
                Exchange::Away(disk) => world.places[disk].mount(None),
                Exchange::Return(disk) => {
                    world.disks[disk].arm(Fault::Stale);
                    world.places[disk].mount(Some(&world.disks[disk]));
                }
            }
        }
    }
}

/// Whether a disk is blank, or was only just made one of the store's.
fn is_new(disk: &SimDisk) -> bool {
    let names = [IDENTITY_PATH, ROSTER_PATH];
    disk.files("").keys().all(|path| names.iter().any(|name| path.starts_with(name)))
}

fn absent(world: &mut World, disk: usize, is_missing: bool) {
    if is_missing {
        world.places[disk].mount(None);
        return;
    }
    let below = world.make_disk();
    below.set_root();
    below.arm(Fault::AbsentMount);
    world.places[disk].mount(Some(&below));
    world.retired.push(below);
}
