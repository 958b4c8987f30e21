//! Checkpoints and merges: what happens to rows after they were acknowledged.
//!
//! The order of a checkpoint, and why: bodies into volumes and sync (rows will name them), run and
//! sync (the manifest will name it), manifest (from here on the journal's files up to it are free),
//! install (readers switch), release. A crash before the manifest leaves garbage that the next
//! start removes; a crash after it leaves journal files that the next start ignores.

use super::MetaStore;
use crate::env::Disk as _;
use crate::error::{EngineError, Result};
use crate::format::record::{Owner, PAYLOAD_LEN_MAX};
use crate::format::value::{Extent, Location, Value, VolumeId};
use crate::index::{self, Frozen, Memtable, MergeInput, Run, RunWriter, Usage, merge, pick_merge};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use crate::volume::{Appended, Hold};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Volumes into which one checkpoint tries to move its bodies.
const DESTAGE_TRIES_MAX: u32 = 4;

/// Runs from which on checkpoints take their time, so that merges come after: a lookup may have to
/// ask every run.
const RUN_COUNT_EASY: usize = 64;

/// How long a checkpoint waits for each run above that.
const PAUSE_PER_RUN: Duration = Duration::from_millis(20);

/// Bodies up to this length stay in their row: a location would not be shorter.
const KEEP_INLINE_LEN: usize = 64;

/// Bodies that one record packs at most.
const PACK_COUNT_MAX: usize = 1024;

/// Bytes of the table of owners that one record packs at most.
const PACK_OWNERS_LEN_MAX: usize = 256 << 10;

/// The row that owns bytes in a volume: what reclaim looks up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOwner {
    /// The write that made the row.
    pub write_id: u128,
    /// The row's key.
    pub key: Bytes,
}

impl RowOwner {
    /// Encodes the owner: write id, then key.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16 + self.key.len());
        bytes.put_u128_le(self.write_id);
        bytes.put_slice(&self.key);
        bytes.freeze()
    }

    /// Decodes an owner; `None` for bytes that are none.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let write_id = u128::from_le_bytes(bytes.get(..16)?.try_into().ok()?);
        Some(Self { write_id, key: bytes.slice(16..) })
    }
}

impl MetaStore {
    /// Makes the rows of the memtable a run and frees the journal up to there.
    ///
    /// # Errors
    /// I/O errors, [`EngineError::OutOfSpace`]: nothing is lost, the next call tries again.
    pub async fn checkpoint(&self) -> Result<()> {
        let result = self.checkpoint_as(None).await;
        if let Some(journal) = self.journal() {
            journal.set_full(matches!(result, Err(EngineError::OutOfSpace)));
        }
        result
    }

    pub(super) async fn checkpoint_as(&self, generation: Option<u64>) -> Result<()> {
        let _turn = self.checkpointing.lock().await;
        let frozen = {
            let applied = self.applied.lock().await;
            if self.is_poisoned() {
                return Err(EngineError::Closed("a batch was applied in part".into()));
            }
            self.index.freeze(*applied)
        };
        if mutant::is(Mutant::ReleaseEarly)
            && let Some(journal) = self.journal()
        {
            journal.release(frozen.sequence);
        }
        // The volumes stay held until their bodies count as live: reclaim would find them unused.
        let WrittenOut { destaged, run, volumes } = match frozen.rows.is_empty() {
            true => WrittenOut::default(),
            false => self.write_out(&frozen).await?,
        };
        let mut usage = frozen.usage.clone();
        destaged.values().for_each(|extent| index::add(&mut usage, std::slice::from_ref(extent)));
        let (run_id, sequence) = (run.as_ref().map(|run| run.id), frozen.sequence);
        self.registry
            .publish(move |manifest| {
                manifest.runs.splice(0..0, run_id);
                manifest.checkpoint = sequence;
                manifest.usage = used(usage);
                manifest.journal_generation = generation.unwrap_or(manifest.journal_generation);
            })
            .await?;
        {
            let _applied = self.applied.lock().await;
            self.index.install(run, &destaged);
        }
        drop(volumes);
        self.checkpointed.store(frozen.sequence, Ordering::Release);
        if let Some(journal) = self.journal() {
            journal.release(frozen.sequence);
        }
        self.grown.notify_one();
        Ok(())
    }

