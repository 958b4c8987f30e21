//! Configuration of `stave admin`: whom to ask, with which keys, and whom to trust.
//!
//! | setting  | flag                 | environment                     | default                  |
//! |----------|----------------------|---------------------------------|--------------------------|
//! | endpoint | `--endpoint`         | `STAVE_ENDPOINT`                | `ENDPOINT`               |
//! | keys     | `DIR...`             | `STAVE_ROOT_*`, `STAVE_VOLUMES` | none, required           |
//! | region   | `--region`           | `STAVE_REGION`                  | the server's             |
//! | trust    | `--ca`, `--insecure` |                                 | the system's authorities |
//!
//! The keys are those that a directory named on the command line keeps, else those of the
//! environment, else those that the directories of `STAVE_VOLUMES` keep.

use super::arguments::ConnectionArguments;
use super::names::{self, Environment};
use super::{RootKeys, dirs_of_environment, parse_region, root_keys, value, volumes};
use http::Uri;
use http::uri::{Authority, Scheme};
use std::path::PathBuf;

/// Whom to ask where nobody says.
const ENDPOINT: &str = "http://127.0.0.1:9000";

/// What `stave admin` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminJob {
    /// Shows the health of the store.
    Status {
        /// Whether the answer is for programs.
        is_json: bool,
    },
    /// Lists the keys that objects are encrypted under.
    ListKeys,
    /// Makes one.
    CreateKey(String),
    /// Makes a new version of one.
    RotateKey(String),
}

/// What `stave admin` was asked to do.
pub struct AdminConfig {
    /// Whom to ask.
    pub server: Server,
    /// Where to look for keys first.
    pub dirs: Vec<PathBuf>,
    /// Keys of the environment.
    pub root: Option<RootKeys>,
    /// Region to sign for.
    pub region: Option<String>,
    /// Whose certificate will do.
    pub trust: Trust,
    /// What to do.
    pub job: AdminJob,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether it speaks TLS.
    pub is_secure: bool,
    /// Host, and port where it is not the usual one.
    pub authority: Authority,
}

/// Which certificates will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the authorities of this system signed.
    System,
    /// Those in this file, and those that they signed.
    File(PathBuf),
    /// Any.
    Anybody,
}

/// Checks what `stave admin` was given.
///
/// # Errors
/// One line.
pub(super) fn admin_config(
    job: AdminJob,
    arguments: ConnectionArguments,
    environment: &mut Environment<'_>,
) -> Result<AdminConfig, String> {
    let endpoint = value(arguments.endpoint, environment.find(&names::ENDPOINT)?);
    let region = value(arguments.region, environment.find(&names::REGION)?);
    let root = root_keys(environment)?;
    let dirs = match (arguments.dirs.is_empty(), &root) {
        (false, _) => volumes::dirs(&arguments.dirs)?,
        (true, Some(_)) => Vec::new(),
        (true, None) => dirs_of_environment(environment)?.unwrap_or_default(),
    };
    if dirs.is_empty() && root.is_none() {
        return Err(format!(
            "no keys to ask with: name a directory of the server, or set {} and {}",
            names::ROOT_USER.own,
            names::ROOT_PASSWORD.own
        ));
    }
    let trust = match (arguments.ca, arguments.insecure) {
        (Some(path), _) => Trust::File(path),
        (None, true) => Trust::Anybody,
        (None, false) => Trust::System,
    };
    Ok(AdminConfig {
        server: parse_endpoint(endpoint.as_deref().unwrap_or(ENDPOINT))?,
        dirs,
        root,
        region: region.map(parse_region).transpose()?,
        trust,
        job,
    })
}

pub(super) fn parse_endpoint(text: &str) -> Result<Server, String> {
    let wrong =
        || format!("bad endpoint {text:?}: http://HOST:PORT or https://HOST:PORT is wanted");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(wrong()),
    };
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let is_host = !authority.host().is_empty() && !authority.as_str().contains('@');
    let behind_host = authority.as_str().strip_prefix(authority.host());
    let is_port = behind_host == Some("") || authority.port_u16().is_some();
    if !is_plain || !is_host || !is_port {
        return Err(wrong());
    }
    Ok(Server { is_secure, authority: authority.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_without_a_path() {
        let check = |text: &str, is_secure: bool, authority: &str| {
            let authority = authority.parse().unwrap();
            assert_eq!(parse_endpoint(text), Ok(Server { is_secure, authority }), "{text}");
        };
        check("http://127.0.0.1:9000", false, "127.0.0.1:9000");
        check("https://s3.example.com/", true, "s3.example.com");
        check("http://[::1]:9000", false, "[::1]:9000");
        for text in [
            "",
            "localhost",
            "localhost:9000",
            "ftp://host",
            "http://",
            "http://host/path",
            "http://host?query",
            "http://user:secret@host",
            "http://host:port",
            "http://host:99999",
        ] {
            assert!(parse_endpoint(text).unwrap_err().contains("bad endpoint"), "{text}");
        }
    }
}
