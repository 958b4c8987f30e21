//! What clients did and saw, key by key, in the order of one counter.

use super::Violation;
use super::register::{Effect, Guard, Operation, Tag, Verdict, check};
use super::value::{Seen, ValueId, Values};
use std::collections::BTreeMap;
use std::time::Duration;

/// Operations of a key that a violation shows.
const SHOWN_MAX: usize = 16;

/// A moment of the run.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Position in the order of all beginnings and ends.
    pub count: u64,
    /// Virtual time since the start.
    pub time: Duration,
}

struct Recorded {
    operation: Operation,
    text: String,
}

/// When an operation ran.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// When it began.
    pub begin: Moment,
    /// When it ended; `None` when its outcome is unknown.
    pub end: Option<Moment>,
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys.
    pub keys: u64,
    /// Operations on them, unknown ones included.
    pub operations: u64,
}

/// The history of a run, and the first promise that it breaks.
pub struct History {
    /// What was written.
    pub values: Values,
    keys: BTreeMap<String, Vec<Recorded>>,
    tags: BTreeMap<String, Tag>,
    count: u64,
    violation: Option<Violation>,
}

impl History {
    /// An empty history.
    pub fn new(seed: u64) -> Self {
        Self {
            values: Values::new(seed),
            keys: BTreeMap::new(),
            tags: BTreeMap::new(),
            count: 0,
            violation: None,
        }
    }

    /// Counts a beginning or an end.
    pub fn moment(&mut self, time: Duration) -> Moment {
        self.count += 1;
        Moment { count: self.count, time }
    }

    /// The number of an entity tag.
    pub fn tag(&mut self, etag: &str) -> Tag {
        let next = self.tags.len() as Tag;
        *self.tags.entry(etag.to_owned()).or_insert(next)
    }

    /// Records an operation on a key. `text` says what it was and what came of it.
    pub fn record(&mut self, key: &str, at: Interval, effect: (Guard, Effect), text: &str) {
        let end = at.end.map_or("?".to_owned(), |end| format!("{:?}", end.time));
        let text = format!("{:?}..{end} {text}", at.begin.time);
        let operation = Operation {
            begin: at.begin.count,
            end: at.end.map(|end| end.count),
            guard: effect.0,
            effect: effect.1,
        };
        self.keys.entry(key.to_owned()).or_default().push(Recorded { operation, text });
    }

    /// Keeps the first violation.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// The first violation so far.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Checks the headers of an object that was seen, and keeps what is wrong.
    pub fn check_head(&mut self, seen: &Seen<'_>, context: &str) -> bool {
        let result = self.values.check_head(seen);
        self.expect(result, seen.key, context)
    }

    /// Keeps what is wrong with an observation of a key.
    pub fn expect(&mut self, result: Result<(), String>, key: &str, context: &str) -> bool {
        let is_right = result.is_ok();
        if let Err(problem) = result {
            let mut violation = Violation::new(format!("{context}: key {key:?}: {problem}"));
            violation.details = self.lines(key, usize::MAX);
            self.violate(violation);
        }
        is_right
    }

    /// Looks for an order that explains everything.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&mut self) -> Result<Checked, Violation> {
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        let mut checked = Checked::default();
        let tags = self.value_tags();
        for (key, recorded) in &self.keys {
            let operations: Vec<Operation> =
                recorded.iter().map(|recorded| recorded.operation.clone()).collect();
            checked.keys += 1;
            checked.operations += operations.len() as u64;
            match check(&operations, |value| tags.get(&value).copied()) {
                Verdict::Linearizable => {}
                Verdict::NotLinearizable(blamed) => return Err(self.explain(key, blamed)),
                Verdict::GivenUp => {
                    return Err(Violation::new(format!(
                        "key {key:?}: its history is too wide to check; the workload is at fault"
                    )));
                }
            }
        }
        Ok(checked)
    }

    fn value_tags(&mut self) -> BTreeMap<ValueId, Tag> {
        let etags: Vec<(ValueId, String)> = self.values.etags().collect();
        etags.into_iter().map(|(value, etag)| (value, self.tag(&etag))).collect()
    }

    fn explain(&self, key: &str, blamed: usize) -> Violation {
        let recorded = &self.keys[key][blamed];
        let mut violation = Violation::new(format!(
            "key {key:?}: no order of its operations explains: {}",
            recorded.text
        ));
        violation.details = self.lines(key, blamed);
        violation
    }

    /// The last operations of a key up to the blamed one, by beginning.
    fn lines(&self, key: &str, blamed: usize) -> Vec<String> {
        let Some(recorded) = self.keys.get(key) else { return Vec::new() };
        let until = recorded
            .get(blamed)
            .map_or(u64::MAX, |blamed| blamed.operation.end.unwrap_or(u64::MAX));
        let mut shown: Vec<&Recorded> =
            recorded.iter().filter(|other| other.operation.begin <= until).collect();
        shown.sort_by_key(|recorded| recorded.operation.begin);
        let skipped = shown.len().saturating_sub(SHOWN_MAX);
        shown[skipped..].iter().map(|recorded| recorded.text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::value::{Content, Piece};

    fn interval(history: &mut History) -> Interval {
        let begin = history.moment(Duration::from_millis(1));
        Interval { begin, end: Some(history.moment(Duration::from_millis(2))) }
    }

    fn put(history: &mut History, value: ValueId) {
        history.values.add(value, "k", Content::Plain(Piece { id: value, len: 3 }));
        let at = interval(history);
        history.record("k", at, (Guard::Any, Effect::Set(Some(value))), &format!("put {value}"));
    }

    #[test]
    fn a_good_history_is_counted() {
        let mut history = History::new(1);
        put(&mut history, 1);
        let at = interval(&mut history);
        history.record("k", at, (Guard::Is(1), Effect::Keep), "get 1");
        assert_eq!(history.check(), Ok(Checked { keys: 1, operations: 2 }));
    }

    #[test]
    fn a_bad_history_names_the_key_and_the_operation() {
        let mut history = History::new(1);
        put(&mut history, 1);
        put(&mut history, 2);
        let at = interval(&mut history);
        history.record("k", at, (Guard::Is(1), Effect::Keep), "get 1");
        let violation = history.check().unwrap_err();
        assert!(violation.summary.contains("\"k\"") && violation.summary.contains("get 1"));
        assert_eq!(violation.details.len(), 3);
    }

    #[test]
    fn what_was_never_written_is_a_violation_at_once() {
        let mut history = History::new(1);
        let seen = Seen { value: 7, key: "k", etag: "x", size: 1 };
        assert!(!history.check_head(&seen, "get"));
        assert!(history.check().unwrap_err().summary.contains("never written"));
    }
}
