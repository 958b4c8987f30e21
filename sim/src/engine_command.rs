//! What can be asked of the simulation of the engine alone.

use clap::{Args, Parser, Subcommand, ValueEnum};
use sim::engine::batch::Batch;
use sim::engine::panics;
use sim::engine::profile;
use sim::engine::run::{Options, run_seed};
use std::process::ExitCode;

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
    /// Hunt every deliberate bug of the engine.
    #[cfg(mutants)]
    Mutants(Seeds),
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
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args, Clone)]
struct One {
    /// The seed.
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    shape: Shape,
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
            is_ended_by_failure: false,
        }
    }
}

impl Shape {
    fn switch_on(&self) -> anyhow::Result<()> {
        match &self.mutant {
            Some(name) => sim::mutants::switch_on(name),
            None => Ok(()),
        }
    }
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
        #[cfg(mutants)]
        Command::Mutants(seeds) => hunt(&seeds),
    };
    Ok(if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options(shape: &Shape, seed: u64, is_logged: bool) -> Options {
    Options { seed, disk_count: shape.disks, budget: shape.budget.into(), is_logged }
}

fn replay(one: &One) -> anyhow::Result<bool> {
    one.shape.switch_on()?;
    panics::watch();
    let outcome = run_seed(&options(&one.shape, one.seed, true));
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("hash {:016x}", outcome.hash);
    Ok(outcome.violation.is_none())
}

fn twice(seeds: &Seeds) -> anyhow::Result<bool> {
    seeds.shape.switch_on()?;
    panics::watch();
    let mut differing = 0;
    for seed in seeds.first..seeds.first + seeds.seeds {
        let [first, second] = [(), ()].map(|()| run_seed(&options(&seeds.shape, seed, false)).hash);
        if first != second {
            println!("seed {seed}: {first:016x} and {second:016x}");
            differing += 1;
        }
    }
    println!("{} seeds twice, {differing} differ", seeds.seeds);
    Ok(differing == 0)
}

/// Runs seeds until each deliberate bug is caught. Returns whether all were.
#[cfg(mutants)]
fn hunt(seeds: &Seeds) -> bool {
    let mut are_all_caught = true;
    for (mutant, name) in engine::mutant::Mutant::ALL {
        engine::mutant::set(mutant);
        let mut batch = seeds.batch();
        (batch.mutant, batch.is_ended_by_failure) = (Some(name.to_owned()), true);
        let results = batch.run();
        let first = results.failures.first_key_value();
        match first.and_then(|(seed, text)| Some((seed, text.lines().next()?))) {
            Some((seed, line)) => {
                println!("{name}: caught after {} at {seed}: {line}", results.counts.sequences);
            }
            None => println!("{name}: NOT caught in {} sequences", results.counts.sequences),
        }
        are_all_caught &= first.is_some();
    }
    are_all_caught
}
