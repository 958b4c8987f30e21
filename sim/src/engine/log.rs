//! What happened in a run: a hash over all of it, which costs next to nothing, and its lines, which
//! are written only when somebody wants to read them.

use crate::random::mix;
use std::collections::VecDeque;

/// Lines that a failure shows.
pub const LINES_MAX: usize = 40;

/// The log of a run.
#[derive(Default)]
pub struct Log {
    hash: u64,
    count: u64,
    is_kept: bool,
    lines: VecDeque<String>,
}

impl Log {
    /// An empty log; `is_kept`: with lines.
    pub fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// Adds an event: numbers for the hash, a line for a reader.
    pub fn event(&mut self, numbers: &[u64], line: impl FnOnce() -> String) {
        self.count += 1;
        for number in numbers {
            self.hash = mix(self.hash.rotate_left(5) ^ number);
        }
        if self.is_kept {
            let line = line();
            self.hash_free_line(line);
        }
    }

    fn hash_free_line(&mut self, line: String) {
        self.lines.push_back(format!("{:>4} {line}", self.count));
    }

    /// Hash over everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
