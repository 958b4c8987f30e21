//! A file with a copy on every leg.

use super::{Inner, is_answer};
use crate::disks::Slot;
use crate::env::{DiskFile, Durability, IoFuture};
use crate::error::{EngineError, Result};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use futures_util::future::join_all;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// A file that is open on one disk.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) slot: Arc<Slot>,
    /// The disk's copy of the metadata when it was opened.
    pub(super) filling: u64,
    pub(super) file: Arc<dyn DiskFile>,
}

impl Handle {
    fn is_on(&self, slot: &Arc<Slot>) -> bool {
        Arc::ptr_eq(&self.slot, slot) && self.is_named()
    }

    /// Whether the file is part of the copy that its disk holds now (X6).
    fn is_named(&self) -> bool {
        self.filling == self.slot.filling() || mutant::is(Mutant::WriteUnnamed)
    }
}

/// An open file of the mirror: one handle per leg that has it.
pub(super) struct MirrorFile {
    inner: Arc<Inner>,
    path: String,
    handles: Arc<RwLock<Vec<Handle>>>,
}

impl MirrorFile {
    pub(super) fn new(inner: Arc<Inner>, path: String, handles: Vec<Handle>) -> Self {
        Self { inner, path, handles: Arc::new(RwLock::new(handles)) }
    }

    fn handles(&self) -> Vec<Handle> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Handles of those who still take part in changes.
    fn targets(&self) -> Vec<Handle> {
        let is_target = |handle: &Handle| handle.is_named() && self.inner.is_target(&handle.slot);
        self.handles().into_iter().filter(is_target).collect()
    }

    /// A copy that is worth a read. A disk that went is not: it may let everybody wait.
    fn handle(&self, copy: usize) -> Option<Handle> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        let is_worth = |handle: &&Handle| handle.is_named() && handle.slot.is_readable();
        handles.get(copy).filter(is_worth).cloned()
    }

    /// Changes every copy; a leg without a copy would miss the change and makes it fail.
    fn on_targets(&self, operation: impl Fn(&dyn DiskFile) -> IoFuture<()>) -> IoFuture<()> {
        let inner = self.inner.clone();
        let handles = self.targets();
        let missing = inner
            .disks
            .legs()
            .into_iter()
            .find(|leg| !handles.iter().any(|handle| handle.is_on(leg)));
        if let Some(leg) = missing {
            let text = format!("{} has no copy on {}", self.path, leg.place);
            return Box::pin(async move {
                let error = io::Error::other(text);
                inner.drop_failed(vec![(leg, io::Error::other("a copy is missing"))]).await?;
                Err(error)
            });
        }
        let running: Vec<_> = handles
            .into_iter()
            .map(|handle| {
                let future = operation(&*handle.file);
                async move { (handle.slot, future.await) }
            })
            .collect();
        Box::pin(async move {
            let results = join_all(running).await;
            inner.conclude(results).await.map(drop)
        })
    }
}

impl DiskFile for MirrorFile {
    /// Reads from the first copy that answers.
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes> {
        let handles = self.handles();
        let is_worth = |handle: &Handle| handle.slot.is_readable() && handle.is_named();
        let first = handles.iter().position(is_worth).unwrap_or_default();
        // The operation begins now, as it does on a plain file.
        let running = handles[first].file.read(offset, len);
        let find = FindCopies::of(self);
        Box::pin(async move {
            let result = running.await;
            if !is_worth_another(&result) {
                return result;
            }
            handles[first].slot.count_error();
            let known = handles.len();
            let others = handles.into_iter().enumerate().filter(|(index, _)| *index != first);
            let result = read_any(others.map(|(_, handle)| handle), (offset, len), result).await;
            if !is_worth_another(&result) {
                return result;
            }
            let newer = find.run().await.into_iter().skip(known);
            read_any(newer, (offset, len), result).await
        })
    }

    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()> {
        self.on_targets(|file| file.write(offset, buffers.clone(), durability))
    }

    fn sync(&self) -> IoFuture<()> {
        self.on_targets(DiskFile::sync)
    }

    /// The longest copy's.
    fn len(&self) -> IoFuture<u64> {
        let running: Vec<_> = self.handles().iter().map(|handle| handle.file.len()).collect();
        Box::pin(async move {
            let mut longest = Err(io::Error::other("no copy answers"));
            for result in join_all(running).await {
                longest = match (longest, result) {
                    (Ok(known), Ok(len)) => Ok(len.max(known)),
                    (known, Err(_)) if known.is_ok() => known,
                    (_, result) => result,
                };
            }
            longest
        })
    }

