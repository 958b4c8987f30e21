//! Where a volume holds less than its stripes need, as the last round of scrub found it: garbage of
//! a crash, or bodies that are lost. Only rows can tell which.

use super::Volume;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Ranges of one volume that are remembered; what comes behind the last of them counts as lost.
const RANGES_MAX: usize = 1024;

/// Ranges of a volume in which no stripe can be read, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostRanges(Vec<Range<u64>>);

impl LostRanges {
    /// Adds a range behind all others.
    pub fn push(&mut self, range: Range<u64>) {
        let is_too_many = self.0.len() >= RANGES_MAX;
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if is_too_many || last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    fn contains(&self, offset: u64) -> bool {
        let at = self.0.partition_point(|range| range.end <= offset);
        self.0.get(at).is_some_and(|range| range.contains(&offset))
    }
}

/// What the last round of scrub found.
#[derive(Default)]
pub(super) struct Lost(Mutex<LostRanges>);

impl Volume {
    /// Remembers what a round of scrub found, in place of what an earlier one did.
    pub fn set_lost(&self, ranges: LostRanges) {
        *self.lost.0.lock().unwrap_or_else(PoisonError::into_inner) = ranges;
    }

    /// Whether the last round of scrub could not read the stripe at an offset.
    pub fn may_be_lost(&self, offset: u64) -> bool {
        self.lost.0.lock().unwrap_or_else(PoisonError::into_inner).contains(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let mut ranges = LostRanges::default();
        for range in [0..10, 10..20, 30..30, 40..50] {
            ranges.push(range);
        }
        assert_eq!(ranges.0, [0..20, 40..50]);
        let found = [0, 19, 20, 39, 40, 49, 50].map(|offset| ranges.contains(offset));
        assert_eq!(found, [true, true, false, false, true, true, false]);
    }

    #[test]
    fn what_is_too_much_to_remember_counts_as_lost() {
        let mut ranges = LostRanges::default();
        (0..2 * RANGES_MAX as u64).for_each(|at| ranges.push(at * 10..at * 10 + 1));
        assert_eq!(ranges.0.len(), RANGES_MAX);
        assert!(ranges.contains(20 * RANGES_MAX as u64 - 15), "behind the last one");
        assert!(!ranges.contains(5), "before it everything is known");
    }
}
