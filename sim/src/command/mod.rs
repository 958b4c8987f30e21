//! What can be asked of the simulator.

mod check;
mod hunt;
mod plans;
mod soak;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sim::engine::log::Lines;
use sim::engine::panics;
use sim::engine::profile::{self, Shape};
use sim::engine::run::Options;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter as Level;

/// The deterministic simulator of Stave.
#[derive(Parser)]
#[command(name = "sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one seed: what it drew, what broke and what was effective.
    Run(One),
    /// Run many seeds, for a number or for minutes.
    Soak(soak::Soak),
    /// Run a plan, or one seed, and print every event.
    Replay(plans::Replay),
    /// Make a failing plan as small as it gets.
    Shrink(plans::Shrink),
    /// Show a plan, or one seed, as a page for a browser.
    View(plans::View),
    /// Run every plan below a directory; none may break a promise.
    Bugs {
        /// Where they are.
        #[arg(default_value = "sim/bugs")]
        directory: PathBuf,
    },
    /// Run seeds twice and compare the hashes.
    Twice(check::Twice),
    /// Cut every written sequence off at every operation of its disks.
    Crashpoints(check::Points),
    /// Play the written scenes, each with many seeds.
    Scenes(check::Scenes),
    /// Hunt every deliberate bug.
    #[cfg(mutants)]
    Mutants {
        /// Threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// What `cargo net-sim` does: the server behind a simulated network, the consensus.
    #[command(disable_help_flag = true)]
    Net {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
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

/// What a seed runs on; what is not said is drawn.
#[derive(Args, Clone, Debug)]
struct World {
    /// Disks of the node; drawn by the seed if not given.
    #[arg(long)]
    disks: Option<usize>,
    /// How many faults there may be; drawn by the seed if not given.
    #[arg(long, value_enum)]
    budget: Option<Budget>,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
}

impl World {
    fn shape(&self) -> Shape {
        Shape { disk_count: self.disks, budget: self.budget.map(Into::into) }
    }

    fn switch_on(&self) -> anyhow::Result<()> {
        switch_on(self.mutant.as_deref())
    }
}

fn switch_on(mutant: Option<&str>) -> anyhow::Result<()> {
    mutant.map_or(Ok(()), sim::mutants::switch_on)
}

#[derive(Args, Clone, Debug)]
struct One {
    /// The seed.
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    world: World,
}

impl One {
    fn options(&self, lines: Lines) -> Options {
        Options { seed: self.seed, shape: self.world.shape(), lines }
    }
}

/// Prints what the store logs, between the events.
fn show_log() {
    tracing_subscriber::fmt().without_time().with_max_level(Level::DEBUG).init();
}

/// Does what the command line asks for.
pub fn run() -> anyhow::Result<ExitCode> {
    panics::watch();
    match Cli::parse().command {
        Command::Run(one) => plans::run_one(&one),
        Command::Soak(soak) => soak.run(),
        Command::Replay(replay) => replay.run(),
        Command::Shrink(shrink) => shrink.run(),
        Command::View(view) => view.run(),
        Command::Bugs { directory } => plans::replay_all(&directory),
        Command::Twice(twice) => twice.run(),
        Command::Crashpoints(points) => points.run(),
        Command::Scenes(scenes) => scenes.run(),
        #[cfg(mutants)]
        Command::Mutants { jobs } => Ok(passed(hunt::hunt(jobs))),
        Command::Net { arguments } => net(&arguments),
    }
}

/// The exit code of something that passed or failed without a kind.
fn passed(is_passed: bool) -> ExitCode {
    if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Hands on to the build with the simulated network.
fn net(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = std::process::Command::new("cargo");
    let status = command.arg("net-sim").args(arguments).status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
