//! What happened in a run: a hash over all of it, which costs next to nothing, and its lines, which
//! are written only when somebody wants to read them.

use crate::random::mix;
use std::collections::VecDeque;

/// Lines that a failure shows.
pub const LINES_MAX: usize = 40;

/// What becomes of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// They are never written.
    #[default]
    None,
    /// They are kept until the end.
    Kept,
    /// They are printed at once as well.
    Live,
    /// They are kept, and after every step what everything looks like.
    Frames,
}

/// The log of a run.
#[derive(Default)]
pub struct Log {
    hash: u64,
    count: u64,
    is_kept: bool,
    is_live: bool,
    has_frames: bool,
    lines: VecDeque<String>,
}

impl Log {
    /// An empty log.
    pub fn new(lines: Lines) -> Self {
        let (is_kept, is_live) = (lines != Lines::None, lines == Lines::Live);
        Self { is_kept, is_live, has_frames: lines == Lines::Frames, ..Self::default() }
    }

    /// Adds an event: numbers for the hash, a line for a reader.
    pub fn event(&mut self, numbers: &[u64], line: impl FnOnce() -> String) {
        self.count += 1;
        for number in numbers {
            self.hash = mix(self.hash.rotate_left(5) ^ number);
        }
        if self.is_kept {
            let line = format!("{:>4} {}", self.count, line());
            if self.is_live {
                println!("{line}");
            }
            self.lines.push_back(line);
        }
    }

    /// Hash over everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether somebody wants to read it.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Lines from one on.
    pub fn lines_from(&self, first: usize) -> Vec<String> {
        self.lines.iter().skip(first).cloned().collect()
    }

    /// How many lines there are.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Whether what everything looks like is kept.
    pub fn has_frames(&self) -> bool {
        self.has_frames
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
