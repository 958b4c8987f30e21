//! What tests of the store on a simulated disk share: a clock that stands and ids by seed.

use engine::env::{Clock, Env, Rng};
use sim::random::Random;
use std::sync::{Arc, Mutex};

struct FixedClock;

impl Clock for FixedClock {
    fn unix_nanos(&self) -> u64 {
        1
    }
}

struct SeededRng(Mutex<Random>);

impl Rng for SeededRng {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill(buffer);
    }
}

/// An environment that depends on nothing but the seed.
pub fn env(seed: u64) -> Env {
    let rng = SeededRng(Mutex::new(Random::new(seed, "ids")));
    Env { clock: Arc::new(FixedClock), rng: Arc::new(rng) }
}
