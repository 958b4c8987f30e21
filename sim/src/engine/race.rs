//! Requests that meet on one key: is there an order of them that respects real time and explains
//! what each was answered, and what may the key and its versions be afterwards?
//!
//! Races are small, so the search is complete and keeps every state that any order leads to: the
//! requests that took effect so far are a mask. A second search, written for the histories of the
//! other simulator ([`crate::oracle::register`]), must agree (W3).
//!
//! - W1: no request takes effect before another one that was answered before it began.
//! - W2: a request of unknown outcome takes effect once, at any time after it began, or never.
//! - W3: where no upload and no change of the bucket is in the race, what this search explains the
//!   other one does, too.
//! - W4: what is written follows the rule of the bucket that is in force just then (K24); ids of
//!   versions grow.

use super::model::{ObjectState, ValueId};
use super::plan::Condition;
use super::rules::Rule;
use super::versions::order_of;
use crate::oracle::register::{self, Guard, Operation, Verdict};
use engine::object::VersionId;
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
    /// One version is so: `None` when it is not there.
    Version(VersionId, Option<ObjectState>),
}

/// What a request does to versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    /// If it writes, nobody knows which one it made.
    Unknown,
    /// It writes and was answered with that one.
    This(Option<VersionId>),
    /// It deletes one.
    Drops(VersionId),
    /// It makes the bucket treat them so.
    Sets(Rule),
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
    /// What it does to versions.
    pub makes: Makes,
}

/// What a version is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// By its identity.
    Known(VersionId),
    /// It was made by that request of the race, of whose outcome nobody knows.
    Unknown(usize),
}

/// What everything is that a race is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RaceState {
    /// Versions of the key, the newest last: all that there are, or the current one only.
    pub chain: Vec<(Name, ObjectState)>,
    /// Which body the raced part of the upload has: 0 for none, `None` when the upload is gone.
    pub part: Option<u32>,
    /// What the bucket makes of writes.
    pub rule: Rule,
}

const NULL: Name = Name::Known(VersionId::Null);

impl RaceState {
    /// A key of which only that is known.
    pub fn of(object: ObjectState, part: Option<u32>, rule: Rule) -> Self {
        let chain = object.into_iter().map(|value| (NULL, Some(value))).collect();
        Self { chain, part, rule }
    }

    /// What the key shows.
    pub fn object(&self) -> ObjectState {
        self.chain.last().and_then(|(_, state)| *state)
    }

    /// One version, if it is there.
    pub fn version(&self, id: VersionId) -> Option<ObjectState> {
        let found = self.chain.iter().find(|(name, _)| *name == Name::Known(id));
        found.map(|(_, state)| *state)
    }

    fn drop_version(&mut self, dropped: Name) {
        self.chain.retain(|(name, _)| *name != dropped);
    }

    /// Something is written as the rule has it. `None`: the rule would have made another version,
    /// or the version is older than the one before (W4).
    fn write(mut self, result: ObjectState, makes: Makes, index: usize) -> Option<Self> {
        let name = match (self.rule, makes) {
            (Rule::Kept, Makes::This(Some(id @ VersionId::Id(_)))) => Name::Known(id),
            (Rule::Off, Makes::This(None))
            | (Rule::Suspended, Makes::This(Some(VersionId::Null))) => NULL,
            (_, Makes::This(_)) => return None,
            (Rule::Kept, _) => Name::Unknown(index),
            (Rule::Off | Rule::Suspended, _) => NULL,
        };
        if let (Name::Known(new), Some((Name::Known(old), _))) = (name, self.chain.last())
            && order_of(new) > 0
            && order_of(new) <= order_of(*old)
        {
            return None;
        }
        if name == NULL {
            self.drop_version(NULL);
        }
        if result.is_some() || self.rule != Rule::Off {
            self.chain.push((name, result));
        }
        Some(self)
    }
}

fn holds(condition: Condition, state: ObjectState) -> bool {
    super::model::Effect { result: None, condition }.holds(state)
}

impl Raced {
    /// The state after it, if it can take effect in that one; its number names what it makes.
    fn apply(&self, state: &RaceState, index: usize) -> Option<RaceState> {
        let object = state.object();
        let is_possible = match self.needs {
            Needs::Nothing => true,
            Needs::Is(wanted) => object == wanted,
            Needs::Holds(condition) => holds(condition, object),
            Needs::Fails(condition) => !holds(condition, object),
            Needs::Version(id, wanted) => state.version(id) == wanted,
        };
        if !is_possible {
            return None;
        }
        let part = match (self.upload, state.part) {
            (UploadPart::None, part) => part,
            (UploadPart::Ends, Some(_)) => None,
            (UploadPart::EndsWith(wanted), Some(part)) if part == wanted => None,
            (UploadPart::Lacks(wanted), Some(part)) if part != wanted => Some(part),
            (UploadPart::Sets(part), Some(_)) => Some(part),
            (UploadPart::IsThere, Some(part)) => Some(part),
            (UploadPart::IsGone, None) => None,
            _ => return None,
        };
        let mut after = RaceState { part, ..state.clone() };
        match self.makes {
            Makes::Drops(id) => after.drop_version(Name::Known(id)),
            Makes::Sets(rule) => after.rule = rule,
            Makes::Unknown | Makes::This(_) => {}
        }
        match self.leaves {
            Some(result) => after.write(result, self.makes, index),
            None => Some(after),
        }
    }
}

