//! The simulated disk: everything under `engine::env::Disk` that real disks do, at its worst and by
//! seed.
//!
//! A [`SimDisk`] is the medium together with its page cache; it lives outside the simulated node
//! and outlives its processes. Each process [attaches](SimDisk::attach) to it anew, or to the
//! [`Place`] where it is mounted.
//!
//! ```text
//!             write            sync, or the kernel's own write-back
//!  process ----------> cache ---------------------------------------> medium
//!             kill: the cache stays            lose_power: the cache goes
//! ```
//!
//! - D1: an operation takes effect at one moment between its call and its answer, also when nobody
//!   waits for the answer any more; concurrent operations take effect in any order.
//! - D2: after [`SimDisk::kill`] or [`SimDisk::lose_power`] no operation of an older attachment has
//!   an effect or succeeds, whatever its tasks do while they are dropped.
//! - D3: what is lost is decided by the disk's own random stream, so that it depends on nothing but
//!   the seed and the order of operations.
//! - D4: a power loss takes no byte and no entry that was synced; see [`content`] and [`names`].
//! - D5: the truth stays beside every damage; see [`damage`].

pub mod content;
mod copies;
pub mod damage;
mod effects;
pub mod fault;
pub mod handle;
pub mod machine;
pub mod names;
pub mod operation;
pub mod page;
pub mod place;
mod state;

pub use fault::{DiskFaults, Fault, FaultCounts, Timing};
pub use machine::Machine;
pub use operation::Manner;
pub use place::Place;
pub use state::DiskStatistics;

use crate::random::{Random, mix};
use bytes::Bytes;
use engine::env::Disk;
use names::{Entry, Inode, Names};
use page::Survival;
use serde::{Deserialize, Serialize};
use state::{File, State};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a disk whose room nobody limits.
const CAPACITY_DEFAULT: u64 = 1 << 40;
/// `EIO`: the medium failed.
const EIO: i32 = 5;
/// `ENODEV`: the disk was pulled.
const ENODEV: i32 = 19;
/// `ENOSPC`: no room.
const ENOSPC: i32 = 28;
/// `EMFILE`: the process has too many files open.
const EMFILE: i32 = 24;
/// `EROFS`: the file system takes no writes.
const EROFS: i32 = 30;

/// A power loss that was planned: what is left of the operations that no sync covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerLoss {
    /// By the disk's random stream.
    Drawn,
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Everything but one, drawn.
    OneDropped,
    /// Everything, the last one in part.
    LastTorn,
    /// The last one and not the one before it.
    Reordered,
}

/// What a disk held at one moment, the unsynced included.
#[derive(Clone)]
pub struct Image {
    files: BTreeMap<Inode, File>,
    names: Names,
}

/// A disk, as the simulator holds it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// A blank disk in a machine of its own, whose operations are tasks.
    pub fn new(random: Random, timing: Timing) -> Self {
        Self::on(&Machine::default(), random, timing, Manner::Task)
    }

    /// A blank disk for a machine.
    pub fn on(machine: &Machine, random: Random, timing: Timing, manner: Manner) -> Self {
        let state = State::new(machine.clone(), random, timing, manner);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The disk as a fresh process sees it. Valid until the next [`SimDisk::kill`] or
    /// [`SimDisk::lose_power`].
    pub fn attach(&self) -> Arc<dyn Disk> {
        let place = Place::new(&self.lock().machine);
        place.mount(Some(self));
        place.attach()
    }

    /// Draws from another stream from now on.
    pub fn reseed(&self, random: Random) {
        self.lock().random = random;
    }

    /// The process dies; its page cache stays. Call it in the same step as the kill of the node,
    /// before that.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.statistics.kills += 1;
        state.machine.kill();
        state.settle();
    }

    /// The process dies, as by [`SimDisk::kill`], when it has done so many more operations. Returns
    /// whether an earlier wish of this kind is still open: its process did less.
    pub fn kill_after(&self, steps: Option<u64>) -> bool {
        self.lock().machine.kill_after(steps)
    }

    /// The power goes: the process dies and the page cache with it. Call it as [`SimDisk::kill`].
    pub fn lose_power(&self) {
        self.lose_power_as(PowerLoss::Drawn);
    }

    /// The power goes, as by [`SimDisk::lose_power`], and takes what is said here.
    pub fn lose_power_as(&self, loss: PowerLoss) {
        let mut state = self.lock();
        state.statistics.power_losses += 1;
        state.machine.kill();
        state.settle();
        let survival = plan(&mut state, loss);
        state.lose_power(survival);
    }

    /// Sets what fails from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.lock().faults = faults;
    }

    /// What fails now.
    pub fn faults(&self) -> DiskFaults {
        self.lock().faults
    }

    /// Sets how long operations take from now on.
    pub fn set_timing(&self, timing: Timing) {
        self.lock().timing = timing;
    }

    /// What happened so far.
    pub fn statistics(&self) -> DiskStatistics {
        self.lock().statistics
    }

    /// Faults so far.
    pub fn counts(&self) -> FaultCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.settle();
        state
    }
}

