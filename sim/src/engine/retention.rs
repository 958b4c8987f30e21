//! How long versions are kept, and by which clock that ends: [`cluster::lock_clock`], from outside.
//!
//! - K25: a retention that was acknowledged ends for nobody before the wall clock shows its end and
//!   processes ran for so long, but for the 16th that may be made up; once both are sure, it ended.

use super::client::Call;
use super::judge::{Judge, Verdict, broken};
use super::model::Existence;
use super::run::Run;
use super::versions::VersionState;
use std::time::Duration;

/// What clocks show, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub wall: u64,
    /// What a store counted of the time that passed, at least.
    least: u64,
    /// And at most.
    most: u64,
}

impl Clocks {
    /// When a retention begins, at the earliest and at the latest, of something that was asked for
    /// when clocks showed this, and answered by then.
    pub fn beginning(self, answered: Self) -> (u64, u64) {
        (self.wall.max(self.least), answered.wall.max(answered.most))
    }

    fn may_be_over(self, until: u64) -> bool {
        self.wall.min(self.most) >= until
    }

    fn is_over(self, until: u64) -> bool {
        self.wall.min(self.least) >= until
    }
}

/// What a process left of its count for those after it: at least that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Noted {
    /// They begin with the wall clock.
    #[default]
    Nothing,
    /// Nobody knows whether it did.
    Perhaps(u64),
    /// It did.
    Surely(u64),
}

/// What is known of the time of locks.
#[derive(Clone, Debug, Default)]
pub struct LockTimes {
    noted: Noted,
    /// Whether this process counts by now.
    is_open: bool,
    /// What the count of this process began with, and after how much of its life.
    began: (Clocks, Duration),
    /// When the requests were asked that are judged now.
    pub asked: Clocks,
    /// Now.
    pub now: Clocks,
}

impl LockTimes {
    /// A process began to count before it had started: what the wall clock showed at the beginning
    /// and at the end of the start, and how long that took.
    fn open(&mut self, wall: (u64, u64), taken: Duration) {
        let (least, most) = (wall.0, wall.1);
        let count = match self.noted {
            Noted::Nothing => (least, most),
            Noted::Perhaps(noted) => (least.min(noted), most.max(self.now.most)),
            Noted::Surely(noted) => (noted, self.now.most),
        };
        let began = Clocks { wall: wall.1, least: count.0, most: count.1 + at_most(taken) };
        (self.began, self.now, self.is_open) = ((began, taken), began, true);
    }

    /// The process is gone.
    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    /// So much of the life is over.
    fn advance(&mut self, wall: u64, life: Duration) {
        if !self.is_open {
            return;
        }
        let (began, taken) = self.began;
        let passed = life.saturating_sub(taken);
        let least = began.least + passed.as_nanos() as u64;
        self.now = Clocks { wall, least, most: began.most + at_most(passed) };
    }

    /// A count is noted, or perhaps is.
    pub(super) fn note(&mut self, is_acknowledged: bool) {
        let counted = self.began.0.least;
        self.noted = match (self.noted, is_acknowledged) {
            (Noted::Surely(noted), _) => Noted::Surely(noted),
            (_, true) => Noted::Surely(counted),
            (Noted::Perhaps(noted), _) => Noted::Perhaps(noted.min(counted)),
            (Noted::Nothing, _) => Noted::Perhaps(counted),
        };
    }
}

/// What a count gains at most in such a time.
fn at_most(time: Duration) -> u64 {
    (time + time / 16).as_nanos() as u64
}

/// Until when a version is kept; 0 for one that never was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// At least.
    surely: u64,
    /// At most.
    perhaps: u64,
    /// A deletion of which nobody knows came when it was over.
    had_ended: bool,
}

impl Kept {
    /// From its beginning, at least until the one, at most until the other.
    pub fn between(surely: u64, perhaps: u64) -> Self {
        Self { surely, perhaps, had_ended: false }
    }

    /// Whether somebody ever wanted to keep it.
    pub fn is_asked(self) -> bool {
        self.perhaps > 0
    }

    /// Nobody knows what came of a deletion.
    pub(super) fn leave_deleted(&mut self, now: Clocks) {
        self.had_ended |= now.may_be_over(self.surely);
    }

    /// The version is there.
    pub(super) fn is_there(&mut self) {
        self.had_ended = false;
    }

    /// Nobody knows whether it is kept until then.
    pub fn leave_open(&mut self, until: u64) {
        self.perhaps = self.perhaps.max(until);
    }
}

impl Run {
    /// The store has started; what the wall clock showed before.
    pub(super) fn begin_clocks(&mut self, before: u64) {
        let (after, life) = self.world.clock.show();
        self.model.versions.times.open((before, after), life.unwrap_or_default());
    }

