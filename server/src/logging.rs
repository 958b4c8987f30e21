//! The log: structured lines on stderr, as text or JSON.

use crate::config::{Config, LogFormat, Note};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts the log.
///
/// # Errors
/// When the filter cannot be understood.
pub fn start(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| format!("bad STAVE_LOG {:?}: {error}", config.log_filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match config.log_format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("cannot start the log: {error}"))
}

/// Says what the configuration was taken from and what of it means nothing here.
pub fn report(notes: &[Note]) {
    for note in notes {
        match note {
            Note::AliasHonoured { name, meaning } => {
                tracing::info!(name, meaning, "environment alias honoured");
            }
            Note::Ignored { name } => {
                tracing::warn!(name, "setting has no meaning here yet and is ignored");
            }
            Note::KnownPassword => {
                tracing::warn!("root password is a default that everybody knows: change it");
            }
            Note::NoParity { dir_count } => {
                tracing::warn!(
                    disks = dir_count,
                    "NO PARITY: whatever is on a disk is lost with it, and every further disk \
                     makes that more likely; --parity 1 or more protects"
                );
            }
        }
    }
}
