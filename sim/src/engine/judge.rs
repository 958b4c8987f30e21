//! The judge: holds answers against the model. Every broken promise is one sentence.

use super::appends;
use super::asked::{bucket_of, is_breaking_off, is_write, takes_room};
use super::body::{etag, is_at};
use super::client::{Answer, Call, attributes, key_name};
use super::model::{Effect, Existence, Model, ObjectState, ObjectValue, UploadModel};
use super::plan::{BucketNumber, Condition, Request, Slot};
use super::rules::{Rule, RuleModel};
use engine::object::{ObjectInfo, PutOutcome, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// What may go wrong just now without breaking a promise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tolerance {
    /// More was lost than is survived: reads may fail.
    pub reads_fail: bool,
    /// More may be lost than is survived: disks that are too few to take writes may show, or not
    /// show, what was never acknowledged, and others may contradict them later.
    pub is_undecided: bool,
    /// Writes may fail.
    pub writes_fail: bool,
    /// There may be no room.
    pub is_full: bool,
    /// There may be no room for what makes room, either: others took the reserve.
    pub is_stuffed: bool,
    /// More was lost than anybody could notice: older states may show. Bytes are judged all the
    /// same.
    pub is_forgetful: bool,
}

/// A broken promise.
pub type Verdict = Result<(), String>;

pub(super) fn broken(text: impl Into<String>) -> Verdict {
    Err(text.into())
}

/// What a request writes, if it writes an object.
pub fn effect_of(call: &Call, model: &Model) -> Option<(Slot, Effect)> {
    match &call.request {
        Request::Put { slot, piece, condition, .. } => {
            Some((*slot, Effect { result: Some(piece.body), condition: *condition }))
        }
        Request::Append { slot, base, beyond, value, .. } => {
            Some((*slot, appends::effect(*base, *beyond, *value)))
        }
        Request::Delete { slot, condition } => {
            Some((*slot, Effect { result: None, condition: *condition }))
        }
        Request::Complete { upload, condition, .. } => {
            let upload = model.uploads.get(*upload)?;
            let (value, _) = call.completion()?;
            let effect = Effect { result: Some(*value), condition: *condition };
            (upload.existence != Existence::Gone).then_some((upload.slot, effect))
        }
        _ => None,
    }
}

/// Judges one answer and brings the model up to date.
pub struct Judge<'a> {
    /// The model.
    pub model: &'a mut Model,
    /// Seed of the bodies.
    pub seed: u64,
    /// What is forgiven.
    pub tolerance: Tolerance,
}

