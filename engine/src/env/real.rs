//! The real disk, clock and randomness: what production runs on.
//!
//! A disk is served by a few threads of its own, so that a slow disk never starves another one and
//! no request blocks an executor thread. One operation is one hop to such a thread (about 10 us),
//! hence the coarse operations of [`super::DiskFile`].
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the door")]

use super::{Clock, Device, Disk, DiskFile, DiskSpace, Durability, Env, IoFuture, Rng};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Threads that serve one disk: enough to overlap reads with a sync in flight.
pub const DISK_THREADS: usize = 6;

/// Buffers that one `pwritev` takes at most (Linux `UIO_MAXIOV` is 1024).
const WRITE_BUFFERS_MAX: usize = 512;

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that wait for a thread. Bounded by the callers: every request has at most a handful of
/// operations in flight.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// The threads of a disk, to wait for after its last handle is gone: operations that were asked for
/// still happen, and another process must not use the directory before they did.
pub struct DiskThreads(Weak<Pool>);

impl DiskThreads {
    /// Whether the disk and its files are gone and every operation has happened.
    pub fn have_ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Pool {
    fn push(&self, job: Job) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).jobs.push_back(job);
        self.ready.notify_one();
    }

    fn serve(&self) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let job = loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            job();
        }
    }

    fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.ready.notify_all();
    }
}

/// Closes the pool when the last handle of the disk and of its files is gone.
struct PoolHandle(Arc<Pool>);

impl Drop for PoolHandle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl PoolHandle {
    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> IoFuture<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.push(Box::new(move || {
            // The asker may have gone away; the operation happened all the same.
            let _ = sender.send(job());
        }));
        Box::pin(async move {
            receiver.await.unwrap_or_else(|_| Err(io::Error::other("disk thread died")))
        })
    }
}

/// A directory of the local file system.
pub struct RealDisk {
    root: PathBuf,
    pool: Arc<PoolHandle>,
}

impl RealDisk {
    /// Opens a directory as a disk, creating it where it is missing, and starts its threads.
    ///
    /// # Errors
    /// When the directory cannot be created or the threads cannot be started.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        Self::at(root)
    }

    /// Serves a directory that may not be there: then operations fail until it is.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn at(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let pool = Arc::new(Pool::default());
        for index in 0..DISK_THREADS {
            let pool = pool.clone();
            let builder = std::thread::Builder::new().name(format!("disk-{index}"));
            builder.spawn(move || pool.serve())?;
        }
        Ok(Self { root, pool: Arc::new(PoolHandle(pool)) })
    }

    /// The threads of this disk.
    pub fn threads(&self) -> DiskThreads {
        DiskThreads(Arc::downgrade(&self.pool.0))
    }

    /// Where this disk is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn open_with(&self, path: &str, options: OpenOptions) -> IoFuture<Arc<dyn DiskFile>> {
        let path = self.root.join(path);
        let pool = self.pool.clone();
        self.pool.run(move || {
            let file = Arc::new(options.open(path)?);
            Ok(Arc::new(RealFile { file, refusal: None, pool }) as Arc<dyn DiskFile>)
        })
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        self.open_with(path, options)
    }

    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let path = self.root.join(path);
        let pool = self.pool.clone();
        self.pool.run(move || {
            let (file, refusal) = open_for_what_it_takes(&path)?;
            Ok(Arc::new(RealFile { file: Arc::new(file), refusal, pool }) as Arc<dyn DiskFile>)
        })
    }

    fn rename(&self, source: &str, target: &str) -> IoFuture<()> {
        let (source, target) = (self.root.join(source), self.root.join(target));
        self.pool.run(move || fs::rename(source, target))
    }

    fn remove(&self, path: &str) -> IoFuture<()> {
        let path = self.root.join(path);
        self.pool.run(move || fs::remove_file(path))
    }

    fn create_dir(&self, path: &str) -> IoFuture<()> {
        let path = self.root.join(path);
        self.pool.run(move || match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        })
    }

    fn list(&self, path: &str) -> IoFuture<Vec<String>> {
        let path = self.root.join(path);
        self.pool.run(move || {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        })
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        let path = self.root.join(path);
        self.pool.run(move || File::open(path)?.sync_all())
    }

    fn space(&self) -> IoFuture<DiskSpace> {
        let root = self.root.clone();
        self.pool.run(move || {
            let stat = rustix::fs::statvfs(&root)?;
            Ok(DiskSpace {
                total: stat.f_blocks * stat.f_frsize,
                free: stat.f_bavail * stat.f_frsize,
            })
        })
    }

    fn device(&self) -> IoFuture<Device> {
        let root = self.root.clone();
        self.pool.run(move || {
            let number = fs::metadata(&root)?.dev();
            let is_root = fs::metadata("/").is_ok_and(|system| system.dev() == number);
            Ok(Device { number, is_root })
        })
    }
}

/// Opens an existing file. A disk that turned read-only is still read; writes fail as the attempt
/// to open the file for them did.
fn open_for_what_it_takes(path: &Path) -> io::Result<(File, Option<i32>)> {
    let error = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => return Ok((file, None)),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Ok((File::open(path)?, error.raw_os_error()))
        }
        _ => Err(error),
    }
}

struct RealFile {
    file: Arc<File>,
    /// Why it takes no writes.
    refusal: Option<i32>,
    pool: Arc<PoolHandle>,
}

impl DiskFile for RealFile {
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes> {
        let file = self.file.clone();
        self.pool.run(move || read_at(&file, offset, len))
    }

    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()> {
        let (file, refusal) = (self.file.clone(), self.refusal);
        self.pool.run(move || {
            refusal.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))?;
            write_at(&file, offset, &buffers)?;
            match durability {
                Durability::Cached => Ok(()),
                Durability::Synced => file.sync_data(),
            }
        })
    }

    fn sync(&self) -> IoFuture<()> {
        let file = self.file.clone();
        self.pool.run(move || file.sync_data())
    }

    fn drop_cache(&self) -> IoFuture<()> {
        let file = self.file.clone();
        self.pool.run(move || {
            rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed)?;
            Ok(())
        })
    }

    fn len(&self) -> IoFuture<u64> {
        let file = self.file.clone();
        self.pool.run(move || Ok(file.metadata()?.len()))
    }
}

fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut buffer = BytesMut::zeroed(len);
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.freeze())
}

fn write_at(file: &File, mut offset: u64, buffers: &[Bytes]) -> io::Result<()> {
    for group in buffers.chunks(WRITE_BUFFERS_MAX) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The clock of the operating system.
struct RealClock;

impl Clock for RealClock {
    fn unix_nanos(&self) -> u64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The randomness of the operating system.
struct RealRng;

impl Rng for RealRng {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system has randomness");
    }
}

/// Clock and randomness of the operating system.
pub fn env() -> Env {
    Env { clock: Arc::new(RealClock), rng: Arc::new(RealRng) }
}

/// Raises the number of files that the process may open as far as it may by itself; returns it.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}
