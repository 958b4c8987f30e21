//! `stave admin`: asks a server that runs, and shows what it says.
//!
//! ```text
//! AdminConfig --keys, trust--> client: signed GET over TCP or TLS --> answer: JSON -> StoreStatus
//!                                                                       --> table, exit code
//! ```
//!
//! - A1: the exit code says what the server says; what is not known has one of its own, never that
//!   of "healthy".
//! - A2: nothing that a server sends moves the terminal: controls are shown as `?`.
//! - A3: the secret key never leaves the process; what a server gets is a signature for this one
//!   request.
//!
//! In reading order: [`client`], [`answer`], [`table`].

mod answer;
mod client;
mod table;

use crate::config::{AdminConfig, AdminJob, RootKeys};
use crate::credentials;
use engine::object::StoreStatus;
use http::Method;
use s3api::Credentials;
use s3api::status::Health;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use table::Colour;
use tokio::runtime::Builder;

/// Where the status is.
const STATUS_PATH: &str = "/_stave/admin/v1/status";

/// Where the keys of encryption are.
const KEYS_PATH: &str = "/_stave/admin/v1/keys";

/// Asks for what is wanted, shows it, and returns the exit code.
///
/// # Errors
/// One line, when it could not be had.
pub fn run(config: &AdminConfig) -> Result<u8, String> {
    match &config.job {
        AdminJob::Status { is_json } => show_status(config, *is_json),
        AdminJob::ListKeys => {
            let text = ask(config, &Method::GET, KEYS_PATH)?;
            print(&format!("{}\n", harmless(text.trim_end())));
            Ok(0)
        }
        AdminJob::CreateKey(key) => {
            ask(config, &Method::PUT, &path_of(key)?)?;
            print(&format!("key {key} made\n"));
            Ok(0)
        }
        AdminJob::RotateKey(key) => {
            ask(config, &Method::POST, &path_of(key)?)?;
            print(&format!("key {key} has a new version\n"));
            Ok(0)
        }
    }
}

fn path_of(key: &str) -> Result<String, String> {
    if !sealing::ring::is_name(key) {
        return Err("a key's name has 1 to 128 letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(format!("{KEYS_PATH}?key={key}"))
}

fn ask(config: &AdminConfig, method: &Method, path: &str) -> Result<String, String> {
    let credentials = credentials_of(config)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(client::ask(config, &credentials, (method, path)))
}

fn print(text: &str) {
    let mut stdout = stdout();
    // Nobody may be reading; the exit code tells all the same.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn show_status(config: &AdminConfig, is_json: bool) -> Result<u8, String> {
    let text = ask(config, &Method::GET, STATUS_PATH)?;
    let status = answer::parse(&text)?;
    let shown = if is_json {
        format!("{}\n", text.trim_end())
    } else {
        let colour = if may_colour() { Colour::Ansi } else { Colour::None };
        table::render(&status, &config.server.to_string(), colour)
    };
    print(&shown);
    Ok(exit_code(&status))
}

fn exit_code(status: &StoreStatus) -> u8 {
    match Health::of(status) {
        Health::Healthy => 0,
        Health::Degraded => 1,
        Health::Failing => 2,
    }
}

fn may_colour() -> bool {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stdout().is_terminal() && !is_refused
}

fn credentials_of(config: &AdminConfig) -> Result<Credentials, String> {
    let dirs: Vec<&Path> = config.dirs.iter().map(AsRef::as_ref).collect();
    let kept = credentials::read(&dirs)?.map(|(_, keys)| keys);
    let keys = kept.or_else(|| config.root.clone()).ok_or_else(|| {
        let shown: Vec<_> = dirs.iter().map(|dir| dir.to_string_lossy()).collect();
        format!(
            "{} keeps no root keys: set STAVE_ROOT_USER and STAVE_ROOT_PASSWORD",
            shown.join(" ")
        )
    })?;
    let RootKeys { access_key, secret_key } = keys;
    Ok(Credentials { access_key, secret_key })
}

/// The text without what could move a terminal (A2).
fn harmless(text: &str) -> String {
    let turns = |letter| {
        matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(letter, '\u{2066}'..='\u{2069}')
    };
    let is_harmful = |letter: char| letter.is_control() || turns(letter);
    text.chars().map(|letter| if is_harmful(letter) { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_is_what_the_store_says() {
        let healthy = StoreStatus {
            readable: true,
            writable: true,
            margin: Some(1),
            margin_full: 1,
            ..StoreStatus::default()
        };
        assert_eq!(exit_code(&healthy), 0);
        assert_eq!(exit_code(&StoreStatus { margin_full: 2, ..healthy.clone() }), 1);
        assert_eq!(exit_code(&StoreStatus { writable: false, ..healthy.clone() }), 2);
        assert_eq!(exit_code(&StoreStatus { margin: None, ..healthy }), 2);
    }

    #[test]
    fn nothing_moves_the_terminal() {
        assert_eq!(harmless("/d\u{fc} 1\u{1b}[2J\n\u{202e}x\u{9b}"), "/d\u{fc} 1?[2J??x?");
    }
}
