//! The command line, as `clap` reads it: no defaults and no checks of values here.

use super::{AdminJob, LogFormat};
use clap::{Args, Parser, Subcommand, error::ErrorKind};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
pub enum Command {
    /// Text for stdout: help and version.
    Show(String),
    /// A server.
    Server(ServerArguments),
    /// Something of a server that runs.
    Admin(AdminJob, ConnectionArguments),
    /// A look at files while no server runs.
    Inspect(InspectArguments),
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
    /// Looks after a server that runs.
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Shows and verifies files and disks while no server runs on them; changes nothing. Exit
    /// code: 0 intact, 1 damage found, 2 something could not be read.
    Inspect(InspectArguments),
}

/// Arguments of `stave inspect`.
#[derive(Args)]
pub struct InspectArguments {
    /// Files of a store, or directories that are its disks: all disks of one store together tell
    /// most; /d{1...8} names eight
    #[arg(value_name = "DIR|FILE", required = true)]
    pub paths: Vec<OsString>,
    /// Prints one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Prints damage and a summary only
    #[arg(long, conflicts_with = "records")]
    pub verify: bool,
    /// Prints every row of runs and every owner of bodies in segments, too
    #[arg(long)]
    pub records: bool,
    /// Writes every body that the volumes alone still give into this empty directory, into
    /// quarantine: no server ever serves it
    #[arg(long, value_name = "TARGET", conflicts_with = "records")]
    pub rebuild: Option<PathBuf>,
    /// Reads disks that a server has locked; a file that shrinks meanwhile ends the process
    #[arg(long)]
    pub force: bool,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Shows disks, redundancy, repair and scrub. Exit code: 0 healthy, 1 degraded, 2 reads or
    /// writes impossible, 3 not known.
    Status {
        /// Prints the server's JSON instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Lists, makes and rotates the keys that objects are encrypted under.
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Prints the names of all keys with their versions, as JSON.
    List {
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Makes a key.
    Create {
        /// Its name: letters, digits, -, _ and .
        #[arg(value_name = "NAME")]
        key: String,
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Makes a new version of a key, for all that is written from now on; what older versions
    /// sealed stays readable.
    Rotate {
        /// Its name
        #[arg(value_name = "NAME")]
        key: String,
        #[command(flatten)]
        connection: ConnectionArguments,
    },
}

/// Whom `stave admin` asks, and how.
#[derive(Args)]
pub struct ConnectionArguments {
    /// A directory of the server, for the root keys that it keeps [default: the keys of
    /// STAVE_ROOT_USER and STAVE_ROOT_PASSWORD, then the directories of STAVE_VOLUMES]
    #[arg(value_name = "DIR")]
    pub dirs: Vec<OsString>,
    /// The server [default: http://127.0.0.1:9000] [env: STAVE_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region to sign for [default: the server's] [env: STAVE_REGION]
    #[arg(long)]
    pub region: Option<String>,
    /// PEM file with the server's certificate, or with that of who signed it
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Takes any certificate: whoever answers may be somebody else
    #[arg(long)]
    pub insecure: bool,
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
    /// File of declared users, JSON: access keys, secrets, accounts, policies [env:
    /// STAVE_USERS_FILE]
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
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
    let word = |index: usize| arguments.get(index).and_then(|argument| argument.to_str());
    let help = match (word(1), word(2)) {
        (Some("admin"), Some("status")) => "stave admin status --help",
        (Some("admin"), Some("keys")) => "stave admin keys --help",
        (Some("admin"), _) => "stave admin --help",
        (Some("inspect"), _) => "stave inspect --help",
        _ => "stave server --help",
    };
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: CliCommand::Server(arguments) }) => Ok(Command::Server(arguments)),
        Ok(Cli { command: CliCommand::Admin { command } }) => {
            let (job, connection) = admin_job(command);
            Ok(Command::Admin(job, connection))
        }
        Ok(Cli { command: CliCommand::Inspect(arguments) }) => Ok(Command::Inspect(arguments)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Ok(Command::Show(error.to_string()))
            }
            _ => Err(first_paragraph(&error.to_string(), help)),
        },
    }
}

fn admin_job(command: AdminCommand) -> (AdminJob, ConnectionArguments) {
    match command {
        AdminCommand::Status { json, connection } => {
            (AdminJob::Status { is_json: json }, connection)
        }
        AdminCommand::Keys(KeysCommand::List { connection }) => (AdminJob::ListKeys, connection),
        AdminCommand::Keys(KeysCommand::Create { key, connection }) => {
            (AdminJob::CreateKey(key), connection)
        }
        AdminCommand::Keys(KeysCommand::Rotate { key, connection }) => {
            (AdminJob::RotateKey(key), connection)
        }
    }
}

/// `clap` says what is wrong in its first paragraph; usage and hints follow, and `--help` shows
/// them.
fn first_paragraph(text: &str, help: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    format!("{} (see {help})", words.join(" "))
}

/// Whether a command line asks for `stave admin`, also when it is wrong otherwise.
pub fn is_admin(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|argument| argument == "admin")
}