    fn find_copies(&self) -> IoFuture<()> {
        let find = FindCopies::of(self);
        Box::pin(async move {
            find.run().await;
            Ok(())
        })
    }

    fn copy_count(&self) -> usize {
        self.handles().len()
    }

    fn copy_len(&self, copy: usize) -> IoFuture<u64> {
        match self.handle(copy) {
            Some(handle) => handle.file.len(),
            None => no_copy(),
        }
    }

    fn read_copy(&self, copy: usize, offset: u64, len: usize) -> IoFuture<Bytes> {
        match self.handle(copy) {
            Some(handle) => handle.file.read(offset, len),
            None => no_copy(),
        }
    }

    fn repair_copy(&self, copy: usize, offset: u64, bytes: Bytes) -> IoFuture<()> {
        let Some(Handle { slot, file, .. }) = self.handle(copy) else { return no_copy() };
        if !self.inner.is_target(&slot) {
            return no_copy();
        }
        let inner = self.inner.clone();
        slot.count_rot();
        let running = file.write(offset, vec![bytes], Durability::Synced);
        let path = self.path.clone();
        Box::pin(async move {
            let result = running.await;
            mark::hit(Mark::CopyRepaired);
            tracing::warn!(path, offset, disk = slot.place, ok = result.is_ok(), "copy repaired");
            match result {
                Err(error) if !is_answer(&error) => inner.drop_failed(vec![(slot, error)]).await,
                result => result,
            }
        })
    }

    fn is_complete(&self) -> bool {
        let handles = self.handles();
        let has = |target: &Arc<Slot>| handles.iter().any(|handle| handle.is_on(target));
        self.inner.targets().iter().all(has)
    }
}

fn no_copy<T: Send + 'static>() -> IoFuture<T> {
    Box::pin(std::future::ready(Err(io::Error::other("the copy is no longer there"))))
}

fn is_worth_another<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| !is_answer(error))
}

/// Reads from one copy after the other while they fail.
async fn read_any(
    handles: impl Iterator<Item = Handle>,
    (offset, len): (u64, usize),
    mut result: io::Result<Bytes>,
) -> io::Result<Bytes> {
    for handle in handles {
        if !is_worth_another(&result) {
            break;
        }
        result = handle.file.read(offset, len).await.or(result);
    }
    result
}

/// Opens a file on legs that came since; those that lack it are read past.
struct FindCopies {
    inner: Arc<Inner>,
    path: String,
    handles: Arc<RwLock<Vec<Handle>>>,
}

impl FindCopies {
    fn of(file: &MirrorFile) -> Self {
        let (inner, path) = (file.inner.clone(), file.path.clone());
        Self { inner, path, handles: file.handles.clone() }
    }

    /// Returns the handles there are then, new ones last.
    async fn run(&self) -> Vec<Handle> {
        let knows =
            |handles: &[Handle], leg: &Arc<Slot>| handles.iter().any(|handle| handle.is_on(leg));
        for leg in self.inner.disks.legs() {
            let is_known =
                knows(&self.handles.read().unwrap_or_else(PoisonError::into_inner), &leg);
            let filling = leg.filling();
            if !is_known && let Ok(file) = leg.disk.open(&self.path).await {
                let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
                if !knows(&handles, &leg) {
                    handles.push(Handle { slot: leg, filling, file });
                }
            }
        }
        self.handles.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a piece of a file and verifies it; takes the next copy while one fails, and repairs those
/// that did.
///
/// # Errors
/// What the last copy failed with: [`EngineError::Corrupt`], I/O errors.
pub async fn read_verified<T>(
    file: &dyn DiskFile,
    path: &str,
    (offset, len): (u64, usize),
    verify: impl Fn(&Bytes) -> Result<T>,
) -> Result<T> {
    let mut failed = Vec::new();
    let mut last = EngineError::corrupt("file", path, offset);
    let (mut copy, mut is_searched) = (0, false);
    loop {
        if copy == file.copy_count() && !is_searched {
            is_searched = true;
            // Nothing is found where nothing else answers.
            let _ = file.find_copies().await;
        }
        if copy >= file.copy_count() {
            return Err(last);
        }
        let read = file.read_copy(copy, offset, len).await;
        let verified = read.map_err(EngineError::io("read", path)).and_then(|bytes| {
            let value = verify(&bytes)?;
            Ok((value, bytes))
        });
        match verified {
            Ok((value, bytes)) => {
                for copy in failed {
                    // It stays as bad as it was; the next reader tries again.
                    let _ = file.repair_copy(copy, offset, bytes.clone()).await;
                }
                return Ok(value);
            }
            Err(error) => {
                last = error;
                failed.push(copy);
            }
        }
        copy += 1;
    }
}
