//! Scenario 1: one server on one disk, a few clients, and somebody who pulls plugs.
//!
//! ```text
//! clients (nodes 10.0.1.x) --HTTP, simulated TCP--> server (node 10.0.0.1): s3api, cluster, engine
//!        |                                                 |
//!        v                                                 v
//!     history                nemesis: kill, power loss  SimDisk (outside the node)
//! ```
//!
//! A run: create the bucket, let clients work while the nemesis disturbs, then kill, restart and
//! read everything, then cut the power, restart and read everything again. The oracle judges the
//! whole history.
//!
//! - S1: everything is drawn from streams of the seed; nothing depends on the machine or on real
//!   time.
//! - S2: a fault of the disk and the kill of its node happen in one step, without an await between.

pub mod client;
pub mod listing;
pub mod multipart;
pub mod nemesis;
pub mod objects;
pub mod profile;
pub mod server;
pub mod world;

use crate::harness::report::{Report, RunOptions};
use crate::oracle::Violation;
use client::Client;
use futures_util::future::join_all;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use nemesis::Nemesis;
use profile::Profile;
use server::Server;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// Virtual time after which a run counts as hung.
const RUN_TIME_MAX: Duration = Duration::from_secs(3600);

/// Runs a seed. One run per process: the simulator's own state is not all its own.
pub fn run(options: &RunOptions) -> Report {
    let mut runtime = Runtime::with_seed_and_config(options.seed, madsim::Config::default());
    runtime.set_time_limit(RUN_TIME_MAX);
    let profile = Profile::draw(options.seed);
    let world = Arc::new(runtime.block_on(async { World::new(options, profile) }));
    crate::harness::report::print_on_panic(&world.trace);
    runtime.block_on(play(world.clone()))
}

async fn play(world: Arc<World>) -> Report {
    let handle = Handle::current();
    set_network(&world.profile);
    let server = Server::start(&handle, world.clone());
    let clients: Vec<NodeHandle> =
        (0..world.profile.client_count).map(|index| client_node(&handle, index)).collect();
    let verdict = drive(&world, &server, &clients).await;
    // What a killed node leaves behind is dropped before the runtime is, which would leak it.
    server.end();
    clients.iter().for_each(|client| handle.kill(client.id()));
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.trace.fold(world.disk.digest());
    world.report(verdict)
}

fn set_network(profile: &Profile) {
    NetSim::current().update_config(|config| {
        config.packet_loss_rate = f64::from(profile.packet_loss_per_mille) / 1000.0;
        let (low, high) = profile.latency_us;
        config.send_latency = Duration::from_micros(low)..Duration::from_micros(high);
    });
}

fn client_node(handle: &Handle, index: usize) -> NodeHandle {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1 + index as u8));
    handle.create_node().name(format!("client-{index}")).ip(address).build()
}

async fn drive(
    world: &Arc<World>,
    server: &Server,
    clients: &[NodeHandle],
) -> Result<(), Violation> {
    server.wait_until_ready().await?;
    let setup = Client::new(world.clone(), 0);
    join(&clients[0], async move { setup.create_bucket().await }).await;
    let work = clients.iter().enumerate().map(|(index, node)| {
        let client = Client::new(world.clone(), index);
        node.spawn(client.work())
    });
    let work: Vec<_> = work.collect();
    let disturbance = Nemesis::new(world.clone()).disturb(server);
    let all = join_all(work);
    let (outcome, _) = futures_util::future::join(disturbance, all).await;
    outcome?;
    server.kill_and_restart().await?;
    read_everything(world, &clients[0]).await;
    server.lose_power_and_restart().await?;
    read_everything(world, &clients[0]).await;
    world.check()
}

async fn read_everything(world: &Arc<World>, node: &NodeHandle) {
    let mut reader = Client::new(world.clone(), world.profile.client_count);
    join(node, async move { reader.read_everything().await }).await;
}

async fn join(node: &NodeHandle, task: impl Future<Output = ()> + Send + 'static) {
    node.spawn(task).await.expect("client nodes are not killed while they work");
}
