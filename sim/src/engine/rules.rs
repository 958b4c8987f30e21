//! What a bucket makes of writes, and how that changes while sequences write to it.
//!
//! ```text
//! Off --change--> Kept <--change--> Suspended
//! ```
//!
//! - K24: what is written follows the rules of its bucket: those that the last acknowledged change
//!   made, or, while a change is under way, these or those.

use super::asked::bucket_of;
use super::client::{Answer, Call};
use super::judge::{Judge, Verdict, broken};
use super::model::{Effect, Existence, Model};
use super::plan::{BucketNumber, Request};
use super::versions::{BATCH_LEN, VersionModel, VersionState};
use engine::object::VersionId;
use std::collections::BTreeSet;

/// What becomes of the version before when something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It is replaced, and a deletion leaves nothing: there is the null version only.
    Off,
    /// It stays.
    Kept,
    /// It stays unless it is the null version.
    Suspended,
}

impl Rule {
    /// The rule that a write followed which was answered with such a version.
    pub fn told_by(made: Option<VersionId>) -> Self {
        match made {
            None => Self::Off,
            Some(VersionId::Null) => Self::Suspended,
            Some(VersionId::Id(_)) => Self::Kept,
        }
    }

    /// The rule that a change makes.
    pub fn made_by(is_on: bool) -> Self {
        if is_on { Self::Kept } else { Self::Suspended }
    }

    /// What a write leaves as the null version, if it touches that.
    pub fn null_after(self, effect: Effect) -> Option<VersionState> {
        match (self, effect.result) {
            (Self::Kept, _) => None,
            (Self::Off, None) => Some(VersionState::Gone),
            (Self::Suspended, None) => Some(VersionState::Marker),
            (Self::Off | Self::Suspended, Some(value)) => Some(VersionState::Value(value)),
        }
    }
}

/// What is known of one rule of a bucket.
#[derive(Clone, Debug)]
pub struct RuleModel<T = Rule> {
    now: BTreeSet<T>,
    /// What changes of which nobody knows may still make it, and whether they may come late.
    pending: Vec<(T, bool)>,
    /// What it may be to others while a change is under way.
    meanwhile: BTreeSet<T>,
}

impl<T: Ord + Copy> RuleModel<T> {
    /// One that is certain.
    pub fn of(rule: T) -> Self {
        let (pending, meanwhile) = (Vec::new(), BTreeSet::new());
        Self { now: BTreeSet::from([rule]), pending, meanwhile }
    }

    /// Every rule that something written may have followed.
    pub fn possible(&self) -> BTreeSet<T> {
        let pending = self.pending.iter().map(|(rule, _)| *rule);
        self.now.iter().chain(&self.meanwhile).copied().chain(pending).collect()
    }

    /// Every rule that something may have followed which was asked for after a change to that one
    /// was acknowledged.
    pub fn possible_after(&self, changed: T) -> BTreeSet<T> {
        let late = self.pending.iter().filter(|(_, is_late)| *is_late).map(|(rule, _)| *rule);
        [changed].into_iter().chain(late).collect()
    }

    /// What it can be but for what nobody knows of, and what that may still make it.
    pub fn parts(&self) -> (BTreeSet<T>, Vec<T>) {
        (self.now.clone(), self.pending.iter().map(|(rule, _)| *rule).collect())
    }

    /// It is one of those, after many requests at once.
    pub fn settle(&mut self, now: BTreeSet<T>, is_acknowledged: bool) {
        self.now = now;
        self.pending.retain(|(_, is_late)| *is_late || !is_acknowledged);
    }

    /// A change is under way.
    pub fn begin_change(&mut self, rule: T) {
        let before = self.possible();
        self.meanwhile.extend(before);
        self.meanwhile.insert(rule);
    }

    /// Nobody knows what came of a change.
    pub fn leave_open(&mut self, rule: T, is_late: bool) {
        self.pending.push((rule, is_late));
    }

    /// Something was written that followed a rule. `false`: it cannot have been in force.
    fn observe(&mut self, rule: T, is_decided: bool) -> bool {
        let is_possible = self.possible().contains(&rule);
        if is_decided && is_possible && self.pending.is_empty() && self.meanwhile.is_empty() {
            self.now = BTreeSet::from([rule]);
        }
        is_possible
    }

    /// All that was asked at once is judged.
    pub fn end_changes(&mut self) {
        self.meanwhile.clear();
    }

