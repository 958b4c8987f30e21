//! Erasure coding without any I/O: which geometry a number of disks gets, how bodies are laid into
//! the columns of a stripe, and the code itself.
//!
//! ```text
//! disks, parity --> Geometry k+m      (geometry)
//! bodies, k+m   --> columns           (packing: what writes fewest bytes)
//! k columns     --> m parity columns  (code)
//! ```
//!
//! - Z1: from any `k` of the `k + m` columns of a stripe, cut anywhere at multiples of 64 bytes,
//!   the others follow.
//! - Z2: a geometry on several disks has parity, unless somebody asked for none.

pub mod code;
mod geometry;
mod locator;
mod packing;

pub use geometry::{Geometry, PARITY_MAX, WIDTH_MAX, parity_default};
pub use packing::{Packing, choose_packing};
