//! The judge of versions: what answers say of them, one by one (K22, K23).

use super::client::{Answer, Call, key_name};
use super::judge::{Judge, Verdict, broken};
use super::model::{Effect, Existence};
use super::plan::{BucketNumber, Request, Slot};
use super::rules::Rule;
use super::versions::{VersionModel, VersionState, order_of};
use bytes::Bytes;
use engine::object::{ObjectInfo, Standing, StoreError, VersionId};
use std::collections::{BTreeMap, BTreeSet};

/// One line of a listing, as far as its place matters.
struct Line<'a> {
    name: &'a str,
    id: VersionId,
    /// Its place in the model.
    index: Option<usize>,
}

impl Judge<'_> {
    /// What an answer to a write tells of versions. `after`: it was asked for after the bucket's
    /// retention by default was changed to so many days.
    pub(super) fn note_version(
        &mut self,
        call: &Call,
        answer: &Answer,
        after: Option<u32>,
    ) -> Verdict {
        let Some((slot, effect)) = super::judge::effect_of(call, self.model) else {
            return Ok(());
        };
        if !self.model.versions.rules.contains_key(&slot.bucket) {
            return Ok(());
        }
        let made = match answer {
            Answer::Written(outcome) => outcome.version,
            Answer::Deleted(outcome) => outcome.version,
            Answer::Error(
                StoreError::PreconditionFailed
                | StoreError::BucketConflict
                | StoreError::NoSuchKey
                | StoreError::NoSuchBucket
                | StoreError::NoSuchUpload
                | StoreError::InvalidPart { .. },
            ) => return Ok(()),
            _ => {
                self.leave_versions_open(slot, effect, matches!(answer, Answer::Dropped));
                return Ok(());
            }
        };
        match made {
            Some(id @ VersionId::Id(_)) => self.note_id((slot, id), (call, effect), after),
            None | Some(VersionId::Null) => {
                let batch = self.model.versions.batch;
                let state = Rule::told_by(made).null_after(effect).unwrap_or(VersionState::Gone);
                self.model.versions.null_of(slot).write(state, batch);
                Ok(())
            }
        }
    }

    fn note_id(
        &mut self,
        (slot, id): (Slot, VersionId),
        (call, effect): (&Call, Effect),
        after: Option<u32>,
    ) -> Verdict {
        let state = VersionState::of(effect.result);
        if let Some(index) = self.model.versions.find(slot, id) {
            // A completion that is asked for again tells the same version again.
            let is_same = self.model.versions.all[index].possible().contains(&state)
                && matches!(call.request, Request::Complete { .. });
            return if is_same { Ok(()) } else { broken(format!("K22: version {id} came twice")) };
        }
        let mut version = VersionModel::of(slot, id, BTreeSet::new());
        version.write(state, self.model.versions.batch);
        if effect.result.is_some() {
            version.kept = self.model.versions.kept_by_default(slot.bucket, after);
        }
        self.model.versions.all.push(version);
        Ok(())
    }

    /// Nobody knows what came of a write.
    fn leave_versions_open(&mut self, slot: Slot, effect: Effect, is_late: bool) {
        let Some(rules) = self.model.versions.rules.get(&slot.bucket) else { return };
        for rule in rules.possible() {
            match rule.null_after(effect) {
                Some(state) => self.model.versions.null_of(slot).leave_open(state, is_late),
                None => {
                    self.model.versions.strays.insert(slot);
                    let values = self.model.stray_values.entry(slot).or_default();
                    values.extend(effect.result);
                }
            }
        }
    }

    /// Nobody knows what came of a request about a version.
    pub(super) fn leave_version_open(&mut self, call: &Call, is_late: bool) {
        let Some((index, _)) = call.version() else { return };
        let now = self.model.versions.times.now;
        let version = &mut self.model.versions.all[index];
        match call.request {
            Request::DeleteVersion(..) if version.hold != Existence::Live => {
                version.kept.leave_deleted(now);
                version.leave_open(VersionState::Gone, is_late);
                let slot = version.slot;
                self.model.versions.loose.insert(slot);
                self.model.loosen();
            }
            Request::Protect { .. } => version.hold = Existence::Unsure,
            Request::Retain { .. } => version.kept.leave_open(call.until()),
            _ => {}
        }
    }

    /// The object may show another version than before: one that may have been the current one is
    /// gone.
    fn widen(&mut self, index: usize) {
        let gone = &self.model.versions.all[index];
        let slot = gone.slot;
        let is_newer = |it: &VersionModel| {
            it.slot == slot && it.existence() == Existence::Live && it.is_newer(gone)
        };
        if !self.model.versions.all.iter().any(is_newer) {
            let states = self.model.states_of(slot);
            self.model.object(slot).settle(states, false);
        }
    }

    /// Somebody saw a version so.
    fn see_version(&mut self, index: usize, state: VersionState, request: &Request) -> Verdict {
        let is_decided = !self.tolerance.is_undecided;
        let version = &mut self.model.versions.all[index];
        let known = version.possible();
        if version.observe(state, is_decided) {
            return Ok(());
        }
        let (id, slot) = (version.id, version.slot);
        match (state, known.contains(&VersionState::Gone)) {
            (VersionState::Gone, _) => broken(format!("K22: version {id} of {slot} is lost")),
            (_, true) if known.len() == 1 => {
                broken(format!("K6: version {id} of {slot} is back: {request}"))
            }
            _ => broken(format!("K22: version {id} of {slot} is {state:?}, may be {known:?}")),
        }
    }

    /// Judges a refusal of a request about a version.
    pub(super) fn version_refused(&mut self, call: &Call, error: &StoreError) -> Verdict {
        let Some((index, _)) = call.version() else {
            return broken(format!("K1: {} was refused wrongly: {error}", call.request));
        };
        match error {
            StoreError::NoSuchVersion | StoreError::NoSuchKey => {
                self.see_version(index, VersionState::Gone, &call.request)
            }
            StoreError::DeleteMarker { is_named: true, .. } => {
                self.see_version(index, VersionState::Marker, &call.request)
            }
            StoreError::Locked if matches!(call.request, Request::DeleteVersion(..)) => {
                self.locked(index)
            }
            StoreError::Locked if matches!(call.request, Request::Retain { .. }) => {
                self.not_retained(index, call)
            }
            _ => broken(format!("K22: {} was refused wrongly: {error}", call.request)),
        }
    }

    /// Judges a success of a request about a version.
    pub(super) fn version_success(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let Some((index, _)) = call.version() else { return Ok(()) };
        let batch = self.model.versions.batch;
        let version = &mut self.model.versions.all[index];
        match (&call.request, answer) {
            (Request::DeleteVersion(..), _) => {
                self.is_free(index)?;
                self.model.versions.all[index].delete(batch);
                self.widen(index);
                Ok(())
            }
            (Request::Protect { is_on, .. }, _) => {
                version.kept.is_there();
                version.hold = if *is_on { Existence::Live } else { Existence::Gone };
                self.is_not_back(index)
            }
            (Request::Retain { .. }, _) => {
                self.retained(index, call.until())?;
                self.is_not_back(index)
            }
            (_, Answer::Object(info, offset, bytes)) => {
                self.version_bytes(index, call, info, (*offset, bytes))
            }
            _ => Ok(()),
        }
    }

    fn is_not_back(&self, index: usize) -> Verdict {
        let version = &self.model.versions.all[index];
        match version.existence() {
            Existence::Gone => broken(format!("K6: version {} is back", version.id)),
            Existence::Live | Existence::Unsure => Ok(()),
        }
    }

    fn version_bytes(
        &mut self,
        index: usize,
        call: &Call,
        info: &ObjectInfo,
        (offset, bytes): (u64, &Bytes),
    ) -> Verdict {
        let value = u32::from_str_radix(&info.etag.0, 16).unwrap_or_default();
        self.see_version(index, VersionState::Value(value), &call.request)?;
        self.bytes(info, offset, bytes)
    }

    /// Judges a listing of versions.
    pub(super) fn version_listing(
        &mut self,
        bucket: BucketNumber,
        found: &[(ObjectInfo, Standing)],
    ) -> Verdict {
        if !self.model.versions.rules.contains_key(&bucket) {
            return Ok(());
        }
        let names: BTreeMap<String, Slot> = self
            .model
            .objects
            .keys()
            .filter(|slot| slot.bucket == bucket)
            .map(|slot| (key_name(slot.key).as_str().to_owned(), *slot))
            .collect();
        let mut seen = BTreeSet::new();
        let mut last: Option<Line<'_>> = None;
        for (info, standing) in found {
            let (name, id) = (info.key.as_str(), info.version.unwrap_or_default());
            let Some(slot) = names.get(name) else {
                return broken(format!("K22: {name} has versions and was never written"));
            };
            self.listed_version(*slot, id, info)?;
            let line = Line { name, id, index: self.model.versions.find(*slot, id) };
            let is_first = last.as_ref().is_none_or(|before| before.name != name);
            let is_in_order = last.as_ref().is_none_or(|before| self.is_above(before, &line));
            if !is_in_order || is_first != (*standing == Standing::Current) {
                return broken(format!("K22: version {id} of {name} is out of order"));
            }
            last = Some(line);
            seen.insert((*slot, id));
        }
        let lost = self.model.versions.all.iter().find(|it| {
            let is_here = it.slot.bucket == bucket && it.existence() == Existence::Live;
            is_here && !seen.contains(&(it.slot, it.id))
        });
        match lost {
            Some(version) => broken(format!("K22: not listed: {version:?}")),
            None => Ok(()),
        }
    }

    /// Whether a line may stand above another one: by key, then the newest first.
    fn is_above(&self, above: &Line<'_>, below: &Line<'_>) -> bool {
        if above.name != below.name {
            return above.name < below.name;
        }
        match (above.id, below.id) {
            (VersionId::Id(_), VersionId::Id(_)) => order_of(above.id) > order_of(below.id),
            (VersionId::Null, VersionId::Null) => false,
            _ => {
                let known = |line: &Line<'_>| Some(&self.model.versions.all[line.index?]);
                let pair = known(above).zip(known(below));
                pair.is_none_or(|(above, below)| !below.is_newer(above))
            }
        }
    }

    fn listed_version(&mut self, slot: Slot, id: VersionId, info: &ObjectInfo) -> Verdict {
        let Some(index) = self.model.versions.find(slot, id) else {
            return match self.model.versions.strays.contains(&slot) {
                true => Ok(()),
                false => broken(format!("K22: nobody wrote version {id} of {slot}")),
            };
        };
        let value = u32::from_str_radix(&info.etag.0, 16).unwrap_or_default();
        let state = if info.is_marker { VersionState::Marker } else { VersionState::Value(value) };
        let version = &self.model.versions.all[index];
        if version.possible().contains(&state) {
            return Ok(());
        }
        broken(format!("K22: version {id} of {slot} is listed as {info:?}: {version:?}"))
    }
}
