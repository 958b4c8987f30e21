//! K20: what the journal acknowledges is on two disks, and nothing durable goes to files that the
//! store removed. Told from what the disks did, not from what the store believes.

use std::collections::BTreeSet;

/// Where a batch of the journal lies, on every disk alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    path: String,
    offset: u64,
}

impl Place {
    /// Files of one generation share the first part of their names.
    fn generation(&self) -> &str {
        self.path.split('-').next().unwrap_or_default()
    }
}

/// Follows the batches of a journal that several disks hold.
#[derive(Default)]
pub(super) struct Copies {
    /// Disks that a batch must be on before the next one is written.
    wanted: usize,
    current: Option<Place>,
    disks: BTreeSet<u64>,
    broken: Option<String>,
    newest: Option<Place>,
}

impl Copies {
    pub(super) fn want(&mut self, wanted: usize) {
        self.wanted = wanted;
    }

    /// A process died: whatever it was about to write is nobody's promise.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    /// A durable write to a file begins on some disk.
    pub(super) fn begin(&mut self, path: &str, offset: u64) {
        if !path.starts_with("journal/") {
            return;
        }
        let place = Place { path: path.to_owned(), offset };
        self.newest = Some(place.clone());
        if self.wanted == 0 {
            return;
        }
        let Some(last) = self.current.take_if(|current| *current != place) else {
            self.current = Some(place);
            return;
        };
        let count = self.disks.len();
        if last.generation() == place.generation() && count < self.wanted {
            let Place { path, offset } = last;
            let text = format!("K20: {path} went on after {offset}, which {count} disks have");
            self.broken = self.broken.take().or(Some(text));
        }
        self.disks.clear();
        self.current = Some(place);
    }

    /// It is in a file that the store had removed from that disk: no start will find it.
    pub(super) fn removed(&mut self, path: &str, offset: u64, disk: u64) {
        if path.starts_with("journal/") || path.starts_with("volumes/") {
            let text =
                format!("K20: {path} goes on at {offset} on disk {disk}, where it was removed");
            self.broken = self.broken.take().or(Some(text));
        }
    }

    /// It is durable on that disk.
    pub(super) fn done(&mut self, path: &str, offset: u64, disk: u64) {
        let is_current =
            self.current.as_ref().is_some_and(|it| it.path == path && it.offset == offset);
        if is_current {
            self.disks.insert(disk);
        }
    }

    pub(super) fn newest(&self) -> Option<(String, u64)> {
        self.newest.as_ref().map(|place| (place.path.clone(), place.offset))
    }

    pub(super) fn take_broken(&mut self) -> Option<String> {
        self.broken.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(copies: &mut Copies, path: &str, offset: u64, disks: &[u64]) -> Option<String> {
        copies.begin(path, offset);
        copies.begin(path, offset);
        disks.iter().for_each(|disk| copies.done(path, offset, *disk));
        copies.take_broken()
    }

    #[test]
    fn a_batch_on_one_disk_is_told_when_the_next_one_begins() {
        let mut copies = Copies::default();
        copies.want(2);
        assert_eq!(write(&mut copies, "journal/a-0", 0, &[1, 2]), None);
        assert_eq!(write(&mut copies, "journal/a-0", 4096, &[2]), None);
        assert_eq!(write(&mut copies, "volumes/x", 4096, &[]), None, "no journal");
        assert!(write(&mut copies, "journal/a-1", 0, &[1, 2]).is_some());
        assert_eq!(write(&mut copies, "journal/a-1", 8192, &[2]), None);
        assert_eq!(write(&mut copies, "journal/b-0", 0, &[1]), None, "it failed, another began");
        copies.forget();
        assert_eq!(write(&mut copies, "journal/b-0", 4096, &[1, 2]), None, "the process died");
        copies.removed("stave.disk.tmp", 0, 1);
        assert_eq!(copies.take_broken(), None, "nothing is acknowledged by it");
        copies.removed("volumes/x", 0, 1);
        assert!(copies.take_broken().is_some(), "a member that no start will find");
        copies.removed("journal/b-0", 8192, 2);
        assert!(copies.take_broken().is_some_and(|text| text.contains("at 8192 on disk 2")));
    }
}