    async fn write_out(&self, frozen: &Frozen) -> Result<WrittenOut> {
        let (destaged, volumes) = self.destage_somewhere(&frozen.rows).await?;
        let mut writer = self.begin_run().await?;
        let written = write_rows(&mut writer, &frozen.rows, &destaged).await;
        let run = self.end_run(writer, written).await?;
        Ok(WrittenOut { destaged, run, volumes })
    }

    /// Moves bodies into volumes. When a disk fails under a volume, the next one does without it;
    /// when too few disks take a volume, or have room for one, bodies stay in their rows, which
    /// have copies enough.
    async fn destage_somewhere(&self, rows: &Memtable) -> Result<(BTreeMap<Bytes, Extent>, Held)> {
        let mut tries_left = DESTAGE_TRIES_MAX;
        loop {
            tries_left -= 1;
            match self.destage(rows).await {
                Err(error @ (EngineError::Closed(_) | EngineError::OutOfSpace)) => {
                    mark::hit(Mark::DestageRefused);
                    tracing::warn!(%error, "bodies are not moved to volumes");
                    return Ok((BTreeMap::new(), Held::new()));
                }
                Err(error @ EngineError::Io { .. })
                    if tries_left > 0 && self.disks.geometry_full().parity > 0 =>
                {
                    mark::hit(Mark::DestageAgain);
                    tracing::warn!(%error, "bodies are moved to another volume");
                }
                destaged => return destaged,
            }
        }
    }

    async fn begin_run(&self) -> Result<RunWriter> {
        let run_id = self.registry.take_run_id();
        RunWriter::create(Arc::new(self.mirror.clone()), run_id).await
    }

    /// Completes a run whose rows were written, or removes what a failure left of it.
    async fn end_run(&self, writer: RunWriter, written: Result<()>) -> Result<Option<Arc<Run>>> {
        let path = writer.path().to_owned();
        let result = match written {
            Ok(()) => writer.finish().await,
            Err(error) => Err(error),
        };
        if result.is_err()
            && let Err(error) = self.mirror.remove(&path).await
        {
            tracing::warn!(%error, path, "an unfinished run stays until the next start");
        }
        result
    }

    /// Writes the bodies of rows into volumes, many to a record, and makes them durable.
    async fn destage(&self, rows: &Memtable) -> Result<(BTreeMap<Bytes, Extent>, Held)> {
        let mut destaged = BTreeMap::new();
        let mut volumes = Held::new();
        let mut pack = Pack::default();
        for (key, value) in rows.iter() {
            let Some((value, body)) = body_to_move(value.as_ref()) else {
                continue;
            };
            if pack.is_full(key.len(), body.len()) {
                let appended = pack.append(self, &mut destaged).await?;
                volumes.insert(appended.volume.id, appended.volume);
            }
            pack.push(key.clone(), value.write_id, body.clone());
        }
        if !pack.keys.is_empty() {
            let appended = pack.append(self, &mut destaged).await?;
            volumes.insert(appended.volume.id, appended.volume);
        }
        for volume in volumes.values() {
            volume.sync().await?;
        }
        Ok((destaged, volumes))
    }

    /// Merges runs where it is worth it. Returns whether there may be more to merge.
    ///
    /// # Errors
    /// I/O errors, [`EngineError::OutOfSpace`]: nothing is lost, the next call tries again.
    pub async fn merge_runs(&self) -> Result<bool> {
        let _turn = self.merging.lock().await;
        let Some(input) = pick_merge(&self.index.runs()) else {
            return Ok(false);
        };
        self.check_background_room(input.runs.iter().map(|run| run.len).sum()).await?;
        let mut writer = self.begin_run().await?;
        let merged = merge(&input, &mut writer).await;
        let result = self.end_run(writer, merged).await?;
        let MergeInput { runs, .. } = input;
        let merged: Vec<u64> = runs.iter().map(|run| run.id).collect();
        let run_id = result.as_ref().map(|run| run.id);
        self.registry
            .publish(move |manifest| {
                let is_merged = |id: &u64| merged.contains(id);
                let position = manifest.runs.iter().position(is_merged).unwrap_or_default();
                manifest.runs.retain(|id| !is_merged(id));
                if let Some(run_id) = run_id {
                    manifest.runs.insert(position, run_id);
                }
            })
            .await?;
        self.index.replace_runs(&runs, result);
        for run in runs {
            run.remove(&self.mirror).await?;
        }
        Ok(true)
    }

