//! Taking a body: small ones into memory, to travel inline with their command; larger ones into
//! volumes, record by record, while they arrive.
//!
//! Memory: a record is filled while the one before it is being written, so an upload holds two
//! records of 1 MiB at most, as far as bytes came; each unit of it belongs to the node's budget
//! ([`super::budget`]). Where the budget is used up, uploads write out short records, so that many
//! slow ones share it.

use super::budget::{Held, Pulse};
use super::{Coordinator, Result};
use crate::error::from_engine;
use crate::meta::command::{BodyPlace, CommittedBody, Target};
use crate::rows::{self, GROUP_LEN, OWN_ROW_LEN_MAX, RECORD_LEN_MIN};
use bytes::{Bytes, BytesMut};
use engine::format::record::{Owner, PAYLOAD_LEN_MAX};
use engine::format::value::{Extent, VolumeId};
use engine::meta::RowOwner;
use engine::object::{Body, BodyDigest, StoreError};
use engine::volume::{Appended, Hold};
use std::collections::BTreeMap;
use std::future::poll_fn;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Chunks below this length are copied together.
const CRUMB_LEN_MAX: usize = 4096;

/// A body that was taken, durable but for an inline one.
pub(super) struct TakenBody {
    /// What the command says of it.
    pub(super) committed: CommittedBody,
    /// Its bytes, when it travels inline.
    pub(super) inline: Bytes,
    /// Holds the volumes until the command is applied (C3).
    _volumes: BTreeMap<VolumeId, Hold>,
}

/// Whose body it is, for the table of owners of its records.
pub(super) struct BodyOwner<'a> {
    /// The object that it belongs to.
    pub(super) target: &'a Target,
    /// Row of the object or part.
    pub(super) row: Bytes,
    /// Bytes that were announced.
    pub(super) len: Option<u64>,
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>> {
    let chunk = poll_fn(|context| body.poll_chunk(context)).await;
    chunk.transpose().map_err(StoreError::Body)
}

impl Coordinator {
    /// Takes a whole body and makes it durable.
    pub(super) async fn take_body(
        &self,
        owner: BodyOwner<'_>,
        mut body: Body,
    ) -> Result<TakenBody> {
        let room = self.store.check_room(owner.len.unwrap_or_default()).await;
        room.map_err(from_engine)?;
        // A copy of its own: a slice would hold the connection's whole buffer for as long as the
        // memtable lives.
        let announced = owner.len.unwrap_or_default().min(self.inline_len_max as u64);
        let mut inline = BytesMut::with_capacity(announced as usize);
        while let Some(chunk) = next_chunk(&mut body).await? {
            if inline.len() + chunk.len() > self.inline_len_max {
                return self.stream_body(owner, [inline.freeze(), chunk], body).await;
            }
            inline.extend_from_slice(&chunk);
        }
        let write_id = self.random_id();
        let committed = committed(write_id, inline.len() as u64, &mut body, BodyPlace::Inline);
        Ok(TakenBody { committed, inline: inline.freeze(), _volumes: BTreeMap::new() })
    }

    async fn stream_body(
        &self,
        owner: BodyOwner<'_>,
        head: [Bytes; 2],
        mut body: Body,
    ) -> Result<TakenBody> {
        let write_id = self.random_id();
        let mut stream = Stream::new(self.clone(), write_id, &owner).await?;
        for chunk in head {
            stream.push(chunk).await?;
        }
        while let Some(chunk) = stream.next_chunk(&mut body).await? {
            stream.push(chunk).await?;
        }
        let size = stream.size;
        let (extents, volumes) = stream.finish().await?;
        if owner.len.is_some_and(|len| len != size) {
            return Err(StoreError::Unavailable("body differs from its announced length".into()));
        }
        let place = match stream_in_own_row(owner.len) {
            true => BodyPlace::Extents(extents),
            false => BodyPlace::ExtentRows(extents),
        };
        let committed = committed(write_id, size, &mut body, place);
        Ok(TakenBody { committed, inline: Bytes::new(), _volumes: volumes })
    }
}

fn stream_in_own_row(len: Option<u64>) -> bool {
    len.is_some_and(|len| len <= OWN_ROW_LEN_MAX)
}

fn committed(write_id: u128, stored_len: u64, body: &mut Body, place: BodyPlace) -> CommittedBody {
    let BodyDigest { etag, checksum, plain_len } = body.digest();
    let (size, stored_len) = (plain_len.unwrap_or(stored_len), stored_len);
    CommittedBody { write_id, size, stored_len, etag, checksum, place }
}

/// A long body on its way into volumes.
struct Stream {
    coordinator: Coordinator,
    write_id: u128,
    incarnation: rows::Incarnation,
    /// The row that will hold all extents; `None` when they get rows of their own.
    own_row: Option<Bytes>,
    size: u64,
    filling: Vec<Bytes>,
    /// Small chunks, copied together: each would hold a whole buffer of its connection.
    crumbs: BytesMut,
    filling_len: usize,
    held: Held,
    pulse: Pulse,
    writing: Option<JoinHandle<(Result<Appended>, Option<OwnedSemaphorePermit>)>>,
    extents: Vec<Extent>,
    volumes: BTreeMap<VolumeId, Hold>,
}

