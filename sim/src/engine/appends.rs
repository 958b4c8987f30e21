//! Appends: how they are drawn, asked for, and judged.
//!
//! An append names the value that it goes on: what it leaves is the pieces of that one and its own.
//! So it is a write under the condition that this value is there, and as such it is judged, alone
//! (K1), in races (K2), by the versions that it makes (K22, K24) and by the bytes that are read
//! later (K5). Without versions the object becomes one of parts; where they are kept, S3 writes a
//! new one and the store itself refuses.

use super::asked::is_write;
use super::body::{Piece, Source, etag};
use super::client::{Answer, Call, Store, attributes, bucket_name, key_name};
use super::generator::Generator;
use super::judge::{Judge, Verdict, broken};
use super::model::{Effect, Model, ObjectValue, ValueId};
use super::plan::{Condition, Request, Slot};
use super::profile::Profile;
use super::rules::Rule;
use engine::object::{
    AppendBase, AppendRequest, ETag, Join, ObjectAttributes, StoreError, VersionId,
};
use std::sync::Arc;

/// Pieces of an object that is still appended to.
const PIECES_MAX: usize = 12;

/// Bytes by which a wrong offset is beyond any object.
const FAR: u32 = 1 << 24;

/// The condition of what never takes effect: no value has that number.
pub const NEVER: Condition = Condition::Matches(u32::MAX);

/// What an append goes on, as its client knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Base {
    /// Bytes.
    size: u64,
    /// The body that its metadata name.
    described_by: Option<ValueId>,
    /// The highest number of its parts.
    last_number: u16,
}

impl Base {
    /// That of a request, as far as it is known.
    pub fn of(value: Option<ValueId>, model: &Model) -> Option<Self> {
        let Some(value) = value else { return Some(Self::default()) };
        let known = model.values.get(&value)?;
        let (described_by, last_number) = (known.described_by, known.last_number);
        Some(Self { size: known.size(), described_by, last_number })
    }
}

/// Appends.
pub async fn perform(store: &Store, seed: u64, call: &Call) -> Result<Answer, StoreError> {
    let Request::Append { slot, base, beyond, piece, value, delivery } = call.request else {
        return Ok(Answer::Done);
    };
    let known = call.base();
    let join: Join = Arc::new(move |appended, _, len| {
        let is_it = *appended == etag(piece.body) && len == u64::from(piece.len);
        (if is_it { etag(value) } else { ETag("joined to something else".to_owned()) }, None)
    });
    let request = AppendRequest {
        bucket: bucket_name(slot.bucket),
        key: key_name(slot.key),
        base: AppendBase {
            etag: base.map_or_else(|| ETag(String::new()), etag),
            size: known.size + u64::from(beyond),
            attributes: known.described_by.map_or_else(ObjectAttributes::default, attributes),
        },
        number: known.last_number + 1,
        len: (!delivery.is_halting).then_some(u64::from(piece.len)),
        join,
    };
    let body = Box::new(Source::new(seed, piece, delivery));
    store.append(request, body).await.map(Answer::Written)
}

/// What an append does to its object.
pub fn effect(base: Option<ValueId>, beyond: u32, value: ValueId) -> Effect {
    let condition = match (base, beyond) {
        (_, 1..) => NEVER,
        (Some(base), 0) => Condition::Matches(base),
        (None, 0) => Condition::Absent,
    };
    Effect { result: Some(value), condition }
}

/// What an append makes.
pub fn value_of(base: Option<ValueId>, piece: Piece, slot: Slot, model: &Model) -> ObjectValue {
    let Some((number, known)) = base.and_then(|base| Some((base, model.values.get(&base)?))) else {
        return ObjectValue { described_by: None, ..ObjectValue::whole(piece) };
    };
    let mut value = known.clone();
    value.pieces.push(piece);
    value.part_counts = known.part_counts.iter().map(|count| (*count).max(1) + 1).collect();
    if model.versions.rules.contains_key(&slot.bucket) {
        // A version that has the bytes of the last one and these.
        value.part_counts.insert(0);
    }
    (value.last_number, value.base) = (known.last_number + 1, Some(number));
    value
}