    /// Waits until a checkpoint is due.
    pub async fn checkpoint_due(&self) {
        while !self.is_checkpoint_due() {
            let journal = self.journal();
            let due = std::pin::pin!(self.due.notified());
            match journal {
                Some(journal) => {
                    let stuck = std::pin::pin!(journal.wait_stuck());
                    futures_util::future::select(due, stuck).await;
                }
                None => due.await,
            }
        }
    }

    /// How long the next checkpoint lets merges come after: the longer, the more runs there are
    /// above a number that lookups bear. Meanwhile the journal's ring fills, and then appends wait.
    pub fn checkpoint_pause(&self) -> Duration {
        let above = self.index.runs().len().saturating_sub(RUN_COUNT_EASY);
        if above > 0 {
            mark::hit(Mark::CheckpointPaused);
        }
        PAUSE_PER_RUN.saturating_mul(u32::try_from(above).unwrap_or(u32::MAX))
    }

    /// Waits until there is a new run.
    pub async fn run_added(&self) {
        self.grown.notified().await;
    }

    /// Checks that a location that an entry names may still be named (see DESIGN.md, Reclaim).
    ///
    /// # Errors
    /// [`EngineError::VolumeGone`].
    pub fn check_nameable(&self, extents: &[Extent]) -> Result<()> {
        let fenced = extents.iter().find(|extent| self.index.is_fenced(extent.volume));
        fenced.map_or(Ok(()), |extent| Err(EngineError::VolumeGone(extent.volume.0)))
    }
}

/// Volumes that bodies went to, held so that reclaim leaves them alone.
type Held = BTreeMap<VolumeId, Hold>;

/// What a memtable became.
#[derive(Default)]
struct WrittenOut {
    destaged: BTreeMap<Bytes, Extent>,
    run: Option<Arc<Run>>,
    volumes: Held,
}

async fn write_rows(
    writer: &mut RunWriter,
    rows: &Memtable,
    destaged: &BTreeMap<Bytes, Extent>,
) -> Result<()> {
    for (key, value) in rows.iter() {
        let encoded = value.as_ref().map(|value| match destaged.get(key) {
            Some(extent) => relocated(value, *extent).encode(),
            None => value.encode(),
        });
        writer.add(key, encoded.as_deref()).await?;
    }
    Ok(())
}

fn used(usage: Usage) -> Vec<(VolumeId, crate::format::manifest::VolumeUsage)> {
    let is_used =
        |usage: &crate::format::manifest::VolumeUsage| usage.live_len > 0 || usage.is_fenced;
    usage.into_iter().filter(|(_, usage)| is_used(usage)).collect()
}

fn relocated(value: &Value, extent: Extent) -> Value {
    Value { location: Location::Extents(vec![extent]), ..value.clone() }
}

fn body_to_move(value: Option<&Value>) -> Option<(&Value, &Bytes)> {
    match value {
        Some(value @ Value { location: Location::Inline(body), .. })
            if body.len() > KEEP_INLINE_LEN =>
        {
            Some((value, body))
        }
        _ => None,
    }
}

/// Bodies of several rows on their way into one record.
#[derive(Default)]
struct Pack {
    keys: Vec<Bytes>,
    owners: Vec<Owner>,
    payload: Vec<Bytes>,
    payload_len: usize,
    owners_len: usize,
}

impl Pack {
    fn is_full(&self, key_len: usize, body_len: usize) -> bool {
        let is_over = self.payload_len + body_len > PAYLOAD_LEN_MAX
            || self.owners_len + key_len > PACK_OWNERS_LEN_MAX
            || self.keys.len() >= PACK_COUNT_MAX;
        is_over && !self.keys.is_empty()
    }

    fn push(&mut self, key: Bytes, write_id: u128, body: Bytes) {
        let owner = RowOwner { write_id, key: key.clone() }.encode();
        self.payload_len += body.len();
        self.owners_len += owner.len();
        self.owners.push(Owner { len: body.len() as u32, owner });
        self.payload.push(body);
        self.keys.push(key);
    }

    async fn append(
        &mut self,
        store: &MetaStore,
        destaged: &mut BTreeMap<Bytes, Extent>,
    ) -> Result<Appended> {
        let pack = std::mem::take(self);
        let appended = store.volumes.append(&pack.owners, pack.payload).await?;
        let extents = appended.extents.iter().copied();
        destaged.extend(pack.keys.into_iter().zip(extents));
        Ok(appended)
    }
}
