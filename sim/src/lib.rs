//! The deterministic simulator: drives the whole store under faults. See DESIGN.md beside this
//! crate.
pub mod disk;
pub mod oracle;
pub mod random;
pub mod trace;
