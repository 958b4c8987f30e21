//! The engine's errors, grouped by what the caller does next.

use crate::env::is_full;
use std::io;
use std::sync::Arc;

/// Why the engine says no.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// Stored bytes fail their checks. Nothing is served from them; never answered as absence.
    #[error("{what} is damaged in {path} at byte {offset}")]
    Corrupt {
        /// Which structure.
        what: &'static str,
        /// File, relative to its disk.
        path: String,
        /// Where in the file.
        offset: u64,
    },
    /// A location names a volume that is gone: it was relocated. Look the row up again.
    #[error("volume {0} is gone")]
    VolumeGone(u64),
    /// The disk belongs to something else or to a newer version. Refuse to start.
    #[error("disk refused: {0}")]
    Foreign(String),
    /// No room for more data.
    #[error("out of space")]
    OutOfSpace,
    /// A disk operation failed. After a failed sync the store takes no more writes.
    #[error("cannot {op} {path}: {source}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// File, relative to its disk.
        path: String,
        /// What the disk said.
        source: Arc<io::Error>,
    },
    /// The store stopped taking writes: it is closing, or a sync failed. A write that gets this may
    /// have happened.
    #[error("store is closed to writes: {0}")]
    Closed(String),
}

/// Short form for the engine's results.
pub type Result<T> = std::result::Result<T, EngineError>;

impl EngineError {
    /// Names the operation and the file of an error from the disk.
    pub fn io(op: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match is_full(&source) {
            true => Self::OutOfSpace,
            false => Self::Io { op, path, source: Arc::new(source) },
        }
    }

    /// Damage in a file.
    pub fn corrupt(what: &'static str, path: &str, offset: u64) -> Self {
        Self::Corrupt { what, path: path.to_owned(), offset }
    }

    /// Whether the file that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
