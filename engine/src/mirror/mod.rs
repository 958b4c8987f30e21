//! Mirror: the metadata of a node on several disks, its legs, as if it were one disk.
//!
//! ```text
//! create, write, sync, rename, remove --> every leg at once --> a leg failed: demote it, go on
//! read --> one leg --> fails or does not verify: the next one, and the first is repaired
//! ```
//!
//! - X1: an operation that changes something succeeds only when every leg of the newest roster did
//!   it; a leg that could not is left out by a new roster first.
//! - X2: files hold the same bytes on all legs: their checksums know the store, not the disk.
//! - X3: a leg that is being filled takes part in everything that is created from then on; when it
//!   fails it is dropped without further ado.
//! - X4: no space on a leg is an answer, not a failure of the leg. Where others had room and are
//!   enough without it, the full one is left out, so that one full disk stops nobody.
//! - X5: a change that succeeded on one leg only, the others having been left out meanwhile, is an
//!   acknowledgement for nobody: the journal asks [`Disk::is_safe`] before and after it writes.
//! - X6: a leg that is filled anew has only what was opened there since: a file that is open from
//!   before lost its name, and what is written to it is on no copy.

mod file;

pub use file::read_verified;

use crate::disks::{DiskSet, Slot};
use crate::env::{Device, Disk, DiskFile, DiskSpace, IoFuture, is_full};
use crate::format::roster::DiskNumber;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use file::{Handle, MirrorFile};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// Copies with which writes go on where there were more.
const LEG_COUNT_SAFE: usize = 2;

/// The legs of a node's metadata.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    disks: Arc<DiskSet>,
    /// A disk that is being filled to become a leg (X3).
    joining: RwLock<Option<Arc<Slot>>>,
}

/// Whether an error says something about what was asked, not about the disk.
fn is_answer(error: &io::Error) -> bool {
    is_full(error) || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
}

impl Mirror {
    /// The legs of those disks.
    pub fn new(disks: Arc<DiskSet>) -> Self {
        Self { inner: Arc::new(Inner { disks, joining: RwLock::default() }) }
    }

    /// Begins to fill a disk: whatever is created from now on is created there, too.
    pub fn begin_joining(&self, slot: Arc<Slot>) {
        *self.inner.joining.write().unwrap_or_else(PoisonError::into_inner) = Some(slot);
    }

