//! Configuration of `stave server`: a pure function from arguments and environment to [`Config`].
//! That of `stave admin` is in [`admin`], that of `stave inspect` in [`inspect`].
//!
//! | setting       | flag                | environment                    | default        |
//! |---------------|---------------------|--------------------------------|----------------|
//! | directories   | `DIR...`            | `STAVE_VOLUMES`                | none, required |
//! | parity        | `--parity`          | `STAVE_STORAGE_CLASS_STANDARD` | by the disks   |
//! | address       | `--address`         | `STAVE_ADDRESS`                | `0.0.0.0:9000` |
//! | region        | `--region`          | `STAVE_REGION`                 | any            |
//! | version 2     | `--sigv2`           | `STAVE_SIGV2`                  | `off`          |
//! | domains       | `--domain`          | `STAVE_DOMAIN`                 | none           |
//! | users         | `--users`           | `STAVE_USERS_FILE`             | none           |
//! | ownership     |                     | `STAVE_BUCKET_OWNERSHIP`       | enforced       |
//! | public block  |                     | `STAVE_BUCKET_PUBLIC_BLOCK`    | `on`           |
//! | encryption    |                     | [`encryption`]                 | none           |
//! | root user     |                     | `STAVE_ROOT_USER[_FILE]`       | generated      |
//! | root password |                     | `STAVE_ROOT_PASSWORD[_FILE]`   | generated      |
//! | certificates  | `--certs-dir`, `-S` | `STAVE_CERTS_DIR`              | `CERTS_DIR`    |
//! | log format    | `--log-format`      | `STAVE_LOG_FORMAT`             | `text`         |
//! | log filter    |                     | `STAVE_LOG`                    | `LOG_FILTER`   |
//!
//! - A flag wins over the environment. An empty variable counts as unset.
//! - The names that MinIO users have in their unit files are honoured as aliases ([`names`]) and
//!   reported in [`Config::notes`]; two names of one setting with different values are refused,
//!   never ranked.

mod admin;
mod arguments;
mod ellipses;
mod encryption;
mod inspect;
mod names;
mod vault;
mod volumes;

pub use admin::{AdminConfig, AdminJob, Server, Trust};
pub use arguments::is_admin;
pub use inspect::{Detail, InspectConfig};
pub use vault::{VaultConfig, VaultLogin, is_key as is_vault_key};

use arguments::{Command, ServerArguments};
use iam::users::Directory;
use names::{Environment, Found};
use s3api::config::{EncryptionConfig, NewBuckets, is_region};
use s3api::host::Domains;
use s3api::xml::settings::{Ownership, PublicAccessBlock};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shortest root user (the limit that MinIO users know).
pub const USER_LEN_MIN: usize = 3;
/// Shortest root password (the limit that MinIO users know).
pub const PASSWORD_LEN_MIN: usize = 8;
/// Longest of either; it travels in every request's header.
pub const KEY_LEN_MAX: usize = 128;
/// Which log lines appear by default: not one a request, which costs a seventh of a small request's
/// processor time; `STAVE_LOG=info` shows them.
const LOG_FILTER: &str = "info,s3api::access=warn";
/// Where certificates are looked for below the home directory, where nobody says anything else.
const CERTS_DIR: &str = ".stave/certs";

/// What `stave server` was asked to do. Checked: every value is legal.
#[derive(Clone)]
pub struct Config {
    /// The disks: one directory or more, each once, in the order of the command line.
    pub dirs: Vec<PathBuf>,
    /// Parity columns of new volumes; by the number of disks where nobody says.
    pub parity: Option<u8>,
    /// Where to listen. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Region that clients must sign for; any will do without one.
    pub region: Option<String>,
    /// Whether Signature Version 2 is taken, too.
    pub allows_sigv2: bool,
    /// Domains whose subdomains are buckets.
    pub domains: Domains,
    /// File of declared users.
    pub users_file: Option<PathBuf>,
    /// Who is declared there; nobody until the file is read.
    pub users: Arc<Directory>,
    /// How new buckets are configured.
    pub new_buckets: NewBuckets,
    /// How objects are encrypted.
    pub encryption: EncryptionConfig,
    /// Where their keys are sealed, when that is Vault.
    pub vault: Option<VaultConfig>,
    /// Root keys from the environment; without them the directory's own are used.
    pub root: Option<RootKeys>,
    /// Where TLS certificates are; `None` without a home directory, where none was given.
    pub certs_dir: Option<CertsDir>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines appear, in the syntax of `tracing` (`info`, `s3api=debug,info`).
    pub log_filter: String,
    /// What the log should say about the configuration, once there is a log.
    pub notes: Vec<Note>,
}

/// A directory of TLS certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertsDir {
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody asked for it, so that it must have a certificate.
    pub is_given: bool,
}

