//! What can be asked of the simulation of the engine alone.

use clap::{Args, Parser, Subcommand, ValueEnum};
use sim::engine::batch::Batch;
use sim::engine::crashpoints::enumerate;
use sim::engine::log::Lines;
use sim::engine::panics;
use sim::engine::profile;
use sim::engine::run::{Options, run_seed};
use sim::engine::scenes::SCENES;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter as Level;

/// The simulation of Stave's engine, without network.
#[derive(Parser)]
#[command(name = "engine-sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many sequences.
    Soak(Seeds),
    /// Run one sequence and print every event.
    Replay(One),
    /// Run sequences twice and compare the hashes.
    Twice(Seeds),
    /// Play the written scenes, each with many seeds.
    Scenes {
        /// Only scenes whose name contains this.
        #[arg(long)]
        scene: Option<String>,
        /// Only this seed, with every event and what the store logs.
        #[arg(long)]
        seed: Option<u64>,
        /// A deliberate bug to switch on.
        #[arg(long)]
        mutant: Option<String>,
    },
    /// Cut every written sequence off at every operation of its disks.
    Crashpoints(Points),
    /// Hunt every deliberate bug of the engine.
    #[cfg(mutants)]
    Mutants {
        /// Threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Budget {
    Strict,
    Over,
}

impl From<Budget> for profile::Budget {
    fn from(budget: Budget) -> Self {
        match budget {
            Budget::Strict => Self::Strict,
            Budget::Over => Self::Over,
        }
    }
}

#[derive(Args, Clone)]
struct Seeds {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Failures after which it ends.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Show only the first line of each failure.
    #[arg(long)]
    brief: bool,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args, Clone)]
