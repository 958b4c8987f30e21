//! A process's view of a simulated disk: the traits of `engine::env` over whatever is mounted at a
//! place.

use super::machine::Machine;
use super::operation::{Delay, Manner, Step, run_inline, run_inline_steps, run_task};
use super::place::Mounted;
use super::state::{Operation, State, io_error};
use super::{ENODEV, lock};
use bytes::Bytes;
use engine::env::{Device, Disk, DiskFile, DiskSpace, Durability, IoFuture};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A place, as one process sees it.
pub(super) struct Mount {
    pub(super) machine: Machine,
    pub(super) mounted: Arc<Mounted>,
    /// The machine's incarnation that may use it.
    pub(super) process: u64,
}

pub(super) fn dead() -> io::Error {
    io::Error::other("this process is dead")
}

/// Runs an operation the way the disk wants it.
fn submit<T: Send + 'static>(
    state: &Arc<Mutex<State>>,
    operation: Operation,
    effect: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> IoFuture<T> {
    let (manner, delay) = {
        let mut state = lock(state);
        (state.manner, state.delay(operation))
    };
    match manner {
        Manner::Task => run_task(vec![Step::new(delay, effect)], dead),
        Manner::Inline { .. } => run_inline(delay, effect),
    }
}

fn failed<T: Send + 'static>(error: io::Error) -> IoFuture<T> {
    Box::pin(std::future::ready(Err(error)))
}

impl Mount {
    /// The disk that is mounted now.
    fn state(&self) -> io::Result<Arc<Mutex<State>>> {
        // A task that is dropped by a kill may still call; it gets no new task.
        if self.machine.incarnation() != self.process {
            return Err(dead());
        }
        let mounted = self.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        mounted.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Runs an operation on names; `what` and `path` are for whoever watches.
    fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        (what, path): (&'static str, &str),
        effect: impl FnOnce(&mut State) -> io::Result<T> + Send + 'static,
    ) -> IoFuture<T> {
        let path = path.to_owned();
        let state = match self.state() {
            Ok(state) => state,
            Err(error) => return failed(error),
        };
        let (own, incarnation) = (state.clone(), lock(&state).incarnation);
        let process = self.process;
        submit(&state, operation, move || {
            let mut state = enter(&own, process, incarnation)?;
            state.begin(operation)?;
            let result = effect(&mut state);
            state.note(what, &path, result.as_ref().err());
            result
        })
    }

    fn run_open(
        &self,
        operation: Operation,
        (what, path): (&'static str, &str),
        effect: impl FnOnce(&mut State) -> io::Result<u64> + Send + 'static,
    ) -> IoFuture<Arc<dyn DiskFile>> {
        let owner = self.state();
        let process = self.process;
        let name = path.to_owned();
        self.run(operation, (what, path), move |state| {
            state.need_handle()?;
            let inode = effect(state)?;
            let told = AtomicU64::new(state.file(inode).failures);
            let incarnation = state.incarnation;
            let machine = state.machine.clone();
            let state = owner?;
            machine.take_handle();
            let descriptor = Descriptor { state, process, incarnation, inode, told, name };
            Ok(Arc::new(OpenFile(Arc::new(descriptor))) as Arc<dyn DiskFile>)
        })
    }
}

/// The disk, if the process and its hold of the disk are still valid.
fn enter(
    state: &Mutex<State>,
    process: u64,
    incarnation: u64,
) -> io::Result<std::sync::MutexGuard<'_, State>> {
    let state = lock(state);
    if state.machine.incarnation() != process {
        return Err(dead());
    }
    if state.incarnation != incarnation { Err(io_error(ENODEV)) } else { Ok(state) }
}

impl Disk for Mount {
    fn create(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let own = path.to_owned();
        self.run_open(Operation::Name, ("create", path), move |state| state.create(&own))
    }

    fn open(&self, path: &str) -> IoFuture<Arc<dyn DiskFile>> {
        let own = path.to_owned();
        self.run_open(Operation::Look, ("open", path), move |state| state.open(&own))
    }

    fn rename(&self, source: &str, target: &str) -> IoFuture<()> {
        let path = target;
        let (source, target) = (source.to_owned(), target.to_owned());
        self.run(Operation::Name, ("rename", path), move |state| state.rename(&source, &target))
    }

    fn remove(&self, path: &str) -> IoFuture<()> {
        let own = path.to_owned();
        self.run(Operation::Name, ("remove", path), move |state| state.remove(&own))
    }

    fn create_dir(&self, path: &str) -> IoFuture<()> {
        let own = path.to_owned();
        self.run(Operation::Name, ("create directory", path), move |state| {
            if state.names.get(&own) == Some(super::Entry::Directory) {
                return Ok(());
            }
            state.names.link(&own, super::Entry::Directory)
        })
    }

    fn list(&self, path: &str) -> IoFuture<Vec<String>> {
        let own = path.to_owned();
        self.run(Operation::Look, ("list", path), move |state| {
            state.need_handle()?;
            state.list(&own)
        })
    }

