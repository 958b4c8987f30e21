//! The reference model: what a store may show after what it was asked and what it answered.
//!
//! A request whose outcome nobody knows leaves several possibilities. An *errored* one has ended:
//! it took effect before its error, or shows up at the next start, in order. A *dropped* one may
//! still be on its way while its process lives. A start decides all of them.
//!
//! - Q1: a state that was seen stays until something else replaces it.

use super::annotations::Annotations;
use super::body::Piece;
use super::plan::{BucketNumber, Condition, Slot};
use super::versions::Versions;
use engine::object::UploadId;
use std::collections::{BTreeMap, BTreeSet};

/// Number of a value of an object: that of its body, or of the completion that composed it.
pub type ValueId = u32;

/// What an object can be.
pub type ObjectState = Option<ValueId>;

/// One value of an object.
#[derive(Clone, Debug)]
pub struct ObjectValue {
    /// Its bytes.
    pub pieces: Vec<Piece>,
    /// Parts that it may have; 0 for a plain object.
    pub part_counts: BTreeSet<u32>,
    /// The highest number of a part; a plain object is part 1.
    pub last_number: u16,
    /// The body that its metadata name, if they do.
    pub described_by: Option<ValueId>,
    /// What it goes on, if it was appended.
    pub base: Option<ValueId>,
}

impl ObjectValue {
    /// One that was written in one piece.
    pub fn whole(piece: Piece) -> Self {
        let (pieces, part_counts) = (vec![piece], BTreeSet::from([0]));
        Self { pieces, part_counts, last_number: 1, described_by: Some(piece.body), base: None }
    }

    /// One that was made of parts.
    pub fn composed(parts: &[(u16, Piece)]) -> Self {
        let pieces = parts.iter().map(|(_, piece)| *piece).collect();
        let part_counts = BTreeSet::from([parts.len() as u32]);
        let last_number = parts.last().map_or(0, |(number, _)| *number);
        Self { pieces, part_counts, last_number, described_by: None, base: None }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.len)).sum()
    }
}

/// What a write does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What it leaves.
    pub result: ObjectState,
    /// When it does anything.
    pub condition: Condition,
}

impl Effect {
    /// Whether it may take effect there.
    pub fn holds(&self, state: ObjectState) -> bool {
        match self.condition {
            Condition::None => true,
            Condition::Absent => state.is_none(),
            Condition::Exists => state.is_some(),
            Condition::Matches(wanted) => state == Some(wanted),
        }
    }

    fn apply(&self, state: ObjectState) -> ObjectState {
        if self.holds(state) { self.result } else { state }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    effect: Effect,
    /// The request was dropped and may take effect after others that came later.
    is_late: bool,
}

/// One object.
#[derive(Clone, Debug)]
pub struct ObjectModel {
    now: BTreeSet<ObjectState>,
    pending: Vec<Pending>,
    /// Latest time of modification that was seen.
    modified: u64,
}

impl Default for ObjectModel {
    fn default() -> Self {
        Self { now: BTreeSet::from([None]), pending: Vec::new(), modified: 0 }
    }
}

impl ObjectModel {
    /// One of which nothing is known but that it is one of those.
    pub fn of(now: BTreeSet<ObjectState>) -> Self {
        Self { now, pending: Vec::new(), modified: 0 }
    }

    /// What it can be but for what nobody knows of, and what that may still do to it.
    pub fn parts(&self) -> (BTreeSet<ObjectState>, Vec<Effect>) {
        (self.now.clone(), self.pending.iter().map(|pending| pending.effect).collect())
    }

    /// It is one of those, after many changes at once. What was dropped before may still come; so
    /// may what failed, unless a later one `is_acknowledged`.
    pub fn settle(&mut self, now: BTreeSet<ObjectState>, is_acknowledged: bool) {
        self.now = now;
        self.modified = 0;
        self.pending.retain(|pending| pending.is_late || !is_acknowledged);
    }

    /// Everything that it can be now.
    pub fn possible(&self) -> BTreeSet<ObjectState> {
        let mut states = self.now.clone();
        // Dropped requests have no order: twice over two of them is every order.
        for _ in 0..self.pending.len().min(2) {
            for pending in &self.pending {
                let after: Vec<_> =
                    states.iter().map(|state| pending.effect.apply(*state)).collect();
                states.extend(after);
            }
        }
        states
    }