    /// A new process: a change that did not come by now never comes.
    pub fn restart(&mut self) {
        self.now = self.possible();
        self.pending.clear();
        self.meanwhile.clear();
    }
}

impl Model {
    /// From here on versions of a bucket are remembered: what is in it by now are null versions.
    fn begin_versions(&mut self, bucket: BucketNumber) {
        if self.versions.rules.contains_key(&bucket) {
            return;
        }
        self.versions.rules.insert(bucket, RuleModel::of(Rule::Off));
        let inside = self.objects.iter().filter(|(slot, _)| slot.bucket == bucket);
        for (slot, object) in inside {
            let states = object.possible().into_iter().map(|state| match state {
                None => VersionState::Gone,
                Some(value) => VersionState::Value(value),
            });
            let mut version = VersionModel::of(*slot, VersionId::Null, states.collect());
            for effect in object.parts().1 {
                let state = Rule::Off.null_after(effect).unwrap_or(VersionState::Gone);
                version.leave_open(state, true);
            }
            // A life of the bucket before this one may have left one.
            *self.versions.null_of(*slot) = version;
        }
    }
}

impl Model {
    /// A bucket begins a new life, or perhaps did.
    pub(super) fn begin_anew(&mut self, request: &Request) {
        match request {
            Request::CreateVersioned(bucket) => {
                self.versions.rules.insert(*bucket, RuleModel::of(Rule::Kept));
                self.versions.lockable.insert(*bucket);
                self.versions.days.insert(*bucket, RuleModel::of(0));
            }
            Request::CreateBucket(bucket) => {
                self.versions.rules.remove(bucket);
                self.versions.lockable.remove(bucket);
                self.versions.days.remove(bucket);
            }
            _ => {}
        }
    }
}

impl Judge<'_> {
    /// Requests were asked at once: what is written may follow what was before a change among them,
    /// or what comes after it.
    pub fn begin_changes<'a>(&mut self, calls: impl Iterator<Item = &'a Call>) {
        self.model.versions.batch += BATCH_LEN;
        for call in calls {
            self.begin_default(&call.request);
            let Request::SetVersioning { bucket, is_on } = call.request else { continue };
            self.model.begin_versions(bucket);
            let rules = self.model.versions.rules.get_mut(&bucket);
            rules.into_iter().for_each(|rules| rules.begin_change(Rule::made_by(is_on)));
        }
    }

    /// All of them are judged.
    pub fn end_changes(&mut self) {
        self.model.versions.rules.values_mut().for_each(RuleModel::end_changes);
        self.model.versions.days.values_mut().for_each(RuleModel::end_changes);
    }

    /// A change was acknowledged.
    pub(super) fn changed(&mut self, bucket: BucketNumber, is_on: bool) -> Verdict {
        if let Some(rules) = self.model.versions.rules.get_mut(&bucket) {
            rules.settle(BTreeSet::from([Rule::made_by(is_on)]), true);
        }
        Ok(())
    }

    /// K24: a write that was acknowledged followed the rules.
    pub(super) fn note_rule(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let is_decided = !self.tolerance.is_undecided;
        let followed = told(call, answer, self.model).map(Rule::told_by);
        let bucket = bucket_of(&call.request, self.model);
        let rules = bucket.and_then(|bucket| self.model.versions.rules.get_mut(&bucket));
        let (Some(rule), Some(rules)) = (followed, rules) else { return Ok(()) };
        let known = rules.possible();
        if rules.observe(rule, is_decided) {
            return Ok(());
        }
        broken(format!("K24: {} followed {rule:?}, in force may be {known:?}", call.request))
    }
}

/// The version that a write was answered with, which tells the rule that it followed; `None` where
/// nothing tells.
pub fn told(call: &Call, answer: &Answer, model: &Model) -> Option<Option<VersionId>> {
    let bucket = bucket_of(&call.request, model)?;
    if !model.versions.rules.contains_key(&bucket) {
        return None;
    }
    // A completion that succeeded before tells the version of then.
    if let Request::Complete { upload, .. } = call.request
        && model.uploads[upload].existence != Existence::Live
    {
        return None;
    }
    match (&call.request, answer) {
        (_, Answer::Written(outcome)) => Some(outcome.version),
        (Request::Delete { .. }, Answer::Deleted(outcome)) => Some(outcome.version),
        _ => None,
    }
}
