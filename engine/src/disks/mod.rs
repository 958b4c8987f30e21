//! The disks of a node: who they are, what they are worth just now, and the roster that says which
//! of them hold what was acknowledged last.
//!
//! ```text
//! start:    look at every place -> decide (recognise) -> new roster on all disks -> serve
//! running:  a write fails -> demote: new roster without the disk, on enough others
//!           a disk comes or comes back -> new roster with it -> it is verified or filled
//! ```
//!
//! - Q1: nothing is acknowledged that a disk left out of the newest roster would have to hold.
//! - Q2: a roster counts once [`quorum::change_count`] active disks of the one before it have it;
//!   a start believes the newest one it sees only with [`quorum::start_count`] of its active disks.
//! - Q3: numbers of disks are never reused; members on a disk that has not the newest roster are
//!   verified before they count, and a leg that lacks what the newest manifest names is no leg.
//! - Q4: a disk that failed a write or sync gets no more writes until it passed a trial, and what
//!   it holds counts as damaged until it is verified.

mod change;
pub mod quorum;
pub mod recognise;
mod slot;
mod watch;

pub use slot::Slot;
pub use watch::TRIAL_LOOKS_MAX;

use crate::env::{Disk, DiskSpace, Durability, Env, Patient, is_full, random_u128};
use crate::erasure::{Geometry, parity_default};
use crate::error::{EngineError, Result};
use crate::format::identity::Identity;
use crate::format::roster::{DISK_COUNT_MAX, DiskNumber, Roster, RosterDisk};
use crate::mark::{self, Mark};
use crate::object::status::DiskState;
use bytes::Bytes;
use futures_util::future::join_all;
use recognise::{IDENTITY_NEW_PATH, IDENTITY_PATH, Plan, Role, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Notify;

/// A disk, and where the command line has it.
#[derive(Clone)]
pub struct DiskAt {
    /// The place, for people.
    pub place: String,
    /// What is there.
    pub disk: Arc<dyn Disk>,
}

impl DiskAt {
    /// A disk at a place.
    pub fn new(place: impl Into<String>, disk: Arc<dyn Disk>) -> Self {
        Self { place: place.into(), disk }
    }

    /// One whose operations wait while the process may open no more files.
    fn patient(self) -> Self {
        let disk = Arc::new(Patient::new(self.disk, &self.place));
        Self { place: self.place, disk }
    }
}

/// A place without a disk of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPlace {
    /// The place.
    pub place: String,
    /// Why.
    pub state: DiskState,
    /// In words.
    pub reason: String,
}

/// The disks of a node.
pub struct DiskSet {
    deployment_id: u128,
    parity: Option<u8>,
    places: Vec<DiskAt>,
    env: Env,
    slots: RwLock<BTreeMap<DiskNumber, Arc<Slot>>>,
    unused: Mutex<Vec<UnusedPlace>>,
    /// The newest roster that counts (Q2).
    roster: RwLock<Roster>,
    /// Held while the roster changes; the newest epoch that was tried.
    turn: tokio::sync::Mutex<u64>,
    writable: AtomicBool,
    /// Whether the log says already that no writes are taken.
    told: AtomicBool,
    /// Whether the start is over: from then on writes are acknowledged.
    serving: AtomicBool,
    /// Rung when a disk came, went or failed.
    changed: Notify,
}

/// What a start found.
pub struct OpenedDisks {
    /// The disks.
    pub set: Arc<DiskSet>,
    /// Those with a current copy of the metadata, to recover from.
    pub sources: Vec<Arc<Slot>>,
    /// Whether the store begins now.
    pub is_new: bool,
}