    /// Ends it; returns whether the disk took part in everything since.
    pub fn end_joining(&self) -> bool {
        self.inner.joining.write().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// Whether the disk that is being filled still takes part.
    pub fn is_joining(&self) -> bool {
        self.inner.joining().is_some()
    }
}

impl Inner {
    fn joining(&self) -> Option<Arc<Slot>> {
        self.joining.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everybody who takes part in changes, legs first.
    fn targets(&self) -> Vec<Arc<Slot>> {
        let mut targets = self.disks.legs();
        let joining =
            self.joining().filter(|slot| !targets.iter().any(|leg| Arc::ptr_eq(leg, slot)));
        targets.extend(joining);
        targets
    }

    fn is_joining(&self, slot: &Arc<Slot>) -> bool {
        self.joining().is_some_and(|joining| Arc::ptr_eq(&joining, slot))
    }

    fn is_target(&self, slot: &Arc<Slot>) -> bool {
        self.targets().iter().any(|target| Arc::ptr_eq(target, slot))
    }

    /// Sums up what the targets answered: drops those that failed (X1), then gives the answers of
    /// the others. The first answer that is an error counts for all.
    async fn conclude<T>(
        &self,
        results: Vec<(Arc<Slot>, io::Result<T>)>,
    ) -> io::Result<Vec<(Arc<Slot>, T)>> {
        let mut done = Vec::with_capacity(results.len());
        let mut answer = None;
        let (mut failed, mut full) = (Vec::new(), Vec::new());
        let is_done_elsewhere = results.iter().any(|(_, result)| result.is_ok());
        for (slot, result) in results {
            match result {
                Ok(value) => done.push((slot, value)),
                // What the others have is missing there: its directory was taken away; or it was
                // there before the disk began to be filled.
                Err(error) if is_done_elsewhere && error.kind() == io::ErrorKind::NotFound => {
                    match self.is_joining(&slot) {
                        true => self.drop_joining(&slot, &error),
                        false => failed.push((slot, io::Error::other(error))),
                    }
                }
                Err(error) if is_done_elsewhere && is_full(&error) => full.push((slot, error)),
                Err(error) if is_answer(&error) => answer = answer.or(Some((slot, error))),
                Err(error) => failed.push((slot, error)),
            }
        }
        self.drop_failed(failed).await?;
        answer = answer.or(self.drop_full(full).await);
        let Some((slot, error)) = answer else {
            return if done.is_empty() {
                Err(io::Error::other("no leg is left"))
            } else {
                Ok(done)
            };
        };
        if !self.is_joining(&slot) || done.is_empty() {
            return Err(error);
        }
        self.drop_joining(&slot, &error);
        Ok(done)
    }

    async fn drop_failed(&self, failed: Vec<(Arc<Slot>, io::Error)>) -> io::Result<()> {
        let mut numbers: Vec<DiskNumber> = Vec::new();
        let mut stale = Vec::new();
        let mut last = None;
        for (slot, error) in failed {
            self.disks.suspect(&slot, &error);
            if self.is_joining(&slot) {
                self.drop_joining(&slot, &error);
            } else if self.disks.legs().iter().any(|leg| Arc::ptr_eq(leg, &slot)) {
                numbers.push(slot.number);
                stale.push(slot);
                last = Some(error);
            }
        }
        let Some(error) = last else {
            return Ok(());
        };
        if mutant::is(Mutant::KeepFailedLeg) && self.disks.legs().len() > 1 {
            return Ok(());
        }
        mark::hit(Mark::LegDropped);
        tracing::warn!(%error, legs = ?numbers, "copies of the metadata failed and are dropped");
        let demoted = self.disks.demote(&numbers).await;
        if self.disks.roster().disks.len() > 1 {
            stale.iter().for_each(|slot| slot.make_stale());
            // Before anybody is served nothing new is acknowledged: the other copies go on, so that
            // what there is can be read.
            if !self.disks.is_serving() && !self.disks.legs().is_empty() {
                return Ok(());
            }
        }
        // A lone disk has nobody to go on with: it answers with its own error.
        demoted.map_err(|_| error)?;
        match self.disks.is_writable() {
            true => Ok(()),
            false => Err(io::Error::other("too few copies of the metadata are left")),
        }
    }

    /// Leaves out legs without room, as far as the others are enough (X4). Returns what one that is
    /// needed answered.
    async fn drop_full(
        &self,
        mut full: Vec<(Arc<Slot>, io::Error)>,
    ) -> Option<(Arc<Slot>, io::Error)> {
        let legs = self.disks.legs();
        let is_leg = |slot: &Arc<Slot>| legs.iter().any(|leg| Arc::ptr_eq(leg, slot));
        let lame: Vec<_> = full.iter().map(|it| it.0.clone()).filter(is_leg).collect();
        let left_count = legs.len() - lame.len();
        let is_enough = left_count >= LEG_COUNT_SAFE || !self.disks.is_serving() && left_count > 0;
        if lame.is_empty() || !is_enough || mutant::is(Mutant::KeepFullLeg) {
            return full.pop();
        }
        for (slot, error) in &full {
            mark::hit(Mark::FullLegDropped);
            tracing::warn!(%error, disk = slot.place, "a copy of the metadata has no room");
        }
        let dropped = self.disks.drop_lame_legs(&lame).await;
        // Before anybody is served nothing new is acknowledged: it is enough to read past it.
        let is_left_out = dropped.is_ok() || !self.disks.is_serving();
        full.retain(|(slot, _)| !is_left_out || !lame.iter().any(|it| Arc::ptr_eq(it, slot)));
        full.pop()
    }

    fn drop_joining(&self, slot: &Slot, error: &io::Error) {
        mark::hit(Mark::FillingFailed);
        tracing::warn!(%error, disk = slot.place, "disk cannot become a leg");
        self.joining.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Mirror {
    /// Runs an operation on every target at once.
    fn on_targets<T: Send + 'static>(
        &self,
        operation: impl Fn(&Slot) -> IoFuture<T>,
    ) -> impl Future<Output = io::Result<Vec<(Arc<Slot>, T)>>> + Send + 'static {
        let inner = self.inner.clone();
        let running: Vec<_> = inner
            .targets()
            .into_iter()
            .map(|slot| {
                let future = operation(&slot);
                async move { (slot, future.await) }
            })
            .collect();
        async move {
            let results = join_all(running).await;
            inner.conclude(results).await
        }
    }

    fn on_all(&self, operation: impl Fn(&Slot) -> IoFuture<()>) -> IoFuture<()> {
        let running = self.on_targets(operation);
        Box::pin(async move { running.await.map(drop) })
    }
}

impl Disk for Mirror {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let running = self.on_targets(|slot| {
            let (filling, created) = (slot.filling(), slot.disk.create(path));
            Box::pin(async move { Ok((filling, created.await?)) })
        });
        let (inner, path) = (self.inner.clone(), path.to_owned());
        Box::pin(async move {
            let created = running.await?.into_iter();
            let handles =
                created.map(|(slot, (filling, file))| Handle { slot, filling, file }).collect();
            Ok(Arc::new(MirrorFile::new(inner, path, handles)) as Arc<dyn DiskFile>)
        })
    }

