//! The only door to what is not deterministic: disks, wall clock and randomness.
//!
//! Tasks, timers and sockets go through `tokio`, which the simulator replaces as a whole;
//! everything else that could make two runs of one seed differ comes in through the traits below.
//! The real implementations are in [`real`]; the simulated ones live in the crate `sim`.
//!
//! - E1: no other module touches `std::fs`, the system clock or the randomness of the operating
//!   system.
//! - E2: buffers are owned, so that an operation may run on another thread or in a submission ring.
//! - E3: an operation that returned an error may have happened in part; a failed sync is never
//!   retried (see `faults-and-checks`, D9): the caller gives the file up.

mod patient;
pub mod real;

pub use patient::Patient;

use bytes::Bytes;
use std::{future::Future, io, pin::Pin, sync::Arc};

/// The answer of a disk, some time later.
pub type IoFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Whether a write is durable when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In the page cache: survives the process, not the power.
    Cached,
    /// Followed by `fdatasync` in the same step: survives the power.
    Synced,
}

/// Bytes of a file system: its size and what is left to an unprivileged writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSpace {
    /// Size of the file system in bytes.
    pub total: u64,
    /// Bytes that can still be written.
    pub free: u64,
}

/// Whether an error says that there is no room: it says nothing against the disk.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// What a directory lies on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Number of the device (`st_dev`): two disks of one number fail together.
    pub number: u64,
    /// Whether the operating system itself lies there: an empty directory on it is more likely the
    /// place of a disk that is not mounted than a new disk.
    pub is_root: bool,
}

/// One disk: a directory, normally a mount of its own. Paths are relative, `/`-separated, without
/// `.` or `..`.
///
/// A directory's entries are durable only after [`Disk::sync_dir`] on that directory. A removed
/// file that is still open stays readable through its handle (POSIX unlink).
pub trait Disk: Send + Sync + 'static {
    /// Creates a file that must not exist yet, open for reading and writing.
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>>;
    /// Renames a file, replacing the target atomically.
    fn rename(&self, source: &str, target: &str) -> IoFuture<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> IoFuture<()>;
    /// Creates a directory; one that exists is no error. The parent must exist.
    fn create_dir(&self, path: &str) -> IoFuture<()>;
    /// Names (not paths) of the files in a directory, sorted. The root is the empty path.
    fn list(&self, path: &str) -> IoFuture<Vec<String>>;
    /// Makes the entries of a directory durable.
    fn sync_dir(&self, path: &str) -> IoFuture<()>;
    /// Whether changes reach as many copies as an acknowledgement needs: always, on one disk.
    fn is_safe(&self) -> bool {
        true
    }
    /// Size and free bytes of the file system below.
    fn space(&self) -> IoFuture<DiskSpace>;
    /// What the directory lies on.
    fn device(&self) -> IoFuture<Device>;
}

/// An open file. All operations may run at once; overlapping writes have no defined order.
#[expect(clippy::len_without_is_empty, reason = "a length on disk is an operation, not a property")]
pub trait DiskFile: Send + Sync + 'static {
    /// Reads `len` bytes at `offset` from the start; fewer only at the end of the file.
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes>;
    /// Writes the buffers one after the other from `offset`, all or an error, in one step.
    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()>;
    /// `fdatasync`: what was written before is durable, the size included.
    fn sync(&self) -> IoFuture<()>;
    /// Takes clean pages out of the cache, so that reads show the medium: after a failed sync the
    /// kernel calls pages clean that it never wrote.
    fn drop_cache(&self) -> IoFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Size of the file in bytes.
    fn len(&self) -> IoFuture<u64>;
    /// Looks for copies in places that came since the file was opened.
    fn find_copies(&self) -> IoFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Copies of the file that can be read one by one: more than one when it is mirrored.
    fn copy_count(&self) -> usize {
        1
    }
    /// Size of one copy in bytes.
    fn copy_len(&self, _copy: usize) -> IoFuture<u64> {
        self.len()
    }
    /// Reads from one copy, as [`DiskFile::read`] does from any.
    fn read_copy(&self, _copy: usize, offset: u64, len: usize) -> IoFuture<Bytes> {
        self.read(offset, len)
    }
    /// Writes the same bytes again over a damaged piece of one copy, durably.
    fn repair_copy(&self, _copy: usize, offset: u64, bytes: Bytes) -> IoFuture<()> {
        self.write(offset, vec![bytes], Durability::Synced)
    }
    /// Whether every place that takes part in changes has its copy: else no write may go here.
    fn is_complete(&self) -> bool {
        true
    }
}

/// Wall clock. For `Last-Modified`, request dates and expiry; never for ordering.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn unix_nanos(&self) -> u64;
}

/// Randomness of cryptographic quality.
pub trait Rng: Send + Sync + 'static {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Draws a random 128-bit number, for identities that must never meet again.
pub fn random_u128(rng: &dyn Rng) -> u128 {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Clock and randomness of a process, handed to whoever needs them.
#[derive(Clone)]
pub struct Env {
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}