impl DiskSet {
    /// Recognises the disks and begins a new epoch on them.
    ///
    /// # Errors
    /// [`EngineError::Foreign`] when they are no complete store of ours; I/O errors.
    pub async fn open(places: Vec<DiskAt>, parity: Option<u8>, env: Env) -> Result<OpenedDisks> {
        if !(1..=DISK_COUNT_MAX).contains(&places.len()) {
            return Err(EngineError::Foreign(format!("{} disks are too many", places.len())));
        }
        let places: Vec<DiskAt> = places.into_iter().map(DiskAt::patient).collect();
        let seen = recognise::look_at_all(places.clone()).await;
        let plan = recognise::decide(&seen)?;
        warn_of_shared_devices(&seen);
        let is_new = plan.roster.disks.is_empty();
        let deployment_id = plan.deployment_id.unwrap_or_else(|| random_u128(&*env.rng));
        let epoch = plan.roster.epoch;
        let set = Self {
            deployment_id,
            parity,
            places,
            env,
            slots: RwLock::default(),
            unused: Mutex::default(),
            roster: RwLock::new(plan.roster.clone()),
            turn: tokio::sync::Mutex::new(epoch),
            writable: AtomicBool::new(true),
            told: AtomicBool::new(false),
            serving: AtomicBool::new(false),
            changed: Notify::new(),
        };
        let next = set.take_roles(&plan, &seen).await?;
        let is_source = |slot: &Arc<Slot>| is_new || is_leg(&plan.roster, slot.number);
        let sources: Vec<_> = set.slots().into_iter().filter(is_source).collect();
        if let Err(error) = set.change(|roster| *roster = next).await {
            if is_new || set.roster_len() == 1 {
                return Err(error);
            }
            tracing::error!(%error, "the disks are served without taking writes");
            set.drop_unknown_slots();
        }
        Ok(OpenedDisks { set: Arc::new(set), sources, is_new })
    }

    /// Fills the slots; returns the roster that follows from them.
    async fn take_roles(&self, plan: &Plan, seen: &[Seen]) -> Result<Roster> {
        let mut roster = plan.roster.clone();
        let present: BTreeSet<DiskNumber> = plan
            .roles
            .iter()
            .filter_map(|role| match role {
                Role::Member { number, .. } => Some(*number),
                _ => None,
            })
            .collect();
        for disk in &mut roster.disks {
            disk.is_active = present.contains(&disk.number);
            disk.is_leg &= disk.is_active;
        }
        for ((at, role), seen) in self.places.iter().zip(&plan.roles).zip(seen) {
            if matches!(role, Role::Member { .. } | Role::Returning { .. }) {
                recognise::restore_identity(at, seen).await;
            }
            if let Role::Member { number, is_current } = role {
                let disk = entry(&mut roster, *number);
                disk.place = at.place.clone();
                let (disk_id, is_leg) = (disk.disk_id, disk.is_leg);
                let slot = self.add_slot(at, (*number, disk_id), !is_current);
                // Whoever is a leg in the newest roster has what was acknowledged since, even
                // when it has not that roster itself: a change of it was cut off.
                slot.is_stale.store(!is_leg, Ordering::Release);
            }
        }
        // The others come when everybody who is there has a slot: they take the places of the lost.
        for (at, role) in self.places.iter().zip(&plan.roles) {
            match role {
                Role::Member { .. } => {}
                Role::Returning { number, disk_id } => {
                    self.take_again(&mut roster, at, (*number, *disk_id));
                }
                Role::Newcomer(identity) => match self.admit(&mut roster, at, *identity).await {
                    Err(error) if plan.roster.disks.is_empty() => return Err(error),
                    Err(error) => self.leave(at, DiskState::Suspect, &error.to_string()),
                    Ok(()) => {}
                },
                Role::Unused(state, reason) => self.leave(at, *state, reason),
            }
        }
        let count = roster.disks.len();
        roster.parity = self.parity_of(count);
        if plan.roster.disks.is_empty() {
            let leg_count = quorum::leg_count(count, roster.parity);
            roster.disks.iter_mut().take(leg_count).for_each(|disk| disk.is_leg = true);
        }
        Ok(roster)
    }

    fn add_slot(
        &self,
        at: &DiskAt,
        (number, disk_id): (DiskNumber, u128),
        is_unverified: bool,
    ) -> Arc<Slot> {
        let slot = Slot {
            number,
            disk_id,
            place: at.place.clone(),
            disk: at.disk.clone(),
            is_unverified,
            is_stale: AtomicBool::new(is_unverified),
            fillings: AtomicU64::new(0),
            doubted: AtomicBool::new(false),
            health: Mutex::new((DiskState::Healthy, String::new())),
            free: AtomicU64::new(u64::MAX),
            errors: AtomicU64::new(0),
            rot: AtomicU64::new(0),
            strikes: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        };
        if is_unverified {
            mark::hit(Mark::StaleReturned);
            tracing::warn!(disk = at.place, "disk missed changes; what it holds is verified");
        }
        let slot = Arc::new(slot);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.insert(number, slot.clone());
        slot
    }

