//! Opening the disks: recognise them, read what is live, replay the journal's tail, make it
//! durable, begin a new generation.

use super::registry::{ID_SKIP, MANIFEST_NEW_PATH, MANIFEST_PATH, Registry};
use super::{MetaConfig, MetaStore};
use crate::disks::{DiskAt, DiskSet, OpenedDisks, Slot, write_replacing};
use crate::env::{Disk, Env, random_u128};
use crate::error::{EngineError, Result};
use crate::format::batch::Batch;
use crate::format::manifest::Manifest;
use crate::index::{Cache, Index, RUN_DIR, Run};
use crate::journal::{JOURNAL_DIR, Journal, Recovery, parse_file_name};
use crate::mark::{self, Mark};
use crate::mirror::Mirror;
use crate::mutant::{self, Mutant};
use crate::volume::{VOLUME_DIR, VolumeSet};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes that the manifest has at most.
const MANIFEST_LEN_MAX: usize = 256 << 20;

/// A store whose journal is still being replayed: nobody is served yet.
pub struct Opening {
    store: MetaStore,
    recovery: Recovery,
}

impl MetaStore {
    /// Opens the disks, or makes blank ones ours. The caller replays what [`Opening::next_batch`]
    /// gives, then calls [`Opening::finish`].
    ///
    /// # Errors
    /// [`EngineError::Foreign`] for disks with other content, or too few of them;
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn open(
        places: Vec<DiskAt>,
        parity: Option<u8>,
        config: MetaConfig,
        env: Env,
    ) -> Result<Opening> {
        let OpenedDisks { set: disks, sources, is_new } =
            DiskSet::open(places, parity, env.clone()).await?;
        let mirror = Mirror::new(disks.clone());
        let manifest = find_manifest(&disks, &mirror, &sources, is_new).await?;
        let mut runs = Vec::with_capacity(manifest.runs.len());
        for run_id in &manifest.runs {
            runs.push(Arc::new(Run::open(&mirror, *run_id).await?));
        }
        let names = mirror.list(RUN_DIR).await.map_err(EngineError::io("list", RUN_DIR))?;
        let last_run_id = names.iter().filter_map(|name| parse_id(name)).max().unwrap_or(0);
        let usage = manifest.usage.iter().copied().collect();
        let (generation, checkpoint) = (manifest.journal_generation, manifest.checkpoint);
        let registry =
            Arc::new(Registry::new(mirror.clone(), disks.deployment_id(), manifest, last_run_id));
        let volumes =
            VolumeSet::open(disks.clone(), registry.clone(), config.volume, config.reserve_len);
        let volumes = volumes.await?;
        let source_disks = sources.iter().map(|slot| slot.disk.clone()).collect();
        let recovery = Recovery::open(source_disks, generation, checkpoint).await?;
        let store = Self {
            index: Index::new(runs, usage, Arc::new(Cache::new(config.cache_len_max))),
            journal: RwLock::default(),
            applied: tokio::sync::Mutex::new(checkpoint),
            applied_sequence: AtomicU64::new(checkpoint),
            checkpointed: AtomicU64::new(checkpoint),
            poisoned: AtomicBool::new(false),
            checkpointing: tokio::sync::Mutex::default(),
            merging: tokio::sync::Mutex::default(),
            due: tokio::sync::Notify::new(),
            grown: tokio::sync::Notify::new(),
            space: std::sync::Mutex::default(),
            registry,
            disks,
            mirror,
            env,
            config,
            volumes,
        };
        Ok(Opening { store, recovery })
    }
}

impl Opening {
    /// The store as far as it is replayed, to apply entries to.
    pub fn store(&self) -> &MetaStore {
        &self.store
    }

    /// The next batch to apply, `None` at the journal's end.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.recovery.next_batch().await
    }

    /// Makes everything that was replayed durable anew, begins a new generation of the journal and
    /// removes garbage.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn finish(self) -> Result<Arc<MetaStore>> {
        let Self { store, recovery } = self;
        #[cfg(mutants)]
        if mutant::is(Mutant::ServeUnsyncedTail) {
            return resume_unsynced(store, recovery).await;
        }
        debug_assert!(!mutant::is(Mutant::ServeUnsyncedTail));
        let first_sequence = recovery.next_sequence();
        let generation = (random_u128(&*store.env.rng) as u64).max(1);
        let (disk, config) = (Arc::new(store.mirror.clone()), store.config.journal);
        // First room, then new files: a full disk must not keep the node from starting (M2).
        store.remove_unnamed(recovery.generation()).await?;
        let journal = Journal::begin(disk, config, generation, first_sequence).await?;
        store.set_journal(journal);
        store.checkpoint_as(Some(generation)).await?;
        store.remove_unnamed(generation).await?;
        store.remove_unused_volumes().await?;
        store.disks.begin_serving();
        Ok(Arc::new(store))
    }
}

