//! Versions: how they are asked for, what is known of them, and what their answers may say.
//!
//! The versions of a key beside the current one have no order that races could change: each is made
//! by an acknowledged write, and stays until it is deleted by its identity.
//!
//! - K22: an acknowledged version is listed and read as it was written until it is deleted; none
//!   comes back.
//! - K23: nobody deletes a version under legal hold.

use super::body::etag;
use super::client::{Answer, Call, Store, bucket_name, key_name};
use super::judge::{Judge, Verdict, broken};
use super::model::{Existence, Model, ObjectState};
use super::plan::{BucketNumber, Request, Slot};
use super::run::Run;
use bytes::{Bytes, BytesMut};
use cluster::Node;
use engine::object::{
    Address, AmendRequest, Amendment, Bypass, DeleteRequest, LegalHold, ObjectInfo, Standing,
    StoreError, VersionEntry, VersionId, VersionListRequest, WriteCondition,
};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};

/// Versions of one page.
const PAGE_LEN: usize = 7;

/// One version that a write was acknowledged with.
#[derive(Clone, Debug)]
pub struct VersionModel {
    /// Of which object.
    pub slot: Slot,
    /// Its identity.
    pub id: VersionId,
    /// Its value; none of a delete marker.
    pub value: ObjectState,
    /// Whether it is still there.
    pub existence: Existence,
    /// Whether it is under legal hold: `Unsure` when nobody knows.
    pub hold: Existence,
}

impl VersionModel {
    /// Its place among those of its key: later writes have greater ones.
    fn order(&self) -> u64 {
        order_of(self.id)
    }
}

fn order_of(id: VersionId) -> u64 {
    match id {
        VersionId::Null => 0,
        VersionId::Id(id) => (id >> 64) as u64,
    }
}

/// What is known of versions.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// Buckets that keep them.
    pub buckets: BTreeSet<BucketNumber>,
    /// All that were acknowledged.
    pub all: Vec<VersionModel>,
    /// Objects of which some writes left versions that nobody knows.
    pub strays: BTreeSet<Slot>,
    /// Objects of which a version may be deleted at any time until the next start, because nobody
    /// knows what came of the request.
    pub loose: BTreeSet<Slot>,
}

impl Versions {
    /// A bucket is gone, and all versions with it.
    pub fn forget(&mut self, bucket: BucketNumber) {
        let inside = self.all.iter_mut().filter(|version| version.slot.bucket == bucket);
        inside.for_each(|version| version.existence = Existence::Gone);
        self.strays.retain(|slot| slot.bucket != bucket);
        self.loose.retain(|slot| slot.bucket != bucket);
    }

    /// Whether a bucket can be empty of versions, and whether it may not be.
    pub fn emptiness(&self, bucket: BucketNumber) -> (bool, bool) {
        let inside = || self.all.iter().filter(|version| version.slot.bucket == bucket);
        let is_kept = inside().any(|version| version.existence == Existence::Live);
        let may_be = inside().any(|version| version.existence != Existence::Gone);
        (!is_kept, may_be || self.strays.iter().any(|slot| slot.bucket == bucket))
    }
}

impl Model {
    /// Chooses a version of an object that may be there.
    pub fn pick_version(&self, slot: Slot, pick: usize) -> Option<(usize, VersionId)> {
        let all = self.versions.all.iter().enumerate();
        let known: Vec<_> = all
            .filter(|(_, it)| it.slot == slot && it.existence != Existence::Gone)
            .map(|(index, it)| (index, it.id))
            .collect();
        known.get(pick % known.len().max(1)).copied()
    }
}