    /// Makes a blank disk one of ours. The lost disk whose place it took is expected no longer.
    async fn admit(
        &self,
        roster: &mut Roster,
        at: &DiskAt,
        identity: Option<Identity>,
    ) -> Result<()> {
        let disk_id = match identity {
            Some(identity) => identity.disk_id,
            None => {
                let disk_id = random_u128(&*self.env.rng);
                let identity = Identity { deployment_id: self.deployment_id, disk_id };
                let bytes = identity.encode();
                write_replacing(&*at.disk, IDENTITY_NEW_PATH, IDENTITY_PATH, bytes).await?;
                disk_id
            }
        };
        self.make_room(roster, &at.place);
        let number = DiskNumber(roster.next_number);
        let next_number = roster.next_number.checked_add(1);
        roster.next_number =
            next_number.ok_or_else(|| EngineError::Foreign("no disk numbers are left".into()))?;
        let place = at.place.clone();
        roster.disks.push(RosterDisk { number, disk_id, place, is_active: true, is_leg: false });
        mark::hit(Mark::DiskJoined);
        tracing::info!(disk = at.place, number = number.0, "disk joins");
        self.add_slot(at, (number, disk_id), false);
        Ok(())
    }

    /// A disk that was replaced is there again: what it holds is verified.
    fn take_again(&self, roster: &mut Roster, at: &DiskAt, (number, disk_id): (DiskNumber, u128)) {
        self.make_room(roster, &at.place);
        let place = at.place.clone();
        let position = roster.disks.partition_point(|disk| disk.number < number);
        let disk = RosterDisk { number, disk_id, place, is_active: true, is_leg: false };
        roster.disks.insert(position, disk);
        mark::hit(Mark::ReplacedReturned);
        tracing::info!(disk = at.place, number = number.0, "a disk that was replaced is back");
        self.add_slot(at, (number, disk_id), true);
    }

    /// A disk takes the place of a lost one, which is expected no longer: one that was there, else,
    /// when every place has its disk, one that is nowhere. Never of two: that would be a smaller
    /// store, with less parity.
    fn make_room(&self, roster: &mut Roster, place: &str) {
        let is_lost = |disk: &RosterDisk| {
            let slot = self.slot(disk.number);
            !disk.is_active || slot.is_none_or(|slot| slot.state() == DiskState::Absent)
        };
        let was_there = |disk: &RosterDisk| is_lost(disk) && disk.place == place;
        let is_crowded = roster.disks.len() >= self.places.len();
        let replaced = roster.disks.iter().position(was_there);
        let lost = || roster.disks.iter().position(is_lost).filter(|_| is_crowded);
        if let Some(gone) = replaced.or_else(lost) {
            roster.disks.remove(gone);
        }
    }

    /// Parity of a node of so many disks.
    fn parity_of(&self, count: usize) -> u8 {
        self.parity.unwrap_or(parity_default(count)).min((count / 2) as u8)
    }

