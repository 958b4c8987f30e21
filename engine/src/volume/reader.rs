//! Reading from volumes: verified ranges of extents, from the members that hold them or from the
//! others.
//!
//! ```text
//! range of an extent --> pieces of columns --> read sub-blocks, verify --> join
//!                                                | fails, rots, is slow
//!                                                v
//!                                    rebuild the piece from k other members; note the damage
//! ```

use super::{Volume, VolumeSet};
use crate::error::{EngineError, Result};
use crate::format::record::{self, SUB_BLOCK_LEN, cut_len, header_len};
use crate::format::value::Extent;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

/// A read that takes longer is raced by the other members.
const HEDGE_AFTER: Duration = Duration::from_millis(150);

/// A range of one column's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which column.
    pub(super) column: usize,
    /// Bytes of its whole payload.
    pub(super) payload_len: usize,
    /// The range.
    pub(super) range: Range<usize>,
}

/// Cuts a range of a stripe's payload, as extents name it, into pieces of columns.
fn pieces(extent: &Extent, range: Range<usize>, data_count: usize) -> Vec<Piece> {
    let payload_len = extent.payload_len as usize;
    if let Some(column) = extent.column {
        return vec![Piece { column: column.into(), payload_len, range }];
    }
    let piece_len = cut_len(payload_len, data_count).max(1);
    let mut pieces = Vec::new();
    let mut position = range.start;
    while position < range.end {
        let column = position / piece_len;
        let start = column * piece_len;
        let end = range.end.min(start + piece_len);
        let column_len = piece_len.min(payload_len - start);
        pieces.push(Piece {
            column,
            payload_len: column_len,
            range: position - start..end - start,
        });
        position = end;
    }
    pieces
}

impl VolumeSet {
    /// Reads a range of an extent, every byte verified; a whole extent is checked against the
    /// index's hash, too.
    ///
    /// # Errors
    /// [`EngineError::VolumeGone`] when the extent was relocated: look the row up again.
    /// [`EngineError::Corrupt`].
    pub async fn read(&self, extent: &Extent, range: Range<u32>) -> Result<Vec<Bytes>> {
        self.get(extent.volume)?.read(extent, range).await
    }
}

impl Volume {
    /// Reads a range of an extent of this volume, every byte verified.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when too few members have it intact; I/O errors.
    pub async fn read(&self, extent: &Extent, range: Range<u32>) -> Result<Vec<Bytes>> {
        assert!(range.start <= range.end && range.end <= extent.len, "within the extent");
        let is_whole = range.start == 0 && range.end == extent.len;
        let range = (extent.start + range.start) as usize..(extent.start + range.end) as usize;
        let pieces = pieces(extent, range, self.geometry.data_count());
        if pieces.iter().any(|piece| piece.column >= self.geometry.data_count()) {
            return Err(EngineError::corrupt("extent", &self.what(), extent.offset));
        }
        let bytes = match &pieces[..] {
            [only] => self.read_piece(extent.offset, only).await?,
            several => {
                let reads = several.iter().map(|piece| self.read_piece(extent.offset, piece));
                let parts = join_all(reads).await.into_iter().collect::<Result<Vec<_>>>()?;
                parts.into_iter().flatten().collect()
            }
        };
        let is_trusted = mutant::is(Mutant::ServeUnverified);
        if is_whole && !is_trusted && hash(&bytes) != extent.crc64 {
            return self.read_against_hash(extent, &pieces).await;
        }
        Ok(bytes)
    }

