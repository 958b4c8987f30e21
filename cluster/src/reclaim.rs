//! Reclaim and purge: what deleted and overwritten objects leave behind becomes room again, while
//! the node serves.
//!
//! ```text
//! garbage row -> Purge, until no row is left
//! sealed volume, mostly dead -> copy what lives -> sync -> Relocate -> FenceVolume
//!                            -> checkpoint -> remove
//! ```
//!
//! - G1: a volume is removed only after its fence is in the log, no row refers to it, and a
//!   checkpoint contains both. A replay may find bodies in volumes that were inline in their rows
//!   when the log was written: what an entry then copies from one row to another refers to that
//!   volume again.
//! - G2: a volume that a writer still holds is left alone: its uncommitted bytes have no row yet.
//!   Readers keep its files, not the volume.
//! - G3: a crash anywhere costs garbage, never a pointer to nothing.
//! - G4: a volume is copied only when the copy takes less than half of its room: reclaim ends.
//! - G5: the smallest copy comes first; where it finds no room no other one is tried in this round,
//!   and it comes again ever more rarely: full disks are not read through again and again.
//! - G6: so does a volume that is referred to after its copy, since a body of it could not be read
//!   or a row was on the move from one version to another: neither need last.

use crate::meta::command::{Command, Move};
use crate::meta::{LogError, MetaLog};
use crate::moved;
use crate::reading::Readings;
use crate::rows;
use bytes::Bytes;
use engine::EngineError;
use engine::format::PAGE_LEN;
use engine::format::record::{Owner, PAYLOAD_LEN_MAX};
use engine::format::value::{Extent, VolumeId};
use engine::mark::{self, Mark};
use engine::meta::{MetaStore, RowOwner};
use engine::mutant::{self, Mutant};
use engine::volume::{Appended, ScannedBody, StripeScan, Volume, room_of};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Garbage rows that one look reads.
const GARBAGE_SCAN_ROWS: usize = 64;

/// Commands that one round spends on one row of garbage at most.
const PURGE_COUNT_MAX: usize = 64;

/// Bodies in one record of copies at most.
const PACK_COUNT_MAX: usize = 256;

/// Bytes that are copied before they are synced and committed together.
const COMMIT_LEN_MAX: u64 = 8 << 20;

/// Rounds that a volume whose copy found no room waits for its next try, at most.
const WAIT_ROUNDS_MAX: u32 = 16;

/// The same of a volume that was copied and still referred to: an hour.
const STUCK_ROUNDS_MAX: u32 = 720;

/// A volume that was to be copied in vain (G5, G6).
#[derive(Clone, Copy)]
struct Waiting {
    cause: Cause,
    /// How much of it was live then: when less is, it is another copy.
    live_len: u64,
    wait_rounds: u32,
    rounds_left: u32,
}

/// Why a volume waits for its next try.
#[derive(Clone, Copy, PartialEq)]
enum Cause {
    /// Its copy found no room.
    Full,
    /// Some of its bodies could not be read, or their rows were on the move.
    Stuck,
}

/// Runs rounds for ever.
pub(crate) async fn run(reclaim: Arc<tokio::sync::Mutex<Reclaim>>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        reclaim.lock().await.round().await;
    }
}

/// The background that makes room.
pub(crate) struct Reclaim {
    store: Arc<MetaStore>,
    log: Arc<dyn MetaLog>,
    readings: Readings,
    /// Volumes that were not worth a copy, and how much of each was live then.
    skipped: BTreeMap<VolumeId, u64>,
    waiting: BTreeMap<VolumeId, Waiting>,
    /// Whether a copy found no room in this round.
    is_full: bool,
}

impl Reclaim {
    pub(crate) fn new(store: Arc<MetaStore>, log: Arc<dyn MetaLog>, readings: Readings) -> Self {
        let (skipped, waiting) = (BTreeMap::new(), BTreeMap::new());
        Self { store, log, readings, skipped, waiting, is_full: false }
    }

