//! Reading a sorted run: point lookups behind a filter, and rows in order.

use super::cache::{Cache, Cached};
use super::run_writer::run_path;
use crate::env::{Disk, DiskFile, Durability, IoFuture};
use crate::error::{EngineError, Result};
use crate::format::run::{self, FOOTER_LEN, Footer, FramePlace, Page, Pointer, Rows};
use crate::format::value::Value;
use crate::mirror::read_verified;
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::sync::Arc;

/// One immutable, ordered piece of the index.
pub struct Run {
    /// Its identity.
    pub id: u64,
    /// Bytes of the file.
    pub len: u64,
    /// Rows, tombstones included.
    pub row_count: u64,
    file: Arc<dyn DiskFile>,
    path: String,
    sections: Vec<Pointer>,
}

/// Lengths of the copies, the longest first. One that was cut off or has garbage behind it must not
/// decide where the others end.
async fn copy_lens(file: &dyn DiskFile, path: &str) -> Result<Vec<u64>> {
    let copies = (0..file.copy_count()).map(|copy| file.copy_len(copy));
    let mut lens = Vec::new();
    let mut last = None;
    for len in futures_util::future::join_all(copies).await {
        match len {
            Ok(len) => lens.push(len),
            Err(error) => last = Some(error),
        }
    }
    lens.sort_unstable_by_key(|len| std::cmp::Reverse(*len));
    lens.dedup();
    match last {
        Some(error) if lens.is_empty() => Err(EngineError::io("stat", path)(error)),
        _ => Ok(lens),
    }
}

impl Run {
    pub(super) fn new(
        file: Arc<dyn DiskFile>,
        path: String,
        footer: Footer,
        sections: Vec<Pointer>,
        len: u64,
    ) -> Self {
        Self { id: footer.run_id, len, row_count: footer.row_count, file, path, sections }
    }

