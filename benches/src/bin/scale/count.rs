//! A disk that counts what passes: bytes and syncs by the kind of file. Put around each real disk,
//! so that parity and copies of the metadata are counted, too.

use bytes::Bytes;
use engine::env::{Device, Disk, DiskFile, DiskSpace, Durability, IoFuture};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Kinds of files, as the layout of a disk tells them apart.
pub const KINDS: [&str; 4] = ["journal", "volumes", "runs", "manifest, roster"];

/// Position of a path's kind in [`KINDS`].
pub fn kind_of(path: &str) -> usize {
    let directory = path.split_once('/').map_or("", |(directory, _)| directory);
    KINDS[..3].iter().position(|kind| *kind == directory).unwrap_or(3)
}

#[derive(Default)]
struct Counter {
    written: AtomicU64,
    read: AtomicU64,
    syncs: AtomicU64,
}

/// What one kind of file cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Bytes handed to the disk.
    pub written: u64,
    /// Bytes asked of it; the page cache may have had them.
    pub read: u64,
    /// Syncs of data.
    pub syncs: u64,
}

/// Counters of all disks of a store.
#[derive(Default)]
pub struct Traffic {
    counters: [Counter; KINDS.len()],
}

impl Traffic {
    /// What passed until now, by kind.
    pub fn costs(&self) -> [Cost; KINDS.len()] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        std::array::from_fn(|kind| {
            let Counter { written, read, syncs } = &self.counters[kind];
            Cost { written: load(written), read: load(read), syncs: load(syncs) }
        })
    }

    fn count(counter: &AtomicU64, len: u64) {
        counter.fetch_add(len, Ordering::Relaxed);
    }
}

/// What was added between two looks.
pub fn between(before: &[Cost; KINDS.len()], after: &[Cost; KINDS.len()]) -> [Cost; KINDS.len()] {
    std::array::from_fn(|kind| Cost {
        written: after[kind].written - before[kind].written,
        read: after[kind].read - before[kind].read,
        syncs: after[kind].syncs - before[kind].syncs,
    })
}

/// A disk whose operations are counted.
pub struct CountingDisk<D> {
    /// The disk below.
    pub disk: D,
    /// Where its costs are added.
    pub traffic: Arc<Traffic>,
}

impl<D: Disk> CountingDisk<D> {
    fn counted(
        &self,
        path: &str,
        opened: IoFuture<Arc<dyn DiskFile>>,
    ) -> IoFuture<Arc<dyn DiskFile>> {
        let (kind, traffic) = (kind_of(path), self.traffic.clone());
        Box::pin(async move {
            let file = opened.await?;
            Ok(Arc::new(CountingFile { file, kind, traffic }) as Arc<dyn DiskFile>)
        })
    }
}

impl<D: Disk> Disk for CountingDisk<D> {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        self.counted(path, self.disk.create(path))
    }

    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        self.counted(path, self.disk.open(path))
    }

    fn rename(&self, source: &str, target: &str) -> IoFuture<()> {
        self.disk.rename(source, target)
    }

    fn remove(&self, path: &str) -> IoFuture<()> {
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &str) -> IoFuture<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, path: &str) -> IoFuture<Vec<String>> {
        self.disk.list(path)
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        self.disk.sync_dir(path)
    }

    fn is_safe(&self) -> bool {
        self.disk.is_safe()
    }

    fn space(&self) -> IoFuture<DiskSpace> {
        self.disk.space()
    }

    fn device(&self) -> IoFuture<Device> {
        self.disk.device()
    }
}

struct CountingFile {
    file: Arc<dyn DiskFile>,
    kind: usize,
    traffic: Arc<Traffic>,
}

impl CountingFile {
    fn counter(&self) -> &Counter {
        &self.traffic.counters[self.kind]
    }
}

impl DiskFile for CountingFile {
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes> {
        Traffic::count(&self.counter().read, len as u64);
        self.file.read(offset, len)
    }

    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()> {
        let len = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        Traffic::count(&self.counter().written, len);
        if durability == Durability::Synced {
            Traffic::count(&self.counter().syncs, 1);
        }
        self.file.write(offset, buffers, durability)
    }

    fn sync(&self) -> IoFuture<()> {
        Traffic::count(&self.counter().syncs, 1);
        self.file.sync()
    }

    fn drop_cache(&self) -> IoFuture<()> {
        self.file.drop_cache()
    }

    fn len(&self) -> IoFuture<u64> {
        self.file.len()
    }

    fn find_copies(&self) -> IoFuture<()> {
        self.file.find_copies()
    }

    fn copy_count(&self) -> usize {
        self.file.copy_count()
    }

    fn read_copy(&self, copy: usize, offset: u64, len: usize) -> IoFuture<Bytes> {
        self.file.read_copy(copy, offset, len)
    }

    fn repair_copy(&self, copy: usize, offset: u64, bytes: Bytes) -> IoFuture<()> {
        self.file.repair_copy(copy, offset, bytes)
    }

    fn is_complete(&self) -> bool {
        self.file.is_complete()
    }
}
