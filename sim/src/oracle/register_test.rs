//! Hand-made histories, good and bad, and a comparison with trying every order.

use super::*;
use crate::random::Random;

fn op(times: (u64, u64), guard: Guard, effect: Effect) -> Operation {
    Operation { begin: times.0, end: Some(times.1), guard, effect }
}

fn write(times: (u64, u64), value: ValueId) -> Operation {
    op(times, Guard::Any, Effect::Set(Some(value)))
}

fn delete(times: (u64, u64)) -> Operation {
    op(times, Guard::Any, Effect::Set(None))
}

fn read(times: (u64, u64), value: Option<ValueId>) -> Operation {
    op(times, value.map_or(Guard::Absent, Guard::Is), Effect::Keep)
}

fn unknown(mut operation: Operation) -> Operation {
    operation.end = None;
    operation
}

/// Tags are the tens of a value's id.
fn tag_of(value: ValueId) -> Option<Tag> {
    Some(value as Tag / 10)
}

fn good(operations: &[Operation]) {
    assert_eq!(check(operations, tag_of), Verdict::Linearizable);
}

fn bad(operations: &[Operation], blamed: usize) {
    assert_eq!(check(operations, tag_of), Verdict::NotLinearizable(blamed));
}

#[test]
fn a_read_returns_the_last_write() {
    good(&[write((1, 2), 10), read((3, 4), Some(10)), write((5, 6), 20), read((7, 8), Some(20))]);
    bad(&[write((1, 2), 10), write((3, 4), 20), read((5, 6), Some(10))], 2);
}

#[test]
fn a_lost_acknowledged_write_is_found() {
    bad(&[write((1, 2), 10), read((3, 4), None)], 1);
    bad(&[write((1, 2), 10), write((3, 4), 20), read((9, 10), None)], 2);
}

#[test]
fn a_value_that_was_read_and_is_gone_is_found() {
    let put = unknown(write((1, 0), 10));
    good(&[put.clone(), read((3, 4), None)]);
    good(&[put.clone(), read((3, 4), None), read((5, 6), Some(10))]);
    bad(&[put, read((3, 4), Some(10)), read((5, 6), None)], 2);
}

#[test]
fn a_deleted_value_that_comes_back_is_found() {
    bad(&[write((1, 2), 10), delete((3, 4)), read((5, 6), Some(10))], 2);
    good(&[write((1, 2), 10), unknown(delete((3, 0))), read((5, 6), Some(10)), read((7, 8), None)]);
}

#[test]
fn concurrent_writes_may_go_either_way_but_one_way() {
    let writes = [write((1, 10), 10), write((2, 9), 20)];
    for last in [10, 20] {
        good(&[&writes[..], &[read((11, 12), Some(last))]].concat());
    }
    let seesaw = [read((11, 12), Some(10)), read((13, 14), Some(20))];
    bad(&[&writes[..], &seesaw].concat(), 3);
}

#[test]
fn of_two_conditional_creations_one_wins() {
    let create = |times, value| op(times, Guard::Absent, Effect::Set(Some(value)));
    let refused = |times| op(times, Guard::Present, Effect::Keep);
    good(&[create((1, 10), 10), refused((2, 9))]);
    bad(&[create((1, 10), 10), create((2, 9), 20)], 0);
    good(&[unknown(create((1, 0), 10)), refused((2, 3))]);
    bad(&[refused((2, 3))], 0);
}

#[test]
fn a_match_needs_the_tag() {
    let replace = |times, tag, value| op(times, Guard::Tagged(tag), Effect::Set(Some(value)));
    let refused = |times, tag| op(times, Guard::TaggedOtherwise(tag), Effect::Keep);
    good(&[write((1, 2), 10), replace((3, 4), 1, 20), refused((5, 6), 1), read((7, 8), Some(20))]);
    bad(&[write((1, 2), 10), refused((3, 4), 1)], 1);
    bad(&[write((1, 2), 10), write((3, 4), 20), replace((5, 6), 1, 30)], 2);
}

#[test]
fn many_unknown_writes_stay_cheap() {
    let mut operations = Vec::new();
    for number in 0..200 {
        let at = number * 10;
        operations.push(unknown(write((at, 0), 1000 + number)));
        operations.push(unknown(delete((at + 1, 0))));
        operations.push(write((at + 2, at + 3), 5000 + number));
        operations.push(read((at + 4, at + 5), Some(5000 + number)));
    }
    good(&operations);
    operations.push(read((9000, 9001), Some(5000)));
    bad(&operations, 800);
}

/// Tries every subset of the unknown ones in every order.
fn check_slowly(operations: &[Operation], placed: &mut Vec<usize>, state: Option<ValueId>) -> bool {
    let is_done = |index: usize| placed.contains(&index);
    let all = || (0..operations.len()).filter(|index| !is_done(*index));
    if all().all(|index| operations[index].end.is_none()) {
        return true;
    }
    let first_end = all().filter_map(|index| operations[index].end).min().unwrap_or(u64::MAX);
    let search = Search::new(Vec::new(), &tag_of);
    let open: Vec<usize> = all().filter(|index| operations[*index].begin <= first_end).collect();
    for index in open {
        let operation = &operations[index];
        if search.holds(operation.guard, state) {
            placed.push(index);
            let next = if let Effect::Set(next) = operation.effect { next } else { state };
            if check_slowly(operations, placed, next) {
                return true;
            }
            placed.pop();
        }
    }
    false
}

#[test]
fn the_search_agrees_with_trying_every_order() {
    let mut counts = [0, 0];
    for seed in 0..4000 {
        let mut random = Random::new(seed, "histories");
        let count = random.size(2..8);
        let operations: Vec<Operation> = (0..count).map(|_| any_operation(&mut random)).collect();
        let expected = check_slowly(&operations, &mut Vec::new(), None);
        let is_good = check(&operations, tag_of) == Verdict::Linearizable;
        assert_eq!(is_good, expected, "seed {seed}: {operations:#?}");
        counts[usize::from(expected)] += 1;
    }
    assert!(counts[0] > 500 && counts[1] > 500, "{counts:?}");
}

fn any_operation(random: &mut Random) -> Operation {
    let value = 10 * random.range(1..4);
    let tag = value as Tag / 10;
    let begin = 2 * random.range(0..20);
    let times = (begin, begin + 2 * random.below(10) + 1);
    let operation = match random.below(8) {
        0 | 1 => write(times, value),
        2 => delete(times),
        3 => op(times, Guard::Absent, Effect::Set(Some(value))),
        4 => op(times, Guard::TaggedOtherwise(tag), Effect::Keep),
        5 => op(times, Guard::Tagged(tag), Effect::Set(Some(value))),
        6 => read(times, None),
        _ => read(times, Some(value)),
    };
    if operation.effect != Effect::Keep && random.chance(300) {
        unknown(operation)
    } else {
        operation
    }
}
