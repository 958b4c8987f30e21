//! Requests that meet on one key: is there an order of them that respects real time and explains
//! what each was answered, and what may the key be afterwards?
//!
//! Races are small, so the search is complete and keeps every state that any order leads to: the
//! requests that took effect so far are a mask. A second search, written for the histories of the
//! other simulator ([`crate::oracle::register`]), must agree (W3).
//!
//! - W1: no request takes effect before another one that was answered before it began.
//! - W2: a request of unknown outcome takes effect once, at any time after it began, or never.
//! - W3: where no upload is in the race, both searches come to the same verdict.

use super::model::{ObjectState, ValueId};
use super::plan::Condition;
use crate::oracle::register::{self, Guard, Operation, Verdict};
use std::collections::BTreeSet;

/// Requests in one race at most: masks of them are searched through.
pub const RACE_MAX: usize = 8;

/// What must hold when a request takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The key is so.
    Is(ObjectState),
    /// The condition holds.
    Holds(Condition),
    /// The condition does not hold.
    Fails(Condition),
}

/// What the race's upload has to do with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadPart {
    /// Nothing.
    #[default]
    None,
    /// It is there, and then no more.
    Ends,
    /// It is there with that body as its raced part, and then no more.
    EndsWith(u32),
    /// It is there, and its raced part is another one than that body.
    Lacks(u32),
    /// It is there, and that body becomes its raced part.
    Sets(u32),
    /// It is there, and stays.
    IsThere,
    /// It is gone.
    IsGone,
}

/// One request of a race, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raced {
    /// When it began, in a count of all beginnings and ends.
    pub begin: u64,
    /// When it was answered; `None` when nobody knows what came of it.
    pub end: Option<u64>,
    /// When it could take effect.
    pub needs: Needs,
    /// What it leaves; `None`: what was there.
    pub leaves: Option<ObjectState>,
    /// What it has to do with the upload.
    pub upload: UploadPart,
}

/// What the key is, and which body the raced part of the upload has: 0 for none, `None` when the
/// upload is gone.
pub type RaceState = (ObjectState, Option<u32>);

fn holds(condition: Condition, state: ObjectState) -> bool {
    super::model::Effect { result: None, condition }.holds(state)
}

impl Raced {
    /// The state after it, if it can take effect in that one.
    fn apply(&self, (object, upload): RaceState) -> Option<RaceState> {
        let is_possible = match self.needs {
            Needs::Nothing => true,
            Needs::Is(wanted) => object == wanted,
            Needs::Holds(condition) => holds(condition, object),
            Needs::Fails(condition) => !holds(condition, object),
        };
        let upload_after = match (self.upload, upload) {
            (UploadPart::None, upload) => upload,
            (UploadPart::Ends, Some(_)) => None,
            (UploadPart::EndsWith(wanted), Some(part)) if part == wanted => None,
            (UploadPart::Lacks(wanted), Some(part)) if part != wanted => upload,
            (UploadPart::Sets(part), Some(_)) => Some(part),
            (UploadPart::IsThere, Some(_)) => upload,
            (UploadPart::IsGone, None) => None,
            _ => return None,
        };
        is_possible.then(|| (self.leaves.unwrap_or(object), upload_after))
    }
}

