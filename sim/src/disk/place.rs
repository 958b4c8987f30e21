//! A mount point: the path that the store was given. Which disk is mounted there may change while
//! the store runs.

use super::handle::Mount;
use super::machine::Machine;
use super::state::State;
use super::{SimDisk, lock};
use engine::env::Disk;
use std::sync::{Arc, Mutex, PoisonError};

/// What is mounted at a place; `None` where even the directory is missing.
pub(super) type Mounted = Mutex<Option<Arc<Mutex<State>>>>;

/// A place where a disk can be mounted; clones share it.
#[derive(Clone)]
pub struct Place {
    machine: Machine,
    mounted: Arc<Mounted>,
}

impl Place {
    /// A place where nothing is, not even a directory.
    pub fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), mounted: Arc::default() }
    }

    /// Mounts a disk here; what was here is pulled: its open files are worthless.
    pub fn mount(&self, disk: Option<&SimDisk>) {
        let new = disk.map(|disk| disk.state.clone());
        let mut mounted = self.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *mounted, new);
        drop(mounted);
        if let Some(old) = old {
            lock(&old).detach();
        }
    }

    /// The place as a fresh process sees it. Valid until that process dies.
    pub fn attach(&self) -> Arc<dyn Disk> {
        let mounted = self.mounted.clone();
        let state = mounted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(state) = state {
            lock(&state).settle();
        }
        let process = self.machine.incarnation();
        Arc::new(Mount { machine: self.machine.clone(), mounted, process })
    }
}