    /// One look at everything.
    pub(crate) async fn round(&mut self) {
        if !self.store.is_writable() {
            return;
        }
        if let Err(error) = self.purge().await {
            tracing::warn!(%error, "purge stopped early and will try again");
        }
        let mut fenced = Vec::new();
        self.is_full = false;
        let mut volumes = self.store.volumes().all();
        let usage = self.store.index().usage();
        volumes.sort_by_key(|it| (usage.get(&it.id).map_or(0, |usage| usage.live_len), it.id));
        for volume in volumes {
            let id = volume.id;
            match self.reclaim(volume).await {
                Ok(true) => fenced.push(id),
                Ok(false) => {}
                Err(error) => {
                    if matches!(error, LogError::Engine(EngineError::OutOfSpace)) {
                        self.is_full = true;
                        self.note_waiting(id, Cause::Full);
                    }
                    tracing::warn!(%error, volume = id.0, "volume was not reclaimed");
                }
            }
        }
        if !fenced.is_empty()
            && let Err(error) = self.remove(fenced).await
        {
            tracing::warn!(%error, "volumes that nothing refers to stay for now");
        }
    }

    /// Removes volumes that are fenced.
    async fn remove(&mut self, fenced: Vec<VolumeId>) -> engine::Result<()> {
        if !mutant::is(Mutant::RemoveBeforeCheckpoint) {
            self.store.checkpoint().await?;
        }
        for id in fenced {
            let live_len = self.live_len(id);
            if live_len > 0 && !mutant::is(Mutant::ReclaimWithoutCopy) {
                self.note_waiting(id, Cause::Stuck);
                tracing::warn!(volume = id.0, live_len, "volume is still referred to");
                continue;
            }
            self.store.volumes().remove(id).await?;
            self.store.index().forget(id);
            self.skipped.remove(&id);
            self.waiting.remove(&id);
            // There is room again.
            self.waiting.retain(|_, waiting| waiting.cause != Cause::Full);
            mark::hit(Mark::VolumeReclaimed);
            tracing::info!(volume = id.0, "volume reclaimed");
        }
        Ok(())
    }