/// Every state that some order of the requests leads to; empty when no order explains the answers.
///
/// # Panics
/// With more than [`RACE_MAX`] requests.
pub fn outcomes(initial: &BTreeSet<RaceState>, race: &[Raced]) -> BTreeSet<RaceState> {
    assert!(race.len() <= RACE_MAX, "a race is small");
    let answered = mask_of(race, |raced| raced.end.is_some());
    let mut reached: BTreeSet<(u32, RaceState)> = initial.iter().map(|it| (0, *it)).collect();
    let mut open: Vec<(u32, RaceState)> = reached.iter().copied().collect();
    while let Some((mask, state)) = open.pop() {
        for (index, raced) in race.iter().enumerate() {
            let is_free = mask >> index & 1 == 0 && may_be_next(race, mask, raced);
            if let Some(after) = is_free.then(|| raced.apply(state)).flatten() {
                let next = (mask | 1 << index, after);
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
    }
    let is_over = |(mask, _): &(u32, RaceState)| mask & answered == answered;
    reached.into_iter().filter(is_over).map(|(_, state)| state).collect()
}

fn mask_of(race: &[Raced], wanted: impl Fn(&Raced) -> bool) -> u32 {
    let bits = race.iter().enumerate().filter(|(_, raced)| wanted(raced));
    bits.map(|(index, _)| 1 << index).sum()
}

/// Whether everything that was answered before the request began took effect (W1).
fn may_be_next(race: &[Raced], mask: u32, next: &Raced) -> bool {
    let before = mask_of(race, |raced| raced.end.is_some_and(|end| end < next.begin));
    before & mask == before
}

/// Whether the other search finds an order; `None` where it cannot tell: uploads are nothing to it.
pub fn second_opinion(initial: &BTreeSet<RaceState>, race: &[Raced]) -> Option<bool> {
    if race.iter().any(|raced| raced.upload != UploadPart::None) {
        return None;
    }
    let value = |value: ValueId| u64::from(value);
    let guard = |needs: Needs| match needs {
        Needs::Nothing | Needs::Holds(Condition::None) => Guard::Any,
        Needs::Is(None) | Needs::Holds(Condition::Absent) | Needs::Fails(Condition::Exists) => {
            Guard::Absent
        }
        Needs::Holds(Condition::Exists) | Needs::Fails(Condition::Absent) => Guard::Present,
        Needs::Is(Some(it)) | Needs::Holds(Condition::Matches(it)) => Guard::Is(value(it)),
        Needs::Fails(Condition::Matches(it)) => Guard::IsNot(value(it)),
        Needs::Fails(Condition::None) => Guard::Never,
    };
    let operation = |raced: &Raced| Operation {
        begin: raced.begin + 2,
        end: raced.end.map(|end| end + 2),
        guard: guard(raced.needs),
        effect: match raced.leaves {
            None => register::Effect::Keep,
            Some(state) => register::Effect::Set(state.map(value)),
        },
    };
    Some(initial.iter().any(|(state, _)| {
        let set = register::Effect::Set(state.map(value));
        let mut operations =
            vec![Operation { begin: 0, end: Some(1), guard: Guard::Any, effect: set }];
        operations.extend(race.iter().map(operation));
        register::check(&operations, |_| None) == Verdict::Linearizable
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raced(begin: u64, end: Option<u64>, needs: Needs, leaves: Option<ObjectState>) -> Raced {
        Raced { begin, end, needs, leaves, upload: UploadPart::None }
    }

    fn states(states: &[ObjectState]) -> BTreeSet<RaceState> {
        states.iter().map(|state| (*state, None)).collect()
    }

    #[test]
    fn of_two_that_create_one_wins() {
        let create = |value, end| raced(1, end, Needs::Holds(Condition::Absent), Some(Some(value)));
        let lose = raced(2, Some(9), Needs::Fails(Condition::Absent), None);
        let both = [create(1, Some(8)), create(2, Some(9))];
        assert!(outcomes(&states(&[None]), &both).is_empty());
        assert_eq!(outcomes(&states(&[None]), &[create(1, Some(8)), lose]), states(&[Some(1)]));
        let unknown = [create(1, None), create(2, Some(9))];
        assert_eq!(outcomes(&states(&[None]), &unknown), states(&[Some(2)]));
        let read = raced(20, Some(21), Needs::Is(None), None);
        assert!(outcomes(&states(&[None]), &[create(1, Some(8)), read]).is_empty(), "W1");
    }

    #[test]
    fn an_upload_is_completed_or_dropped() {
        let complete =
            Raced { upload: UploadPart::Ends, ..raced(1, Some(5), Needs::Nothing, Some(Some(7))) };
        let drop = Raced { upload: UploadPart::Ends, ..raced(2, Some(6), Needs::Nothing, None) };
        let late = Raced { upload: UploadPart::IsGone, ..drop };
        let initial = BTreeSet::from([(None, Some(0))]);
        assert!(outcomes(&initial, &[complete, drop]).is_empty());
        assert_eq!(outcomes(&initial, &[complete, late]), BTreeSet::from([(Some(7), None)]));
    }

    #[test]
    fn a_part_that_comes_before_the_end_makes_it_fail() {
        let part = Raced { upload: UploadPart::Sets(9), ..raced(1, Some(5), Needs::Nothing, None) };
        let with = |upload| Raced { upload, ..raced(2, Some(6), Needs::Nothing, Some(Some(7))) };
        let initial = BTreeSet::from([(None, Some(3))]);
        // It was answered, so it came while the upload was there: then the end does not have it.
        assert!(outcomes(&initial, &[part, with(UploadPart::EndsWith(3))]).is_empty());
        let refused = Raced { leaves: None, ..with(UploadPart::Lacks(3)) };
        assert_eq!(outcomes(&initial, &[part, refused]), BTreeSet::from([(None, Some(9))]));
        let unknown = Raced { end: None, ..part };
        let ended = outcomes(&initial, &[unknown, with(UploadPart::EndsWith(3))]);
        assert_eq!(ended, BTreeSet::from([(Some(7), None)]));
    }

    fn any_condition() -> impl Strategy<Value = Condition> {
        prop_oneof![
            Just(Condition::None),
            Just(Condition::Absent),
            Just(Condition::Exists),
            (0u32..3).prop_map(Condition::Matches),
        ]
    }

    fn any_state() -> impl Strategy<Value = ObjectState> {
        proptest::option::of(0u32..3)
    }

    fn any_raced() -> impl Strategy<Value = Raced> {
        let needs = prop_oneof![
            Just(Needs::Nothing),
            any_state().prop_map(Needs::Is),
            any_condition().prop_map(Needs::Holds),
            any_condition().prop_map(Needs::Fails),
        ];
        let leaves = proptest::option::of(any_state());
        let times = (0u64..12, proptest::option::weighted(0.8, 1u64..8));
        (times, needs, leaves).prop_map(|((begin, len), needs, leaves)| {
            raced(begin, len.map(|len| begin + len), needs, leaves)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn both_searches_agree(
            race in proptest::collection::vec(any_raced(), 1..6),
            initial in proptest::collection::btree_set(any_state(), 1..3),
        ) {
            let initial: BTreeSet<RaceState> = initial.into_iter().map(|it| (it, None)).collect();
            let is_found = !outcomes(&initial, &race).is_empty();
            prop_assert_eq!(second_opinion(&initial, &race), Some(is_found));
        }
    }
}
