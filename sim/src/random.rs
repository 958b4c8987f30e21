//! Streams of pseudo-random numbers, one per purpose, so that drawing more of one never shifts
//! another.
//!
//! SplitMix64: tiny, fast, passes the usual statistical suites, and a stream is one `u64` of state.
//! It decides what the simulator does to the store, never anything that must be hard to guess.
//!
//! - R1: a stream is a pure function of the seed and the label that made it.

use std::ops::Range;

/// Step of the SplitMix64 counter: the golden ratio in 64 bits, odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One stream.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

/// Mixes a counter into 64 bits that look random (the finaliser of SplitMix64).
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Random {
    /// The stream of a seed for one purpose.
    pub fn new(seed: u64, label: &str) -> Self {
        let name = label.bytes().fold(STEP, |sum, byte| mix(sum ^ u64::from(byte)));
        Self { state: mix(seed ^ name) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "nothing is below 0");
        // The bias of a remainder is far below anything a test could notice.
        self.bits() % limit
    }

    /// A number of a range that is not empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// A size of a range that is not empty.
    pub fn size(&mut self, range: Range<usize>) -> usize {
        range.start + self.index(range.end - range.start)
    }

    /// An index into something of `count` entries.
    pub fn index(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// One of the choices.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// An index, each as likely as its weight; at least one weight is not 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut rest = self.below(total);
        for (index, weight) in weights.iter().enumerate() {
            if rest < u64::from(*weight) {
                return index;
            }
            rest -= u64::from(*weight);
        }
        unreachable!("the rest is below the sum of the weights")
    }

    /// A number from 1 to `limit`, small ones as likely as large ones in orders of magnitude.
    pub fn skewed(&mut self, limit: u64) -> u64 {
        let bits = 64 - limit.leading_zeros();
        let cap = limit.min(1 << self.below(u64::from(bits)).min(62));
        1 + self.below(cap.max(1))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_label_and_seed() {
        let mut draws = vec![
            Random::new(1, "a").bits(),
            Random::new(1, "b").bits(),
            Random::new(2, "a").bits(),
            Random::new(1, "ab").bits(),
        ];
        draws.sort_unstable();
        draws.dedup();
        assert_eq!(draws.len(), 4);
        assert_eq!(Random::new(7, "x").bits(), Random::new(7, "x").bits());
    }

    #[test]
    fn weighted_never_draws_a_zero_weight() {
        let mut random = Random::new(3, "weights");
        for _ in 0..1000 {
            assert_ne!(random.weighted(&[1, 0, 5]), 1);
        }
    }

    #[test]
    fn skewed_stays_in_its_bounds() {
        let mut random = Random::new(3, "skewed");
        for _ in 0..10_000 {
            let draw = random.skewed(1000);
            assert!((1..=1000).contains(&draw));
        }
    }
}
