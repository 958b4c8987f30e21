//! The log of metadata: commands in one order, applied deterministically to rows.
//!
//! [`MetaLog`] is the seam: [`local::LocalMetaLog`] on a node alone; between nodes a consensus
//! group takes its place. Whatever apply needs travels in the command: it reads rows, but no clock,
//! no randomness and nothing else.

pub mod apply;
pub mod command;
pub mod local;

use bytes::Bytes;
use command::{Command, Refusal, Success};
use engine::EngineError;
use std::future::Future;
use std::pin::Pin;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The command was applied and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine failed; the command may be in the log or not.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Answer of the log, some time later.
pub type LogReply<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// The one order of all changes of metadata.
pub trait MetaLog: Send + Sync + 'static {
    /// Appends a command, with the body that it carries inline, and applies it once it is durable.
    /// Returns what apply said.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the command is applied.
    fn propose(&self, command: Command, body: Bytes) -> LogReply<'_, Success>;

    /// Waits until reads see every command that was answered before the call.
    fn linearize(&self) -> LogReply<'_, ()>;
}
