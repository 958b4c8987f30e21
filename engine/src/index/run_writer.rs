//! Writing a sorted run, row by row, with little memory.

use super::{RUN_DIR, Run};
use crate::env::{Disk, DiskFile, Durability};
use crate::error::{EngineError, Result};
use crate::format::run::{
    self, BLOCK_LEN, FRAME_HEADER_LEN, Footer, FramePlace, Page, Pointer, SECTION_BLOCKS,
};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Bytes that are gathered before they are written.
const WRITE_LEN: usize = 1 << 20;

/// A run that is being written.
pub struct RunWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    path: String,
    run_id: u64,
    buffer: BytesMut,
    /// Bytes of the file that are written; the buffer follows.
    written: u64,
    block: BytesMut,
    block_first_key: Bytes,
    blocks: Vec<Pointer>,
    key_hashes: Vec<u64>,
    sections: Vec<Pointer>,
    row_count: u64,
}

/// Path of a run's file.
pub(super) fn run_path(run_id: u64) -> String {
    format!("{RUN_DIR}/{run_id:016x}")
}

impl RunWriter {
    /// Begins a run.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn create(disk: Arc<dyn Disk>, run_id: u64) -> Result<Self> {
        let path = run_path(run_id);
        let file = disk.create(&path).await.map_err(EngineError::io("create", &path))?;
        Ok(Self {
            disk,
            file,
            path,
            run_id,
            buffer: BytesMut::new(),
            written: 0,
            block: BytesMut::new(),
            block_first_key: Bytes::new(),
            blocks: Vec::new(),
            key_hashes: Vec::new(),
            sections: Vec::new(),
            row_count: 0,
        })
    }

    /// Path of the file, relative to its disk.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Adds a row; keys ascend. `None` is a tombstone.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn add(&mut self, key: &Bytes, value: Option<&[u8]>) -> Result<()> {
        if self.block.is_empty() {
            // A copy: in a merge the key is a slice of a whole block, and this one lives with the
            // run.
            self.block_first_key = Bytes::copy_from_slice(key);
        }
        run::put_row(&mut self.block, key, value);
        self.key_hashes.push(run::key_hash(key));
        self.row_count += 1;
        if self.block.len() >= BLOCK_LEN {
            self.close_block();
        }
        if self.blocks.len() >= SECTION_BLOCKS {
            self.close_section();
        }
        if self.buffer.len() >= WRITE_LEN {
            self.write_out().await?;
        }
        Ok(())
    }

    fn put_frame(&mut self, content: &[u8], first_key: Bytes) -> Pointer {
        let offset = self.written + self.buffer.len() as u64;
        run::put_frame(&mut self.buffer, FramePlace { run_id: self.run_id, offset }, content);
        Pointer { offset, len: (FRAME_HEADER_LEN + content.len()) as u32, first_key }
    }

    fn close_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let content = self.block.split();
        let first_key = std::mem::take(&mut self.block_first_key);
        let pointer = self.put_frame(&content, first_key);
        self.blocks.push(pointer);
    }

    fn close_section(&mut self) {
        if self.blocks.is_empty() {
            return;
        }
        let page = Page::encode(&self.blocks, &self.key_hashes);
        let first_key = self.blocks[0].first_key.clone();
        let pointer = self.put_frame(&page, first_key);
        self.sections.push(pointer);
        self.blocks.clear();
        self.key_hashes.clear();
    }

    async fn write_out(&mut self) -> Result<()> {
        let bytes = self.buffer.split().freeze();
        let len = bytes.len() as u64;
        let write = self.file.write(self.written, vec![bytes], Durability::Cached);
        write.await.map_err(EngineError::io("write", &self.path))?;
        self.written += len;
        Ok(())
    }

    /// Completes the run and makes it durable, its directory entry too. A run without rows is
    /// removed again.
    ///
    /// # Errors
    /// I/O errors; the file is garbage then.
    pub async fn finish(mut self) -> Result<Option<Arc<Run>>> {
        if self.row_count == 0 {
            let remove = self.disk.remove(&self.path);
            remove.await.map_err(EngineError::io("remove", &self.path))?;
            return Ok(None);
        }
        self.close_block();
        self.close_section();
        let top = run::encode_top(&self.sections);
        let pointer = self.put_frame(&top, Bytes::new());
        let footer = Footer {
            run_id: self.run_id,
            top_offset: pointer.offset,
            top_len: pointer.len,
            section_count: self.sections.len() as u32,
            row_count: self.row_count,
        };
        self.buffer.extend_from_slice(&footer.encode());
        self.write_out().await?;
        self.file.sync().await.map_err(EngineError::io("sync", &self.path))?;
        self.disk.sync_dir(RUN_DIR).await.map_err(EngineError::io("sync", RUN_DIR))?;
        let run = Run::new(self.file, self.path, footer, self.sections, self.written);
        Ok(Some(Arc::new(run)))
    }
}
