//! Walking all rows of a run in order, as merges do: a section with one read, the next one while
//! the rows of this one are taken.

use super::Run;
use crate::env::IoFuture;
use crate::error::Result;
use crate::format::run::{EncodedRow, Rows};
use bytes::Bytes;
use std::sync::Arc;

/// Walks the rows of a run in order, without leaving anything in a cache.
pub struct RowCursor {
    run: Arc<Run>,
    /// The section that is being read.
    ahead: Option<(usize, IoFuture<Bytes>)>,
    blocks: std::vec::IntoIter<Bytes>,
    rows: Rows,
}

impl RowCursor {
    /// Begins with the first row.
    pub fn new(run: Arc<Run>) -> Self {
        let ahead = run.read_section(0).map(|reading| (0, reading));
        Self { run, ahead, blocks: Vec::new().into_iter(), rows: Rows::new(Bytes::new()) }
    }

    /// The next row, as it is encoded.
    ///
    /// # Errors
    /// [`crate::EngineError::Corrupt`]; I/O errors. There are no more rows behind one.
    pub async fn next_row(&mut self) -> Result<Option<EncodedRow>> {
        loop {
            if let Some(row) = self.rows.next() {
                return row.map(Some).map_err(|_| self.run.corrupt(0));
            }
            if let Some(block) = self.blocks.next() {
                self.rows = Rows::new(block);
                continue;
            }
            let Some((section, reading)) = self.ahead.take() else { return Ok(None) };
            // What cannot be read as a whole is read piece by piece, from any copy.
            let read = reading.await.unwrap_or_default();
            self.blocks = self.run.blocks_of(section, &read).await?.into_iter();
            let next = section + 1;
            self.ahead = self.run.read_section(next).map(|reading| (next, reading));
        }
    }
}
