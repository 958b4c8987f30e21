//! Volumes: the erasure-coded segment logs that hold bodies. A volume is `k + m` segments on
//! different disks, written in lock-step.
//!
//! ```text
//! append --> gather short ones --> compose a stripe (layout, parity) --> write every member
//!                                   ... sync every member (shared) --> extents may be committed
//! full, a member failed, a restart --> sealed --reclaim copies what lives--> fenced --> removed
//!                                        ^  |
//!                                        |  v  a member is lost or damaged
//!                                       healed: records rewritten, or the member made anew
//! ```
//!
//! - V1: an extent is handed out before its bytes are durable; whoever commits it calls
//!   [`Volume::sync`] first.
//! - V2: a volume that was open when the process ended is never appended to again.
//! - V3: ids of volumes are never reused; a segment's checksums are seeded with the id.
//! - V4: a removed volume stays readable to those who hold it: its files go when they let go.
//! - V5: a volume is in the manifest before its first stripe, and a new member before anybody reads
//!   from it.
//! - V6: a member that failed a write or a sync counts as damaged until every record of it was
//!   verified; the volume is sealed.

mod anew;
mod gather;
mod heal;
mod lost;
mod member;
mod nameless;
mod reader;
mod rebuild;
mod scan;
mod stripe;
mod unread;
mod writer;

pub use heal::{CheckedStripe, Healed, Pace, VolumeHealth};
pub use lost::LostRanges;
pub use scan::{ScannedBody, ScannedStripe, StripeScan};
pub use stripe::room_of;
pub use unread::Presence;
pub(crate) use writer::ROOM_MIN;
pub use writer::{Appended, Hold};

use crate::disks::{DiskSet, Slot};
use crate::erasure::Geometry;
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::manifest::{MemberEntry, VolumeEntry};
use crate::format::segment::Seal;
use crate::format::value::VolumeId;
use crate::meta::Registry;
use crate::mutant::{self, Mutant};
use member::{Member, OpenFiles, parse_segment_name};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Directory of the segments on their disk.
pub const VOLUME_DIR: &str = "volumes";

/// An open volume is sealed early only when it has this part of its full length.
const SEAL_EARLY_FRACTION: u64 = 64;

/// Sizes of volumes.
#[derive(Clone, Copy, Debug)]
pub struct VolumeConfig {
    /// Bytes of a segment after which its volume is sealed and the next one opened. Default 1 GiB.
    pub volume_len_max: u64,
    /// Segments that are open at once, beyond those that are being written. Default 1024.
    pub open_files_max: usize,
}

impl Default for VolumeConfig {
    fn default() -> Self {
        Self { volume_len_max: 1 << 30, open_files_max: 1024 }
    }
}

/// What all volumes of a node share.
struct Shared {
    disks: Arc<DiskSet>,
    open_files: OpenFiles,
    /// Rung when something wants healing.
    unwell: tokio::sync::Notify,
    passed: heal::Passed,
}

/// One volume, open for reading, and for appending while it is the set's current one.
pub struct Volume {
    /// Its identity.
    pub id: VolumeId,
    /// Its columns.
    pub geometry: Geometry,
    shared: Arc<Shared>,
    members: RwLock<Vec<Arc<Member>>>,
    epoch: AtomicU32,
    /// Where the next stripe goes; the length that counts for reclaim.
    end: AtomicU64,
    sealed: AtomicBool,
    /// Whether the manifest says that it is sealed.
    settled: AtomicBool,
    gate: writer::SyncGate,
    notes: heal::Notes,
    lost: lost::Lost,
    unread: unread::Unread,
    /// Appends that are under way, or that no row names yet.
    holds: AtomicU64,
}

impl Volume {
    fn new(shared: Arc<Shared>, entry: &VolumeEntry, is_open: bool) -> Self {
        let members = (0u8..)
            .zip(&entry.members)
            .map(|(column, member)| {
                Arc::new(Member::new(*member, seal(&shared.disks, entry, (column, member))))
            })
            .collect();
        Self {
            id: entry.id,
            geometry: entry.geometry,
            shared,
            members: RwLock::new(members),
            epoch: AtomicU32::new(entry.epoch),
            end: AtomicU64::new(entry.sealed_len.unwrap_or(PAGE_LEN)),
            sealed: AtomicBool::new(!is_open),
            settled: AtomicBool::new(entry.sealed_len.is_some()),
            gate: writer::SyncGate::default(),
            notes: heal::Notes::default(),
            lost: lost::Lost::default(),
            unread: unread::Unread::default(),
            holds: AtomicU64::new(0),
        }
    }

