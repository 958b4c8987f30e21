//! The time by which retentions end: no clock of a node ends one alone.
//!
//! A wall clock may be set, jump, or come back wrong after a restart. So this one counts the time
//! that the process really ran, from where the last process left it ([`Command::LockClock`]). A
//! retention is over when the wall clock says so *and* the count got there. Time that passed while
//! no process ran is known from the wall clock only: the count makes it up slowly.
//!
//! - L1: the count never goes back, and gains at most `1 + 1/CATCH_UP` of the time that passes.
//! - L2: the count never passes the wall clock by what it makes up.
//!
//! [`Command::LockClock`]: crate::meta::command::Command::LockClock

use engine::mutant::{self, Mutant};
use engine::object::{Clock, UnixNanos};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Share of the time that passes by which the count may gain on the wall clock: a 16th.
const CATCH_UP: u32 = 16;

/// How far ahead of the count a wall clock is believed when a retention begins: a year. What is
/// kept longer by a wrong clock than it had to be is at least not lost.
const AHEAD_MAX: UnixNanos = 365 * 24 * 3600 * 1_000_000_000;

/// How often the count is noted in the log, where there is any lock: what a crash takes from it.
pub const NOTE_INTERVAL: Duration = Duration::from_secs(3600);

/// See the module.
pub struct LockClock {
    wall: Arc<dyn Clock>,
    state: Mutex<(Count, Instant)>,
}

/// The count by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count(UnixNanos);

impl Count {
    /// Time passed (L1, L2).
    fn advance(self, passed: Duration, wall: UnixNanos) -> Self {
        let time = self.0.saturating_add(passed.as_nanos() as u64);
        let gain = wall.saturating_sub(time).min((passed / CATCH_UP).as_nanos() as u64);
        Self(time.saturating_add(gain))
    }

    /// When a retention ends.
    fn now(self, wall: UnixNanos) -> UnixNanos {
        self.0.min(wall)
    }

    /// When a retention begins.
    fn beginning(self, wall: UnixNanos) -> UnixNanos {
        wall.clamp(self.0, self.0.saturating_add(AHEAD_MAX))
    }
}

impl LockClock {
    /// Goes on from where the last process left the count, else from the wall clock.
    pub fn new(wall: Arc<dyn Clock>, noted: Option<UnixNanos>) -> Self {
        let noted = noted.filter(|_| !mutant::is(Mutant::ForgetLockTime));
        let count = Count(noted.unwrap_or_else(|| wall.unix_nanos()));
        Self { wall, state: Mutex::new((count, Instant::now())) }
    }

    /// The time by which a retention ends.
    pub fn now(&self) -> UnixNanos {
        let (count, wall) = (self.count(), self.wall.unix_nanos());
        if mutant::is(Mutant::TrustWallClock) { wall } else { count.now(wall) }
    }

    /// The time from which a retention counts.
    pub fn beginning(&self) -> UnixNanos {
        self.count().beginning(self.wall.unix_nanos())
    }

    /// The count itself.
    pub fn counted(&self) -> UnixNanos {
        self.count().0
    }

    fn count(&self) -> Count {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.saturating_duration_since(state.1);
        *state = (state.0.advance(passed, self.wall.unix_nanos()), now);
        state.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;

    fn hours(count: u64) -> Duration {
        Duration::from_secs(3600 * count)
    }

    #[test]
    fn a_wall_clock_that_jumps_ahead_ends_nothing() {
        let wall = 900_000 * HOUR;
        let count = Count(1000 * HOUR);
        assert_eq!(count.now(wall), 1000 * HOUR);
        let later = count.advance(hours(16), wall + 16 * HOUR);
        assert_eq!(later.now(wall), 1017 * HOUR, "a 16th faster, no more");
        assert_eq!(later.beginning(wall), later.0 + AHEAD_MAX);
    }

    #[test]
    fn a_wall_clock_that_goes_back_holds_everything() {
        let count = Count(1000 * HOUR).advance(hours(5), 10 * HOUR);
        assert_eq!(count, Count(1005 * HOUR));
        assert_eq!(count.now(10 * HOUR), 10 * HOUR);
        assert_eq!(count.beginning(10 * HOUR), 1005 * HOUR);
    }

    #[test]
    fn time_without_a_process_is_made_up_slowly() {
        let (mut count, mut wall) = (Count(1000 * HOUR), 1010 * HOUR);
        assert_eq!(count.beginning(wall), wall);
        for round in 1..=20 {
            wall += 16 * HOUR;
            count = count.advance(hours(16), wall);
            assert_eq!(count.now(wall), (1000 * HOUR + round * 17 * HOUR).min(wall), "L2");
        }
        assert_eq!(count, Count(wall));
    }
}
