//! What operations on files do to a simulated disk, and what goes wrong with them.

use super::fault::Fault;
use super::names::{Entry, Inode};
use super::page::{PAGE, SECTOR};
use super::state::{File, State, TURNS_MAX, io_error};
use super::{EIO, ENOSPC};
use bytes::{Bytes, BytesMut};
use std::io;

impl State {
    pub(super) fn create(&mut self, path: &str) -> io::Result<Inode> {
        if self.faults.capacity.is_some() && self.space().free < PAGE as u64 {
            return Err(self.fail(Fault::NoSpace, ENOSPC));
        }
        let inode = self.next_inode;
        self.names.link(path, Entry::File(inode))?;
        self.next_inode += 1;
        self.files.insert(inode, File { open_count: 1, ..File::default() });
        Ok(inode)
    }

    pub(super) fn open(&mut self, path: &str) -> io::Result<Inode> {
        let inode = match self.names.file(path) {
            Ok(inode) => inode,
            Err(error) => {
                self.meet(Fault::Vanished);
                return Err(error);
            }
        };
        self.file(inode).open_count += 1;
        Ok(inode)
    }

    pub(super) fn close(&mut self, inode: Inode) {
        let file = self.file(inode);
        assert!(file.open_count > 0, "a handle is closed once");
        file.open_count -= 1;
        if file.open_count == 0 && !self.unlinked.is_empty() {
            self.free_files();
        }
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        let inode = self.names.file(path)?;
        self.names.unlink(path)?;
        self.unlinked.push(inode);
        self.free_files();
        Ok(())
    }

    pub(super) fn rename(&mut self, source: &str, target: &str) -> io::Result<()> {
        let replaced = self.names.file(target).ok();
        self.names.rename(source, target)?;
        self.unlinked.extend(replaced);
        self.free_files();
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &str) -> io::Result<()> {
        self.names.sync(path)?;
        self.free_files();
        Ok(())
    }