    /// Bytes of each segment in use.
    pub fn len(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Whether the segments hold no record.
    pub fn is_empty(&self) -> bool {
        self.len() <= PAGE_LEN
    }

    /// Whether nothing is appended any more.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::SeqCst)
    }

    /// Whether somebody appends, or appended what no row names yet. Once a sealed volume is not
    /// held, it never is again.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Bytes of bodies that it can hold at most in its present length: what is live in it is
    /// compared with this.
    pub fn data_len(&self) -> u64 {
        self.len() * u64::from(self.geometry.data)
    }

    fn seal_up(&self) {
        self.sealed.store(true, Ordering::SeqCst);
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn member(&self, column: usize) -> Arc<Member> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)[column].clone()
    }

    /// The volume as the manifest should have it.
    fn entry(&self) -> VolumeEntry {
        let member =
            |member: &Arc<Member>| MemberEntry { is_damaged: member.is_damaged(), ..member.entry };
        VolumeEntry {
            id: self.id,
            geometry: self.geometry,
            epoch: self.epoch.load(Ordering::Acquire),
            sealed_len: self.settled.load(Ordering::Acquire).then(|| self.len()),
            members: self.members().iter().map(member).collect(),
        }
    }

    fn what(&self) -> String {
        format!("volume {}", self.id.0)
    }
}

/// The identity of a member. A disk that is no longer known cannot be read anyway.
fn seal(disks: &DiskSet, entry: &VolumeEntry, (column, member): (u8, &MemberEntry)) -> Seal {
    let disk = disks.roster().disks.into_iter().find(|disk| disk.number == member.disk);
    Seal {
        deployment_id: disks.deployment_id(),
        disk_id: disk.map_or(0, |disk| disk.disk_id),
        volume: entry.id,
        geometry: entry.geometry,
        column,
        epoch: member.epoch,
    }
}

/// The volumes of a node.
pub struct VolumeSet {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    config: VolumeConfig,
    reserve_len: u64,
    volumes: RwLock<BTreeMap<VolumeId, Arc<Volume>>>,
    /// Volumes without a row, whose files go once nobody holds them (V4).
    retired: Mutex<Vec<Arc<Volume>>>,
    current: Mutex<Option<Arc<Volume>>>,
    /// The next one, made before it is needed; nothing is in it.
    standby: Mutex<Option<Arc<Volume>>>,
    opening: tokio::sync::Mutex<()>,
    /// Short stripes that wait to be written together.
    gathering: gather::Gathering,
    /// One change of what the manifest says of volumes' members at a time.
    changing: tokio::sync::Mutex<()>,
    /// Volumes that were begun since the start.
    begun: AtomicU64,
}

