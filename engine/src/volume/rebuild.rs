//! Rebuilding what a member should hold from the other members of its volume.

use super::Volume;
use super::reader::{Piece, whole_blocks};
use crate::erasure::code::{self, chunk_align};
use crate::error::{EngineError, Result};
use crate::format::record::{self, Shape, header_len};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::ops::Range;

/// What of a column is wanted.
#[derive(Clone)]
enum Part {
    /// A range of the payload that begins with a sub-block.
    Payload(Range<usize>),
    /// The table of owners.
    Owners,
}

/// A part of columns, computed from others.
struct Rebuilt {
    /// What was wanted, in that order.
    columns: Vec<Bytes>,
    /// Columns that were read for it and are damaged.
    damaged: Vec<usize>,
}

impl Volume {
    /// The form of the stripe at an offset, as any member but `without` knows it.
    pub(super) async fn shape(&self, offset: u64, without: Option<usize>) -> Result<Shape> {
        let mut last = EngineError::corrupt("stripe", &self.what(), offset);
        for column in (0..self.geometry.width()).filter(|column| Some(*column) != without) {
            match self.shape_of(column, offset).await {
                Ok(shape) => return Ok(shape),
                Err(error @ EngineError::Io { .. }) => last = error,
                Err(_) => {}
            }
        }
        Err(last)
    }

    /// The form of the stripe at an offset, as one member knows it.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] where it has no intact header there; I/O errors.
    pub(super) async fn shape_of(&self, column: usize, offset: u64) -> Result<Shape> {
        let member = self.member(column);
        let (slot, file) = member.file(&self.shared.disks, &self.shared.open_files).await?;
        let read = file.read(offset, header_len(self.geometry.data_count())).await;
        let bytes = read.map_err(|error| {
            slot.count_error();
            EngineError::io("read", &member.path())(error)
        })?;
        record::decode_header(&member.seal, offset, &bytes)
            .map_err(|_| EngineError::corrupt("record", &member.path(), offset))
    }

    /// Rebuilds one piece of a column without its own member.
    pub(super) async fn rebuild_piece(&self, offset: u64, piece: &Piece) -> Result<Vec<Bytes>> {
        let shape = self.shape(offset, Some(piece.column)).await?;
        if shape.column(piece.column).payload as usize != piece.payload_len {
            return Err(EngineError::corrupt("extent", &self.what(), offset));
        }
        let blocks = whole_blocks(&piece.range);
        let part = Part::Payload(blocks.clone());
        let Rebuilt { mut columns, damaged } =
            self.rebuild_part(offset, &shape, &[piece.column], part).await?;
        self.note_all(offset, damaged);
        let rebuilt = columns.remove(0);
        let cut = piece.range.start - blocks.start..piece.range.end - blocks.start;
        Ok(vec![rebuilt.slice(cut)])
    }

    /// Rebuilds a column's whole payload and its owners without its own member.
    pub(super) async fn rebuild_column(
        &self,
        offset: u64,
        shape: &Shape,
        column: usize,
    ) -> Result<(Bytes, Bytes)> {
        Ok(self.rebuild_columns(offset, shape, &[column]).await?.remove(0))
    }

    /// Rebuilds whole payloads and owners of columns without their own members; others are read
    /// once for all of them.
    pub(super) async fn rebuild_columns(
        &self,
        offset: u64,
        shape: &Shape,
        columns: &[usize],
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let payload_len = columns.iter().map(|column| shape.column(*column).payload).max();
        let whole = Part::Payload(0..chunk_align(payload_len.unwrap_or_default() as usize));
        let payloads = self.rebuild_part(offset, shape, columns, whole).await?;
        if mutant::is(Mutant::NoteHalves) {
            self.note_all(offset, payloads.damaged.clone());
        }
        let owners = self.rebuild_part(offset, shape, columns, Part::Owners).await?;
        // Only now: of a stripe that a crash cut off, one of both may still be there. Whoever noted
        // the damage of that one would have it healed again and again, in vain.
        self.note_all(offset, payloads.damaged);
        self.note_all(offset, owners.damaged);
        let (payloads, owners) = (payloads.columns, owners.columns);
        let cut = |(column, (payload, owners)): (&usize, (Bytes, Bytes))| {
            let lens = shape.column(*column);
            (payload.slice(..lens.payload as usize), owners.slice(..lens.owners as usize))
        };
        Ok(columns.iter().zip(payloads.into_iter().zip(owners)).map(cut).collect())
    }

