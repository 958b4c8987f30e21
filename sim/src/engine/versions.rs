//! Versions: how they are asked for, what is known of them, and what their answers may say.
//!
//! Each version is made by an acknowledged write and stays until it is deleted by its identity; the
//! null version only until it is replaced.
//!
//! - K22: an acknowledged version is listed and read as it was written until it is deleted; none
//!   comes back. The null version is also over when a newer one replaces it.
//! - K23: nobody deletes a version under legal hold.

use super::client::{Answer, Call, Store, bucket_name, key_name};
use super::model::{Existence, Model, ObjectState, ValueId};
use super::plan::{BucketNumber, Request, Slot};
use super::retention::{Kept, LockTimes};
use super::rules::RuleModel;
use super::run::Run;
use bytes::BytesMut;
use cluster::Node;
use engine::object::{
    Address, AmendRequest, Amendment, Bypass, DeleteRequest, LegalHold, ObjectInfo, Retention,
    RetentionMode, Standing, StoreError, VersionEntry, VersionId, VersionListRequest,
    WriteCondition,
};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers for the versions of one key that were written at once.
pub(super) const BATCH_LEN: u64 = 256;

/// Versions of one page.
const PAGE_LEN: usize = 7;

/// What a version can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionState {
    /// It is not there.
    Gone,
    /// A delete marker.
    Marker,
    /// Bytes.
    Value(ValueId),
}

impl VersionState {
    /// What a write leaves as its version.
    pub fn of(result: ObjectState) -> Self {
        result.map_or(Self::Marker, Self::Value)
    }

    /// What an object is whose current version is so.
    pub fn shown(self) -> ObjectState {
        match self {
            Self::Gone | Self::Marker => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// One version. The null version of an object is one also when it is replaced.
#[derive(Clone, Debug)]
pub struct VersionModel {
    /// Of which object.
    pub slot: Slot,
    /// Its identity.
    pub id: VersionId,
    /// Whether it is under legal hold: `Unsure` when nobody knows.
    pub hold: Existence,
    /// Until when it is kept.
    pub kept: Kept,
    /// The requests that wrote it, among all that were asked at once; `None` when nobody knows.
    /// What was written by later ones is newer.
    pub batch: Option<u64>,
    /// The requests that wrote it last and were acknowledged.
    written: u64,
    now: BTreeSet<VersionState>,
    /// What requests of which nobody knows may still make of it, and whether they may come late.
    pending: Vec<(VersionState, bool)>,
}

impl VersionModel {
    /// One that is one of those.
    pub fn of(slot: Slot, id: VersionId, now: BTreeSet<VersionState>) -> Self {
        let (hold, kept, batch, pending) = (Existence::Gone, Kept::default(), Some(0), Vec::new());
        Self { slot, id, hold, kept, batch, written: 0, now, pending }
    }

    /// Everything that it can be.
    pub fn possible(&self) -> BTreeSet<VersionState> {
        let pending = self.pending.iter().map(|(state, _)| *state);
        self.now.iter().copied().chain(pending).collect()
    }

    /// What it is, if that is certain.
    pub fn certain(&self) -> Option<VersionState> {
        let is_certain = self.now.len() == 1 && self.pending.is_empty();
        self.now.first().copied().filter(|_| is_certain)
    }

    /// Whether it is there.
    pub fn existence(&self) -> Existence {
        let possible = self.possible();
        match (possible.contains(&VersionState::Gone), possible.len()) {
            (false, _) => Existence::Live,
            (true, 1) => Existence::Gone,
            (true, _) => Existence::Unsure,
        }
    }

    /// An acknowledged request of that batch made it so, or another one of the same batch did.
    pub fn write(&mut self, state: VersionState, batch: u64) {
        if self.written == batch {
            self.now.insert(state);
            return;
        }
        self.set(state);
        self.written = batch;
        // What comes late may come later.
        self.batch = self.pending.is_empty().then_some(batch);
    }

    /// An acknowledged request deleted it.
    pub fn delete(&mut self, batch: u64) {
        match self.written == batch {
            true => _ = self.now.insert(VersionState::Gone),
            false => self.set(VersionState::Gone),
        }
    }

    fn set(&mut self, state: VersionState) {
        self.now = BTreeSet::from([state]);
        self.pending.retain(|(_, is_late)| *is_late);
    }

    /// It is one of those, whatever is pending.
    pub fn settle(&mut self, now: BTreeSet<VersionState>) {
        self.now = now;
    }

    /// Nobody knows what came of a request.
    pub fn leave_open(&mut self, state: VersionState, is_late: bool) {
        if self.id == VersionId::Null {
            self.batch = None;
        }
        self.pending.push((state, is_late));
    }

    /// Somebody saw it so. `false`: that cannot be.
    pub fn observe(&mut self, state: VersionState, is_decided: bool) -> bool {
        let is_possible = self.possible().contains(&state);
        if is_decided && self.pending.is_empty() {
            // What a start decided stays so.
            self.now = BTreeSet::from([state]);
        }
        is_possible
    }

    fn restart(&mut self) {
        self.now = self.possible();
        self.pending.clear();
    }

    /// Whether it is newer than another one of its object.
    pub fn is_newer(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (VersionId::Id(_), VersionId::Id(_)) => order_of(self.id) > order_of(other.id),
            _ => matches!((self.batch, other.batch), (Some(a), Some(b)) if a > b),
        }
    }
}

/// A version's place among those of its key that have one: later writes have greater ones.
pub fn order_of(id: VersionId) -> u64 {
    match id {
        VersionId::Null => 0,
        VersionId::Id(id) => (id >> 64) as u64,
    }
}

/// What is known of versions.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// What buckets make of writes that keep versions, or did.
    pub rules: BTreeMap<BucketNumber, RuleModel>,
    /// Buckets whose versions can be locked.
    pub lockable: BTreeSet<BucketNumber>,
    /// For how many days those keep what does not say itself; 0: not at all.
    pub days: BTreeMap<BucketNumber, RuleModel<u32>>,
    /// All that are known.
    pub all: Vec<VersionModel>,
    /// Objects of which some writes left versions that nobody knows.
    pub strays: BTreeSet<Slot>,
    /// Objects of which a version may be deleted at any time until the next start, because nobody
    /// knows what came of the request.
    pub loose: BTreeSet<Slot>,
    /// Number of the requests that are judged now.
    pub batch: u64,
    /// By which time versions are kept.
    pub times: LockTimes,
}

impl Versions {
    /// A bucket is gone, and all versions with it.
    pub fn forget(&mut self, bucket: BucketNumber) {
        let inside = self.all.iter_mut().filter(|version| version.slot.bucket == bucket);
        inside.for_each(|version| {
            (version.now, version.pending) = (BTreeSet::from([VersionState::Gone]), Vec::new());
        });
        self.strays.retain(|slot| slot.bucket != bucket);
        self.loose.retain(|slot| slot.bucket != bucket);
    }

