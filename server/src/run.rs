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

use crate::admin;
use crate::banner::Banner;
use crate::certs::{self, Tls};
use crate::config::{AdminConfig, Config, InspectConfig, RootKeys};
use crate::credentials::{self, Homes, Origin, Root};
use crate::disks;
use crate::files;
use crate::inspect;
use crate::logging;
use crate::places::{self, Places};
use crate::users;
use crate::vault;
use cluster::{Node, NodeConfig};
use engine::disks::DiskAt;
use engine::env::real::DiskThreads;
use engine::env::{Env, real};
use engine::object::{DiskState, DiskStatus, ObjectStore, StoreStatus};
use s3api::config::REGION_DEFAULT;
use s3api::{Credentials, S3Config, Service};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long requests may go on after the first signal. Orchestrators kill after 30 s, and the flush
/// comes after this.
const DRAIN_MAX_MS: u64 = 20_000;

/// How long the store may take to tell its status for the banner.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the directories are looked at for those that came.
const LOCK_INTERVAL: Duration = Duration::from_secs(5);

/// How often disks are looked at for copies of the root keys that they lack.
const COPY_INTERVAL: Duration = Duration::from_secs(60);

/// Why the process ends with a complaint.
pub enum Failure {
    /// The configuration cannot work; nothing was served.
    Refused(String),
    /// Something broke.
    Broken(String),
    /// A server that was asked how it is could not be asked.
    Unknown(String),
}

/// Asks a server that runs how it is; returns the exit code that says so.
///
/// # Errors
/// One line.
pub fn ask(config: &AdminConfig) -> Result<u8, Failure> {
    admin::run(config).map_err(Failure::Unknown)
}

/// Looks at the files of a server that does not run; returns the exit code that says what it found.
///
/// # Errors
/// One line.
pub fn inspect(config: &InspectConfig) -> Result<u8, Failure> {
    inspect::run(config).map_err(Failure::Refused)
}

/// Runs the server until a signal; returns its exit code.
///
/// # Errors
/// One line.
pub fn run(mut config: Config) -> Result<u8, Failure> {
    logging::start(&config).map_err(Failure::Refused)?;
    logging::report(&config.notes);
    config.users = users::read(config.users_file.as_deref()).map_err(Failure::Refused)?;
    loop {
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Broken(format!("cannot start threads: {error}")))?;
        match runtime.block_on(serve(config.clone())) {
            Ok(End::Anew(address, threads)) => {
                config.address = address;
                runtime.shutdown_timeout(LEFTOVERS_MAX);
                await_threads(&threads)?;
            }
            Ok(End::Code(code)) => {
                Runtime::shutdown_background(runtime);
                return Ok(code);
            }
            Err(failure) => {
                Runtime::shutdown_background(runtime);
                return Err(failure);
            }
        }
    }
}

/// How a server ended.
enum End {
    /// The process ends, with this code.
    Code(u8),
    /// The store is to be opened once more, by the same process, at the same address.
    Anew(SocketAddr, Vec<DiskThreads>),
}

/// How long a store may keep its files once it is to be opened once more.
const LEFTOVERS_MAX: Duration = Duration::from_secs(10);

/// Waits until everything that was asked of the disks happened: a rename that came later would
/// undo one of the store that is opened next.
fn await_threads(threads: &[DiskThreads]) -> Result<(), Failure> {
    for _ in 0..LEFTOVERS_LOOKS_MAX {
        if threads.iter().all(DiskThreads::have_ended) {
            return Ok(());
        }
        std::thread::sleep(LEFTOVERS_PAUSE);
    }
    let text = "a disk does not end what it was asked for; start the server again";
    Err(Failure::Broken(text.to_owned()))
}

/// Looks whether it still does, at most, and the time between two.
const LEFTOVERS_LOOKS_MAX: u32 = 500;
const LEFTOVERS_PAUSE: Duration = Duration::from_millis(20);

/// How often it is asked whether it is, and how long it serves at least.
const ANEW_INTERVAL: Duration = Duration::from_secs(5);
const ANEW_PAUSE: Duration = Duration::from_secs(30);

