//! What is around the store: its machine, the places where disks are mounted, clock and randomness.

use super::profile::Profile;
use crate::disk::{FaultCounts, Machine, Manner, Place, SimDisk, Timing};
use crate::random::Random;
use cluster::Node;
use engine::disks::DiskAt;
use engine::env::{Clock, Env, Rng};
use engine::object::StoreError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Nanoseconds that the wall clock may show at the beginning: 2001, 2023, just before 2038, 2096.
const EPOCHS: [u64; 4] = [
    1_000_000_000_000_000_000,
    1_700_000_000_000_000_000,
    2_147_483_600_000_000_000,
    4_000_000_000_000_000_000,
];

#[derive(Default)]
struct Hands {
    nanos: u64,
    /// How much faster it goes than time, of a million; slower below 0.
    drift_ppm: i64,
    /// When the life that runs began, on its runtime's clock.
    began: Option<Instant>,
}

impl Hands {
    /// Nanoseconds that it shows for so long.
    fn stretch(&self, time: Duration) -> u64 {
        let nanos = i128::try_from(time.as_nanos()).unwrap_or_default();
        let stretched = nanos + nanos * i128::from(self.drift_ppm) / 1_000_000;
        u64::try_from(stretched).unwrap_or_default()
    }
}

/// A wall clock that goes with time, or faster, or slower, on a little whenever it is read, and
/// jumps when it is told to.
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<Hands>>);

impl SimClock {
    fn new(epoch: u64, drift_ppm: i64) -> Self {
        Self(Arc::new(Mutex::new(Hands { nanos: epoch, drift_ppm, began: None })))
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jumps so many seconds.
    pub fn jump(&self, seconds: i64) {
        let mut hands = self.hands();
        hands.nanos = hands.nanos.saturating_add_signed(seconds * 1_000_000_000);
    }

    /// What it shows, and how long the life that runs is; nobody reads it by that.
    pub fn show(&self) -> (u64, Option<Duration>) {
        let hands = self.hands();
        let life = hands.began.map(|began| began.elapsed());
        (hands.nanos + life.map_or(0, |life| hands.stretch(life)), life)
    }

    /// A life begins.
    pub fn begin_life(&self) {
        self.hands().began = Some(Instant::now());
    }

    /// It ended after so long.
    pub fn end_life(&self, time: Duration) {
        let mut hands = self.hands();
        hands.nanos += hands.stretch(time);
        hands.began = None;
    }
}

impl Clock for SimClock {
    fn unix_nanos(&self) -> u64 {
        let mut hands = self.hands();
        hands.nanos += 1_000_003;
        hands.nanos + hands.began.map_or(0, |began| hands.stretch(began.elapsed()))
    }
}

struct SimRng(Mutex<Random>);

impl Rng for SimRng {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer);
    }
}

/// The world of one run.
pub struct World {
    seed: u64,
    /// The machine.
    pub machine: Machine,
    /// Where disks are mounted, in the order of the command line.
    pub places: Vec<Place>,
    /// The disk that belongs to each place.
    pub disks: Vec<SimDisk>,
    /// Disks that were there once.
    pub retired: Vec<SimDisk>,
    /// The wall clock.
    pub clock: SimClock,
    env: Env,
    manner: Manner,
    timing: Timing,
    made: u64,
}

impl World {
    /// A machine with blank disks.
    pub fn new(seed: u64, profile: &Profile) -> Self {
        let machine = Machine::default();
        let clock = SimClock::new(EPOCHS[profile.epoch % EPOCHS.len()], profile.drift_ppm);
        let rng = Arc::new(SimRng(Mutex::new(Random::new(seed, "ids"))));
        let mut world = Self {
            seed,
            places: Vec::new(),
            disks: Vec::new(),
            retired: Vec::new(),
            env: Env { clock: Arc::new(clock.clone()), rng },
            clock,
            manner: Manner::Inline { yield_per_mille: profile.yield_per_mille },
            timing: profile.timing,
            machine,
            made: 0,
        };
        if profile.disk_count > 1 {
            world.machine.want_copies(2);
        }
        for _ in 0..profile.disk_count {
            let disk = world.make_disk();
            let place = Place::new(&world.machine);
            place.mount(Some(&disk));
            world.places.push(place);
            world.disks.push(disk);
        }
        world
    }

    /// Clock and randomness.
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// A blank disk.
    pub fn make_disk(&mut self) -> SimDisk {
        self.made += 1;
        let random = Random::new(self.seed ^ (self.made << 40), "disk");
        SimDisk::on(&self.machine, random, self.timing, self.manner)
    }

    /// Puts another disk into a place, for good.
    pub fn exchange(&mut self, index: usize, disk: SimDisk) {
        self.places[index].mount(Some(&disk));
        let old = std::mem::replace(&mut self.disks[index], disk);
        self.retired.push(old);
    }

    /// Starts the node.
    ///
    /// # Errors
    /// What the node says.
    pub async fn open(&self, profile: &Profile) -> Result<Node, StoreError> {
        let at = |(number, place): (usize, &Place)| DiskAt {
            place: format!("/disk{number}"),
            disk: place.attach(),
        };
        let disks = self.places.iter().enumerate().map(at).collect();
        Node::open(profile.config, disks, self.env.clone()).await
    }

    /// Faults of all disks that ever were.
    pub fn counts(&self) -> FaultCounts {
        let mut counts = FaultCounts::default();
        for disk in self.disks.iter().chain(&self.retired) {
            counts.add(&disk.counts());
        }
        counts
    }
}