    fn sync_dir(&self, path: &str) -> IoFuture<()> {
        let own = path.to_owned();
        self.run(Operation::Sync, ("sync directory", path), move |state| {
            state.need_handle()?;
            state.sync_dir(&own)
        })
    }

    fn space(&self) -> IoFuture<DiskSpace> {
        self.run(Operation::Look, ("space", ""), |state| {
            state.statistics.room_looks += 1;
            Ok(state.space())
        })
    }

    fn device(&self) -> IoFuture<Device> {
        self.run(Operation::Look, ("device", ""), |state| Ok(state.device()))
    }
}

/// Counts as open until the last operation that uses it is over.
struct Descriptor {
    state: Arc<Mutex<State>>,
    process: u64,
    incarnation: u64,
    inode: u64,
    /// Failed write-backs that this handle knows of.
    told: AtomicU64,
    /// Path that it was opened by.
    name: String,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let machine = lock(&self.state).machine.clone();
        machine.give_handle(self.process);
        // A dead incarnation's files were all closed when it died.
        if let Ok(mut state) = enter(&self.state, self.process, self.incarnation) {
            state.close(self.inode);
        }
    }
}

impl Descriptor {
    fn step<T>(
        &self,
        operation: Operation,
        what: &'static str,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = enter(&self.state, self.process, self.incarnation)?;
        state.begin(operation)?;
        let result = effect(&mut state);
        state.note(what, &self.name, result.as_ref().err());
        result
    }

    fn sync(&self) -> io::Result<()> {
        self.step(Operation::Sync, "sync", |state| {
            let mut told = self.told.load(Ordering::Relaxed);
            let result = state.sync((self.inode, &self.name), &mut told);
            self.told.store(told, Ordering::Relaxed);
            result
        })
    }
}

struct OpenFile(Arc<Descriptor>);

impl OpenFile {
    fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&Descriptor) -> io::Result<T> + Send + 'static,
    ) -> IoFuture<T> {
        let file = self.0.clone();
        if let Err(error) = enter(&file.state, file.process, file.incarnation) {
            return failed(error);
        }
        submit(&self.0.state, operation, move || effect(&file))
    }
}

impl OpenFile {
    /// The machine is told what becomes of it.
    fn write_watched(
        &self,
        offset: u64,
        write: impl FnOnce(&Descriptor) -> io::Result<()> + Send + 'static,
    ) -> IoFuture<()> {
        let (machine, disk, is_removed) = {
            let state = lock(&self.0.state);
            let inode = self.0.inode;
            let is_removed = state.unlinked.contains(&inode) && !state.names.is_linked(inode);
            (state.machine.clone(), state.device_number, is_removed)
        };
        machine.copies().begin(&self.0.name, offset);
        let (running, file) = (self.write_and_sync(write), self.0.clone());
        Box::pin(async move {
            let result = running.await;
            if result.is_ok() && is_removed {
                machine.copies().removed(&file.name, offset, disk);
            } else if result.is_ok() {
                machine.copies().done(&file.name, offset, disk);
            }
            result
        })
    }

    /// Two steps: the process may die between them, the power may go.
    fn write_and_sync(
        &self,
        write: impl FnOnce(&Descriptor) -> io::Result<()> + Send + 'static,
    ) -> IoFuture<()> {
        let (file, synced) = (self.0.clone(), self.0.clone());
        let (manner, delays) = match enter(&file.state, file.process, file.incarnation) {
            Ok(mut state) => {
                let delays = [Operation::Write, Operation::Sync].map(|step| state.delay(step));
                (state.manner, delays)
            }
            Err(error) => return failed(error),
        };
        if manner != Manner::Task && delays == [Delay::default(); 2] {
            let result = write(&file).and_then(|()| file.sync());
            return Box::pin(std::future::ready(result));
        }
        let [first, second] = delays;
        let steps =
            vec![Step::new(first, move || write(&file)), Step::new(second, move || synced.sync())];
        match manner {
            Manner::Task => run_task(steps, dead),
            Manner::Inline { .. } => run_inline_steps(steps),
        }
    }
}

impl DiskFile for OpenFile {
    fn read(&self, offset: u64, len: usize) -> IoFuture<Bytes> {
        self.run(Operation::Read, move |file| {
            file.step(Operation::Read, "read", |state| state.read(file.inode, offset, len))
        })
    }

    fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> IoFuture<()> {
        let write = move |file: &Descriptor| {
            file.step(Operation::Write, "write", |state| state.write(file.inode, offset, &buffers))
        };
        match durability {
            Durability::Cached => self.run(Operation::Write, write),
            Durability::Synced => self.write_watched(offset, write),
        }
    }

    fn sync(&self) -> IoFuture<()> {
        self.run(Operation::Sync, |file| file.sync())
    }

    fn drop_cache(&self) -> IoFuture<()> {
        self.run(Operation::Look, |file| {
            file.step(Operation::Look, "drop the cache of", |state| {
                state.file(file.inode).content.drop_clean();
                Ok(())
            })
        })
    }

    fn len(&self) -> IoFuture<u64> {
        self.run(Operation::Look, |file| {
            file.step(Operation::Look, "length", |state| Ok(state.file(file.inode).content.len()))
        })
    }
}