/// The deliberate bug: serve what was replayed as if it were durable.
#[cfg(mutants)]
async fn resume_unsynced(store: MetaStore, recovery: Recovery) -> Result<Arc<MetaStore>> {
    let (disk, config) = (Arc::new(store.mirror.clone()), store.config.journal);
    let journal = Journal::resume_unsynced(disk, config, &recovery).await?;
    store.set_journal(journal);
    store.disks.begin_serving();
    Ok(Arc::new(store))
}

impl MetaStore {
    fn set_journal(&self, journal: Journal) {
        *self.journal.write().unwrap_or_else(PoisonError::into_inner) = Some(journal);
    }

    /// Begins a new generation of the journal in the place of one that failed, with everything that
    /// was acknowledged in a checkpoint. What was in flight when it failed did not happen: nobody
    /// was told that it did.
    ///
    /// # Errors
    /// I/O errors: the failed one stays, another call tries again.
    pub(super) async fn begin_generation(&self) -> Result<()> {
        let old = self.journal().expect("the store is open");
        assert!(old.is_failed(), "J4: nothing is appended to the old one any more");
        let last = old.last_sequence();
        self.checkpoint_upto(last).await?;
        let generation = (random_u128(&*self.env.rng) as u64).max(1);
        let disk = Arc::new(self.mirror.clone());
        let journal = Journal::begin(disk, self.config.journal, generation, last + 1).await?;
        self.checkpoint_as(Some(generation)).await?;
        self.set_journal(journal);
        // Whoever waits for a checkpoint to be due listens to the old one.
        self.due.notify_one();
        mark::hit(Mark::JournalRevived);
        tracing::info!("the journal begins anew and writes are taken again");
        for name in self.list(JOURNAL_DIR).await? {
            let is_old = parse_file_name(&name).is_none_or(|(it, _)| it != generation);
            if is_old {
                // What stays is garbage until the next start.
                let _ = self.remove_file(JOURNAL_DIR, &name).await;
            }
        }
        Ok(())
    }

    /// Removes what the manifest does not name: journals of other generations, runs (M2).
    async fn remove_unnamed(&self, generation: u64) -> Result<()> {
        let is_old = |name: &String| parse_file_name(name).is_none_or(|(it, _)| it != generation);
        for name in self.list(JOURNAL_DIR).await?.iter().filter(|name| is_old(name)) {
            self.remove_file(JOURNAL_DIR, name).await?;
        }
        let live = self.registry.manifest().await.runs;
        let is_live = |name: &String| parse_id(name).is_some_and(|id| live.contains(&id));
        for name in self.list(RUN_DIR).await?.iter().filter(|name| !is_live(name)) {
            self.remove_file(RUN_DIR, name).await?;
        }
        Ok(())
    }

