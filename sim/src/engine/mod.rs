//! The simulation of the engine alone: one node on simulated disks, without network, in one thread
//! on paused time, thousands of sequences a minute. See DESIGN.md beside this crate.
//!
//! - G1: a sequence is a function of its seed (and number of disks and budget) alone.
//! - G2: every answer is judged; what nobody knows is kept as a set of possibilities.
//! - G3: a fault counts when the store met it.
//!
//! Modules in reading order: [`plan`] (what a sequence does), [`profile`] and [`generator`]
//! (drawing one), [`scenes`] (written ones against bugs), [`world`] (machine and disks), [`client`]
//! (asks), [`gateway`] (through S3), [`model`] and [`judge`] (what may be), [`nemesis`] (breaks
//! disks within a budget), [`run`] and `life` (one sequence), [`batch`] (many), [`workloads`] and
//! [`crashpoints`] (written ones, cut off everywhere), [`stored`] (sequences as files) and
//! [`shrink`] (their core).

mod alike;
mod annotations;
mod appends;
pub mod asked;
mod asking;
mod bad;
pub mod batch;
pub mod body;
mod changes;
pub mod client;
pub mod crashpoints;
mod defaults;
mod ending;
mod endurance;
pub mod failure;
pub mod frames;
pub mod gateway;
pub mod generator;
mod hidden;
pub mod hunts;
pub mod judge;
mod judge_chains;
mod judge_lists;
pub mod judge_race;
mod judge_versions;
mod life;
pub mod log;
pub mod model;
pub mod nemesis;
pub mod panics;
pub mod plan;
pub mod profile;
pub mod race;
pub mod retention;
pub mod rules;
pub mod run;
pub mod scenes;
mod settle;
mod show;
pub mod shrink;
pub mod stored;
pub mod versions;
pub mod view;
pub mod workloads;
pub mod world;