    /// Deletes the rows of bodies that are gone and that nobody reads any more.
    async fn purge(&self) -> Result<(), LogError> {
        let (mut start, end) = rows::all_garbage();
        loop {
            let page = self.store.scan(&start, &end, GARBAGE_SCAN_ROWS).await?;
            for (key, _) in page.rows {
                self.purge_body(&key).await?;
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(()),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn purge_body(&self, key: &[u8]) -> Result<(), LogError> {
        let Some((incarnation, garbage)) = rows::parse_garbage(key) else {
            return Err(EngineError::corrupt("garbage row", "index", 0).into());
        };
        for _ in 0..PURGE_COUNT_MAX {
            if self.readings.contains(garbage) || self.store.get(key).await?.is_none() {
                break;
            }
            self.log.propose(Command::Purge { incarnation, garbage }, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Empties and fences a volume when that is worth it; returns whether it is fenced.
    async fn reclaim(&mut self, volume: Arc<Volume>) -> Result<bool, LogError> {
        let id = volume.id;
        if !self.is_worth_it(&volume).await? {
            return Ok(false);
        }
        if !mutant::is(Mutant::ReclaimWithoutCopy) {
            self.copy_live(volume).await?;
        }
        self.log.propose(Command::FenceVolume { volume: id }, Bytes::new()).await?;
        Ok(true)
    }

    fn live_len(&self, id: VolumeId) -> u64 {
        self.store.index().usage().get(&id).map_or(0, |usage| usage.live_len)
    }

    /// Sealed (the open volume is sealed when most of it is dead), held by no request, and with a
    /// copy that would take less than half the room (G4).
    async fn is_worth_it(&mut self, volume: &Arc<Volume>) -> Result<bool, LogError> {
        let live_len = self.live_len(volume.id);
        if !volume.is_sealed()
            && !volume.is_held()
            && live_len.saturating_mul(2) < volume.data_len()
        {
            self.store.volumes().seal_open(volume);
        }
        let is_idle = volume.is_sealed() && !volume.is_held();
        let is_restriped = volume.is_sealed() && self.store.volumes().wants_restripe(volume);
        let is_dead = live_len.saturating_mul(2) < volume.data_len();
        let is_known = !is_restriped && self.skipped.get(&volume.id) == Some(&live_len);
        if !is_idle || is_known || !(is_dead || is_restriped) {
            return Ok(false);
        }
        if live_len == 0 {
            return Ok(true);
        }
        if self.must_wait(volume.id, live_len) {
            return Ok(false);
        }
        // A copy takes no less, and that is known without a look at the volume.
        self.store.check_background_room(live_len).await?;
        if is_restriped {
            mark::hit(Mark::Restriped);
        }
        let copy_len = self.copy_len(volume).await?;
        if copy_len.saturating_mul(2) >= volume.data_len() && !is_restriped {
            self.skipped.insert(volume.id, live_len);
            return Ok(false);
        }
        self.store.check_background_room(copy_len).await?;
        Ok(true)
    }

    /// A volume waits for its next try, twice as long each time.
    fn note_waiting(&mut self, id: VolumeId, cause: Cause) {
        let live_len = self.live_len(id);
        let rounds_max = match cause {
            Cause::Full => WAIT_ROUNDS_MAX,
            Cause::Stuck => STUCK_ROUNDS_MAX,
        };
        let known = self.waiting.get(&id).filter(|known| known.live_len == live_len);
        let wait_rounds = known.map_or(1, |known| (known.wait_rounds * 2).min(rounds_max));
        let waiting = Waiting { cause, live_len, wait_rounds, rounds_left: wait_rounds };
        self.waiting.insert(id, waiting);
    }

    /// Whether a volume waits for its next try, or all wait for room; counts the rounds.
    fn must_wait(&mut self, id: VolumeId, live_len: u64) -> bool {
        let known = self.waiting.get_mut(&id).filter(|known| known.live_len == live_len);
        let is_waiting = known.is_some_and(|known| {
            let is_waiting = known.rounds_left > 0;
            known.rounds_left = known.rounds_left.saturating_sub(1);
            is_waiting
        });
        is_waiting || self.is_full
    }

    /// The room that copies of everything live in a volume would take in one like it, to compare
    /// with its [`Volume::data_len`].
    async fn copy_len(&self, volume: &Arc<Volume>) -> Result<u64, LogError> {
        let room_of = |owners: &[Owner]| match mutant::is(Mutant::UnderestimateCopy) {
            true => owners.iter().map(|owner| u64::from(owner.len)).sum(),
            false => room_of(volume.geometry, owners),
        };
        let mut scan = StripeScan::new(volume.clone());
        let mut copy_len = PAGE_LEN * u64::from(volume.geometry.data);
        let mut pack = Pack::default();
        while let Some(stripe) = scan.next_stripe().await? {
            for body in stripe.bodies {
                if self.live_extent(volume.id, stripe.offset, &body).await?.is_none() {
                    continue;
                }
                if pack.is_full(body.owner.len as usize) {
                    copy_len += room_of(&std::mem::take(&mut pack).owners);
                }
                pack.push(body.owner);
            }
        }
        if !pack.owners.is_empty() {
            copy_len += room_of(&pack.owners);
        }
        Ok(copy_len)
    }

    async fn copy_live(&self, volume: Arc<Volume>) -> Result<(), LogError> {
        let mut scan = StripeScan::new(volume.clone());
        let mut batch = Batch::default();
        while let Some(stripe) = scan.next_stripe().await? {
            for body in stripe.bodies {
                let live = self.live_extent(volume.id, stripe.offset, &body).await?;
                if let Some(found) = live {
                    self.copy_body(&volume, found, body.owner, &mut batch).await?;
                }
            }
            if batch.len >= COMMIT_LEN_MAX {
                self.commit(&mut batch).await?;
            }
        }
        self.commit(&mut batch).await
    }

    /// Puts one body into the pack. One that cannot be read stays where it is, and its volume, too.
    async fn copy_body(
        &self,
        volume: &Volume,
        (row, extent): (RowOwner, Extent),
        owner: Owner,
        batch: &mut Batch,
    ) -> Result<(), LogError> {
        let pieces = match volume.read(&extent, 0..extent.len).await {
            Ok(pieces) => pieces,
            Err(error) => {
                tracing::error!(%error, "a live body cannot be read");
                return Ok(());
            }
        };
        if batch.pack.is_full(extent.len as usize) {
            self.append_pack(batch).await?;
        }
        batch.pack.push(owner);
        batch.payload.extend(pieces);
        batch.packed.push((row, extent));
        Ok(())
    }

    async fn append_pack(&self, batch: &mut Batch) -> Result<(), LogError> {
        if batch.pack.owners.is_empty() {
            return Ok(());
        }
        let Pack { owners, .. } = std::mem::take(&mut batch.pack);
        let payload = std::mem::take(&mut batch.payload);
        let appended = self.store.volumes().append(&owners, payload).await?;
        for ((row, source), target) in batch.packed.drain(..).zip(&appended.extents) {
            let (row_key, write_id) = (row.key.to_vec(), row.write_id);
            batch.len += u64::from(source.len);
            batch.moves.push(Move { row: row_key, write_id, source, target: *target });
        }
        batch.appended.push(appended);
        Ok(())
    }

    /// The extent by which the owner's row refers to a body, if it does.
    async fn live_extent(
        &self,
        volume: VolumeId,
        offset: u64,
        body: &ScannedBody,
    ) -> Result<Option<(RowOwner, Extent)>, LogError> {
        let Some(row) = RowOwner::decode(&body.owner.owner) else {
            return Ok(None);
        };
        let found = moved::find(&self.store, row.key.clone(), row.write_id).await?;
        let extent = found.and_then(|(_, value)| {
            let is_here = |extent: &&Extent| extent.volume == volume && body.is_at(offset, extent);
            value.extents().iter().find(is_here).copied()
        });
        Ok(extent.map(|extent| (row, extent)))
    }

    /// Makes copies durable, then points the rows to them.
    async fn commit(&self, batch: &mut Batch) -> Result<(), LogError> {
        self.append_pack(batch).await?;
        for appended in &batch.appended {
            appended.volume.sync().await?;
        }
        let moves = std::mem::take(&mut batch.moves);
        for moves in moves.chunks(PACK_COUNT_MAX) {
            let command = Command::Relocate { moves: moves.to_vec() };
            self.log.propose(command, Bytes::new()).await?;
        }
        *batch = Batch::default();
        Ok(())
    }
}

/// Copies that are not committed yet: a record that is being packed, and those that are written.
#[derive(Default)]
struct Batch {
    pack: Pack,
    payload: Vec<Bytes>,
    packed: Vec<(RowOwner, Extent)>,
    appended: Vec<Appended>,
    moves: Vec<Move>,
    len: u64,
}

/// Bodies on their way into one record.
#[derive(Default)]
struct Pack {
    owners: Vec<Owner>,
    payload_len: usize,
}

impl Pack {
    fn is_full(&self, body_len: usize) -> bool {
        self.owners.len() >= PACK_COUNT_MAX || self.payload_len + body_len > PAYLOAD_LEN_MAX
    }

    fn push(&mut self, owner: Owner) {
        self.payload_len += owner.len as usize;
        self.owners.push(owner);
    }
}
