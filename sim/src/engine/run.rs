//! One sequence: lives of the store, one after the other, each in a runtime of its own, so that a
//! kill takes everything of a life at once.
//!
//! ```text
//! plan or generator --step--> life: perform --answers--> judge --> model
//!        ^                     |  dies, stops
//!        +--- between lives: power loss, disks exchanged
//! ```

use super::client::{Answer, Call};
use super::frames::Frame;
use super::gateway::{Gateway, Tags};
use super::generator::Generator;
use super::judge::{Judge, Tolerance};
use super::judge_race::Racer;
use super::log::{Lines, Log};
use super::model::Model;
use super::nemesis::Nemesis;
use super::plan::{Cut, PlannedStep, Slot, Step};
use super::profile::{Profile, Shape};
use super::world::World;
use crate::disk::{Fault, FaultCounts, PowerLoss, SimDisk};
use crate::random::Random;
use crate::socket::Network;
use engine::object::ObjectReader;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::Builder;

/// Steps after which a crash that waits for operations comes anyway.
pub(super) const CRASH_PATIENCE: u32 = 6;

/// How a sequence is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// What it runs on.
    pub shape: Shape,
    /// What becomes of its lines.
    pub lines: Lines,
}

/// What happened in one sequence, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences.
    pub sequences: u64,
    /// Steps.
    pub steps: u64,
    /// What they are of: requests and other operations, without the reads of checks.
    pub operations: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed, or whose outcome nobody knows.
    pub unanswered: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Operations of disks.
    pub disk_operations: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Sequences in which no fault was effective.
    pub idle: u64,
    /// Sequences that ended early because the store refused to start, as it should.
    pub refused: u64,
    /// Faults.
    pub faults: FaultCounts,
}

impl Counts {
    /// Virtual time in hours.
    pub fn virtual_hours(&self) -> f64 {
        self.virtual_ms as f64 / 3_600_000.0
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.steps += other.steps;
        self.operations += other.operations;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.crashes += other.crashes;
        self.power_losses += other.power_losses;
        self.disk_operations += other.disk_operations;
        self.virtual_ms += other.virtual_ms;
        self.idle += other.idle;
        self.refused += other.refused;
        self.faults.add(&other.faults);
    }
}

/// How a sequence ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Hash over everything that happened.
    pub hash: u64,
    /// What happened, in numbers.
    pub counts: Counts,
    /// The broken promise.
    pub violation: Option<String>,
    /// How the disks were at the end, in a few words.
    pub situation: String,
    /// The lines, if they were kept.
    pub lines: Vec<String>,
    /// Operations whose effects were not synced at the last planned crash.
    pub unsynced: usize,
    /// The steps that were carried out, if its lines were kept.
    pub steps: Vec<PlannedStep>,
    /// What it looked like after every step, if somebody wants to see it.
    pub frames: Vec<Frame>,
}

/// A request that runs.
pub(super) struct Flight {
    pub(super) call: Call,
    pub(super) answer: RefCell<Option<Answer>>,
    /// When it began and ended, in a count of all beginnings and ends.
    pub(super) begin: Cell<u64>,
    pub(super) end: Cell<u64>,
}

impl Flight {
    pub(super) fn new(call: Call) -> Self {
        Self { call, answer: RefCell::default(), begin: Cell::new(0), end: Cell::new(0) }
    }
}

/// Why a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The process died.
    Died,
    /// It stopped in order.
    Stopped,
    /// The store refused to start, and may.
    Refused,
    /// There are no more steps.
    Over,
}

