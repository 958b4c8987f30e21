//! A process's view of a simulated disk: the traits of `engine::env` over one incarnation of the
//! shared state.
//!
//! Each operation runs as a task of its own, as it runs on a disk thread in production: it happens
//! even when its caller goes away, and its effect comes when the scheduler pleases.

use super::{EIO, Operation, State, lock};
use bytes::Bytes;
use engine::env::{Disk, DiskFile, DiskSpace, Durability, IoFuture};
use std::io;
use std::sync::{Arc, Mutex};

/// The disk of one incarnation.
#[derive(Clone)]
pub(super) struct Mount {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) incarnation: u64,
}

fn dead() -> io::Error {
    io::Error::other("this process is dead")
}

impl Mount {
    fn with<T>(&self, effect: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = lock(&self.state);
        if state.incarnation == self.incarnation { effect(&mut state) } else { Err(dead()) }
    }

    /// One step of an operation: its latency, then its effect.
    async fn step<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        if let Some(delay) = self.with(|state| Ok(state.delay(operation)))? {
            tokio::time::sleep(delay).await;
        }
        self.with(|state| if state.may_step() { effect(state) } else { Err(dead()) })
    }

    fn submit<T: Send + 'static>(
        &self,
        operation: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> IoFuture<T> {
        // A task that is dropped by a kill may still call; it gets no new task.
        if self.with(|_| Ok(())).is_err() {
            return Box::pin(std::future::ready(Err(dead())));
        }
        let task = tokio::spawn(operation);
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(dead())) })
    }

    fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut State) -> io::Result<T> + Send + 'static,
    ) -> IoFuture<T> {
        let mount = self.clone();
        self.submit(async move { mount.step(operation, effect).await })
    }

    fn run_open(
        &self,
        effect: impl FnOnce(&mut State) -> io::Result<u64> + Send + 'static,
    ) -> IoFuture<Arc<dyn DiskFile>> {
        let mount = self.clone();
        self.submit(async move {
            let inode = mount.step(Operation::Name, effect).await?;
            Ok(Arc::new(OpenFile(Arc::new(Descriptor { mount, inode }))) as Arc<dyn DiskFile>)
        })
    }
}

impl Disk for Mount {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let path = path.to_owned();
        self.run_open(move |state| state.create(&path))
    }

    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let path = path.to_owned();
        self.run_open(move |state| state.open(&path))
    }

    fn rename(&self, source: &str, target: &str) -> IoFuture<()> {
        let (source, target) = (source.to_owned(), target.to_owned());
        self.run(Operation::Name, move |state| {
            state.names.rename(&source, &target)?;
            state.free_files();
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> IoFuture<()> {
        let path = path.to_owned();
        self.run(Operation::Name, move |state| {
            state.names.unlink(&path)?;
            state.free_files();
            Ok(())
        })
    }

    fn create_dir(&self, path: &str) -> IoFuture<()> {
        let path = path.to_owned();
        self.run(Operation::Name, move |state| {
            if state.names.get(&path) == Some(super::Entry::Directory) {
                return Ok(());
            }
            state.names.link(&path, super::Entry::Directory)
        })
    }

    fn list(&self, path: &str) -> IoFuture<Vec<String>> {
        let path = path.to_owned();
        self.run(Operation::Name, move |state| state.names.list(&path))
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        let path = path.to_owned();
        self.run(Operation::Sync, move |state| {
            state.names.sync(&path)?;
            state.free_files();
            Ok(())
        })
    }

    fn space(&self) -> IoFuture<DiskSpace> {
        self.run(Operation::Name, |state| Ok(state.space()))
    }
}

/// Counts as open until the last operation that uses it is over.
struct Descriptor {
    mount: Mount,
    inode: u64,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // A dead incarnation's files were all closed when it died.
        let _ = self.mount.with(|state| {
            state.close(self.inode);
            Ok(())
        });
    }
}

struct OpenFile(Arc<Descriptor>);

impl DiskFile for OpenFile {
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes> {
        let file = self.0.clone();
        self.0.mount.submit(async move {
            let read = |state: &mut State| {
                if state.is_failing(Operation::Read) {
                    return Err(io::Error::from_raw_os_error(EIO));
                }
                Ok(state.file(file.inode).content.read(offset, len))
            };
            file.mount.step(Operation::Read, read).await
        })
    }

    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()> {
        let file = self.0.clone();
        self.0.mount.submit(async move {
            let write = |state: &mut State| state.write(file.inode, offset, &buffers);
            file.mount.step(Operation::Write, write).await?;
            if durability == Durability::Synced {
                file.mount.step(Operation::Sync, |state| state.sync(file.inode)).await?;
            }
            Ok(())
        })
    }

    fn sync(&self) -> IoFuture<()> {
        let file = self.0.clone();
        self.0.mount.submit(async move {
            file.mount.step(Operation::Sync, |state| state.sync(file.inode)).await
        })
    }

    fn len(&self) -> IoFuture<u64> {
        let file = self.0.clone();
        self.0.mount.submit(async move {
            let len = |state: &mut State| Ok(state.file(file.inode).content.len());
            file.mount.step(Operation::Name, len).await
        })
    }
}
