//! Who pulls plugs and cables, while clients work: two of them, so that their faults overlap.

use super::NODE_COUNT;
use super::types::NodeNumber;
use super::world::World;
use crate::random::Random;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Longest time between a process's death and the next one, in milliseconds.
const DOWN_MS_MAX: u64 = 3000;
/// Longest time between the start of a recovery and a fault in it, in milliseconds.
const RECOVERY_MS_MAX: u64 = 60;
/// Longest cut of the network, in milliseconds.
const CUT_MS_MAX: u64 = 5000;
/// Longest sleep before a nemesis looks whether the work is over, in milliseconds.
const WATCH_MS_MAX: u64 = 500;

/// All nodes, as the nemesis holds them.
pub struct Nodes {
    world: Arc<World>,
    handle: Handle,
    nodes: Vec<NodeHandle>,
}

impl Nodes {
    /// Nodes by number.
    pub fn new(world: Arc<World>, handle: Handle, nodes: Vec<NodeHandle>) -> Self {
        Self { world, handle, nodes }
    }

    /// The process dies; the page cache stays.
    pub fn kill(&self, node: NodeNumber) {
        self.world.event(&format!("kill {node}"));
        self.world.disks[node as usize].kill();
        self.handle.kill(self.nodes[node as usize].id());
    }

    /// The power goes: the process dies and the page cache with it.
    pub fn lose_power(&self, node: NodeNumber) {
        self.world.event(&format!("power loss {node}"));
        self.world.disks[node as usize].lose_power();
        self.handle.kill(self.nodes[node as usize].id());
    }

    /// A new process, on a node whose process died.
    pub fn restart(&self, node: NodeNumber) {
        self.world.event(&format!("restart {node}"));
        self.handle.restart(self.nodes[node as usize].id());
    }
}

/// A cut of the network.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// A node hears nobody, and nobody hears it.
    Node(NodeNumber),
    /// One node no longer hears another one.
    OneWay(NodeNumber, NodeNumber),
    /// Two nodes no longer hear each other, but clients hear both.
    BothWays(NodeNumber, NodeNumber),
}

/// See the module.
pub struct Nemesis<'a> {
    world: Arc<World>,
    nodes: &'a Nodes,
    random: Random,
}

impl<'a> Nemesis<'a> {
    /// A nemesis with its own stream.
    pub fn new(world: Arc<World>, nodes: &'a Nodes, label: &str) -> Self {
        let random = Random::new(world.seed, label);
        Self { world, nodes, random }
    }

    /// Kills and cuts power until the clients are done; then all nodes run.
    pub async fn strike_processes(mut self) {
        let Some(quiet_ms_max) = self.world.profile.process_quiet_ms_max else { return };
        while self.wait(quiet_ms_max).await {
            let victims = self.draw_victims();
            victims.iter().for_each(|node| self.strike(*node));
            self.pause(DOWN_MS_MAX).await;
            self.restart(&victims);
            if self.random.chance(250) {
                self.pause(RECOVERY_MS_MAX).await;
                victims.iter().for_each(|node| self.strike(*node));
                self.pause(RECOVERY_MS_MAX).await;
                self.restart(&victims);
            }
        }
    }

    /// Cuts the network until the clients are done; then it is whole.
    pub async fn cut_network(mut self) {
        let Some(quiet_ms_max) = self.world.profile.network_quiet_ms_max else { return };
        while self.wait(quiet_ms_max).await {
            let cut = self.draw_cut();
            self.world.event(&format!("cut {cut:?}"));
            self.world.counts().partitions += 1;
            self.set(cut, true);
            self.pause(CUT_MS_MAX).await;
            self.world.event(&format!("heal {cut:?}"));
            self.set(cut, false);
        }
    }

    fn strike(&mut self, node: NodeNumber) {
        if self.random.chance(self.world.profile.power_loss_per_mille) {
            self.nodes.lose_power(node);
        } else {
            self.nodes.kill(node);
        }
    }

    /// Restarts nodes, some of which lose power before.
    fn restart(&mut self, victims: &[NodeNumber]) {
        for node in victims {
            if self.random.chance(self.world.profile.power_loss_per_mille / 2) {
                self.nodes.lose_power(*node);
            }
            self.nodes.restart(*node);
        }
    }

    /// Everyone, or a leader, or anyone.
    fn draw_victims(&mut self) -> Vec<NodeNumber> {
        if self.random.chance(self.world.profile.all_per_mille) {
            return (0..NODE_COUNT).collect();
        }
        vec![self.draw_node()]
    }

    fn draw_node(&mut self) -> NodeNumber {
        let group = self.random.below(u64::from(self.world.profile.group_count)) as u32;
        if self.random.chance(600) {
            return self.world.leader(group);
        }
        self.random.below(NODE_COUNT)
    }

    fn draw_cut(&mut self) -> Cut {
        let node = self.draw_node();
        let other = (node + self.random.range(1..NODE_COUNT)) % NODE_COUNT;
        match self.random.below(4) {
            0 => Cut::OneWay(node, other),
            1 => Cut::OneWay(other, node),
            2 => Cut::BothWays(node, other),
            _ => Cut::Node(node),
        }
    }

    fn set(&self, cut: Cut, is_cut: bool) {
        let network = NetSim::current();
        let id = |node: NodeNumber| self.nodes.nodes[node as usize].id();
        let set_link = |source: NodeNumber, target: NodeNumber| match is_cut {
            true => network.clog_link(id(source), id(target)),
            false => network.unclog_link(id(source), id(target)),
        };
        match cut {
            Cut::Node(node) if is_cut => network.clog_node(id(node)),
            Cut::Node(node) => network.unclog_node(id(node)),
            Cut::OneWay(source, target) => set_link(source, target),
            Cut::BothWays(one, other) => {
                set_link(one, other);
                set_link(other, one);
            }
        }
    }

    /// A quiet time. Returns whether clients still work after it.
    async fn wait(&mut self, ms_max: u64) -> bool {
        let mut rest_ms = self.random.skewed(ms_max);
        while rest_ms > 0 && self.world.is_busy() {
            let part_ms = rest_ms.min(WATCH_MS_MAX);
            sleep(Duration::from_millis(part_ms)).await;
            rest_ms -= part_ms;
        }
        self.world.is_busy()
    }

    /// A pause of up to so many milliseconds, short ones as likely as long ones.
    async fn pause(&mut self, ms_max: u64) {
        let ms = self.random.skewed(ms_max);
        sleep(Duration::from_millis(ms)).await;
    }
}
