//! Manifest: the atomic list of what is live, the root of truth. Replaced as a whole by rename.
//!
//! The body of its frame (`STAVMANI`, see [`super::codec`]) is a [`Manifest`].
//!
//! - M1: every file that the manifest names is complete and durable before the manifest is.
//! - M2: a file that no manifest names may be deleted; one that the newest names may not.

use super::codec::Frame;
use super::roster::DiskNumber;
use super::{Malformed, value::VolumeId};
use crate::erasure::Geometry;

const FRAME: Frame = Frame { magic: b"STAVMANI", what: "manifest" };

/// State of one volume, as of the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct VolumeUsage {
    /// Bytes of the bodies that rows refer to.
    pub live_len: u64,
    /// Whether entries that name the volume are refused from now on.
    pub is_fenced: bool,
}

/// One member of a volume: a segment on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct MemberEntry {
    /// The disk.
    pub disk: DiskNumber,
    /// Epoch of the volume when this segment was made: part of its name and of its seal.
    pub epoch: u32,
    /// Whether records may be missing or damaged in it: it counts as lost until it is healed.
    pub is_damaged: bool,
}

/// One volume: where its members are.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct VolumeEntry {
    /// Its identity.
    pub id: VolumeId,
    /// Data and parity columns.
    pub geometry: Geometry,
    /// Grows with every change of members.
    pub epoch: u32,
    /// Bytes of each segment in use, once nothing is appended any more.
    pub sealed_len: Option<u64>,
    /// The members, data columns first.
    pub members: Vec<MemberEntry>,
}

/// What is live.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Manifest {
    /// Counts the manifests of this store.
    pub sequence: u64,
    /// Life of the journal whose batches continue the checkpoint.
    pub journal_generation: u64,
    /// Every batch up to this one is contained in the runs.
    pub checkpoint: u64,
    /// Ids of runs from here on are free.
    pub next_run_id: u64,
    /// Ids of volumes from here on are free.
    pub next_volume_id: u64,
    /// The runs, newest first.
    pub runs: Vec<u64>,
    /// The volumes that rows refer to, and how much of each, as of the checkpoint.
    pub usage: Vec<(VolumeId, VolumeUsage)>,
    /// Every volume, by id, as of now: a volume is here before anything is written into it.
    pub volumes: Vec<VolumeEntry>,
}

impl Manifest {
    /// Encodes the manifest of a store.
    pub fn encode(&self, deployment_id: u128) -> Vec<u8> {
        FRAME.encode(deployment_id, self)
    }

    /// Decodes the manifest of that store.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged, of another version or of another store.
    pub fn decode(bytes: &[u8], deployment_id: u128) -> Result<Self, Malformed> {
        let (owner, manifest) = FRAME.decode::<Self>(bytes)?;
        if owner != deployment_id {
            return Err(Malformed(FRAME.what));
        }
        let is_valid = |entry: &VolumeEntry| {
            entry.geometry.is_valid() && entry.members.len() == entry.geometry.width()
        };
        if manifest.volumes.iter().all(is_valid) {
            Ok(manifest)
        } else {
            Err(Malformed(FRAME.what))
        }
    }
}
