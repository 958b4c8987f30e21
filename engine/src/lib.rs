//! One node's disks: the metadata store, the volumes, and the nouns of an object store.
//!
//! ```text
//!              meta: append ---> journal --+     (every promise, one fdatasync for all that wait)
//!              meta: rows   ---> index  ---+--> mirror --> legs: copies on several disks
//! bodies  ---------------------> volume ----------------> members: columns on several disks
//!              erasure: layout, parity        |
//!              heal: repair, scrub, status  disks: who is there, which roster counts
//!                                             |
//!                                            env: Disk   (the only door out; `sim` has its own)
//! ```
//!
//! What it promises, proved by the modules' own invariants:
//!
//! - what [`meta::MetaStore::append`] answered survives every crash and power cut (J1, S1);
//! - no byte leaves a volume or a run unverified (F1, F2, R2);
//! - after a restart nothing is served that a power cut could still take (J5);
//! - damage is told from a torn tail, and refused (B2);
//! - what was acknowledged survives the loss of as many disks as the margin says, and the margin
//!   comes back by itself (V1, V6, X1, H1);
//! - a stale set of disks is never believed (Q2).
//!
//! Modules in reading order: [`object`] (the waist to the protocol), [`env`] (the door),
//! [`mod@format`] (every byte on disk), [`disks`], [`mirror`], [`journal`], [`index`], [`erasure`],
//! [`volume`], [`meta`] (all of it together), [`heal`], [`mark`] and [`mutant`] (coverage and
//! deliberate bugs for the simulator).

pub mod disks;
pub mod env;
pub mod erasure;
pub mod error;
pub mod format;
pub mod heal;
pub mod index;
pub mod journal;
pub mod mark;
pub mod meta;
pub mod mirror;
pub mod mutant;
pub mod object;
pub mod volume;

pub use error::{EngineError, Result};