/// Faults of the medium.
impl SimDisk {
    /// Flips a bit of a file, silently, in the cache and on the medium.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn rot(&self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        self.rot_as(Fault::BitRot, path, offset, bit)
    }

    /// As [`SimDisk::rot`], on several disks alike: whoever calls does the same to the others.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn rot_alike(&self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        self.rot_as(Fault::Correlated, path, offset, bit)
    }

    fn rot_as(&self, fault: Fault, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.names.file(path)?;
        if state.file(inode).content.rot(offset, bit, fault) {
            state.counts.inject(fault);
        }
        Ok(())
    }

    /// Makes the sector at that place unreadable until it is written anew.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn spoil(&self, path: &str, offset: u64) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.names.file(path)?;
        if state.file(inode).content.spoil(offset) {
            state.counts.inject(Fault::LatentSector);
        }
        Ok(())
    }

    /// A file loses its name for ever, without having been removed.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn vanish(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.names.file(path)?;
        state.names.vanish(path);
        state.arm(Fault::Vanished);
        Ok(())
    }

    /// A drawn place in a drawn file whose path begins so.
    pub fn draw_place(&self, prefix: &str) -> Option<(String, u64)> {
        let mut state = self.lock();
        let mut files = Vec::new();
        for (path, entry) in state.names.iter() {
            if let Entry::File(inode) = entry
                && path.starts_with(prefix)
                && !state.files[&inode].content.is_empty()
            {
                files.push((path.to_owned(), state.files[&inode].content.len()));
            }
        }
        if files.is_empty() {
            return None;
        }
        let (path, len) = state.random.pick(&files).clone();
        let offset = state.random.below(len);
        Some((path, offset))
    }

    /// The next sync that has something to write does this wrong: a lost or misdirected write, or
    /// an error.
    ///
    /// With a prefix, the next sync of a file whose path begins so.
    pub fn plan_sync(&self, fault: Option<Fault>, prefix: Option<&'static str>) {
        let mut state = self.lock();
        (state.next_sync, state.next_sync_prefix) = (fault, prefix);
    }

    /// Whether a fault that was planned did not come yet.
    pub fn is_sync_planned(&self) -> bool {
        self.lock().next_sync.is_some()
    }

    /// Every operation fails from now on, or no more.
    pub fn set_lost(&self, is_lost: bool) {
        let mut state = self.lock();
        if is_lost && !state.is_lost {
            state.arm(Fault::DiskLoss);
        }
        state.is_lost = is_lost;
    }

    /// The file system takes no more writes, or does again.
    pub fn set_read_only(&self, is_read_only: bool) {
        let mut state = self.lock();
        if is_read_only && !state.is_read_only {
            state.arm(Fault::ReadOnly);
        }
        state.is_read_only = is_read_only;
    }

    /// This is not a disk but a directory of the system's own.
    pub fn set_root(&self) {
        self.lock().is_root = true;
    }

    /// A fault of the whole disk was made by whoever mounts it; its next operation meets it.
    pub fn arm(&self, fault: Fault) {
        self.lock().arm(fault);
    }

    /// What the disk holds.
    pub fn image(&self) -> Image {
        let state = self.lock();
        Image { files: state.files.clone(), names: state.names.clone() }
    }

    /// The disk holds what it held then. Its process is dead or is pulled from it.
    pub fn restore(&self, image: &Image) {
        let mut state = self.lock();
        state.detach();
        state.files = image.files.clone();
        state.names = image.names.clone();
        state.files.values_mut().for_each(|file| file.open_count = 0);
        // The image may be of another disk, which was here before.
        let last = image.files.keys().next_back().copied().unwrap_or_default();
        state.next_inode = state.next_inode.max(last + 1);
    }

    /// All that was on the disk is gone: it is as new.
    pub fn wipe(&self) {
        self.restore(&Image { files: BTreeMap::new(), names: Names::default() });
    }
}

