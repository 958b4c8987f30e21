//! The judge of races: requests that met on one key are judged together, by whether any order of
//! them explains every answer (K2).

use super::asked::is_write;
use super::body::{Piece, etag};
use super::client::{Answer, Call, key_name};
use super::judge::{Judge, Verdict, broken, effect_of};
use super::judge_chains::{Chain, names_versions, perhaps_sets, untold};
use super::model::{Effect, Existence, ObjectModel, ObjectState};
use super::plan::{Condition, Request, Slot};
use super::race::{Makes, Needs, RACE_MAX, RaceState, Raced, UploadPart, outcomes, second_opinion};
use super::rules::Rule;
use engine::object::{ListEntry, ObjectInfo, StoreError};
use std::collections::BTreeSet;

/// A request of a race, its answer, and when it began and ended.
pub struct Racer<'a> {
    /// The request.
    pub call: &'a Call,
    /// The answer.
    pub answer: &'a Answer,
    /// When it began, in a count of all beginnings and ends.
    pub begin: u64,
    /// When it was answered.
    pub end: u64,
}

/// What an answer says of the key.
#[derive(Clone, Copy)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// That much.
    This(Needs, Option<ObjectState>, UploadPart),
    /// That the request may have taken effect.
    Perhaps(Effect, UploadPart),
}

