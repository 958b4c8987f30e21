//! Versions in races: which ones a key has before, what answers say of them, what is known of them
//! afterwards.
//!
//! A key whose versions are all certain is judged with all of them, and then whoever is deleted by
//! its id may uncover another one. Where one is not, only what the key shows is judged.

use super::client::Answer;
use super::judge::{Judge, Verdict};
use super::judge_race::{NO_EFFECT, Racer, Said};
use super::model::ObjectState;
use super::plan::{BucketNumber, Request, Slot};
use super::race::{Makes, Name, Needs, RaceState, Raced, UploadPart};
use super::rules::{Rule, RuleModel};
use super::versions::{BATCH_LEN, VersionModel, VersionState};
use engine::object::{StoreError, VersionId};
use std::collections::BTreeSet;

/// Versions of a key, the oldest first.
pub type Chain = Vec<(Name, ObjectState)>;

impl Judge<'_> {
    /// The versions of a key, where all is certain.
    pub(super) fn chain_of(&mut self, slot: Slot) -> Option<Chain> {
        let shown = self.model.object(slot).certain()?;
        let versions = &self.model.versions;
        let is_loose = versions.strays.contains(&slot) || versions.loose.contains(&slot);
        if is_loose || !versions.rules.contains_key(&slot.bucket) {
            return None;
        }
        let of_slot: Vec<&VersionModel> =
            versions.all.iter().filter(|it| it.slot == slot).collect();
        let mut chain: Vec<(usize, (Name, ObjectState))> = Vec::new();
        for version in &of_slot {
            let state = version.certain()?;
            if state == VersionState::Gone {
                continue;
            }
            let is_older = |it: &&&VersionModel| {
                it.certain() != Some(VersionState::Gone) && version.is_newer(it)
            };
            let rank = of_slot.iter().filter(is_older).count();
            chain.push((rank, (Name::Known(version.id), state.shown())));
        }
        chain.sort_unstable();
        let is_ordered = chain.iter().enumerate().all(|(index, (rank, _))| index == *rank);
        let chain: Chain = chain.into_iter().map(|(_, version)| version).collect();
        let top = chain.last().and_then(|(_, state)| *state);
        (is_ordered && top == shown).then_some(chain)
    }

    /// What answers tell of the versions that were made.
    pub(super) fn note_told_versions(&mut self, racers: &[Racer<'_>]) -> Verdict {
        let mut told = racers.iter().filter(|racer| is_told(racer));
        told.try_for_each(|racer| {
            let after = super::defaults::changed_before(racer, racers);
            self.note_version(racer.call, racer.answer, after)
        })
    }

    /// Versions that nobody knows of may be the last, also after one that was deleted in the race.
    pub(super) fn leave_untold_versions(&mut self, racers: &[Racer<'_>]) -> Verdict {
        let mut untold = racers.iter().filter(|racer| !is_told(racer));
        untold.try_for_each(|racer| self.note_version(racer.call, racer.answer, None))
    }

    /// What the bucket may make of writes, and what changes may still make it do.
    pub(super) fn rules_of(&self, bucket: BucketNumber) -> (BTreeSet<Rule>, Vec<Rule>) {
        let rules = self.model.versions.rules.get(&bucket);
        rules.map_or_else(|| (BTreeSet::from([Rule::Off]), Vec::new()), RuleModel::parts)
    }

    /// What a request does to versions, as far as its answer tells.
    pub(super) fn makes_of(&self, racer: &Racer<'_>) -> Makes {
        match (&racer.call.request, racer.call.version()) {
            (Request::SetVersioning { is_on, .. }, _) => Makes::Sets(Rule::made_by(*is_on)),
            (Request::DeleteVersion(..), Some((_, id))) => Makes::Drops(id),
            _ => match super::rules::told(racer.call, racer.answer, self.model) {
                Some(version) => Makes::This(version),
                None => Makes::Unknown,
            },
        }
    }

    /// What an answer to a request about one version says.
    pub(super) fn said_of_version(
        &mut self,
        racer: &Racer<'_>,
        is_tracked: bool,
    ) -> Result<Said, String> {
        let (request, Some((index, id))) = (&racer.call.request, racer.call.version()) else {
            return Ok(Said::Nothing);
        };
        let sees = |state| match is_tracked {
            true => Said::This(Needs::Version(id, state), None, UploadPart::None),
            false => Said::Nothing,
        };
        Ok(match (request, racer.answer) {
            (_, Answer::Hung) => return Err(format!("K9: no answer: {request}")),
            (Request::DeleteVersion(..), Answer::Died | Answer::Lost | Answer::Dropped) => {
                self.leave_version_open(racer.call, matches!(racer.answer, Answer::Dropped));
                Said::Perhaps(NO_EFFECT, UploadPart::None)
            }
            (_, Answer::Died | Answer::Lost | Answer::Dropped) => {
                self.leave_version_open(racer.call, false);
                Said::Nothing
            }
            (Request::DeleteVersion(..), Answer::Error(StoreError::Unavailable(_))) => {
                self.judge(racer.call, racer.answer)?;
                Said::Perhaps(NO_EFFECT, UploadPart::None)
            }
            (Request::DeleteVersion(..), Answer::Deleted(_)) if is_tracked => {
                self.is_free(index)?;
                Said::This(Needs::Nothing, None, UploadPart::None)
            }
            (Request::GetVersion(..), Answer::Object(info, offset, bytes)) => {
                self.bytes(info, *offset, bytes)?;
                sees(Some(u32::from_str_radix(&info.etag.0, 16).ok()))
            }
            (
                Request::GetVersion(..),
                Answer::Error(StoreError::NoSuchVersion | StoreError::NoSuchKey),
            ) => sees(None),
            (
                Request::GetVersion(..),
                Answer::Error(StoreError::DeleteMarker { is_named: true, .. }),
            ) => sees(Some(None)),
            _ => {
                self.judge(racer.call, racer.answer)?;
                Said::Nothing
            }
        })
    }

    /// What is known of the bucket's rule after a race.
    pub(super) fn settle_rules(
        &mut self,
        slot: Slot,
        after: &BTreeSet<RaceState>,
        (racers, said): (&[Racer<'_>], &[Said]),
    ) {
        let Some(rules) = self.model.versions.rules.get_mut(&slot.bucket) else { return };
        let changes =
            racers.iter().zip(said).filter_map(|(racer, said)| match (&racer.call.request, said) {
                (_, Said::Nothing) => None,
                (Request::SetVersioning { is_on, .. }, said) => Some((*is_on, racer, said)),
                _ => None,
            });
        let changes: Vec<_> = changes.collect();
        let is_acknowledged = changes.iter().any(|(.., said)| matches!(said, Said::This(..)));
        let is_acknowledged = is_acknowledged && !self.tolerance.is_undecided;
        rules.settle(after.iter().map(|state| state.rule).collect(), is_acknowledged);
        for (is_on, racer, said) in changes {
            if matches!(said, Said::Perhaps(..)) {
                let is_late = matches!(racer.answer, Answer::Dropped);
                rules.leave_open(Rule::made_by(is_on), is_late);
            }
        }
    }

    /// What is known of the versions of a key after a race in which all were certain before.
    pub(super) fn settle_chains(&mut self, slot: Slot, after: &BTreeSet<RaceState>) {
        let chains: BTreeSet<&Chain> = after.iter().map(|state| &state.chain).collect();
        let batch = self.model.versions.batch;
        let place = |id: VersionId, chain: &Chain| {
            chain.iter().position(|(name, _)| *name == Name::Known(id))
        };
        let places = |id: VersionId| -> BTreeSet<usize> {
            chains.iter().filter_map(|chain| place(id, chain)).collect()
        };
        let all = &mut self.model.versions.all;
        let is_of_race = |it: &VersionModel| it.slot == slot && it.batch == Some(batch);
        // Where one may be before or after another one, nothing is known of the places of any.
        let mut of_race = all.iter().filter(|it| is_of_race(it));
        let are_certain = of_race.all(|version| places(version.id).len() <= 1);
        for version in all.iter_mut().filter(|it| it.slot == slot) {
            let state = |chain: &&Chain| {
                let place = place(version.id, chain);
                place.map_or(VersionState::Gone, |place| VersionState::of(chain[place].1))
            };
            let states = chains.iter().map(state).collect();
            if are_certain
                && is_of_race(version)
                && let Some(place) = places(version.id).first()
            {
                version.batch = Some(batch + (*place as u64).min(BATCH_LEN - 1));
            }
            version.settle(states);
        }
    }
}

fn is_told(racer: &Racer<'_>) -> bool {
    matches!(racer.answer, Answer::Written(_) | Answer::Deleted(_))
}

/// A request of unknown outcome that makes the bucket treat versions so.
pub(super) fn perhaps_sets(rule: Rule) -> Raced {
    let (needs, leaves, upload) = (Needs::Nothing, None, UploadPart::None);
    Raced { begin: 0, end: None, needs, leaves, upload, makes: Makes::Sets(rule) }
}

/// The race as it would be if nobody was told which versions it made.
pub(super) fn untold(race: &[Raced]) -> Vec<Raced> {
    let untold = |raced: &Raced| match raced.makes {
        Makes::This(_) => Raced { makes: Makes::Unknown, ..*raced },
        _ => *raced,
    };
    race.iter().map(untold).collect()
}

/// Whether a race is about single versions.
pub(super) fn names_versions(racers: &[Racer<'_>]) -> bool {
    racers.iter().any(|racer| racer.call.version().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::object::VersionId;

    #[test]
    fn what_is_untold_keeps_everything_else() {
        let raced = Raced {
            makes: Makes::This(Some(VersionId::Null)),
            leaves: Some(Some(1)),
            ..perhaps_sets(Rule::Kept)
        };
        let all = untold(&[raced, perhaps_sets(Rule::Kept)]);
        assert_eq!(all[0].makes, Makes::Unknown);
        assert_eq!((all[0].leaves, all[1].makes), (Some(Some(1)), Makes::Sets(Rule::Kept)));
    }
}
