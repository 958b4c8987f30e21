//! The deterministic simulator: drives the whole store under faults. See DESIGN.md beside this
//! crate.
pub mod disk;
#[cfg(not(madsim))]
pub mod engine;
pub mod harness;
pub mod http;
pub mod mutants;
pub mod oracle;
#[cfg(madsim)]
pub mod raft;
pub mod random;
#[cfg(madsim)]
pub mod scenario;
#[cfg(not(madsim))]
pub mod socket;
pub mod trace;
