//! Checks of the simulator itself, and written sequences.
#![expect(clippy::disallowed_methods, reason = "a plan is a file of whoever asks for it")]

use super::{World, passed, show_log, switch_on};
use clap::Args;
use sim::engine::crashpoints::enumerate;
use sim::engine::log::Lines;
use sim::engine::run::{Options, run_seed};
use sim::engine::scenes::SCENES;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub struct Twice {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    #[command(flatten)]
    world: World,
}

impl Twice {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        self.world.switch_on()?;
        let mut differing = 0;
        for seed in self.seed..self.seed + self.seeds {
            let options = Options { seed, shape: self.world.shape(), lines: Lines::None };
            let [first, second] = [(), ()].map(|()| run_seed(&options).hash);
            if first != second {
                println!("seed {seed}: {first:016x} and {second:016x}");
                differing += 1;
            }
        }
        println!("{} seeds twice, {differing} differ", self.seeds);
        Ok(passed(differing == 0))
    }
}

#[derive(Args)]
pub struct Points {
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

impl Points {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        switch_on(self.mutant.as_deref())?;
        let sum = enumerate(self.disks, self.workload.as_deref(), self.jobs);
        sum.failures.iter().for_each(|text| println!("{text}"));
        println!(
            "{} workloads on {} disks, {} crash points, {} runs, {} workloads failed, {:.1} s",
            sum.workloads,
            self.disks,
            sum.points,
            sum.runs,
            sum.failures.len(),
            sum.elapsed.as_secs_f64()
        );
        Ok(passed(sum.failures.is_empty()))
    }
}

#[derive(Args)]
pub struct Scenes {
    /// Only scenes whose name contains this.
    #[arg(long, default_value = "")]
    scene: String,
    /// Only this seed, with every event and what the store logs.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the plan of that seed to this file as well.
    #[arg(long, requires = "seed")]
    save: Option<PathBuf>,
    /// A deliberate bug to switch on.
    #[arg(long)]
    mutant: Option<String>,
}

impl Scenes {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        switch_on(self.mutant.as_deref())?;
        if self.seed.is_some() {
            show_log();
        }
        let lines = if self.seed.is_some() { Lines::Live } else { Lines::None };
        let mut failed = 0;
        for scene in SCENES.iter().filter(|scene| scene.name.contains(&self.scene)) {
            for seed in self.seed.map_or(0..scene.seeds_max, |seed| seed..seed + 1) {
                if let Some(path) = &self.save {
                    std::fs::write(path, scene.plan(seed).to_text()?)?;
                }
                if let Some(text) = scene.run(seed, lines).violation {
                    println!("{}, seed {seed}: {text}", scene.name);
                    failed += 1;
                }
            }
        }
        println!("{failed} failed");
        Ok(passed(failed == 0))
    }
}
