//! Annotations: how they are drawn, asked for, and judged.
//!
//! What is known of them hangs on the value that they were attached to, and on what was appended to
//! that one since: its write stays the same. Where versions are kept, S3 appends by a new write,
//! which nothing hangs on; so what hangs on a value that was appended to is not certain there.
//!
//! - K27: an annotation that was acknowledged is read as it was attached, on its object and on no
//!   other one, until it is taken away or its object goes; none comes back. A list has as many as
//!   its object says that it has.

use super::body::{Piece, Source};
use super::client::{Answer, Call, Store, bucket_name, key_name};
use super::generator::Generator;
use super::judge::{Judge, Verdict, broken};
use super::judge_race::{Racer, Said, seen};
use super::model::{Effect, Model, ObjectModel, ValueId};
use super::plan::{Annotating, Condition, Request, Slot};
use super::profile::Profile;
use super::race::{Needs, UploadPart};
use super::workloads::WHOLE;
use bytes::BytesMut;
use engine::object::{
    Address, AnnotateRequest, AnnotationListRequest, AnnotationName, Bypass, NewAnnotation,
    StoreError, UnannotateRequest, WriteCondition,
};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};

/// Names that annotations go by.
const NAME_COUNT: u8 = 3;

/// Bytes of a text at least, and at most.
const LEN_MIN: u32 = 16;
const LEN_MAX: u32 = 6000;

/// What an annotation can be.
pub type AnnotationState = Option<Piece>;

/// One annotation.
#[derive(Clone, Debug)]
struct AnnotationModel {
    now: BTreeSet<AnnotationState>,
    /// What requests may still make it of which nobody knows, and whether they may come late.
    open: Vec<(AnnotationState, bool)>,
}

impl Default for AnnotationModel {
    fn default() -> Self {
        Self { now: BTreeSet::from([None]), open: Vec::new() }
    }
}

impl AnnotationModel {
    fn possible(&self) -> BTreeSet<AnnotationState> {
        self.now.iter().copied().chain(self.open.iter().map(|(state, _)| *state)).collect()
    }

    fn settle(&mut self, state: AnnotationState) {
        self.now = BTreeSet::from([state]);
        self.open.retain(|(_, is_late)| *is_late);
    }

    fn observe(&mut self, state: AnnotationState) {
        self.now = BTreeSet::from([state]);
        self.open.retain(|(open, is_late)| *is_late || *open != state);
    }

    fn restart(&mut self) {
        self.now = self.possible();
        self.open.clear();
    }
}

/// What is known of annotations, by the value that they were attached to and by name.
#[derive(Clone, Debug, Default)]
pub struct Annotations(BTreeMap<(ValueId, u8), AnnotationModel>);

impl Annotations {
    fn of(&mut self, value: ValueId, name: u8) -> &mut AnnotationModel {
        self.0.entry((value, name)).or_default()
    }

    fn possible(&self, value: ValueId, name: u8) -> BTreeSet<AnnotationState> {
        let known = self.0.get(&(value, name));
        known.map_or_else(|| BTreeSet::from([None]), AnnotationModel::possible)
    }

    /// A new process: what is not there by now never comes.
    pub(super) fn restart(&mut self) {
        self.0.values_mut().for_each(AnnotationModel::restart);
    }
}

impl Model {
    /// The value that annotations of a value hang on, and whether that is certain.
    fn hook_of(&self, slot: Slot, value: ValueId) -> (ValueId, bool) {
        let has_versions = self.versions.rules.contains_key(&slot.bucket);
        let (mut at, mut is_certain) = (value, true);
        while let Some(base) = self.values.get(&at).and_then(|value| value.base) {
            (at, is_certain) = (base, is_certain && !has_versions);
        }
        (at, is_certain)
    }

