//! A disk that waits while its process may open no more files.
//!
//! `EMFILE`, `ENFILE` and `ENOMEM` say nothing about a disk, but all disks answer so at once: a
//! store that believed them would drop every copy of its metadata in the same moment. Sockets and
//! other files close in time, so whatever needs a handle waits for that, as long as it takes.

use super::{Device, Disk, DiskFile, DiskSpace, IoFuture};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause before the first further try; each one is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Error numbers of Linux: out of memory, too many files in the system, in this process.
const EXHAUSTED: [i32; 3] = [12, 23, 24];

/// A disk whose operations wait for handles.
#[derive(Clone)]
pub struct Patient {
    disk: Arc<dyn Disk>,
    place: Arc<str>,
    /// Whether the log says already that it waits.
    told: Arc<AtomicBool>,
}

/// Whether an error says that the process, or the system, has too much open.
fn is_exhausted(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code))
        && !mutant::is(Mutant::BlameTheDisk)
}

impl Patient {
    /// Makes a disk at a place patient.
    pub fn new(disk: Arc<dyn Disk>, place: &str) -> Self {
        Self { disk, place: place.into(), told: Arc::default() }
    }

    /// Asks once, and again while there are no handles.
    fn ask<T: Send + 'static>(
        &self,
        path: &str,
        operation: fn(&dyn Disk, &str) -> IoFuture<T>,
    ) -> IoFuture<T> {
        let (own, path) = (self.clone(), path.to_owned());
        let first = operation(&*self.disk, &path);
        Box::pin(async move {
            let mut result = first.await;
            let mut pause = PAUSE_MIN;
            while let Err(error) = &result
                && is_exhausted(error)
            {
                own.tell(error);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                result = operation(&*own.disk, &path).await;
            }
            if own.told.load(Ordering::Relaxed) && result.is_ok() {
                own.told.store(false, Ordering::Relaxed);
                tracing::info!(disk = &*own.place, "files can be opened again");
            }
            result
        })
    }

    fn tell(&self, error: &io::Error) {
        if !self.told.swap(true, Ordering::Relaxed) {
            mark::hit(Mark::HandlesAwaited);
            tracing::error!(%error, disk = &*self.place, "waits until files can be opened");
        }
    }
}

impl Disk for Patient {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        self.ask(path, |disk, path| disk.create(path))
    }

    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        self.ask(path, |disk, path| disk.open(path))
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
        self.ask(path, |disk, path| disk.list(path))
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        self.ask(path, |disk, path| disk.sync_dir(path))
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
