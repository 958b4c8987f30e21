//! A node: its processes one after the other, and what each does: recover, start a replica of each
//! group, and answer.

use super::log::Log;
use super::machine::{Machine, to_snapshot};
use super::network::{Network, Peer};
use super::store::Store;
use super::types::{GroupNumber, NodeNumber, Outcome, Raft, RegisterNumber, Types, Write};
use super::wire::{Reply, Request, receive, send};
use super::world::World;
use super::{NODE_COUNT, PORT, address};
use crate::oracle::value::ValueId;
use openraft::errors::{ForwardToLeader, RaftError};
use openraft::{EmptyNode, ReadPolicy, TryAsRef};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections of a node at most.
const CONNECTIONS_MAX: usize = 256;
/// How long a connection may be idle.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

type AnyError = Box<dyn Error + Send + Sync>;

/// One replica of a group.
struct Replica {
    raft: Raft,
    machine: Machine,
}

/// One process of a node.
struct Process {
    world: Arc<World>,
    number: NodeNumber,
    replicas: Vec<Replica>,
}

/// One process: recover, start, answer until it is killed.
pub async fn run(world: Arc<World>, number: NodeNumber) {
    if let Err(error) = serve(world.clone(), number).await {
        world.violate(format!("node {number} failed to start or to serve: {error}"));
    }
}

async fn serve(world: Arc<World>, number: NodeNumber) -> Result<(), AnyError> {
    let process = Arc::new(start(world, number).await?);
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    process.world.event(&format!("node {number} is ready"));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await?;
        let (stream, _) = listener.accept().await?;
        let process = process.clone();
        tokio::spawn(async move {
            process.converse(stream).await;
            drop(place);
        });
    }
}

async fn start(world: Arc<World>, number: NodeNumber) -> Result<Process, AnyError> {
    let generation = world.next_process().bits().max(1);
    let (store, mut images) = Store::open(world.clone(), number, generation).await?;
    let peers = Arc::new((0..NODE_COUNT).map(|node| Peer::new(address(node))).collect());
    let mut replicas = Vec::new();
    for group in 0..world.profile.group_count {
        let image = Arc::new(Mutex::new(images.remove(&group).unwrap_or_default()));
        let is_committed_kept = world.profile.is_committed_kept;
        let log = Log::new(group, image.clone(), store.clone(), is_committed_kept);
        let machine = Machine::new(world.clone(), group, image, store.clone());
        let network = Network { peers: Arc::clone(&peers), group };
        let config = world.profile.to_config();
        let raft = Raft::new(number, config, network, log, machine.clone()).await?;
        if number == 0 && !raft.is_initialized().await? {
            let voters: BTreeMap<NodeNumber, EmptyNode> =
                (0..NODE_COUNT).map(|node| (node, EmptyNode {})).collect();
            raft.initialize(voters).await?;
        }
        replicas.push(Replica { raft, machine });
    }
    Ok(Process { world, number, replicas })
}

impl Process {
    /// Answers one request after the other until the connection ends.
    async fn converse(&self, mut stream: TcpStream) {
        while let Ok(Ok((group, request))) = timeout(IDLE_TIME_MAX, receive(&mut stream)).await {
            let answer = timeout(ANSWER_TIME_MAX, self.answer(group, request)).await;
            let reply = answer.unwrap_or_else(|_| Reply::Failed("it takes too long".to_owned()));
            if send(&mut stream, group, &reply).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, group: GroupNumber, request: Request) -> Reply {
        let Some(Replica { raft, machine }) = self.replicas.get(group as usize) else {
            return Reply::Failed(format!("there is no group {group}"));
        };
        match request {
            Request::Append(rpc) => or_failed(raft.append_entries(rpc).await, Reply::Append),
            Request::Vote(rpc) => or_failed(raft.vote(rpc).await, Reply::Vote),
            Request::PreVote(rpc) => or_failed(raft.pre_vote(rpc).await, Reply::Vote),
            Request::Snapshot(vote, state) => {
                let snapshot = to_snapshot(Arc::new(state));
                or_failed(raft.install_full_snapshot(vote, snapshot).await, Reply::Snapshot)
            }
            Request::Transfer(rpc) => {
                or_failed(raft.handle_transfer_leader(rpc).await, Reply::Transfer)
            }
            Request::Move(target) => {
                or_failed(raft.trigger().transfer_leader(target).await, |()| Reply::Moved)
            }
            Request::Write(command) => {
                self.as_leader(group, write(raft, command).await, Reply::Outcome)
            }
            Request::Read(register) => {
                self.as_leader(group, read(raft, machine, register).await, Reply::Value)
            }
        }
    }

    fn as_leader<T>(
        &self,
        group: GroupNumber,
        result: Result<T, Reply>,
        wrap: impl FnOnce(T) -> Reply,
    ) -> Reply {
        if result.is_ok() {
            self.world.witness_leader(group, self.number);
        }
        result.map_or_else(|reply| reply, wrap)
    }
}

async fn write(raft: &Raft, command: Write) -> Result<Outcome, Reply> {
    let response = raft.client_write(command).await.map_err(|error| redirect(&error))?;
    Ok(response.data)
}

async fn read(
    raft: &Raft,
    machine: &Machine,
    register: RegisterNumber,
) -> Result<Option<ValueId>, Reply> {
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
    let linearizer = linearizer.map_err(|error| redirect(&error))?;
    let state = linearizer.await_ready(raft).await;
    state.map_err(|error| Reply::Failed(error.to_string()))?;
    Ok(machine.read(register))
}

/// Where to go instead.
fn redirect<E>(error: &RaftError<Types, E>) -> Reply
where
    E: Error + TryAsRef<ForwardToLeader<Types>>,
{
    match error.forward_to_leader() {
        Some(forward) => Reply::Elsewhere(forward.leader_id),
        None => Reply::Failed(error.to_string()),
    }
}

fn or_failed<T, E: Display>(result: Result<T, E>, wrap: impl FnOnce(T) -> Reply) -> Reply {
    result.map_or_else(|error| Reply::Failed(error.to_string()), wrap)
}