/// Access key and secret key of the root user. Has no `Debug`, so that no log line shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct RootKeys {
    /// Shown freely.
    pub access_key: String,
    /// Never shown but once.
    pub secret_key: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// A remark for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A MinIO name was taken for ours.
    AliasHonoured { name: &'static str, meaning: &'static str },
    /// A MinIO name or flag that means nothing here.
    Ignored { name: String },
    /// The root password is one that everybody knows.
    KnownPassword,
    /// Several disks without parity: losing any one loses what is on it.
    NoParity { dir_count: usize },
}

/// What the command line asks for.
pub enum Parsed {
    /// Text for stdout, then a good exit: help and version.
    Show(String),
    /// A server.
    Serve(Box<Config>),
    /// Something of a server that runs.
    Admin(Box<AdminConfig>),
    /// A look at files while no server runs.
    Inspect(Box<InspectConfig>),
}

/// Reads a file that holds a secret, and tells what is wrong with it in words.
pub type ReadSecret = dyn Fn(&Path) -> io::Result<String>;

/// Turns arguments (the program's name first) and environment into a checked configuration.
///
/// # Errors
/// One line that says what is wrong and what would be right.
pub fn parse(
    arguments: Vec<OsString>,
    environment: &BTreeMap<String, String>,
    read_secret: &ReadSecret,
) -> Result<Parsed, String> {
    let mut environment = Environment::new(environment, read_secret);
    Ok(match arguments::parse(arguments)? {
        Command::Show(text) => Parsed::Show(text),
        Command::Server(arguments) => {
            Parsed::Serve(Box::new(server_config(arguments, &mut environment)?))
        }
        Command::Admin(job, connection) => {
            Parsed::Admin(Box::new(admin::admin_config(job, connection, &mut environment)?))
        }
        Command::Inspect(arguments) => {
            Parsed::Inspect(Box::new(inspect::inspect_config(arguments)?))
        }
    })
}

fn server_config(
    arguments: ServerArguments,
    environment: &mut Environment<'_>,
) -> Result<Config, String> {
    let dirs = dirs(arguments.dirs, environment)?;
    let parity = parity(arguments.parity, environment, dirs.len())?;
    let address = value(arguments.address, environment.find(&names::ADDRESS)?);
    let region = value(arguments.region, environment.find(&names::REGION)?);
    let domains = value(arguments.domain, environment.find(&names::DOMAIN)?);
    let sigv2 = value(arguments.sigv2, environment.find(&names::SIGV2)?);
    let users = environment.find(&names::USERS_FILE)?.map(|found| PathBuf::from(found.value));
    let new_buckets = new_buckets(environment)?;
    let (encryption, vault) = encryption::encryption(environment)?;
    let root = root_keys(environment)?;
    let certs_dir = certs_dir(arguments.certs_dir, environment)?;
    let log_format = match (arguments.log_format, environment.find(&names::LOG_FORMAT)?) {
        (Some(format), _) => format,
        (None, Some(found)) => parse_log_format(&found.value)?,
        (None, None) => LogFormat::default(),
    };
    let log_filter = value(None, environment.find(&names::LOG)?);
    let mut notes = environment.take_notes();
    if arguments.console_address.is_some() {
        notes.push(Note::Ignored { name: "--console-address".into() });
    }
    if root.as_ref().is_some_and(|keys| names::KNOWN_PASSWORDS.contains(&&*keys.secret_key)) {
        notes.push(Note::KnownPassword);
    }
    if parity == Some(0) && dirs.len() > 1 {
        notes.push(Note::NoParity { dir_count: dirs.len() });
    }
    Ok(Config {
        dirs,
        parity,
        address: parse_address(address.as_deref().unwrap_or("0.0.0.0:9000"))?,
        region: region.map(parse_region).transpose()?,
        allows_sigv2: parse_switch("STAVE_SIGV2", sigv2)?,
        domains: parse_domains(domains)?,
        users_file: arguments.users.or(users),
        users: Arc::default(),
        new_buckets,
        encryption,
        vault,
        root,
        certs_dir,
        log_format,
        log_filter: log_filter.unwrap_or_else(|| LOG_FILTER.into()),
        notes,
    })
}

fn value(flag: Option<String>, found: Option<Found>) -> Option<String> {
    flag.or(found.map(|found| found.value))
}

fn certs_dir(
    flag: Option<PathBuf>,
    environment: &mut Environment<'_>,
) -> Result<Option<CertsDir>, String> {
    let found = environment.find(&names::CERTS_DIR)?.map(|found| PathBuf::from(found.value));
    Ok(match (flag.or(found), environment.home()) {
        (Some(path), _) => Some(CertsDir { path, is_given: true }),
        (None, Some(home)) => Some(CertsDir { path: home.join(CERTS_DIR), is_given: false }),
        (None, None) => None,
    })
}

fn dirs(
    arguments: Vec<OsString>,
    environment: &mut Environment<'_>,
) -> Result<Vec<PathBuf>, String> {
    if arguments.is_empty() {
        let wanted = || format!("no DIR to serve: name one, or set {}", names::VOLUMES.own);
        return dirs_of_environment(environment)?.ok_or_else(wanted);
    }
    // Asked for all the same, so that it counts as known.
    environment.find(&names::VOLUMES)?;
    volumes::dirs(&arguments)
}

