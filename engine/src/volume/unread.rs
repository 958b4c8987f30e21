//! What could not be read just now and may be there all the same. A disk that fails for a moment
//! has lost nothing: whoever made its member anew meanwhile, without the records that no other one
//! has, would delete the last copy of them.
//!
//! - N1: where members that were not read may hold a record, nothing is put in the place of one of
//!   them, and none counts as whole, before [`PATIENCE`] is over. Where more members are gone or
//!   unread than there is parity, none is made anew at all: it would be empty.

use super::heal::Healed;
use super::{Volume, VolumeSet};
use crate::error::{EngineError, Result};
use crate::format::record::Shape;
use crate::mutant::{self, Mutant};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a volume waits for what cannot be read, before that counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pause between tries: each of them may read the whole volume.
const PAUSE: Duration = Duration::from_secs(10);

/// What is known of a member's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there, with an intact first page.
    There,
    /// There is none, or its first page is damaged, or its disk was replaced.
    Gone,
    /// Nobody knows: its disk is away, or failed to read it.
    Unread,
}

/// What the members of a volume say of one record each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sight {
    held: usize,
    failed: usize,
    absent: usize,
}

impl Sight {
    /// Counts what one member said, whose disk is there or not.
    fn count<T>(&mut self, is_there: bool, answer: &Result<T>) {
        match answer {
            Ok(_) => self.held += 1,
            Err(_) if !is_there => self.absent += 1,
            Err(EngineError::Corrupt { .. }) => {}
            Err(error) if error.is_not_found() => {}
            Err(_) => self.failed += 1,
        }
    }

    /// Whether those that were not read may have what lacks. A record that was acknowledged is on
    /// one member more than there are data columns: with fewer it is what a crash cut off, unless
    /// others rotted while a disk that is there failed to read.
    fn may_return(self, data_count: usize) -> bool {
        let unread = self.failed + self.absent;
        unread > 0 && self.held + unread >= data_count + usize::from(self.failed == 0)
    }
}

/// Since when a volume waits, and when it is looked at again.
#[derive(Default)]
pub(super) struct Unread(Mutex<Option<(Instant, Instant)>>);

impl Unread {
    fn state(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try came to something that was not read.
    fn note(&self, now: Instant) {
        let mut state = self.state();
        let since = state.map_or(now, |(since, _)| since);
        *state = Some((since, now + PAUSE));
    }

    /// Nothing is waited for.
    fn clear(&self) {
        *self.state() = None;
    }

    fn is_pausing(&self, now: Instant) -> bool {
        self.state().is_some_and(|(_, again)| now < again)
    }

    fn is_patient(&self, now: Instant) -> bool {
        let is_it = self.state().is_none_or(|(since, _)| now < since + PATIENCE);
        is_it && !mutant::is(Mutant::GiveUpUnread)
    }
}

impl Volume {
    /// What is known of a member's file.
    pub async fn presence(&self, column: usize) -> Presence {
        let member = self.member(column);
        if !self.shared.disks.is_known(member.entry.disk) {
            return Presence::Gone;
        }
        match member.file(&self.shared.disks, &self.shared.open_files).await {
            Ok(_) => Presence::There,
            Err(EngineError::Corrupt { .. }) => Presence::Gone,
            Err(error) if error.is_not_found() => Presence::Gone,
            Err(_) if mutant::is(Mutant::GiveUpUnread) => Presence::Gone,
            Err(_) => Presence::Unread,
        }
    }

    /// Whether something was not read so lately that another try is not due.
    pub fn is_pausing(&self) -> bool {
        self.unread.is_pausing(Instant::now())
    }

    /// Whether what is not read is still waited for.
    pub(super) fn is_patient(&self) -> bool {
        self.unread.is_patient(Instant::now())
    }

    /// All of it was gone through, and nothing is waited for any more.
    pub fn forget_unread(&self) {
        self.unread.clear();
    }