/// A sequence that runs.
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) profile: Profile,
    pub(super) world: World,
    pub(super) model: Model,
    pub(super) nemesis: Nemesis,
    pub(super) generator: Option<Generator>,
    /// Steps of a plan, before all others.
    pub(super) plan: VecDeque<PlannedStep>,
    /// Steps that were carried out, if somebody wants to know.
    done: Vec<PlannedStep>,
    /// What its volumes were like when a promise was broken.
    pub(super) shards: String,
    /// What it looks like, if somebody wants to see it.
    pub(super) frames: Vec<Frame>,
    /// Steps that come before any that are drawn.
    pub(super) queue: VecDeque<Step>,
    /// Steps after all others.
    pub(super) ending: VecDeque<Step>,
    pub(super) log: Log,
    pub(super) counts: Counts,
    pub(super) in_flight: Rc<Vec<Flight>>,
    pub(super) held: VecDeque<Box<dyn ObjectReader>>,
    /// What requests go through, if not straight to the store; of this life.
    pub(super) gateway: Option<Arc<Gateway>>,
    /// What S3 calls the values.
    pub(super) tags: Tags,
    /// What requests through S3 come by, if not by calls.
    pub(super) network: Option<Network>,
    /// Whether all disks failed a while ago and the store has not healed since.
    pub(super) is_stormy: bool,
    /// Requests without an answer when this life began.
    pub(super) unanswered_before: u64,
    /// Hash over the rows of the life before, if this one must have the same.
    pub(super) rows_before: Option<u64>,
    /// What the power takes when this process dies.
    pub(super) loss: Option<PowerLoss>,
    /// The key that the requests in flight meet on, if they do.
    pub(super) race: Option<Slot>,
    /// Starts that are yet to be cut off.
    pub(super) cuts: VecDeque<Cut>,
    /// Steps that a crash still waits for its operation.
    pub(super) crash_patience: Option<u32>,
    /// Virtual time of this life when its last step began.
    pub(super) life_ms: u64,
    /// The one planned crash: after so many operations in all, what it takes, and what follows.
    pub(super) planned: Option<Planned>,
    unsynced: usize,
}

pub(super) struct Planned {
    pub(super) at: u64,
    loss: Option<PowerLoss>,
    after: VecDeque<Step>,
}

impl Run {
    pub(super) fn new(profile: Profile, seed: u64, lines: Lines) -> Self {
        let world = World::new(seed, &profile);
        if lines != Lines::None {
            world.machine.watch();
        }
        Self {
            seed,
            world,
            model: Model::default(),
            nemesis: Nemesis::new(seed, &profile),
            generator: None,
            plan: VecDeque::new(),
            done: Vec::new(),
            shards: String::new(),
            frames: Vec::new(),
            queue: VecDeque::new(),
            ending: VecDeque::new(),
            log: Log::new(lines),
            counts: Counts::default(),
            in_flight: Rc::default(),
            held: VecDeque::new(),
            gateway: None,
            tags: Tags::default(),
            network: profile.weather.filter(|_| profile.is_s3).map(Network::new),
            is_stormy: false,
            unanswered_before: 0,
            rows_before: None,
            loss: None,
            race: None,
            cuts: VecDeque::new(),
            crash_patience: None,
            life_ms: 0,
            planned: None,
            unsynced: 0,
            profile,
        }
    }

    /// A step begins: whatever is drawn from now on follows from its salt.
    pub(super) fn begin_step(&mut self, planned: &PlannedStep) {
        self.counts.steps += 1;
        self.counts.operations += planned.step.operation_count() as u64;
        self.note_clocks();
        self.log.event(&[3], || planned.step.to_string());
        self.nemesis.random = Random::new(planned.salt, "nemesis");
        if let Some(network) = &self.network {
            let is_wild =
                matches!(planned.step, Step::Requests(_) | Step::Race(_) | Step::Change { .. });
            network.reseed(Random::new(planned.salt, "network"), is_wild);
        }
        for (index, disk) in self.world.disks.iter().enumerate() {
            disk.reseed(Random::new(planned.salt ^ ((index as u64) << 32), "disk"));
        }
        if self.log.is_kept() {
            self.done.push(planned.clone());
        }
    }

    pub(super) fn tolerance(&self) -> Tolerance {
        let tolerance = self.nemesis.tolerance(&self.profile);
        // Whoever encrypts reads the keys first.
        let writes_fail = tolerance.writes_fail || self.profile.is_sealed && tolerance.reads_fail;
        Tolerance { writes_fail, ..tolerance }
    }

