//! Linearizability of one key: is there an order of the operations that respects real time and
//! explains what each of them saw? (Wing and Gong's search, with Lowe's memory of dead ends.)
//!
//! An operation is a guard on the state and an effect. One whose outcome is unknown has no end: it
//! took effect at any time after it began, or never.
//!
//! - G1: an operation that changes nothing is placed as soon as its guard holds: that never spoils
//!   another order.
//! - G2: a write of unknown outcome that nothing could have observed is left out.
//! - G3: an operation of unknown outcome is placed only where something observes it: what
//!   overwrites it unseen could as well do so without it. Of equal ones, the earliest is placed.
//! - G4: operations are placed in an order that respects real time: none before one that returned
//!   before it began.

use super::value::ValueId;
use std::collections::{BTreeSet, HashSet};

/// Dead ends that a search remembers at most; a search beyond is given up, loudly.
const DEAD_ENDS_MAX: usize = 2_000_000;

/// Number of an entity tag; equal tags have equal numbers.
pub type Tag = u32;

/// What the key held when an operation took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Anything or nothing.
    Any,
    /// Nothing.
    Absent,
    /// Anything.
    Present,
    /// This value.
    Is(ValueId),
    /// Anything but this value, or nothing.
    IsNot(ValueId),
    /// Nothing that there could be.
    Never,
    /// A value with this entity tag.
    Tagged(Tag),
    /// A value with another entity tag.
    TaggedOtherwise(Tag),
}

/// What an operation leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What was there.
    Keep,
    /// A value, or nothing.
    Set(Option<ValueId>),
}

/// One operation on the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it began, in a count of all beginnings and ends.
    pub begin: u64,
    /// When it ended; `None` when its outcome is unknown.
    pub end: Option<u64>,
    /// When it could take effect.
    pub guard: Guard,
    /// What it did.
    pub effect: Effect,
}

/// What the search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; the operation at this index is the first that could not be placed in the best
    /// attempt.
    NotLinearizable(usize),
    /// The search grew beyond its bound.
    GivenUp,
}

/// Looks for an order of the operations. `tag_of` gives a value's entity tag, `None` where it is
/// not known.
pub fn check(operations: &[Operation], tag_of: impl Fn(ValueId) -> Option<Tag>) -> Verdict {
    let kept = observable(operations, &tag_of);
    let mut order: Vec<usize> = kept;
    order.sort_by_key(|index| operations[*index].begin);
    let sorted: Vec<&Operation> = order.iter().map(|index| &operations[*index]).collect();
    let mut search = Search::new(sorted, &tag_of);
    match search.run() {
        _ if search.is_given_up() => Verdict::GivenUp,
        true => Verdict::Linearizable,
        false => Verdict::NotLinearizable(order[search.blamed]),
    }
}

/// Indexes of the operations that matter (G2).
fn observable(operations: &[Operation], tag_of: &impl Fn(ValueId) -> Option<Tag>) -> Vec<usize> {
    let guards = || operations.iter().map(|operation| operation.guard);
    let is_presence_seen = guards()
        .any(|guard| matches!(guard, Guard::Present | Guard::IsNot(_) | Guard::TaggedOtherwise(_)));
    let values: BTreeSet<ValueId> = guards().filter_map(value_of).collect();
    let tags: BTreeSet<Tag> = guards().filter_map(tag_in).collect();
    let is_seen = |value: ValueId| {
        let is_tag_seen = || tag_of(value).is_none_or(|tag| tags.contains(&tag));
        is_presence_seen || values.contains(&value) || (!tags.is_empty() && is_tag_seen())
    };
    let matters = |operation: &Operation| match (operation.end, operation.effect) {
        (Some(_), _) | (None, Effect::Set(None)) => true,
        (None, Effect::Keep) => false,
        (None, Effect::Set(Some(value))) => is_seen(value),
    };
    (0..operations.len()).filter(|index| matters(&operations[*index])).collect()
}

fn value_of(guard: Guard) -> Option<ValueId> {
    if let Guard::Is(value) = guard { Some(value) } else { None }
}

fn tag_in(guard: Guard) -> Option<Tag> {
    if let Guard::Tagged(tag) = guard { Some(tag) } else { None }
}

/// A position of the search: which operations are placed, and what the key holds then.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Position {
    placed: Vec<u64>,
    state: Option<ValueId>,
    /// The last operation is of unknown outcome and nothing observed it yet.
    is_unseen: bool,
}

impl Position {
    fn has(&self, index: usize) -> bool {
        self.placed[index / 64] >> (index % 64) & 1 == 1
    }

    fn place(&mut self, index: usize, effect: Effect) {
        self.placed[index / 64] |= 1 << (index % 64);
        if let Effect::Set(state) = effect {
            self.state = state;
        }
    }

