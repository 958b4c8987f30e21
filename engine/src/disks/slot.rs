//! One disk of a node, as the node knows it just now.

use super::recognise::IDENTITY_PATH;
use crate::env::Disk;
use crate::format::identity::{IDENTITY_LEN, Identity};
use crate::format::roster::DiskNumber;
use crate::object::status::DiskState;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One disk of the node that is there. A disk that went and came back is another slot.
pub struct Slot {
    /// Its number.
    pub number: DiskNumber,
    /// Its identity.
    pub disk_id: u128,
    /// Where it is.
    pub place: String,
    /// What to read and write.
    pub disk: Arc<dyn Disk>,
    /// Whether what it holds must be verified before it counts (Q3).
    pub is_unverified: bool,
    /// Whether its copy of the metadata, if any, is not current.
    pub(super) is_stale: AtomicBool,
    /// Times that its copy of the metadata was begun anew.
    pub(super) fillings: AtomicU64,
    /// Whether its members were told that they must be verified.
    pub(super) doubted: AtomicBool,
    pub(super) health: Mutex<(DiskState, String)>,
    /// Bytes that were free at the last look.
    pub(super) free: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) rot: AtomicU64,
    /// Times that it became a suspect.
    pub(super) strikes: AtomicU64,
    /// Looks since then without a trial.
    pub(super) waited: AtomicU64,
}

impl Slot {
    /// What it is worth, and why.
    pub fn health(&self) -> (DiskState, String) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is worth.
    pub fn state(&self) -> DiskState {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether it takes writes.
    pub fn is_healthy(&self) -> bool {
        self.state() == DiskState::Healthy
    }

    /// Bytes that were free when somebody last looked; nobody did: as many as can be.
    pub fn last_free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether reads are worth a try.
    pub fn is_readable(&self) -> bool {
        matches!(self.state(), DiskState::Healthy | DiskState::Suspect | DiskState::ReadOnly)
    }

    pub(super) fn set_health(&self, state: DiskState, reason: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if health.0 != state {
            let (disk, state) = (&self.place, state.word());
            tracing::warn!(disk, state, reason, "disk changed its state");
        }
        *health = (state, reason.to_owned());
    }

    /// Whether this is the first one to ask about a disk whose content must be verified.
    pub fn take_doubt(&self) -> bool {
        !self.doubted.swap(true, Ordering::AcqRel)
    }

    /// Whether nobody asked yet about a disk whose content must be verified.
    pub fn awaits_doubt(&self) -> bool {
        self.is_unverified && !self.doubted.load(Ordering::Acquire)
    }

    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Acquire)
    }

    /// Its copy of the metadata missed a change.
    pub fn make_stale(&self) {
        self.is_stale.store(true, Ordering::Release);
    }

    /// Which copy of the metadata the disk holds or is about to: a file that was opened in an
    /// earlier one may still be open, but has no name any more.
    pub fn filling(&self) -> u64 {
        self.fillings.load(Ordering::Acquire)
    }

    /// Its copy of the metadata is begun anew, or dropped for good.
    pub fn begin_filling(&self) {
        self.fillings.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts an operation that failed.
    pub fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a read that gave damaged bytes.
    pub fn count_rot(&self) {
        self.rot.fetch_add(1, Ordering::Relaxed);
    }

    /// Operations that failed, and reads that gave damaged bytes.
    pub fn counts(&self) -> (u64, u64) {
        (self.errors.load(Ordering::Relaxed), self.rot.load(Ordering::Relaxed))
    }

    /// Checks that the directory still is this disk's: where a mount went, files would land on
    /// whatever is below.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub(crate) async fn check_presence(&self) -> io::Result<()> {
        let file = self.disk.open(IDENTITY_PATH).await?;
        let found = file.read(0, IDENTITY_LEN + 1).await?;
        let identity = Identity::decode(&found);
        match identity.is_ok_and(|identity| identity.disk_id == self.disk_id) {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} is no longer this disk", self.place))),
        }
    }
}