struct One {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// Print events as they happen, between the lines that the store logs.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args, Clone)]
struct Points {
    /// Disks of the node.
    #[arg(long, default_value_t = 1)]
    disks: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only workloads whose name contains this.
    #[arg(long)]
    workload: Option<String>,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
}

#[derive(Args, Clone)]
struct Shape {
    /// Disks of the node.
    #[arg(long, default_value_t = 1)]
    disks: usize,
    /// How many faults there may be.
    #[arg(long, value_enum, default_value = "strict")]
    budget: Budget,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
}

impl Seeds {
    fn batch(&self) -> Batch {
        Batch {
            first: self.first,
            count: self.seeds,
            jobs: self.jobs,
            disk_count: self.shape.disks,
            budget: self.shape.budget.into(),
            mutant: self.shape.mutant.clone(),
            failures_max: self.failures,
            is_brief: self.brief,
        }
    }
}

impl Shape {
    fn switch_on(&self) -> anyhow::Result<()> {
        switch_on(self.mutant.as_deref())
    }
}

fn switch_on(mutant: Option<&str>) -> anyhow::Result<()> {
    mutant.map_or(Ok(()), sim::mutants::switch_on)
}

/// Does what the command line asks for.
pub fn run() -> anyhow::Result<ExitCode> {
    let is_passed = match Cli::parse().command {
        Command::Soak(seeds) => {
            seeds.shape.switch_on()?;
            let batch = seeds.batch();
            let results = batch.run();
            batch.print(&results)
        }
        Command::Replay(one) => replay(&one)?,
        Command::Twice(seeds) => twice(&seeds)?,
        Command::Scenes { scene, seed, mutant } => {
            switch_on(mutant.as_deref())?;
            play(scene.as_deref().unwrap_or_default(), seed)
        }
        Command::Crashpoints(points) => crash_points(&points)?,
        #[cfg(mutants)]
        Command::Mutants { jobs } => hunt(jobs),
    };
    Ok(if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options(shape: &Shape, seed: u64, lines: Lines) -> Options {
    Options { seed, disk_count: shape.disks, budget: shape.budget.into(), lines }
}

fn show_log() {
    tracing_subscriber::fmt().without_time().with_max_level(Level::DEBUG).init();
}

fn replay(one: &One) -> anyhow::Result<bool> {
    one.shape.switch_on()?;
    panics::watch();
    if one.live {
        show_log();
    }
    let lines = if one.live { Lines::Live } else { Lines::Kept };
    let outcome = run_seed(&options(&one.shape, one.seed, lines));
    if !one.live {
        outcome.lines.iter().for_each(|line| println!("{line}"));
    }
    println!("hash {:016x}", outcome.hash);
    Ok(outcome.violation.is_none())
}

fn twice(seeds: &Seeds) -> anyhow::Result<bool> {
    seeds.shape.switch_on()?;
    panics::watch();
    let mut differing = 0;
    for seed in seeds.first..seeds.first + seeds.seeds {
        let [first, second] =
            [(), ()].map(|()| run_seed(&options(&seeds.shape, seed, Lines::None)).hash);
        if first != second {
            println!("seed {seed}: {first:016x} and {second:016x}");
            differing += 1;
        }
    }
    println!("{} seeds twice, {differing} differ", seeds.seeds);
    Ok(differing == 0)
}

fn crash_points(points: &Points) -> anyhow::Result<bool> {
    switch_on(points.mutant.as_deref())?;
    let sum = enumerate(points.disks, points.workload.as_deref(), points.jobs);
    sum.failures.iter().for_each(|text| println!("{text}"));
    println!(
        "{} workloads on {} disks, {} crash points, {} runs, {} workloads failed, {:.1} s",
        sum.workloads,
        points.disks,
        sum.points,
        sum.runs,
        sum.failures.len(),
        sum.elapsed.as_secs_f64()
    );
    Ok(sum.failures.is_empty())
}

/// Plays scenes. Returns whether no promise was broken.
fn play(name: &str, only: Option<u64>) -> bool {
    panics::watch();
    if only.is_some() {
        show_log();
    }
    let mut failed = 0;
    for scene in SCENES.iter().filter(|scene| scene.name.contains(name)) {
        let seeds = only.map_or(0..scene.seeds_max, |seed| seed..seed + 1);
        for seed in seeds {
            let lines = if only.is_some() { Lines::Live } else { Lines::None };
            if let Some(text) = scene.run(seed, lines).violation {
                println!("{}, seed {seed}: {text}", scene.name);
                failed += 1;
            }
        }
    }
    println!("{failed} failed");
    failed == 0
}

/// Plays each scene until its bug is caught. Returns whether all were.
#[cfg(mutants)]
fn hunt_in_scenes() -> bool {
    panics::watch();
    let mut are_all_caught = true;
    for scene in SCENES {
        engine::mutant::set(scene.mutant);
        let name = sim::engine::hunts::name_of(scene.mutant);
        let violation = |seed| Some((seed, scene.run(seed, Lines::None).violation?));
        match (0..scene.seeds_max).find_map(violation) {
            Some((seed, text)) => println!("{name}: caught in a scene at {seed}: {text}"),
            None => {
                println!("{name}: NOT caught in {} scenes", scene.seeds_max);
                are_all_caught = false;
            }
        }
    }
    are_all_caught
}

/// Runs seeds until each deliberate bug is caught. Returns whether all were.
#[cfg(mutants)]
fn hunt(jobs: usize) -> bool {
    let mut are_all_caught = hunt_in_scenes();
    for hunt in sim::engine::hunts::ENGINE_HUNTS {
        engine::mutant::set(hunt.mutant);
        let name = sim::engine::hunts::name_of(hunt.mutant);
        let batch = Batch {
            first: 0,
            count: hunt.seeds_max,
            jobs,
            disk_count: hunt.disk_count,
            budget: hunt.budget,
            mutant: Some(name.to_owned()),
            failures_max: 1,
            is_brief: true,
        };
        let results = batch.run();
        let first = results.failures.first_key_value();
        match first.and_then(|(seed, text)| Some((seed, text.lines().next()?))) {
            Some((seed, line)) => println!("{name}: caught at {seed}: {line}"),
            None => println!("{name}: NOT caught in {} sequences", results.counts.sequences),
        }
        are_all_caught &= first.is_some();
    }
    are_all_caught
}
