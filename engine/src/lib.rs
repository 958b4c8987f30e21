//! One node's disks.
pub mod env;
pub mod object;