    /// Values that the annotations of an object may hang on: of one value, or of all that it can
    /// be; and whether it is that one.
    fn hooks(&self, slot: Slot, of: Option<ValueId>) -> (BTreeSet<ValueId>, bool) {
        let values: Vec<ValueId> = match (of, self.objects.get(&slot)) {
            (Some(value), _) => vec![value],
            (None, object) => object
                .map(ObjectModel::possible)
                .unwrap_or_default()
                .into_iter()
                .flatten()
                .collect(),
        };
        let hooks: Vec<_> = values.iter().map(|value| self.hook_of(slot, *value)).collect();
        let is_certain = hooks.iter().all(|(_, is_certain)| *is_certain);
        let hooks: BTreeSet<ValueId> = hooks.into_iter().map(|(hook, _)| hook).collect();
        let is_one = hooks.len() == 1 && is_certain;
        (hooks, is_one)
    }

    /// Everything that an annotation of an object can be.
    fn annotation(&self, slot: Slot, name: u8) -> BTreeSet<AnnotationState> {
        let (hooks, is_one) = self.hooks(slot, None);
        let of = |hook: &ValueId| self.annotations.possible(*hook, name);
        let mut states: BTreeSet<_> = hooks.iter().flat_map(of).collect();
        if !is_one {
            states.insert(None);
        }
        states
    }
}

/// What a request leaves of an annotation, and of which value; `None` for one that only reads.
fn effect_of(request: &Request) -> Option<(Slot, Option<ValueId>, u8, AnnotationState)> {
    let Request::Annotation { slot, what } = request else { return None };
    match *what {
        Annotating::Attach { of, name, piece } => Some((*slot, of, name, Some(piece))),
        Annotating::Take { of, name } => Some((*slot, of, name, None)),
        Annotating::Read { .. } | Annotating::List => None,
    }
}

/// The name that a request is about.
fn name_of(request: &Request) -> Option<u8> {
    let Request::Annotation { what, .. } = request else { return None };
    match *what {
        Annotating::Attach { name, .. }
        | Annotating::Take { name, .. }
        | Annotating::Read { name } => Some(name),
        Annotating::List => None,
    }
}

/// When a request may take effect.
fn condition_of(request: &Request) -> Condition {
    let of = effect_of(request).and_then(|(_, of, ..)| of);
    of.map_or(Condition::None, Condition::Matches)
}

fn annotation_name(name: u8) -> AnnotationName {
    AnnotationName::new(&format!("note-{name}")).expect("it follows the rules")
}

/// Asks about annotations.
pub async fn perform(store: &Store, seed: u64, call: &Call) -> Result<Answer, StoreError> {
    let Request::Annotation { slot, what } = call.request else { return Ok(Answer::Done) };
    let address = Address::current(bucket_name(slot.bucket), key_name(slot.key));
    let condition = match condition_of(&call.request) {
        Condition::Matches(value) => WriteCondition::Matches(super::body::etag(value)),
        _ => WriteCondition::None,
    };
    Ok(match what {
        Annotating::Attach { name, piece, .. } => {
            let name = annotation_name(name);
            let annotation = NewAnnotation { name, note: None, len: u64::from(piece.len) };
            let seen = Vec::new();
            let request = AnnotateRequest { address, condition, seen, annotation };
            let body = Box::new(Source::new(seed, piece, WHOLE));
            store.put_annotation(request, body).await.map(|_| Answer::Done)?
        }
        Annotating::Take { name, .. } => {
            let (name, bypass) = (annotation_name(name), Bypass::No);
            let request = UnannotateRequest { address, condition, name, bypass };
            store.delete_annotation(request).await.map(|_| Answer::Done)?
        }
        Annotating::Read { name } => {
            let mut bytes = BytesMut::new();
            let mut stream = store.get_annotation(address, annotation_name(name)).await?.bytes;
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk?);
            }
            Answer::Annotation(bytes.freeze())
        }
        Annotating::List => {
            let (prefix, after, limit) = (String::new(), None, 1000);
            let request = AnnotationListRequest { address, prefix, after, limit };
            let page = store.list_annotations(request).await?;
            let named = page.annotations.iter().map(|it| (it.name.as_str().to_owned(), it.size));
            Answer::Annotations(page.object.annotation_count, named.collect())
        }
    })
}

