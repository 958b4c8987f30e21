//! Who reads a body that has rows of its own: the purge leaves those rows alone meanwhile, so that
//! a download that began goes on although the object was replaced or deleted.
//!
//! Only this process's readers count: a crash ends them all, and the purge may go on.

use crate::rows::Garbage;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bodies that are being read, and how often.
#[derive(Clone, Default)]
pub(crate) struct Readings {
    counts: Arc<Mutex<BTreeMap<Garbage, usize>>>,
}

/// Keeps the rows of a body from the purge while it lives.
pub(crate) struct Reading {
    readings: Readings,
    body: Garbage,
}

impl Readings {
    /// Begins to read a body.
    pub(crate) fn begin(&self, body: Garbage) -> Reading {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(body).or_default() += 1;
        Reading { readings: self.clone(), body }
    }

    /// Whether somebody reads the body.
    pub(crate) fn contains(&self, body: Garbage) -> bool {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&body)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut counts = self.readings.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get_mut(&self.body).map(|count| {
            *count -= 1;
            *count
        });
        if count == Some(0) {
            counts.remove(&self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_until_its_last_reader_goes() {
        let (readings, body) = (Readings::default(), Garbage::Extents(7));
        let (first, second) = (readings.begin(body), readings.begin(body));
        drop(first);
        assert!(readings.contains(body));
        drop(second);
        assert!(!readings.contains(body));
        assert!(readings.counts.lock().unwrap().is_empty());
    }
}
