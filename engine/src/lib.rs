//! One node's disks.
pub mod env;
pub mod error;
pub mod format;
pub mod index;
pub mod journal;
pub mod meta;
pub mod mutant;
pub mod object;
pub mod volume;
pub use error::{EngineError, Result};
