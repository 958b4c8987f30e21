//! One client: draws operations, sends them to whoever leads, and records what came of each.
//!
//! - L1: a write is sent again under the same id until it is answered or the client gives up; then
//!   it is recorded without an end: it may still happen.
//! - L2: a session has one write in flight.

use super::network::Peer;
use super::profile::{ACTIONS, Action};
use super::types::{Change, GroupNumber, NodeNumber, Outcome, RegisterNumber, Write};
use super::wire::{Reply, Request};
use super::world::World;
use super::{NODE_COUNT, address};
use crate::oracle::history::{Interval, Moment};
use crate::oracle::register::{Effect, Guard};
use crate::oracle::value::ValueId;
use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long a client waits for one answer.
const CALL_TIME_MAX: Duration = Duration::from_millis(800);
/// Longest pause before it asks again, in milliseconds.
const RETRY_MS_MAX: u64 = 50;
/// How long a read may take where nothing stands in its way any more.
const FINAL_TIME_MAX: Duration = Duration::from_secs(60);

/// One client.
pub struct Client {
    world: Arc<World>,
    index: usize,
    random: Random,
    peers: Vec<Peer>,
    targets: BTreeMap<GroupNumber, NodeNumber>,
    seen: BTreeMap<Register, Option<ValueId>>,
    sequence: u64,
}

type Register = (GroupNumber, RegisterNumber);

fn key((group, register): Register) -> String {
    format!("group {group} register {register}")
}

fn guard_of(value: Option<ValueId>) -> Guard {
    value.map_or(Guard::Absent, Guard::Is)
}

impl Client {
    /// A client with its own stream and session.
    pub fn new(world: Arc<World>, index: usize) -> Self {
        let random = Random::new(world.seed, &format!("client-{index}"));
        let peers = (0..NODE_COUNT).map(|node| Peer::new(address(node))).collect();
        let (targets, seen) = (BTreeMap::new(), BTreeMap::new());
        Self { world, index, random, peers, targets, seen, sequence: 0 }
    }

    /// Works until the time is over.
    pub async fn work(mut self) {
        let profile = self.world.profile.clone();
        while self.world.now() < profile.work_time && self.world.is_busy() {
            let register = self.draw_register();
            match ACTIONS[self.random.weighted(&profile.actions)] {
                Action::Set => {
                    let value = self.world.next_value();
                    self.write(register, Change::Set(Some(value))).await;
                }
                Action::Clear => self.write(register, Change::Set(None)).await,
                Action::Swap => {
                    let expected = self.seen.get(&register).copied().flatten();
                    let value = self.world.next_value();
                    self.write(register, Change::Swap { expected, value }).await;
                }
                Action::Read => drop(self.read(register, profile.patience).await),
                Action::Move => self.move_leader(register.0).await,
            }
            sleep(Duration::from_millis(self.random.skewed(profile.pause_ms_max))).await;
        }
        self.world.leave();
    }

    /// Reads every register; nothing disturbs the nodes.
    pub async fn read_everything(mut self) {
        for group in 0..self.world.profile.group_count {
            for register in 0..self.world.profile.register_count {
                if !self.read((group, register), FINAL_TIME_MAX).await {
                    self.world.violate(format!(
                        "{}: no answer within {FINAL_TIME_MAX:?}, though nothing is broken",
                        key((group, register))
                    ));
                    return;
                }
            }
        }
    }

    fn draw_register(&mut self) -> Register {
        let group = self.random.below(u64::from(self.world.profile.group_count));
        let register = self.random.below(u64::from(self.world.profile.register_count));
        (group as GroupNumber, register as RegisterNumber)
    }

    async fn write(&mut self, register: Register, change: Change) {
        self.sequence += 1;
        let (session, sequence) = (self.index as u64, self.sequence);
        let write = Write { session, sequence, register: register.1, change };
        let begin = self.world.moment();
        let request = Request::Write(write);
        let reply = self.ask(register.0, &request, self.world.profile.patience).await;
        let name = format!("client {}: {write}", self.index);
        match reply {
            Some(Reply::Outcome(Outcome::Written)) => {
                self.record(register, begin, Some(effect_of(change)), &name);
            }
            Some(Reply::Outcome(Outcome::Refused(found))) => {
                self.seen.insert(register, found);
                let effect = Some((guard_of(found), Effect::Keep));
                self.record(register, begin, effect, &format!("{name}: refused, found {found:?}"));
            }
            Some(other) => self.world.violate(format!("{name}: answer {other:?}")),
            None => self.record_unknown(register, begin, effect_of(change), &name),
        }
    }

    async fn read(&mut self, register: Register, patience: Duration) -> bool {
        let begin = self.world.moment();
        let reply = self.ask(register.0, &Request::Read(register.1), patience).await;
        let name = format!("client {}: read", self.index);
        match reply {
            Some(Reply::Value(found)) => {
                self.seen.insert(register, found);
                let effect = Some((guard_of(found), Effect::Keep));
                self.record(register, begin, effect, &format!("{name} {found:?}"));
                true
            }
            Some(other) => {
                self.world.violate(format!("{name}: answer {other:?}"));
                false
            }
            None => false,
        }
    }

    async fn move_leader(&mut self, group: GroupNumber) {
        let target = self.random.below(NODE_COUNT);
        self.world.event(&format!("client {}: move group {group} to {target}", self.index));
        let leader = self.target(group);
        let peer = &self.peers[leader as usize];
        // Whether it succeeds shows in who answers next.
        let _ = peer.call(group, &Request::Move(target), CALL_TIME_MAX).await;
    }

    fn target(&self, group: GroupNumber) -> NodeNumber {
        let first = self.index as u64 % NODE_COUNT;
        self.targets.get(&group).copied().unwrap_or(first)
    }

    /// Asks one node after the other until one answers as leader.
    async fn ask(
        &mut self,
        group: GroupNumber,
        request: &Request,
        patience: Duration,
    ) -> Option<Reply> {
        let since = self.world.now();
        while self.world.now() - since < patience {
            let target = self.target(group);
            let reply = self.peers[target as usize].call(group, request, CALL_TIME_MAX).await;
            let next = match reply {
                Ok(reply @ (Reply::Outcome(_) | Reply::Value(_))) => {
                    self.world.counts().answered += 1;
                    return Some(reply);
                }
                Ok(Reply::Elsewhere(Some(leader))) if leader != target => leader,
                Ok(_) | Err(_) => (target + 1) % NODE_COUNT,
            };
            self.targets.insert(group, next);
            sleep(Duration::from_millis(self.random.skewed(RETRY_MS_MAX))).await;
        }
        None
    }

    fn record(
        &self,
        register: Register,
        begin: Moment,
        effect: Option<(Guard, Effect)>,
        text: &str,
    ) {
        let end = self.world.moment();
        self.world.event(&format!("{text} in {}", key(register)));
        let at = Interval { begin, end: Some(end) };
        if let Some(effect) = effect {
            self.world.history().record(&key(register), at, effect, text);
        }
    }

    fn record_unknown(
        &self,
        register: Register,
        begin: Moment,
        effect: (Guard, Effect),
        text: &str,
    ) {
        self.world.counts().unknown += 1;
        self.world.event(&format!("{text} in {}: given up", key(register)));
        let at = Interval { begin, end: None };
        self.world.history().record(&key(register), at, effect, &format!("{text}: given up"));
    }
}

fn effect_of(change: Change) -> (Guard, Effect) {
    match change {
        Change::Set(value) => (Guard::Any, Effect::Set(value)),
        Change::Swap { expected, value } => (guard_of(expected), Effect::Set(Some(value))),
    }
}
