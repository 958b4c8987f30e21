//! Stands in for [`run`](crate::run) in a build for the simulator, which has no signals and no
//! runtime to start: there the crate `sim` puts the house together.

use crate::config::Config;

/// As in the real module.
pub enum Failure {
    /// The configuration cannot work; nothing was served.
    Refused(String),
    /// Something broke.
    Broken(String),
}

/// Refuses to run.
///
/// # Errors
/// Always.
pub fn run(_config: Config) -> Result<u8, Failure> {
    Err(Failure::Broken("built for the simulator; use cargo sim".into()))
}