/// Files that the process has open whatever it does, and those of a copy of the metadata: journal,
/// runs, manifest.
const FILES_OF_PROCESS: usize = 128;
const FILES_OF_COPY: usize = 96;

/// Copies of the metadata at most.
const COPIES_MAX: usize = 5;

async fn serve(config: Config) -> Result<End, Failure> {
    let mut signals = Signals::new().map_err(Failure::Broken)?;
    let listener = bind(config.address).await.map_err(Failure::Refused)?;
    let env = real::env();
    let tls = start_tls(&config, &env)?;
    let vault = vault::begin(config.vault.clone()).map_err(Failure::Refused)?;
    let places = places::take(&config.dirs).map_err(Failure::Refused)?;
    let found = tokio::select! {
        biased;
        // A disk may hang.
        _ = signals.next() => return Ok(End::Code(0)),
        found = disks::recognise(&config.dirs, &places) => found.map_err(Failure::Refused)?,
    };
    report_gaps(&places);
    let dirs: Vec<&Path> = found.homes.iter().map(PathBuf::as_path).collect();
    let homes = Homes { dirs: &dirs, are_new: found.is_new };
    let root =
        credentials::obtain(homes, config.root.clone(), &*env.rng).map_err(Failure::Refused)?;
    let shares =
        Shares::of(real::raise_open_files(), found.disks.len()).map_err(Failure::Refused)?;
    let node = tokio::select! {
        biased;
        // Recovery may be cut off anywhere, as by a crash.
        _ = signals.next() => return Ok(End::Code(0)),
        node = open_node(&config, found.disks, env.clone(), shares.segments) => node?,
    };
    let status = status_of(&*node.store()).await;
    copy_keys(status.as_ref(), &root).await;
    let address = listener.local_addr().map_err(|error| Failure::Broken(error.to_string()))?;
    let mut s3_config = s3_config(&config, root.keys.clone());
    s3_config.encryption.service = vault;
    s3_config.limits.connections_max = s3_config.limits.connections_max.min(shares.connections);
    s3_config.validate().map_err(Failure::Refused)?;
    let service = Service::new(s3_config, node.store(), env);
    let endpoint = Endpoint { address, is_secure: tls.is_some() };
    announce(&config, &root, &endpoint, (&places, status));
    let places = Arc::new(Mutex::new(places));
    let copying = tokio::spawn(keep_keys_copied(node.store(), root));
    let locking = tokio::spawn(keep_places_locked(places.clone(), config.dirs));
    let front = Front { listener, service, tls };
    let end = serve_until_signal(front, (address, found.threads), &mut signals, &node).await;
    copying.abort();
    locking.abort();
    // The directories are ours until the store is shut.
    drop(places);
    end
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (--address sets another)"))
}

/// TLS where there are certificates, which are kept fresh from then on.
fn start_tls(config: &Config, env: &Env) -> Result<Option<Arc<Tls>>, Failure> {
    let broken = |error: &dyn Display| Failure::Broken(format!("cannot start TLS: {error}"));
    let hangup = signal(SignalKind::hangup()).map_err(|error| broken(&error))?;
    let Some(dir) = &config.certs_dir else {
        tokio::spawn(ignore_hangups(hangup));
        return Ok(None);
    };
    // Before it is loaded, so that a change in between is seen later.
    let stamp = certs::stamp(&dir.path);
    let Some(table) = certs::load(dir).map_err(Failure::Refused)? else {
        tokio::spawn(ignore_hangups(hangup));
        return Ok(None);
    };
    certs::report(&table, env.clock.unix_nanos());
    let tls = Arc::new(Tls::new(Arc::new(table)).map_err(|error| broken(&error))?);
    tokio::spawn(certs::keep_fresh(tls.clone(), dir.clone(), env.clock.clone(), hangup, stamp));
    Ok(Some(tls))
}

/// A renewal of certificates that this server does not have must not end it.
async fn ignore_hangups(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: TLS is off, there are no certificates to read again");
    }
}

