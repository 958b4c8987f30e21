//! The trace of a run: a hash over every event and its virtual time, and the last events for
//! whoever must explain a failure.
//!
//! - T1: two runs of one seed have the same hash, or the simulator is broken.

use crate::random::mix;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Events that a failure prints.
const KEPT_MAX: usize = 40;

#[derive(Default)]
struct Events {
    hash: u64,
    count: u64,
    kept: VecDeque<String>,
}

/// The trace of one run; clones share it.
#[derive(Clone, Default)]
pub struct Trace {
    events: Arc<Mutex<Events>>,
    is_echoed: bool,
}

impl Trace {
    /// An empty trace; `is_echoed` prints every event as it happens.
    pub fn new(is_echoed: bool) -> Self {
        Self { events: Arc::default(), is_echoed }
    }

    /// Adds an event.
    pub fn event(&self, time: Duration, text: &str) {
        let line = format!("{:>12.6} {text}", time.as_secs_f64());
        if self.is_echoed {
            println!("{line}");
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.fold(time.as_nanos() as u64);
        text.bytes().for_each(|byte| events.fold(u64::from(byte)));
        events.count += 1;
        events.kept.push_back(line);
        if events.kept.len() > KEPT_MAX {
            events.kept.pop_front();
        }
    }

    /// Adds a number that is no event: the digest of a disk.
    pub fn fold(&self, value: u64) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).fold(value);
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).hash
    }

    /// The last events, oldest first.
    pub fn last_events(&self) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.kept.iter().cloned().collect()
    }
}

impl Events {
    fn fold(&mut self, value: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_sees_time_text_and_order() {
        let hash = |events: &[(u64, &str)]| {
            let trace = Trace::new(false);
            for (time, text) in events {
                trace.event(Duration::from_nanos(*time), text);
            }
            trace.hash()
        };
        let base = hash(&[(1, "a"), (2, "b")]);
        assert_eq!(base, hash(&[(1, "a"), (2, "b")]));
        assert_ne!(base, hash(&[(1, "a"), (3, "b")]));
        assert_ne!(base, hash(&[(1, "a"), (2, "c")]));
        assert_ne!(base, hash(&[(2, "b"), (1, "a")]));
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let trace = Trace::new(false);
        (0..100).for_each(|number| trace.event(Duration::ZERO, &format!("event {number}")));
        let events = trace.last_events();
        assert_eq!(events.len(), KEPT_MAX);
        assert!(events[KEPT_MAX - 1].ends_with("event 99"));
    }
}