/// What an oracle sees.
impl SimDisk {
    /// Whether a file is missing or does not hold what it should.
    pub fn is_damaged(&self, path: &str) -> bool {
        let mut state = self.lock();
        match state.names.file(path) {
            Ok(inode) => state.file(inode).content.damaged_count() > 0,
            Err(_) => true,
        }
    }

    /// Sectors of files with a name that do not hold what they should.
    pub fn damaged_count(&self) -> usize {
        let state = self.lock();
        let contents = state.names.iter().filter_map(|(_, entry)| match entry {
            Entry::File(inode) => state.files.get(&inode),
            Entry::Directory => None,
        });
        contents.map(|file| file.content.damaged_count()).sum()
    }

    /// Files whose path begins so, with their sizes.
    pub fn files(&self, prefix: &str) -> BTreeMap<String, u64> {
        let state = self.lock();
        let mut files = BTreeMap::new();
        for (path, entry) in state.names.iter().filter(|(path, _)| path.starts_with(prefix)) {
            if let Entry::File(inode) = entry {
                files.insert(path.to_owned(), state.files[&inode].content.len());
            }
        }
        files
    }

    /// A file's bytes as the cache shows them, damage and all.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn content(&self, path: &str) -> io::Result<Bytes> {
        let mut state = self.lock();
        let inode = state.names.file(path)?;
        Ok(state.file(inode).content.read(0, usize::MAX))
    }

    /// Operations whose effects are not synced.
    pub fn unsynced_count(&self) -> usize {
        self.lock().stamps().len()
    }

    /// Whether nothing at all has a name.
    pub fn is_blank(&self) -> bool {
        self.lock().names.is_empty()
    }

    /// Handles that the process holds.
    pub fn open_count(&self) -> usize {
        self.lock().files.values().map(|file| file.open_count).sum()
    }

    /// Bytes that files take, also those that are open and have no name.
    pub fn used(&self) -> u64 {
        let space = self.lock().space();
        space.total - space.free
    }

    /// A hash over every path and byte that a process would see.
    pub fn digest(&self) -> u64 {
        let state = self.lock();
        let mut sum = 0;
        for (path, entry) in state.names.iter() {
            sum = fold(sum, path.as_bytes());
            if let Entry::File(inode) = entry {
                sum = fold(sum, &state.files[&inode].content.read(0, usize::MAX));
            }
        }
        sum
    }
}

fn fold(sum: u64, bytes: &[u8]) -> u64 {
    let mut sum = mix(sum ^ bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = mix(sum ^ u64::from_le_bytes(word));
    }
    sum
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plan(state: &mut State, loss: PowerLoss) -> Survival {
    let exact = |is_kept, lost, torn| Survival::Exact { is_kept, lost, torn };
    let stamps: Vec<u64> = match loss {
        PowerLoss::Drawn => return state.draw_survival(),
        PowerLoss::Nothing => return exact(false, None, None),
        PowerLoss::Everything => return exact(true, None, None),
        PowerLoss::OneDropped | PowerLoss::LastTorn | PowerLoss::Reordered => {
            state.stamps().into_iter().collect()
        }
    };
    if stamps.is_empty() {
        return exact(true, None, None);
    }
    match loss {
        PowerLoss::LastTorn => exact(true, None, stamps.last().copied()),
        PowerLoss::Reordered => exact(true, stamps.iter().rev().nth(1).copied(), None),
        _ => exact(true, Some(*state.random.pick(&stamps)), None),
    }
}

#[cfg(test)]
mod disk_test;
#[cfg(test)]
#[cfg(not(madsim))]
mod fault_test;
