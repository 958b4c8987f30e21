//! Configuration of `stave inspect`: what to look at, and how much of it to show. It takes nothing
//! from the environment.

use super::arguments::InspectArguments;
use super::volumes;
use std::path::PathBuf;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Damage and a summary.
    Verify,
    /// Every file, batch, section and record.
    Items,
    /// Every row and owner, too.
    Records,
}

/// What `stave inspect` was asked to do.
pub struct InspectConfig {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// Whether the answer is for programs.
    pub is_json: bool,
    /// How much is shown.
    pub detail: Detail,
    /// Where bodies go that the volumes give.
    pub rebuild: Option<PathBuf>,
    /// Whether disks that a server has locked are read, too.
    pub is_forced: bool,
}

/// Checks what `stave inspect` was given.
///
/// # Errors
/// One line.
pub(super) fn inspect_config(arguments: InspectArguments) -> Result<InspectConfig, String> {
    let detail = match (arguments.verify, arguments.records) {
        (true, _) => Detail::Verify,
        (false, true) => Detail::Records,
        (false, false) => Detail::Items,
    };
    Ok(InspectConfig {
        paths: volumes::dirs(&arguments.paths)?,
        is_json: arguments.json,
        detail,
        rebuild: arguments.rebuild,
        is_forced: arguments.force,
    })
}
