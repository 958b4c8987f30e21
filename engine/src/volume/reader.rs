//! Reading from volumes: verified ranges of extents, and the records of a segment one after the
//! other.

use super::{Volume, VolumeSet};
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::record::{self, RecordHeader};
use crate::format::value::Extent;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are read at once to find a record's header.
const HEADER_READ_LEN: usize = 4096;

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
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn read(&self, extent: &Extent, range: Range<u32>) -> Result<Vec<Bytes>> {
        assert!(range.start <= range.end && range.end <= extent.len, "within the extent");
        let start = (extent.start + range.start) as usize;
        let end = (extent.start + range.end) as usize;
        let payload_len = extent.record_len as usize;
        let blocks = record::covering(payload_len, &(start..end));
        let read =
            self.file.read(extent.offset + blocks.start, (blocks.end - blocks.start) as usize);
        let bytes = read.await.map_err(EngineError::io("read", &self.path))?;
        let corrupt = || EngineError::corrupt("body", &self.path, extent.offset + blocks.start);
        let decoded =
            record::decode_range(&self.seal, extent.offset, payload_len, start..end, &bytes);
        let pieces = decoded.map_err(|_| corrupt())?;
        let is_whole = range.start == 0 && range.end == extent.len;
        if is_whole && hash(&pieces) != extent.crc64 {
            return Err(corrupt());
        }
        Ok(pieces)
    }
}

fn hash(pieces: &[Bytes]) -> u64 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    pieces.iter().for_each(|piece| digest.update(piece));
    digest.finalize()
}

/// A record that was found in a segment.
#[derive(Clone, Debug)]
pub struct ScannedRecord {
    /// Where its first sub-block lies, as extents name it.
    pub data_offset: u64,
    /// Its header.
    pub header: RecordHeader,
}

/// Walks the records of a sealed volume. Pages that hold no intact header (writes that a crash cut
/// off) are skipped.
pub struct RecordScan {
    volume: Arc<Volume>,
    offset: u64,
}

impl RecordScan {
    /// Begins at the first record.
    pub fn new(volume: Arc<Volume>) -> Self {
        Self { volume, offset: PAGE_LEN }
    }

    /// The next record, `None` at the end of the segment.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn next_record(&mut self) -> Result<Option<ScannedRecord>> {
        while self.offset < self.volume.len() {
            let offset = self.offset;
            match self.header_at(offset).await? {
                Some(header) => {
                    self.offset += header.record_len();
                    let data_offset = offset + header.data_start;
                    return Ok(Some(ScannedRecord { data_offset, header }));
                }
                None => self.offset += PAGE_LEN,
            }
        }
        Ok(None)
    }

    async fn header_at(&self, offset: u64) -> Result<Option<RecordHeader>> {
        let volume = &*self.volume;
        let error = || EngineError::io("read", &volume.path);
        let mut bytes = volume.file.read(offset, HEADER_READ_LEN).await.map_err(error())?;
        let Ok(len) = record::peek_header_len(&bytes) else {
            return Ok(None);
        };
        if len > bytes.len() {
            bytes = volume.file.read(offset, len).await.map_err(error())?;
        }
        Ok(record::decode_header(&volume.seal, offset, &bytes).ok())
    }
}