/// Every state that some order of the requests leads to; empty when no order explains the answers.
///
/// # Panics
/// With more than [`RACE_MAX`] requests.
pub fn outcomes(initial: &BTreeSet<RaceState>, race: &[Raced]) -> BTreeSet<RaceState> {
    assert!(race.len() <= RACE_MAX, "a race is small");
    let answered = mask_of(race, |raced| raced.end.is_some());
    let mut reached: BTreeSet<(u32, RaceState)> =
        initial.iter().map(|it| (0, it.clone())).collect();
    let mut open: Vec<(u32, RaceState)> = reached.iter().cloned().collect();
    while let Some((mask, state)) = open.pop() {
        for (index, raced) in race.iter().enumerate() {
            let is_free = mask >> index & 1 == 0 && may_be_next(race, mask, raced);
            if let Some(after) = is_free.then(|| raced.apply(&state, index)).flatten() {
                let next = (mask | 1 << index, after);
                if reached.insert(next.clone()) {
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
    let is_simple = |raced: &Raced| {
        raced.upload == UploadPart::None && matches!(raced.makes, Makes::Unknown | Makes::This(_))
    };
    if !race.iter().all(is_simple) {
        return None;
    }
    let value = |value: ValueId| u64::from(value);
    let guard = |needs: Needs| match needs {
        Needs::Nothing | Needs::Holds(Condition::None) | Needs::Version(..) => Guard::Any,
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
    Some(initial.iter().any(|state| {
        let set = register::Effect::Set(state.object().map(value));
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
        Raced { begin, end, needs, leaves, upload: UploadPart::None, makes: Makes::Unknown }
    }

    fn states(states: &[ObjectState]) -> BTreeSet<RaceState> {
        states.iter().map(|state| RaceState::of(*state, None, Rule::Off)).collect()
    }

    fn of(object: ObjectState, part: Option<u32>) -> RaceState {
        RaceState::of(object, part, Rule::Off)
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
        let initial = BTreeSet::from([of(None, Some(0))]);
        assert!(outcomes(&initial, &[complete, drop]).is_empty());
        assert_eq!(outcomes(&initial, &[complete, late]), BTreeSet::from([of(Some(7), None)]));
    }

    #[test]
    fn a_part_that_comes_before_the_end_makes_it_fail() {
        let part = Raced { upload: UploadPart::Sets(9), ..raced(1, Some(5), Needs::Nothing, None) };
        let with = |upload| Raced { upload, ..raced(2, Some(6), Needs::Nothing, Some(Some(7))) };
        let initial = BTreeSet::from([of(None, Some(3))]);
        // It was answered, so it came while the upload was there: then the end does not have it.
        assert!(outcomes(&initial, &[part, with(UploadPart::EndsWith(3))]).is_empty());
        let refused = Raced { leaves: None, ..with(UploadPart::Lacks(3)) };
        assert_eq!(outcomes(&initial, &[part, refused]), BTreeSet::from([of(None, Some(9))]));
        let unknown = Raced { end: None, ..part };
        let ended = outcomes(&initial, &[unknown, with(UploadPart::EndsWith(3))]);
        assert_eq!(ended, BTreeSet::from([of(Some(7), None)]));
    }

    #[test]
    fn what_is_written_follows_the_rule_of_its_moment() {
        let write = |value, version, (begin, end)| Raced {
            makes: Makes::This(version),
            ..raced(begin, Some(end), Needs::Nothing, Some(Some(value)))
        };
        let id = |order: u128| Some(VersionId::Id(order << 64));
        let suspend = Raced {
            makes: Makes::Sets(Rule::Suspended),
            ..raced(2, Some(5), Needs::Nothing, None)
        };
        let initial = BTreeSet::from([RaceState::of(Some(1), None, Rule::Kept)]);
        let objects = |race: &[Raced]| -> Vec<ObjectState> {
            outcomes(&initial, race).iter().map(RaceState::object).collect()
        };
        let slow = write(2, id(7), (1, 9));
        let later = write(3, Some(VersionId::Null), (6, 8));
        assert_eq!(objects(&[slow, suspend, later]), vec![Some(3)], "the slow one came before");
        assert!(objects(&[suspend, write(3, id(8), (6, 8))]).is_empty(), "an older rule");
        let both = [write(2, id(7), (1, 9)), write(3, id(8), (1, 9))];
        assert_eq!(objects(&both), vec![Some(3)], "ids grow");
    }

    #[test]
    fn what_is_behind_a_deleted_version_shows() {
        let id = |order: u128| VersionId::Id(order << 64);
        let chain = vec![(Name::Known(id(1)), Some(1)), (Name::Known(id(2)), None)];
        let initial = BTreeSet::from([RaceState { chain, part: None, rule: Rule::Kept }]);
        let drops = Raced { makes: Makes::Drops(id(2)), ..raced(1, Some(4), Needs::Nothing, None) };
        let create = Raced {
            makes: Makes::This(Some(id(3))),
            ..raced(2, Some(5), Needs::Holds(Condition::Absent), Some(Some(5)))
        };
        let sees = raced(6, Some(7), Needs::Is(Some(1)), None);
        assert_eq!(outcomes(&initial, &[drops, sees]).len(), 1);
        assert_eq!(outcomes(&initial, &[drops, create]).len(), 1, "it came before");
        assert!(outcomes(&initial, &[drops, Raced { begin: 5, ..create }]).is_empty());
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
            let initial: BTreeSet<RaceState> = initial.into_iter().map(|it| of(it, None)).collect();
            let is_found = !outcomes(&initial, &race).is_empty();
            prop_assert_eq!(second_opinion(&initial, &race), Some(is_found));
        }
    }
}
