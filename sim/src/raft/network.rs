//! How nodes and clients reach a node: a pool of connections, each with one call at a time, and
//! openraft's view of it.
//!
//! - N1: every call has a deadline. A connection whose call missed it is dropped: a silent peer
//!   would keep it dead long after the network healed.
//! - N2: a node never has more than [`CALLS_MAX`] calls to another one.

use super::machine::State;
use super::types::{GroupNumber, NodeNumber, RaftSnapshot, RaftVote, Types};
use super::wire::{Reply, Request, receive, send};
use super::world::lock;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Calls from one node to another at a time.
const CALLS_MAX: usize = 64;
/// Idle connections that are kept.
const IDLE_MAX: usize = 8;

/// A node, as others reach it.
pub struct Peer {
    address: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
    calls: Semaphore,
}

impl Peer {
    /// A node at an address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default(), calls: Semaphore::new(CALLS_MAX) }
    }

    /// Asks the node something.
    ///
    /// # Errors
    /// When it cannot be reached, or does not answer within the limit; it may have done what it was
    /// asked.
    pub async fn call(
        &self,
        group: GroupNumber,
        request: &Request,
        limit: Duration,
    ) -> io::Result<Reply> {
        let Ok(_call) = self.calls.try_acquire() else {
            return Err(io::Error::other("N2: too many calls"));
        };
        let outcome = timeout(limit, self.exchange(group, request)).await;
        match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((stream, reply)) => {
                let mut idle = lock(&self.idle);
                if idle.len() < IDLE_MAX {
                    idle.push(stream);
                }
                Ok(reply)
            }
            Err(error) => {
                // The others have most likely met the same fate.
                lock(&self.idle).clear();
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        group: GroupNumber,
        request: &Request,
    ) -> io::Result<(TcpStream, Reply)> {
        let idle = lock(&self.idle).pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        send(&mut stream, group, request).await?;
        let (_, reply) = receive(&mut stream).await?;
        Ok((stream, reply))
    }
}

/// Connections of one group to all nodes.
#[derive(Clone)]
pub struct Network {
    /// All nodes.
    pub peers: Arc<Vec<Peer>>,
    /// The group.
    pub group: GroupNumber,
}

/// Connection of one group to one node.
pub struct Connection {
    network: Network,
    target: NodeNumber,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: NodeNumber, _node: &EmptyNode) -> Connection {
        Connection { network: self.clone(), target }
    }
}

fn unexpected(reply: &Reply) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(format!("answer {reply:?}")))
}

impl Connection {
    async fn call(&self, request: Request, option: &RPCOption) -> Result<Reply, RPCError<Types>> {
        let peer = &self.network.peers[self.target as usize];
        let answer = peer.call(self.network.group, &request, option.soft_ttl()).await;
        answer.map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))
    }

    async fn call_for_vote(
        &self,
        request: Request,
        option: &RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(request, option).await? {
            Reply::Vote(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = Arc<State>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        match self.call(Request::Append(request), &option).await? {
            Reply::Append(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call_for_vote(Request::Vote(request), &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call_for_vote(Request::PreVote(request), &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        // One frame, one call with a deadline: too short to be worth a cancellation.
        let request = Request::Snapshot(vote, (*snapshot.snapshot).clone());
        match self.call(request, &option).await? {
            Reply::Snapshot(response) => Ok(response),
            other => Err(unexpected(&other).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.call(Request::Transfer(request), &option).await? {
            Reply::Transfer(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }
}
