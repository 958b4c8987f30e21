//! What can be asked of the simulator.

use clap::{Args, Parser, Subcommand};
use sim::harness::process::{Task, fix_addresses};
use sim::harness::report::{Report, RunOptions};
use sim::harness::soak::Campaign;
use sim::mutants;
use sim::raft::profile::Bug;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// The deterministic simulator of Stave.
#[derive(Parser)]
#[command(name = "sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds of the single-server scenario.
    Soak(Seeds),
    /// Run many seeds of the consensus scenario.
    Raft(Seeds),
    /// Run one seed and show what happens.
    Replay(One),
    /// Run one seed twice and compare the hashes.
    Twice(One),
    /// Hunt every deliberate bug.
    Mutants {
        /// Processes at once.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Run one seed in this very process.
    #[command(hide = true)]
    One(One),
}

#[derive(Args)]
struct Seeds {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Processes at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
}

#[derive(Args)]
struct One {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// The scenario: `single` or `raft`.
    #[arg(long, default_value = "single")]
    scenario: String,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
    /// Print every event.
    #[arg(long)]
    log: bool,
}

impl One {
    fn task(&self) -> Task {
        let (scenario, mutant) = (self.scenario.clone(), self.mutant.clone());
        Task { scenario, seed: self.seed, mutant }
    }
}

/// Does what the command line asks for.
pub fn run() -> anyhow::Result<ExitCode> {
    let is_passed = match Cli::parse().command {
        Command::One(one) => run_here(&one)?,
        Command::Soak(seeds) => soak("single", seeds)?,
        Command::Raft(seeds) => soak("raft", seeds)?,
        Command::Replay(one) => {
            fix_addresses();
            one.task().show(one.log)?
        }
        Command::Twice(one) => twice(&one)?,
        Command::Mutants { jobs } => {
            fix_addresses();
            mutants::hunt(jobs)?
        }
    };
    Ok(if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_here(one: &One) -> anyhow::Result<bool> {
    if let Some(name) = &one.mutant {
        mutants::switch_on(name)?;
    }
    let options = RunOptions { seed: one.seed, is_logged: one.log };
    let report: Report = match one.scenario.as_str() {
        "single" => sim::scenario::run(&options),
        "raft" => sim::raft::run(&options, one.mutant.as_deref().and_then(Bug::named)),
        other => anyhow::bail!("no scenario is named {other:?}"),
    };
    print!("{}", report.failure());
    println!("{}", report.to_line());
    Ok(report.violation.is_none())
}

fn soak(scenario: &str, seeds: Seeds) -> anyhow::Result<bool> {
    fix_addresses();
    let campaign = Campaign {
        scenario: scenario.to_owned(),
        first: seeds.first,
        count: seeds.seeds,
        jobs: seeds.jobs,
        mutant: seeds.mutant,
        is_ended_by_failure: false,
    };
    let begin = Instant::now();
    let outcome = campaign.run()?;
    let elapsed: Duration = begin.elapsed();
    Ok(campaign.print(&outcome, elapsed))
}

fn twice(one: &One) -> anyhow::Result<bool> {
    fix_addresses();
    let (first, second) = (one.task().run()?, one.task().run()?);
    let hash = |result: &Option<(u64, _)>| result.as_ref().map(|(hash, _)| *hash);
    let (first, second) = (hash(&first.result), hash(&second.result));
    let is_same = first.is_some() && first == second;
    let show = |hash: Option<u64>| hash.map_or("a panic".to_owned(), |hash| format!("{hash:016x}"));
    let verdict = if is_same { "the same" } else { "NOT the same" };
    println!("seed {}: {} and {}: {verdict}", one.seed, show(first), show(second));
    Ok(is_same)
}