    fn count(&self) -> u32 {
        self.placed.iter().map(|word| word.count_ones()).sum()
    }
}

struct Search<'a, T> {
    /// By beginning.
    operations: Vec<&'a Operation>,
    tag_of: &'a T,
    dead_ends: HashSet<Position>,
    best: u32,
    blamed: usize,
}

impl<'a, T: Fn(ValueId) -> Option<Tag>> Search<'a, T> {
    fn new(operations: Vec<&'a Operation>, tag_of: &'a T) -> Self {
        Self { operations, tag_of, dead_ends: HashSet::new(), best: 0, blamed: 0 }
    }

    fn is_given_up(&self) -> bool {
        self.dead_ends.len() >= DEAD_ENDS_MAX
    }

    /// Depth-first, with the alternatives of each position on a stack.
    fn run(&mut self) -> bool {
        let placed = vec![0; self.operations.len().div_ceil(64)];
        let mut stack = vec![Position { placed, state: None, is_unseen: false }];
        while let Some(mut position) = stack.pop() {
            self.settle(&mut position);
            if self.is_complete(&position) {
                return true;
            }
            if self.is_given_up() || !self.dead_ends.insert(position.clone()) {
                continue;
            }
            stack.extend(self.successors(&position));
        }
        false
    }

    /// Where the search may go on, the most likely last: what must happen, in the order of its
    /// beginning.
    fn successors(&self, position: &Position) -> Vec<Position> {
        let candidates = self.candidates(position);
        let (certain, unknown): (Vec<usize>, Vec<usize>) =
            candidates.into_iter().partition(|index| self.operations[*index].end.is_some());
        let mut found = Vec::new();
        let mut tried = Vec::new();
        for index in unknown.into_iter().chain(certain.into_iter().rev()) {
            let operation = self.operations[index];
            let is_unknown = operation.end.is_none();
            let change = (operation.guard, operation.effect);
            let is_idle = position.is_unseen && operation.guard == Guard::Any;
            let is_twin = is_unknown && tried.contains(&change);
            if is_idle || is_twin || !self.holds(operation.guard, position.state) {
                continue;
            }
            tried.push(change);
            let mut next = position.clone();
            next.place(index, operation.effect);
            next.is_unseen = is_unknown;
            found.push(next);
        }
        found
    }

    /// Places every operation that changes nothing and may go now (G1).
    fn settle(&mut self, position: &mut Position) {
        loop {
            let is_free = |index: &usize| {
                let operation = self.operations[*index];
                operation.effect == Effect::Keep && self.holds(operation.guard, position.state)
            };
            let free: Vec<usize> = self.candidates(position).into_iter().filter(is_free).collect();
            if free.is_empty() {
                break;
            }
            free.into_iter().for_each(|index| position.place(index, Effect::Keep));
            position.is_unseen = false;
        }
        if position.count() >= self.best {
            self.best = position.count();
            let open = (0..self.operations.len()).filter(|index| !position.has(*index));
            let ending = open.filter(|index| self.operations[*index].end.is_some());
            let blamed = ending.min_by_key(|index| self.operations[*index].end);
            self.blamed = blamed.unwrap_or(self.blamed);
        }
    }

    /// Operations that may be next: begun before any open one ended (G4).
    fn candidates(&self, position: &Position) -> Vec<usize> {
        let mut first_end = u64::MAX;
        let mut found = Vec::new();
        for (index, operation) in self.operations.iter().enumerate() {
            if position.has(index) {
                continue;
            }
            if operation.begin > first_end {
                break;
            }
            first_end = first_end.min(operation.end.unwrap_or(u64::MAX));
            found.push(index);
        }
        found
    }

    fn is_complete(&self, position: &Position) -> bool {
        let is_placed = |(index, operation): (usize, &&Operation)| {
            operation.end.is_none() || position.has(index)
        };
        self.operations.iter().enumerate().all(is_placed)
    }

    fn holds(&self, guard: Guard, state: Option<ValueId>) -> bool {
        let tag = state.map(|value| (self.tag_of)(value));
        match guard {
            Guard::Any => true,
            Guard::Absent => state.is_none(),
            Guard::Present => state.is_some(),
            Guard::Is(value) => state == Some(value),
            Guard::IsNot(value) => state != Some(value),
            Guard::Never => false,
            // The tag of a copy that nobody saw is not known: it may be any.
            Guard::Tagged(wanted) => tag.is_some_and(|tag| tag.is_none_or(|tag| tag == wanted)),
            Guard::TaggedOtherwise(other) => {
                tag.is_some_and(|tag| tag.is_none_or(|tag| tag != other))
            }
        }
    }
}

#[cfg(test)]
#[path = "register_test.rs"]
mod register_test;