    /// Whether a bucket can be empty of versions, and whether it may not be.
    pub fn emptiness(&self, bucket: BucketNumber) -> (bool, bool) {
        let inside = || self.all.iter().filter(|version| version.slot.bucket == bucket);
        let is_kept = inside().any(|version| version.existence() == Existence::Live);
        let may_be = inside().any(|version| version.existence() != Existence::Gone);
        (!is_kept, may_be || self.strays.iter().any(|slot| slot.bucket == bucket))
    }

    /// A new process.
    pub fn restart(&mut self) {
        self.loose.clear();
        self.times.close();
        self.all.iter_mut().for_each(VersionModel::restart);
        self.rules.values_mut().for_each(RuleModel::restart);
        self.days.values_mut().for_each(RuleModel::restart);
    }

    /// One version of an object, if it was ever known.
    pub fn find(&self, slot: Slot, id: VersionId) -> Option<usize> {
        self.all.iter().position(|it| it.slot == slot && it.id == id)
    }

    /// Versions of an object that may be there.
    pub fn count_of(&self, slot: Slot) -> usize {
        let is_known = |it: &&VersionModel| it.slot == slot && it.existence() != Existence::Gone;
        self.all.iter().filter(is_known).count()
    }

    /// The null version of an object, whether it is there or not.
    pub fn null_of(&mut self, slot: Slot) -> &mut VersionModel {
        let index = self.find(slot, VersionId::Null).unwrap_or_else(|| {
            let gone = BTreeSet::from([VersionState::Gone]);
            self.all.push(VersionModel::of(slot, VersionId::Null, gone));
            self.all.len() - 1
        });
        &mut self.all[index]
    }
}

impl Model {
    /// Chooses a version of an object that may be there.
    pub fn pick_version(&self, slot: Slot, pick: usize) -> Option<(usize, VersionId)> {
        let all = self.versions.all.iter().enumerate();
        let known: Vec<_> = all
            .filter(|(_, it)| it.slot == slot && it.existence() != Existence::Gone)
            .map(|(index, it)| (index, it.id))
            .collect();
        known.get(pick % known.len().max(1)).copied()
    }
}

impl Model {
    /// Everything that an object may be, when any of its versions may be the current one.
    pub(super) fn states_of(&self, slot: Slot) -> BTreeSet<ObjectState> {
        let mut states: BTreeSet<ObjectState> = BTreeSet::from([None]);
        let of_slot = self.versions.all.iter().filter(|it| it.slot == slot);
        states.extend(of_slot.flat_map(VersionModel::possible).map(VersionState::shown));
        if self.versions.strays.contains(&slot) {
            states.extend(self.strays_of(slot));
        }
        if let Some(object) = self.objects.get(&slot) {
            states.extend(object.possible());
        }
        states
    }

