//! What a store tells of its own health: one structure that metrics, health endpoints and the
//! command line show. It is honest: what is not known is absent, what is not healed is counted.

use super::DiskSpace;

/// The health of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether reads can be served.
    pub readable: bool,
    /// Whether writes can be acknowledged.
    pub writable: bool,
    /// Room for clients: what is left once parity and reserves are taken off.
    pub space: DiskSpace,
    /// Named gauges and counters of the store's inside, for metrics: `(name, help, value)`.
    pub metrics: Vec<(&'static str, &'static str, u64)>,
    /// Disks that may still be lost before anything acknowledged suffers: the minimum over bodies
    /// and metadata. `None` when something is beyond repair just now.
    pub margin: Option<u32>,
    /// The margin that the store has once everything is healed.
    pub margin_full: u32,
    /// The geometry that new volumes get just now: data and parity columns.
    pub geometry: (u8, u8),
    /// The disks, in the order of the command line; lost ones that are still expected come last.
    pub disks: Vec<DiskStatus>,
    /// Volumes by how many more members they may lose, the least first.
    pub volumes: Vec<VolumesAtMargin>,
    /// Healing.
    pub repair: RepairStatus,
    /// Reading everything to find rot.
    pub scrub: ScrubStatus,
    /// Bytes in volumes that nothing refers to: reclaim will free them.
    pub reclaimable_len: u64,
    /// Bytes of bodies in volumes that rows refer to.
    pub live_len: u64,
    /// Bytes of all segments.
    pub segments_len: u64,
}

/// What a disk is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskState {
    /// Read and written.
    #[default]
    Healthy,
    /// Failed an operation: read where nothing better is there, not written.
    Suspect,
    /// Takes no writes (`EROFS`, or full beyond the reserve).
    ReadOnly,
    /// Not there, or another disk in its place.
    Absent,
    /// Not used: of another store, a stale copy, or with content that is not ours.
    Refused,
}

impl DiskState {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::ReadOnly => "read-only",
            Self::Absent => "absent",
            Self::Refused => "refused",
        }
    }
}

/// One disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskStatus {
    /// Where it is mounted, as the command line says; empty for one that is not there.
    pub place: String,
    /// Its identity, 32 hexadecimal digits; empty when it has none.
    pub disk_id: String,
    /// What it is worth.
    pub state: DiskState,
    /// Why it is not healthy, in words; empty when it is.
    pub reason: String,
    /// Whether it holds a copy of the metadata.
    pub is_leg: bool,
    /// Room on it.
    pub space: DiskSpace,
    /// Members of volumes that it holds.
    pub segments: u64,
    /// Operations that failed since the start.
    pub errors: u64,
    /// Reads that gave damaged bytes since the start.
    pub rot: u64,
}

/// Volumes that may lose equally many more members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumesAtMargin {
    /// Members that each may still lose; `None` for volumes with bodies that cannot be read.
    pub margin: Option<u32>,
    /// How many volumes.
    pub count: u64,
    /// Bytes of their segments.
    pub len: u64,
    /// Whether they have fewer columns than the disks would allow, or missing members.
    pub is_degraded: bool,
}

/// Healing: volumes that miss members, lowest margin first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairStatus {
    /// Volumes that wait or are being healed.
    pub volumes_left: u64,
    /// Bytes that are to be written for them.
    pub left_len: u64,
    /// Bytes that were rebuilt since the start.
    pub rebuilt_len: u64,
    /// Bytes that were read and written to rebuild them.
    pub moved_len: u64,
    /// Members that were rebuilt since the start.
    pub members_rebuilt: u64,
    /// Records that were rewritten in place since the start.
    pub records_rewritten: u64,
    /// Seconds until it is done at the present rate.
    pub eta_s: Option<u64>,
}

/// Reading everything to find rot before a client does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// Bytes of the present round that were read.
    pub read_len: u64,
    /// Bytes of the whole round.
    pub round_len: u64,
    /// Rounds that were completed since the start.
    pub rounds: u64,
    /// Records that were found damaged or missing since the start.
    pub damaged: u64,
    /// Extents of rows that no volume holds: lost bodies.
    pub missing: u64,
    /// Seconds until the round is done at the present rate.
    pub eta_s: Option<u64>,
}