impl Stream {
    async fn new(coordinator: Coordinator, write_id: u128, owner: &BodyOwner<'_>) -> Result<Self> {
        let len = owner.len.unwrap_or(u64::MAX);
        let memory = coordinator.upload_memory.clone();
        let held = Held::reserve(memory, usize::try_from(len).unwrap_or(usize::MAX)).await?;
        Ok(Self {
            held,
            pulse: Pulse::default(),
            coordinator,
            write_id,
            incarnation: owner.target.incarnation,
            own_row: stream_in_own_row(owner.len).then(|| owner.row.clone()),
            size: 0,
            filling: Vec::new(),
            crumbs: BytesMut::new(),
            filling_len: 0,
            writing: None,
            extents: Vec::new(),
            volumes: BTreeMap::new(),
        })
    }

    /// Waits for more of the body; makes room when others need it and the client is slow (M2, M4).
    async fn next_chunk(&mut self, body: &mut Body) -> Result<Option<Bytes>> {
        let memory = self.coordinator.upload_memory.clone();
        loop {
            let began = Instant::now();
            let can_give = self.filling_len >= RECORD_LEN_MIN;
            let rest = self.pulse.rest();
            let pressed = async {
                memory.pressed().await;
                if !can_give {
                    tokio::time::sleep(rest).await;
                }
            };
            tokio::select! {
                biased;
                chunk = next_chunk(body) => {
                    let chunk = chunk?;
                    self.pulse.beat(began.elapsed(), chunk.as_ref().map_or(0, Bytes::len));
                    return Ok(chunk);
                }
                () = pressed => {}
            }
            self.pulse.beat(began.elapsed(), 0);
            if can_give {
                self.write_record().await?;
            } else if self.pulse.is_slow() && memory.claims_room() {
                return Err(StoreError::Busy("a slow upload made room for others"));
            }
        }
    }

    async fn push(&mut self, mut chunk: Bytes) -> Result<()> {
        while !chunk.is_empty() {
            if self.filling_len == 0 && !self.held.has_floor() {
                // The floor comes back with the record that is being written.
                self.join_write().await?;
            }
            let room = self.record_len_max() - self.filling_len;
            let wanted = chunk.len().min(room);
            let granted = self.held.grow_to(self.filling_len + wanted);
            let len = wanted.min(granted.saturating_sub(self.filling_len));
            if len == 0 {
                self.write_record().await?;
                continue;
            }
            let part = chunk.split_to(len);
            self.size += len as u64;
            self.filling_len += len;
            if part.len() < CRUMB_LEN_MAX {
                self.crumbs.extend_from_slice(&part);
            } else {
                self.sweep_crumbs();
                self.filling.push(part);
            }
        }
        Ok(())
    }

    /// Bytes of the body before the record that is filled.
    fn record_start(&self) -> u64 {
        self.size - self.filling_len as u64
    }

    /// A record lies within one row of extents.
    fn record_len_max(&self) -> usize {
        let rest = GROUP_LEN - self.record_start() % GROUP_LEN;
        usize::try_from(rest).unwrap_or(usize::MAX).min(PAYLOAD_LEN_MAX)
    }

    fn sweep_crumbs(&mut self) {
        if !self.crumbs.is_empty() {
            self.filling.push(self.crumbs.split().freeze());
        }
    }

    /// Begins to write the record that is full, once the one before it is written.
    async fn write_record(&mut self) -> Result<()> {
        self.join_write().await?;
        assert!(self.filling_len > 0, "a record is not empty");
        self.sweep_crumbs();
        let room = self.coordinator.store.check_room(self.filling_len as u64).await;
        room.map_err(from_engine)?;
        let row = match &self.own_row {
            Some(row) => row.clone(),
            None => {
                let group = (self.record_start() / GROUP_LEN) as u32;
                rows::extents(self.incarnation, self.write_id, group)
            }
        };
        let owner = RowOwner { write_id: self.write_id, key: row }.encode();
        let owners = [Owner { len: self.filling_len as u32, owner }];
        let payload = std::mem::take(&mut self.filling);
        self.filling_len = 0;
        let held = self.held.take();
        let store = self.coordinator.store.clone();
        self.writing = Some(tokio::spawn(async move {
            let appended = store.volumes().append(&owners, payload).await.map_err(from_engine);
            (appended, held.finish())
        }));
        Ok(())
    }

    async fn join_write(&mut self) -> Result<()> {
        if let Some(writing) = self.writing.take() {
            let joined = writing.await;
            let (appended, floor) =
                joined.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.held.give_back(floor);
            let appended = appended?;
            self.extents.extend(&appended.extents);
            self.volumes.insert(appended.volume.id, appended.volume);
        }
        Ok(())
    }

    /// Writes the last record and makes all of them durable (C1).
    async fn finish(mut self) -> Result<(Vec<Extent>, BTreeMap<VolumeId, Hold>)> {
        if self.filling_len > 0 {
            self.write_record().await?;
        }
        self.join_write().await?;
        for volume in self.volumes.values() {
            volume.sync().await.map_err(from_engine)?;
        }
        Ok((self.extents, self.volumes))
    }
}
