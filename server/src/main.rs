//! The binary `stave`: reads its configuration, puts the house together, serves until told to stop;
//! or asks a server that runs how it is; or looks at the files of one that does not run.
//!
//! ```text
//! args + environment --config--> Config --run--> listener, certificates, places, keys, node
//!                                             --> s3api::serve
//!                             --> AdminConfig --admin--> signed request, table, exit code
//!                             --> InspectConfig --inspect--> files, report, exit code
//! ```
//!
//! - S1: wrong configuration is refused before anything is served: one line on stderr, exit code 2.
//! - S2: the endpoint is printed only when recovery is over and the port is bound.
//! - S3: a directory is served by one process at a time, and the kernel, not a file, remembers
//!   which.
//! - S4: with a certificate everything is TLS, and what is wrong with one never leads to less.
//! - S5: a secret is printed once, when it is made; it never stands in a log line or an error.
//!
//! Modules in reading order: [`config`], [`files`], [`places`], [`disks`], [`credentials`],
//! [`certs`], [`logging`], [`banner`], [`http_client`], [`trust`], [`vault`], [`run`], [`admin`],
//! [`inspect`].
#![cfg_attr(madsim, expect(dead_code, reason = "`run_simulated` uses none of it"))]

#[cfg(not(madsim))]
mod admin;
mod banner;
#[cfg(not(madsim))]
mod certs;
mod config;
mod credentials;
#[cfg(not(madsim))]
mod disks;
mod files;
#[cfg(not(madsim))]
mod http_client;
#[cfg(not(madsim))]
mod inspect;
mod logging;
mod places;
#[cfg_attr(madsim, path = "run_simulated.rs")]
mod run;
#[cfg(not(madsim))]
mod trust;
#[cfg(not(madsim))]
mod users;
#[cfg(not(madsim))]
mod vault;

use config::Parsed;
use run::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Exit code of a configuration that is refused.
const EXIT_REFUSED: u8 = 2;

/// Exit code of `stave admin` when it could not ask: 0 to 2 say what a server said.
const EXIT_UNKNOWN: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let is_admin = config::is_admin(&arguments);
    let outcome = match config::parse(arguments, &environment, &files::read_secret) {
        Ok(Parsed::Show(text)) => {
            // A closed stdout is no reason to fail.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Ok(Parsed::Serve(config)) => run::run(*config),
        Ok(Parsed::Admin(config)) => run::ask(&config),
        Ok(Parsed::Inspect(config)) => run::inspect(&config),
        Err(line) => Err(Failure::Refused(line)),
    };
    let (line, code) = match outcome {
        Ok(code) => return ExitCode::from(code),
        Err(Failure::Unknown(line)) => (line, EXIT_UNKNOWN),
        Err(Failure::Refused(line)) if is_admin => (line, EXIT_UNKNOWN),
        Err(Failure::Refused(line)) => (line, EXIT_REFUSED),
        Err(Failure::Broken(line)) => (line, 1),
    };
    let _ = writeln!(std::io::stderr(), "stave: {}", line.replace('\n', " "));
    ExitCode::from(code)
}
