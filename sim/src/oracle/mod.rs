//! What is true of every run: the checks that a seed must pass.
//!
//! ```text
//! clients --> history: invoke, return, outcome --> register: one linearizable register per key
//!                 bodies they wrote            --> value: what a body must be, byte for byte
//! ```
//!
//! One check carries most of the promises, because every observation becomes an operation on one
//! key: a read of an object and its absence, a line of a listing and the absence of a line, the
//! outcome of a condition, and the final reading of everything after the last power loss. Where no
//! order of the operations explains them all, an acknowledged write was lost, a value that somebody
//! read is gone, a deleted one came back, a listing missed a key, or a part of an upload showed.
//! What no operation could explain at all (bytes that differ, an unknown key, an error without a
//! fault) is a [`Violation`] on the spot.

pub mod history;
pub mod register;
pub mod value;

/// A broken promise, in one sentence, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// One sentence: what, which key, when.
    pub summary: String,
    /// Lines that explain it.
    pub details: Vec<String>,
}

impl Violation {
    /// A violation that one sentence explains.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), details: Vec::new() }
    }
}
