//! One sequence: shown, kept as a plan, made small.
#![expect(
    clippy::disallowed_methods,
    reason = "plans and pages are files of whoever asks for them"
)]

use super::{One, show_log, switch_on};
use anyhow::{Context, ensure};
use clap::Args;
use sim::engine::failure::Kind;
use sim::engine::log::Lines;
use sim::engine::run::{Outcome, run_seed};
use sim::engine::shrink::shrink;
use sim::engine::stored::{PLAN_LEN_MAX, Plan};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A plan in a file, or a seed.
#[derive(Args)]
struct Source {
    /// The plan.
    #[arg(conflicts_with = "seed", required_unless_present = "seed")]
    plan: Option<PathBuf>,
    /// The seed.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    world: super::World,
}

impl Source {
    /// Its plan: read, or what the seed does.
    fn plan(&self) -> anyhow::Result<Plan> {
        self.world.switch_on()?;
        match (&self.plan, self.seed) {
            (Some(path), _) => read(path),
            (None, Some(seed)) => {
                let one = One { seed, world: self.world.clone() };
                Ok(Plan::of_seed(&one.options(Lines::Kept)).0)
            }
            (None, None) => anyhow::bail!("give a plan or --seed"),
        }
    }

    /// The command that repeats it.
    fn name(&self) -> String {
        match (&self.plan, self.seed) {
            (Some(path), _) => path.display().to_string(),
            (None, seed) => format!("seed {}", seed.unwrap_or_default()),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Plan> {
    let name = || path.display().to_string();
    let len = fs::metadata(path).with_context(name)?.len();
    ensure!(len <= PLAN_LEN_MAX, "{}: a plan has at most {PLAN_LEN_MAX} bytes", name());
    Plan::parse(&fs::read_to_string(path).with_context(name)?).with_context(name)
}

fn code_of(outcome: &Outcome) -> ExitCode {
    let kind = outcome.violation.as_deref().map(Kind::of);
    kind.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind as u8))
}

/// Runs a seed and sums up.
pub fn run_one(one: &One) -> anyhow::Result<ExitCode> {
    one.world.switch_on()?;
    let options = one.options(Lines::Kept);
    let (disk_count, budget) = options.shape.of(options.seed);
    println!("seed {} on {disk_count} disks, {budget:?} budget", options.seed);
    let outcome = run_seed(&options);
    sim::engine::failure::print_counts(&outcome.counts);
    match &outcome.violation {
        Some(violation) => println!("FAIL {violation}\n{}", outcome.situation),
        None => println!("passed"),
    }
    println!("hash {:016x}", outcome.hash);
    Ok(code_of(&outcome))
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    source: Source,
    /// Print events as they happen, between the lines that the store logs.
    #[arg(long)]
    live: bool,
    /// Write the plan of the seed to this file as well.
    #[arg(long)]
    save: Option<PathBuf>,
}

impl Replay {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        if self.live {
            show_log();
        }
        let lines = if self.live { Lines::Live } else { Lines::Kept };
        let outcome = match self.source.seed {
            Some(seed) => {
                self.source.world.switch_on()?;
                let one = One { seed, world: self.source.world.clone() };
                let (plan, outcome) = Plan::of_seed(&one.options(lines));
                if let Some(path) = &self.save {
                    fs::write(path, plan.to_text()?)?;
                }
                outcome
            }
            None => self.source.plan()?.run(lines),
        };
        if !self.live {
            outcome.lines.iter().for_each(|line| println!("{line}"));
        }
        if let Some(violation) = &outcome.violation {
            println!("FAIL {violation}\n{}", outcome.situation);
        }
        println!("hash {:016x}", outcome.hash);
        Ok(code_of(&outcome))
    }
}

#[derive(Args)]
pub struct Shrink {
    #[command(flatten)]
    source: Source,
    /// Where the small plan goes.
    #[arg(short, long, default_value = "target/sim-plans/shrunk.plan")]
    out: PathBuf,
    /// Plans that are tried at most.
    #[arg(long, default_value_t = 5000)]
    runs: u64,
}

impl Shrink {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let plan = self.source.plan()?;
        let before = plan.steps.len();
        let Some(shrunk) = shrink(&plan, self.runs) else {
            println!("{} breaks no promise", self.source.name());
            return Ok(ExitCode::SUCCESS);
        };
        if let Some(parent) = self.out.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&self.out, shrunk.plan.to_text()?)?;
        println!("{} steps became {}, {} runs", before, shrunk.plan.steps.len(), shrunk.runs);
        println!("FAIL {}", shrunk.violation);
        shrunk.plan.steps.iter().for_each(|planned| println!("  {}", planned.step));
        println!("plan: {}", self.out.display());
        Ok(ExitCode::from(Kind::of(&shrunk.violation) as u8))
    }
}

#[derive(Args)]
pub struct View {
    #[command(flatten)]
    source: Source,
    /// Where the page goes.
    #[arg(short, long, default_value = "target/sim-plans/view.html")]
    out: PathBuf,
}

impl View {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let plan = self.source.plan()?;
        let page = sim::engine::view::page(&self.source.name(), &plan);
        if let Some(parent) = self.out.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&self.out, page)?;
        println!("page: {}", self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs every plan below a directory.
pub fn replay_all(directory: &Path) -> anyhow::Result<ExitCode> {
    switch_on(None)?;
    let plans = sim::engine::stored::plans_below(directory)?;
    ensure!(!plans.is_empty(), "there is no plan below {}", directory.display());
    let mut worst = None;
    for path in &plans {
        let outcome = read(path)?.run(Lines::None);
        let verdict = outcome.violation.as_deref().unwrap_or("passed");
        println!("{}: {verdict}", path.display());
        worst = worst.max(outcome.violation.as_deref().map(Kind::of));
    }
    println!("{} plans", plans.len());
    Ok(worst.map_or(ExitCode::SUCCESS, |kind: Kind| ExitCode::from(kind as u8)))
}
