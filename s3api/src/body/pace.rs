//! How long a client may take with its body.
//!
//! - W1: only time that is spent waiting for the client counts: a store that is slow costs nobody
//!   their upload.
//! - W2: a wait of the idle time fails the body, and so does a stretch of several waits, as long
//!   together as the window, that brought less than the floor.

use crate::config::Limits;
use crate::listener::timer::IdleTimer;
use std::task::{Context, Poll};
use std::time::Duration;

/// Watches one body.
pub struct Pace {
    idle: IdleTimer,
    rate_min: u64,
    window: Duration,
    /// Of the stretch so far.
    waited: Duration,
    received: u64,
}

impl Pace {
    /// A body begins.
    pub fn new(limits: &Limits) -> Self {
        Self {
            idle: IdleTimer::new(Duration::from_millis(limits.body_idle_timeout_ms)),
            rate_min: limits.body_rate_min,
            window: Duration::from_millis(limits.body_rate_window_ms),
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// Waits for the client; ready when it took the whole idle time.
    pub fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.idle.poll(context)
    }

    /// Something came; returns whether it is fast enough (W2).
    pub fn is_kept(&mut self, len: usize) -> bool {
        let waited = self.idle.progress();
        self.judge(waited, len)
    }

    fn judge(&mut self, waited: Duration, len: usize) -> bool {
        // One pause, which the idle time allows, is not judged by the little that ends it.
        self.waited += waited.min(self.window / 2);
        self.received += len as u64;
        if self.waited <= self.window {
            return true;
        }
        let floor = self.rate_min as f64 * self.waited.as_secs_f64();
        let is_kept = self.received as f64 >= floor;
        (self.waited, self.received) = (Duration::ZERO, 0);
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_drips_is_given_up_and_what_pauses_is_not() {
        let mut drip = Pace::new(&Limits::default());
        assert!(!(0..100).all(|_| drip.judge(SECOND, 100)), "100 bytes a second");
        let mut slow = Pace::new(&Limits::default());
        assert!((0..1000).all(|_| slow.judge(SECOND, 600)), "600 bytes a second");
        let mut paused = Pace::new(&Limits::default());
        assert!(paused.judge(50 * SECOND, 1) && (0..100).all(|_| paused.judge(SECOND, 4096)));
        let mut rare = Pace::new(&Limits::default());
        assert!(!(0..5).all(|_| rare.judge(59 * SECOND, 1)), "a byte a minute");
    }
}