    pub(super) fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        self.meet(Fault::Vanished);
        let mut names = self.names.list(path)?;
        if !names.is_empty() && self.chance(self.faults.unlisted_per_mille) {
            self.counts.strike(Fault::Vanished);
            names.remove(self.random.index(names.len()));
        }
        Ok(names)
    }

    pub(super) fn read(&mut self, inode: Inode, offset: u64, len: usize) -> io::Result<Bytes> {
        if self.chance(self.faults.read_error_per_mille) {
            return Err(self.fail(Fault::TransientError, EIO));
        }
        if self.chance(self.faults.dying_per_mille) {
            let worse = self.faults.dying_per_mille + self.faults.dying_per_mille.div_ceil(10);
            self.faults.dying_per_mille = worse.min(1000);
            self.meet(Fault::DiskLoss);
            if self.file(inode).content.spoil(offset) {
                self.counts.inject(Fault::LatentSector);
            }
        }
        if self.chance(self.faults.read_elsewhere_per_mille)
            && let Some(bytes) = self.read_elsewhere(inode, offset, len)
        {
            return Ok(bytes);
        }
        let file = self.files.get_mut(&inode).expect("an open file exists");
        let bytes = file.content.read_medium(offset, len, &mut self.counts);
        bytes.ok_or_else(|| {
            self.statistics.errors += 1;
            io_error(EIO)
        })
    }

    /// As many bytes of another place, if they differ.
    fn read_elsewhere(&mut self, inode: Inode, offset: u64, len: usize) -> Option<Bytes> {
        let bytes = self.file(inode).content.read(offset, len);
        let inodes: Vec<Inode> = self.files.keys().copied().collect();
        let other = if self.random.chance(500) { inode } else { *self.random.pick(&inodes) };
        let room = self.file(other).content.len().checked_sub(bytes.len() as u64)?;
        let step = self.random.below(room / SECTOR as u64 + 1);
        let elsewhere = self.file(other).content.read(step * SECTOR as u64, bytes.len());
        let differs = elsewhere != bytes;
        differs.then(|| {
            self.counts.strike(Fault::MisdirectedRead);
            elsewhere
        })
    }

    pub(super) fn write(
        &mut self,
        inode: Inode,
        mut offset: u64,
        buffers: &[Bytes],
    ) -> io::Result<()> {
        self.statistics.writes += 1;
        if self.chance(self.faults.write_back_error_per_mille)
            && self.file(inode).content.is_unsynced()
        {
            let is_reverted = self.faults.is_reverted;
            self.counts.inject(Fault::SyncError);
            let file = self.file(inode);
            file.content.fail_sync(is_reverted);
            file.failures += 1;
        }
        if self.chance(self.faults.write_error_per_mille) {
            let first = buffers.first().cloned().unwrap_or_default();
            let part = first.slice(..self.random.index(first.len() + 1));
            self.write_one(inode, offset, &part)?;
            return Err(self.fail(Fault::TransientError, EIO));
        }
        if self.faults.capacity.is_none() {
            return self.write_one(inode, offset, &joined(buffers));
        }
        for buffer in buffers {
            // Room is looked up only where somebody limits it: it costs a walk over all files.
            let growth = self.file(inode).content.growth(offset, buffer.len());
            if growth > self.space().free {
                return Err(self.fail(Fault::NoSpace, ENOSPC));
            }
            self.write_one(inode, offset, buffer)?;
            offset += buffer.len() as u64;
        }
        Ok(())
    }

    fn write_one(&mut self, inode: Inode, offset: u64, bytes: &Bytes) -> io::Result<()> {
        let file = self.files.get_mut(&inode).expect("an open file exists");
        if !file.content.allows_write(offset, bytes.len()) {
            self.statistics.errors += 1;
            return Err(io_error(EIO));
        }
        file.content.write(offset, bytes, self.stamp, &mut self.random);
        Ok(())
    }

    /// Syncs a file for a handle that was told of so many failures; returns what it knows then.
    pub(super) fn sync(&mut self, (inode, path): (Inode, &str), told: &mut u64) -> io::Result<()> {
        self.statistics.syncs += 1;
        let failures = self.file(inode).failures;
        if failures > *told {
            *told = failures;
            self.statistics.errors += 1;
            self.counts.meet(Fault::SyncError);
            return Err(io_error(EIO));
        }
        let is_meant = self.next_sync_prefix.is_none_or(|prefix| path.starts_with(prefix));
        let is_planned = is_meant && self.next_sync == Some(Fault::SyncError);
        if is_planned || self.chance(self.faults.sync_error_per_mille) {
            self.next_sync = self.next_sync.filter(|_| !is_planned);
            let is_reverted = self.faults.is_reverted;
            self.file(inode).content.fail_sync(is_reverted);
            return Err(self.fail(Fault::SyncError, EIO));
        }
        self.lose_writes(inode, is_meant);
        if self.file(inode).content.is_stuck() {
            self.counts.strike(Fault::SyncErrorUntold);
        }
        self.file(inode).content.sync();
        Ok(())
    }

    /// What a sync says yes to although it is not so.
    fn lose_writes(&mut self, inode: Inode, is_meant: bool) {
        let planned = self.next_sync.filter(|_| is_meant);
        let wants = |fault, drawn| planned == Some(fault) || drawn;
        let is_lost = self.chance(self.faults.lost_write_per_mille);
        let is_astray = self.chance(self.faults.misdirected_write_per_mille);
        for (fault, drawn) in [(Fault::LostWrite, is_lost), (Fault::MisdirectedWrite, is_astray)] {
            if !wants(fault, drawn) {
                continue;
            }
            let file = self.files.get_mut(&inode).expect("an open file exists");
            let Some((offset, bytes)) = file.content.lose_write(fault, &mut self.random) else {
                continue;
            };
            self.counts.inject(fault);
            self.next_sync = self.next_sync.filter(|planned| *planned != fault);
            if fault == Fault::MisdirectedWrite {
                self.land_elsewhere(inode, offset, &bytes);
            }
        }
    }

    /// Lets bytes land at a wrong place: often in the same file, else in any.
    fn land_elsewhere(&mut self, inode: Inode, offset: u64, bytes: &Bytes) {
        let inodes: Vec<Inode> = self.files.keys().copied().collect();
        for _ in 0..TURNS_MAX {
            let other = if self.random.chance(500) { inode } else { *self.random.pick(&inodes) };
            let len = self.file(other).content.len();
            let Some(room) = len.checked_sub(bytes.len() as u64) else { continue };
            let place = self.random.below(room / SECTOR as u64 + 1) * SECTOR as u64;
            let is_right = other == inode && place == offset;
            if !is_right && self.file(other).content.smash(place, bytes) {
                return;
            }
        }
    }
}

/// Buffers as one.
fn joined(buffers: &[Bytes]) -> Bytes {
    if let [only] = buffers {
        return only.clone();
    }
    let mut bytes = BytesMut::with_capacity(buffers.iter().map(Bytes::len).sum());
    buffers.iter().for_each(|buffer| bytes.extend_from_slice(buffer));
    bytes.freeze()
}