    /// Reads one piece from its member, or from the others.
    async fn read_piece(&self, offset: u64, piece: &Piece) -> Result<Vec<Bytes>> {
        if self.geometry.parity == 0 {
            return self.read_direct(offset, piece).await;
        }
        if self.member(piece.column).slot(&self.shared.disks).is_none() {
            return self.rebuild_piece(offset, piece).await;
        }
        let mut direct = pin!(self.read_direct(offset, piece));
        let hedge = pin!(tokio::time::sleep(HEDGE_AFTER));
        let first = match select(&mut direct, hedge).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        };
        match first {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => {
                let (volume, column) = (self.id.0, piece.column);
                tracing::warn!(%error, volume, column, "read from others");
                let rebuilt = self.rebuild_piece(offset, piece).await.map_err(|_| error)?;
                self.note_damage(offset, piece.column);
                mark::hit(Mark::Reconstructed);
                Ok(rebuilt)
            }
            None => {
                let rebuilt = pin!(self.rebuild_piece(offset, piece));
                match select(direct, rebuilt).await {
                    Either::Left((Ok(bytes), _)) | Either::Right((Ok(bytes), _)) => Ok(bytes),
                    Either::Left((Err(_), other)) => other.await,
                    Either::Right((Err(_), direct)) => direct.await,
                }
            }
        }
    }

    /// Reads one piece from its own member.
    pub(super) async fn read_direct(&self, offset: u64, piece: &Piece) -> Result<Vec<Bytes>> {
        let member = self.member(piece.column);
        let (slot, file) = member.file(&self.shared.disks, &self.shared.open_files).await?;
        let data_offset = offset + header_len(self.geometry.data_count()) as u64;
        let blocks = record::covering(piece.payload_len, &piece.range);
        let start = data_offset + blocks.start;
        let read = file.read(start, (blocks.end - blocks.start) as usize).await;
        let bytes = read.map_err(|error| {
            slot.count_error();
            EngineError::io("read", &member.path())(error)
        })?;
        let range = piece.range.clone();
        record::decode_range(&member.seal, data_offset, piece.payload_len, range, &bytes).map_err(
            |_| {
                slot.count_rot();
                EngineError::corrupt("body", &member.path(), start)
            },
        )
    }

    /// Every sub-block verified and the whole is wrong: some member holds what was there before.
    /// Whichever it is, without it the hash is right.
    async fn read_against_hash(&self, extent: &Extent, pieces: &[Piece]) -> Result<Vec<Bytes>> {
        let corrupt = || EngineError::corrupt("body", &self.what(), extent.offset);
        if self.geometry.parity == 0 {
            return Err(corrupt());
        }
        for suspect in pieces {
            let mut parts = Vec::with_capacity(pieces.len());
            for piece in pieces {
                parts.extend(match piece == suspect {
                    true => self.rebuild_piece(extent.offset, piece).await?,
                    false => self.read_piece(extent.offset, piece).await?,
                });
            }
            if hash(&parts) == extent.crc64 {
                self.note_damage(extent.offset, suspect.column);
                return Ok(parts);
            }
        }
        Err(corrupt())
    }
}

pub(super) fn hash(pieces: &[Bytes]) -> u64 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    pieces.iter().for_each(|piece| digest.update(piece));
    digest.finalize()
}

/// The sub-blocks that a range touches, as a range of bytes.
pub(super) fn whole_blocks(range: &Range<usize>) -> Range<usize> {
    let start = range.start / SUB_BLOCK_LEN * SUB_BLOCK_LEN;
    start..range.end.div_ceil(SUB_BLOCK_LEN) * SUB_BLOCK_LEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::value::VolumeId;
    use proptest::prelude::*;

    fn extent(column: Option<u8>, payload_len: u32) -> Extent {
        let volume = VolumeId(1);
        Extent { volume, offset: 4096, column, payload_len, start: 0, len: payload_len, crc64: 0 }
    }

    #[test]
    fn a_row_is_one_piece() {
        let cut = pieces(&extent(Some(2), 100), 10..20, 4);
        assert_eq!(cut, [Piece { column: 2, payload_len: 100, range: 10..20 }]);
    }

    proptest! {
        #[test]
        fn pieces_of_a_cut_stripe_join_to_the_range(
            payload_len in 1usize..1_048_577,
            data_count in 1usize..16,
            a: u32,
            b: u32,
        ) {
            let (a, b) = (a as usize % (payload_len + 1), b as usize % (payload_len + 1));
            let range = a.min(b)..a.max(b);
            let piece_len = cut_len(payload_len, data_count);
            let mut position = range.start;
            for piece in pieces(&extent(None, payload_len as u32), range.clone(), data_count) {
                prop_assert!(piece.column < data_count && piece.range.end <= piece.payload_len);
                prop_assert_eq!(piece.column * piece_len + piece.range.start, position);
                position += piece.range.len();
            }
            prop_assert_eq!(position, range.end);
        }
    }
}
