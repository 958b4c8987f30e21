//! What can go wrong, with a disk most of all, by the numbers of the fault catalogue, and how often
//! it did.
//!
//! A fault is counted twice: when it is *injected*, and when it is *effective*, which is when an
//! operation of the store really met it: the rotten sector was read, the lost write was missed.
//!
//! Two numbers have no fault of their own here. D12, short reads and writes, ends below the trait
//! `DiskFile`, whose operations are whole or fail. D24, misaligned direct I/O and its incoherence
//! with the page cache, needs direct I/O, which the store does not use.

use serde::{Deserialize, Serialize};

/// One class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Fault {
    /// Unsynced sectors that a power loss took.
    LostUnsynced = 1,
    /// Unsynced sectors that a power loss left half written.
    TornWrite = 2,
    /// A write that never reached the medium although the sync said so.
    LostWrite = 3,
    /// A write that reached another place; its own place keeps what it had.
    MisdirectedWrite = 4,
    /// A read that gave another place's bytes.
    MisdirectedRead = 5,
    /// A sector that cannot be read until it is written anew.
    LatentSector = 6,
    /// A flipped bit.
    BitRot = 7,
    /// An error that comes once.
    TransientError = 8,
    /// A failed sync: its pages are clean and were never written.
    SyncError = 9,
    /// A sync that said nothing although an earlier failure kept its pages from the medium.
    SyncErrorUntold = 10,
    /// No room.
    NoSpace = 11,
    /// An operation that took long.
    Slow = 13,
    /// The whole disk fails, at once or more and more.
    DiskLoss = 14,
    /// A blank disk in the place of the old one.
    Blank = 15,
    /// Another disk of the same store in the place.
    Swapped = 16,
    /// A disk that was away while the others went on.
    Stale = 17,
    /// A disk that shows an earlier image of itself.
    RolledBack = 18,
    /// The file system takes no more writes.
    ReadOnly = 19,
    /// The mount is missing: the place shows the empty directory below.
    AbsentMount = 20,
    /// Unsynced changes of directories that a power loss took.
    LostName = 21,
    /// A size that outlived its bytes, or was lost.
    LostSize = 22,
    /// A file that is gone, or a listing that misses it.
    Vanished = 23,
    /// The same fault on several disks at once.
    Correlated = 25,
    /// The process stood still.
    Paused = 35,
    /// The wall clock jumped, or goes at another rate.
    ClockOff = 36,
    /// The process may open no more files.
    NoHandles = 39,
    /// A packet was lost and sent again.
    PacketLost = 65,
    /// A packet took its time.
    Delayed = 68,
    /// Nothing passed in one direction for a while.
    Clogged = 69,
    /// Nothing passed any more, and nobody was told.
    Severed = 71,
    /// A bit of a request was another one.
    Corrupted = 72,
    /// A connection broke in the middle.
    Reset = 73,
    /// A peer that sends or reads a few thousand bytes a second.
    SlowPeer = 74,
    /// An answer that got lost after the store gave it.
    AnswerLost = 75,
    /// A connection was refused.
    Refused = 76,
}

/// Numbers of the catalogue: disks from 0, nodes (N) from 32 on, connections (W) from 64 on.
pub const FAULT_NUMBERS: usize = 80;

impl Fault {
    /// Every class with the name that reports show.
    pub const ALL: [(Self, &'static str); 35] = [
        (Self::LostUnsynced, "D1 lost unsynced"),
        (Self::TornWrite, "D2 torn write"),
        (Self::LostWrite, "D3 lost write"),
        (Self::MisdirectedWrite, "D4 misdirected write"),
        (Self::MisdirectedRead, "D5 misdirected read"),
        (Self::LatentSector, "D6 latent sector"),
        (Self::BitRot, "D7 bit rot"),
        (Self::TransientError, "D8 transient error"),
        (Self::SyncError, "D9 sync error"),
        (Self::SyncErrorUntold, "D10 untold sync error"),
        (Self::NoSpace, "D11 no space"),
        (Self::Slow, "D13 slow"),
        (Self::DiskLoss, "D14 disk loss"),
        (Self::Blank, "D15 blank"),
        (Self::Swapped, "D16 swapped"),
        (Self::Stale, "D17 stale"),
        (Self::RolledBack, "D18 rolled back"),
        (Self::ReadOnly, "D19 read-only"),
        (Self::AbsentMount, "D20 absent mount"),
        (Self::LostName, "D21 lost name"),
        (Self::LostSize, "D22 lost size"),
        (Self::Vanished, "D23 vanished"),
        (Self::Correlated, "D25 correlated"),
        (Self::Paused, "N3 pause"),
        (Self::ClockOff, "N4 clock"),
        (Self::NoHandles, "N7 no handles"),
        (Self::PacketLost, "W1 packet lost"),
        (Self::Delayed, "W4 delay"),
        (Self::Clogged, "W5 clog"),
        (Self::Severed, "W7 severed"),
        (Self::Corrupted, "W8 corrupt"),
        (Self::Reset, "W9 reset"),
        (Self::SlowPeer, "W10 slow peer"),
        (Self::AnswerLost, "W11 answer lost"),
        (Self::Refused, "W12 refused"),
    ];
}

/// How often each class was injected and effective, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts {
    /// Faults that were made.
    pub injected: [u64; FAULT_NUMBERS],
    /// Faults that an operation met.
    pub effective: [u64; FAULT_NUMBERS],
}

