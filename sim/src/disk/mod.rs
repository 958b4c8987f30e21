//! The simulated disk: everything under `engine::env::Disk` that real disks do, at its worst and by
//! seed.
//!
//! A [`SimDisk`] is the medium together with its page cache; it lives outside the simulated node
//! and outlives its processes. Each process [attaches](SimDisk::attach) to it anew.
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

pub mod content;
pub mod handle;
pub mod names;

use crate::random::{Random, mix};
use content::{Content, SectorFate, Survival};
use engine::env::{Disk, DiskSpace};
use names::{Entry, Inode, Names};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of a disk whose room nobody limits.
const CAPACITY_DEFAULT: u64 = 1 << 40;
/// `EIO`: the medium failed.
const EIO: i32 = 5;
/// `ENOSPC`: no room.
const ENOSPC: i32 = 28;

/// How long operations take. Most take no virtual time; the simulator's clock knows nothing below 1
/// ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Reads and writes, of a thousand, that take time.
    pub slow_per_mille: u32,
    /// Operations on names, of a thousand, that take time.
    pub slow_name_per_mille: u32,
    /// Syncs, of a thousand, that take time.
    pub slow_sync_per_mille: u32,
    /// Longest time in milliseconds.
    pub slow_ms_max: u64,
}

/// What fails while the machine runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFaults {
    /// Reads, of a thousand, that fail with `EIO`.
    pub read_error_per_mille: u32,
    /// Writes, of a thousand, that fail with `EIO` after some of the bytes were written.
    pub write_error_per_mille: u32,
    /// Syncs, of a thousand, that fail with `EIO` and leave the pages clean but unwritten.
    pub sync_error_per_mille: u32,
    /// Bytes of the file system; writes beyond fail with `ENOSPC` after what fits was written.
    pub capacity: Option<u64>,
}

/// What happened to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Writes.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Processes that died while the power stayed.
    pub kills: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Unsynced sectors at power losses.
    pub sectors: SectorFate,
    /// Unsynced changes of directories that were lost.
    pub names_lost: u64,
    /// Operations that were made to fail.
    pub errors: u64,
}

#[derive(Default)]
struct File {
    content: Content,
    open_count: usize,
}

/// What an operation is, to decide how long it takes and how it may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Sync,
    Name,
}

struct State {
    random: Random,
    timing: Timing,
    faults: DiskFaults,
    incarnation: u64,
    /// Operations that the process still does before it dies.
    steps_left: Option<u64>,
    files: BTreeMap<Inode, File>,
    names: Names,
    next_inode: Inode,
    statistics: DiskStatistics,
}