impl Model {
    /// Everything that an object may be, when any of its versions may be the current one.
    fn states_of(&self, slot: Slot) -> BTreeSet<ObjectState> {
        let mut states: BTreeSet<ObjectState> = BTreeSet::from([None]);
        let of_slot = self.versions.all.iter().filter(|it| it.slot == slot);
        states.extend(of_slot.filter(|it| it.existence != Existence::Gone).map(|it| it.value));
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
            // Whoever may bypass a retention still deletes nothing that is held.
            let request = DeleteRequest { address, condition, bypass: Bypass::Governance };
            Ok(Answer::Deleted(store.delete(request).await?))
        }
        Request::Protect { is_on, .. } => {
            let hold = if *is_on { LegalHold::On } else { LegalHold::Off };
            let amendment = Amendment::Hold(hold);
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
            if self.model.versions.buckets.contains(bucket) {
                self.ask(node, vec![Request::ListVersions(*bucket)]).await?;
            }
        }
        let versions = &self.model.versions.all;
        let is_live = |version: &&VersionModel| {
            version.existence == Existence::Live && live.contains(&version.slot.bucket)
        };
        let slots: BTreeSet<Slot> = versions.iter().filter(is_live).map(|it| it.slot).collect();
        for slot in slots {
            let is_known = |it: &&VersionModel| it.slot == slot && it.existence != Existence::Gone;
            let count = self.model.versions.all.iter().filter(is_known).count();
            for pick in 0..count {
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
            if !self.model.versions.buckets.contains(&bucket) {
                continue;
            }
            let Answer::Versions(found) = list(&store, bucket).await.map_err(failed)? else {
                continue;
            };
            for (info, _) in found {
                let (bucket, version) = (bucket_name(bucket), info.version);
                let address = Address { bucket, key: info.key, version };
                let condition = WriteCondition::None;
                if !info.is_marker {
                    let amendment = Amendment::Hold(LegalHold::Off);
                    let (address, condition) = (address.clone(), condition.clone());
                    let request = AmendRequest { address, condition, amendment };
                    store.amend(request).await.map_err(failed)?;
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

impl Judge<'_> {
    /// What an answer to a write tells of versions.
    pub(super) fn note_version(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let Some((slot, effect)) = super::judge::effect_of(call, self.model) else {
            return Ok(());
        };
        if !self.model.versions.buckets.contains(&slot.bucket) {
            return Ok(());
        }
        let made = match answer {
            Answer::Written(outcome) => outcome.version,
            Answer::Deleted(outcome) => outcome.version,
            Answer::Error(
                StoreError::PreconditionFailed
                | StoreError::NoSuchKey
                | StoreError::NoSuchBucket
                | StoreError::NoSuchUpload
                | StoreError::InvalidPart { .. },
            ) => return Ok(()),
            _ => {
                self.model.versions.strays.insert(slot);
                let values = self.model.stray_values.entry(slot).or_default();
                values.extend(effect.result);
                return Ok(());
            }
        };
        let Some(id) = made else {
            return broken(format!("K22: {} made no version", call.request));
        };
        let value = effect.result;
        let known = self.model.versions.all.iter().find(|it| it.slot == slot && it.id == id);
        if let Some(known) = known {
            // A completion that is asked for again tells the same version again.
            let is_same = known.value == value && matches!(call.request, Request::Complete { .. });
            return if is_same { Ok(()) } else { broken(format!("K22: version {id} came twice")) };
        }
        let (existence, hold) = (Existence::Live, Existence::Gone);
        self.model.versions.all.push(VersionModel { slot, id, value, existence, hold });
        Ok(())
    }

    /// Nobody knows what came of a request about a version.
    pub(super) fn leave_version_open(&mut self, call: &Call) {
        let Some((index, _)) = call.version() else { return };
        let version = &mut self.model.versions.all[index];
        match call.request {
            Request::DeleteVersion(..) if version.hold != Existence::Live => {
                if version.existence == Existence::Live {
                    version.existence = Existence::Unsure;
                }
                let slot = version.slot;
                self.model.versions.loose.insert(slot);
                self.model.loosen();
            }
            Request::Protect { .. } => version.hold = Existence::Unsure,
            _ => {}
        }
    }

    /// The object may show another version than before: one that may have been the current one is
    /// gone.
    fn widen(&mut self, index: usize) {
        let VersionModel { slot, .. } = self.model.versions.all[index];
        let order = self.model.versions.all[index].order();
        let is_newer = |it: &VersionModel| {
            it.slot == slot && it.existence == Existence::Live && it.order() > order
        };
        if !self.model.versions.all.iter().any(is_newer) {
            let states = self.model.states_of(slot);
            self.model.object(slot).settle(states, false);
        }
    }

    /// Judges a refusal of a request about a version.
    pub(super) fn version_refused(&mut self, call: &Call, error: &StoreError) -> Verdict {
        let Some((index, id)) = call.version() else {
            return broken(format!("K1: {} was refused wrongly: {error}", call.request));
        };
        let version = &mut self.model.versions.all[index];
        match error {
            StoreError::NoSuchVersion | StoreError::NoSuchKey => {
                if version.existence == Existence::Live {
                    return broken(format!("K22: version {id} of {} is lost", version.slot));
                }
                version.existence = Existence::Gone;
                Ok(())
            }
            StoreError::DeleteMarker { is_named: true, .. } if version.value.is_none() => {
                match version.existence {
                    Existence::Gone => broken(format!("K6: marker {id} is back")),
                    Existence::Live | Existence::Unsure => Ok(()),
                }
            }
            StoreError::Locked if matches!(call.request, Request::DeleteVersion(..)) => {
                let was = std::mem::replace(&mut version.hold, Existence::Live);
                match was {
                    Existence::Gone => broken(format!("K23: version {id} was never held")),
                    Existence::Live | Existence::Unsure => Ok(()),
                }
            }
            _ => broken(format!("K22: {} was refused wrongly: {error}", call.request)),
        }
    }

    /// Judges a success of a request about a version.
    pub(super) fn version_success(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let Some((index, id)) = call.version() else { return Ok(()) };
        let version = &mut self.model.versions.all[index];
        match (&call.request, answer) {
            (Request::DeleteVersion(..), _) => {
                if version.hold == Existence::Live {
                    return broken(format!("K23: version {id} was held and is deleted"));
                }
                version.existence = Existence::Gone;
                self.widen(index);
                Ok(())
            }
            (Request::Protect { is_on, .. }, _) => {
                version.hold = if *is_on { Existence::Live } else { Existence::Gone };
                match version.existence {
                    Existence::Gone => broken(format!("K6: version {id} is back")),
                    Existence::Live | Existence::Unsure => Ok(()),
                }
            }
            (_, Answer::Object(info, offset, bytes)) => {
                self.version_bytes(index, info, (*offset, bytes))
            }
            _ => Ok(()),
        }
    }

    fn version_bytes(
        &mut self,
        index: usize,
        info: &ObjectInfo,
        (offset, bytes): (u64, &Bytes),
    ) -> Verdict {
        let version = &self.model.versions.all[index];
        let is_right = version.value.is_some_and(|value| info.etag == etag(value));
        if !is_right || version.existence == Existence::Gone {
            return broken(format!(
                "K22: version {} shows {:?}: {version:?}",
                version.id, info.etag
            ));
        }
        let slot = version.slot;
        if !self.model.versions.loose.contains(&slot) {
            // What a start decided stays so.
            self.model.versions.all[index].existence = Existence::Live;
        }
        self.bytes(info, offset, bytes)
    }

    /// Judges a listing of versions.
    pub(super) fn version_listing(
        &mut self,
        bucket: BucketNumber,
        found: &[(ObjectInfo, Standing)],
    ) -> Verdict {
        let names: BTreeMap<String, Slot> = self
            .model
            .objects
            .keys()
            .filter(|slot| slot.bucket == bucket)
            .map(|slot| (key_name(slot.key).as_str().to_owned(), *slot))
            .collect();
        let mut seen = BTreeSet::new();
        let mut last: Option<(&str, u64)> = None;
        for (info, standing) in found {
            let (name, id) = (info.key.as_str(), info.version.unwrap_or_default());
            let is_first = last.is_none_or(|(before, _)| before != name);
            let is_descending = last.is_none_or(|(before, order)| {
                before < name || before == name && order > order_of(id)
            });
            if !is_descending || is_first != (*standing == Standing::Current) {
                return broken(format!("K22: version {id} of {name} is out of order"));
            }
            last = Some((name, order_of(id)));
            let Some(slot) = names.get(name) else {
                return broken(format!("K22: {name} has versions and was never written"));
            };
            self.listed_version(*slot, id, info)?;
            seen.insert((*slot, id));
        }
        let lost = self.model.versions.all.iter().find(|it| {
            let is_here = it.slot.bucket == bucket && it.existence == Existence::Live;
            is_here && !seen.contains(&(it.slot, it.id))
        });
        match lost {
            Some(version) => broken(format!("K22: not listed: {version:?}")),
            None => Ok(()),
        }
    }

    fn listed_version(&self, slot: Slot, id: VersionId, info: &ObjectInfo) -> Verdict {
        let known = self.model.versions.all.iter().find(|it| it.slot == slot && it.id == id);
        let Some(version) = known else {
            return match self.model.versions.strays.contains(&slot) {
                true => Ok(()),
                false => broken(format!("K22: nobody wrote version {id} of {slot}")),
            };
        };
        let is_right = match version.value {
            None => info.is_marker,
            Some(value) => !info.is_marker && info.etag == etag(value),
        };
        if version.existence == Existence::Gone || !is_right {
            return broken(format!("K22: version {id} of {slot} is listed as {info:?}"));
        }
        Ok(())
    }
}
