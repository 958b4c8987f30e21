//! Reclaim and purge: what deleted and overwritten objects leave behind becomes room again, while
//! the node serves.
//!
//! ```text
//! garbage row -> Purge, until no row is left
//! sealed volume, mostly dead -> copy what lives -> sync -> Relocate -> FenceVolume -> remove
//! ```
//!
//! - G1: a volume is removed only after its fence is in the log and no row refers to it.
//! - G2: a volume that a request still holds is left alone: its uncommitted bytes have no row yet.
//! - G3: a crash anywhere costs garbage, never a pointer to nothing.

use crate::meta::command::{Command, Move};
use crate::meta::{LogError, MetaLog};
use crate::rows;
use bytes::Bytes;
use engine::EngineError;
use engine::format::record::Owner;
use engine::format::value::Extent;
use engine::index::Usage;
use engine::meta::{MetaStore, RowOwner};
use engine::mutant::{self, Mutant};
use engine::volume::{Appended, RecordScan, ScannedRecord, Volume};
use std::sync::Arc;
use std::time::Duration;

/// Garbage rows that one round reads.
const GARBAGE_SCAN_ROWS: usize = 64;

/// Moves in one command at most.
const MOVE_COUNT_MAX: usize = 256;

/// Bytes that one command moves at most: they are synced and committed together.
const MOVE_LEN_MAX: u64 = 8 << 20;

/// Handles of a volume that are not a request's: the set's and this module's.
const OWN_HANDLES: usize = 2;

/// Runs rounds for ever.
pub(crate) async fn run(store: Arc<MetaStore>, log: Arc<dyn MetaLog>, interval: Duration) {
    let reclaim = Reclaim { store, log };
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = reclaim.round().await {
            tracing::warn!(%error, "reclaim stopped early and will try again");
        }
    }
}

struct Reclaim {
    store: Arc<MetaStore>,
    log: Arc<dyn MetaLog>,
}

impl Reclaim {
    async fn round(&self) -> Result<(), LogError> {
        self.purge().await?;
        let usage = self.store.index().usage();
        for volume in self.store.volumes().all() {
            if is_worth_it(&volume, &usage) {
                self.reclaim(volume).await?;
            }
        }
        Ok(())
    }

    /// Deletes the rows of bodies that are gone.
    async fn purge(&self) -> Result<(), LogError> {
        let (start, end) = rows::all_garbage();
        loop {
            let page = self.store.scan(&start, &end, GARBAGE_SCAN_ROWS).await?;
            if page.rows.is_empty() && page.resume.is_none() {
                return Ok(());
            }
            for (key, _) in page.rows {
                let Some((incarnation, garbage)) = rows::parse_garbage(&key) else {
                    return Err(EngineError::corrupt("garbage row", "index", 0).into());
                };
                let command = Command::Purge { incarnation, garbage };
                self.log.propose(command, Bytes::new()).await?;
            }
        }
    }

    async fn reclaim(&self, volume: Arc<Volume>) -> Result<(), LogError> {
        let id = volume.id;
        if !mutant::is(Mutant::ReclaimWithoutCopy) {
            self.copy_live(volume).await?;
        }
        self.log.propose(Command::FenceVolume { volume: id }, Bytes::new()).await?;
        let usage = self.store.index().usage();
        let live_len = usage.get(&id).map_or(0, |usage| usage.live_len);
        if live_len > 0 && !mutant::is(Mutant::ReclaimWithoutCopy) {
            tracing::debug!(volume = id.0, live_len, "volume is still referred to");
            return Ok(());
        }
        self.store.volumes().remove(id).await?;
        self.store.index().forget(id);
        tracing::info!(volume = id.0, "volume reclaimed");
        Ok(())
    }

    async fn copy_live(&self, volume: Arc<Volume>) -> Result<(), LogError> {
        let mut scan = RecordScan::new(volume.clone());
        let mut batch = Batch::default();
        while let Some(record) = scan.next_record().await? {
            self.copy_record(&volume, record, &mut batch).await?;
            if batch.is_full() {
                self.commit(std::mem::take(&mut batch)).await?;
            }
        }
        self.commit(batch).await
    }

    /// Copies those bodies of a record that a row still refers to, into one new record.
    async fn copy_record(
        &self,
        volume: &Volume,
        record: ScannedRecord,
        batch: &mut Batch,
    ) -> Result<(), LogError> {
        let mut owners: Vec<Owner> = Vec::new();
        let mut payload = Vec::new();
        let mut live = Vec::new();
        let mut start = 0;
        for owner in record.header.owners {
            let place = Place { volume, data_offset: record.data_offset, start };
            start += owner.len;
            let Some((row, extent)) = self.live_extent(&owner, &place).await? else {
                continue;
            };
            payload.extend(volume.read(&extent, 0..extent.len).await?);
            owners.push(owner);
            live.push((row, extent));
        }
        if owners.is_empty() {
            return Ok(());
        }
        let appended = self.store.volumes().append(&owners, payload).await?;
        for ((row, source), target) in live.into_iter().zip(&appended.extents) {
            let row_key = row.key.to_vec();
            let write_id = row.write_id;
            batch.len += u64::from(source.len);
            batch.moves.push(Move { row: row_key, write_id, source, target: *target });
        }
        batch.appended.push(appended);
        Ok(())
    }

    /// The extent by which the owner's row refers to that place, if it does.
    async fn live_extent(
        &self,
        owner: &Owner,
        place: &Place<'_>,
    ) -> Result<Option<(RowOwner, Extent)>, LogError> {
        let Some(row) = RowOwner::decode(&owner.owner) else {
            return Ok(None);
        };
        let value = self.store.get(&row.key).await?;
        let current = value.filter(|value| value.write_id == row.write_id);
        let extent = current.and_then(|value| {
            let is_here = |extent: &&Extent| place.is_of(extent);
            value.extents().iter().find(is_here).copied()
        });
        Ok(extent.map(|extent| (row, extent)))
    }

    /// Makes copies durable, then points the rows to them.
    async fn commit(&self, batch: Batch) -> Result<(), LogError> {
        for appended in &batch.appended {
            appended.volume.sync().await?;
        }
        if !batch.moves.is_empty() {
            let command = Command::Relocate { moves: batch.moves };
            self.log.propose(command, Bytes::new()).await?;
        }
        Ok(())
    }
}

/// Sealed, not held by a request, and less than half of it live.
fn is_worth_it(volume: &Arc<Volume>, usage: &Usage) -> bool {
    let live_len = usage.get(&volume.id).map_or(0, |usage| usage.live_len);
    let is_idle = volume.is_sealed() && Arc::strong_count(volume) <= OWN_HANDLES;
    is_idle && live_len.saturating_mul(2) < volume.len()
}

/// Where a body lies.
struct Place<'a> {
    volume: &'a Volume,
    data_offset: u64,
    start: u32,
}

impl Place<'_> {
    fn is_of(&self, extent: &Extent) -> bool {
        extent.volume == self.volume.id
            && extent.offset == self.data_offset
            && extent.start == self.start
    }
}

/// Copies that are not committed yet.
#[derive(Default)]
struct Batch {
    moves: Vec<Move>,
    appended: Vec<Appended>,
    len: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.moves.len() >= MOVE_COUNT_MAX || self.len >= MOVE_LEN_MAX
    }
}