fn report_gaps(places: &Places) {
    for gap in &places.gaps {
        let dir = gap.dir.display();
        tracing::error!(%dir, "disk left out: {}", gap.reason);
    }
}

/// Opens the store on its disks. It is told of those that are not there, too: it takes them in when
/// they come.
async fn open_node(
    config: &Config,
    disks: Vec<DiskAt>,
    env: Env,
    open_files_max: usize,
) -> Result<Node, Failure> {
    let mut node_config = NodeConfig { parity: config.parity, ..NodeConfig::default() };
    node_config.meta.volume.open_files_max = open_files_max;
    let shown = config.dirs.iter().map(|dir| dir.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Node::open(node_config, disks, env)
        .await
        .map_err(|error| Failure::Broken(format!("cannot open the store in {shown}: {error}")))
}

/// Directories come and go while the server runs; a disk that hangs holds up nothing but this.
async fn keep_places_locked(places: Arc<Mutex<Places>>, dirs: Vec<PathBuf>) {
    let dirs = Arc::new(dirs);
    loop {
        tokio::time::sleep(LOCK_INTERVAL).await;
        let (places, dirs) = (places.clone(), dirs.clone());
        let locked = tokio::task::spawn_blocking(move || {
            places.lock().unwrap_or_else(PoisonError::into_inner).lock_again(&dirs);
        });
        if let Err(error) = locked.await {
            tracing::error!(%error, "directories that come are not locked");
        }
    }
}

/// Disks are replaced while the server runs. Were all of them, one after the other, the keys would
/// be gone with the last old one.
async fn keep_keys_copied(store: Arc<dyn ObjectStore>, root: Root) {
    loop {
        tokio::time::sleep(COPY_INTERVAL).await;
        copy_keys(status_of(&*store).await.as_ref(), &root).await;
    }
}

/// Only the store knows which directories are disks of its own: one of another store must not get
/// these keys.
async fn copy_keys(status: Option<&StoreStatus>, root: &Root) {
    let disks = status.map(|status| status.disks.as_slice()).unwrap_or_default();
    let is_ours = |disk: &&DiskStatus| disk.state == DiskState::Healthy && !disk.place.is_empty();
    let dirs: Vec<_> = disks.iter().filter(is_ours).map(|it| PathBuf::from(&it.place)).collect();
    let root = root.clone();
    // A disk that hangs must not hold a thread that answers requests.
    let copied = tokio::task::spawn_blocking(move || credentials::complete(&dirs, &root));
    let in_time = tokio::time::timeout(STATUS_TIMEOUT, copied).await;
    if !matches!(in_time, Ok(Ok(()))) {
        tracing::warn!("the root keys were not copied: a disk does not answer");
    }
}

async fn status_of(store: &dyn ObjectStore) -> Option<StoreStatus> {
    let status = tokio::time::timeout(STATUS_TIMEOUT, store.status()).await.ok()?;
    status.inspect_err(|error| tracing::error!(%error, "the store does not tell its status")).ok()
}

fn s3_config(config: &Config, keys: RootKeys) -> S3Config {
    let credentials = Credentials { access_key: keys.access_key, secret_key: keys.secret_key };
    let mut s3_config = S3Config::new(credentials);
    s3_config.region = config.region.clone();
    s3_config.allows_sigv2 = config.allows_sigv2;
    s3_config.domains = config.domains.clone();
    s3_config.users = config.users.clone();
    s3_config.new_buckets = config.new_buckets;
    s3_config.encryption = config.encryption.clone();
    s3_config.limits.drain_ms = DRAIN_MAX_MS;
    s3_config
}

/// How the files that the process may open are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shares {
    /// Segments of volumes.
    segments: usize,
    /// Connections.
    connections: usize,
}