    /// What it is, if that is certain.
    pub fn certain(&self) -> Option<ObjectState> {
        let is_certain = self.now.len() == 1 && self.pending.is_empty();
        self.now.first().copied().filter(|_| is_certain)
    }

    /// A write was acknowledged. `false`: it cannot have taken effect.
    pub fn acknowledge(&mut self, effect: Effect) -> bool {
        let possible = self.possible();
        let holds = possible.iter().any(|state| effect.holds(*state));
        if possible.contains(&None) {
            self.modified = 0;
        }
        self.now = BTreeSet::from([effect.result]);
        self.forget_time(effect.result);
        self.pending.retain(|pending| pending.is_late);
        holds
    }

    /// A key that may be gone begins anew.
    fn forget_time(&mut self, state: ObjectState) {
        if state.is_none() {
            self.modified = 0;
        }
    }

    /// A time of modification was seen. `false`: it went back. A delete that nobody knows of may
    /// have come between.
    pub fn note_time(&mut self, modified: u64) -> bool {
        let may_be_new = self.pending.iter().any(|pending| pending.effect.result.is_none());
        let went_back = modified < self.modified && !may_be_new;
        self.modified = modified.max(self.modified);
        !went_back
    }

    /// Nobody knows what came of a write.
    pub fn leave_open(&mut self, effect: Effect, is_late: bool) {
        self.forget_time(effect.result);
        self.pending.push(Pending { effect, is_late });
    }

    /// A condition did not hold. `false`: it did. `is_decided`: that tells what the object is.
    pub fn refuse(&mut self, effect: Effect, is_decided: bool) -> bool {
        let possible = self.possible();
        if self.pending.is_empty() && is_decided {
            self.now.retain(|state| !effect.holds(*state));
        }
        possible.iter().any(|state| !effect.holds(*state))
    }

    /// Somebody saw the object so. `false`: that cannot be.
    pub fn observe(&mut self, state: ObjectState) -> bool {
        self.forget_time(state);
        if self.now.contains(&state) {
            self.now = BTreeSet::from([state]);
            return true;
        }
        let is_possible = self.possible().contains(&state);
        let cause = self.pending.iter().rposition(|pending| pending.effect.result == state);
        if let Some(cause) = cause {
            let mut number = 0;
            self.pending.retain(|pending| {
                number += 1;
                number > cause + 1 || (pending.is_late && number != cause + 1)
            });
        }
        self.now = BTreeSet::from([state]);
        is_possible
    }

    /// It is certain that a write never took effect and never will.
    pub fn rule_out(&mut self, value: ValueId) {
        self.pending.retain(|pending| pending.effect.result != Some(value));
        if self.now.len() > 1 {
            self.now.remove(&Some(value));
        }
    }

    /// A new process: what is not there by now never comes.
    pub fn restart(&mut self) {
        self.now = self.possible();
        self.pending.clear();
    }
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It is.
    Live,
    /// It is not.
    Gone,
    /// Nobody knows until the next start.
    Unsure,
}

/// One upload.
#[derive(Clone, Debug)]
pub struct UploadModel {
    /// Where the object will be.
    pub slot: Slot,
    /// Its identity.
    pub id: UploadId,
    /// Whether it is still there.
    pub existence: Existence,
    /// What each part can be.
    pub parts: BTreeMap<u16, BTreeSet<Option<Piece>>>,
    /// What a Complete made of it, or may have made.
    pub completed: Option<(ValueId, Vec<(u16, Piece)>)>,
}

impl UploadModel {
    /// The parts, as far as each is certain; `None` when one is not.
    pub fn certain_parts(&self) -> Option<Vec<(u16, Piece)>> {
        let mut parts = Vec::new();
        for (number, states) in &self.parts {
            if states.len() != 1 {
                return None;
            }
            if let Some(Some(piece)) = states.first() {
                parts.push((*number, *piece));
            }
        }
        Some(parts)
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct BucketModel {
    /// Whether it is there.
    pub existence: Existence,
    /// Uploads that may have begun without anybody learning their identity, by key.
    pub phantoms: BTreeMap<u16, u32>,
}

/// All that a store may show.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Buckets, by number.
    pub buckets: BTreeMap<BucketNumber, BucketModel>,
    /// Objects that were ever named in the present life of their bucket.
    pub objects: BTreeMap<Slot, ObjectModel>,
    /// Values by number.
    pub values: BTreeMap<ValueId, ObjectValue>,
    /// Uploads, in order of their beginning.
    pub uploads: Vec<UploadModel>,
    /// What is known of versions.
    pub versions: Versions,
    /// What is known of annotations.
    pub annotations: Annotations,
    /// Values that some write may have left as a version that nobody knows.
    pub stray_values: BTreeMap<Slot, BTreeSet<ValueId>>,
}

impl Model {
    /// A bucket's existence.
    pub fn bucket(&self, bucket: BucketNumber) -> Existence {
        self.buckets.get(&bucket).map_or(Existence::Gone, |bucket| bucket.existence)
    }

