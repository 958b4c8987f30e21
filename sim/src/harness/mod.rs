//! Around the runs: the command line, one process per seed, and what is told of them.

pub mod process;
pub mod report;
pub mod soak;