    /// Rebuilds a column's table of owners without its own member.
    pub(super) async fn rebuild_owners(
        &self,
        offset: u64,
        shape: &Shape,
        column: usize,
    ) -> Result<Bytes> {
        // What else is wrong with the stripe is found when its bodies are read.
        let rebuilt = self.rebuild_part(offset, shape, &[column], Part::Owners).await?;
        Ok(rebuilt.columns[0].slice(..shape.column(column).owners as usize))
    }

    fn note_all(&self, offset: u64, damaged: Vec<usize>) {
        damaged.into_iter().for_each(|column| self.note_damage(offset, column));
    }

    /// Reads the part from as many other columns as there are data columns, those that need no read
    /// first, and computes it.
    async fn rebuild_part(
        &self,
        offset: u64,
        shape: &Shape,
        wanted: &[usize],
        part: Part,
    ) -> Result<Rebuilt> {
        let (data_count, parity_count) =
            (self.geometry.data_count(), usize::from(self.geometry.parity));
        let coded_len = part_len(shape, data_count, &part);
        let mut order: Vec<usize> =
            (0..self.geometry.width()).filter(|column| !wanted.contains(column)).collect();
        order.sort_by_key(|column| part_len(shape, *column, &part) > 0);
        let mut present = Vec::with_capacity(data_count);
        let mut damaged = Vec::new();
        let mut last = EngineError::corrupt("stripe", &self.what(), offset);
        for column in order {
            if present.len() == data_count {
                break;
            }
            match self.read_part(offset, shape, column, &part).await {
                Ok(mut bytes) => {
                    bytes.resize(coded_len, 0);
                    present.push((column, bytes));
                }
                Err(error) => {
                    if !matches!(error, EngineError::Io { .. }) {
                        damaged.push(column);
                    }
                    last = error;
                }
            }
        }
        if present.len() < data_count {
            return Err(last);
        }
        let rebuilt = code::rebuild(data_count, parity_count, present, wanted);
        Ok(Rebuilt { columns: rebuilt.into_iter().map(Bytes::from).collect(), damaged })
    }

    /// Reads a part of one column from its own member, verified.
    async fn read_part(
        &self,
        offset: u64,
        shape: &Shape,
        column: usize,
        part: &Part,
    ) -> Result<Vec<u8>> {
        if part_len(shape, column, part) == 0 {
            return Ok(Vec::new());
        }
        match part {
            Part::Payload(range) => {
                let payload_len = shape.column(column).payload as usize;
                let range = range.start..range.end.min(payload_len);
                let piece = Piece { column, payload_len, range };
                Ok(self.read_direct(offset, &piece).await?.concat())
            }
            Part::Owners => Ok(self.read_owners(offset, shape, column).await?.to_vec()),
        }
    }

    /// Reads a column's table of owners from its own member, verified.
    pub(super) async fn read_owners(
        &self,
        offset: u64,
        shape: &Shape,
        column: usize,
    ) -> Result<Bytes> {
        let member = self.member(column);
        let (slot, file) = member.file(&self.shared.disks, &self.shared.open_files).await?;
        let range = shape.owners_range(column);
        let read = file.read(offset + range.start, (range.end - range.start) as usize).await;
        let bytes = read.map_err(|error| {
            slot.count_error();
            EngineError::io("read", &member.path())(error)
        })?;
        record::verify_owners(&member.seal, offset, shape, &bytes).map_err(|_| {
            slot.count_rot();
            EngineError::corrupt("owners", &member.path(), offset + range.start)
        })
    }
}

/// Bytes of a part in one column: for a parity column what is coded of it.
fn part_len(shape: &Shape, column: usize, part: &Part) -> usize {
    let lens = shape.column(column);
    match part {
        Part::Owners => lens.owners as usize,
        Part::Payload(range) => range.end.min(lens.payload as usize).saturating_sub(range.start),
    }
}
