//! Stands in for [`run`](crate::run) in a build for the simulator, which has no signals and no
//! runtime to start: there the crate `sim` puts the house together.

use crate::config::{AdminConfig, Config, InspectConfig};

/// As in the real module.
pub enum Failure {
    /// The configuration cannot work; nothing was served.
    Refused(String),
    /// Something broke.
    Broken(String),
    /// A server that was asked how it is could not be asked.
    Unknown(String),
}

/// Refuses to run.
///
/// # Errors
/// Always.
pub fn run(_config: Config) -> Result<u8, Failure> {
    Err(Failure::Broken("built for the simulator; use cargo sim".into()))
}

/// Refuses to ask.
///
/// # Errors
/// Always.
pub fn ask(_config: &AdminConfig) -> Result<u8, Failure> {
    Err(Failure::Unknown("built for the simulator; use cargo sim".into()))
}

/// Refuses to look.
///
/// # Errors
/// Always.
pub fn inspect(_config: &InspectConfig) -> Result<u8, Failure> {
    Err(Failure::Refused("built for the simulator; use cargo sim".into()))
}
