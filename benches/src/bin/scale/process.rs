//! What the process and the file system tell: resident memory, blocks on disk, room.
#![expect(clippy::disallowed_methods, reason = "a bench looks at its files from outside")]

use crate::count::{KINDS, kind_of};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Resident memory of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now, in bytes.
    pub resident: u64,
    /// At most until now, in bytes.
    pub peak: u64,
}

/// Resident memory of this process as `/proc` tells it; zeros where there is none.
pub fn memory() -> Memory {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
}

/// Processor time of this process until now, in seconds; a clock tick is 10 ms on Linux.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in brackets: state is field 3, user and system time are 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Bytes that blocks of files take below some directories, by kind of file.
pub fn on_disk(directories: &[PathBuf]) -> [u64; KINDS.len()] {
    let mut lens = [0; KINDS.len()];
    for directory in directories {
        for kind in &KINDS[..3] {
            lens[kind_of(&format!("{kind}/"))] += files_len(&directory.join(kind));
        }
        lens[3] += files_len(directory);
    }
    lens
}

/// Bytes that blocks of the files in a directory take, those in directories below it aside.
fn files_len(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    files.filter(fs::Metadata::is_file).map(|file| file.blocks() * 512).sum()
}
