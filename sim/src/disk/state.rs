//! What a simulated disk is made of, and what each operation does to it.

use super::content::Content;
use super::fault::{DiskFaults, Fault, FaultCounts, Timing};
use super::machine::Machine;
use super::names::{Inode, Names};
use super::operation::{Delay, Manner};
use super::page::{SectorFate, Survival};
use super::{CAPACITY_DEFAULT, EIO, EMFILE, EROFS};
use crate::random::Random;
use engine::env::{Device, DiskSpace};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// Turns that an operation inside its caller takes at most.
pub(super) const TURNS_MAX: u64 = 4;

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
    /// Looks at the room that is left.
    pub room_looks: u64,
}

#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) content: Content,
    pub(super) open_count: usize,
    /// Failed write-backs, each told once to everybody who had the file open.
    pub(super) failures: u64,
}

/// What an operation is, to decide how long it takes and how it may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Sync,
    /// Looks at names.
    Look,
    /// Changes names.
    Name,
}

pub(super) struct State {
    pub(super) random: Random,
    pub(super) machine: Machine,
    pub(super) manner: Manner,
    pub(super) timing: Timing,
    pub(super) faults: DiskFaults,
    /// Handles of an older incarnation are worthless: their process died, or the disk was pulled.
    pub(super) incarnation: u64,
    /// The machine's incarnation that this one belongs to.
    pub(super) process: u64,
    pub(super) files: BTreeMap<Inode, File>,
    pub(super) names: Names,
    pub(super) next_inode: Inode,
    /// Files that lost a name and may have to go.
    pub(super) unlinked: Vec<Inode>,
    /// Number of the operation that runs.
    pub(super) stamp: u64,
    burst_left: u32,
    pub(super) is_lost: bool,
    pub(super) is_read_only: bool,
    pub(super) is_root: bool,
    pub(super) device_number: u64,
    /// Faults of the whole disk that no operation met yet, by bit.
    pub(super) armed: u32,
    /// What the next sync is to do wrong.
    pub(super) next_sync: Option<Fault>,
    /// Only in files whose path begins so.
    pub(super) next_sync_prefix: Option<&'static str>,
    pub(super) statistics: DiskStatistics,
    pub(super) counts: FaultCounts,
}

