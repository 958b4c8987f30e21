//! What clients, server and nemesis of a run share: time, trace, history, the disk, and what is
//! known of the server.

use super::profile::Profile;
use crate::disk::SimDisk;
use crate::harness::report::{Counts, Report, RunOptions};
use crate::oracle::Violation;
use crate::oracle::history::{History, Moment};
use crate::random::Random;
use crate::trace::Trace;
use engine::env::{Clock, Env, Rng};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// When every run begins: 2026-01-01T00:00:00Z, in seconds since 1970.
const EPOCH_S: u64 = 1_767_225_600;

/// Name of the one bucket.
pub const BUCKET: &str = "bucket";

/// What is known of the server.
#[derive(Default)]
pub struct Health {
    /// Counts everything that may disturb a request: kills, stops and their ends.
    pub disturbances: u64,
    /// Whether it listens.
    pub is_ready: bool,
    /// Whether it came to its end after a stop.
    pub is_stopped: bool,
    /// Tells it to stop.
    pub stop: Option<watch::Sender<bool>>,
}

/// See the module.
pub struct World {
    /// The seed.
    pub seed: u64,
    /// Its character.
    pub profile: Profile,
    /// The trace.
    pub trace: Trace,
    /// The server's disk.
    pub disk: SimDisk,
    start: Instant,
    history: Mutex<History>,
    health: Mutex<Health>,
    counts: Mutex<Counts>,
    clock_skew_ns: AtomicI64,
    incarnation: AtomicU64,
    next_value: AtomicU64,
    clients_at_work: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world whose time begins now.
    pub fn new(options: &RunOptions, profile: Profile) -> Self {
        let seed = options.seed;
        Self {
            seed,
            trace: Trace::new(options.is_logged),
            disk: SimDisk::new(Random::new(seed, "disk"), profile.timing),
            start: Instant::now(),
            history: Mutex::new(History::new(seed)),
            health: Mutex::default(),
            counts: Mutex::default(),
            clock_skew_ns: AtomicI64::new(0),
            incarnation: AtomicU64::new(0),
            next_value: AtomicU64::new(1),
            clients_at_work: AtomicU64::new(profile.client_count as u64),
            profile,
        }
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds an event to the trace.
    pub fn event(&self, text: &str) {
        self.trace.event(self.now(), text);
    }

    /// The history, locked. Never across an await.
    pub fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// What is known of the server, locked. Never across an await.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }

    /// The counters, locked. Never across an await.
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    /// Counts a beginning or an end.
    pub fn moment(&self) -> Moment {
        let now = self.now();
        self.history().moment(now)
    }

    /// A fresh id of a value.
    pub fn next_value(&self) -> u64 {
        self.next_value.fetch_add(1, Ordering::Relaxed)
    }

    /// Seconds since 1970 on a clock that is right.
    pub fn unix_seconds(&self) -> u64 {
        EPOCH_S + self.now().as_secs()
    }

    /// Whether a client still works.
    pub fn is_busy(&self) -> bool {
        self.clients_at_work.load(Ordering::Relaxed) > 0
    }

    /// A client's work is done.
    pub fn leave(&self) {
        self.clients_at_work.fetch_sub(1, Ordering::Relaxed);
    }

    /// Clock and randomness of the server's next process.
    pub fn next_env(self: &Arc<Self>) -> Env {
        let incarnation = self.incarnation.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::new(self.seed, &format!("server-{incarnation}"));
        let skew_ns = i64::try_from(self.profile.clock_skew_s * 1_000_000_000).unwrap_or(0);
        let skew = random.range(0..2 * skew_ns.unsigned_abs() + 1) as i64 - skew_ns;
        self.clock_skew_ns.store(skew, Ordering::Relaxed);
        let rng = SimRng(Mutex::new(random));
        Env { clock: Arc::new(SimClock(self.clone())), rng: Arc::new(rng) }
    }

    /// Judges the history.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        let checked = self.history().check()?;
        let mut counts = self.counts();
        counts.checked_keys += checked.keys;
        counts.checked_operations += checked.operations;
        Ok(())
    }

    /// The report of a run that ended.
    pub fn report(&self, verdict: Result<(), Violation>) -> Report {
        // What was seen at once says more than what the end of the run made of it.
        let first = self.history().violation().cloned();
        let violation = first.or(verdict.err());
        let mut counts = *self.counts();
        counts.add_disk(&self.disk.statistics());
        counts.virtual_ms = self.now().as_millis() as u64;
        Report { hash: self.trace.hash(), counts, violation, events: self.trace.last_events() }
    }
}

/// The server's wall clock: right but for a skew that changes with every restart.
struct SimClock(Arc<World>);

impl Clock for SimClock {
    fn unix_nanos(&self) -> u64 {
        let right = EPOCH_S * 1_000_000_000 + self.0.now().as_nanos() as u64;
        right.saturating_add_signed(self.0.clock_skew_ns.load(Ordering::Relaxed))
    }
}

/// The server's randomness: a stream per process, so that no process repeats what another drew.
struct SimRng(Mutex<Random>);

impl Rng for SimRng {
    fn fill(&self, buffer: &mut [u8]) {
        lock(&self.0).fill(buffer);
    }
}