impl VolumeSet {
    /// Opens the volumes of the manifest; all are sealed (V2). One that was being written when the
    /// process ended is as long as its longest segment, and counts as damaged where it may be.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn open(
        disks: Arc<DiskSet>,
        registry: Arc<Registry>,
        config: VolumeConfig,
        reserve_len: u64,
    ) -> Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            disks,
            open_files: OpenFiles::new(config.open_files_max),
            unwell: tokio::sync::Notify::new(),
            passed: heal::Passed::default(),
        });
        let entries = registry.manifest().await.volumes;
        let mut volumes = BTreeMap::new();
        for entry in entries {
            let volume = Arc::new(Volume::new(shared.clone(), &entry, false));
            volume.find_end(entry.sealed_len).await;
            volume.doubt_unverified();
            volumes.insert(entry.id, volume);
        }
        Ok(Arc::new(Self {
            shared,
            registry,
            config,
            reserve_len,
            volumes: RwLock::new(volumes),
            retired: Mutex::default(),
            current: Mutex::default(),
            standby: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            gathering: gather::Gathering::default(),
            changing: tokio::sync::Mutex::default(),
            begun: AtomicU64::new(0),
        }))
    }

    fn map_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<VolumeId, Arc<Volume>>> {
        self.volumes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn map(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<VolumeId, Arc<Volume>>> {
        self.volumes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The volume with that id.
    ///
    /// # Errors
    /// [`EngineError::VolumeGone`].
    pub fn get(&self, id: VolumeId) -> Result<Arc<Volume>> {
        self.map().get(&id).cloned().ok_or(EngineError::VolumeGone(id.0))
    }

    /// Volumes that were begun since the start.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Every volume, by id.
    pub fn all(&self) -> Vec<Arc<Volume>> {
        self.map().values().cloned().collect()
    }

    /// Seals the open volume if it is this one and long enough to be worth it: what is appended
    /// from now on goes to another one. Whoever is appending right now still holds it.
    pub fn seal_open(&self, volume: &Volume) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long = volume.len() >= self.config.volume_len_max / SEAL_EARLY_FRACTION;
        if is_long && current.as_ref().is_some_and(|open| open.id == volume.id) {
            volume.seal_up();
            *current = None;
        }
    }

    /// Removes a sealed volume: new readers no longer find it. The caller knows that no row refers
    /// to it.
    ///
    /// # Errors
    /// I/O errors; the files are then garbage until the next start.
    pub async fn remove(&self, id: VolumeId) -> Result<()> {
        let volume = self.get(id)?;
        assert!(volume.is_sealed(), "V2: only sealed volumes are removed");
        self.map_mut().remove(&id);
        self.registry
            .publish(move |manifest| manifest.volumes.retain(|entry| entry.id != id))
            .await?;
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(volume);
        self.remove_retired().await;
        Ok(())
    }

    /// Seals the open volume and the one that waits: nothing is appended before the next start.
    pub fn seal_all(&self) {
        for open in [&self.current, &self.standby] {
            if let Some(volume) = open.lock().unwrap_or_else(PoisonError::into_inner).take() {
                volume.seal_up();
            }
        }
    }

    /// Seals the open volume, or the one that waits, when the disks allow a wider one, or it lost a
    /// disk.
    pub fn seal_unfit(&self) {
        for open in [&self.current, &self.standby] {
            let volume = open.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(volume) = volume
                && (self.wants_restripe(&volume) || !volume.health().is_whole())
            {
                volume.seal_up();
            }
        }
    }

    /// Whether bodies are better off in another volume: this one is narrower than the disks allow,
    /// or it survives no further loss and there is no disk for what it lacks. While it survives
    /// one, it waits for disks: a narrower form takes more room (1+4 five times the bodies').
    ///
    /// Only disks that take bodies of clients count: a full one gets no member, and whoever counted
    /// on it would copy for ever.
    pub fn wants_restripe(&self, volume: &Volume) -> bool {
        let full = self.shared.disks.geometry_full();
        let mut roomy = self.shared.disks.fit_slots();
        let has_room = |slot: &Slot| slot.last_free() >= self.reserve_len + ROOM_MIN;
        roomy.retain(|slot| has_room(slot) || mutant::is(Mutant::CountFullDisks));
        let Some(possible) = full.narrowed(roomy.len()) else {
            return false;
        };
        let members = volume.members();
        let has_spare =
            roomy.iter().any(|slot| !members.iter().any(|member| member.entry.disk == slot.number));
        let is_short = !volume.health().missing.is_empty() && !has_spare;
        let margin_now = volume.health().margin.unwrap_or_default();
        let is_narrow =
            volume.geometry.width() < possible.width() || volume.geometry.parity < possible.parity;
        is_narrow || is_short && margin_now == 0 && possible.parity > 0
    }

    /// Looks how much room the disks have, for [`VolumeSet::wants_restripe`].
    pub async fn look_for_room(&self) {
        self.shared.disks.fit_spaces().await;
    }

    /// Removes the files of retired volumes that nobody holds any more (V4).
    pub async fn remove_retired(&self) {
        let is_held = |volume: &Arc<Volume>| Arc::strong_count(volume) > 1;
        let free = {
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            let (held, free) = std::mem::take(&mut *retired).into_iter().partition(is_held);
            *retired = held;
            free
        };
        let free: Vec<Arc<Volume>> = free;
        for volume in free {
            for member in volume.members() {
                if let Some(slot) = member.slot(&self.shared.disks) {
                    // What stays is garbage until the next start.
                    let _ = slot.disk.remove(&member.path()).await;
                }
            }
        }
    }

    /// Removes segments that the manifest does not name. Nobody is served yet.
    pub async fn remove_unnamed(&self) {
        // A volume that is being made is in no list.
        let _turn = self.opening.lock().await;
        for slot in self.shared.disks.slots() {
            let Ok(names) = slot.disk.list(VOLUME_DIR).await else { continue };
            for name in names {
                let is_named = parse_segment_name(&name).is_some_and(|(id, epoch)| {
                    let volume = self.get(id).ok();
                    volume.is_some_and(|volume| {
                        let is_it = |member: &Arc<Member>| {
                            member.entry.disk == slot.number && member.entry.epoch == epoch
                        };
                        volume.members().iter().any(is_it)
                    })
                });
                if !is_named {
                    let _ = slot.disk.remove(&format!("{VOLUME_DIR}/{name}")).await;
                }
            }
        }
    }
}