pub(super) fn io_error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl State {
    pub(super) fn new(machine: Machine, random: Random, timing: Timing, manner: Manner) -> Self {
        Self {
            device_number: machine.next_device(),
            random,
            process: machine.incarnation(),
            machine,
            manner,
            timing,
            faults: DiskFaults::default(),
            incarnation: 0,
            files: BTreeMap::new(),
            names: Names::default(),
            next_inode: 1,
            unlinked: Vec::new(),
            stamp: 0,
            burst_left: 0,
            is_lost: false,
            is_read_only: false,
            is_root: false,
            armed: 0,
            next_sync: None,
            next_sync_prefix: None,
            statistics: DiskStatistics::default(),
            counts: FaultCounts::default(),
        }
    }

    pub(super) fn file(&mut self, inode: Inode) -> &mut File {
        self.files.get_mut(&inode).expect("a file that is named or open exists")
    }

    /// Notices that the process died.
    pub(super) fn settle(&mut self) {
        if self.process != self.machine.incarnation() {
            self.detach();
        }
    }

    /// Ends an incarnation: its handles are worthless, its files closed.
    pub(super) fn detach(&mut self) {
        self.process = self.machine.incarnation();
        self.incarnation += 1;
        for (inode, file) in &mut self.files {
            if std::mem::take(&mut file.open_count) > 0 {
                self.unlinked.push(*inode);
            }
        }
        self.free_closed();
    }

    /// Removes files that nobody can reach, and forgets about those that have a name.
    fn free_closed(&mut self) {
        self.free_files();
        self.unlinked.retain(|inode| !self.names.is_linked(*inode));
    }

    /// Something is to be opened: the process may have too many files open.
    pub(super) fn need_handle(&mut self) -> io::Result<()> {
        if self.machine.has_handle() {
            return Ok(());
        }
        self.counts.strike(Fault::NoHandles);
        self.statistics.errors += 1;
        Err(io_error(EMFILE))
    }

    /// An operation begins: the process may die instead, the disk may refuse.
    pub(super) fn begin(&mut self, operation: Operation) -> io::Result<()> {
        if !self.machine.may_step() {
            self.statistics.kills += 1;
            self.settle();
            return Err(super::handle::dead());
        }
        self.stamp += 1;
        self.names.set_stamp(self.stamp);
        if self.armed != 0 && matches!(operation, Operation::Look | Operation::Name) {
            use Fault::{AbsentMount, Blank, RolledBack, Stale, Swapped};
            for fault in [Blank, Swapped, Stale, RolledBack, AbsentMount] {
                self.meet(fault);
            }
        }
        if self.is_lost {
            self.meet(Fault::DiskLoss);
            self.statistics.errors += 1;
            return Err(io_error(EIO));
        }
        if self.is_read_only && matches!(operation, Operation::Write | Operation::Name) {
            self.meet(Fault::ReadOnly);
            self.statistics.errors += 1;
            return Err(io_error(EROFS));
        }
        Ok(())
    }

    /// For whoever watches the machine.
    pub(super) fn note(&self, what: &str, path: &str, error: Option<&io::Error>) {
        let disk = self.device_number;
        self.machine.note(|| match error {
            None => format!("disk {disk} {what} {path}"),
            Some(error) => format!("disk {disk} {what} {path}: {error}"),
        });
    }

    /// A fault of the whole disk was made; counted as met once.
    pub(super) fn arm(&mut self, fault: Fault) {
        self.counts.inject(fault);
        self.armed |= 1 << fault as u32;
    }

    pub(super) fn meet(&mut self, fault: Fault) {
        let bit = 1 << fault as u32;
        if self.armed & bit != 0 {
            self.armed &= !bit;
            self.counts.meet(fault);
        }
    }

    pub(super) fn lose_power(&mut self, survival: Survival) {
        let before = self.statistics.sectors;
        for file in self.files.values_mut() {
            if file.content.is_unsynced() {
                file.content.lose_power(survival, &mut self.random, &mut self.statistics.sectors);
            }
        }
        let names_lost = self.names.lose_power(survival, &mut self.random);
        self.statistics.names_lost += names_lost;
        self.unlinked = self.files.keys().copied().collect();
        self.free_closed();
        let after = self.statistics.sectors;
        let met = [
            (Fault::LostUnsynced, after.lost - before.lost),
            (Fault::TornWrite, after.torn - before.torn),
            (Fault::LostSize, after.sizes - before.sizes),
            (Fault::LostName, names_lost),
        ];
        for (fault, count) in met {
            self.counts.injected[fault as usize] += count;
            self.counts.effective[fault as usize] += count;
        }
    }

    /// How hard a power loss hits that nobody planned.
    pub(super) fn draw_survival(&mut self) -> Survival {
        // All or nothing are as legal as any mixture, and the simplest failures to understand.
        let kept_per_mille = *self.random.pick(&[0, 0, 100, 500, 900, 1000]);
        Survival::Drawn { kept_per_mille, torn_per_mille: 200 }
    }

    /// Numbers of the operations whose effects are not synced.
    pub(super) fn stamps(&self) -> BTreeSet<u64> {
        let mut stamps = BTreeSet::new();
        self.files.values().for_each(|file| file.content.stamps(&mut stamps));
        self.names.stamps(&mut stamps);
        stamps
    }

    /// Removes files that nobody can reach any more.
    pub(super) fn free_files(&mut self) {
        let (names, files) = (&self.names, &mut self.files);
        self.unlinked.retain(|inode| {
            let Some(file) = files.get(inode) else { return false };
            let stays = file.open_count > 0 || names.is_reachable(*inode);
            if !stays {
                files.remove(inode);
            }
            stays
        });
    }

    pub(super) fn delay(&mut self, operation: Operation) -> Delay {
        let turns = match self.manner {
            Manner::Inline { yield_per_mille } if self.random.chance(yield_per_mille) => {
                1 + self.random.below(TURNS_MAX) as u32
            }
            Manner::Inline { .. } | Manner::Task => 0,
        };
        Delay { turns, time: self.slowness(operation) }
    }

    fn slowness(&mut self, operation: Operation) -> Option<Duration> {
        if self.timing.slow_ms_max == 0 {
            return None;
        }
        let slow = match operation {
            Operation::Sync => self.timing.slow_sync_per_mille,
            Operation::Read | Operation::Write => self.timing.slow_per_mille,
            Operation::Look | Operation::Name => self.timing.slow_name_per_mille,
        };
        let is_slow = self.random.chance(slow) || self.burst_left > 0;
        if !is_slow {
            return None;
        }
        self.burst_left = match self.burst_left {
            0 => self.timing.burst_len.saturating_sub(1),
            left => left - 1,
        };
        self.counts.strike(Fault::Slow);
        Some(Duration::from_millis(self.random.skewed(self.timing.slow_ms_max)))
    }

    /// True so often, without a draw where it never is.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.chance(per_mille)
    }

    pub(super) fn fail(&mut self, fault: Fault, code: i32) -> io::Error {
        self.statistics.errors += 1;
        self.counts.strike(fault);
        io_error(code)
    }

    /// Every disk is a device of its own; the system has number 0.
    pub(super) fn device(&self) -> Device {
        let number = if self.is_root { 0 } else { self.device_number };
        Device { number, is_root: self.is_root }
    }

    pub(super) fn space(&self) -> DiskSpace {
        let is_used =
            |inode: &Inode, file: &File| file.open_count > 0 || self.names.is_linked(*inode);
        let used = self.files.iter().filter(|(inode, file)| is_used(inode, file));
        let used: u64 = used.map(|(_, file)| file.content.allocated()).sum();
        let total = self.faults.capacity.unwrap_or(CAPACITY_DEFAULT);
        DiskSpace { total, free: total.saturating_sub(used) }
    }
}