    /// Sets a bucket's existence; when it is gone, so is all that was in it.
    pub fn set_bucket(&mut self, bucket: BucketNumber, existence: Existence) {
        let model = BucketModel { existence, phantoms: BTreeMap::new() };
        let entry = self.buckets.entry(bucket).or_insert(model);
        entry.existence = existence;
        if existence == Existence::Gone {
            entry.phantoms.clear();
            self.objects.retain(|slot, _| slot.bucket != bucket);
            self.versions.forget(bucket);
            let inside = self.uploads.iter_mut().filter(|upload| upload.slot.bucket == bucket);
            inside.for_each(|upload| upload.existence = Existence::Gone);
        }
    }

    /// One object.
    pub fn object(&mut self, slot: Slot) -> &mut ObjectModel {
        self.objects.entry(slot).or_default()
    }

    /// Whether a bucket may be empty of objects, and whether it may not.
    pub fn emptiness(&self, bucket: BucketNumber) -> (bool, bool) {
        if self.versions.rules.contains_key(&bucket) {
            return self.versions.emptiness(bucket);
        }
        let mut can = (true, false);
        for (_, object) in self.objects.iter().filter(|(slot, _)| slot.bucket == bucket) {
            let possible = object.possible();
            can.0 &= possible.contains(&None);
            can.1 |= possible.iter().any(Option::is_some);
        }
        can
    }

    /// Everything that a version that nobody knows may be.
    pub fn strays_of(&self, slot: Slot) -> impl Iterator<Item = ObjectState> {
        self.stray_values.get(&slot).into_iter().flatten().map(|value| Some(*value))
    }

    /// A new process.
    pub fn restart(&mut self) {
        self.loosen();
        self.versions.restart();
        self.annotations.restart();
        self.objects.values_mut().for_each(ObjectModel::restart);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: ValueId) -> Effect {
        Effect { result: Some(value), condition: Condition::None }
    }

    #[test]
    fn an_errored_write_shows_before_the_next_one_or_at_the_next_start() {
        let mut object = ObjectModel::default();
        assert!(object.acknowledge(put(1)));
        object.leave_open(put(2), false);
        assert!(object.observe(Some(1)));
        let mut restarted = object.clone();
        restarted.restart();
        assert!(restarted.observe(Some(2)));
        assert!(!restarted.observe(Some(1)), "seen is seen");
        assert!(object.acknowledge(put(3)));
        object.restart();
        assert_eq!(object.certain(), Some(Some(3)), "an older one cannot come after it");
    }

    #[test]
    fn a_dropped_write_may_come_late() {
        let mut object = ObjectModel::default();
        object.leave_open(put(1), true);
        assert!(object.acknowledge(put(2)));
        assert!(object.observe(Some(1)));
        assert!(!object.observe(Some(2)));
    }

    #[test]
    fn conditions_narrow_what_can_be() {
        let mut object = ObjectModel::default();
        object.leave_open(put(1), false);
        let absent = Effect { result: Some(2), condition: Condition::Absent };
        assert!(object.refuse(absent, true));
        object.restart();
        assert!(object.refuse(absent, true));
        assert_eq!(object.certain(), Some(Some(1)));
        assert!(!object.acknowledge(absent));
    }
}