    /// Opens a run that the manifest names.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn open(disk: &dyn Disk, run_id: u64) -> Result<Self> {
        let path = run_path(run_id);
        let file: Arc<dyn DiskFile> =
            disk.open(&path).await.map_err(EngineError::io("open", &path))?;
        let mut last = EngineError::corrupt("run", &path, 0);
        for len in copy_lens(&*file, &path).await? {
            match Self::open_at(file.clone(), (run_id, &path), len).await {
                Err(error @ EngineError::Corrupt { .. }) => last = error,
                opened => return opened,
            }
        }
        Err(last)
    }

    /// Opens a run that is so long.
    async fn open_at(
        file: Arc<dyn DiskFile>,
        (run_id, path): (u64, &str),
        len: u64,
    ) -> Result<Self> {
        let end = len.saturating_sub(FOOTER_LEN as u64);
        let verify = |bytes: &Bytes| {
            let footer = Footer::decode(bytes).ok();
            let is_whole = |footer: &Footer| {
                let top_end = footer.top_offset.checked_add(u64::from(footer.top_len));
                footer.run_id == run_id && top_end == Some(end)
            };
            let footer = footer.filter(is_whole);
            footer.ok_or_else(|| EngineError::corrupt("run", path, end))
        };
        let footer = read_verified(&*file, path, (end, FOOTER_LEN), verify).await?;
        let mut run = Self::new(file, path.to_owned(), footer, Vec::new(), len);
        let content = run.frame(footer.top_offset, footer.top_len).await?;
        run.sections = run::decode_top(&content, footer.section_count as usize)
            .map_err(|_| EngineError::corrupt("run", path, footer.top_offset))?;
        Ok(run)
    }

    /// Removes the file. Who reads the run goes on reading.
    ///
    /// # Errors
    /// I/O errors; the file is garbage until the next start.
    pub async fn remove(&self, disk: &dyn Disk) -> Result<()> {
        disk.remove(&self.path).await.map_err(EngineError::io("remove", &self.path))
    }

    async fn frame(&self, offset: u64, len: u32) -> Result<Bytes> {
        let place = FramePlace { run_id: self.id, offset };
        let verify =
            |bytes: &Bytes| run::decode_frame(place, bytes).map_err(|_| self.corrupt(offset));
        read_verified(&*self.file, &self.path, (offset, len as usize), verify).await
    }

    /// Copies the run to another disk, every frame verified, and makes the copy durable.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when no copy of a frame is intact; I/O errors of either side.
    pub async fn copy_to(&self, disk: &dyn Disk) -> Result<()> {
        let io = |what| EngineError::io(what, &self.path);
        // One may be left of a copy that was cut off.
        let _ = disk.remove(&self.path).await;
        let target = disk.create(&self.path).await.map_err(io("create"))?;
        for section in &self.sections {
            let page = self.frame(section.offset, section.len).await?;
            let page = Page::decode(&page).map_err(|_| self.corrupt(section.offset))?;
            for block in &page.blocks {
                self.copy_frame(&target, block.offset, block.len).await?;
            }
            self.copy_frame(&target, section.offset, section.len).await?;
        }
        let (top_offset, footer_offset) = (self.top_offset(), self.len - FOOTER_LEN as u64);
        self.copy_frame(&target, top_offset, (footer_offset - top_offset) as u32).await?;
        let verify = |bytes: &Bytes| {
            let intact = Footer::decode(bytes).map_err(|_| self.corrupt(footer_offset));
            intact.map(|_| bytes.clone())
        };
        let footer =
            read_verified(&*self.file, &self.path, (footer_offset, FOOTER_LEN), verify).await?;
        target.write(footer_offset, vec![footer], Durability::Cached).await.map_err(io("write"))?;
        target.sync().await.map_err(io("sync"))?;
        disk.sync_dir(super::RUN_DIR).await.map_err(io("sync"))
    }

    async fn copy_frame(&self, target: &Arc<dyn DiskFile>, offset: u64, len: u32) -> Result<()> {
        let place = FramePlace { run_id: self.id, offset };
        let verify = |bytes: &Bytes| {
            let intact = run::decode_frame(place, bytes).map_err(|_| self.corrupt(offset));
            intact.map(|_| bytes.clone())
        };
        let frame = read_verified(&*self.file, &self.path, (offset, len as usize), verify).await?;
        let write = target.write(offset, vec![frame], Durability::Cached);
        write.await.map_err(EngineError::io("write", &self.path))
    }

    /// Reads every frame from every copy, and repairs those that are bad where another is intact.
    /// Returns the bytes of one copy.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when no copy of a frame is intact; I/O errors.
    pub async fn scrub(&self) -> Result<u64> {
        // Legs that came since the run was opened are looked at, too.
        let _ = self.file.find_copies().await;
        for section in &self.sections {
            let page = self.scrub_frame(section.offset, section.len).await?;
            let page = Page::decode(&page).map_err(|_| self.corrupt(section.offset))?;
            for block in &page.blocks {
                self.scrub_frame(block.offset, block.len).await?;
            }
        }
        let top_offset = self.top_offset();
        let footer_offset = self.len - FOOTER_LEN as u64;
        self.scrub_frame(top_offset, (footer_offset - top_offset) as u32).await?;
        let is_footer =
            |bytes: &Bytes| Footer::decode(bytes).is_ok_and(|footer| footer.run_id == self.id);
        self.scrub_piece((footer_offset, FOOTER_LEN), is_footer).await?;
        Ok(self.len)
    }

    /// Where the sections end and their list begins.
    fn top_offset(&self) -> u64 {
        self.sections.last().map_or(0, |last| last.offset + u64::from(last.len))
    }

    async fn scrub_frame(&self, offset: u64, len: u32) -> Result<Bytes> {
        let place = FramePlace { run_id: self.id, offset };
        let is_intact = |bytes: &Bytes| run::decode_frame(place, bytes).is_ok();
        self.scrub_piece((offset, len as usize), is_intact).await?;
        self.frame(offset, len).await
    }

    async fn scrub_piece(
        &self,
        (offset, len): (u64, usize),
        is_intact: impl Fn(&Bytes) -> bool,
    ) -> Result<()> {
        for copy in 0..self.file.copy_count() {
            let read = self.file.read_copy(copy, offset, len).await;
            if mutant::is(Mutant::SkipRunScrub) || read.is_ok_and(|bytes| is_intact(&bytes)) {
                continue;
            }
            let verify = |bytes: &Bytes| match is_intact(bytes) {
                true => Ok(bytes.clone()),
                false => Err(self.corrupt(offset)),
            };
            let good = read_verified(&*self.file, &self.path, (offset, len), verify).await?;
            // It stays as bad as it was; the next round tries again.
            let _ = self.file.repair_copy(copy, offset, good).await;
        }
        Ok(())
    }

    pub(super) fn corrupt(&self, offset: u64) -> EngineError {
        EngineError::corrupt("run", &self.path, offset)
    }

    async fn page(&self, pointer: &Pointer, cache: &Cache) -> Result<Arc<Page>> {
        if let Some(Cached::Page(page)) = cache.get(self.id, pointer.offset) {
            return Ok(page);
        }
        let content = self.frame(pointer.offset, pointer.len).await?;
        let page = Page::decode(&content).map_err(|_| self.corrupt(pointer.offset))?;
        let page = Arc::new(page);
        let len = content.len() + page.blocks.len() * size_of::<Pointer>();
        cache.insert(self.id, pointer.offset, Cached::Page(page.clone()), len);
        Ok(page)
    }

    async fn block(&self, pointer: &Pointer, cache: &Cache) -> Result<Bytes> {
        if let Some(Cached::Block(block)) = cache.get(self.id, pointer.offset) {
            return Ok(block);
        }
        let content = self.frame(pointer.offset, pointer.len).await?;
        cache.insert(self.id, pointer.offset, Cached::Block(content.clone()), content.len());
        Ok(content)
    }

    /// The row of a key, when this run knows one; an inner `None` is a tombstone.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn get(&self, key: &[u8], hash: u64, cache: &Cache) -> Result<Option<Option<Value>>> {
        let Some(section) = last_not_after(&self.sections, key) else {
            return Ok(None);
        };
        let page = self.page(&self.sections[section], cache).await?;
        if !page.may_contain(hash) {
            return Ok(None);
        }
        let Some(block) = last_not_after(&page.blocks, key) else {
            return Ok(None);
        };
        let pointer = &page.blocks[block];
        for row in Rows::new(self.block(pointer, cache).await?) {
            let (row_key, value) = row.map_err(|_| self.corrupt(pointer.offset))?;
            if row_key == key {
                return self.decode_value(value, pointer.offset).map(Some);
            }
        }
        Ok(None)
    }

    fn decode_value(&self, value: Option<Bytes>, offset: u64) -> Result<Option<Value>> {
        let decode = |bytes: Bytes| Value::decode(&bytes).map_err(|_| self.corrupt(offset));
        value.map(decode).transpose()
    }

    /// Up to `limit` rows from `start` on, below `end`; and whether there are no more.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        limit: usize,
        cache: &Cache,
    ) -> Result<(Vec<(Bytes, Option<Value>)>, bool)> {
        let mut rows = Vec::new();
        let mut cursor = self.seek(start, cache).await?;
        while let Some(block) = cursor.block(self, cache).await? {
            for row in Rows::new(block) {
                let (key, value) = row.map_err(|_| self.corrupt(0))?;
                if &key[..] < start {
                    continue;
                }
                if &key[..] >= end {
                    return Ok((rows, true));
                }
                if rows.len() == limit {
                    return Ok((rows, false));
                }
                rows.push((key, self.decode_value(value, 0)?));
            }
        }
        Ok((rows, true))
    }

    async fn seek(&self, start: &[u8], cache: &Cache) -> Result<BlockCursor> {
        let section = last_not_after(&self.sections, start).unwrap_or_default();
        let page = self.page(&self.sections[section], cache).await?;
        let block = last_not_after(&page.blocks, start).unwrap_or_default();
        Ok(BlockCursor { section, page: Some(page), block })
    }

    /// Begins to read a section as a whole: its blocks, then its page.
    pub(super) fn read_section(&self, section: usize) -> Option<IoFuture<Bytes>> {
        let (begin, end) = self.section_bounds(section)?;
        Some(self.file.read(begin, (end - begin) as usize))
    }

    fn section_bounds(&self, section: usize) -> Option<(u64, u64)> {
        let end_of = |pointer: &Pointer| pointer.offset + u64::from(pointer.len);
        let end = end_of(self.sections.get(section)?);
        let before = section.checked_sub(1).map(|before| end_of(&self.sections[before]));
        Some((before.unwrap_or_default(), end))
    }

    /// The blocks of a section that was read as a whole. What is damaged is read again by itself,
    /// from any copy.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub(super) async fn blocks_of(&self, section: usize, read: &Bytes) -> Result<Vec<Bytes>> {
        let (begin, _) = self.section_bounds(section).expect("it was read");
        let pointer = &self.sections[section];
        let page = self.frame_within(begin, read, pointer).await?;
        let page = Page::decode(&page).map_err(|_| self.corrupt(pointer.offset))?;
        let mut blocks = Vec::with_capacity(page.blocks.len());
        for pointer in &page.blocks {
            blocks.push(self.frame_within(begin, read, pointer).await?);
        }
        Ok(blocks)
    }

    async fn frame_within(&self, begin: u64, read: &Bytes, pointer: &Pointer) -> Result<Bytes> {
        let place = FramePlace { run_id: self.id, offset: pointer.offset };
        let at = pointer.offset.checked_sub(begin).map(|at| at as usize);
        let frame = at.filter(|at| at + pointer.len as usize <= read.len());
        let frame = frame.map(|at| read.slice(at..at + pointer.len as usize));
        match frame.map(|frame| run::decode_frame(place, &frame)) {
            Some(Ok(content)) => Ok(content),
            _ => self.frame(pointer.offset, pointer.len).await,
        }
    }
}

/// Position of the last pointer whose first key is not after `key`.
fn last_not_after(pointers: &[Pointer], key: &[u8]) -> Option<usize> {
    pointers.partition_point(|pointer| &pointer.first_key[..] <= key).checked_sub(1)
}

/// Walks the blocks of a run.
struct BlockCursor {
    section: usize,
    page: Option<Arc<Page>>,
    block: usize,
}

impl BlockCursor {
    async fn block(&mut self, run: &Run, cache: &Cache) -> Result<Option<Bytes>> {
        while self.section < run.sections.len() {
            let page = match &self.page {
                Some(page) => page.clone(),
                None => run.page(&run.sections[self.section], cache).await?,
            };
            if let Some(pointer) = page.blocks.get(self.block) {
                self.block += 1;
                let block = run.block(pointer, cache).await?;
                self.page = Some(page);
                return Ok(Some(block));
            }
            *self = Self { section: self.section + 1, page: None, block: 0 };
        }
        Ok(None)
    }
}