impl Model {
    /// Whether a value is another one, or that with something appended.
    pub fn goes_on(&self, value: ValueId, base: ValueId) -> bool {
        let mut at = Some(value);
        while let Some(number) = at {
            if number == base {
                return true;
            }
            at = self.values.get(&number).and_then(|value| value.base);
        }
        false
    }

    /// Whether the store may refuse to append in place: the object is a version, or would become
    /// one.
    fn may_be_version(&self, slot: Slot) -> bool {
        let Some(rules) = self.versions.rules.get(&slot.bucket) else { return false };
        let is_version = |id: VersionId| id != VersionId::Null;
        let mut of_slot = self.versions.all.iter().filter(|version| version.slot == slot);
        rules.possible().contains(&Rule::Kept)
            || self.versions.strays.contains(&slot)
            || of_slot.any(|version| is_version(version.id))
    }
}

impl Judge<'_> {
    /// Whether a request may fail because disks do.
    pub(super) fn may_fail(&self, request: &Request) -> bool {
        let tolerance = self.tolerance;
        match request {
            // A new version takes the bytes of the last one; what is annotated is looked up first.
            Request::Append { .. } | Request::Annotation { .. } => {
                tolerance.writes_fail || tolerance.reads_fail
            }
            _ if is_write(request) => tolerance.writes_fail,
            _ => tolerance.reads_fail,
        }
    }

    /// Whether an append was refused because its object is a version, or became one.
    pub(super) fn is_version_conflict(&self, request: &Request, error: &StoreError) -> bool {
        let Request::Append { slot, .. } = request else { return false };
        matches!(error, StoreError::BucketConflict) && self.model.may_be_version(*slot)
    }

    /// Judges a refusal of an append.
    pub(super) fn not_appended(&mut self, call: &Call, slot: Slot, error: &StoreError) -> Verdict {
        match error {
            StoreError::NoSuchKey => self.observe(slot, None, &call.request),
            _ if self.is_version_conflict(&call.request, error) => Ok(()),
            StoreError::PreconditionFailed | StoreError::BucketConflict => self.refused(call),
            _ => broken(format!("K1: {} was refused wrongly: {error}", call.request)),
        }
    }
}

impl Generator {
    /// Whether the next request of those that write is an append.
    pub(super) fn is_append_next(&mut self, profile: &Profile) -> bool {
        profile.requests.append > 0 && self.random().chance(250)
    }

    /// An append to what a key may have; rarely to something else, or at a wrong offset.
    pub(super) fn append(&mut self, profile: &Profile, model: &Model, slot: Slot) -> Request {
        let possible = model.objects.get(&slot).map(super::model::ObjectModel::possible);
        let possible: Vec<_> = possible.unwrap_or_default().into_iter().collect();
        let mut base = match possible.is_empty() {
            true => None,
            false => *self.random().pick(&possible),
        };
        if self.random().chance(80) && !model.values.is_empty() {
            base = model.values.keys().nth(self.random().index(model.values.len())).copied();
        }
        let value = base.and_then(|base| model.values.get(&base));
        let is_long = value.is_some_and(|value| value.pieces.len() >= PIECES_MAX);
        // Only S3 begins objects so.
        let is_idle = base.is_none() && !profile.is_s3 && self.random().chance(800);
        if is_long || is_idle {
            return self.put(profile, slot, Condition::None);
        }
        let is_wrong = self.random().chance(50);
        let beyond = *self.random().pick(&[if profile.is_s3 { FAR } else { 1 }, FAR]);
        let beyond = if is_wrong { beyond } else { 0 };
        let piece = self.piece(profile);
        let delivery = self.delivery(profile, piece.len);
        Request::Append { slot, base, beyond, piece, value: self.fresh(), delivery }
    }

    /// A write.
    pub(super) fn put(&mut self, profile: &Profile, slot: Slot, condition: Condition) -> Request {
        let piece = self.piece(profile);
        let delivery = self.delivery(profile, piece.len);
        Request::Put { slot, piece, condition, delivery }
    }
}
