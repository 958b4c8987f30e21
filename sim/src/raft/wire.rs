//! Messages between nodes and from clients, and their frames.
//!
//! | size | field     | meaning                               |
//! |-----:|-----------|---------------------------------------|
//! |    4 | `len`     | bytes of the message, little-endian   |
//! |    4 | `group`   | whom it concerns, little-endian       |
//! |  len | `message` | [`Request`] or [`Reply`], by postcard |
//!
//! - F1: a frame has at most [`FRAME_LEN_MAX`] bytes; a longer one ends the connection unread.

use super::machine::State;
use super::types::{GroupNumber, NodeNumber, Outcome, RaftVote, RegisterNumber, Types, Write};
use crate::oracle::value::ValueId;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of a message at most.
const FRAME_LEN_MAX: usize = 1 << 20;

/// What a node is asked.
#[derive(Serialize, Deserialize)]
pub enum Request {
    /// A leader's entries, or its heartbeat.
    Append(AppendEntriesRequest<Types>),
    /// A candidate's request for a vote.
    Vote(VoteRequest<Types>),
    /// The same, to see whether it would be granted.
    PreVote(VoteRequest<Types>),
    /// A leader's snapshot.
    Snapshot(RaftVote, State),
    /// A leader's wish to be followed by this node.
    Transfer(TransferLeaderRequest<Types>),
    /// A client's write.
    Write(Write),
    /// A client's read.
    Read(RegisterNumber),
    /// An operator's wish for another leader.
    Move(NodeNumber),
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Append`].
    Append(AppendEntriesResponse<Types>),
    /// To [`Request::Vote`] and [`Request::PreVote`].
    Vote(VoteResponse<Types>),
    /// To [`Request::Snapshot`].
    Snapshot(SnapshotResponse<Types>),
    /// To [`Request::Transfer`].
    Transfer(TransferLeaderResponse<Types>),
    /// To [`Request::Write`].
    Outcome(Outcome),
    /// To [`Request::Read`].
    Value(Option<ValueId>),
    /// To [`Request::Move`].
    Moved,
    /// Another node leads, if it is known.
    Elsewhere(Option<NodeNumber>),
    /// It failed.
    Failed(String),
}

/// Sends a message.
///
/// # Errors
/// When the connection breaks.
pub async fn send(
    stream: &mut TcpStream,
    group: GroupNumber,
    message: &impl Serialize,
) -> io::Result<()> {
    let body = postcard::to_stdvec(message).map_err(io::Error::other)?;
    assert!(body.len() <= FRAME_LEN_MAX, "F1: {} bytes", body.len());
    let mut frame = Vec::with_capacity(8 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&group.to_le_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Receives a message.
///
/// # Errors
/// When the connection breaks, or the peer sends nonsense.
pub async fn receive<M: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<(GroupNumber, M)> {
    let len = stream.read_u32_le().await? as usize;
    let group = stream.read_u32_le().await?;
    if len > FRAME_LEN_MAX {
        return Err(io::Error::other(format!("F1: a frame of {len} bytes")));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    Ok((group, postcard::from_bytes(&body).map_err(io::Error::other)?))
}