    /// Lives until the end of the steps.
    fn live(&mut self) -> Result<(), String> {
        loop {
            let end = self.life()?;
            if let Some(text) = super::panics::take() {
                return Err(format!("K17: {text}"));
            }
            match end {
                End::Over => return super::hidden::search(&self.tags, &self.world.disks),
                End::Refused => {
                    self.counts.refused += 1;
                    return Ok(());
                }
                End::Died | End::Stopped => self.between(end)?,
            }
        }
    }

    fn life(&mut self) -> Result<End, String> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        let machine = self.world.machine.clone();
        let process = machine.incarnation();
        self.limit_operations();
        let life = async {
            let begin = tokio::time::Instant::now();
            self.world.clock.begin_life();
            let end = tokio::select! {
                biased;
                () = machine.died(process) => Ok(End::Died),
                end = self.serve() => end,
            };
            (end, begin.elapsed())
        };
        let (end, elapsed) = runtime.block_on(life);
        self.world.clock.end_life(elapsed);
        self.end_clocks(elapsed);
        let elapsed_ms = elapsed.as_millis() as u64;
        // What a dead process says does not count.
        let end = if machine.incarnation() == process { end } else { Ok(End::Died) };
        if self.planned.is_none() && machine.is_at_limit() {
            return Err(format!("K18: {} operations of disks and no end", machine.steps()));
        }
        self.held.clear();
        self.gateway = None;
        machine.kill();
        drop(runtime);
        self.counts.virtual_ms += elapsed_ms;
        self.life_ms = 0;
        let line = || format!("life ended after {elapsed_ms} ms: {end:?}");
        self.log.event(&[elapsed_ms, machine.steps()], line);
        self.frame_end(end.as_ref().err().cloned());
        end
    }

    /// The process is gone; what becomes of the machine.
    fn between(&mut self, end: End) -> Result<(), String> {
        let flights = std::mem::take(&mut self.in_flight);
        let mut answers = Vec::with_capacity(flights.len());
        for flight in flights.iter() {
            let answer = flight.answer.borrow_mut().take();
            answers.push(match answer {
                None | Some(Answer::Error(_)) => Answer::Died,
                Some(answer) => answer,
            });
        }
        self.judge_all(&flights, &answers)?;
        self.counts.crashes += u64::from(end == End::Died);
        let steps = self.world.machine.steps();
        if let Some(planned) = self.planned.take_if(|planned| steps >= planned.at) {
            self.unsynced = self.world.disks.iter().map(SimDisk::unsynced_count).sum();
            (self.loss, self.queue) = (planned.loss, planned.after);
        }
        self.crash_patience = None;
        if let Some(loss) = self.loss.take() {
            self.counts.power_losses += 1;
            self.world.disks.iter().for_each(|disk| disk.lose_power_as(loss));
            self.log.event(&[1], || format!("the power is lost: {loss:?}"));
        }
        self.calm_storm();
        self.nemesis.between(&mut self.world, &mut self.log);
        self.model.restart();
        Ok(())
    }

    /// Judges what was asked at once: one after the other, or together when they met on one key.
    pub(super) fn judge_all(
        &mut self,
        flights: &[Flight],
        answers: &[Answer],
    ) -> Result<(), String> {
        self.note_clocks();
        let calls = flights.iter().map(|flight| &flight.call);
        let tolerance = self.tolerance();
        Judge { model: &mut self.model, seed: self.seed, tolerance }.begin_changes(calls);
        let verdict = self.judge_answers(flights, answers);
        Judge { model: &mut self.model, seed: self.seed, tolerance }.end_changes();
        verdict
    }

    fn judge_answers(&mut self, flights: &[Flight], answers: &[Answer]) -> Result<(), String> {
        let Some(slot) = self.race.take() else {
            let mut pairs = flights.iter().zip(answers);
            return pairs.try_for_each(|(flight, answer)| self.judge(&flight.call, answer));
        };
        let mut racers = Vec::with_capacity(flights.len());
        for (flight, answer) in flights.iter().zip(answers) {
            self.note_answer(&flight.call, answer);
            let (begin, end) = (flight.begin.get(), flight.end.get());
            racers.push(Racer { call: &flight.call, answer, begin, end });
        }
        let tolerance = self.tolerance();
        Judge { model: &mut self.model, seed: self.seed, tolerance }.race(slot, &racers)
    }

    pub(super) fn judge(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        self.note_answer(call, answer);
        let tolerance = self.tolerance();
        Judge { model: &mut self.model, seed: self.seed, tolerance }.judge(call, answer)
    }

    fn note_answer(&mut self, call: &Call, answer: &Answer) {
        let is_answered = !matches!(
            answer,
            Answer::Error(engine::object::StoreError::Unavailable(_))
                | Answer::Error(engine::object::StoreError::Corrupt(_))
                | Answer::Dropped
                | Answer::Lost
                | Answer::Died
                | Answer::Hung
        );
        self.counts.answered += u64::from(is_answered);
        self.counts.unanswered += u64::from(!is_answered);
        let line = || format!("{} -> {answer}", call.request);
        self.log.event(&answer.digest(), line);
        if matches!(answer, Answer::Error(engine::object::StoreError::OutOfSpace)) {
            self.nemesis.counts.meet(Fault::NoSpace);
        }
    }
}