    /// Opens what is there: a leg without the file is read past, and repaired by whoever checks.
    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let inner = self.inner.clone();
        let path = path.to_owned();
        let running: Vec<_> = inner
            .targets()
            .into_iter()
            .map(|slot| {
                let filling = slot.filling();
                let future = slot.disk.open(&path);
                async move { future.await.map(|file| Handle { slot, filling, file }) }
            })
            .collect();
        Box::pin(async move {
            let mut handles = Vec::new();
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for result in join_all(running).await {
                match result {
                    Ok(handle) => handles.push(handle),
                    // Any other error is worth more than an absence that only one leg tells.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => last = error,
                    Err(_) => {}
                }
            }
            if handles.is_empty() {
                return Err(last);
            }
            Ok(Arc::new(MirrorFile::new(inner, path, handles)) as Arc<dyn DiskFile>)
        })
    }

    fn rename(&self, source: &str, target: &str) -> IoFuture<()> {
        self.on_all(|slot| slot.disk.rename(source, target))
    }

    /// Removes the file wherever it is.
    fn remove(&self, path: &str) -> IoFuture<()> {
        let running = self.on_targets(|slot| {
            let remove = slot.disk.remove(path);
            Box::pin(async move {
                match remove.await {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                    Err(error) => Err(error),
                }
            })
        });
        Box::pin(async move {
            let was_there = running.await?.into_iter().any(|(_, was_there)| was_there);
            if was_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        })
    }

    fn create_dir(&self, path: &str) -> IoFuture<()> {
        self.on_all(|slot| slot.disk.create_dir(path))
    }

    /// Names that any leg has.
    fn list(&self, path: &str) -> IoFuture<Vec<String>> {
        let running = self.on_targets(|slot| slot.disk.list(path));
        Box::pin(async move {
            let lists = running.await?.into_iter();
            let names: BTreeSet<String> = lists.flat_map(|(_, names)| names).collect();
            Ok(names.into_iter().collect())
        })
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        self.on_all(|slot| slot.disk.sync_dir(path))
    }

    /// Room on the leg that has least.
    fn space(&self) -> IoFuture<DiskSpace> {
        let running = self.on_targets(|slot| slot.disk.space());
        Box::pin(async move {
            let spaces = running.await?.into_iter().map(|(_, space)| space);
            Ok(spaces.min_by_key(|space| space.free).unwrap_or_default())
        })
    }

    fn is_safe(&self) -> bool {
        !self.inner.disks.is_serving() || self.inner.disks.is_writable()
    }

    fn device(&self) -> IoFuture<Device> {
        let running = self.on_targets(|slot| slot.disk.device());
        Box::pin(async move {
            let first = running.await?.into_iter().next();
            Ok(first.map(|(_, device)| device).unwrap_or_default())
        })
    }
}
