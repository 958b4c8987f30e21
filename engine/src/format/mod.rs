//! Every byte that the engine writes, one file per structure. All are format version 0,
//! little-endian, and refuse what they do not know; `engine/tests/golden/` holds one encoded
//! example of each.
//!
//! | module | structure | file |
//! |---|---|---|
//! | [`identity`] | whose disk this is | `stave.disk` |
//! | [`roster`] | the disks of a node | `stave.roster` |
//! | [`manifest`] | the atomic list of what is live | `manifest` |
//! | [`batch`] | one group commit of the journal | `journal/GENERATION-INDEX` |
//! | [`value`] | a row's value: write id, location, attributes | inside runs |
//! | [`run`] | a sorted run of the index | `runs/ID` |
//! | [`segment`] | first page of a member of a volume | `volumes/ID-EPOCH` |
//! | [`record`] | a member's share of a stripe, the unit of append | `volumes/ID-EPOCH` |
//!
//! - F1: nothing is parsed before its checksum holds.
//! - F2: a checksum covers where the bytes belong (file identity and offset), so that bytes in the
//!   wrong place fail it.
//! - F3: decoding never panics and never allocates more than its input implies, whatever the bytes
//!   are (fuzzed).

pub mod batch;
pub mod codec;
pub mod identity;
pub mod manifest;
pub mod record;
pub mod roster;
pub mod run;
pub mod segment;
pub mod value;

/// Version of all formats here. It may change without migration until it is 1.
pub const FORMAT_VERSION: u32 = 0;

/// Unit of writing: no write touches a page that holds synced bytes of another one.
pub const PAGE_LEN: u64 = 4096;

/// Rounds up to whole pages.
pub const fn page_align(len: u64) -> u64 {
    len.div_ceil(PAGE_LEN) * PAGE_LEN
}

/// Bytes that could not be decoded: damaged, or not ours. The caller knows file and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);

/// Reads fixed fields from a slice, failing at its end.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Malformed(self.what))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed(self.what))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }
}