impl Default for FaultCounts {
    fn default() -> Self {
        Self { injected: [0; FAULT_NUMBERS], effective: [0; FAULT_NUMBERS] }
    }
}

impl FaultCounts {
    /// A fault was made.
    pub fn inject(&mut self, fault: Fault) {
        self.injected[fault as usize] += 1;
    }

    /// An operation met a fault.
    pub fn meet(&mut self, fault: Fault) {
        self.effective[fault as usize] += 1;
    }

    /// A fault was made that an operation met at once.
    pub fn strike(&mut self, fault: Fault) {
        self.inject(fault);
        self.meet(fault);
    }

    /// Adds another disk's counts.
    pub fn add(&mut self, other: &Self) {
        for number in 0..FAULT_NUMBERS {
            self.injected[number] += other.injected[number];
            self.effective[number] += other.effective[number];
        }
    }

    /// Faults that were met, of all classes.
    pub fn effective_total(&self) -> u64 {
        self.effective.iter().sum()
    }
}

/// How long operations take. Most take no virtual time; the simulator's clock knows nothing below 1
/// ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Reads and writes, of a thousand, that take time.
    pub slow_per_mille: u32,
    /// Operations on names, of a thousand, that take time.
    pub slow_name_per_mille: u32,
    /// Syncs, of a thousand, that take time.
    pub slow_sync_per_mille: u32,
    /// Longest time in milliseconds.
    pub slow_ms_max: u64,
    /// Operations that are slow one after the other, once one is: 0 or 1 for none beyond it.
    pub burst_len: u32,
}

/// What fails while the machine runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFaults {
    /// Reads, of a thousand, that fail with `EIO`.
    pub read_error_per_mille: u32,
    /// Reads, of a thousand, that give the bytes of another place.
    pub read_elsewhere_per_mille: u32,
    /// Writes, of a thousand, that fail with `EIO` after some of the bytes were written.
    pub write_error_per_mille: u32,
    /// Syncs, of a thousand, that fail with `EIO` and leave the pages clean but unwritten.
    pub sync_error_per_mille: u32,
    /// Whether a failed sync brings the old bytes back at once, as btrfs does; ext4 shows the new
    /// ones until they are evicted.
    pub is_reverted: bool,
    /// Writes, of a thousand, before which the kernel's own write-back failed: whoever has the file
    /// open hears of it at the next sync, who opens it later never does.
    pub write_back_error_per_mille: u32,
    /// Syncs, of a thousand, that say yes although something did not reach the medium.
    pub lost_write_per_mille: u32,
    /// Syncs, of a thousand, after which something lies at a wrong place.
    pub misdirected_write_per_mille: u32,
    /// Listings, of a thousand, that miss an entry.
    pub unlisted_per_mille: u32,
    /// Reads, of a thousand, that find a sector which cannot be read any more; grows with every
    /// one by a tenth: a disk that dies slowly.
    pub dying_per_mille: u32,
    /// Bytes of the file system; writes beyond fail with `ENOSPC` after what fits was written.
    pub capacity: Option<u64>,
}

impl DiskFaults {
    /// Whether anything but the room is out of order.
    pub fn is_wild(&self) -> bool {
        let rates = [
            self.read_error_per_mille,
            self.read_elsewhere_per_mille,
            self.write_error_per_mille,
            self.sync_error_per_mille,
            self.write_back_error_per_mille,
            self.lost_write_per_mille,
            self.misdirected_write_per_mille,
            self.unlisted_per_mille,
            self.dying_per_mille,
        ];
        rates.iter().any(|rate| *rate > 0)
    }
}
