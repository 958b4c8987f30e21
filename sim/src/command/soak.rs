//! Many seeds.

use super::World;
use clap::Args;
use sim::engine::batch::{Batch, Quantity};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub struct Soak {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// How many minutes instead.
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<f64>,
    /// The first seed.
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
    /// Where plans of seeds that failed go.
    #[arg(long, default_value = "target/sim-plans")]
    plans: PathBuf,
    /// Fail where a required coverage mark was never hit.
    #[arg(long)]
    marks: bool,
    #[command(flatten)]
    world: World,
}

impl Soak {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        self.world.switch_on()?;
        let quantity = match self.minutes {
            None => Quantity::Count(self.seeds),
            Some(minutes) => Quantity::Time(Duration::try_from_secs_f64(minutes * 60.0)?),
        };
        let batch = Batch {
            first: self.first,
            quantity,
            jobs: self.jobs,
            shape: self.world.shape(),
            mutant: self.world.mutant.clone(),
            failures_max: self.failures,
            is_brief: self.brief,
            plans: Some(self.plans.clone()),
        };
        let results = batch.run();
        let kind = batch.print(&results, self.marks);
        Ok(kind.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind as u8)))
    }
}
