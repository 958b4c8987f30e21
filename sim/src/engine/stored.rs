//! Plans: sequences as files, with everything that decides them, so that they outlive changes of
//! the generator. One JSON value a line: the setting, then every step with its salt.
//!
//! ```text
//! {"version":1,"seed":7,"disks":4,"margin":2,"budget":"Strict",...}
//! {"salt":1234,"step":{"Requests":[[{"CreateBucket":0},null]]}}
//! {"salt":5678,"step":{"Damage":{"disk":1,"damage":"Rot"}}}
//! ```
//!
//! - P1: a plan says what is done; the [`Profile`] that drew it is not in it, only what the store
//!   and the disks are made with.
#![expect(clippy::disallowed_methods, reason = "finds plans in directories")]

use super::log::Lines;
use super::plan::{PlannedStep, Step};
use super::profile::{Budget, Profile};
use super::run::{Options, Outcome, run_planned, run_seed};
use crate::disk::Timing;
use crate::socket::Weather;
use anyhow::{Context, ensure};
use cluster::NodeConfig;
use engine::heal::HealConfig;
use engine::journal::JournalConfig;
use engine::meta::MetaConfig;
use engine::volume::VolumeConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a plan of this build begins with.
const VERSION: u32 = 1;

/// Disks that a plan has at most.
const DISK_COUNT_MAX: usize = 64;

/// Bytes that a plan has at most.
pub const PLAN_LEN_MAX: u64 = 16 << 20;

/// Steps that a plan has at most.
const STEP_COUNT_MAX: usize = 100_000;

/// A sequence, explicitly.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of bodies and of ids.
    pub seed: u64,
    /// What the store and its disks are made with.
    pub profile: Profile,
    /// What is done.
    pub steps: Vec<PlannedStep>,
}

/// The first line of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    version: u32,
    seed: u64,
    disks: usize,
    margin: usize,
    budget: Budget,
    yield_per_mille: u32,
    timing: Timing,
    parity: Option<u8>,
    inline_len_max: usize,
    upload_memory_max: usize,
    reclaim_interval_ms: u64,
    memtable_len_max: usize,
    cache_len_max: usize,
    reserve_len: u64,
    volume_len_max: u64,
    journal_file_len: u64,
    journal_file_count_max: usize,
    watch_interval_ms: u64,
    repair_rate: u64,
    scrub_interval_ms: u64,
    scrub_rate_min: u64,
    /// Plans that were stored before there was a choice go without.
    #[serde(default)]
    is_s3: bool,
    #[serde(default)]
    is_sealed: bool,
    #[serde(default)]
    lost_per_mille: u32,
    #[serde(default)]
    weather: Option<Weather>,
    #[serde(default)]
    epoch: usize,
    #[serde(default)]
    drift_ppm: i64,
    #[serde(default = "many")]
    open_files_max: usize,
}