impl Judge<'_> {
    /// Judges what met on one key.
    ///
    /// # Errors
    /// The broken promise.
    pub fn race(&mut self, slot: Slot, racers: &[Racer<'_>]) -> Verdict {
        racers.iter().for_each(|racer| self.note_value(racer.call));
        self.model.loosen();
        if self.tolerance.is_forgetful {
            return racers.iter().try_for_each(|racer| self.judge(racer.call, racer.answer));
        }
        // A race that cannot be searched through tells of versions one by one.
        let (_, changes) = self.rules_of(slot.bucket);
        let is_small = racers.len() + changes.len() <= RACE_MAX && !self.tolerance.is_undecided;
        let chain = self.chain_of(slot).filter(|_| is_small);
        self.note_told_versions(racers)?;
        let upload = racers.iter().find_map(|racer| upload_of(&racer.call.request));
        // What is listed or read may be what deletions in the race took away: those come last.
        let mut said = vec![Said::Nothing; racers.len()];
        for (racer, said) in racers.iter().zip(&mut said) {
            if racer.call.version().is_none() {
                *said = self.said(slot, racer, racers)?;
            }
        }
        for (racer, said) in racers.iter().zip(&mut said) {
            if racer.call.version().is_some() {
                *said = self.said_of_version(racer, chain.is_some())?;
            }
        }
        self.leave_untold_versions(racers)?;
        let race = self.entries(slot, racers, &said);
        let initial = self.initial(slot, upload, racers, chain.as_ref());
        let is_lenient = self.tolerance.is_undecided
            || race.len() > RACE_MAX
            || chain.is_none() && names_versions(racers);
        let after = match is_lenient {
            true => self.anything(slot, &initial, &race),
            false => outcomes(&initial, &race),
        };
        if after.is_empty() {
            let (check, told) = (check_of(&initial, &race), told(slot, racers));
            return broken(format!("{check}: no order explains what met on {told}"));
        }
        if !is_lenient && second_opinion(&initial, &race) == Some(false) {
            return broken(format!("K2: two searches disagree on {}", told(slot, racers)));
        }
        self.conclude(slot, upload, &after, (racers, &said));
        if chain.is_some() && !is_lenient {
            self.settle_chains(slot, &after);
        }
        Ok(())
    }

    /// Everything that may take effect in a race.
    fn entries(&mut self, slot: Slot, racers: &[Racer<'_>], said: &[Said]) -> Vec<Raced> {
        let (_, pending) = self.model.object(slot).parts();
        let (_, changes) = self.rules_of(slot.bucket);
        let mut race: Vec<Raced> = pending.iter().map(|effect| perhaps(*effect, 0)).collect();
        race.extend(changes.into_iter().map(perhaps_sets));
        for (racer, said) in racers.iter().zip(said) {
            let makes = self.makes_of(racer);
            race.extend(raced(racer, *said).map(|raced| Raced { makes, ..raced }));
        }
        race
    }

    /// Everything that there may be before a race.
    fn initial(
        &mut self,
        slot: Slot,
        upload: Option<usize>,
        racers: &[Racer<'_>],
        chain: Option<&Chain>,
    ) -> BTreeSet<RaceState> {
        let (now, _) = self.model.object(slot).parts();
        let (rules, _) = self.rules_of(slot.bucket);
        let part = raced_part(racers);
        let known = part.and_then(|number| self.known_part(upload, number));
        let known = known.map_or(0, |piece| piece.body);
        let existence = upload.map_or(Existence::Gone, |index| self.model.uploads[index].existence);
        let alive: &[Option<u32>] = match existence {
            Existence::Live => &[Some(known)],
            Existence::Gone => &[None],
            Existence::Unsure => &[None, Some(known)],
        };
        let mut initial = BTreeSet::new();
        for part in alive {
            for rule in &rules {
                initial.extend(match chain {
                    Some(chain) => {
                        vec![RaceState { chain: chain.clone(), part: *part, rule: *rule }]
                    }
                    None => now.iter().map(|it| RaceState::of(*it, *part, *rule)).collect(),
                });
            }
        }
        initial
    }

    /// Every state that there may be when nothing is certain.
    fn anything(
        &self,
        slot: Slot,
        initial: &BTreeSet<RaceState>,
        race: &[Raced],
    ) -> BTreeSet<RaceState> {
        let mut states: BTreeSet<ObjectState> = initial.iter().map(RaceState::object).collect();
        states.extend(race.iter().filter_map(|raced| raced.leaves));
        let mut alive: BTreeSet<Option<u32>> = initial.iter().map(|state| state.part).collect();
        let mut rules: BTreeSet<Rule> = initial.iter().map(|state| state.rule).collect();
        for raced in race {
            match raced.upload {
                UploadPart::Ends | UploadPart::EndsWith(_) => alive.insert(None),
                UploadPart::Sets(body) => alive.insert(Some(body)),
                _ => false,
            };
            match raced.makes {
                Makes::Sets(rule) => rules.insert(rule),
                Makes::Drops(_) => {
                    states.extend(self.model.states_of(slot));
                    false
                }
                _ => false,
            };
        }
        let mut all = BTreeSet::new();
        for (part, rule) in alive.iter().flat_map(|part| rules.iter().map(move |it| (part, it))) {
            all.extend(states.iter().map(|state| RaceState::of(*state, *part, *rule)));
        }
        all
    }

    /// Brings the model up to date.
    fn conclude(
        &mut self,
        slot: Slot,
        upload: Option<usize>,
        after: &BTreeSet<RaceState>,
        (racers, said): (&[Racer<'_>], &[Said]),
    ) {
        let is_acknowledged = !self.tolerance.is_undecided
            && said.iter().any(|said| matches!(said, Said::This(_, Some(_), _)));
        let object = self.model.object(slot);
        object.settle(after.iter().map(RaceState::object).collect(), is_acknowledged);
        for (racer, said) in racers.iter().zip(said) {
            if let Said::Perhaps(effect, _) = said {
                object.leave_open(*effect, matches!(racer.answer, Answer::Dropped));
            }
        }
        if let Some(index) = upload {
            let parts: BTreeSet<u32> = after.iter().filter_map(|state| state.part).collect();
            let is_gone = after.iter().any(|state| state.part.is_none());
            self.model.uploads[index].existence = match (parts.is_empty(), is_gone) {
                (true, _) => Existence::Gone,
                (false, false) => Existence::Live,
                (false, true) => Existence::Unsure,
            };
            self.settle_part(index, &parts, racers);
        }
        self.settle_rules(slot, after, (racers, said));
    }

    /// What an answer says of the key, once everything else about it is judged.
    fn said(
        &mut self,
        slot: Slot,
        racer: &Racer<'_>,
        racers: &[Racer<'_>],
    ) -> Result<Said, String> {
        let request = &racer.call.request;
        let wrong = |text: &str| Err(format!("{text}: {request}"));
        Ok(match (request, racer.answer) {
            (_, Answer::Hung) => return wrong("K9: no answer"),
            (Request::Annotation { .. }, _) => self.said_of_annotation(racer, racers)?,
            // They are about the bucket alone.
            (Request::SetRetention { .. } | Request::SetEncryption { .. }, _) => {
                self.judge(racer.call, racer.answer)?;
                Said::Nothing
            }
            (_, Answer::Died | Answer::Lost | Answer::Dropped) => self.perhaps(racer.call, racers),
            (_, Answer::Error(error)) => self.refusal_in_race(racer, error, racers)?,
            (Request::Put { .. } | Request::Append { .. }, Answer::Written(outcome)) => {
                let Some((_, effect)) = effect_of(racer.call, self.model) else {
                    return wrong("K1: nothing was to be written");
                };
                let value = effect.result.unwrap_or_default();
                let size = self.model.values[&value].size();
                if outcome.etag != etag(value) || outcome.size != size {
                    return wrong("K1: written as something else");
                }
                Said::This(Needs::Holds(effect.condition), Some(effect.result), UploadPart::None)
            }
            (Request::Complete { .. }, Answer::Written(_)) => match racer.call.completion() {
                Some((value, _)) => {
                    let needs = Needs::Holds(condition_of(request));
                    Said::This(needs, Some(Some(*value)), end_of(racer.call, racers))
                }
                None => return wrong("K8: nothing was to be completed"),
            },
            (Request::Delete { condition, .. }, _) => {
                Said::This(Needs::Holds(*condition), Some(None), UploadPart::None)
            }
            (Request::PutPart { number, piece, .. }, Answer::Part(part)) => {
                if part.etag != etag(piece.body) || part.size != u64::from(piece.len) {
                    return Err(format!("K8: part {number} was written as {part:?}"));
                }
                Said::This(Needs::Nothing, None, UploadPart::Sets(piece.body))
            }
            (Request::Abort(_), _) => Said::This(Needs::Nothing, None, UploadPart::Ends),
            (Request::SetVersioning { .. }, _) => {
                Said::This(Needs::Nothing, None, UploadPart::None)
            }
            (Request::Get { .. }, Answer::Object(info, offset, bytes)) => {
                self.bytes(info, *offset, bytes)?;
                seen(Some(self.value_of(slot, info, request)?))
            }
            (Request::Head(_), Answer::Info(info)) => {
                seen(Some(self.value_of(slot, info, request)?))
            }
            (Request::List { bucket, .. }, Answer::Listed(entries)) => {
                let state = self.listed(slot, entries, request)?;
                self.listing_beside(slot, *bucket, entries, racers)?;
                seen(state)
            }
            _ => return wrong("K1: an answer of another kind"),
        })
    }

    fn perhaps(&self, call: &Call, racers: &[Racer<'_>]) -> Said {
        let upload = match call.request {
            Request::Complete { .. } => end_of(call, racers),
            Request::Abort(_) => UploadPart::Ends,
            Request::PutPart { piece, .. } => UploadPart::Sets(piece.body),
            _ => UploadPart::None,
        };
        match (effect_of(call, self.model), &call.request) {
            (Some((_, effect)), _) => Said::Perhaps(effect, upload),
            // It leaves the object alone.
            (None, Request::Abort(_) | Request::PutPart { .. } | Request::SetVersioning { .. }) => {
                Said::Perhaps(NO_EFFECT, upload)
            }
            (None, _) => Said::Nothing,
        }
    }

    fn refusal_in_race(
        &mut self,
        racer: &Racer<'_>,
        error: &StoreError,
        racers: &[Racer<'_>],
    ) -> Result<Said, String> {
        let call = racer.call;
        let request = &call.request;
        Ok(match (error, request) {
            (StoreError::Unavailable(_) | StoreError::Corrupt(_), _) => {
                match self.may_fail(request) {
                    true if is_write(request) => self.perhaps(call, racers),
                    true => Said::Nothing,
                    false => {
                        return Err(format!("K19: {request} failed without a reason: {error}"));
                    }
                }
            }
            (
                StoreError::NoSuchKey,
                Request::Get { .. } | Request::Head(_) | Request::Append { .. },
            ) => seen(None),
            _ if self.is_version_conflict(request, error) => Said::Nothing,
            (StoreError::BucketConflict, Request::Append { .. }) => {
                Said::This(Needs::Fails(condition_of(request)), None, UploadPart::None)
            }
            (StoreError::InvalidPart { .. }, Request::Complete { .. })
                if let UploadPart::EndsWith(body) = end_of(call, racers) =>
            {
                Said::This(Needs::Nothing, None, UploadPart::Lacks(body))
            }
            (
                StoreError::NoSuchUpload,
                Request::Complete { .. } | Request::Abort(_) | Request::PutPart { .. },
            ) => Said::This(Needs::Nothing, None, UploadPart::IsGone),
            (StoreError::PreconditionFailed | StoreError::NoSuchKey, _) => {
                Said::This(Needs::Fails(condition_of(request)), None, UploadPart::None)
            }
            // Nothing happened; whether that may be is the same as without a race.
            _ => {
                self.judge(call, racer.answer)?;
                Said::Nothing
            }
        })
    }

    /// What an upload has as a part.
    fn known_part(&self, upload: Option<usize>, number: u16) -> Option<Piece> {
        let states = self.model.uploads.get(upload?)?.parts.get(&number)?;
        states.iter().next().copied().flatten()
    }

    /// What the raced part of an upload may be after the race.
    fn settle_part(&mut self, upload: usize, bodies: &BTreeSet<u32>, racers: &[Racer<'_>]) {
        let Some(number) = raced_part(racers) else { return };
        let known = self.known_part(Some(upload), number);
        let sent = racers.iter().filter_map(|racer| match racer.call.request {
            Request::PutPart { piece, .. } => Some((piece, racer.answer)),
            _ => None,
        });
        let mut states = BTreeSet::new();
        for (piece, answer) in sent {
            // One whose client went away may still come.
            if bodies.contains(&piece.body) || matches!(answer, Answer::Dropped) {
                states.insert(Some(piece));
            }
        }
        states.extend(known.filter(|piece| bodies.contains(&piece.body)).map(Some));
        if bodies.contains(&0) {
            states.insert(None);
        }
        let parts = &mut self.model.uploads[upload].parts;
        // What was not certain before is not now.
        states.extend(parts.get(&number).filter(|before| before.len() > 1).into_iter().flatten());
        if !states.is_empty() {
            parts.insert(number, states);
        }
    }

    /// The value that an object shows, whose metadata are right.
    fn value_of(&self, slot: Slot, info: &ObjectInfo, request: &Request) -> Result<u32, String> {
        let value = u32::from_str_radix(&info.etag.0, 16).ok();
        let known = value.and_then(|value| Some((value, self.model.values.get(&value)?)));
        match known {
            Some((value, known)) if info.size == known.size() && info.key == key_name(slot.key) => {
                Ok(value)
            }
            _ => Err(format!("K5: {request} shows what was never written: {info:?}")),
        }
    }

    fn listed(
        &self,
        slot: Slot,
        entries: &[ListEntry],
        request: &Request,
    ) -> Result<ObjectState, String> {
        let name = key_name(slot.key);
        let found = entries.iter().find_map(|entry| match entry {
            ListEntry::Object(info) if info.key == name => Some(info),
            _ => None,
        });
        found.map(|info| self.value_of(slot, info, request)).transpose()
    }

    /// K3 for all keys but the one that the race is about.
    fn listing_beside(
        &mut self,
        slot: Slot,
        bucket: u8,
        entries: &[ListEntry],
        racers: &[Racer<'_>],
    ) -> Verdict {
        let before = self.model.object(slot).clone();
        let results = racers.iter().filter_map(|racer| effect_of(racer.call, self.model));
        let mut states: BTreeSet<ObjectState> = before.possible();
        states.extend(results.map(|(_, effect)| effect.result));
        states.insert(None);
        if names_versions(racers) {
            states.extend(self.model.states_of(slot));
        }
        self.model.objects.insert(slot, ObjectModel::of(states));
        let verdict = self.listing(bucket, false, entries);
        self.model.objects.insert(slot, before);
        verdict
    }
}

/// What a request that never writes leaves open.
pub(super) const NO_EFFECT: Effect = Effect { result: None, condition: super::appends::NEVER };

pub(super) fn seen(state: ObjectState) -> Said {
    Said::This(Needs::Is(state), None, UploadPart::None)
}

fn condition_of(request: &Request) -> Condition {
    match request {
        Request::Put { condition, .. }
        | Request::Delete { condition, .. }
        | Request::Complete { condition, .. } => *condition,
        Request::Append { base, beyond, value, .. } => {
            super::appends::effect(*base, *beyond, *value).condition
        }
        _ => Condition::None,
    }
}

/// The upload that a request is about.
pub fn upload_of(request: &Request) -> Option<usize> {
    match request {
        Request::Complete { upload, .. }
        | Request::Abort(upload)
        | Request::PutPart { upload, .. } => Some(*upload),
        _ => None,
    }
}

/// The part that is written in a race: one number.
fn raced_part(racers: &[Racer<'_>]) -> Option<u16> {
    racers.iter().find_map(|racer| match racer.call.request {
        Request::PutPart { number, .. } => Some(number),
        _ => None,
    })
}

/// How a completion ends its upload: with the raced part as it names it, if it does.
fn end_of(call: &Call, racers: &[Racer<'_>]) -> UploadPart {
    let Some(number) = raced_part(racers) else { return UploadPart::Ends };
    let Some((_, parts)) = call.completion() else { return UploadPart::Ends };
    let named = parts.iter().find(|(named, _)| *named == number);
    named.map_or(UploadPart::Ends, |(_, piece)| UploadPart::EndsWith(piece.body))
}

fn perhaps(effect: Effect, begin: u64) -> Raced {
    let (needs, leaves) = (Needs::Holds(effect.condition), Some(effect.result));
    Raced { begin, end: None, needs, leaves, upload: UploadPart::None, makes: Makes::Unknown }
}

fn raced(racer: &Racer<'_>, said: Said) -> Option<Raced> {
    match said {
        Said::Nothing => None,
        Said::This(needs, leaves, upload) => {
            let (begin, end, makes) = (racer.begin, Some(racer.end), Makes::Unknown);
            Some(Raced { begin, end, needs, leaves, upload, makes })
        }
        Said::Perhaps(NO_EFFECT, upload) => {
            let (needs, leaves, makes) = (Needs::Nothing, None, Makes::Unknown);
            Some(Raced { begin: racer.begin, end: None, needs, leaves, upload, makes })
        }
        Said::Perhaps(effect, upload) => Some(Raced { upload, ..perhaps(effect, racer.begin) }),
    }
}

/// The promise that is broken when no order explains a race: K24 when one would, if the versions
/// that were written followed other rules.
fn check_of(initial: &BTreeSet<RaceState>, race: &[Raced]) -> &'static str {
    if outcomes(initial, &untold(race)).is_empty() { "K2" } else { "K24" }
}

fn told(slot: Slot, racers: &[Racer<'_>]) -> String {
    let one = |racer: &Racer<'_>| {
        format!("[{}..{}] {} -> {}", racer.begin, racer.end, racer.call.request, racer.answer)
    };
    let all: Vec<String> = racers.iter().map(one).collect();
    format!("{slot}: {}", all.join("; "))
}