    /// A life is over that took so long.
    pub(super) fn end_clocks(&mut self, life: Duration) {
        let (wall, _) = self.world.clock.show();
        self.model.versions.times.advance(wall, life);
    }

    /// Time passed.
    pub(super) fn note_clocks(&mut self) {
        if let (wall, Some(life)) = self.world.clock.show() {
            self.model.versions.times.advance(wall, life);
        }
    }

    /// Requests are asked.
    pub(super) fn begin_asking(&mut self) {
        self.note_clocks();
        let times = &mut self.model.versions.times;
        times.asked = times.now;
    }
}

impl Judge<'_> {
    /// K23, K25: nobody holds or keeps a version that was deleted.
    pub(super) fn is_free(&self, index: usize) -> Verdict {
        let version = &self.model.versions.all[index];
        if version.hold == Existence::Live {
            return broken(format!("K23: version {} was held and is deleted", version.id));
        }
        self.is_kept_no_more(index, "is deleted")
    }

    fn is_kept_no_more(&self, index: usize, what: &str) -> Verdict {
        let version = &self.model.versions.all[index];
        let (until, now) = (version.kept.surely, self.model.versions.times.now);
        let is_gone = version.possible().contains(&VersionState::Gone);
        if now.may_be_over(until) || version.kept.had_ended && is_gone {
            return Ok(());
        }
        broken(format!("K25: version {} is kept until {until} and {what}: {now:?}", version.id))
    }

    /// A version was not deleted because of a lock.
    pub(super) fn locked(&mut self, index: usize) -> Verdict {
        let asked = self.model.versions.times.asked;
        let version = &mut self.model.versions.all[index];
        if !asked.is_over(version.kept.perhaps) {
            return Ok(());
        }
        let (id, kept) = (version.id, version.kept);
        match std::mem::replace(&mut version.hold, Existence::Live) {
            Existence::Gone if kept.is_asked() => {
                broken(format!("K25: version {id} is kept longer than {kept:?}: {asked:?}"))
            }
            Existence::Gone => broken(format!("K23: version {id} was never held")),
            Existence::Live | Existence::Unsure => Ok(()),
        }
    }

    /// A version is kept from now on until then.
    pub(super) fn retained(&mut self, index: usize, until: u64) -> Verdict {
        let kept = self.model.versions.all[index].kept;
        if until < kept.surely {
            self.is_kept_no_more(index, "less long now")?;
        }
        let perhaps = kept.perhaps.max(until);
        self.model.versions.all[index].kept = Kept { surely: until, perhaps, had_ended: false };
        Ok(())
    }

    /// A version is not kept until then: it is kept for longer.
    pub(super) fn not_retained(&self, index: usize, call: &Call) -> Verdict {
        let kept = self.model.versions.all[index].kept;
        let asked = self.model.versions.times.asked;
        if call.until() < kept.perhaps && !asked.is_over(kept.perhaps) {
            return Ok(());
        }
        broken(format!("K25: {} was refused: {kept:?}, {asked:?}", call.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn neither_clock_ends_a_retention_alone() {
        let mut times = LockTimes::default();
        times.open((100 * SECOND, 100 * SECOND), Duration::ZERO);
        times.note(true);
        let until = 110 * SECOND;
        times.advance(500 * SECOND, Duration::from_secs(5));
        assert!(!times.now.may_be_over(until), "the wall clock jumped");
        times.advance(90 * SECOND, Duration::from_secs(50));
        assert!(!times.now.may_be_over(until), "it went back");
        times.advance(500 * SECOND, Duration::from_millis(9700));
        assert!(times.now.may_be_over(until) && !times.now.is_over(until), "a 16th is made up");
        times.advance(500 * SECOND, Duration::from_secs(10));
        assert!(times.now.is_over(until));
    }

    #[test]
    fn a_count_that_was_noted_outlives_its_process() {
        let mut times = LockTimes::default();
        times.open((100 * SECOND, 101 * SECOND), Duration::from_secs(1));
        times.note(false);
        times.open((900 * SECOND, 900 * SECOND), Duration::ZERO);
        assert_eq!((times.now.least, times.now.most), (100 * SECOND, 900 * SECOND), "perhaps");
        times.note(true);
        times.advance(950 * SECOND, Duration::from_secs(16));
        times.close();
        times.advance(960 * SECOND, Duration::ZERO);
        times.open((2000 * SECOND, 2000 * SECOND), Duration::ZERO);
        assert_eq!((times.now.least, times.now.most), (100 * SECOND, 917 * SECOND));
    }
}