/// Segments that older plans keep open.
fn many() -> usize {
    1024
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Setting {
    fn of(plan: &Plan) -> Self {
        let Profile { disk_count, margin, budget, yield_per_mille, timing, config, is_s3, .. } =
            plan.profile.clone();
        let lost_per_mille = plan.profile.lost_per_mille;
        let (meta, heal) = (config.meta, config.heal);
        Self {
            version: VERSION,
            seed: plan.seed,
            disks: disk_count,
            margin,
            budget,
            yield_per_mille,
            timing,
            parity: config.parity,
            inline_len_max: config.inline_len_max,
            upload_memory_max: config.upload_memory_max,
            reclaim_interval_ms: ms(config.reclaim_interval),
            memtable_len_max: meta.memtable_len_max,
            cache_len_max: meta.cache_len_max,
            reserve_len: meta.reserve_len,
            volume_len_max: meta.volume.volume_len_max,
            journal_file_len: meta.journal.file_len,
            journal_file_count_max: meta.journal.file_count_max,
            watch_interval_ms: ms(heal.watch_interval),
            repair_rate: heal.repair_rate,
            scrub_interval_ms: ms(heal.scrub_interval),
            scrub_rate_min: heal.scrub_rate_min,
            is_s3,
            is_sealed: plan.profile.is_sealed,
            lost_per_mille,
            weather: plan.profile.weather,
            epoch: plan.profile.epoch,
            drift_ppm: plan.profile.drift_ppm,
            open_files_max: meta.volume.open_files_max,
        }
    }

    fn profile(&self) -> Profile {
        let plain = Profile::plain(self.disks);
        let config = NodeConfig {
            meta: MetaConfig {
                journal: JournalConfig {
                    file_len: self.journal_file_len,
                    file_count_max: self.journal_file_count_max,
                },
                volume: VolumeConfig {
                    volume_len_max: self.volume_len_max,
                    open_files_max: self.open_files_max,
                },
                memtable_len_max: self.memtable_len_max,
                cache_len_max: self.cache_len_max,
                reserve_len: self.reserve_len,
            },
            inline_len_max: self.inline_len_max,
            upload_memory_max: self.upload_memory_max,
            reclaim_interval: Duration::from_millis(self.reclaim_interval_ms),
            parity: self.parity,
            heal: HealConfig {
                watch_interval: Duration::from_millis(self.watch_interval_ms),
                repair_rate: self.repair_rate,
                scrub_interval: Duration::from_millis(self.scrub_interval_ms),
                scrub_rate_min: self.scrub_rate_min,
            },
        };
        let (margin, budget) = (self.margin, self.budget);
        let (yield_per_mille, timing, is_s3) = (self.yield_per_mille, self.timing, self.is_s3);
        let (lost_per_mille, weather) = (self.lost_per_mille, self.weather);
        Profile {
            margin,
            budget,
            yield_per_mille,
            timing,
            config,
            is_s3,
            is_sealed: self.is_sealed,
            lost_per_mille,
            weather,
            epoch: self.epoch,
            drift_ppm: self.drift_ppm,
            ..plain
        }
    }
}

impl Plan {
    /// What a seed does, as a plan, and what came of it. The options must keep lines.
    pub fn of_seed(options: &Options) -> (Self, Outcome) {
        let (disk_count, budget) = options.shape.of(options.seed);
        let profile = Profile::draw(options.seed, disk_count, budget);
        let outcome = run_seed(options);
        (Self { seed: options.seed, profile, steps: outcome.steps.clone() }, outcome)
    }

    /// Carries it out.
    pub fn run(&self, lines: Lines) -> Outcome {
        run_planned(self.profile.clone(), self.seed, &self.steps, lines)
    }

    /// The plan as a file holds it.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn to_text(&self) -> anyhow::Result<String> {
        let mut text = serde_json::to_string(&Setting::of(self))?;
        for step in &self.steps {
            text.push('\n');
            text += &serde_json::to_string(step)?;
        }
        text.push('\n');
        Ok(text)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// Bytes that are no plan of this version, with the line.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().context("the plan is empty")?;
        let setting: Setting = serde_json::from_str(first).context("line 1 is no setting")?;
        ensure!(setting.version == VERSION, "the plan is of version {}", setting.version);
        let is_sane = (1..=DISK_COUNT_MAX).contains(&setting.disks);
        ensure!(is_sane, "{} disks are out of range", setting.disks);
        let mut steps = Vec::new();
        for (index, line) in lines {
            let step: PlannedStep =
                serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            let disk = disk_of(&step.step);
            let is_there = disk.is_none_or(|disk| disk < setting.disks);
            ensure!(is_there, "line {}: there is no such disk", index + 1);
            ensure!(steps.len() < STEP_COUNT_MAX, "the plan has too many steps");
            steps.push(step);
        }
        Ok(Self { seed: setting.seed, profile: setting.profile(), steps })
    }
}

/// The plans below a directory, in order.
///
/// # Errors
/// Directories that cannot be read.
pub fn plans_below(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut plans = Vec::new();
    let name = || directory.display().to_string();
    for entry in std::fs::read_dir(directory).with_context(name)? {
        let path = entry?.path();
        if path.is_dir() {
            plans.extend(plans_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "plan") {
            plans.push(path);
        }
    }
    plans.sort();
    Ok(plans)
}

/// The disk that a step names.
pub(super) fn disk_of(step: &Step) -> Option<usize> {
    match step {
        Step::Damage { disk, .. } | Step::Mend { disk } => Some(*disk),
        _ => None,
    }
}

/// The check that a violation names: `K4` of `K4: ...`.
pub fn check_of(violation: &str) -> &str {
    violation.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::profile::Shape;

    fn recorded(seed: u64) -> (Plan, Outcome) {
        let shape = Shape { disk_count: Some(3), budget: Some(Budget::Strict) };
        Plan::of_seed(&Options { seed, shape, lines: Lines::Kept })
    }

    #[test]
    fn a_plan_repeats_its_seed_also_out_of_a_file() {
        for seed in 0..6 {
            let (plan, outcome) = recorded(seed);
            let text = plan.to_text().unwrap();
            let read = Plan::parse(&text).unwrap();
            assert_eq!(read.steps, plan.steps);
            assert_eq!(read.to_text().unwrap(), text);
            assert_eq!(read.run(Lines::None).hash, outcome.hash, "seed {seed}");
        }
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_line() {
        let text = recorded(1).0.to_text().unwrap();
        let first = text.lines().next().unwrap();
        let error = |text: &str| format!("{:#}", Plan::parse(text).unwrap_err());
        assert!(error("").contains("empty"));
        assert!(error("{}").contains("line 1"));
        assert!(error(&first.replace("\"version\":1", "\"version\":2")).contains("version 2"));
        assert!(error(&first.replace("\"disks\":3", "\"disks\":0")).contains("0 disks"));
        assert!(error(&format!("{first}\n{{}}")).contains("line 2"));
        let lost = r#"{"salt":1,"step":{"Damage":{"disk":3,"damage":"Lost"}}}"#;
        assert!(error(&format!("{first}\n{lost}")).contains("no such disk"));
    }
}
