//! Roster: the disks of a node, which of them hold what was acknowledged last, and which hold its
//! metadata. One file on every disk, `stave.roster`, replaced as a whole by rename.
//!
//! The body of its frame (`STAVROST`, see [`super::codec`]) is the id of the disk that it lies on,
//! and a [`Roster`]: so a disk is known although its `stave.disk` is damaged or lost.
//!
//! See [`crate::disks`] for who writes it when, and who believes it.

use super::Malformed;
use super::codec::Frame;
use super::identity::Identity;

/// Disks of a node at most.
pub const DISK_COUNT_MAX: usize = 1024;

const FRAME: Frame = Frame { magic: b"STAVROST", what: "roster" };

/// A disk's number in its node: small, given once, never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct DiskNumber(pub u16);

/// What the roster knows of a disk.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct RosterDisk {
    /// Its number.
    pub number: DiskNumber,
    /// Its identity.
    pub disk_id: u128,
    /// Where it was last seen.
    pub place: String,
    /// Whether it took part in this epoch: only such disks count for the quorum.
    pub is_active: bool,
    /// Whether it holds a copy of the metadata.
    pub is_leg: bool,
}

/// The disks of a node, as of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Roster {
    /// Counts the rosters of a node; only grows.
    pub epoch: u64,
    /// Numbers of disks from here on are free.
    pub next_number: u16,
    /// Parity columns that new volumes shall have.
    pub parity: u8,
    /// The disks, by number.
    pub disks: Vec<RosterDisk>,
}

impl Roster {
    /// Encodes the copy that lies on that disk.
    pub fn encode(&self, identity: Identity) -> Vec<u8> {
        FRAME.encode(identity.deployment_id, &(identity.disk_id, self))
    }

    /// Decodes a copy, and which disk it was written to.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<(Identity, Self), Malformed> {
        let (deployment_id, (disk_id, roster)) = FRAME.decode::<(u128, Self)>(bytes)?;
        let numbers = roster.disks.iter().map(|disk| disk.number.0);
        let is_sorted = numbers.clone().zip(numbers.clone().skip(1)).all(|(a, b)| a < b);
        let is_known = is_sorted && numbers.max().is_none_or(|last| last < roster.next_number);
        let is_bounded = (1..=DISK_COUNT_MAX).contains(&roster.disks.len());
        match is_known && is_bounded {
            true => Ok((Identity { deployment_id, disk_id }, roster)),
            false => Err(Malformed(FRAME.what)),
        }
    }
}
