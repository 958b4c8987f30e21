//! One node's disks.
pub mod env;
pub mod error;
pub mod format;
pub mod journal;
pub mod mutant;
pub mod object;
pub use error::{EngineError, Result};