impl Shares {
    fn of(open_files_max: u64, disk_count: usize) -> Result<Self, String> {
        let open_files_max = usize::try_from(open_files_max).unwrap_or(usize::MAX);
        let segments = (open_files_max / 8).clamp(64, 1024);
        let needed = segments + FILES_OF_PROCESS + FILES_OF_COPY * disk_count.min(COPIES_MAX);
        match open_files_max.saturating_sub(needed) {
            0 => Err(format!(
                "only {open_files_max} files may be open; allow more than {needed} (ulimit -n)"
            )),
            connections => Ok(Self { segments, connections }),
        }
    }
}

/// Where clients come.
struct Endpoint {
    address: SocketAddr,
    is_secure: bool,
}

fn announce(
    config: &Config,
    root: &Root,
    endpoint: &Endpoint,
    (places, status): (&Places, Option<StoreStatus>),
) {
    let dirs = places.dirs();
    warn_of_open_keys(&dirs, root);
    let certs_dir = config.certs_dir.as_ref().filter(|_| endpoint.is_secure);
    let certs_dir = certs_dir.map(|dir| files::absolute(&dir.path));
    let shown: Vec<String> = dirs.iter().map(|dir| files::absolute(dir)).collect();
    let banner = Banner {
        address: endpoint.address,
        certs_dir: certs_dir.as_deref(),
        region: config.region.as_deref().unwrap_or(REGION_DEFAULT),
        dirs: &shown,
        gaps: &places.gaps,
        status: status.as_ref(),
        credentials_path: &root.path.as_deref().map(files::absolute).unwrap_or_default(),
        keys: &root.keys,
        origin: root.origin,
    };
    let mut stdout = std::io::stdout();
    // Nobody may be reading; that is no reason not to serve.
    let _ = write!(stdout, "{}", banner.text()).and_then(|()| stdout.flush());
    let Endpoint { address, is_secure } = endpoint;
    let dirs = shown.join(" ");
    tracing::info!(%address, tls = is_secure, region = banner.region, dirs, "serving");
}

fn warn_of_open_keys(dirs: &[&Path], root: &Root) {
    if root.origin != Origin::Kept {
        return;
    }
    for path in dirs.iter().map(|dir| credentials::path_in(dir)) {
        if files::is_readable_by_others(&path).unwrap_or(false) {
            let path = path.display();
            tracing::warn!(%path, "others can read the root keys: chmod 600");
        }
    }
}

/// What answers clients.
struct Front {
    listener: TcpListener,
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
}

impl Front {
    async fn serve(self, stopped: watch::Receiver<bool>) -> io::Result<()> {
        let Self { listener, service, tls } = self;
        match tls {
            Some(tls) => s3api::serve_secure(listener, service, tls, stopped).await,
            None => s3api::serve(listener, service, stopped).await,
        }
    }
}

async fn serve_until_signal(
    front: Front,
    (address, threads): (SocketAddr, Vec<DiskThreads>),
    signals: &mut Signals,
    node: &Node,
) -> Result<End, Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut server = tokio::spawn(front.serve(stopped));
    let name = tokio::select! {
        biased;
        (name, _) = signals.next() => name,
        () = wait_until_stuck(node) => {
            tracing::error!("the disks are well again, and only a start takes writes: it begins");
            return Ok(End::Anew(address, threads));
        }
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
            Ok(End::Code(code))
        }
        () = drained => {
            tracing::info!("stopped");
            Ok(End::Code(0))
        }
    }
}

/// Waits until the store takes writes again only when it is opened once more.
async fn wait_until_stuck(node: &Node) {
    tokio::time::sleep(ANEW_PAUSE).await;
    while !node.wants_start().await {
        tokio::time::sleep(ANEW_INTERVAL).await;
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
        let share = |open_files_max, disk_count| Shares::of(open_files_max, disk_count);
        assert_eq!(share(1024, 1), Ok(Shares { segments: 128, connections: 672 }));
        assert_eq!(share(1024, 8), Ok(Shares { segments: 128, connections: 288 }));
        assert_eq!(share(1 << 20, 8).map(|shares| shares.segments), Ok(1024));
        assert!(share(256, 1).unwrap_err().contains("ulimit"));
    }
}