    /// Whether a try read all that there may be; takes note where it did not.
    pub(super) fn has_come_through(&self, healed: &Healed) -> bool {
        if healed.unread > 0 {
            self.unread.note(Instant::now());
        }
        healed.unread == 0
    }

    /// Columns whose disks may have their members yet, and whether the disk is there.
    fn expected(&self) -> Vec<(usize, bool)> {
        let disks = &self.shared.disks;
        let members = self.members().into_iter().enumerate();
        let known = members.filter(|(_, member)| disks.is_known(member.entry.disk));
        known.map(|(column, member)| (column, member.slot(disks).is_some())).collect()
    }

    /// Whether a stripe may begin at an offset where no member showed one.
    pub(super) async fn may_hide(&self, offset: u64) -> bool {
        let mut sight = Sight::default();
        for (column, is_there) in self.expected() {
            let answer = self.shape_of(column, offset).await;
            if answer.is_ok() {
                // The next try will see it.
                return true;
            }
            sight.count(is_there, &answer);
        }
        sight.may_return(self.geometry.data_count())
    }

    /// Whether a stripe of which too few columns were read may be whole.
    pub(super) async fn may_return(&self, offset: u64, shape: &Shape) -> bool {
        let mut sight = Sight::default();
        for (column, is_there) in self.expected() {
            sight.count(is_there, &self.look_at(offset, shape, column).await);
        }
        sight.may_return(self.geometry.data_count())
    }
}

impl VolumeSet {
    /// Whether members that were not read, and those that are gone, are more than the others can
    /// make up for: then waiting is all there is.
    pub fn must_wait(&self, volume: &Volume, presences: &[Presence]) -> bool {
        let count = |wanted| presences.iter().filter(|presence| **presence == wanted).count();
        let (gone, unread) = (count(Presence::Gone), count(Presence::Unread));
        unread > 0 && gone + unread > volume.geometry.parity.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(held: usize, failed: usize, absent: usize) -> Sight {
        Sight { held, failed, absent }
    }

    #[test]
    fn what_nobody_may_have_is_not_waited_for() {
        let two_of_four = [(sight(1, 0, 0), false), (sight(2, 0, 0), false)];
        let absent = [(sight(1, 0, 1), false), (sight(2, 0, 1), true), (sight(1, 0, 2), true)];
        let failed = [(sight(0, 1, 0), false), (sight(1, 1, 0), true), (sight(0, 1, 1), true)];
        for (sight, expected) in [&two_of_four[..], &absent, &failed].concat() {
            assert_eq!(sight.may_return(2), expected, "{sight:?}");
        }
        for (sight, expected) in [(sight(0, 1, 0), true), (sight(0, 0, 1), false)] {
            assert_eq!(sight.may_return(1), expected, "a mirror, {sight:?}");
        }
    }

    #[test]
    fn damage_is_an_answer_and_an_error_of_the_disk_is_none() {
        let mut sight = Sight::default();
        let failed = |kind: std::io::ErrorKind| EngineError::io("read", "volumes/1")(kind.into());
        for answer in [
            Ok(()),
            Err(EngineError::corrupt("record", "volumes/1", 4096)),
            Err(failed(std::io::ErrorKind::NotFound)),
            Err(failed(std::io::ErrorKind::Other)),
        ] {
            sight.count(true, &answer);
        }
        sight.count(false, &Err::<(), _>(failed(std::io::ErrorKind::Other)));
        assert_eq!((sight.held, sight.failed, sight.absent), (1, 1, 1));
    }

    #[test]
    fn patience_ends_and_begins_anew() {
        let unread = Unread::default();
        let first = Instant::now();
        assert!(unread.is_patient(first) && !unread.is_pausing(first));
        unread.note(first);
        assert!(unread.is_patient(first) && unread.is_pausing(first));
        assert!(!unread.is_pausing(first + PAUSE));
        let last = first + PATIENCE;
        unread.note(last);
        assert!(!unread.is_patient(last), "since the first note");
        unread.clear();
        assert!(unread.is_patient(last) && !unread.is_pausing(last));
    }
}