/// A disk, as the simulator holds it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// A blank disk.
    pub fn new(random: Random, timing: Timing) -> Self {
        let state = State {
            random,
            timing,
            faults: DiskFaults::default(),
            incarnation: 0,
            steps_left: None,
            files: BTreeMap::new(),
            names: Names::default(),
            next_inode: 1,
            statistics: DiskStatistics::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The disk as a fresh process sees it. Valid until the next [`SimDisk::kill`] or
    /// [`SimDisk::lose_power`].
    pub fn attach(&self) -> Arc<dyn Disk> {
        let incarnation = self.lock().incarnation;
        Arc::new(handle::Mount { state: self.state.clone(), incarnation })
    }

    /// The process dies; its page cache stays. Call it in the same step as the kill of the node,
    /// before that.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.statistics.kills += 1;
        state.detach();
    }

    /// The process dies, as by [`SimDisk::kill`], when it has done so many more operations. Returns
    /// whether an earlier wish of this kind is still open: its process did less.
    pub fn kill_after(&self, steps: Option<u64>) -> bool {
        let mut state = self.lock();
        std::mem::replace(&mut state.steps_left, steps).is_some()
    }

    /// The power goes: the process dies and the page cache with it. Call it as [`SimDisk::kill`].
    pub fn lose_power(&self) {
        let mut state = self.lock();
        state.statistics.power_losses += 1;
        state.detach();
        state.lose_power();
    }

    /// Sets what fails from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.lock().faults = faults;
    }

    /// Flips a bit of a file, silently, in the cache and on the medium.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn rot(&self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.names.file(path)?;
        state.file(inode).content.rot(offset, bit);
        Ok(())
    }

    /// What happened so far.
    pub fn statistics(&self) -> DiskStatistics {
        self.lock().statistics
    }

    /// A hash over every path and byte that a process would see.
    pub fn digest(&self) -> u64 {
        let state = self.lock();
        let mut sum = 0;
        let mut add = |bytes: &[u8]| {
            sum = mix(sum ^ bytes.len() as u64);
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                sum = mix(sum ^ u64::from_le_bytes(word));
            }
        };
        for (path, entry) in state.names.iter() {
            add(path.as_bytes());
            if let Entry::File(inode) = entry {
                add(&state.files[&inode].content.read(0, usize::MAX));
            }
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn file(&mut self, inode: Inode) -> &mut File {
        self.files.get_mut(&inode).expect("a file that is named or open exists")
    }

    /// Counts an operation; `false` when the process dies instead.
    fn may_step(&mut self) -> bool {
        match self.steps_left {
            None => true,
            Some(0) => {
                self.steps_left = None;
                self.statistics.kills += 1;
                self.detach();
                false
            }
            Some(left) => {
                self.steps_left = Some(left - 1);
                true
            }
        }
    }

    /// Ends an incarnation: its handles are worthless, its files closed.
    fn detach(&mut self) {
        self.incarnation += 1;
        self.files.values_mut().for_each(|file| file.open_count = 0);
        self.free_files();
    }

    fn lose_power(&mut self) {
        // All or nothing are as legal as any mixture, and the simplest failures to understand.
        let kept = *self.random.pick(&[0, 0, 100, 500, 900, 1000]);
        let survival = Survival { kept_per_mille: kept, torn_per_mille: 200 };
        for file in self.files.values_mut() {
            file.content.lose_power(survival, &mut self.random, &mut self.statistics.sectors);
        }
        self.statistics.names_lost += self.names.lose_power(kept, &mut self.random);
        self.free_files();
    }

    fn free_files(&mut self) {
        let names = &self.names;
        self.files.retain(|inode, file| file.open_count > 0 || names.is_reachable(*inode));
    }

    fn delay(&mut self, operation: Operation) -> Option<Duration> {
        let slow = match operation {
            Operation::Sync => self.timing.slow_sync_per_mille,
            Operation::Read | Operation::Write => self.timing.slow_per_mille,
            Operation::Name => self.timing.slow_name_per_mille,
        };
        let is_slow = self.timing.slow_ms_max > 0 && self.random.chance(slow);
        is_slow.then(|| Duration::from_millis(self.random.skewed(self.timing.slow_ms_max)))
    }

    fn is_failing(&mut self, operation: Operation) -> bool {
        let failing = match operation {
            Operation::Read => self.faults.read_error_per_mille,
            Operation::Write => self.faults.write_error_per_mille,
            Operation::Sync => self.faults.sync_error_per_mille,
            Operation::Name => 0,
        };
        let is_failing = failing > 0 && self.random.chance(failing);
        self.statistics.errors += u64::from(is_failing);
        is_failing
    }

    fn capacity(&self) -> u64 {
        self.faults.capacity.unwrap_or(CAPACITY_DEFAULT)
    }

    fn space(&self) -> DiskSpace {
        let is_used =
            |inode: &Inode, file: &File| file.open_count > 0 || self.names.is_linked(*inode);
        let used = self.files.iter().filter(|(inode, file)| is_used(inode, file));
        let used: u64 = used.map(|(_, file)| file.content.allocated()).sum();
        let total = self.capacity();
        DiskSpace { total, free: total.saturating_sub(used) }
    }

    fn write(&mut self, inode: Inode, mut offset: u64, buffers: &[bytes::Bytes]) -> io::Result<()> {
        self.statistics.writes += 1;
        if self.is_failing(Operation::Write) {
            let first = buffers.first().cloned().unwrap_or_default();
            let part = first.slice(..self.random.index(first.len() + 1));
            self.write_one(inode, offset, &part);
            return Err(io::Error::from_raw_os_error(EIO));
        }
        for buffer in buffers {
            // Room is looked up only where somebody limits it: it costs a walk over all files.
            if self.faults.capacity.is_some() {
                let growth = self.file(inode).content.growth(offset, buffer.len());
                if growth > self.space().free {
                    self.statistics.errors += 1;
                    return Err(io::Error::from_raw_os_error(ENOSPC));
                }
            }
            self.write_one(inode, offset, buffer);
            offset += buffer.len() as u64;
        }
        Ok(())
    }

    fn write_one(&mut self, inode: Inode, offset: u64, bytes: &[u8]) {
        let file = self.files.get_mut(&inode).expect("an open file exists");
        file.content.write(offset, bytes, &mut self.random);
    }

    fn sync(&mut self, inode: Inode) -> io::Result<()> {
        self.statistics.syncs += 1;
        let is_failing = self.is_failing(Operation::Sync);
        let content = &mut self.file(inode).content;
        if is_failing {
            content.fail_sync();
            return Err(io::Error::from_raw_os_error(EIO));
        }
        content.sync();
        Ok(())
    }

    fn create(&mut self, path: &str) -> io::Result<Inode> {
        let inode = self.next_inode;
        self.names.link(path, Entry::File(inode))?;
        self.next_inode += 1;
        self.files.insert(inode, File { content: Content::default(), open_count: 1 });
        Ok(inode)
    }

    fn open(&mut self, path: &str) -> io::Result<Inode> {
        let inode = self.names.file(path)?;
        self.file(inode).open_count += 1;
        Ok(inode)
    }

    fn close(&mut self, inode: Inode) {
        let file = self.file(inode);
        assert!(file.open_count > 0, "a handle is closed once");
        file.open_count -= 1;
        self.free_files();
    }
}

#[cfg(test)]
mod disk_test;