/// Runs a drawn sequence.
pub fn run_seed(options: &Options) -> Outcome {
    let Options { seed, shape, lines } = *options;
    let (disk_count, budget) = shape.of(seed);
    let profile = Profile::draw(seed, disk_count, budget);
    let mut run = Run::new(profile, seed, lines);
    run.generator = Some(Generator::new(seed, &run.profile));
    run.queue = super::ending::beginning(&run.profile);
    run.ending = super::ending::ending(seed, &run.profile);
    finish(run)
}

/// Runs a written sequence.
pub fn run_steps(profile: Profile, seed: u64, steps: &[Step], lines: Lines) -> Outcome {
    let mut run = Run::new(profile, seed, lines);
    run.queue = steps.iter().cloned().collect();
    finish(run)
}

/// Runs the steps of a plan.
pub fn run_planned(profile: Profile, seed: u64, steps: &[PlannedStep], lines: Lines) -> Outcome {
    let mut run = Run::new(profile, seed, lines);
    run.plan = steps.iter().cloned().collect();
    finish(run)
}

/// Runs a written sequence that is cut off, and what comes after.
pub fn crash_at(
    profile: Profile,
    steps: &[Step],
    (at, loss): (u64, Option<PowerLoss>),
    after: VecDeque<Step>,
    lines: Lines,
) -> Outcome {
    let mut run = Run::new(profile, 0, lines);
    run.queue = steps.iter().cloned().collect();
    run.planned = Some(Planned { at, loss, after });
    finish(run)
}

fn finish(mut run: Run) -> Outcome {
    let _ = super::panics::take();
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| run.live()));
    let panicked = super::panics::take();
    let violation = match result {
        Ok(Ok(())) => panicked.map(|text| format!("K17: {text}")),
        Ok(Err(text)) => Some(text),
        Err(_) => Some(format!("K17: {}", panicked.unwrap_or_default())),
    };
    run.counts.sequences = 1;
    run.counts.faults = run.world.counts();
    run.counts.faults.add(&run.nemesis.counts);
    run.network.iter().for_each(|network| run.counts.faults.add(&network.counts()));
    run.counts.disk_operations = run.world.machine.steps();
    run.counts.idle = u64::from(run.counts.faults.effective_total() == 0);
    let digests = run.world.disks.iter().map(crate::disk::SimDisk::digest);
    let digests: Vec<u64> = digests.collect();
    run.log.event(&digests, || match &violation {
        Some(text) => format!("VIOLATION {text}"),
        None => "the end".to_owned(),
    });
    let hash = run.log.hash();
    if violation.is_some() {
        let notes = run.world.machine.notes();
        notes.into_iter().for_each(|note| run.log.event(&[], || note));
    }
    let unsynced = run.unsynced;
    let situation = run.situation();
    let (counts, steps, frames) = (run.counts, run.done, run.frames);
    let lines = run.log.into_lines();
    Outcome { hash, counts, violation, situation, lines, unsynced, steps, frames }
}