    /// Slots that no roster knows are given up: their disks are looked at anew.
    fn drop_unknown_slots(&self) {
        let roster = self.roster();
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|number, _| roster.disks.iter().any(|disk| disk.number == *number));
    }

    fn leave(&self, at: &DiskAt, state: DiskState, reason: &str) {
        let place = at.place.clone();
        let new = UnusedPlace { place, state, reason: reason.to_owned() };
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.contains(&new) {
            return;
        }
        tracing::error!(disk = new.place, state = state.word(), reason, "disk is not used");
        unused.retain(|known| known.place != new.place);
        unused.push(new);
    }

    /// The store that the disks belong to.
    pub fn deployment_id(&self) -> u128 {
        self.deployment_id
    }

    /// Every disk that is there, by number.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A disk that is there.
    pub fn slot(&self, number: DiskNumber) -> Option<Arc<Slot>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Places without a disk of ours.
    pub fn unused(&self) -> Vec<UnusedPlace> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest roster that counts.
    pub fn roster(&self) -> Roster {
        self.roster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the roster has a disk: one that was replaced is expected no longer.
    pub fn is_known(&self, number: DiskNumber) -> bool {
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        roster.disks.iter().any(|disk| disk.number == number)
    }

    /// Disks that hold a copy of the metadata.
    pub fn legs(&self) -> Vec<Arc<Slot>> {
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let legs = roster.disks.iter().filter(|disk| disk.is_leg);
        let current = |slot: &Arc<Slot>| !slot.is_stale.load(Ordering::Acquire);
        legs.filter_map(|disk| slots.get(&disk.number).cloned()).filter(current).collect()
    }

    /// Whether writes may be acknowledged: the roster says who holds them, and on several disks
    /// there are two copies of the metadata at least.
    pub fn is_writable(&self) -> bool {
        let leg_count = self.legs().len();
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        let needed = if roster.parity == 0 { 1 } else { 2 };
        self.writable.load(Ordering::Acquire) && leg_count >= needed
    }

    /// The start is over.
    pub fn begin_serving(&self) {
        self.serving.store(true, Ordering::Release);
    }

    /// Whether the start is over.
    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// Whether the last change of the roster came through: else too few disks are left.
    pub fn is_changeable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// The geometry that volumes have when all disks are well.
    pub fn geometry_full(&self) -> Geometry {
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        Geometry::widest(roster.disks.len(), roster.parity)
    }

    /// Rung when a disk came, went or failed.
    pub async fn wait_for_change(&self) {
        self.changed.notified().await;
    }

    /// Takes note of a failed write or sync: the disk gets no more writes (Q4).
    pub fn suspect(&self, slot: &Slot, error: &io::Error) {
        slot.count_error();
        // A full disk is not a broken one.
        if is_full(error) {
            return;
        }
        if slot.is_healthy() {
            slot.strikes.fetch_add(1, Ordering::Relaxed);
        }
        let state = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => DiskState::ReadOnly,
            _ => DiskState::Suspect,
        };
        // One that is known to fail is looked at in turn: ringing for it would never end.
        let is_news = slot.is_readable() && slot.state() != state;
        if slot.is_readable() && self.roster_len() > 1 {
            slot.set_health(state, &error.to_string());
        }
        if is_news {
            self.changed.notify_one();
        }
    }

    fn roster_len(&self) -> usize {
        self.roster.read().unwrap_or_else(PoisonError::into_inner).disks.len()
    }

    /// Disks that may get something new: healthy, and active in the newest roster (Q1).
    pub fn fit_slots(&self) -> Vec<Arc<Slot>> {
        let roster = self.roster();
        let is_active = |slot: &Arc<Slot>| {
            let number = slot.number;
            roster.disks.iter().any(|disk| disk.number == number && disk.is_active)
        };
        let slots = self.slots().into_iter();
        slots.filter(|slot| slot.is_healthy() && is_active(slot)).collect()
    }

    /// Room on those of them that tell it.
    pub async fn fit_spaces(&self) -> Vec<(Arc<Slot>, DiskSpace)> {
        let looks = self.fit_slots().into_iter().map(|slot| async move {
            let space = slot.disk.space().await.ok()?;
            slot.free.store(space.free, Ordering::Relaxed);
            Some((slot, space))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Room on every disk that is there.
    pub async fn spaces(&self) -> Vec<(Arc<Slot>, Option<DiskSpace>)> {
        let looks = self.slots().into_iter().map(|slot| async move {
            let space = slot.disk.space().await.ok();
            (slot, space)
        });
        join_all(looks).await
    }
}

fn is_leg(roster: &Roster, number: DiskNumber) -> bool {
    roster.disks.iter().any(|disk| disk.number == number && disk.is_leg)
}

fn entry(roster: &mut Roster, number: DiskNumber) -> &mut RosterDisk {
    let found = roster.disks.iter_mut().find(|disk| disk.number == number);
    found.expect("roles name disks of the roster")
}

fn warn_of_shared_devices(seen: &[Seen]) {
    let mut places: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for seen in seen {
        places.entry(seen.device.number).or_default().push(&seen.place);
    }
    for places in places.values().filter(|places| places.len() > 1) {
        let disks = places.join(", ");
        tracing::warn!(disks, "several disks lie on one device: they will fail together");
    }
}

/// Writes a file and moves it over another one: after a crash there is the old one or the new one,
/// whole.
pub(crate) async fn write_replacing(
    disk: &dyn Disk,
    new_path: &str,
    path: &str,
    bytes: impl Into<Bytes>,
) -> Result<()> {
    match disk.remove(new_path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EngineError::io("remove", new_path)(error));
        }
        _ => {}
    }
    let file = disk.create(new_path).await.map_err(EngineError::io("create", new_path))?;
    let write = file.write(0, vec![bytes.into()], Durability::Synced);
    write.await.map_err(EngineError::io("write", new_path))?;
    disk.rename(new_path, path).await.map_err(EngineError::io("rename", path))?;
    disk.sync_dir("").await.map_err(EngineError::io("sync", ""))
}