impl Judge<'_> {
    /// Nobody knows what came of a request.
    pub(super) fn leave_annotation_open(&mut self, request: &Request, is_late: bool) {
        let Some((slot, of, name, state)) = effect_of(request) else { return };
        let (hooks, _) = self.model.hooks(slot, of);
        hooks.iter().for_each(|hook| {
            self.model.annotations.of(*hook, name).open.push((state, is_late));
        });
    }

    /// A request was acknowledged that nothing met.
    fn annotation_changed(&mut self, request: &Request) {
        let Some((slot, of, name, state)) = effect_of(request) else { return };
        let (hooks, is_one) = self.model.hooks(slot, of);
        match hooks.first() {
            Some(hook) if is_one => self.model.annotations.of(*hook, name).settle(state),
            _ => hooks.iter().for_each(|hook| {
                self.model.annotations.of(*hook, name).now.insert(state);
            }),
        }
    }

    /// Judges what was answered: K27.
    pub(super) fn annotated(&mut self, call: &Call, answer: &Answer) -> Verdict {
        let request = &call.request;
        let Request::Annotation { slot, what } = *request else { return Ok(()) };
        match (what, answer) {
            (Annotating::Read { name }, Answer::Annotation(bytes)) => {
                let possible = self.model.annotation(slot, name);
                let Some(found) = self.text_among(&possible, bytes) else {
                    return self.no_such_text(request, bytes, &possible);
                };
                self.annotation_seen(slot, name, Some(found));
                Ok(())
            }
            (Annotating::List, Answer::Annotations(count, named)) => {
                self.annotations_listed(slot, request, (*count, named))
            }
            _ => {
                if let Some(of) = effect_of(request).and_then(|(_, of, ..)| of) {
                    self.observe(slot, Some(of), request)?;
                }
                self.annotation_changed(request);
                Ok(())
            }
        }
    }

    fn text_among(&self, possible: &BTreeSet<AnnotationState>, bytes: &[u8]) -> Option<Piece> {
        let is_it = |piece: &Piece| piece.bytes(self.seed) == bytes;
        possible.iter().flatten().copied().find(is_it)
    }

    fn no_such_text(
        &self,
        request: &Request,
        bytes: &[u8],
        possible: &BTreeSet<AnnotationState>,
    ) -> Verdict {
        let len = bytes.len();
        broken(format!("K27: {request} shows other {len} bytes, possible is {possible:?}"))
    }

    /// Somebody saw an annotation so.
    fn annotation_seen(&mut self, slot: Slot, name: u8, state: AnnotationState) {
        let (hooks, is_one) = self.model.hooks(slot, None);
        if let (true, false, Some(hook)) = (is_one, self.tolerance.is_undecided, hooks.first()) {
            self.model.annotations.of(*hook, name).observe(state);
        }
    }

    fn annotations_listed(
        &mut self,
        slot: Slot,
        request: &Request,
        (count, named): (u32, &[(String, u64)]),
    ) -> Verdict {
        if count as usize != named.len() {
            return broken(format!("K27: {request} has {named:?}, {count} of them"));
        }
        let mut known = 0;
        for name in 0..NAME_COUNT {
            let text = annotation_name(name);
            let found = named.iter().find(|(named, _)| named == text.as_str());
            known += usize::from(found.is_some());
            let possible = self.model.annotation(slot, name);
            let len = |state: &AnnotationState| state.map(|piece| u64::from(piece.len));
            if !possible.iter().any(|state| len(state) == found.map(|(_, size)| *size)) {
                return broken(format!(
                    "K27: {request}: {text:?} shows as {found:?}, possible is {possible:?}"
                ));
            }
        }
        if known == named.len() {
            return Ok(());
        }
        broken(format!("K27: {request} has names that nobody gave: {named:?}"))
    }

    /// Judges a refusal.
    pub(super) fn annotation_refused(&mut self, call: &Call, error: &StoreError) -> Verdict {
        let request = &call.request;
        let Request::Annotation { slot, what } = *request else { return Ok(()) };
        match (error, what) {
            (StoreError::NoSuchKey, _) => self.observe(slot, None, request),
            (StoreError::NoSuchAnnotation, Annotating::Read { name }) => {
                let possible = self.model.annotation(slot, name);
                if !possible.contains(&None) {
                    return broken(format!("K27: {request}: it is gone, possible is {possible:?}"));
                }
                self.annotation_seen(slot, name, None);
                Ok(())
            }
            (StoreError::PreconditionFailed, _) => {
                let condition = condition_of(request);
                let effect = Effect { result: None, condition };
                let is_decided = !self.tolerance.is_undecided;
                match self.model.object(slot).refuse(effect, is_decided) {
                    true => Ok(()),
                    false => broken(format!("K1: the condition of {request} holds: refused")),
                }
            }
            // A request of which nobody knew came between.
            (StoreError::Changed, _) if self.model.object(slot).certain().is_none() => Ok(()),
            (StoreError::Locked, Annotating::Take { .. })
                if self.model.versions.lockable.contains(&slot.bucket) =>
            {
                Ok(())
            }
            _ => broken(format!("K27: {request} was refused wrongly: {error}")),
        }
    }

    /// What an answer in a race says of the key, once the rest of it is judged.
    pub(super) fn said_of_annotation(
        &mut self,
        racer: &Racer<'_>,
        racers: &[Racer<'_>],
    ) -> Result<Said, String> {
        let request = &racer.call.request;
        let condition = condition_of(request);
        Ok(match racer.answer {
            Answer::Died | Answer::Lost | Answer::Dropped => {
                self.leave_raced_open(racer, racers);
                Said::Nothing
            }
            Answer::Done => {
                self.raced_changed(racer, racers);
                Said::This(Needs::Holds(condition), None, UploadPart::None)
            }
            Answer::Annotation(bytes) => {
                let possible = self.raced_texts(request, racers);
                if self.text_among(&possible, bytes).is_none() {
                    self.no_such_text(request, bytes, &possible)?;
                }
                Said::Nothing
            }
            Answer::Error(StoreError::Unavailable(_) | StoreError::Corrupt(_)) => {
                if !self.may_fail(request) {
                    return Err(format!(
                        "K19: {request} failed without a reason: {}",
                        racer.answer
                    ));
                }
                self.leave_raced_open(racer, racers);
                Said::Nothing
            }
            Answer::Error(StoreError::PreconditionFailed) => {
                Said::This(Needs::Fails(condition), None, UploadPart::None)
            }
            Answer::Error(StoreError::NoSuchKey) => seen(None),
            Answer::Annotations(..)
            | Answer::Error(StoreError::Changed | StoreError::NoSuchAnnotation) => Said::Nothing,
            _ => {
                self.judge(racer.call, racer.answer)?;
                Said::Nothing
            }
        })
    }

    /// In a race an annotation may hang on anything that its object is meanwhile.
    fn leave_raced_open(&mut self, racer: &Racer<'_>, racers: &[Racer<'_>]) {
        let Some((slot, of, name, state)) = effect_of(&racer.call.request) else { return };
        for hook in self.raced_hooks(slot, of, racers) {
            let is_late = matches!(racer.answer, Answer::Dropped);
            self.model.annotations.of(hook, name).open.push((state, is_late));
        }
    }

    /// As [`Self::annotation_changed`], where others may have changed or read the same meanwhile.
    fn raced_changed(&mut self, racer: &Racer<'_>, racers: &[Racer<'_>]) {
        let request = &racer.call.request;
        let Some((slot, of, name, state)) = effect_of(request) else { return };
        let is_same = |it: &&Racer<'_>| name_of(&it.call.request) == Some(name);
        if of.is_some() && racers.iter().filter(is_same).count() == 1 {
            return self.annotation_changed(request);
        }
        for hook in self.raced_hooks(slot, of, racers) {
            self.model.annotations.of(hook, name).now.insert(state);
        }
    }

    fn raced_hooks(
        &self,
        slot: Slot,
        of: Option<ValueId>,
        racers: &[Racer<'_>],
    ) -> BTreeSet<ValueId> {
        let (mut hooks, _) = self.model.hooks(slot, of);
        if of.is_some() {
            return hooks;
        }
        let written = racers.iter().filter_map(|racer| {
            let (_, effect) = super::judge::effect_of(racer.call, self.model)?;
            effect.result
        });
        // One may be uncovered by a deletion in the race.
        let uncovered = self.model.states_of(slot).into_iter().flatten();
        hooks.extend(written.chain(uncovered).map(|value| self.model.hook_of(slot, value).0));
        hooks
    }

    fn raced_texts(&self, request: &Request, racers: &[Racer<'_>]) -> BTreeSet<AnnotationState> {
        let Request::Annotation { slot, what: Annotating::Read { name } } = *request else {
            return BTreeSet::new();
        };
        let hooks = self.raced_hooks(slot, None, racers);
        let known = hooks.iter().flat_map(|hook| self.model.annotations.possible(*hook, name));
        let sent = racers.iter().filter_map(|racer| {
            let (_, _, other, state) = effect_of(&racer.call.request)?;
            (other == name).then_some(state)
        });
        known.chain(sent).collect()
    }
}

impl Generator {
    /// Whether the next request that may meet others is about annotations.
    pub(super) fn is_annotation_next(&mut self, profile: &Profile) -> bool {
        profile.requests.annotation > 0 && self.random().chance(150)
    }

    /// Something about the annotations of what a key may have.
    pub(super) fn annotation(&mut self, profile: &Profile, model: &Model, slot: Slot) -> Request {
        let possible = model.objects.get(&slot).map(ObjectModel::possible).unwrap_or_default();
        let possible: Vec<ValueId> = possible.into_iter().flatten().collect();
        let is_bound = !possible.is_empty() && self.random().chance(500);
        let of = is_bound.then(|| *self.random().pick(&possible));
        let name = self.random().below(u64::from(NAME_COUNT)) as u8;
        let what = match self.random().below(10) {
            0..5 => {
                let piece = self.piece(profile);
                let piece = Piece { len: piece.len.clamp(LEN_MIN, LEN_MAX), ..piece };
                Annotating::Attach { of, name, piece }
            }
            5 => Annotating::Take { of, name },
            6..8 => Annotating::Read { name },
            _ => Annotating::List,
        };
        Request::Annotation { slot, what }
    }
}

/// What to ask of an object to see all of its annotations.
pub fn readings(model: &Model, slot: Slot) -> Vec<Request> {
    let (hooks, _) = model.hooks(slot, None);
    let is_known =
        |name: &u8| hooks.iter().any(|hook| model.annotations.0.contains_key(&(*hook, *name)));
    let names: Vec<u8> = (0..NAME_COUNT).filter(is_known).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let reads = names.into_iter().map(|name| Annotating::Read { name });
    let all = reads.chain([Annotating::List]);
    all.map(|what| Request::Annotation { slot, what }).collect()
}

/// Whether a request about annotations changes them.
pub fn changes(what: &Annotating) -> bool {
    matches!(what, Annotating::Attach { .. } | Annotating::Take { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: AnnotationState = Some(Piece { body: 1, len: 16 });

    #[test]
    fn what_nobody_knows_of_is_possible_until_something_later_is_certain() {
        let mut annotation = AnnotationModel::default();
        annotation.open.push((TEXT, false));
        assert_eq!(annotation.possible(), BTreeSet::from([None, TEXT]));
        let mut restarted = annotation.clone();
        restarted.restart();
        restarted.observe(TEXT);
        assert_eq!(restarted.possible(), BTreeSet::from([TEXT]));
        annotation.settle(None);
        annotation.restart();
        assert_eq!(annotation.possible(), BTreeSet::from([None]));
    }

    #[test]
    fn annotations_hang_on_what_is_appended_to() {
        let (slot, mut model) = (Slot { bucket: 0, key: 1 }, Model::default());
        let piece = Piece { body: 1, len: 16 };
        model.values.insert(1, super::super::model::ObjectValue::whole(piece));
        let longer = super::super::appends::value_of(Some(1), piece, slot, &model);
        model.values.insert(2, longer);
        model.object(slot).observe(Some(2));
        assert_eq!(model.hooks(slot, None), (BTreeSet::from([1]), true));
        model.annotations.of(1, 0).settle(TEXT);
        assert_eq!(model.annotation(slot, 0), BTreeSet::from([TEXT]));
        assert_eq!(model.annotation(slot, 1), BTreeSet::from([None]));
        assert_eq!(readings(&model, slot).len(), 2);
    }
}
