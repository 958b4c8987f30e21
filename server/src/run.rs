//! Life of the server process.
//!
//! ```text
//! start --bind, lock, keys, recover--> Serving --signal--> Draining --done or late--> flushed
//!   |                                     |                   |                        exit 0
//!   +--refused: exit 2                    |                   +--second signal: 128 + signal
//!                                         +--listener died: exit 1
//! ```
//!
//! The port is bound before recovery, so that a taken port is found before anything is written;
//! clients that come during recovery wait in the listen queue. Nothing is answered before recovery
//! is over.

use crate::banner::Banner;
use crate::config::{Config, RootKeys};
use crate::credentials::{self, Origin, Root};
use crate::files::{self, DirLock};
use crate::logging;
use cluster::{Node, NodeConfig};
use engine::env::{Env, real};
use s3api::{Credentials, S3Config, Service};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long requests may go on after the first signal. Orchestrators kill after 30 s, and the flush
/// comes after this.
const DRAIN_MAX_MS: u64 = 20_000;

/// Why the process ends with a complaint.
pub enum Failure {
    /// The configuration cannot work; nothing was served.
    Refused(String),
    /// Something broke.
    Broken(String),
}

/// Runs the server until a signal; returns its exit code.
///
/// # Errors
/// One line.
pub fn run(config: Config) -> Result<u8, Failure> {
    logging::start(&config).map_err(Failure::Refused)?;
    logging::report(&config.notes);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Broken(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(serve(config));
    Runtime::shutdown_background(runtime);
    outcome
}

/// Files that the store may have open besides connections: journal, runs, volumes.
const OPEN_FILES_RESERVED: u64 = 512;

async fn serve(config: Config) -> Result<u8, Failure> {
    let mut signals = Signals::new().map_err(Failure::Broken)?;
    let listener = bind(config.address).await.map_err(Failure::Refused)?;
    let lock = take_dir(&config.dir).map_err(Failure::Refused)?;
    let env = real::env();
    let root = credentials::obtain(&config.dir, config.root.clone(), &*env.rng)
        .map_err(Failure::Refused)?;
    let connections_max = connections_max(real::raise_open_files()).map_err(Failure::Refused)?;
    let node = tokio::select! {
        biased;
        // Recovery may be cut off anywhere, as by a crash.
        _ = signals.next() => return Ok(0),
        node = open_node(&config.dir, env.clone()) => node?,
    };
    let address = listener.local_addr().map_err(|error| Failure::Broken(error.to_string()))?;
    let mut s3_config = s3_config(&config, root.keys.clone());
    s3_config.limits.connections_max = s3_config.limits.connections_max.min(connections_max);
    s3_config.validate().map_err(Failure::Refused)?;
    let service = Service::new(s3_config, node.store(), env);
    announce(&config, &root, address);
    let code = serve_until_signal(listener, service, &mut signals, &node).await;
    drop(lock);
    code
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (--address sets another)"))
}

fn take_dir(dir: &Path) -> Result<DirLock, String> {
    let shown = dir.display();
    files::create_dir_durably(dir).map_err(|error| format!("cannot create {shown}: {error}"))?;
    files::lock_dir(dir)
        .map_err(|error| format!("cannot use {shown}: {error}"))?
        .ok_or_else(|| format!("{shown} is served by another process"))
}

async fn open_node(dir: &Path, env: Env) -> Result<Node, Failure> {
    let shown = dir.display();
    let disk = real::RealDisk::open(dir)
        .map_err(|error| Failure::Refused(format!("cannot open {shown}: {error}")))?;
    Node::open(NodeConfig::default(), vec![Arc::new(disk)], env)
        .await
        .map_err(|error| Failure::Broken(format!("cannot open the store in {shown}: {error}")))
}

fn s3_config(config: &Config, keys: RootKeys) -> S3Config {
    let credentials = Credentials { access_key: keys.access_key, secret_key: keys.secret_key };
    let mut s3_config = S3Config::new(credentials);
    s3_config.region = Some(config.region.clone());
    s3_config.limits.drain_ms = DRAIN_MAX_MS;
    s3_config
}

/// Connections that leave the store the files that it needs.
fn connections_max(open_files_max: u64) -> Result<usize, String> {
    let rest = open_files_max.saturating_sub(OPEN_FILES_RESERVED);
    match usize::try_from(rest).unwrap_or(usize::MAX) {
        0 => Err(format!(
            "only {open_files_max} files may be open; allow more than {OPEN_FILES_RESERVED} \
             (ulimit -n)"
        )),
        connections_max => Ok(connections_max),
    }
}

fn announce(config: &Config, root: &Root, address: SocketAddr) {
    let credentials_path = credentials::path_in(&config.dir);
    if root.origin == Origin::Kept
        && files::is_readable_by_others(&credentials_path).unwrap_or(true)
    {
        let path = credentials_path.display();
        tracing::warn!(%path, "others can read the root keys: chmod 600");
    }
    let banner = Banner {
        address,
        region: &config.region,
        dir: &files::absolute(&config.dir),
        credentials_path: &files::absolute(&credentials_path),
        keys: &root.keys,
        origin: root.origin,
    };
    let mut stdout = std::io::stdout();
    // Nobody may be reading; that is no reason not to serve.
    let _ = write!(stdout, "{}", banner.text()).and_then(|()| stdout.flush());
    tracing::info!(%address, region = config.region, dir = %config.dir.display(), "serving");
}

async fn serve_until_signal(
    listener: TcpListener,
    service: Arc<Service>,
    signals: &mut Signals,
    node: &Node,
) -> Result<u8, Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut server = tokio::spawn(s3api::serve(listener, service, stopped));
    let name = tokio::select! {
        biased;
        (name, _) = signals.next() => name,
        ended = &mut server => {
            node.shutdown().await;
            return Err(Failure::Broken(format!("the listener ended: {ended:?}")));
        }
    };
    tracing::info!(signal = name, "stopping: finishing what runs");
    // The receiver is gone only when the server is, and then there is nobody to tell.
    let _ = stop.send(true);
    let drained = async {
        // Bounded by `DRAIN_MAX_MS`; the connections that are left then are cut off.
        if let Err(error) = (&mut server).await {
            tracing::error!(%error, "the listener died while draining");
        }
        node.shutdown().await;
    };
    tokio::select! {
        biased;
        (name, code) = signals.next() => {
            tracing::warn!(signal = name, "second signal: exit at once");
            Ok(code)
        }
        () = drained => {
            tracing::info!("stopped");
            Ok(0)
        }
    }
}

/// The signals that stop a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let listen =
            |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one: its name, and the exit code of a process that it ends.
    async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => ("SIGTERM", 128 + 15),
            _ = self.interrupt.recv() => ("SIGINT", 128 + 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_the_store() {
        assert_eq!(connections_max(1024), Ok(512));
        assert_eq!(connections_max(513), Ok(1));
        assert!(connections_max(512).unwrap_err().contains("ulimit"));
    }
}
