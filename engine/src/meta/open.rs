//! Opening a disk: recognise it, read what is live, replay the journal's tail, make it durable,
//! begin a new generation.

use super::{MANIFEST_PATH, MetaConfig, MetaStore, write_replacing};
use crate::env::{Disk, Env, random_u128};
use crate::error::{EngineError, Result};
use crate::format::batch::Batch;
use crate::format::identity::Identity;
use crate::format::manifest::Manifest;
use crate::format::value::VolumeId;
use crate::index::{Cache, Index, RUN_DIR, Run};
use crate::journal::{JOURNAL_DIR, Journal, Recovery, parse_file_name};
use crate::mutant::{self, Mutant};
use crate::volume::{VOLUME_DIR, VolumeSet};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

/// File that says whose disk this is.
pub const IDENTITY_PATH: &str = "stave.disk";
const IDENTITY_NEW_PATH: &str = "stave.disk.tmp";

/// Bytes that the identity or the manifest has at most.
const SMALL_FILE_LEN_MAX: usize = 256 << 20;

/// A store whose journal is still being replayed: nobody is served yet.
pub struct Opening {
    store: MetaStore,
    recovery: Recovery,
}

impl MetaStore {
    /// Opens the disk, or makes a blank one ours. The caller replays what [`Opening::next_batch`]
    /// gives, then calls [`Opening::finish`].
    ///
    /// # Errors
    /// [`EngineError::Foreign`] for a disk with other content; [`EngineError::Corrupt`]; I/O
    /// errors.
    pub async fn open(disk: Arc<dyn Disk>, config: MetaConfig, env: Env) -> Result<Opening> {
        let identity = identify(&*disk, &env).await?;
        let manifest = load_manifest(&*disk, identity).await?;
        let mut runs = Vec::with_capacity(manifest.runs.len());
        for run_id in &manifest.runs {
            runs.push(Arc::new(Run::open(&*disk, *run_id).await?));
        }
        let next_volume_id = manifest.next_volume_id;
        let volumes =
            VolumeSet::open(disk.clone(), identity, config.volume, next_volume_id).await?;
        let usage = manifest.volumes.iter().copied().collect();
        let recovery =
            Recovery::open(disk.clone(), manifest.journal_generation, manifest.checkpoint).await?;
        let names = disk.list(RUN_DIR).await.map_err(EngineError::io("list", RUN_DIR))?;
        let found = names.iter().filter_map(|name| parse_id(name)).max();
        let next_run_id = manifest.next_run_id.max(found.map_or(1, |id| id + 1));
        let store = Self {
            index: Index::new(runs, usage, Arc::new(Cache::new(config.cache_len_max))),
            journal: OnceLock::new(),
            next_run_id: AtomicU64::new(next_run_id),
            applied: tokio::sync::Mutex::new(manifest.checkpoint),
            applied_sequence: AtomicU64::new(manifest.checkpoint),
            checkpointed: AtomicU64::new(manifest.checkpoint),
            poisoned: AtomicBool::new(false),
            manifest: tokio::sync::Mutex::new(manifest),
            checkpointing: tokio::sync::Mutex::default(),
            merging: tokio::sync::Mutex::default(),
            due: tokio::sync::Notify::new(),
            grown: tokio::sync::Notify::new(),
            space: std::sync::Mutex::default(),
            disk,
            env,
            config,
            identity,
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
        let (disk, config) = (store.disk.clone(), store.config.journal);
        // First room, then new files: a full disk must not keep the node from starting (M2).
        store.remove_unnamed(recovery.generation()).await?;
        let journal = Journal::begin(disk, config, generation, first_sequence).await?;
        let is_first = store.journal.set(journal).is_ok();
        assert!(is_first, "a store is opened once");
        store.checkpoint_as(Some(generation)).await?;
        store.remove_unnamed(generation).await?;
        store.remove_unused_volumes().await?;
        Ok(Arc::new(store))
    }
}

/// The deliberate bug: serve what was replayed as if it were durable.
#[cfg(mutants)]
async fn resume_unsynced(store: MetaStore, recovery: Recovery) -> Result<Arc<MetaStore>> {
    let (disk, config) = (store.disk.clone(), store.config.journal);
    let journal = Journal::resume_unsynced(disk, config, &recovery).await?;
    let _ = store.journal.set(journal);
    Ok(Arc::new(store))
}

impl MetaStore {
    /// Removes what the manifest does not name: journals of other generations, runs (M2).
    async fn remove_unnamed(&self, generation: u64) -> Result<()> {
        let is_old = |name: &String| parse_file_name(name).is_none_or(|(it, _)| it != generation);
        for name in self.list(JOURNAL_DIR).await?.iter().filter(|name| is_old(name)) {
            self.remove_file(JOURNAL_DIR, name).await?;
        }
        let live = self.manifest.lock().await.runs.clone();
        let is_live = |name: &String| parse_id(name).is_some_and(|id| live.contains(&id));
        for name in self.list(RUN_DIR).await?.iter().filter(|name| !is_live(name)) {
            self.remove_file(RUN_DIR, name).await?;
        }
        Ok(())
    }

