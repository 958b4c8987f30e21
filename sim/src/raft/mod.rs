//! Scenario 2: three nodes of openraft on the engine's journal, clients, and two who pull plugs and
//! cables. A test only: it shows that the seam `MetaLog` holds, before the product has consensus.
//!
//! ```text
//! clients (nodes 10.0.1.x)                 nemesis: kill, power loss, cuts
//!    | framed, simulated TCP                   |
//!    v                                         v
//! node 10.0.0.1 <---> node 10.0.0.2 <---> node 10.0.0.3
//!   openraft, a replica of each group
//!   log, machine --records of a group--> store --> engine::journal --> SimDisk (outside the node)
//! ```
//!
//! A run: clients work on registers while faults come; then everything heals, every register is
//! read; the power goes everywhere, and every register is read again. The oracle is the one of the
//! first scenario: registers must be linearizable. Besides, the witness (`world.rs`) sees every
//! entry.
//!
//! - A1: as S1 and S2 of `scenario`: the seed decides everything, and a fault of a disk and the
//!   kill of its node happen in one step.

pub mod client;
pub mod image;
pub mod log;
pub mod machine;
pub mod nemesis;
pub mod network;
pub mod node;
pub mod profile;
pub mod runtime;
pub mod store;
pub mod types;
pub mod wire;
pub mod world;

use crate::harness::report::{Report, RunOptions};
use crate::oracle::Violation;
use client::Client;
use futures_util::future::{join, join_all};
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use nemesis::{Nemesis, Nodes};
use profile::{Bug, Profile};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use types::NodeNumber;
use world::World;

/// Nodes, all of them voters.
pub const NODE_COUNT: u64 = 3;
/// Where they listen.
pub const PORT: u16 = 9100;
/// Virtual time after which a run counts as hung.
const RUN_TIME_MAX: Duration = Duration::from_secs(600);

/// Where a node is.
pub fn address(node: NodeNumber) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + node as u8)), PORT)
}

/// Runs a seed. One run per process: the simulator's own state is not all its own.
pub fn run(options: &RunOptions, bug: Option<Bug>) -> Report {
    let mut runtime = Runtime::with_seed_and_config(options.seed, madsim::Config::default());
    runtime.set_time_limit(RUN_TIME_MAX);
    let profile = Profile::draw(options.seed, bug);
    let world = Arc::new(runtime.block_on(async { World::new(options, profile) }));
    crate::harness::report::print_on_panic(&world.trace);
    runtime.block_on(play(world.clone()))
}

async fn play(world: Arc<World>) -> Report {
    let handle = Handle::current();
    world.event(&format!("{:?}", world.profile));
    set_network(&world.profile);
    let start = |number| start_node(&handle, &world, number);
    let nodes: Vec<NodeHandle> = (0..NODE_COUNT).map(start).collect();
    let nodes = Nodes::new(world.clone(), handle.clone(), nodes);
    let client = |index| client_node(&handle, index);
    let clients: Vec<NodeHandle> = (0..world.profile.client_count).map(client).collect();
    let verdict = drive(&world, &nodes, &clients).await;
    // What a killed node leaves behind is dropped before the runtime is, which would leak it.
    (0..NODE_COUNT).for_each(|node| nodes.kill(node));
    clients.iter().for_each(|client| handle.kill(client.id()));
    sleep(Duration::from_millis(5)).await;
    world.disks.iter().for_each(|disk| world.trace.fold(disk.digest()));
    world.report(verdict)
}

fn set_network(profile: &Profile) {
    NetSim::current().update_config(|config| {
        config.packet_loss_rate = f64::from(profile.packet_loss_per_mille) / 1000.0;
        let (low, high) = profile.latency_us;
        config.send_latency = Duration::from_micros(low)..Duration::from_micros(high);
    });
}

fn start_node(handle: &Handle, world: &Arc<World>, number: NodeNumber) -> NodeHandle {
    let world = world.clone();
    let init = move || node::run(world.clone(), number);
    let builder = handle.create_node().name(format!("node-{number}"));
    builder.ip(address(number).ip()).init(init).build()
}

fn client_node(handle: &Handle, index: usize) -> NodeHandle {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1 + index as u8));
    handle.create_node().name(format!("client-{index}")).ip(address).build()
}

async fn drive(world: &Arc<World>, nodes: &Nodes, clients: &[NodeHandle]) -> Result<(), Violation> {
    let work = clients.iter().enumerate().map(|(index, node)| {
        let client = Client::new(world.clone(), index);
        node.spawn(client.work())
    });
    let work: Vec<_> = work.collect();
    let processes = Nemesis::new(world.clone(), nodes, "nemesis-processes").strike_processes();
    let network = Nemesis::new(world.clone(), nodes, "nemesis-network").cut_network();
    join(join_all(work), join(processes, network)).await;
    read_everything(world, &clients[0], 0).await;
    (0..NODE_COUNT).for_each(|node| nodes.lose_power(node));
    (0..NODE_COUNT).for_each(|node| nodes.restart(node));
    read_everything(world, &clients[0], 1).await;
    world.check()
}

async fn read_everything(world: &Arc<World>, node: &NodeHandle, round: usize) {
    if world.history().violation().is_some() {
        return;
    }
    let reader = Client::new(world.clone(), world.profile.client_count + round);
    let reading = node.spawn(reader.read_everything());
    reading.await.expect("client nodes are not killed while they work");
}
