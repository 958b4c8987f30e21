//! Manifest: the atomic list of what is live, the root of truth. Replaced as a whole by rename.
//!
//! | offset | size | field      | meaning                                           |
//! |-------:|-----:|------------|---------------------------------------------------|
//! |      0 |    8 | `magic`    | `STAVMANI`                                        |
//! |      8 |    4 | `crc`      | CRC-32 of bytes 12..                              |
//! |     12 |    4 | `version`  | [`FORMAT_VERSION`]                                |
//! |     16 |   16 | `disk_id`  | the disk that it lies on                          |
//! |     32 |    8 | `body_len` | bytes that follow                                 |
//! |     40 |  ... | body       | [`Manifest`] in the codec's layout                |
//!
//! - M1: every file that the manifest names is complete and durable before the manifest is.
//! - M2: a file that no manifest names may be deleted; one that the newest names may not.

use super::{FORMAT_VERSION, Fields, Malformed, codec, value::VolumeId};

const MAGIC: &[u8; 8] = b"STAVMANI";
const HEADER_LEN: usize = 40;
const WHAT: &str = "manifest";

/// State of one volume, as of the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct VolumeUsage {
    /// Bytes of the bodies that rows refer to.
    pub live_len: u64,
    /// Whether entries that name the volume are refused from now on.
    pub is_fenced: bool,
}

/// What is live.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Manifest {
    /// Counts the manifests of this disk.
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
    /// The volumes that rows refer to, and how much of each.
    pub volumes: Vec<(VolumeId, VolumeUsage)>,
}

impl Manifest {
    /// Encodes the manifest for its disk.
    pub fn encode(&self, disk_id: u128) -> Vec<u8> {
        let body = codec::encode(self);
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&disk_id.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes the manifest of that disk.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged, of another version or of another disk.
    pub fn decode(bytes: &[u8], disk_id: u128) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let (magic, crc) = (fields.bytes(8)?, fields.u32()?);
        if magic != MAGIC || crc != crc32fast::hash(&bytes[12..]) {
            return Err(Malformed(WHAT));
        }
        let is_ours = fields.u32()? == FORMAT_VERSION && fields.u128()? == disk_id;
        let body_len = fields.u64()?;
        if !is_ours || body_len != fields.remaining() as u64 {
            return Err(Malformed(WHAT));
        }
        codec::decode(&bytes[HEADER_LEN..], WHAT)
    }
}
