//! What a run tells: as lines for whoever reads it, and as one line for the process that started
//! it.

use crate::disk::DiskStatistics;
use crate::oracle::Violation;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Begins the line that a run's process ends with.
const RESULT_MARK: &str = "RESULT";

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// The seed.
    pub seed: u64,
    /// Whether every event is printed as it happens.
    pub is_logged: bool,
}

/// What happened in one run, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were answered, refusals of conditions included.
    pub answered: u64,
    /// Requests whose outcome nobody knows.
    pub unknown: u64,
    /// Requests that the server refused for its own sake (503).
    pub refused: u64,
    /// Keys that the oracle checked.
    pub checked_keys: u64,
    /// Operations on them.
    pub checked_operations: u64,
    /// Processes that died while the power stayed.
    pub kills: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Unsynced sectors that power losses took.
    pub sectors_lost: u64,
    /// Unsynced sectors that were written in part.
    pub sectors_torn: u64,
    /// Unsynced directory changes that power losses took.
    pub names_lost: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Elections that had a winner.
    pub elections: u64,
    /// Cuts of the network.
    pub partitions: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
}

impl Counts {
    /// Names and values, in the order of a summary.
    fn fields(&mut self) -> [(&'static str, &mut u64); 14] {
        [
            ("answered", &mut self.answered),
            ("unknown", &mut self.unknown),
            ("refused", &mut self.refused),
            ("checked_keys", &mut self.checked_keys),
            ("checked_operations", &mut self.checked_operations),
            ("kills", &mut self.kills),
            ("power_losses", &mut self.power_losses),
            ("sectors_lost", &mut self.sectors_lost),
            ("sectors_torn", &mut self.sectors_torn),
            ("names_lost", &mut self.names_lost),
            ("syncs", &mut self.syncs),
            ("elections", &mut self.elections),
            ("partitions", &mut self.partitions),
            ("virtual_ms", &mut self.virtual_ms),
        ]
    }

    /// Adds another run.
    pub fn add(&mut self, mut other: Self) {
        for ((_, sum), (_, value)) in self.fields().into_iter().zip(other.fields()) {
            *sum += *value;
        }
    }

    /// Adds what happened to a disk.
    pub fn add_disk(&mut self, disk: &DiskStatistics) {
        self.kills += disk.kills;
        self.power_losses += disk.power_losses;
        self.sectors_lost += disk.sectors.lost;
        self.sectors_torn += disk.sectors.torn;
        self.names_lost += disk.names_lost;
        self.syncs += disk.syncs;
    }

    /// `name value, ...` of what is not 0.
    pub fn summary(mut self) -> String {
        let shown = self.fields().into_iter().filter(|(_, value)| **value > 0);
        let shown = shown.map(|(name, value)| format!("{} {value}", name.replace('_', " ")));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A run that ended by itself.
#[derive(Clone, Debug)]
pub struct Report {
    /// Hash over its trace and its disks.
    pub hash: u64,
    /// What happened.
    pub counts: Counts,
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// Its last events.
    pub events: Vec<String>,
}

impl Report {
    /// Lines on a failure; empty for a run that passed.
    pub fn failure(&self) -> String {
        let Some(violation) = &self.violation else { return String::new() };
        let mut text = format!("VIOLATION: {}\n", violation.summary);
        for line in &violation.details {
            writeln!(text, "    {line}").expect("a string takes everything");
        }
        text + &events_text(&self.events)
    }

    /// The line for the process that started this one.
    pub fn to_line(&self) -> String {
        let mut counts = self.counts;
        let fields = counts.fields().into_iter().map(|(name, value)| format!("{name}={value}"));
        let fields = fields.collect::<Vec<_>>().join(" ");
        format!("{RESULT_MARK} hash={:016x} {fields}", self.hash)
    }
}

/// Reads the last line of a run's output: its hash and counts. `None`: the run ended in a panic.
pub fn parse_result(output: &str) -> Option<(u64, Counts)> {
    let line = output.lines().rev().find(|line| line.starts_with(RESULT_MARK))?;
    let pairs: BTreeMap<&str, &str> =
        line.split(' ').filter_map(|field| field.split_once('=')).collect();
    let hash = u64::from_str_radix(pairs.get("hash")?, 16).ok()?;
    let mut counts = Counts::default();
    for (name, value) in counts.fields() {
        *value = pairs.get(name)?.parse().ok()?;
    }
    Some((hash, counts))
}

fn events_text(events: &[String]) -> String {
    let mut text = format!("last {} events:\n", events.len());
    for event in events {
        writeln!(text, "  {event}").expect("a string takes everything");
    }
    text
}

/// Prints the last events when the run panics: an assertion of the store is a failure like any
/// other.
pub fn print_on_panic(trace: &Trace) {
    let trace = trace.clone();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        eprintln!("{}", events_text(&trace.last_events()));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_survives_its_line() {
        let counts = Counts { answered: 3, virtual_ms: 70, ..Counts::default() };
        let report = Report { hash: 0xabc, counts, violation: None, events: Vec::new() };
        let output = format!("noise\n{}\n", report.to_line());
        assert_eq!(parse_result(&output), Some((0xabc, counts)));
        assert_eq!(parse_result("thread panicked"), None);
    }

    #[test]
    fn a_failure_shows_the_promise_and_the_events() {
        let mut violation = Violation::new("key k is gone");
        violation.details.push("put".to_owned());
        let report = Report {
            hash: 0,
            counts: Counts::default(),
            violation: Some(violation),
            events: vec!["kill".to_owned()],
        };
        let text = report.failure();
        assert!(text.contains("VIOLATION: key k is gone") && text.contains("  kill"));
    }

    #[test]
    fn counts_add_up() {
        let mut sum = Counts { kills: 1, ..Counts::default() };
        sum.add(Counts { kills: 2, syncs: 5, ..Counts::default() });
        assert_eq!(sum.summary(), "kills 3, syncs 5");
    }
}