    /// Removes volumes that no row refers to, and what is left of those that never began. Nobody
    /// is served yet: nothing uncommitted is in them.
    async fn remove_unused_volumes(&self) -> Result<()> {
        let usage = self.index.usage();
        let is_unused = |id: VolumeId| usage.get(&id).is_none_or(|usage| usage.live_len == 0);
        for volume in self.volumes.all() {
            if is_unused(volume.id) && volume.is_sealed() {
                self.volumes.remove(volume.id).await?;
            }
        }
        for name in self.list(VOLUME_DIR).await? {
            let id = parse_id(&name).map(VolumeId);
            if id.is_none_or(|id| is_unused(id) && self.volumes.get(id).is_err()) {
                self.remove_file(VOLUME_DIR, &name).await?;
            }
        }
        for id in usage.keys().filter(|id| is_unused(**id)) {
            if self.volumes.get(*id).is_err() {
                self.index.forget(*id);
            }
        }
        Ok(())
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>> {
        self.disk.list(directory).await.map_err(EngineError::io("list", directory))
    }

    async fn remove_file(&self, directory: &str, name: &str) -> Result<()> {
        let path = format!("{directory}/{name}");
        self.disk.remove(&path).await.map_err(EngineError::io("remove", &path))
    }
}

fn parse_id(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok()
}

/// Reads whose disk this is; gives a blank one an identity. Files whose names begin with a dot are
/// not ours.
async fn identify(disk: &dyn Disk, env: &Env) -> Result<Identity> {
    match read_small(disk, IDENTITY_PATH).await {
        Ok(bytes) => {
            return Identity::decode(&bytes)
                .map_err(|_| EngineError::corrupt("identity", IDENTITY_PATH, 0));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    let names = disk.list("").await.map_err(EngineError::io("list", ""))?;
    let is_foreign = |name: &&String| !name.starts_with('.') && *name != IDENTITY_NEW_PATH;
    if let Some(name) = names.iter().find(is_foreign) {
        let reason = format!("it has no {IDENTITY_PATH} but holds other files ({name})");
        return Err(EngineError::Foreign(reason));
    }
    let identity =
        Identity { deployment_id: random_u128(&*env.rng), disk_id: random_u128(&*env.rng) };
    write_replacing(disk, IDENTITY_NEW_PATH, IDENTITY_PATH, identity.encode()).await?;
    Ok(identity)
}

/// Reads the manifest. A disk that has an identity and nothing else is new: its first manifest is
/// written here.
async fn load_manifest(disk: &dyn Disk, identity: Identity) -> Result<Manifest> {
    match read_small(disk, MANIFEST_PATH).await {
        Ok(bytes) => {
            // A process may have died between the rename of this manifest and its sync. What it
            // does not name is removed next: first nothing may bring an older one back.
            disk.sync_dir("").await.map_err(EngineError::io("sync", ""))?;
            return Manifest::decode(&bytes, identity.disk_id)
                .map_err(|_| EngineError::corrupt("manifest", MANIFEST_PATH, 0));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    for directory in [JOURNAL_DIR, RUN_DIR, VOLUME_DIR] {
        let create = disk.create_dir(directory);
        create.await.map_err(EngineError::io("create", directory))?;
        let names = disk.list(directory).await.map_err(EngineError::io("list", directory))?;
        if !names.is_empty() {
            let reason = format!("it has no {MANIFEST_PATH} but holds files in {directory}");
            return Err(EngineError::Foreign(reason));
        }
    }
    disk.sync_dir("").await.map_err(EngineError::io("sync", ""))?;
    let manifest = Manifest { next_run_id: 1, next_volume_id: 1, ..Manifest::default() };
    let bytes = manifest.encode(identity.disk_id);
    write_replacing(disk, super::MANIFEST_NEW_PATH, MANIFEST_PATH, bytes).await?;
    Ok(manifest)
}

async fn read_small(disk: &dyn Disk, path: &str) -> Result<Bytes> {
    let file = disk.open(path).await.map_err(EngineError::io("open", path))?;
    file.read(0, SMALL_FILE_LEN_MAX).await.map_err(EngineError::io("read", path))
}