    /// What may lose a version at any time may be anything that it can be then.
    pub fn loosen(&mut self) {
        let loose: Vec<Slot> = self.versions.loose.iter().copied().collect();
        for slot in loose {
            let states = self.states_of(slot);
            self.object(slot).settle(states, false);
        }
    }
}

/// Asks about one version.
pub async fn perform(store: &Store, slot: Slot, call: &Call) -> Result<Answer, StoreError> {
    let version = call.version().map(|(_, id)| id);
    let address = Address { bucket: bucket_name(slot.bucket), key: key_name(slot.key), version };
    let condition = WriteCondition::None;
    match &call.request {
        Request::DeleteVersion(..) => {
            let request = DeleteRequest { address, condition, bypass: call.bypass() };
            Ok(Answer::Deleted(store.delete(request).await?))
        }
        Request::Protect { is_on, .. } => {
            let hold = if *is_on { LegalHold::On } else { LegalHold::Off };
            let amendment = Amendment::Hold(hold);
            store.amend(AmendRequest { address, condition, amendment }).await?;
            Ok(Answer::Done)
        }
        Request::Retain { .. } => {
            let retention = Retention { mode: RetentionMode::Governance, until: call.until() };
            let (retention, bypass) = (Some(retention), Bypass::No);
            let amendment = Amendment::Retention { retention, bypass };
            store.amend(AmendRequest { address, condition, amendment }).await?;
            Ok(Answer::Done)
        }
        _ => {
            let reader = store.get(address).await?;
            let (info, mut bytes) = (reader.info().clone(), BytesMut::new());
            let mut stream = reader.read(0..info.size);
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece?);
            }
            Ok(Answer::Object(info, 0, bytes.freeze()))
        }
    }
}

/// Takes every lock of a version away.
async fn unlock(store: &Store, address: &Address) -> Result<(), StoreError> {
    let retention = Amendment::Retention { retention: None, bypass: Bypass::Governance };
    for amendment in [Amendment::Hold(LegalHold::Off), retention] {
        let (address, condition) = (address.clone(), WriteCondition::None);
        store.amend(AmendRequest { address, condition, amendment }).await?;
    }
    Ok(())
}

/// Lists all versions of a bucket, page by page.
pub async fn list(store: &Store, bucket: BucketNumber) -> Result<Answer, StoreError> {
    let mut found: Vec<(ObjectInfo, Standing)> = Vec::new();
    loop {
        let after = found.last().map(|(info, _)| (info.key.as_str().to_owned(), info.version));
        let request = VersionListRequest {
            bucket: bucket_name(bucket),
            prefix: String::new(),
            delimiter: None,
            after,
            limit: PAGE_LEN,
        };
        let page = store.list_versions(request).await?;
        for entry in page.entries {
            if let VersionEntry::Version(info, standing) = entry {
                found.push((*info, standing));
            }
        }
        if !page.is_truncated {
            return Ok(Answer::Versions(found));
        }
    }
}

impl Run {
    /// Reads every version that is known.
    pub(super) async fn verify_versions(
        &mut self,
        node: &Node,
        live: &[BucketNumber],
    ) -> Result<(), String> {
        for bucket in live {
            if self.model.versions.rules.contains_key(bucket) {
                self.ask(node, vec![Request::ListVersions(*bucket)]).await?;
            }
        }
        let versions = &self.model.versions.all;
        let is_live = |version: &&VersionModel| {
            version.existence() == Existence::Live && live.contains(&version.slot.bucket)
        };
        let slots: BTreeSet<Slot> = versions.iter().filter(is_live).map(|it| it.slot).collect();
        for slot in slots {
            for pick in 0..self.model.versions.count_of(slot) {
                self.ask(node, vec![Request::GetVersion(slot, pick)]).await?;
            }
        }
        Ok(())
    }

    /// Deletes every version, also those that nobody knows of.
    pub(super) async fn empty_versions(&mut self, node: &Node) -> Result<(), String> {
        let store = self.store(node);
        let failed = |error: StoreError| format!("K19: versions cannot be deleted: {error}");
        for bucket in self.live_buckets() {
            if !self.model.versions.rules.contains_key(&bucket) {
                continue;
            }
            let is_lockable = self.model.versions.lockable.contains(&bucket);
            let Answer::Versions(found) = list(&store, bucket).await.map_err(failed)? else {
                continue;
            };
            for (info, _) in found {
                let (bucket, version) = (bucket_name(bucket), info.version);
                let address = Address { bucket, key: info.key, version };
                let condition = WriteCondition::None;
                if is_lockable && !info.is_marker {
                    unlock(&store, &address).await.map_err(failed)?;
                }
                let request = DeleteRequest { address, condition, bypass: Bypass::No };
                store.delete(request).await.map_err(failed)?;
            }
            self.model.versions.forget(bucket);
            self.model.objects.retain(|slot, _| slot.bucket != bucket);
        }
        Ok(())
    }
}