    /// Removes volumes that no row refers to, and segments of those that never began. Nobody is
    /// served yet: nothing uncommitted is in them.
    async fn remove_unused_volumes(&self) -> Result<()> {
        let usage = self.index.usage();
        for volume in self.volumes.all() {
            let is_dead = usage.get(&volume.id).is_none_or(|usage| usage.live_len == 0);
            // The first checkpoint may have opened one.
            if is_dead && volume.is_sealed() {
                self.volumes.remove(volume.id).await?;
            }
        }
        self.volumes.remove_retired().await;
        self.volumes.remove_unnamed().await;
        for (id, usage) in usage {
            if usage.live_len == 0 && self.volumes.get(id).is_err() {
                self.index.forget(id);
            }
        }
        Ok(())
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>> {
        self.mirror.list(directory).await.map_err(EngineError::io("list", directory))
    }

    async fn remove_file(&self, directory: &str, name: &str) -> Result<()> {
        let path = format!("{directory}/{name}");
        self.mirror.remove(&path).await.map_err(EngineError::io("remove", &path))
    }
}

fn parse_id(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok()
}

/// The newest manifest of the current copies, on all legs. A new store gets its first one here.
async fn find_manifest(
    disks: &DiskSet,
    mirror: &Mirror,
    sources: &[Arc<Slot>],
    is_new: bool,
) -> Result<Manifest> {
    let deployment_id = disks.deployment_id();
    let mut newest: Option<Manifest> = None;
    let mut are_blank = true;
    let mut failure = None;
    for slot in sources {
        match load_manifest(&*slot.disk, deployment_id).await {
            Ok(manifest) => {
                let is_newer = newest.as_ref().is_none_or(|it| it.sequence < manifest.sequence);
                if is_newer {
                    newest = Some(manifest);
                }
            }
            Err(error) => {
                are_blank &= error.is_not_found() && holds_nothing(&*slot.disk).await;
                failure = Some(error);
            }
        }
    }
    let mut manifest = match (newest, failure) {
        (Some(manifest), _) => manifest,
        (None, _) if is_new || are_blank => {
            make_directories(mirror).await?;
            Manifest { next_run_id: 1, next_volume_id: 1, ..Manifest::default() }
        }
        (None, Some(error)) if error.is_not_found() => {
            let reason = format!("there is no {MANIFEST_PATH} but other files of ours");
            return Err(EngineError::Foreign(reason));
        }
        (None, Some(error)) => return Err(error),
        (None, None) => return Err(EngineError::corrupt("manifest", MANIFEST_PATH, 0)),
    };
    drop_lame_legs(disks, &manifest).await;
    // What this manifest does not name is removed next: first nothing may bring an older one back,
    // on any leg. A process may have died between the rename of this one and its sync.
    manifest.sequence += 1;
    manifest.next_run_id += ID_SKIP;
    manifest.next_volume_id += ID_SKIP;
    let bytes = manifest.encode(deployment_id);
    write_replacing(mirror, MANIFEST_NEW_PATH, MANIFEST_PATH, bytes).await?;
    Ok(manifest)
}

/// A leg without all the runs that the newest manifest names was put back to an older state: it is
/// read past, and filled anew later.
async fn drop_lame_legs(disks: &DiskSet, manifest: &Manifest) {
    let mut lame = Vec::new();
    for slot in disks.legs() {
        let names = slot.disk.list(RUN_DIR).await.unwrap_or_default();
        let is_whole = manifest.runs.iter().all(|id| names.contains(&format!("{id:016x}")));
        if !is_whole {
            mark::hit(Mark::LameLegAtStart);
            tracing::warn!(disk = slot.place, "its copy of the metadata lacks files");
            lame.push(slot);
        }
    }
    if lame.is_empty() || lame.len() == disks.legs().len() {
        return;
    }
    // When that fails nothing is acknowledged: it is enough that they are read past.
    if let Err(error) = disks.drop_lame_legs(&lame).await {
        tracing::warn!(%error, "the roster stays as it is");
    }
}

pub(super) async fn load_manifest(disk: &dyn Disk, deployment_id: u128) -> Result<Manifest> {
    let open = disk.open(MANIFEST_PATH).await;
    let file = open.map_err(EngineError::io("open", MANIFEST_PATH))?;
    let len = file.len().await.map_err(EngineError::io("stat", MANIFEST_PATH))?;
    let read = file
        .read(0, usize::try_from(len).map_or(MANIFEST_LEN_MAX, |len| len.min(MANIFEST_LEN_MAX)));
    let bytes: Bytes = read.await.map_err(EngineError::io("read", MANIFEST_PATH))?;
    Manifest::decode(&bytes, deployment_id)
        .map_err(|_| EngineError::corrupt("manifest", MANIFEST_PATH, 0))
}

/// Whether a store never began on that disk.
async fn holds_nothing(disk: &dyn Disk) -> bool {
    for directory in [JOURNAL_DIR, RUN_DIR, VOLUME_DIR] {
        match disk.list(directory).await {
            Ok(names) if names.is_empty() => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => return false,
        }
    }
    true
}

async fn make_directories(disk: &dyn Disk) -> Result<()> {
    for directory in [JOURNAL_DIR, RUN_DIR, VOLUME_DIR] {
        let create = disk.create_dir(directory);
        create.await.map_err(EngineError::io("create", directory))?;
    }
    disk.sync_dir("").await.map_err(EngineError::io("sync", ""))
}

impl MetaStore {
    /// Empties a disk of metadata that is not current, so that it can be filled anew.
    pub(super) async fn clear_leg(&self, disk: &dyn Disk) -> Result<()> {
        for path in [MANIFEST_PATH, MANIFEST_NEW_PATH] {
            match disk.remove(path).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(EngineError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        make_directories(disk).await?;
        for directory in [JOURNAL_DIR, RUN_DIR] {
            let list = disk.list(directory).await;
            for name in list.map_err(EngineError::io("list", directory))? {
                let path = format!("{directory}/{name}");
                disk.remove(&path).await.map_err(EngineError::io("remove", &path))?;
            }
            disk.sync_dir(directory).await.map_err(EngineError::io("sync", directory))?;
        }
        Ok(())
    }
}
