//! The server's node: its processes one after the other, and how they end.

use super::world::World;
use crate::oracle::Violation;
use cluster::{Node, NodeConfig};
use engine::disks::DiskAt;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use s3api::config::{Credentials, S3Config};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// Where clients find it.
pub const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9000);
/// Access key of all clients.
pub const ACCESS_KEY: &str = "simulator";
/// Its secret.
pub const SECRET_KEY: &str = "simulator-secret";
/// Region of all signatures.
pub const REGION: &str = "us-east-1";
/// Least size of a part that is not the last, small enough for many parts.
pub const PART_SIZE_MIN: u64 = 4096;

/// Virtual time in which a server must be ready, and in which one must have stopped.
const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// How often that is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// What the network does not carry.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// What goes to the server.
    In,
    /// What comes from it.
    Out,
    /// Both.
    Both,
}

/// See the module.
pub struct Server {
    world: Arc<World>,
    handle: Handle,
    node: NodeHandle,
}

impl Server {
    /// Creates the node and its first process.
    pub fn start(handle: &Handle, world: Arc<World>) -> Self {
        let shared = world.clone();
        let init = move || serve(shared.clone());
        let node = handle.create_node().name("server").ip(ADDRESS.ip()).init(init).build();
        Self { world, handle: handle.clone(), node }
    }

    /// The process dies; the page cache stays.
    pub fn kill(&self) {
        self.disturb("kill");
        self.world.disk.kill();
        self.handle.kill(self.node.id());
    }

    /// The power goes: the process dies and the page cache with it.
    pub fn lose_power(&self) {
        self.disturb("power loss");
        self.world.disk.lose_power();
        self.handle.kill(self.node.id());
    }

    /// A new process, on a node whose process died.
    pub fn restart(&self) {
        self.world.event("restart");
        self.handle.restart(self.node.id());
    }

    /// The network no longer carries what it should.
    pub fn cut(&self, cut: Cut) {
        self.disturb(&format!("cut off: {cut:?}"));
        let (network, id) = (NetSim::current(), self.node.id());
        match cut {
            Cut::In => network.clog_node_in(id),
            Cut::Out => network.clog_node_out(id),
            Cut::Both => network.clog_node(id),
        }
    }

    /// It carries everything again.
    pub fn mend(&self, cut: Cut) {
        let (network, id) = (NetSim::current(), self.node.id());
        match cut {
            Cut::In => network.unclog_node_in(id),
            Cut::Out => network.unclog_node_out(id),
            Cut::Both => network.unclog_node(id),
        }
        self.end_disturbance("no longer cut off");
    }

    /// The process stands still, as one that is stopped by a signal.
    pub fn hold(&self) {
        self.disturb("stands still");
        self.handle.pause(self.node.id());
    }

    /// It goes on.
    pub fn go_on(&self) {
        self.handle.resume(self.node.id());
        self.end_disturbance("goes on");
    }

    /// The same process serves as before.
    fn end_disturbance(&self, what: &str) {
        self.disturb(what);
        self.world.health().is_ready = true;
    }

    /// The end of the run.
    pub fn end(&self) {
        self.world.disk.kill();
        self.handle.kill(self.node.id());
    }

    /// Tells the process to stop, waits until it has, and lets it die.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub async fn stop(&self) -> Result<(), Violation> {
        self.disturb("stop");
        let stop = self.world.health().stop.take();
        if let Some(stop) = stop {
            // A process that ended by itself has no ear left; the wait below finds out.
            let _ = stop.send(true);
        }
        self.wait("stopped", |world| world.health().is_stopped).await
    }

    /// Waits until the server listens.
    ///
    /// # Errors
    /// When it does not in time, or something is broken already.
    pub async fn wait_until_ready(&self) -> Result<(), Violation> {
        self.wait("ready", |world| world.health().is_ready).await
    }

    /// A kill, a restart, and the wait for it.
    ///
    /// # Errors
    /// As [`Server::wait_until_ready`].
    pub async fn kill_and_restart(&self) -> Result<(), Violation> {
        self.kill();
        self.restart();
        self.wait_until_ready().await
    }

    /// A power loss, a restart, and the wait for it.
    ///
    /// # Errors
    /// As [`Server::wait_until_ready`].
    pub async fn lose_power_and_restart(&self) -> Result<(), Violation> {
        self.lose_power();
        self.restart();
        self.wait_until_ready().await
    }

    fn disturb(&self, what: &str) {
        self.world.event(what);
        let mut health = self.world.health();
        health.disturbances += 1;
        (health.is_ready, health.is_stopped) = (false, false);
    }

    async fn wait(&self, what: &str, is_done: impl Fn(&World) -> bool) -> Result<(), Violation> {
        let since = self.world.now();
        while !is_done(&self.world) {
            if let Some(violation) = self.world.history().violation() {
                return Err(violation.clone());
            }
            if self.world.now() - since > READY_TIME_MAX {
                let summary = format!("the server was not {what} within {READY_TIME_MAX:?}");
                return Err(Violation::new(summary));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

/// One process: recover, listen, serve, and after a stop make everything durable.
async fn serve(world: Arc<World>) {
    if let Err(error) = serve_or_fail(&world).await {
        world.event(&format!("server failed: {error}"));
        let mut history = world.history();
        history.violate(Violation::new(format!("the server failed to start or to serve: {error}")));
    }
}

async fn serve_or_fail(world: &Arc<World>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let env = world.next_env();
    let node =
        Node::open(NodeConfig::tiny(), vec![DiskAt::new("disk", world.disk.attach())], env.clone())
            .await?;
    let listener = TcpListener::bind(("0.0.0.0", ADDRESS.port())).await?;
    let credentials =
        Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned() };
    let mut config = S3Config::new(credentials);
    config.region = Some(REGION.to_owned());
    config.part_size_min = PART_SIZE_MIN;
    let service = s3api::Service::new(config, node.store(), env);
    let (stop, stopping) = watch::channel(false);
    {
        let mut health = world.health();
        (health.is_ready, health.stop) = (true, Some(stop));
    }
    world.event("ready");
    s3api::serve(listener, service, stopping).await?;
    node.shutdown().await;
    world.event("stopped");
    world.health().is_stopped = true;
    Ok(())
}
