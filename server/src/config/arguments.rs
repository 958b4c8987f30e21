//! The command line, as `clap` reads it: no defaults and no checks of values here.

use super::LogFormat;
use clap::{Args, Parser, Subcommand, error::ErrorKind};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
pub enum Command {
    /// Text for stdout: help and version.
    Show(String),
    /// A server.
    Server(ServerArguments),
}

/// An S3-compatible object store.
#[derive(Parser)]
#[command(name = "stave", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Serves directories, each a disk of its own, over the S3 API. Needs no configuration: makes
    /// directories and root keys when missing.
    Server(ServerArguments),
}

/// Arguments of `stave server`.
#[derive(Args)]
pub struct ServerArguments {
    /// Directories that hold everything, normally each a mount of its own; /d{1...8} names eight
    /// [env: STAVE_VOLUMES, blanks between them]
    #[arg(value_name = "DIR")]
    pub dirs: Vec<OsString>,
    /// Disks that every object survives the loss of: at most half of them [default: by their
    /// number] [env: STAVE_STORAGE_CLASS_STANDARD=EC:N]
    #[arg(long, value_name = "N")]
    pub parity: Option<String>,
    /// Where to listen: IP:PORT or :PORT [default: 0.0.0.0:9000] [env: STAVE_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Region that clients must sign for [default: any, and us-east-1 is told] [env: STAVE_REGION]
    #[arg(long)]
    pub region: Option<String>,
    /// Whether requests may be signed by Signature Version 2, too: on or off [default: off] [env:
    /// STAVE_SIGV2]
    #[arg(long, value_name = "SWITCH")]
    pub sigv2: Option<String>,
    /// Domains, commas between them, whose subdomains are buckets: bucket.domain, virtual-host
    /// style [env: STAVE_DOMAIN]
    #[arg(long, value_name = "NAMES")]
    pub domain: Option<String>,
    /// Directory of TLS certificates: public.crt and private.key, others for more names in
    /// subdirectories [default: ~/.stave/certs, where it has any] [env: STAVE_CERTS_DIR]
    #[arg(long, short = 'S', value_name = "DIR")]
    pub certs_dir: Option<PathBuf>,
    /// How log lines look [default: text] [env: STAVE_LOG_FORMAT]
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,
    /// Accepted because so many MinIO command lines carry it; there is no console yet.
    #[arg(long, hide = true)]
    pub console_address: Option<String>,
}

/// Reads the command line; the program's name comes first.
///
/// # Errors
/// One line.
pub fn parse(arguments: Vec<OsString>) -> Result<Command, String> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: CliCommand::Server(arguments) }) => Ok(Command::Server(arguments)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Ok(Command::Show(error.to_string()))
            }
            _ => Err(first_paragraph(&error.to_string())),
        },
    }
}

/// `clap` says what is wrong in its first paragraph; usage and hints follow, and `--help` shows
/// them.
fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    format!("{} (see stave server --help)", words.join(" "))
}