impl Judge<'_> {
    /// Judges an answer.
    ///
    /// # Errors
    /// The broken promise.
    pub fn judge(&mut self, call: &Call, answer: &Answer) -> Verdict {
        self.note_value(call);
        self.model.loosen();
        if !self.tolerance.is_forgetful {
            self.note_rule(call, answer)?;
            self.note_version(call, answer, None)?;
        }
        match answer {
            Answer::Object(info, offset, bytes) if self.tolerance.is_forgetful => {
                self.bytes(info, *offset, bytes)
            }
            _ if self.tolerance.is_forgetful => {
                self.leave_open(call, false);
                Ok(())
            }
            Answer::Hung => broken(format!("K9: {} got no answer", call.request)),
            Answer::Died | Answer::Lost => {
                self.leave_open(call, false);
                Ok(())
            }
            Answer::Dropped => {
                self.leave_open(call, true);
                Ok(())
            }
            Answer::Error(error) => self.error(call, error),
            _ => self.success(call, answer),
        }
    }

    /// Values are known before anybody can see them.
    pub(super) fn note_value(&mut self, call: &Call) {
        if let Request::CreateVersioned(bucket) = call.request {
            let rules = self.model.versions.rules.entry(bucket);
            rules.or_insert_with(|| RuleModel::of(Rule::Kept));
            self.model.versions.lockable.insert(bucket);
            self.model.versions.days.entry(bucket).or_insert_with(|| RuleModel::of(0));
            self.model.versions.times.note(false);
        }
        let value = match &call.request {
            Request::Put { piece, .. } => Some((piece.body, ObjectValue::whole(*piece))),
            Request::Append { slot, base, beyond: 0, piece, value, .. } => {
                Some((*value, appends::value_of(*base, *piece, *slot, self.model)))
            }
            Request::Complete { upload, .. } => call.completion().map(|(value, parts)| {
                self.model.uploads[*upload].completed = Some((*value, parts.clone()));
                (*value, ObjectValue::composed(parts))
            }),
            _ => None,
        };
        if let Some((number, value)) = value {
            self.model.values.entry(number).or_insert(value);
        }
    }

    /// Nobody knows what came of a request.
    fn leave_open(&mut self, call: &Call, is_late: bool) {
        self.leave_version_open(call, is_late);
        self.leave_annotation_open(&call.request, is_late);
        if let Some((slot, effect)) = effect_of(call, self.model) {
            self.model.object(slot).leave_open(effect, is_late);
        }
        match &call.request {
            Request::CreateBucket(bucket) | Request::CreateVersioned(bucket)
                if self.model.bucket(*bucket) == Existence::Gone =>
            {
                self.model.set_bucket(*bucket, Existence::Unsure);
                self.model.begin_anew(&call.request);
            }
            Request::CreateBucket(bucket) if self.model.bucket(*bucket) == Existence::Unsure => {
                let rules = self.model.versions.rules.get_mut(bucket);
                rules.into_iter().for_each(|rules| rules.leave_open(Rule::Off, true));
            }
            Request::CreateVersioned(_) | Request::SetRetention { .. } => {
                self.leave_default_open(&call.request, is_late);
            }
            Request::DeleteBucket(bucket) if self.model.bucket(*bucket) == Existence::Live => {
                self.model.set_bucket(*bucket, Existence::Unsure);
            }
            Request::SetVersioning { bucket, is_on } => {
                if let Some(rules) = self.model.versions.rules.get_mut(bucket) {
                    rules.leave_open(Rule::made_by(*is_on), is_late);
                }
            }
            Request::CreateUpload(slot) => {
                if let Some(bucket) = self.model.buckets.get_mut(&slot.bucket) {
                    *bucket.phantoms.entry(slot.key).or_default() += 1;
                }
            }
            Request::Complete { upload, .. } | Request::Abort(upload) => {
                let upload = &mut self.model.uploads[*upload];
                if upload.existence == Existence::Live {
                    upload.existence = Existence::Unsure;
                }
            }
            Request::PutPart { upload, number, piece, .. } => {
                let states = self.model.uploads[*upload].parts.entry(*number);
                states.or_insert_with(|| BTreeSet::from([None])).insert(Some(*piece));
            }
            _ => {}
        }
    }

    fn error(&mut self, call: &Call, error: &StoreError) -> Verdict {
        let is_write = is_write(&call.request);
        match error {
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => {
                let is_tolerated = self.may_fail(&call.request);
                self.leave_open(call, false);
                if is_tolerated { Ok(()) } else { self.unexpected(call, error) }
            }
            StoreError::OutOfSpace if self.tolerance.is_full && takes_room(&call.request) => Ok(()),
            StoreError::OutOfSpace if self.tolerance.is_stuffed && is_write => Ok(()),
            StoreError::Busy(_) if is_write => Ok(()),
            StoreError::Body(_) if is_breaking_off(&call.request) => Ok(()),
            StoreError::OutOfSpace | StoreError::Busy(_) | StoreError::Body(_) => {
                self.unexpected(call, error)
            }
            _ => self.refusal(call, error),
        }
    }

    fn unexpected(&self, call: &Call, error: &StoreError) -> Verdict {
        broken(format!("K19: {} failed without a reason: {error}", call.request))
    }

    /// A refusal says something about what is there.
    fn refusal(&mut self, call: &Call, error: &StoreError) -> Verdict {
        let request = &call.request;
        match (error, request) {
            (StoreError::NoSuchBucket, _) => self.is_bucket(request, Existence::Gone),
            _ if call.version().is_some() => self.version_refused(call, error),
            (
                StoreError::BucketExists { .. },
                Request::CreateBucket(bucket) | Request::CreateVersioned(bucket),
            ) => self.is_bucket_state(*bucket, Existence::Live),
            (StoreError::BucketNotEmpty, Request::DeleteBucket(bucket)) => {
                match self.model.emptiness(*bucket) {
                    (_, true) => Ok(()),
                    _ => broken(format!("K6: bucket {bucket} should be empty and is not")),
                }
            }
            (StoreError::NoSuchKey, Request::Get { slot, .. })
            | (StoreError::NoSuchKey, Request::Head(slot) | Request::Hold(slot)) => {
                self.observe(*slot, None, request)
            }
            (_, Request::Append { slot, .. }) => self.not_appended(call, *slot, error),
            (_, Request::Annotation { .. }) => self.annotation_refused(call, error),
            (StoreError::PreconditionFailed | StoreError::NoSuchKey, _) => self.refused(call),
            (StoreError::NoSuchUpload, _) => self.no_upload(call),
            // One that is asked for again names the parts of then.
            (StoreError::InvalidPart { .. }, Request::Complete { upload, .. })
                if self.model.uploads[*upload].certain_parts().is_none()
                    || self.model.uploads[*upload].existence == Existence::Unsure =>
            {
                Ok(())
            }
            _ => broken(format!("K1: {request} was refused wrongly: {error}")),
        }
    }

    pub(super) fn refused(&mut self, call: &Call) -> Verdict {
        let Some((slot, effect)) = effect_of(call, self.model) else {
            return broken(format!("K1: {} has no condition", call.request));
        };
        let is_decided = !self.tolerance.is_undecided;
        let object = self.model.object(slot);
        if effect.condition != Condition::None && object.refuse(effect, is_decided) {
            return Ok(());
        }
        broken(format!("K1: the condition of {} holds and was refused", call.request))
    }

    fn no_upload(&mut self, call: &Call) -> Verdict {
        let index = match call.request {
            Request::PutPart { upload, .. }
            | Request::Complete { upload, .. }
            | Request::Abort(upload)
            | Request::ListParts(upload) => upload,
            _ => return broken(format!("K8: {} names no upload", call.request)),
        };
        match self.model.uploads[index].existence {
            Existence::Live => broken(format!("K8: upload {index} is gone")),
            Existence::Gone | Existence::Unsure => Ok(()),
        }
    }

    fn is_bucket(&self, request: &Request, existence: Existence) -> Verdict {
        let bucket = bucket_of(request, self.model);
        bucket.map_or(Ok(()), |bucket| self.is_bucket_state(bucket, existence))
    }

    fn is_bucket_state(&self, bucket: BucketNumber, existence: Existence) -> Verdict {
        let known = self.model.bucket(bucket);
        if known == existence || known == Existence::Unsure {
            return Ok(());
        }
        broken(format!("K1: bucket {bucket} is {known:?} but shows as {existence:?}"))
    }

    pub(super) fn observe(&mut self, slot: Slot, state: ObjectState, request: &Request) -> Verdict {
        let object = self.model.object(slot);
        let possible = object.possible();
        let is_undecided = self.tolerance.is_undecided && possible.len() > 1;
        if is_undecided && possible.contains(&state) || object.observe(state) {
            return Ok(());
        }
        let key = key_name(slot.key);
        let check = match state {
            None if self.tolerance.reads_fail => "K16",
            _ if possible.contains(&None) && possible.len() == 1 => "K6",
            _ => "K4",
        };
        broken(format!("{check}: {request}: {key} shows {state:?}, possible is {possible:?}"))
    }

    fn success(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let bucket = bucket_of(&call.request, self.model);
        let creates = matches!(
            call.request,
            Request::CreateBucket(_) | Request::CreateVersioned(_) | Request::ListBuckets
        );
        if let Some(bucket) = bucket.filter(|_| !creates) {
            self.is_bucket_state(bucket, Existence::Live)?;
        }
        match (&call.request, answer) {
            _ if call.version().is_some() => self.version_success(call, answer),
            (Request::ListVersions(bucket), Answer::Versions(found)) => {
                self.version_listing(*bucket, found)
            }
            (Request::SetVersioning { bucket, is_on }, _) => self.changed(*bucket, *is_on),
            (Request::SetRetention { .. } | Request::SetEncryption { .. }, _) => {
                self.default_changed(&call.request);
                Ok(())
            }
            (Request::Annotation { .. }, _) => self.annotated(call, answer),
            (Request::CreateBucket(bucket) | Request::CreateVersioned(bucket), _) => {
                self.is_bucket_state(*bucket, Existence::Gone)?;
                self.model.set_bucket(*bucket, Existence::Gone);
                self.model.set_bucket(*bucket, Existence::Live);
                self.model.begin_anew(&call.request);
                if matches!(call.request, Request::CreateVersioned(_)) {
                    self.model.versions.times.note(true);
                }
                Ok(())
            }
            (Request::DeleteBucket(bucket), _) => {
                let (can_be_empty, _) = self.model.emptiness(*bucket);
                self.model.set_bucket(*bucket, Existence::Gone);
                if can_be_empty { Ok(()) } else { broken("K4: a bucket with objects was deleted") }
            }
            (Request::ListBuckets, Answer::Buckets(names)) => self.buckets(names),
            (Request::Delete { slot, .. }, _) => self.acknowledge(*slot, call),
            (
                Request::Put { slot, .. } | Request::Append { slot, .. },
                Answer::Written(outcome),
            ) => self.written(*slot, call, outcome),
            (Request::Complete { upload, .. }, Answer::Written(outcome)) => {
                self.completed(*upload, call, outcome)
            }
            (Request::Get { slot, .. }, Answer::Object(info, offset, bytes)) => {
                self.object(*slot, info, &call.request)?;
                self.bytes(info, *offset, bytes)
            }
            (Request::Head(slot), Answer::Info(info)) => self.object(*slot, info, &call.request),
            (Request::Hold(slot), Answer::Held(reader)) => {
                self.object(*slot, reader.info(), &call.request)
            }
            (Request::List { bucket, is_rolled, .. }, Answer::Listed(entries)) => {
                self.listing(*bucket, *is_rolled, entries)
            }
            _ => self.upload_success(call, answer),
        }
    }

    fn upload_success(&mut self, call: &Call, answer: &Answer) -> Verdict {
        match (&call.request, answer) {
            (Request::CreateUpload(slot), Answer::Upload(id)) => {
                let is_new = self.model.uploads.iter().all(|upload| upload.id != *id);
                self.begin_upload(*slot, *id);
                if is_new { Ok(()) } else { broken("K8: an upload's identity came twice") }
            }
            (Request::PutPart { upload, number, piece, .. }, Answer::Part(part)) => {
                let model = &mut self.model.uploads[*upload];
                let is_right = part.etag == etag(piece.body) && part.size == u64::from(piece.len);
                model.parts.insert(*number, BTreeSet::from([Some(*piece)]));
                if model.existence == Existence::Gone || !is_right {
                    return broken(format!("K8: part {number} went to upload {upload}: {part:?}"));
                }
                Ok(())
            }
            (Request::Abort(upload), _) => {
                let was = self.model.uploads[*upload].existence;
                self.model.uploads[*upload].existence = Existence::Gone;
                match was {
                    Existence::Gone => broken(format!("K8: upload {upload} was aborted twice")),
                    Existence::Live | Existence::Unsure => Ok(()),
                }
            }
            (Request::ListParts(upload), Answer::Parts(parts)) => self.parts(*upload, parts),
            (Request::ListUploads(bucket), Answer::Uploads(found)) => self.uploads(*bucket, found),
            _ => Ok(()),
        }
    }

    pub(super) fn begin_upload(&mut self, slot: Slot, id: engine::object::UploadId) {
        let (existence, parts) = (Existence::Live, BTreeMap::new());
        self.model.uploads.push(UploadModel { slot, id, existence, parts, completed: None });
    }

    fn acknowledge(&mut self, slot: Slot, call: &Call) -> Verdict {
        let Some((_, effect)) = effect_of(call, self.model) else { return Ok(()) };
        let is_possible = self.model.object(slot).acknowledge(effect);
        if is_possible {
            return Ok(());
        }
        broken(format!("K1: the condition of {} does not hold and was met", call.request))
    }

    fn written(&mut self, slot: Slot, call: &Call, outcome: &PutOutcome) -> Verdict {
        self.acknowledge(slot, call)?;
        let Some((_, Effect { result: Some(value), .. })) = effect_of(call, self.model) else {
            return Ok(());
        };
        let size = self.model.values[&value].size();
        if outcome.etag != etag(value) || outcome.size != size {
            return broken(format!("K1: value {value} was written as {outcome:?}"));
        }
        self.modified(slot, outcome.modified)
    }

    /// K7: the time of modification of a key never goes back.
    fn modified(&mut self, slot: Slot, modified: u64) -> Verdict {
        // 0: the protocol does not tell.
        if modified > 0 && !self.model.object(slot).note_time(modified) {
            return broken(format!("K7: Last-Modified of {} went back", key_name(slot.key)));
        }
        Ok(())
    }

    fn completed(&mut self, upload: usize, call: &Call, outcome: &PutOutcome) -> Verdict {
        let (slot, was) = (self.model.uploads[upload].slot, self.model.uploads[upload].existence);
        if was == Existence::Live {
            let verdict = self.written(slot, call, outcome);
            self.model.uploads[upload].existence = Existence::Gone;
            return verdict;
        }
        // It may have succeeded before, and then the object is still the one that it made.
        let Some((value, _)) = call.completion() else { return Ok(()) };
        if let Some((_, effect)) = effect_of(call, self.model) {
            self.model.object(slot).leave_open(effect, false);
        }
        self.model.uploads[upload].existence = Existence::Gone;
        // Or that with something appended.
        let shown = u32::from_str_radix(&outcome.etag.0, 16).ok();
        if !shown.is_some_and(|shown| self.model.goes_on(shown, *value)) {
            return broken(format!("K8: a repeated Complete answered {outcome:?}"));
        }
        self.observe(slot, shown, &call.request)
    }

    /// Judges an object's metadata.
    pub(super) fn object(&mut self, slot: Slot, info: &ObjectInfo, request: &Request) -> Verdict {
        let value = u32::from_str_radix(&info.etag.0, 16).ok();
        let known = value.and_then(|value| Some((value, self.model.values.get(&value)?)));
        let Some((value, known)) = known else {
            return broken(format!("K5: {request} shows what was never written: {info:?}"));
        };
        let described_by = known.described_by;
        let has_attributes = described_by.is_none_or(|body| info.attributes == attributes(body));
        let is_right = info.size == known.size()
            && known.part_counts.contains(&info.part_count)
            && info.key == key_name(slot.key)
            && has_attributes;
        if !is_right {
            return broken(format!("K5: {request} shows value {value} wrongly: {info:?}"));
        }
        self.observe(slot, Some(value), request)?;
        if self.model.object(slot).possible().len() > 1 {
            return Ok(());
        }
        self.modified(slot, info.modified)
    }

    /// Judges bytes of an object: K5.
    ///
    /// # Errors
    /// The broken promise.
    pub fn bytes(&self, info: &ObjectInfo, offset: u64, bytes: &[u8]) -> Verdict {
        let value = u32::from_str_radix(&info.etag.0, 16).ok();
        let known = value.and_then(|value| self.model.values.get(&value));
        let is_right = known.is_some_and(|known| is_at(self.seed, &known.pieces, offset, bytes));
        if is_right {
            return Ok(());
        }
        let (key, etag, len) = (&info.key, &info.etag.0, bytes.len());
        broken(format!("K5: {len} bytes at {offset} of value {etag} of {key} are wrong"))
    }
}
