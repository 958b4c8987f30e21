//! The judge of races: requests that met on one key are judged together, by whether any order of
//! them explains every answer (K2).

use super::body::etag;
use super::client::{Answer, Call, key_name};
use super::judge::{Judge, Verdict, broken, effect_of, is_write};
use super::model::{Effect, Existence, ObjectModel, ObjectState};
use super::plan::{Condition, Request, Slot};
use super::race::{Needs, RACE_MAX, RaceState, Raced, UploadPart, outcomes, second_opinion};
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
enum Said {
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
        if self.tolerance.is_forgetful {
            return racers.iter().try_for_each(|racer| self.judge(racer.call, racer.answer));
        }
        let upload = racers.iter().find_map(|racer| upload_of(&racer.call.request));
        let mut said = Vec::with_capacity(racers.len());
        for racer in racers {
            said.push(self.said(slot, racer, racers)?);
        }
        let (now, pending) = self.model.object(slot).parts();
        let mut race: Vec<Raced> = pending.iter().map(|effect| perhaps(*effect, 0)).collect();
        race.extend(racers.iter().zip(&said).filter_map(|(racer, said)| raced(racer, *said)));
        let existence = upload.map_or(Existence::Gone, |index| self.model.uploads[index].existence);
        let alive: &[bool] = match existence {
            Existence::Live => &[true],
            Existence::Gone => &[false],
            Existence::Unsure => &[false, true],
        };
        let initial: BTreeSet<RaceState> =
            now.iter().flat_map(|state| alive.iter().map(|alive| (*state, *alive))).collect();
        let is_lenient = self.tolerance.is_undecided || race.len() > RACE_MAX;
        let after = match is_lenient {
            true => anything(&initial, &race),
            false => outcomes(&initial, &race),
        };
        if after.is_empty() {
            return broken(format!("K2: no order explains what met on {}", told(slot, racers)));
        }
        if !is_lenient && second_opinion(&initial, &race) == Some(false) {
            return broken(format!("K2: two searches disagree on {}", told(slot, racers)));
        }
        self.conclude(slot, upload, &after, (racers, &said));
        Ok(())
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
        object.settle(after.iter().map(|(state, _)| *state).collect(), is_acknowledged);
        for (racer, said) in racers.iter().zip(said) {
            if let Said::Perhaps(effect, _) = said {
                object.leave_open(*effect, matches!(racer.answer, Answer::Dropped));
            }
        }
        if let Some(index) = upload {
            let alive: BTreeSet<bool> = after.iter().map(|(_, is_there)| *is_there).collect();
            self.model.uploads[index].existence = match (alive.contains(&true), alive.len()) {
                (true, 1) => Existence::Live,
                (false, _) => Existence::Gone,
                _ => Existence::Unsure,
            };
        }
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
            (_, Answer::Died | Answer::Lost | Answer::Dropped) => self.perhaps(racer.call),
            (_, Answer::Error(error)) => self.refusal_in_race(racer, error)?,
            (Request::Put { .. }, Answer::Written(outcome)) => {
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
                    let condition = condition_of(request);
                    Said::This(Needs::Holds(condition), Some(Some(*value)), UploadPart::Ends)
                }
                None => return wrong("K8: nothing was to be completed"),
            },
            (Request::Delete { condition, .. }, _) => {
                Said::This(Needs::Holds(*condition), Some(None), UploadPart::None)
            }
            (Request::Abort(_), _) => Said::This(Needs::Nothing, None, UploadPart::Ends),
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

    fn perhaps(&self, call: &Call) -> Said {
        let upload = match call.request {
            Request::Complete { .. } | Request::Abort(_) => UploadPart::Ends,
            _ => UploadPart::None,
        };
        match (effect_of(call, self.model), &call.request) {
            (Some((_, effect)), _) => Said::Perhaps(effect, upload),
            // It leaves the object alone.
            (None, Request::Abort(_)) => Said::Perhaps(NO_EFFECT, upload),
            (None, _) => Said::Nothing,
        }
    }

    fn refusal_in_race(&mut self, racer: &Racer<'_>, error: &StoreError) -> Result<Said, String> {
        let call = racer.call;
        let request = &call.request;
        Ok(match (error, request) {
            (StoreError::Unavailable(_) | StoreError::Corrupt(_), _) => {
                let is_tolerated = match is_write(request) {
                    true => self.tolerance.writes_fail,
                    false => self.tolerance.reads_fail,
                };
                match is_tolerated {
                    true if is_write(request) => self.perhaps(call),
                    true => Said::Nothing,
                    false => {
                        return Err(format!("K19: {request} failed without a reason: {error}"));
                    }
                }
            }
            (StoreError::NoSuchKey, Request::Get { .. } | Request::Head(_)) => seen(None),
            (StoreError::NoSuchUpload, Request::Complete { .. } | Request::Abort(_)) => {
                Said::This(Needs::Nothing, None, UploadPart::IsGone)
            }
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
        self.model.objects.insert(slot, ObjectModel::of(states));
        let verdict = self.listing(bucket, false, entries);
        self.model.objects.insert(slot, before);
        verdict
    }
}

/// What a request that never writes leaves open.
const NO_EFFECT: Effect = Effect { result: None, condition: Condition::Matches(u32::MAX) };

fn seen(state: ObjectState) -> Said {
    Said::This(Needs::Is(state), None, UploadPart::None)
}

fn condition_of(request: &Request) -> Condition {
    match request {
        Request::Put { condition, .. }
        | Request::Delete { condition, .. }
        | Request::Complete { condition, .. } => *condition,
        _ => Condition::None,
    }
}

/// The upload that a request is about.
pub fn upload_of(request: &Request) -> Option<usize> {
    match request {
        Request::Complete { upload, .. } | Request::Abort(upload) => Some(*upload),
        _ => None,
    }
}

fn perhaps(effect: Effect, begin: u64) -> Raced {
    let (needs, leaves) = (Needs::Holds(effect.condition), Some(effect.result));
    Raced { begin, end: None, needs, leaves, upload: UploadPart::None }
}

fn raced(racer: &Racer<'_>, said: Said) -> Option<Raced> {
    match said {
        Said::Nothing => None,
        Said::This(needs, leaves, upload) => {
            Some(Raced { begin: racer.begin, end: Some(racer.end), needs, leaves, upload })
        }
        Said::Perhaps(NO_EFFECT, upload) => {
            let (needs, leaves) = (Needs::Nothing, None);
            Some(Raced { begin: racer.begin, end: None, needs, leaves, upload })
        }
        Said::Perhaps(effect, upload) => Some(Raced { upload, ..perhaps(effect, racer.begin) }),
    }
}

/// Every state that there may be when nothing is certain.
fn anything(initial: &BTreeSet<RaceState>, race: &[Raced]) -> BTreeSet<RaceState> {
    let mut states: BTreeSet<ObjectState> = initial.iter().map(|(state, _)| *state).collect();
    states.extend(race.iter().filter_map(|raced| raced.leaves));
    let mut alive: BTreeSet<bool> = initial.iter().map(|(_, is_there)| *is_there).collect();
    if race.iter().any(|raced| raced.upload == UploadPart::Ends) {
        alive.insert(false);
    }
    states.iter().flat_map(|state| alive.iter().map(|alive| (*state, *alive))).collect()
}

fn told(slot: Slot, racers: &[Racer<'_>]) -> String {
    let one = |racer: &Racer<'_>| {
        format!("[{}..{}] {} -> {}", racer.begin, racer.end, racer.call.request, racer.answer)
    };
    let all: Vec<String> = racers.iter().map(one).collect();
    format!("{slot}: {}", all.join("; "))
}