fn dirs_of_environment(environment: &mut Environment<'_>) -> Result<Option<Vec<PathBuf>>, String> {
    let Some(Found { name, value }) = environment.find(&names::VOLUMES)? else {
        return Ok(None);
    };
    let arguments: Vec<OsString> = value.split_whitespace().map(OsString::from).collect();
    let dirs = volumes::dirs(&arguments).map_err(|line| format!("{name}: {line}"))?;
    if dirs.is_empty() {
        return Err(format!("{name} names no directory"));
    }
    Ok(Some(dirs))
}

fn parity(
    flag: Option<String>,
    environment: &mut Environment<'_>,
    dir_count: usize,
) -> Result<Option<u8>, String> {
    let found = environment.find(&names::PARITY)?;
    let flag = flag.map(|value| Found { name: "--parity".into(), value });
    let read = |found: Found| volumes::parity(&found.name, &found.value, dir_count);
    flag.or(found).map(read).transpose()
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some(("", port)) => ("0.0.0.0", port),
        Some(("localhost", port)) => ("127.0.0.1", port),
        Some(pair) => pair,
        None => ("", text),
    };
    format!("{host}:{port}").parse().map_err(|_| {
        format!("bad address {text:?}: IP:PORT or :PORT is wanted, for instance 0.0.0.0:9000")
    })
}

fn parse_region(region: String) -> Result<String, String> {
    if is_region(&region) {
        return Ok(region);
    }
    Err(format!("bad region {region:?}: letters, digits, - and _ only, for instance us-east-1"))
}

fn parse_switch(name: &str, text: Option<String>) -> Result<bool, String> {
    match text.as_deref() {
        None | Some("off") => Ok(false),
        Some("on") => Ok(true),
        Some(other) => Err(format!("bad {name} {other:?}: on or off is wanted")),
    }
}

fn new_buckets(environment: &mut Environment<'_>) -> Result<NewBuckets, String> {
    let defaults = NewBuckets::default();
    let ownership = match environment.find(&names::BUCKET_OWNERSHIP)? {
        None => defaults.ownership,
        Some(Found { name, value }) => Ownership::named(&value).ok_or_else(|| {
            format!(
                "bad {name} {value:?}: BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter \
                 is wanted"
            )
        })?,
    };
    let found = environment.find(&names::BUCKET_PUBLIC_BLOCK)?;
    let is_blocked = found.map(|found| parse_switch(&found.name, Some(found.value))).transpose()?;
    let block = match is_blocked {
        Some(false) => PublicAccessBlock::default(),
        Some(true) | None => defaults.block,
    };
    Ok(NewBuckets { ownership, block })
}

fn parse_domains(text: Option<String>) -> Result<Domains, String> {
    let text = text.unwrap_or_default();
    let names = text.split(',').filter(|name| !name.is_empty());
    Domains::new(names.map(str::to_owned)).map_err(|error| {
        format!("bad domain: {error}; names with commas between them, for instance s3.example.com")
    })
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    <LogFormat as clap::ValueEnum>::from_str(text, true)
        .map_err(|_| format!("bad log format {text:?}: text or json is wanted"))
}

fn root_keys(environment: &mut Environment<'_>) -> Result<Option<RootKeys>, String> {
    let user = environment.find(&names::ROOT_USER)?;
    let password = environment.find(&names::ROOT_PASSWORD)?;
    match (user, password) {
        (None, None) => Ok(None),
        (Some(user), None) => Err(format!(
            "{} is set without a password: set {} too, or neither",
            user.name,
            names::ROOT_PASSWORD.own
        )),
        (None, Some(password)) => Err(format!(
            "{} is set without a user: set {} too, or neither",
            password.name,
            names::ROOT_USER.own
        )),
        (Some(user), Some(password)) => {
            check_key(&user, USER_LEN_MIN)?;
            check_key(&password, PASSWORD_LEN_MIN)?;
            Ok(Some(RootKeys { access_key: user.value, secret_key: password.value }))
        }
    }
}

fn check_key(found: &Found, len_min: usize) -> Result<(), String> {
    let Found { name, value } = found;
    if value.len() < len_min {
        return Err(format!("{name} is too short: at least {len_min} characters are wanted"));
    }
    if value.len() > KEY_LEN_MAX {
        return Err(format!("{name} is too long: at most {KEY_LEN_MAX} characters are wanted"));
    }
    // `/`, `,` and `=` would end the user's name inside an Authorization header.
    let is_user = len_min == USER_LEN_MIN;
    let illegal = |byte: u8| !byte.is_ascii_graphic() || is_user && b"/,=".contains(&byte);
    if value.bytes().any(illegal) {
        return Err(format!("{name} has an illegal character: visible ASCII is wanted"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
